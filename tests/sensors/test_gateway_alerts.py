"""/v1/alerts, on a real broker and a real store; the worker's part is played by the test."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
from redis import Redis

from config import contract
from models.values import Alert, Answer, Command, Detection, State, Text, from_json, to_json
from sensors import tokens
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW_MS, Served, reading, wait_until

WHO = {"by": "dispatcher.li", "comment": "crew 7 is on its way"}


def alert(number: str, state: State = "unacknowledged", opened: int = NOW_MS, by: str = "") -> Alert:
    """An alert over a crowded bridge."""
    detection = Detection(
        id=number,
        pack="holiday-crowd",
        rule="crowding",
        place="bridge-1",
        place_kind="zone",
        place_name=Text("Anshun Bridge", "安顺廊桥"),
        lon=104.08,
        lat=30.64,
        district="510104",
        state="firing",
        severity="Severe",
        onset=opened,
        time=opened,
        value=900.0,
        expected=200.0,
        score=6.0,
        unit="1",
        headline=Text("Crowding on Anshun Bridge", "安顺廊桥人群拥挤"),
    )
    return Alert(
        id=number,
        detection=detection,
        state=state,
        severity="Severe",
        opened=opened,
        deadline=opened + 300_000,
        acknowledged_by=by,
    )


@pytest.fixture(scope="module")
def desk(start: Start, store: tuple[str, Redis]) -> Served:
    """A gateway with that store."""
    return start(redis=store[0])


@pytest.fixture
def redis(desk: Served, store: tuple[str, Redis]) -> Redis:
    """The store without alerts."""
    store[1].delete(contract.alerts(desk.settings.city))
    desk.values(contract.COMMANDS)
    return store[1]


def put(desk: Served, redis: Redis, *alerts: Alert) -> None:
    """Let the picture hold these alerts."""
    for one in alerts:
        redis.hset(contract.alerts(desk.settings.city), one.id, to_json(one))


def asked(desk: Served, path: str, **headers: str) -> Future[httpx.Response]:
    """Send an action in the background, as its answer needs a worker."""
    pool = ThreadPoolExecutor(1)
    url, body = f"/v1/alerts/{path}", WHO
    future = pool.submit(lambda: desk.http.post(url, json=body, headers=headers))
    pool.shutdown(wait=False)
    return future


def received(desk: Served) -> Command:
    """The command that reaches the broker."""
    found: list[bytes] = []

    def come() -> bool:
        found.extend(desk.values(contract.COMMANDS))
        return bool(found)

    wait_until(come, "the command is in the broker")
    assert len(found) == 1
    return from_json(found[0], Command)


def tell(desk: Served, redis: Redis, answer: Answer) -> None:
    """Answer a command as the worker does."""
    redis.set(contract.answer(desk.settings.city, answer.command), to_json(answer), ex=contract.ANSWER_TTL_S)


def test_alerts_are_listed_and_filtered(desk: Served, redis: Redis) -> None:
    """The list has the newest alert first, and can be narrowed by state and severity."""
    put(desk, redis, alert("a1"), alert("a2", "acknowledged", NOW_MS + 1))
    listed = desk.http.get("/v1/alerts").json()["alerts"]
    assert [(one["id"], one["state"]) for one in listed] == [("a2", "acknowledged"), ("a1", "unacknowledged")]
    narrowed = desk.http.get("/v1/alerts", params={"state": "unacknowledged", "severity": "Severe"}).json()["alerts"]
    assert [one["id"] for one in narrowed] == ["a1"]
    assert desk.http.get("/v1/alerts", params={"severity": "Minor"}).json()["alerts"] == []
    wrong = desk.http.get("/v1/alerts", params={"severity": "red"})
    assert (wrong.status_code, wrong.json()["field"], wrong.json()["value"]) == (422, "severity", "red")


def test_one_alert_is_found_by_its_id(desk: Served, redis: Redis) -> None:
    """A known id gives the alert, an unknown one 404."""
    put(desk, redis, alert("a1"))
    assert desk.http.get("/v1/alerts/a1").content == to_json(alert("a1"))
    unknown = desk.http.get("/v1/alerts/a2")
    assert (unknown.status_code, unknown.json()["value"]) == (404, "a2")


def test_an_acknowledgement_is_answered_with_the_alert_as_it_became(desk: Served, redis: Redis) -> None:
    """The command reaches the broker; when the worker says it is done, the answer is the alert."""
    put(desk, redis, alert("a1"))
    answer = asked(desk, "a1/acknowledge")
    command = received(desk)
    assert (command.alert, command.action, command.by, command.comment) == ("a1", "acknowledge", *WHO.values())
    became = alert("a1", "acknowledged", by="dispatcher.li")
    put(desk, redis, became)
    tell(desk, redis, Answer(command=command.id, alert="a1", status="done", state="acknowledged", by="dispatcher.li"))
    assert (answer.result(5).status_code, answer.result(5).content) == (200, to_json(became))


def test_the_second_dispatcher_is_told_who_was_first(desk: Served, redis: Redis) -> None:
    """A conflict is 409 with the state and who holds the alert."""
    answer = asked(desk, "a1/acknowledge")
    command = received(desk)
    told = Answer(command=command.id, alert="a1", status="conflict", state="acknowledged", by="dispatcher.wang")
    tell(desk, redis, told)
    problem = answer.result(5).json()
    assert (answer.result().status_code, problem["state"], problem["by"]) == (409, "acknowledged", "dispatcher.wang")


def test_a_command_for_an_unknown_alert_is_404(desk: Served, redis: Redis) -> None:
    """When the worker does not know the alert, the answer is 404."""
    answer = asked(desk, "a9/comment")
    command = received(desk)
    tell(desk, redis, Answer(command=command.id, alert="a9", status="unknown"))
    assert (answer.result(5).status_code, answer.result().json()["value"]) == (404, "a9")


def test_the_idempotency_key_is_the_commands_id(desk: Served, redis: Redis) -> None:
    """A dispatcher's client may name its command, so that sending it again does it only once."""
    put(desk, redis, alert("a1"))
    answer = asked(desk, "a1/comment", **{"idempotency-key": "desk-7-42"})
    assert received(desk).id == "desk-7-42"
    tell(desk, redis, Answer(command="desk-7-42", alert="a1", status="done"))
    assert answer.result(5).status_code == 200


