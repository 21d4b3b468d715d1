"""The planner's page behind its scene: what it tells, who may change what, and the long work that it has done."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from kafka import KafkaProducer

from citybrain.local.ports import free_port
from config import contract
from config import units as fleets
from config.city import City
from config.register import Register
from config.settings import Settings
from models.roster import Rota
from models.silences import Silence
from models.values import DeadLetter, to_json
from tests.wall.room import Running
from tests.wall.stage import Stage, until
from wall.accounts import add_user
from wall.planner import seen
from wall.planner.jobs import Busy, Jobs
from wall.planner.tools import ToolError, Tools

HOUR_MS = 3_600_000


# --- what is told -------------------------------------------------------------------------------------------------


def silence(name: str, start: int, end: int) -> Silence:
    return Silence(
        id=name, matchers={"district": "d1"}, start=start, end=end, by="zhao", comment="road works", at=start
    )


def test_silences_in_force_come_first() -> None:
    """Then those that have not begun, then what has ended, the latest first; other items are passed over."""
    kept = [silence("old", 0, 5), silence("older", 0, 4), silence("now", 0, 20), silence("later", 30, 40)]
    room = {one.key.encode(): to_json(one) for one in kept} | {b"roster/rota": to_json(Rota())}
    rows = seen.silences(room, now=10)
    assert [(row["id"], row["state"]) for row in rows] == [
        ("now", "active"), ("later", "pending"), ("old", "ended"), ("older", "ended"),
    ]  # fmt: skip


def test_the_stream_says_which_version_of_a_pack_is_in_force() -> None:
    """A bad edit is refused with its error while the version before goes on; a pack without a file is still told."""
    found = seen.declared()
    told: dict[str, seen.Row] = {
        "flood": {"state": "refused", "since": 5, "tried": 9, "error": "flood/pack.yaml: rules[2].expr: …"},
        "gone": {"state": "in-force", "since": 1, "error": ""},
    }
    rows = {row["pack"]: row for row in seen.pack_rows(found, told)}
    assert (rows["flood"]["state"], rows["flood"]["since"]) == ("refused", 5)
    assert rows["flood"]["error"].startswith("flood/pack.yaml: rules[2].expr")
    assert rows["holiday-crowd"]["state"] == "in-force"
    assert rows["gone"]["state"] == "in-force"


def test_a_pack_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Also before any worker has said what became of it."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "pack.yaml").write_text("pack: broken\n")
    row = seen.pack_rows(seen.declared(tmp_path), {})[0]
    assert (row["pack"], row["state"]) == ("broken", "refused")
    assert "broken/pack.yaml" in row["error"]


# --- tools and jobs -----------------------------------------------------------------------------------------------

FAKE = """
import json, sys, time
what = sys.argv[1]
if what == "fail":
    print("citybrain: the disk is full", file=sys.stderr)
    sys.exit(1)
if what == "wait":
    print("progress 0.25 reading", file=sys.stderr, flush=True)
    time.sleep(60)
if what == "nothing":
    sys.exit(0)
