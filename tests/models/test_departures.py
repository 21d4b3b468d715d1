"""Sums of many datastreams: what is off together, what surroundings explain, and the state of the judges."""

from __future__ import annotations

import numpy as np
import pytest

from models import detectors
from models.departures import NOWHERE, Departures, alone, surroundings, whole_city
from models.detectors import BadState
from models.layout import Place, Series
from models.values import Text

CLOCK = (1_767_225_600_000, 1_767_225_600_000, 0)


def series(name: str, kind: str, members: int, district: str = "") -> Series:
    """A series of people."""
    return Series(Place(name, Text(name, name), 104.0, 30.0, district), kind, "people", "1", members, np.nan, 1e6)


CITY = (
    series("city", "city", 10_000),
    series("wide", "district", 2_000, "wide"),
    series("narrow", "district", 150, "narrow"),
    series("square", "venue", 60, "wide"),
)


def judge(*members: int) -> Departures:
    """A judge of places with so many datastreams, ready after a few ticks."""
    return Departures(detectors.get("running-level", {"ready": 12}), np.array(members, np.float64))


def test_one_deviation_of_each_of_many_is_seen_and_one_burst_is_not() -> None:
    """A hundred cameras each off by one deviation are strange at once; one that counts a thousand more is not."""
    rng = np.random.default_rng(3)
    crowd, burst = judge(100), judge(100)
    for _ in range(300):
        quiet = np.array([rng.normal(0.0, 10.0)])
        for one in (crowd, burst):
            one.step(CLOCK, (np.array([100.0]), np.array([800.0]), np.array([800.0]), quiet), np.zeros(1))
    (much, *_), (up, *_) = crowd.step(
        CLOCK, (np.array([100.0]), np.array([1_100.0]), np.array([800.0]), np.array([100.0])), np.zeros(1)
    )
    (little, *_), _ = burst.step(
        CLOCK, (np.array([100.0]), np.array([1_800.0]), np.array([800.0]), np.array([4.0])), np.zeros(1)
    )
    assert much > 4.5 > 1.0 > little
    assert up > 8.0


def test_a_place_of_few_datastreams_is_judged_by_its_size() -> None:
    """Two counters that count three times the usual are strange whatever their deviations say."""
    rng = np.random.default_rng(4)
    one = judge(2)
    for _ in range(300):
        value = np.array([rng.normal(1_000.0, 30.0)])
        one.step(CLOCK, (np.array([2.0]), value, np.array([1_000.0]), np.zeros(1)), np.zeros(1))
    (score, *_), _ = one.step(
        CLOCK, (np.array([2.0]), np.array([3_000.0]), np.array([1_000.0]), np.zeros(1)), np.zeros(1)
    )
    assert score > 6.0


def test_nothing_known_is_no_score() -> None:
    """A place of which nothing is known in a tick has no score, and its state stays."""
    one = judge(40, 40)
    before = one.snapshot()
    score, deviation = one.step(CLOCK, (np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(2)), np.zeros(2))
    assert np.isnan(score).all() and np.isnan(deviation).all()
    assert {name: array.tobytes() for name, array in one.snapshot().items()} == {
        name: array.tobytes() for name, array in before.items()
    }


def test_places_share_the_mood_of_what_is_much_wider() -> None:
    """A cell shares its district's mood where that is wide enough, else the whole city's."""
    around = surroundings(CITY, "people", ["wide", "narrow", "", "wide"], np.array([60.0, 20.0, 20.0, 900.0]))
    assert around.tolist() == [1, 0, 0, 0]
    assert surroundings(CITY[1:2], "people", [""], np.array([5.0])).tolist() == [NOWHERE]
    assert (whole_city(CITY, "people"), whole_city(CITY, "rain")) == (0, NOWHERE)
    wide = np.array([500.0, 1_000.0, 0.0, 0.0]), np.array([10_000.0, 2_000.0, 0.0, 0.0])
    left = alone(np.array([50.0, 50.0]), np.array([60.0, 60.0]), np.array([1, NOWHERE], np.int32), wide)
    assert left.tolist() == [20.0, 50.0]


def test_a_state_of_other_places_is_refused() -> None:
    """What was saved for two places is no state of three."""
    with pytest.raises(BadState, match="these 3 places"):
        judge(1, 2, 3).restore(judge(1, 2).snapshot())
