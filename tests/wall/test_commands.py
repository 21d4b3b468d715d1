"""Commands from a browser through the broker and back, on real processes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.wall.stage import Stage


@pytest.fixture
def browser(stage: Stage) -> Iterator[httpx.Client]:
    """Somebody logged in as a dispatcher."""
    with httpx.Client(base_url=stage.url, headers={"origin": stage.url}) as client:
        client.post("/login", data={"user": "chen", "password": stage.password})
        yield client


def fresh(stage: Stage, level: int = 1) -> str:
    """An alert that waits."""
    alert = stage.feed.make(level, 1)
    stage.feed.put(alert, announce=True)
    return alert.id


def acknowledge(browser: httpx.Client, alert: str, **more: str) -> httpx.Response:
    return browser.post("/command", json={"alert": alert, "action": "acknowledge", **more})


def test_an_acknowledgement_is_done_in_the_name_of_who_is_logged_in(stage: Stage, browser: httpx.Client) -> None:
    """The answer says so, and the alert has the name and the comment."""
    key = fresh(stage)
    answer = acknowledge(browser, key, comment="已派人")
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    alert = stage.feed.read(key)
    assert alert is not None
    assert (alert.state, alert.acknowledged_by, alert.history[-1].comment) == ("acknowledged", "chen", "已派人")


def test_a_name_in_the_body_is_refused(stage: Stage, browser: httpx.Client) -> None:
    """Nobody acts in another's name."""
    answer = acknowledge(browser, fresh(stage), by="wang")
    assert answer.status_code == 422
    assert "by" in answer.json()["detail"]


def test_the_second_is_told_who_was_first(stage: Stage, browser: httpx.Client) -> None:
    """Two dispatchers: one wins, the other sees the name."""
    key = fresh(stage)
    with httpx.Client(base_url=stage.url, headers={"origin": stage.url}) as other:
        other.post("/login", data={"user": "wang", "password": stage.password})
        assert acknowledge(other, key).status_code == 200
    answer = acknowledge(browser, key)
    assert (answer.status_code, answer.json()["by"]) == (409, "wang")


def test_asking_twice_with_one_id_counts_once(stage: Stage, browser: httpx.Client) -> None:
    """A browser that lost the answer may ask again."""
    key = fresh(stage)
    answers = [acknowledge(browser, key, id="0123456789abcdef").status_code for _ in range(2)]
    alert = stage.feed.read(key)
    assert alert is not None
    assert answers == [200, 200]
    assert [step.action for step in alert.history] == ["opened", "acknowledge"]


def test_an_unknown_alert_is_not_found(browser: httpx.Client) -> None:
    """It may have left meanwhile."""
    answer = acknowledge(browser, "nothing")
    assert (answer.status_code, answer.json()["status"]) == (404, "unknown")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'{"alert": "a", "action": "destroy"}', 422),
        (b'{"alert": "", "action": "acknowledge"}', 422),
        (b'{"alert": "a", "action": "acknowledge", "id": "x"}', 422),
        (b'{"alert": "a", "action": "comment", "comment": "' + b"x" * 3000 + b'"}', 422),
        (b"x" * 20_000, 413),
    ],
)
def test_what_is_no_command_is_refused(browser: httpx.Client, body: bytes, status: int) -> None:
    """With problem+json that says what is wrong, and nothing reaches the broker."""
    answer = browser.post("/command", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_alert_in_full_names_its_neighbours(stage: Stage, browser: httpx.Client) -> None:
    """The desk sees the history and what the nearest datastreams say now."""
    row = browser.get(f"/alert/{fresh(stage)}").json()
    metres = [it["metres"] for it in row["nearby"]]
    assert [step["action"] for step in row["history"]] == ["opened"]
    assert len(metres) == 8
    assert metres == sorted(metres)
    assert any(it["value"] is not None for it in row["nearby"])
    assert browser.get("/alert/nothing").status_code == 404


def test_health_and_metrics_are_open_to_machines(stage: Stage) -> None:
    """A supervisor and Prometheus need no session; they learn nothing of the city."""
    health = httpx.get(f"{stage.url}/healthz")
    metrics = httpx.get(f"{stage.url}/metrics").text
    assert health.json()["store"] is True
    assert "citybrain_wall_viewers" in metrics
    assert "citybrain_wall_push_seconds_bucket" in metrics


@pytest.mark.parametrize(
    "body", [{"per_hour": -1}, {"per_hour": 1e9}, {"per_hour": "six"}, {}, {"per_hour": 6, "by": "wang"}]
)
def test_a_turn_of_the_dial_that_makes_no_sense_is_refused(browser: httpx.Client, body: dict[str, object]) -> None:
    """Numbers beyond the dial, none at all, and another's name are told."""
    answer = browser.post("/budget", json=body)
    assert answer.status_code == 422
    assert "per_hour" in answer.json()["detail"] or "by" in answer.json()["detail"]


def test_the_wall_ends_in_order(stage: Stage) -> None:
    """SIGTERM ends open streams and the process, at once and with code 0; a new one goes on."""
    with httpx.Client(base_url=stage.url, headers={"origin": stage.url}) as client:
        client.post("/login", data={"user": "chen", "password": stage.password})
        with client.stream("GET", "/stream") as stream:
            next(stream.iter_lines())
            started = time.monotonic()
            assert stage.stop_wall() == 0
            assert time.monotonic() - started < 4
    stage.start_wall()


def test_without_a_broker_the_desk_is_told_to_ask_again(stage: Stage, browser: httpx.Client) -> None:
    """503 with Retry-After, within seconds, and the wall itself lives on."""
    key = fresh(stage)
    stage.stop_broker()
    try:
        started = time.monotonic()
        answer = acknowledge(browser, key)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert time.monotonic() - started < 5
        assert httpx.get(f"{stage.url}/healthz").status_code == 200
    finally:
        stage.start_broker()
    assert acknowledge(browser, key).status_code in (200, 202)