print("progress 0.5 half", file=sys.stderr)
print("a line for people")
print(json.dumps({"asked": sys.argv[1:]}))
"""


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """Tools whose command is a small program."""
    return Tools(Settings(data=tmp_path), (sys.executable, "-c", FAKE))


def test_the_last_line_of_a_command_is_its_answer(tools: Tools) -> None:
    """What it said before is for people."""
    assert asyncio.run(tools.ask("list", "--json")) == {"asked": ["list", "--json"]}


@pytest.mark.parametrize(
    ("what", "said"), [("fail", "citybrain: the disk is full"), ("nothing", "the command's answer cannot be read")]
)
def test_a_command_that_fails_says_its_last_line(tools: Tools, what: str, said: str) -> None:
    """And one that answers nothing is found out."""
    with pytest.raises(ToolError, match=said):
        asyncio.run(tools.ask(what))


def test_work_is_followed_stopped_and_limited(tools: Tools) -> None:
    """Progress is told, a stop ends the process, failures keep their words, and no more than two run at once."""

    async def work() -> None:
        jobs = Jobs(tools)
        slow = jobs.begin("preview", "lin", ("wait",), {}, (0,))
        other = jobs.begin("preview", "lin", ("wait",), {}, (0,))
        with pytest.raises(Busy, match="2 jobs run already"):
            jobs.begin("preview", "lin", ("wait",), {}, (0,))
        await _until(lambda: slow.progress == 0.25)
        assert (slow.state, slow.note) == ("running", "reading")
        stopped = await jobs.stop(slow.id)
        assert stopped is not None
        assert (stopped.state, stopped.ended is not None) == ("stopped", True)
        await jobs.stop(other.id)
        done = jobs.begin("verify", "lin", ("list",), {}, (0,))
        failed = jobs.begin("verify", "lin", ("fail",), {}, (0,))
        await _until(lambda: "running" not in (done.state, failed.state))
        assert (done.state, done.result) == ("done", {"asked": ["list"]})
        assert (failed.state, failed.error) == ("failed", "citybrain: the disk is full")
        await jobs.close()

    asyncio.run(work())


async def _until(true: Any) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


# --- the routes, on real processes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stage(rows: Register, chengdu: City) -> Iterator[Stage]:
    """Store, broker, wall and the real room, with dead letters, unknown datastreams and a planner's login."""
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="planner-") as name,
    ):
        patch.setenv("CITYBRAIN_GATEWAY_PORT", str(free_port()))  # where no gateway is
        yield from _staged(Path(name), rows, chengdu)


def _staged(folder: Path, rows: Register, chengdu: City) -> Iterator[Stage]:
    with Stage(folder, rows, chengdu, answers=False) as made:
        for user, role in (("lin", "planner"), ("zhao", "supervisor"), ("wu", "auditor")):
            add_user(made.settings.secrets / "users.json", user, role, made.password)
        _fill(made)
        with Running(made, fleets.of_city(chengdu), {}):
            yield made


def _fill(stage: Stage) -> None:
    city, now = stage.city.id, int(time.time() * 1000)
    for name in ("cam-077/people", "camera-000003/visitors", "thing-1/unheard"):
        row = {"datastream": name, "source": "video-03", "count": 3, "first": now - 9000, "last": now}
        stage.feed.redis.hset(contract.unknown(city), name, msgspec.json.encode(row))
    watch = {"at": now, "per_hour": 6.0, "line": 5.8, "spent": 4, "waiting": 11, "rows": [], "faults": {}}
    stage.feed.redis.set(contract.watch(city), msgspec.json.encode(watch))
    letter = DeadLetter(id="00000000000000aa", at=now, source="video-03", reason="value 9000 is above 5000", body=b"{}")
    producer = KafkaProducer(bootstrap_servers=stage.kafka)
    producer.send(contract.DEAD_LETTERS.of(city), to_json(letter)).get(10)
    producer.close()


@pytest.fixture(scope="module")
def people(stage: Stage) -> Iterator[dict[str, httpx.Client]]:
    """Everybody's browser."""
    clients = {}
    for user in ("lin", "zhao", "wu", "guest", "chen"):
        client = clients[user] = httpx.Client(base_url=stage.url, headers={"origin": stage.url}, timeout=100)
        client.post("/login", data={"user": user, "password": stage.password})
    yield clients
    for client in clients.values():
        client.close()


READS = ("boot.json", "rules", "packs", "silences", "roster", "register", "jobs")
SENDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("silences", {"matchers": {"pack": "flood"}, "until": 1, "comment": "works"}),
    ("budget", {"per_hour": 9}),
    ("adopt", {"datastream": "cam-078/people", "kind": "camera", "lon": 104.06, "lat": 30.66, "dry_run": True}),
    ("dead/00000000000000aa/replay", {}),
    ("jobs", {"what": "preview", "per_hour": 9}),
)


