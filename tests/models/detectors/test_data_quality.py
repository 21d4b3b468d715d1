"""Stuck and silent sensors, as a timetable."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.detectors import State
from models.detectors.silent import Silent
from models.detectors.stuck import Stuck

HOUR = 3_600_000


def feed(
    detector: Stuck | Silent, state: State, time: NDArray[np.int64], value: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The scores of one datastream."""
    rows, kind = np.zeros(len(time), np.int32), np.zeros(len(time), np.uint8)
    return detector.step(state, rows, time, value, kind, time)[1].score


def warmed(detector: Stuck | Silent) -> tuple[State, int]:
    """A camera after a week by the hour, nobody there from 1 to 6 at night, and its last time."""
    state = detector.start(1)
    hours = np.arange(24 * 7, dtype=np.int64)
    people = np.random.default_rng(1).poisson(9, len(hours)).astype(float)
    people[(hours % 24 >= 1) & (hours % 24 < 6)] = 0.0
    feed(detector, state, hours * HOUR, people)
    return state, int(hours[-1]) * HOUR


@pytest.mark.parametrize(("people", "within_min"), [(9.0, 12), (0.0, 8.6 * 60)])
def test_a_stuck_camera_is_found(people: float, within_min: float) -> None:
    """Nine people for ten minutes are found; nobody only after about twice the longest night, and not sooner."""
    detector = Stuck()
    state, last = warmed(detector)
    time = last + 5_000 * np.arange(1, int(within_min * 12) + 2, dtype=np.int64)
    score = feed(detector, state, time, np.full(len(time), people))
    found_min = float(np.argmax(score >= 4)) / 12
    assert score.max() >= 4
    assert found_min >= 0.8 * within_min


def test_a_living_camera_is_not_stuck() -> None:
    """Two hours of people that come and go never reach the line."""
    detector = Stuck()
    state, last = warmed(detector)
    time = last + 5_000 * np.arange(1, 1_441, dtype=np.int64)
    people = np.repeat(np.random.default_rng(2).poisson(1.5, 360), 4).astype(float)
    assert feed(detector, state, time, people).max() < 4


def test_a_silent_camera_is_found() -> None:
    """After a week by the hour and ten minutes by 5 s, half a minute of silence is found, with the hour it took too."""
    detector = Silent()
    state, last = warmed(detector)
    time = last + 5_000 * np.arange(1, 121, dtype=np.int64)
    assert feed(detector, state, time, np.ones(120)).max() < 4
    end = int(time[-1])
    assert [bool(detector.overdue(state, end + s * 1000)[0] >= 4) for s in (5, 10, 20, 40, 3600)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert feed(detector, state, np.array([end + HOUR]), np.ones(1))[0] >= 4


def test_one_that_never_spoke_is_not_silent() -> None:
    """Without pauses to compare with there is no score."""
    detector = Silent()
    state = detector.start(2)
    assert detector.overdue(state, 10**12).tolist() == [0.0, 0.0]