def test_without_a_worker_a_command_is_504(desk: Served, redis: Redis) -> None:
    """When nobody answers in time the dispatcher is told to look again."""
    answer = desk.http.post("/v1/alerts/a1/acknowledge", json=WHO)
    assert (answer.status_code, answer.json()["limit"]) == (504, 3.0)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("a1/explode", WHO, 404),
        ("a1/acknowledge", {"comment": "who?"}, 422),
        ("a1/acknowledge", {"by": ""}, 422),
        ("a1/acknowledge", {"by": "li", "force": True}, 422),
        ("a1/acknowledge", [], 422),
        ("a1/acknowledge", {"by": "li", "comment": "x" * 70_000}, 413),
    ],
)
def test_a_bad_command_never_reaches_the_broker(
    desk: Served, redis: Redis, path: str, body: object, status: int
) -> None:
    """An unknown action is 404, a body that is amiss 422, one too long 413."""
    answer = desk.http.post(f"/v1/alerts/{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert desk.values(contract.COMMANDS) == []


def test_alerts_need_a_token_that_may_dispatch(desk: Served) -> None:
    """A gateway's own token gives 403 on every alerts route, none 401."""
    token = tokens.issue(desk.settings.secrets / "gateways.json", "meter-1")
    headers = {"authorization": f"Bearer {token}"}
    wait_until(lambda: desk.post([reading()], **headers).status_code == 202, "the token is known", within_s=30)
    requests = [("GET", "/v1/alerts"), ("GET", "/v1/alerts/a1"), ("POST", "/v1/alerts/a1/acknowledge")]
    answers = [desk.http.request(method, path, json=WHO, headers=headers) for method, path in requests]
    assert [answer.status_code for answer in answers] == [403] * 3
    answers = [desk.http.request(method, path, headers={"authorization": ""}) for method, path in requests]
    assert [answer.status_code for answer in answers] == [401] * 3


def test_each_source_is_in_the_picture_within_seconds(desk: Served, redis: Redis) -> None:
    """The store learns how many readings each gateway sent, how many were refused, and how late they were."""
    key = contract.sources(desk.settings.city)
    before = desk.post([reading(0, 1, NOW_MS - 5000), reading(99)])
    assert before.json()["accepted"] == 1
    wait_until(lambda: bool(redis.hexists(key, "gate-7")), "the source is in the store")
    told = json.loads(redis.hget(key, "gate-7") or b"")
    counted = {name: told[name] for name in ("accepted", "rejected", "last", "lag_ms", "datastreams")}
    assert counted == {
        "accepted": 1, "rejected": 1, "last": NOW_MS, "lag_ms": 5000, "datastreams": 1
    }  # fmt: skip


def test_counts_of_sources_go_on_after_a_restart(start: Start, store: tuple[str, Redis]) -> None:
    """A new gateway adds to what the one before had counted."""
    gateway = start(redis=store[0])
    key = contract.sources(gateway.settings.city)
    store[1].hset(key, "gate-7", b'{"accepted":40,"rejected":2,"last":1,"lag_ms":1}')
    gateway.post([reading()])
    wait_until(
        lambda: b'"accepted":41,"rejected":2' in (store[1].hget(key, "gate-7") or b""), "the sum is in the store"
    )


def test_readings_are_taken_though_the_store_is_away(start: Start) -> None:
    """Without the store alerts are 503, and readings are accepted all the same."""
    gateway = start(redis="redis://127.0.0.1:1")
    answers = [gateway.http.get("/v1/alerts"), gateway.http.post("/v1/alerts/a1/acknowledge", json=WHO)]
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in answers] == [(503, "5")] * 2
    assert gateway.post([reading()]).json()["accepted"] == 1
