"""/v1/roster, /v1/quality, /v1/notifications on a real broker and store; a real room answers in the worker's place."""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from redis import Redis

from citybrain import prepare
from config import contract, roster
from config.duty_files import COMMON, folder, local_time
from models.room import Room, Setup
from models.values import Notification, Order, from_json, to_json
from sensors import tokens
from tests.citybrain.test_report import archived
from tests.models.duty import HOUR, MINUTE, alert
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW_MS, SHARDS, Served, wait_until


@pytest.fixture(scope="module")
def desk(start: Start, store: tuple[str, Redis], broker: str, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A gateway of a city with Chengdu's roster and routes; its token may lead."""
    cities = tmp_path_factory.mktemp("cities")
    served = start(redis=store[0], cities=cities)
    city = served.settings.city
    prepare.make_topics(broker, city, SHARDS)
    (cities / city).mkdir()
    for name in ("city.yaml", "roster.yaml", "notifications.yaml"):
        shutil.copy(COMMON / "chengdu" / name, cities / city)
    token = tokens.issue(served.settings.secrets / "gateways.json", "lead", (tokens.LEAD,))
    served.http.headers["authorization"] = f"Bearer {token}"
    wait_until(lambda: served.http.get("/v1/roster").status_code == 200, "the token counts")
    return served


class Worker:
    """The worker's part: a real room between the topic and the store."""

    def __init__(self, desk: Served, store: Redis) -> None:
        place = folder(desk.settings)
        self.desk, self.store, self.city = desk, store, desk.settings.city
        self.room = Room(Setup(roster=roster.load(place), calendar=local_time(place)))
        desk.values(contract.COMMANDS)

    def answered(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        """POST, with the room's answer."""
        future = asked(self.desk, path, body, **headers)
        orders: list[bytes] = []

        def come() -> bool:
            orders.extend(self.desk.values(contract.COMMANDS))
            return bool(orders) or future.done()

        wait_until(come, "the order is in the broker, or refused")
        for order in orders:
            out = self.room.take(from_json(order, Order), NOW_MS)
            for key, value in out.items.items():
                self.store.hset(contract.room(self.city), key, value or b"")
            for answer in out.answers:
                self.store.set(contract.answer(self.city, answer.command), to_json(answer))
        return future.result(10)


def asked(desk: Served, path: str, body: object, **headers: str) -> Future[httpx.Response]:
    """POST in the background."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(lambda: desk.http.post(path, json=body, headers=headers))
    pool.shutdown(wait=False)
    return future


@pytest.fixture
def worker(desk: Served, store: tuple[str, Redis]) -> Worker:
    """A room that nobody has changed."""
    store[1].flushdb()
    return Worker(desk, store[1])


def test_the_roster_tells_shift_and_seats(desk: Served) -> None:
    """Of now, in the city's time: 22:13 in Chengdu."""
    told = desk.http.get("/v1/roster").json()
    assert (told["shift"], told["to"] - told["from"]) == ("night", 12 * HOUR)
    assert [one["seat"] for one in told["duty"]] == ["desk-1", "lead", "on-call"]


def test_a_handover_is_recorded_and_answered_with_the_roster(worker: Worker) -> None:
    """The same Idempotency-Key records it once."""
    body = {"by": "dispatcher", "to": "dispatcher-2", "comment": "pump at bridge 3"}
    for _ in range(2):
        done = worker.answered("/v1/roster/handover", body, **{"idempotency-key": "h-1"})
        assert done.status_code == 200
    (handover,) = done.json()["handovers"]
    assert (handover["by"], handover["to"], handover["comment"]) == ("dispatcher", "dispatcher-2", "pump at bridge 3")


def test_a_seat_is_taken_and_left(worker: Worker) -> None:
    """By a supervisor's token also for somebody else."""
    body = {"by": "supervisor", "seat": "desk-1", "user": "director"}
    taken = worker.answered("/v1/roster/take", body).json()["duty"][0]
    assert (taken["user"], taken["out_of_turn"]) == ("director", True)
    left = worker.answered("/v1/roster/leave", {"by": "supervisor", "seat": "desk-1"}).json()["duty"][0]
    assert not left["out_of_turn"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("take", {"by": "li", "seat": "attic", "user": "director"}, 404, "use one of desk-1, lead, on-call"),
        ("take", {"by": "supervisor", "seat": "desk-1", "until": 5}, 422, "sit for at most 24 hours"),
        ("leave", {"by": "supervisor", "seat": "desk-1"}, 409, "nobody sits at desk-1 out of turn"),
        ("handover", {"by": "li"}, 422, "name who takes over under to"),
        ("take", {"seat": "desk-1"}, 422, "missing required field `by`"),
        ("take", {"by": "x", "chair": "desk-1"}, 422, "unknown field `chair`"),
        ("dance", {"by": "li"}, 422, "'take', 'leave' or 'handover'"),
    ],
)
def test_what_cannot_be_ordered_is_refused(
    worker: Worker, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    """With the reason and what to do."""
    refused = worker.answered(f"/v1/roster/{path}", body)
    assert refused.status_code == status
    assert said in refused.json()["detail"]


def test_scopes_are_held(desk: Served) -> None:
    """Who may look may not act, who may act may not press the test button, who sends readings may do neither."""
    book = desk.settings.secrets / "gateways.json"
    look, act, push = (tokens.issue(book, name, (name,)) for name in (tokens.LOOK, tokens.DISPATCH, tokens.READINGS))

    def status(token: str, method: str, path: str) -> int:
        return desk.http.request(method, path, headers={"authorization": f"Bearer {token}"}, content=b"{}").status_code

    wait_until(lambda: status(push, "GET", "/v1/roster") == 403, "the tokens count")
    assert [status(look, "GET", path) for path in ("/v1/roster", "/v1/quality", "/v1/notifications/failed")] == [
        200
    ] * 3
    assert status(look, "POST", "/v1/roster/take") == 403
    assert (status(act, "POST", "/v1/roster/take"), status(act, "POST", "/v1/notifications/test")) == (422, 403)
    assert status("nonsense", "GET", "/v1/quality") == 401


def test_quality_is_of_the_archive_and_what_the_picture_has_newer(worker: Worker, desk: Served) -> None:
    """An alert that was acknowledged after the archive's last file counts as acknowledged."""
    old, fresh = alert(NOW_MS - 3 * HOUR, "Extreme"), alert(NOW_MS - HOUR)
    archived(desk.settings, contract.ALERTS, [(one.opened, one.id, to_json(one)) for one in (old, fresh)])
    known = replace(fresh, acknowledged_at=fresh.opened + MINUTE)
    worker.store.hset(contract.alerts(worker.city), known.id, to_json(known))
    told = desk.http.get("/v1/quality", params={"from": NOW_MS - 4 * HOUR, "to": NOW_MS, "operators": 2}).json()
    assert (told["alerts"], told["operators"], told["per_operator_hour"]) == (2, 2, 0.25)
    assert told["acknowledgement"]["all"]["p50_s"] == 60.0
    assert told["acknowledgement"]["Extreme"]["open"] == 1
    narrowed = desk.http.get("/v1/quality", params={"from": "2026-09-21T21:00:00+08:00", "to": str(NOW_MS)}).json()
    assert (narrowed["alerts"], narrowed["operators"]) == (1, 1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-09-21T21:00:00"}, "to"),
        ({"from": "9", "to": "3"}, "from"),
        ({"from": "0", "to": str(NOW_MS)}, "from"),
        ({"operators": "0"}, "operators"),
        ({"from": "9" * 30}, "from"),
    ],
)
def test_a_span_that_cannot_be_is_refused(desk: Served, query: dict[str, str], field: str) -> None:
    """422 with the field."""
    refused = desk.http.get("/v1/quality", params=query)
    assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_the_test_button_goes_the_whole_way_and_tells_the_outcome(worker: Worker, desk: Served) -> None:
    """The notifier's part is played by the test."""
    desk.values(contract.NOTIFICATIONS)
    future = asked(desk, "/v1/notifications/test", {"route": "journal", "by": "zhao"})
    found: list[bytes] = []

    def come() -> bool:
        found.extend(desk.values(contract.NOTIFICATIONS))
        return bool(found)

    wait_until(come, "the message is on the topic")
    message = from_json(found[0], Notification)
    assert (message.route, message.urgent) == ("journal", True)
    worker.store.set(contract.sent(worker.city, message.id), "sent")
    assert future.result(10).json() == {"id": message.id, "outcome": "sent"}
    unknown = desk.http.post("/v1/notifications/test", json={"route": "pigeon", "by": "zhao"})
    assert (unknown.status_code, unknown.json()["value"]) == (404, "pigeon")


def test_routes_and_failures_are_listed(worker: Worker, desk: Served, tmp_path: Path) -> None:
    """As declared, and as the notifier left them."""
    names = [one["route"] for one in desk.http.get("/v1/notifications/routes").json()["routes"]]
    assert names[:2] == ["journal", "duty-wecom"]
    worker.store.hset(contract.failed(worker.city), "n1", b'{"attempts":3}')
    assert desk.http.get("/v1/notifications/failed").json() == {"failed": [{"attempts": 3}]}
