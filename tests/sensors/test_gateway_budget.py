"""/v1/budget, on a real broker and a real store; the worker's part is played by the test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from config import contract
from models.trust import Watch
from models.values import Answer, Order, from_json, to_json
from sensors import tokens
from tests.sensors.conftest import Start
from tests.sensors.rig import Served, wait_until


@pytest.fixture(scope="module")
def desk(start: Start, store: tuple[str, Redis]) -> Served:
    """A gateway with that store."""
    return start(redis=store[0])


@pytest.fixture
def redis(desk: Served, store: tuple[str, Redis]) -> Redis:
    """The store with a watch list at 6 alerts an hour."""
    store[1].set(contract.watch(desk.settings.city), to_json(watch(6.0)))
    desk.values(contract.COMMANDS)
    return store[1]


def watch(per_hour: float) -> Watch:
    """A watch list without claims."""
    return Watch(at=1, per_hour=per_hour, line=4.5, spent=2, waiting=0)


def post(desk: Served, body: dict[str, Any], token: str) -> Any:
    """Turn the dial with this token."""
    return desk.http.post("/v1/budget", json=body, headers={"authorization": f"Bearer {token}"})


def token(desk: Served, *scopes: str) -> str:
    """A new token with these scopes, once the gateway knows it."""
    made = tokens.issue(desk.settings.secrets / "gateways.json", "-".join(scopes), scopes)
    headers = {"authorization": f"Bearer {made}"}
    wait_until(lambda: desk.http.get("/v1/budget", headers=headers).status_code == 200, "the token is known")
    return made


@pytest.mark.parametrize("scope", [tokens.DISPATCH, tokens.PLAN])
def test_the_dial_is_turned_once_the_city_judges_by_it(desk: Served, redis: Redis, scope: str) -> None:
    """The order reaches the topic commands, and the answer has the dial as the city has it."""
    pen = token(desk, scope)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, desk, {"per_hour": 12, "by": "li", "comment": "festival"}, pen)
        found: list[bytes] = []

        def come() -> bool:
            found.extend(desk.values(contract.COMMANDS))
            return bool(found)

        wait_until(come, "the order is in the broker")
        order = from_json(found[0], Order)
        city = desk.settings.city
        redis.set(
            contract.answer(city, order.id), to_json(Answer(command=order.id, alert=order.subject, status="done"))
        )
        redis.set(contract.watch(city), to_json(watch(12.0)))
        answer = asked.result(10)
    assert (order.about, order.do, order.args, order.by) == ("budget", "set", {"per_hour": 12.0}, "li")
    assert (answer.status_code, answer.json()["per_hour"], answer.json()["line"]) == (200, 12.0, 4.5)


def test_the_watch_list_is_read(desk: Served, redis: Redis) -> None:
    """Whoever may look sees the dial, the line and how many alerts the last hour had."""
    headers = {"authorization": f"Bearer {token(desk, tokens.LOOK)}"}
    answer = desk.http.get("/v1/budget", headers=headers)
    assert answer.json() | {"rows": [], "faults": {}} == {
        "at": 1, "per_hour": 6.0, "line": 4.5, "spent": 2, "waiting": 0, "rows": [], "faults": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"per_hour": -1, "by": "li"}, 422, "per_hour"),
        ({"per_hour": 1e9, "by": "li"}, 422, "per_hour"),
        ({"per_hour": "six", "by": "li"}, 422, "per_hour"),
        ({"by": "li"}, 422, "per_hour"),
        ({"per_hour": 6}, 422, "by"),
        ({"per_hour": 6, "by": "li", "line": 3}, 422, "line"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(
    desk: Served, redis: Redis, body: dict[str, Any], status: int, says: str
) -> None:
    """Numbers below nought, beyond the dial's end or none at all are refused in words, and nothing is sent."""
    answer = post(desk, body, token(desk, tokens.DISPATCH))
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True)
    assert desk.values(contract.COMMANDS) == []


def test_who_may_only_look_turns_nothing(desk: Served, redis: Redis) -> None:
    """A token without the scope dispatch or plan is told what it lacks."""
    answer = post(desk, {"per_hour": 6, "by": "li"}, token(desk, tokens.LOOK))
    assert (answer.status_code, answer.json()["limit"]) == (403, "dispatch")
    assert desk.http.post("/v1/budget", json={}, headers={"authorization": ""}).status_code == 401