def test_who_looks_may_read_and_change_nothing(people: dict[str, httpx.Client]) -> None:
    """A viewer and a dispatcher see all but the audit; every route that changes something is refused to them."""
    for user in ("guest", "chen"):
        assert [people[user].get(f"/planner/{path}").status_code for path in READS] == [200] * len(READS)
        assert people[user].get("/planner/audit").status_code == 403
        assert [people[user].post(f"/planner/{path}", json=body).status_code for path, body in SENDS] == [403] * 5


def test_a_stranger_sees_nothing(stage: Stage) -> None:
    """Without a login each address is 401, and changes are refused before anything else."""
    with httpx.Client(base_url=stage.url) as stranger:
        assert {stranger.get(f"/planner/{path}").status_code for path in (*READS, "audit", "dead")} == {401}
        assert {stranger.post(f"/planner/{path}", json=body).status_code for path, body in SENDS} == {403}


def test_an_auditor_reads_the_audit_and_changes_nothing(people: dict[str, httpx.Client]) -> None:
    """The right to the history is no right to the city."""
    assert people["wu"].get("/planner/audit").status_code == 200
    assert {people["wu"].post(f"/planner/{path}", json=body).status_code for path, body in SENDS} == {403}


def test_a_silence_is_made_and_ended_in_the_planners_name(people: dict[str, httpx.Client]) -> None:
    """The room keeps it; the history has both; a silence without a reason or matchers is refused with why."""
    until_ms = int(time.time() * 1000) + HOUR_MS
    body = {"matchers": {"district": "510104"}, "until": until_ms, "comment": "road works"}
    made = people["lin"].post("/planner/silences", json={**body, "id": "silence-0001"})
    again = people["lin"].post("/planner/silences", json={**body, "id": "silence-0001"})
    assert (made.status_code, made.json()["state"], again.status_code) == (200, "active", 200)
    rows = people["guest"].get("/planner/silences").json()["silences"]
    assert [(row["id"], row["by"], row["state"]) for row in rows] == [("silence-0001", "lin", "active")]
    ended = people["zhao"].post("/planner/silences", json={"ends": "silence-0001"})
    assert (ended.status_code, ended.json()["state"]) == (200, "ended")
    nameless = people["lin"].post("/planner/silences", json={**body, "comment": ""})
    assert (nameless.status_code, "comment" in nameless.json()["message"]) == (422, True)
    assert people["lin"].post("/planner/silences", json={"comment": "all", "until": until_ms}).status_code == 422
    assert people["lin"].post("/planner/silences", json={"ends": "none"}).status_code == 404
    lines = people["lin"].get("/planner/audit?subject=silence-0001").json()["lines"]
    assert [(line["by"], line["did"]) for line in lines if line["did"] == "end"] == [("zhao", "end")]


def test_the_dial_is_turned(people: dict[str, httpx.Client]) -> None:
    """By a planner, with the numbers that a dial has."""
    assert people["lin"].post("/planner/budget", json={"per_hour": 12}).json()["state"] == "12"
    assert people["lin"].post("/planner/budget", json={"per_hour": 1e9}).status_code == 422
    told = people["lin"].get("/planner/rules").json()
    assert told["budget"]["per_hour"] == 6.0  # a worker tells the new one; none runs here
    assert "flood.PondingWarning" in [row["rule"] for row in told["rules"]]


def test_dead_letters_are_listed_shown_and_not_sent_to_nobody(people: dict[str, httpx.Client]) -> None:
    """Bodies come one by one; without a gateway the replay says so; an id that is none is not found."""
    listed = people["guest"].get("/planner/dead?limit=10").json()["letters"]
    assert [(one["id"], "body" in one) for one in listed] == [("00000000000000aa", False)]
    assert people["guest"].get("/planner/dead/00000000000000aa").json()["body"] == "{}"
    assert people["guest"].get("/planner/dead/--help").status_code == 404
    assert people["guest"].get("/planner/dead?limit=0").status_code == 422
    sent = people["lin"].post("/planner/dead/00000000000000aa/replay")
    assert (sent.status_code, "no gateway answers" in sent.json()["detail"]) == (502, True)


