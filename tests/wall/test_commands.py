"""Commands from a browser through the broker and back, on real processes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from config import contract, units
from models import incidents
from models.values import Proposal, Text, UnitNeed, to_json
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


def acknowledge(browser: httpx.Client, alert: str, **more: object) -> httpx.Response:
    return browser.post("/command", json={"alert": alert, "action": "acknowledge", **more})


def history(stage: Stage, key: str) -> list[str]:
    alert = stage.feed.read(key)
    assert alert is not None
    return [step.action for step in alert.history]


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


def seen(stage: Stage, browser: httpx.Client) -> str:
    """An alert that waits and that the wall knows of."""
    key = fresh(stage)
    with browser.stream("GET", "/stream") as stream:
        next(line for line in stream.iter_lines() if key in line)
    return key


def ended(browser: httpx.Client, command: str) -> httpx.Response:
    """What became of a command, once somebody said."""
    end = time.monotonic() + 30
    while (answer := browser.get(f"/command/{command}")).status_code == 202:
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)
    return answer


def test_an_acknowledgement_that_is_held_is_done_when_its_time_is_up(stage: Stage, browser: httpx.Client) -> None:
    """202 says until when it can be taken back; then the alert has its holder, and it is too late."""
    key = seen(stage, browser)
    held = acknowledge(browser, key, hold=True, id="held-00000001")
    assert (held.status_code, held.json()["status"]) == (202, "held")
    assert held.json()["until"] > time.time() * 1000
    assert history(stage, key) == ["opened"]
    answer = ended(browser, "held-00000001")
    assert (answer.status_code, answer.json()["by"]) == (200, "chen")
    assert history(stage, key) == ["opened", "acknowledge"]
    assert browser.post("/command/held-00000001/undo").status_code == 409


def test_an_acknowledgement_is_taken_back_by_its_own_person(stage: Stage, browser: httpx.Client) -> None:
    """Another person's hand is refused; afterwards nobody knows of the command, and it may be given anew."""
    key = seen(stage, browser)
    with httpx.Client(base_url=stage.url, headers={"origin": stage.url}) as other:
        other.post("/login", data={"user": "wang", "password": stage.password})
        assert acknowledge(browser, key, hold=True, id="held-00000002").status_code == 202
        assert other.post("/command/held-00000002/undo").status_code == 409
    assert browser.post("/command/held-00000002/undo").json()["status"] == "undone"
    assert browser.get("/command/held-00000002").status_code == 410
    assert history(stage, key) == ["opened"]
    assert acknowledge(browser, key).status_code == 200


def test_what_somebody_has_already_is_not_held(stage: Stage, browser: httpx.Client) -> None:
    """The second is told at once who was first, and not after five seconds."""
    key = fresh(stage)
    alert = stage.feed.read(key)
    assert alert is not None
    stage.feed.put(stage.held(alert, "wang"), announce=True)
    end = time.monotonic() + 20
    while (answer := acknowledge(browser, key, hold=True)).status_code == 202:  # until the wall knows of it
        browser.post(f"/command/{answer.json()['command']}/undo")
        assert time.monotonic() < end
    assert (answer.status_code, answer.json()["by"]) == (409, "wang")


def test_shelving_has_its_reason_and_its_end(stage: Stage, browser: httpx.Client) -> None:
    """Until when is the asker's, within a shift; without a reason it is refused."""
    key, until = fresh(stage), int(time.time() * 1000) + 600_000
    body = {"alert": key, "action": "shelve", "until": until}
    assert browser.post("/command", json=body).status_code == 422
    assert browser.post("/command", json=body | {"comment": "road works", "until": until * 2}).status_code == 422
    assert browser.post("/command", json=body | {"comment": "road works"}).status_code == 200
    alert = stage.feed.read(key)
    assert alert is not None
    assert (alert.state, alert.shelved_until, alert.hidden_by) == ("shelved", until, "chen")


