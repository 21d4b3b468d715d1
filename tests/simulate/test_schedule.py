"""When each sensor reports, and how windows share it out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.simulate.chengdu import City
from sensors.simulate.schedule import Schedule, phases
from sensors.simulate.windows import Windows
from tests.simulate.rig import START_MS, S, joined

ROWS = np.arange(500)
CADENCE_S = np.where(ROWS % 5 == 0, 60.0, 5.0)


def _pairs(found: tuple[np.ndarray, np.ndarray]) -> list[tuple[int, int]]:
    return sorted(zip(*(column.tolist() for column in found), strict=True))


@settings(deadline=None)
@given(st.lists(st.integers(1, 120_000), min_size=1, max_size=6), st.integers(0, 10**9))
def test_windows_cover_time_without_gap_or_overlap(steps: list[int], start: int) -> None:
    """What is due in parts is what is due in the whole."""
    schedule = Schedule(ROWS, CADENCE_S)
    edges = np.cumsum([start, *steps]).tolist()
    parts = [schedule.due(first, last) for first, last in pairwise(edges)]
    together = joined(rows for rows, _ in parts), joined(times for _, times in parts)
    assert _pairs(together) == _pairs(schedule.due(edges[0], edges[-1]))


def test_each_sensor_keeps_its_cadence() -> None:
    """In a minute a 5 s sensor reports twelve times, 5 s apart, and a 60 s sensor once; all by time."""
    rows, times = Schedule(ROWS, CADENCE_S).due(START_MS, START_MS + 60 * S)
    assert (np.diff(times) >= 0).all()
    assert np.bincount(rows).tolist() == np.where(CADENCE_S == 60, 1, 12).tolist()
    assert set(np.diff(times[rows == 7]).tolist()) == {5 * S}


def test_phases_are_even() -> None:
    """No hundredth of the cadence has more than twice its share of the sensors."""
    phase = phases(np.arange(95_000), np.full(95_000, 5_000))
    assert phase.min() >= 0 and phase.max() < 5_000
    assert np.bincount(phase // 50).max() < 2 * 950


def test_gateways_share_a_window(city: City, gateway: np.ndarray) -> None:
    """Each gateway sends its own sensors; together they send all that is due, by time, but not what is silent."""
    windows = Windows(city, gateway, START_MS, 500)
    said = [windows.said(3, number) for number in range(20)]
    for number, one in enumerate(said):
        assert set(gateway[one.rows]) == {number}
        assert (np.diff(one.time_ms) >= 0).all()
        np.testing.assert_array_equal(one.value, city.values(one.rows, one.time_ms))
    times = joined(one.time_ms for one in said)
    assert times.min() >= START_MS + 1_500 and times.max() < windows.end_ms(3) == START_MS + 2_000
    assert 9_300 < len(times) < 9_700


def test_a_window_can_be_asked_for_late(city: City, gateway: np.ndarray) -> None:
    """A gateway that fell far behind gets the very readings it missed."""
    windows = Windows(city, gateway, START_MS, 500)
    first = windows.said(0, 4)
    for number in range(1, 12):
        windows.said(number, 0)
    again = windows.said(0, 4)
    assert again is not first
    np.testing.assert_array_equal(again.value, first.value)
