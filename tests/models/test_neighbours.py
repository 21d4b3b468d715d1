"""What a whole district shows is taken from each of its datastreams; what one shows alone is not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import detectors, neighbours
from models.detectors import Neighbourly, State
from tests import naive

HOUR = 3_600_000
N, GROUPS = 200, 2


def district(cell: dict[str, Any] | None = None) -> tuple[Any, State]:
    """A detector and the state of two districts of 100 cameras, and one camera outside both."""
    detector = detectors.get("seasonal-baseline", {"ready": 24, **(cell or {})})
    assert isinstance(detector, Neighbourly)
    groups = np.concatenate([np.arange(N) * GROUPS // N, [-1]]).astype(np.int32)
    return detector, detector.among(detector.start(N + 1), groups)


def week(seed: int, ticks: int) -> list[NDArray[np.float64]]:
    """Hours of people at every camera, over-dispersed, the districts' moods wandering."""
    rng = np.random.default_rng(seed)
    base, mood, told = rng.lognormal(3.0, 0.7, N + 1), np.zeros(GROUPS), []
    for _ in range(ticks):
        mood = 0.9 * mood + rng.normal(0, 0.05, GROUPS)
        mean = base * np.exp(np.append(np.repeat(mood, N // GROUPS), 0.0))
        told.append(rng.poisson(mean * rng.gamma(20, 1 / 20, N + 1)).astype(np.float64))
    return told


def columns(people: list[NDArray[np.float64]], first: int = 0) -> tuple[Any, ...]:
    """The readings of these hours as columns."""
    n = len(people) * (N + 1)
    rows = np.tile(np.arange(N + 1, dtype=np.int32), len(people))
    time = np.repeat((first + np.arange(len(people), dtype=np.int64)) * HOUR, N + 1)
    return rows, time, np.concatenate(people), np.zeros(n, np.uint8), time


def test_a_rise_of_the_whole_district_is_no_surprise_of_each_camera() -> None:
    """When a district triples, its cameras are surprised for one round; a camera that triples twofold more still is."""
    detector, state = district()
    people = week(1, 24 * 10)
    for hour in range(24 * 8, 24 * 10):
        people[hour][: N // 2] *= 3.0
    people[-1][7] *= 6.0
    _, told = detector.step(state, *columns(people))
    score = told.score.reshape(-1, N + 1)
    assert np.median(score[24 * 8, : N // 8]) > 1.5
    assert np.median(score[24 * 8 + 1 : 24 * 8 + 6, : N // 2]) < 0.7
    assert score[-1, 7] > 2.5


def test_a_crowd_at_a_few_cameras_is_not_taken_for_the_district() -> None:
    """When five of a hundred cameras see ten times the people, they are surprised and the others are not."""
    detector, state = district()
    people = week(2, 24 * 8)
    people[-1][:5] *= 10.0
    _, told = detector.step(state, *columns(people))
    score = told.score.reshape(-1, N + 1)
    assert score[-1, :5].min() > 2.5
    assert np.median(score[-1, 5:100]) < 0.7


def test_the_expectation_is_without_the_neighbours() -> None:
    """What is expected stays that of the hour, so that a zone's sum still shows the rise."""
    detector, state = district()
    people = week(3, 24 * 9)
    before = float(np.nanmean(people[24 * 7][: N // 2]))
    for hour in range(24 * 8, 24 * 9):
        people[hour][: N // 2] *= 3.0
    _, told = detector.step(state, *columns(people))
    expected = told.expected.reshape(-1, N + 1)[24 * 8 + 2, : N // 2]
    assert 0.7 * before < expected.mean() < 1.4 * before


@pytest.mark.parametrize("cell", [{}, {"counts": False}])
def test_the_slow_twin_agrees(cell: dict[str, Any]) -> None:
    """One reading at a time in plain Python, with its neighbours, gives the same to 1e-6."""
    detector, state = district(cell)
    readings = columns(week(4, 72))
    _, told = detector.step(state, *readings)
    groups = [naive.Neighbours(neighbours.LEAST) for _ in range(GROUPS)]
    twins = [naive.SeasonalBaseline(detector, groups[row * GROUPS // N] if row < N else None) for row in range(N + 1)]
    rows = zip(*(column.tolist() for column in readings), strict=True)
    want = np.array([twins[row].step(*reading) for row, *reading in rows], np.float32).T
    np.testing.assert_allclose(told.score, want[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(told.high, want[3], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cell", [{}, {"compiled": False}])
def test_any_cut_gives_the_same(cell: dict[str, Any]) -> None:
    """However the readings are cut, saved and restored on the way, scores and state are the same to the bit."""
    readings = columns(week(5, 60))
    detector, whole = district(cell)
    whole, told = detector.step(whole, *readings)
    _, parts = district(cell)
    scores = []
    groups = np.concatenate([np.arange(N) * GROUPS // N, [-1]]).astype(np.int32)
    edges = [0, 17, 4_040, 4_041, 9_999, len(readings[0])]
    for first, last in pairwise(edges):
        parts, part = detector.step(parts, *(column[first:last] for column in readings))
        parts = detector.among(detector.restore(detector.snapshot(parts)), groups)
        scores.append(part.score)
    assert np.concatenate(scores).tobytes() == told.score.tobytes()
    assert all(whole[name].tobytes() == parts[name].tobytes() for name in whole)


def test_numpy_and_machine_code_agree() -> None:
    """Both ways of reckoning give the same with neighbours too."""
    readings = columns(week(6, 60))
    told = []
    for cell in ({}, {"compiled": False}):
        detector, state = district(cell)
        told.append(detector.step(state, *readings)[1])
    np.testing.assert_allclose(told[0].score, told[1].score, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(told[0].channel, told[1].channel)


def test_few_have_no_common_mode() -> None:
    """A group of fewer than LEAST has none, and its members are as if alone."""
    few = np.zeros(neighbours.LEAST - 1, np.int32)
    assert (neighbours.gathered(few) == -1).all()
    assert (neighbours.gathered(np.zeros(neighbours.LEAST, np.int32)) == 0).all()
