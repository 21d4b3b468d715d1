"""Time to line, and the trend that levels have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.detectors.base import BadParameter
from models.forecast.line import time_to_line
from models.forecast.trend import MINUTES, Trend

MINUTE = 60_000
POINTS = np.array([0.0, 15.0, 30.0, 60.0])


def told(middle: list[float], deviation: list[float], line: float) -> tuple[float, float]:
    """Minutes and probability of one place."""
    minutes, chance = time_to_line(POINTS, np.array([middle]), np.array([deviation]), np.array([line]))
    return float(minutes[0]), float(chance[0])


def test_the_crossing_lies_on_the_line_between_two_points() -> None:
    """From 2 at 15 min to 4 at 30 min, 3 is crossed after 22.5."""
    minutes, chance = told([1, 2, 4, 4], [0, 1, 1, 1], 3.0)
    assert minutes == pytest.approx(22.5)
    assert chance == pytest.approx(0.8413, abs=1e-4)


def test_a_line_out_of_reach_has_no_minutes_but_a_probability() -> None:
    """Two deviations above the highest middle: one in 44."""
    minutes, chance = told([1, 1, 1, 1], [0, 1, 1, 1], 3.0)
    assert np.isnan(minutes)
    assert chance == pytest.approx(0.0228, abs=1e-4)


def test_beyond_the_line_it_is_now() -> None:
    """No minutes are left, whatever comes."""
    assert told([5, 1, 1, 1], [0, 1, 1, 1], 3.0) == (0.0, 1.0)


def test_points_that_are_not_known_are_passed_over() -> None:
    """An hourly count is forecast an hour ahead alone: half way up it is half an hour."""
    nan = np.nan
    minutes, chance = told([1, nan, nan, 5], [0, nan, nan, 1], 3.0)
    assert minutes == pytest.approx(30)
    assert chance == pytest.approx(0.9772, abs=1e-4)


def test_where_now_is_not_known_nothing_is_told() -> None:
    """Nor where there is no line, as of a zone without a capacity."""
    assert np.isnan(told([np.nan, 5, 5, 5], [0, 1, 1, 1], 3.0)).all()
    assert np.isnan(told([1, 5, 5, 5], [0, 1, 1, 1], np.nan)).all()


def trended(value: NDArray[np.float64], line: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minutes to ``line`` and probability after each reading of a gauge, one a minute."""
    trend = Trend(cadence_s=60)
    time_ms = np.arange(len(value), dtype=np.int64) * MINUTE
    _, middle, deviation = trend.step(trend.start(1), np.zeros(len(value), np.int32), time_ms, value)
    return time_to_line(np.array(MINUTES), middle, deviation, np.full(len(value), line))


def test_rising_water_is_foretold_before_it_crosses() -> None:
    """At 6 mm a minute with 2 mm of noise the line of 27 cm is foretold 15 minutes before, to 5 minutes."""
    rng = np.random.default_rng(0)
    minutes = np.arange(400)
    value = 0.01 + 0.002 * rng.normal(size=400) + 0.006 * np.clip(minutes - 300, 0, None)
    crossing = int(np.argmax(value >= 0.27))
    when, chance = trended(value, 0.27)
    assert when[crossing - 15] == pytest.approx(15, abs=5)
    assert chance[crossing - 15] > 0.95
    assert np.nanmax(chance[5:300]) < 1e-6


def test_water_that_comes_to_rest_below_is_not_foretold() -> None:
    """A storm that leaves 12 cm: the line of 27 cm is never likelier than not within ten minutes."""
    minutes = np.arange(300)
    value = 0.01 + 0.11 * (1 - np.exp(-np.clip(minutes - 100, 0, None) / 25))
    when, _ = trended(value, 0.27)
    assert not (when <= 10).any()


def test_gaps_and_repetitions_tell_nothing() -> None:
    """The reading after them is judged as if they had not been."""
    trend = Trend()
    time_ms = np.array([0, 1, 2, 2, 3], np.int64) * MINUTE
    value = np.array([0.1, 0.2, 0.3, 9.9, np.nan])
    state, middle, _ = trend.step(trend.start(1), np.zeros(5, np.int32), time_ms, value)
    assert np.isnan(middle[3:]).all()
    clean, _, _ = trend.step(trend.start(1), np.zeros(3, np.int32), time_ms[:3], value[:3])
    for name, array in clean.items():
        np.testing.assert_array_equal(state[name], array)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=5), seed=st.integers(0, 99))
def test_however_the_stream_is_cut_the_trend_is_the_same(cuts: list[int], seed: int) -> None:
    """Bit for bit: what is told and the state, through a snapshot."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, 200).astype(np.int32)
    time_ms = np.cumsum(rng.integers(1, 90_000, 200)).astype(np.int64)
    value = rng.normal(size=200)
    trend = Trend()
    whole, middle, deviation = trend.step(trend.start(3), rows, time_ms, value)
    state, parts = trend.start(3), []
    edges = [0, *sorted(cuts), 200]
    for first, end in itertools.pairwise(edges):
        part = slice(first, end)
        state, m, d = trend.step(trend.restore(trend.snapshot(state)), rows[part], time_ms[part], value[part])
        parts.append((m, d))
    np.testing.assert_array_equal(np.concatenate([m for m, _ in parts]), middle)
    np.testing.assert_array_equal(np.concatenate([d for _, d in parts]), deviation)
    for name, array in whole.items():
        np.testing.assert_array_equal(state[name], array)


def test_parameters_that_make_no_sense_are_refused() -> None:
    """With the value and what may stand there."""
    with pytest.raises(BadParameter, match="lasts_min is 0; use more than 0"):
        Trend(lasts_min=0)
