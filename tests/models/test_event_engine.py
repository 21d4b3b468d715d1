"""Appeals and warnings through the engine of events."""

from __future__ import annotations

import numpy as np
import pytest

from models.event_engine import EventEngine
from models.values import Detection, Position
from tests.models.happenings import HOUR, MINUTE, PERIOD, SPOTS, START, appeals, burst, request, setup, warning

QUIET = 40  # periods of a quiet city before each story
NOW = START + QUIET * PERIOD


@pytest.fixture(scope="module")
def learned() -> dict[str, np.ndarray]:
    """The state after a quiet past."""
    engine = EventEngine(setup())
    engine.learn(appeals(QUIET, np.random.default_rng(5)))
    return engine.snapshot()


@pytest.fixture
def engine(learned: dict[str, np.ndarray]) -> EventEngine:
    """An engine that knows a quiet past."""
    it = EventEngine(setup())
    it.restore(learned)
    return it


def play(engine: EventEngine, events: list[object]) -> list[Detection]:
    """Take the events, each logged when it happened."""
    told: list[Detection] = []
    for one in sorted(events, key=_at):
        told += engine.take(one, _at(one))
    return told


def _at(event: object) -> int:
    return int(getattr(event, "requested", 0) or getattr(event, "sent", 0) or getattr(event, "time", 0))


def said(told: list[Detection], rule: str) -> list[tuple[str, str]]:
    """State and place of the detections of one rule."""
    return [(one.state, one.place) for one in told if one.rule == rule]


def test_a_burst_is_found_within_a_period_and_ends(engine: EventEngine) -> None:
    """Twenty appeals about water at one spot are a cluster there at the next scan, told in words; later it is over."""
    quiet = appeals(8, np.random.default_rng(6), QUIET)
    told = play(engine, [*quiet, *burst(NOW + 4 * MINUTE, 20)])
    assert said(told, "Cluster") == [("firing", "appeals-spot-44"), ("cleared", "appeals-spot-44")]
    found = told[0]
    assert found.time < NOW + 2 * PERIOD
    assert found.headline.en.startswith("0.5 km around Spot 44: ") and found.headline.zh.endswith("道路积水")
    assert found.value is not None and 20 <= found.value <= 22
    assert (found.district, found.onset) == ("d1", NOW)


def test_a_quiet_city_has_no_cluster(engine: EventEngine) -> None:
    """Five hours of chance make none."""
    told = play(engine, list(appeals(30, np.random.default_rng(7), QUIET)))
    assert said(told, "Cluster") == []


def test_a_cluster_that_moves_is_one(engine: EventEngine) -> None:
    """Appeals that go on at the next spot in the next period are the same cluster, with its onset."""
    quiet = appeals(4, np.random.default_rng(8), QUIET)
    more = burst(NOW + MINUTE, 20) + burst(NOW + PERIOD + MINUTE, 20, 45)
    told = play(engine, [*quiet, *more])
    assert [state for state, _ in said(told, "Cluster")] == ["firing"]


def test_what_a_cluster_is_about_is_told(engine: EventEngine) -> None:
    """Its subjects, the words that people use there, and the live alerts inside."""
    play(engine, [*appeals(1, np.random.default_rng(9), QUIET), *burst(NOW + MINUTE, 20)])
    play(engine, [Position(unit="u", time=NOW + PERIOD + MINUTE, lon=0.0, lat=0.0)])
    assert engine.emerging is not None
    track = max(engine.emerging.tracks, key=lambda one: one.cases / one.expected)
    assert engine.emerging.subjects(track)[0][0] == 0
    assert engine.emerging.words(track)[0] == "下穿隧道积水"
    assert engine.cause_candidates(track, np.array([SPOTS[44], SPOTS[99]])) == [0]


