"""``citybrain run all``: a city that comes up, takes readings, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from pathlib import Path

from tests.citybrain.conftest import ROLES, Everything, everything

COUNTER = "107-quay-street/pedestrians"


def post(city: Everything, token: str, *readings: dict[str, object]) -> tuple[int, dict[str, int]]:
    """The gateway's answer to these readings."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{city.settings.gateway_port}/v1/readings",
        json.dumps({"readings": readings}).encode(),
        {"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  # our own http address
        return answer.status, json.loads(answer.read())


def issued(city: Everything, name: str) -> str:
    """A new token, once the gateway knows it."""
    token = city.command("token", "new", name).stdout.strip()
    time.sleep(1.2)  # the gateway looks at its tokens each second
    return token


def test_both_doors_answer(city: Everything) -> None:
    """Gateway and wall are alive."""
    assert city.get(city.settings.gateway_port, "/healthz") == 200
    assert city.get(city.settings.wall_port, "/healthz") == 200


def test_it_says_where_it_answers_and_how_to_get_in(city: Everything) -> None:
    """What it prints names both addresses and the two commands that let gateways and people in."""
    said = city.said.read_text()
    assert f"http://127.0.0.1:{city.settings.wall_port}/desk" in said
    assert f"http://127.0.0.1:{city.settings.gateway_port}/v1/readings" in said
    assert "token new NAME" in said
    assert "user add NAME" in said


def test_a_reading_with_an_issued_token_is_accepted(city: Everything) -> None:
    """A token from the command line opens the door."""
    token = issued(city, "by-hand")
    status, body = post(city, token, {"datastream": COUNTER, "time": int(time.time() * 1000), "value": 412})
    assert (status, body["accepted"], body["rejected"]) == (202, 1, 0)


def test_a_person_added_on_the_command_line_can_log_in(city: Everything) -> None:
    """The wall knows a new account without a restart."""
    added = city.command("user", "add", "lin", "--role", "dispatcher", "--password", "long-enough-1")
    assert added.returncode == 0, added.stderr
    assert "lin" in json.loads((city.settings.secrets / "users.json").read_text())


def test_the_doctor_finds_no_fault(city: Everything) -> None:
    """Broker, topics, store, ports and register of a running city are found and sound."""
    report = city.command("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(report.stdout.splitlines()[-1])["checks"]}
    assert [check for check in checks.values() if check["status"] == "FAULT"] == []
    assert report.returncode == 0
    assert "answers" in checks["broker"]["value"]
    assert checks["topic readings"]["value"] == "1 partitions"
    assert checks["store's door"]["value"] == "a socket of this user"
    assert checks["gateway port"]["value"].endswith("is held by a citybrain that answers")


def test_a_second_start_on_the_same_folder_is_one_clear_line(city: Everything) -> None:
    """Two supervisors must not share a data folder."""
    again = city.command("run", "all", CITYBRAIN_GATEWAY_PORT="0", CITYBRAIN_WALL_PORT="0")
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith(f"citybrain: {city.settings.data} is in use by process")


def test_a_refused_reading_becomes_a_dead_letter_that_can_be_shown_and_sent_again(city: Everything) -> None:
    """dead list, show and replay on the way of one reading that is out of range."""
    token = issued(city, "counter-9")
    now = int(time.time() * 1000)
    good, bad = {"datastream": COUNTER, "time": now, "value": 5}, {"datastream": COUNTER, "time": now + 1, "value": -3}
    assert post(city, token, good, bad)[1]["rejected"] == 1
    listed = city.command("dead", "list", "--json")
    letters = json.loads(listed.stdout.splitlines()[-1])["letters"]
    mine = next(letter for letter in letters if letter["source"] == "counter-9")
    assert "outside 0..100000" in mine["reason"]
    shown = city.command("dead", "show", mine["id"])
    assert '"value":-3.0' in shown.stdout
    replayed = city.command("dead", "replay", mine["id"], TOKEN=token)
    assert replayed.returncode == 1  # nothing was mended, so it is refused again
    assert replayed.stdout.startswith("422 ")
    assert "outside 0..100000" in replayed.stdout


def test_told_to_stop_it_leaves_no_process(tmp_path: Path) -> None:
    """SIGTERM: exit code 0, every process gone, no pid file left."""
    with everything(tmp_path) as running:
        assert set(running.pids) == ROLES
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        assert running.alive() == set()
        assert list((running.settings.data / "run").glob("*.pid")) == []


def test_killed_it_takes_its_children_with_it(tmp_path: Path) -> None:
    """kill -9 of the supervisor: all its children go too."""
    with everything(tmp_path) as running:
        assert running.alive() == ROLES
        running.process.kill()
        until = time.monotonic() + 30
        while running.alive() and time.monotonic() < until:
            time.sleep(0.05)
        assert running.alive() == set()