def test_an_unknown_datastream_is_adopted_after_a_look(stage: Stage, people: dict[str, httpx.Client]) -> None:
    """A dry run changes nothing; an asset that is known brings its place; what no pack watches cannot be adopted."""
    rows = {row["datastream"]: row for row in people["guest"].get("/planner/register").json()["unknown"]}
    assert rows["cam-077/people"]["kinds"] == ["camera"]
    assert rows["camera-000003/visitors"]["asset"]["kind"] == "camera"
    assert rows["thing-1/unheard"]["kinds"] == []
    given = {"datastream": "cam-077/people", "kind": "camera", "lon": 104.06, "lat": 30.66, "name_zh": "三号门"}
    size = stage.settings.register.stat().st_size
    look = people["lin"].post("/planner/adopt", json={**given, "dry_run": True})
    assert [(one["what"], one["asset"]) for one in look.json()["changes"]] == [("new", "cam-077")]
    assert stage.settings.register.stat().st_size == size
    wrong = people["lin"].post("/planner/adopt", json={**given, "kind": "gauge"})
    assert (wrong.status_code, "use one of camera" in wrong.json()["detail"]) == (422, True)
    outside = people["lin"].post("/planner/adopt", json={**given, "lat": 91})
    assert outside.status_code == 422


def test_the_audit_is_verified_as_work(people: dict[str, httpx.Client]) -> None:
    """A job with a result; those who may not read the audit do not see it."""
    people["lin"].post("/planner/budget", json={"per_hour": 11})
    began = people["wu"].post("/planner/jobs", json={"what": "verify"})
    assert began.status_code == 200
    job = began.json()["id"]
    until(lambda: people["wu"].get(f"/planner/jobs/{job}").json()["state"] != "running", "the history is read")
    done = people["wu"].get(f"/planner/jobs/{job}").json()
    assert (done["state"], done["result"]["ok"]) == ("done", True)
    assert people["guest"].get(f"/planner/jobs/{job}").status_code == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"what": "preview"}, "nothing is changed"),
        ({"what": "preview", "rule": "flood.None", "expr": "value > 1"}, "there is no rule flood.None"),
        ({"what": "preview", "rule": "--help"}, "rule"),
        ({"what": "destroy"}, "destroy"),
        ({"what": "preview", "rule": "flood.PondingWarning"}, "nothing is changed"),
        ({"what": "preview", "rule": "flood.PondingWarning", "line": "high"}, "line"),
        ({"what": "preview", "text": "x" * 200_001}, "text"),
        ({"what": "preview", "per_hour": -1}, "per_hour"),
    ],
)
def test_work_that_makes_no_sense_is_refused(people: dict[str, httpx.Client], body: dict[str, Any], says: str) -> None:
    """Before a process is started, with what is wrong."""
    answer = people["lin"].post("/planner/jobs", json=body)
    assert answer.status_code == 422
    assert says in json.dumps(answer.json())


def test_a_report_of_no_incident_is_refused(people: dict[str, httpx.Client]) -> None:
    """By its name where that can be none, with the command's own word where the archive has no such incident."""
    assert people["guest"].get("/planner/after-action/inc-1.exe").status_code == 404
    assert people["guest"].get("/planner/after-action/--help.pdf").status_code == 404
    told = people["guest"].get("/planner/after-action/inc-1.html")
    assert (told.status_code, told.json()["detail"].startswith("citybrain: ")) == (502, True)


def test_the_roster_tells_who_is_on_duty(people: dict[str, httpx.Client]) -> None:
    """Now, next, and in the seven days to come."""
    told = people["guest"].get("/planner/roster").json()
    assert told["now"]["end"] == told["next"]["start"] == told["days"][0]["start"]
    assert told["days"][-1]["start"] >= told["next"]["start"] + 6 * 24 * HOUR_MS
    assert "desk-1" in [one["seat"] for one in told["now"]["seats"]]