def test_an_urgent_appeal_that_nobody_answers_is_told_after_the_hour(engine: EventEngine) -> None:
    """Ten minutes past its hour the department is told of, until it answers."""
    open_one = request("u1", "0101", NOW, SPOTS[3])
    ticks = [Position(unit="u", time=NOW + k * MINUTE, lon=0.0, lat=0.0) for k in range(80)]
    told = play(engine, [open_one, *ticks])
    assert said(told, "Late") == [("firing", "department-water")]
    assert told[0].time == NOW + 70 * MINUTE
    answer = request("u1", "0101", NOW, SPOTS[3], status="closed")
    engine.take(answer, NOW + 81 * MINUTE)
    assert said(
        engine.take(Position(unit="u", time=NOW + 82 * MINUTE, lon=0.0, lat=0.0), NOW + 82 * MINUTE), "Late"
    ) == [("cleared", "department-water")]


def test_a_warning_is_an_alert_until_it_is_cancelled(engine: EventEngine) -> None:
    """It counts the places inside; an update takes its place; a cancellation ends it."""
    (found,) = engine.take(warning("w1", sent=NOW), NOW)
    assert (found.rule, found.state, found.value, found.exercise) == ("Red", "firing", 25.0, False)
    changed = engine.take(warning("w2", "Update", ("w1",), sent=NOW + HOUR), NOW + HOUR)
    assert [one.state for one in changed] == ["cleared", "firing"]
    (over,) = engine.take(warning("w3", "Cancel", ("w2",), sent=NOW + 2 * HOUR), NOW + 2 * HOUR)
    assert (over.state, over.id) == ("cleared", changed[1].id)
    assert engine.warnings == {}


def test_a_warning_expires(engine: EventEngine) -> None:
    """Once its time is up the alert is over, with the minute."""
    engine.take(warning("w1", sent=NOW, expires=NOW + 5 * MINUTE), NOW)
    told = engine.take(Position(unit="u", time=NOW + 6 * MINUTE, lon=0.0, lat=0.0), NOW + 6 * MINUTE)
    assert said(told, "Red")[0][0] == "cleared"


def test_tests_and_drafts_are_no_alerts(engine: EventEngine) -> None:
    """A message whose status is Test is taken by nobody; one of an exercise is marked."""
    assert engine.take(warning("t", sent=NOW, status="Test"), NOW) == []
    (found,) = engine.take(warning("x", sent=NOW, status="Exercise"), NOW)
    assert found.exercise is True


def test_an_event_of_the_future_moves_no_clock(engine: EventEngine) -> None:
    """An appeal that says it is of next year makes nothing late."""
    engine.take(request("open", "0101", NOW, SPOTS[3]), NOW)
    told = engine.take(request("future", "0401", NOW + 8_760 * HOUR, SPOTS[3]), NOW + MINUTE)
    assert (told, engine.now) == ([], NOW + 2 * MINUTE)


@pytest.mark.parametrize("cut", [0, 10, 150, 299])
def test_a_restart_changes_nothing(engine: EventEngine, learned: dict[str, np.ndarray], cut: int) -> None:
    """A state saved anywhere and taken over tells the rest exactly as an uninterrupted run."""
    events = [
        *appeals(6, np.random.default_rng(10), QUIET),
        *burst(NOW + 3 * MINUTE, 20),
        warning("w", sent=NOW + HOUR),
    ]
    events = sorted(events, key=_at)
    first, second = EventEngine(setup()), EventEngine(setup())
    first.restore(learned)
    expected = [one for event in events for one in engine.take(event, _at(event))]
    got = [one for event in events[:cut] for one in first.take(event, _at(event))]
    second.restore(first.snapshot())
    got += [one for event in events[cut:] for one in second.take(event, _at(event))]
    assert got == expected
    assert {n: a.tobytes() for n, a in second.snapshot().items()} == {
        n: a.tobytes() for n, a in engine.snapshot().items()
    }


def test_a_state_of_other_places_is_refused(learned: dict[str, np.ndarray]) -> None:
    """What was scanned over other places does not fit."""
    broken = learned | {"scan.ring": learned["scan.ring"][:50]}
    with pytest.raises(ValueError, match=r"array ring of the scan's state is \(50"):
        EventEngine(setup()).restore(broken)
