"""The scan as a stream: it finds what emerges, keeps quiet else, and goes on after a restart as if nothing had been."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scan.circles import circles
from models.scan.clusters import Scan
from models.scan.naming import inside, words
from models.scan.prospective import Prospective, Settings

PLACES = 80
POINTS = np.random.default_rng(0).uniform(0.0, 1.0, (PLACES, 2))
SETTINGS = Settings(durations=(1, 2, 3, 4, 5), history=20, ready=10, trusted=20, most=3)


def monitor(streams: int = 1, chosen: Settings = SETTINGS) -> Prospective:
    """A scan of 80 places."""
    return Prospective(circles(POINTS, 12), streams, chosen)


def day(rng: np.random.Generator, number: int, k: float = 0.5) -> Any:
    """A quiet day: places of different level, a rhythm of the week, more spread than Poisson."""
    level = np.linspace(1.0, 9.0, PLACES) * (1.0 + 0.5 * np.sin(2 * np.pi * number / 7))
    return rng.poisson(level * rng.gamma(1 / k, k, PLACES))


def feed(one: Prospective, number: int, counts: Any) -> Scan | None:
    """A day's counts, then the day's scan."""
    taken = one.add(np.arange(PLACES), np.full(PLACES, number), counts)
    assert (taken.placed, taken.late, taken.unknown) == (PLACES, 0, 0)
    return one.scan(number)


def test_quiet_overdispersed_days_stay_quiet_and_an_outbreak_is_found() -> None:
    """Raw Poisson ratios would fire on most days; of 150 scans at most 4 have p < 0.01, the outbreak's day far less."""
    rng, one = np.random.default_rng(12), monitor()
    p: list[float] = []
    for number in range(200):
        told = feed(one, number, day(rng, number))
        if told is not None and told.found[0] and told.found[0][0].p is not None:
            p.append(told.found[0][0].p)
    assert len(p) >= 150
    assert sum(value < 0.01 for value in p) <= 4
    near = circles(POINTS, 6).order[40]
    for number in (200, 201):
        counts = day(rng, number)
        counts[near] *= 5
        told = feed(one, number, counts)
    assert told is not None
    top = told.found[0][0]
    assert top.p is not None and top.p < 0.001
    assert len(set(top.places.tolist()) & set(near.tolist())) >= 4
    assert (top.first, top.last) in ((200, 201), (199, 201))


def test_nothing_is_told_before_enough_is_known() -> None:
    """No scan before ``ready`` periods, no p-value before ``trusted`` scans of all durations."""
    rng, one = np.random.default_rng(1), monitor()
    told = [feed(one, number, day(rng, number)) for number in range(40)]
    assert [number for number, scan in enumerate(told) if scan is None] == list(range(10))
    known = [number for number, scan in enumerate(told) if scan and scan.found[0] and scan.found[0][0].p is not None]
    assert known[0] == 14 + 20  # the first scan of all durations ends on day 14


def test_an_incident_does_not_make_itself_normal() -> None:
    """After six days an outbreak has p < 0.01 still, though its days are among the past scans."""
    rng, one = np.random.default_rng(2), monitor()
    near = circles(POINTS, 5).order[10]
    for number in range(100):
        feed(one, number, day(rng, number))
    told = None
    for number in range(100, 106):
        counts = day(rng, number)
        counts[near] = counts[near] * 6 + 10
        told = feed(one, number, counts)
    assert told is not None and told.found[0][0].p is not None and told.found[0][0].p < 0.01
    laws = one.laws()
    assert laws is not None and laws[0].p(told.maxima[0] ** 0.5) < 0.01


def test_a_restart_changes_nothing() -> None:
    """State saved on any day and restored gives the same scans, bit for bit."""
    rng, one, two = np.random.default_rng(3), monitor(), monitor()
    days = [day(rng, number) for number in range(60)]
    for number in range(45):
        feed(one, number, days[number])
    two.restore({name: array.copy() for name, array in one.snapshot().items()})
    for number in range(45, 60):
        left, right = feed(one, number, days[number]), feed(two, number, days[number])
        assert left is not None and right is not None
        assert repr(left.found) == repr(right.found)
    assert all(np.array_equal(one.snapshot()[name], two.snapshot()[name]) for name in one.snapshot())