def test_views_are_each_persons_own(stage: Stage, browser: httpx.Client) -> None:
    """Kept by name, replaced under the same name, deleted; a filter that is none is refused."""
    red = {"name": "red", "filter": {"levels": [1], "mine": True}}
    kept = browser.post("/views", json=red).json()
    assert [(one["name"], one["filter"]["levels"], one["filter"]["mine"]) for one in kept] == [("red", [1], True)]
    assert browser.post("/views", json=red | {"filter": {"levels": [2]}}).json()[0]["filter"]["levels"] == [2]
    with httpx.Client(base_url=stage.url, headers={"origin": stage.url}) as other:
        other.post("/login", data={"user": "wang", "password": stage.password})
        assert other.get("/views").json() == []
    for wrong in ({"levels": [5]}, {"shows": "none"}, {"colour": "red"}):
        assert browser.post("/views", json=red | {"filter": wrong}).status_code == 422
    assert browser.post("/views/delete", json={"name": "red"}).json() == []


def test_no_more_views_than_are_kept(browser: httpx.Client) -> None:
    """The twenty-first is refused and says so."""
    for n in range(20):
        assert browser.post("/views", json={"name": f"view {n}", "filter": {}}).status_code == 200
    answer = browser.post("/views", json={"name": "one more", "filter": {}})
    assert answer.status_code == 409
    assert "20 are kept" in answer.json()["detail"]


def test_the_nearest_units_are_proposed_for_an_incident(stage: Stage, browser: httpx.Client) -> None:
    """What the plan lacks comes first, then the nearest of each kind, with metres and minutes."""
    for unit in units.of_city(stage.city).values():
        stage.feed.redis.hset(contract.units("chengdu"), unit.id, to_json(unit))
    alert = stage.feed.make(1, 2)
    needs = (UnitNeed(kind="pump", count=2),)
    wanted = Proposal(plan="p", version="1", stage="s", title=Text("P", "P"), inputs={}, units=needs)
    incident = msgspec.structs.replace(incidents.opened(alert, alert.opened), proposal=wanted)
    stage.feed.put_incident(incident)
    told = browser.get("/units", params={"incident": incident.id}).json()
    assert [(row["kind"], row["needed"]) for row in told["nearest"][:3]][:2] == [("pump", True), ("pump", True)]
    assert told["lacking"] == [{"kind": "pump", "count": 2}]
    others = [row["eta_s"] for row in told["nearest"][2:]]
    assert others == sorted(others)
    assert all(row["first_s"] <= row["eta_s"] <= row["last_s"] for row in told["nearest"])
    assert browser.get("/units", params={"incident": "none"}).status_code == 404


def test_the_curve_of_a_zone_has_what_was_recorded(stage: Stage, browser: httpx.Client) -> None:
    """Tick by tick, with what was expected of each."""
    alert = stage.feed.make(1, 2)
    stage.feed.put(alert, announce=True)
    end = time.monotonic() + 30
    while len(points := browser.get(f"/curve/{alert.id}").json()["points"]) < 2:
        assert time.monotonic() < end
        stage.feed.step()
        stage.feed.write_zones()
        time.sleep(0.3)
    assert all(len(point) == 5 and point[1] is not None and point[2] is not None for point in points)
    assert [point[0] for point in points] == sorted(point[0] for point in points)


def test_the_duty_names_to_whom_the_room_can_go(browser: httpx.Client) -> None:
    """The seats of the shift, and the people of the roster, the next shift first."""
    told = browser.get("/duty").json()
    following = [one["next"] for one in told["people"]]
    assert told["seats"]
    assert following == sorted(following, reverse=True)
    assert told["until"] > time.time() * 1000


def test_a_report_comes_in_two_forms_and_two_languages_alone(browser: httpx.Client) -> None:
    """Any other is not found."""
    asked = ("/report/shift.doc?lang=zh", "/report/shift.pdf?lang=fr")
    assert [browser.get(one).status_code for one in asked] == [404, 404]


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
            assert time.monotonic() - started < 20  # the streams are ended, not waited for
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