def test_a_state_that_does_not_fit_is_refused() -> None:
    """Another number of places, or a missing array, is named."""
    state = monitor().snapshot()
    with pytest.raises(ValueError, match=r"array ring .* is \(80, 1, 25\), not \(80, 2, 25\)"):
        monitor(streams=2).restore(state)
    with pytest.raises(ValueError, match="array maxima of the scan's state is missing"):
        monitor().restore({"ring": state["ring"], "periods": state["periods"]})


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40), st.integers(0, 3)), min_size=1), st.integers(1, 7))
def test_counts_may_come_in_any_cut(events: list[tuple[int, int, int]], cut: int) -> None:
    """In whatever pieces events come, as long as in their order, the state is the same."""
    table = np.array(events, np.int64)
    whole, pieces = monitor(), monitor()
    whole.add(table[:, 0], table[:, 1], table[:, 2])
    for start in range(0, len(table), cut):
        part = table[start : start + cut]
        pieces.add(part[:, 0], part[:, 1], part[:, 2])
    kept = table[:, 1] > table[:, 1].max() - SETTINGS.kept
    assert int(whole.snapshot()["ring"].sum()) == int(table[kept, 2].sum())
    assert np.array_equal(whole.snapshot()["ring"], pieces.snapshot()["ring"])


def test_late_and_unknown_events_are_told() -> None:
    """Older than all that is kept is late; a place or stream that is not there is unknown; others count."""
    one = monitor()
    one.add(np.array([0]), np.array([100]))
    taken = one.add(np.array([1, 1, -1, 80, 1]), np.array([99, 75, 99, 99, 99]), stream=np.array([0, 0, 0, 0, 1]))
    assert (taken.placed, taken.late, taken.unknown) == (1, 1, 3)
    assert int(one.snapshot()["ring"].sum()) == 2


def test_a_period_is_remembered_once() -> None:
    """Scanning the same day again leaves the past scans as they are."""
    rng, one = np.random.default_rng(4), monitor()
    for number in range(30):
        feed(one, number, day(rng, number))
    count = one.past_scans
    one.scan(29)
    assert one.past_scans == count == 30 - 14


def test_categories_are_scanned_together_and_alone() -> None:
    """An outbreak of one category is found in all, named, and found in its own scan."""
    rng, one = np.random.default_rng(5), monitor(streams=3)
    near = circles(POINTS, 5).order[20]
    told = None
    for number in range(60):
        for stream in range(3):
            counts = rng.poisson(2.0, PLACES)
            if number >= 58 and stream == 1:
                counts[near] += 8
            one.add(np.arange(PLACES), np.full(PLACES, number), counts, np.full(PLACES, stream))
        told = one.scan(number)
    assert told is not None
    assert len(told.found) == 4
    joint, alone = told.found[0][0], told.found[2][0]
    assert set(joint.places.tolist()) == set(near.tolist()) == set(alone.places.tolist())
    assert joint.parts[0].stream == 1 and joint.parts[0].llr > 5 * sum(part.llr for part in joint.parts[1:])
    assert alone.p is not None and alone.p < 0.001
    assert [one.p > 0.01 for one in told.found[1][:1] if one.p is not None] == [True]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"durations": ()}, "must be 1 period or more"),
        ({"durations": (0, 1)}, "must be 1 period or more"),
        ({"durations": (2, 1)}, "ascending"),
        ({"ready": 99}, "ready after 99 periods, of 28 kept"),
        ({"trusted": 1}, "1 past scans are trusted"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], says: str) -> None:
    """Value, limit and remedy."""
    with pytest.raises(ValueError, match=says):
        Settings(**wrong)


def test_words_that_make_a_cluster() -> None:
    """Words that people use there and not elsewhere, in English and in Chinese, whole words first."""
    usual = ["路灯不亮", "小区停车难", "垃圾没人清", "道路破损"] * 20
    assert words(["小区下水道堵塞三天了", "下水道堵塞, 污水外溢", "楼下污水外溢,下水道堵塞"] * 2, usual) == [
        "下水道堵塞",
        "污水外溢",
    ]
    english = ["graffiti on the wall", "bulky items on the street", "pothole in the street"] * 20
    assert words(["Water main burst, street flooded", "flooded again", "the street is flooded"], english) == ["flooded"]
    assert words([], english) == []


def test_alerts_inside_a_cluster() -> None:
    """Those nearest to one of its places."""
    rng, one = np.random.default_rng(6), monitor()
    for number in range(30):
        told = feed(one, number, day(rng, number))
    assert told is not None
    cluster = told.found[0][0]
    points = np.vstack([POINTS[cluster.places[0]] + 1e-6, POINTS[np.setdiff1d(np.arange(PLACES), cluster.places)[0]]])
    assert inside(cluster, one.circles, points) == [0]
    assert inside(cluster, one.circles, np.zeros((0, 2))) == []
