"""The hour ahead of every datastream."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.detectors.base import BadParameter, BadState, State
from models.forecast.profile import ProfileForecaster
from models.forecast.values import HORIZONS_MIN

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
QUARTERS = ProfileForecaster(counts=False, cadence_s=900)


def usual(time_ms: NDArray[np.int64]) -> NDArray[np.float64]:
    """A day that swings by 40 around 100."""
    return np.asarray(100 + 40 * np.sin(2 * np.pi * time_ms / DAY), np.float64)


def learned(forecaster: ProfileForecaster, time_ms: NDArray[np.int64], value: NDArray[np.float64]) -> State:
    """The state after one datastream's readings, on working days of UTC."""
    rows, day = np.zeros(len(time_ms), np.int32), np.zeros(len(time_ms), np.uint8)
    return forecaster.step(forecaster.start(1), rows, time_ms, value, day, time_ms - forecaster.shift_ms)


def ahead(forecaster: ProfileForecaster, state: State, now_ms: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle (horizons,) and half widths (horizons, levels) of the first datastream, even scale."""
    local = now_ms + np.array(HORIZONS_MIN, np.int64) * MINUTE - forecaster.shift_ms
    middle, half = forecaster.even(state, np.zeros(1, np.int32), np.zeros(3, np.uint8), local)
    return middle[0], half[0]


def quarters(days: int) -> NDArray[np.int64]:
    """A time each 15 minutes."""
    return np.arange(1, days * 96 + 1, dtype=np.int64) * 15 * MINUTE


def test_the_usual_day_is_forecast() -> None:
    """After two weeks each horizon is within 2 of a day that swings by 40."""
    time_ms = quarters(14)
    state = learned(QUARTERS, time_ms, usual(time_ms))
    middle, _ = ahead(QUARTERS, state, int(time_ms[-1]))
    then = int(time_ms[-1]) + np.array(HORIZONS_MIN, np.int64) * MINUTE
    assert np.abs(middle - usual(then)).max() < 2


def test_a_departure_fades_as_it_used_to() -> None:
    """Of a departure that is half as large each quarter, half is forecast for the next and a sixteenth for the hour."""
    rng = np.random.default_rng(1)
    time_ms = quarters(60)
    off = np.zeros(len(time_ms))
    for k in range(1, len(off)):
        off[k] = 0.5 * off[k - 1] + rng.normal()
    off[-1] = 8.0
    state = learned(QUARTERS, time_ms, 100 + off)
    middle, _ = ahead(QUARTERS, state, int(time_ms[-1]))
    assert middle - 100 == pytest.approx([4, 2, 0.5], abs=1.0)


def test_bands_cover_what_they_say() -> None:
    """The 80 % and 90 % bands hold 80 % and 90 % of what came, at each horizon."""
    rng = np.random.default_rng(2)
    time_ms = quarters(60)
    value = usual(time_ms) + rng.standard_t(4, len(time_ms))
    forecaster, state = QUARTERS, QUARTERS.start(1)
    inside = np.zeros((3, 2))
    zero, day = np.zeros(1, np.int32), np.zeros(1, np.uint8)
    after = 30 * 96
    for k in range(len(time_ms) - 4):
        state = forecaster.step(state, zero, time_ms[k : k + 1], value[k : k + 1], day, time_ms[k : k + 1])
        if k >= after:
            middle, half = ahead(forecaster, state, int(time_ms[k]))
            then = value[[k + 1, k + 2, k + 4]]
            inside += np.abs(then - middle)[:, None] <= half
    share = inside / (len(time_ms) - 4 - after)
    assert share[:, 0] == pytest.approx([0.8] * 3, abs=0.03)
    assert share[:, 1] == pytest.approx([0.9] * 3, abs=0.02)


def test_an_incident_does_not_become_the_usual_day() -> None:
    """A day after an hour of ten times the people the forecast is within a tenth of the usual."""
    rng = np.random.default_rng(3)
    time_ms = quarters(15)
    value = usual(time_ms) + rng.normal(size=len(time_ms))
    value[13 * 96 + 48 : 13 * 96 + 52] *= 10
    now = 14 * 96 + 46  # half an hour before the time of day at which it was
    state = learned(QUARTERS, time_ms[:now], value[:now])
    middle, _ = ahead(QUARTERS, state, int(time_ms[now - 1]))
    assert middle[1] == pytest.approx(usual(time_ms[now + 1 : now + 2])[0], rel=0.1)


def test_horizons_under_the_cadence_are_not_told() -> None:
    """Hourly counts are forecast an hour ahead alone."""
    hourly = ProfileForecaster(cadence_s=3600)
    time_ms = np.arange(1, 24 * 14, dtype=np.int64) * HOUR
    middle, half = ahead(hourly, learned(hourly, time_ms, usual(time_ms)), int(time_ms[-1]))
    assert np.isfinite(middle).tolist() == [False, False, True]
    assert np.isfinite(half).all(axis=1).tolist() == [False, False, True]


def test_nothing_is_told_before_something_was_learned() -> None:
    """Of a datastream that was never heard, and after its first readings."""
    fresh = QUARTERS.start(1)
    assert np.isnan(ahead(QUARTERS, fresh, DAY)[0]).all()
    few = learned(QUARTERS, quarters(1)[:5], np.full(5, 3.0))
    assert np.isnan(ahead(QUARTERS, few, 5 * 15 * MINUTE)[0]).all()


def test_gaps_repetitions_and_late_readings_change_nothing() -> None:
    """NaN, infinity, the same time again and an earlier time leave the state as it was."""
    time_ms = quarters(3)
    state = learned(QUARTERS, time_ms, usual(time_ms))
    before = QUARTERS.snapshot(state)
    bad = np.array([np.nan, np.inf, 7.0, 7.0])
    times = np.array([time_ms[-1] + HOUR, time_ms[-1] + HOUR, time_ms[-1], time_ms[-2]])
    state = QUARTERS.step(state, np.zeros(4, np.int32), times, bad, np.zeros(4, np.uint8), times)
    for name, array in before.items():
        np.testing.assert_array_equal(state[name], array)


def test_counts_are_never_below_nought() -> None:
    """The band of a street that is empty at night ends at 0."""
    forecaster = ProfileForecaster(cadence_s=900)
    rng = np.random.default_rng(4)
    time_ms = quarters(7)
    state = learned(forecaster, time_ms, rng.poisson(0.3, len(time_ms)).astype(float))
    local = int(time_ms[-1]) + np.array(HORIZONS_MIN, np.int64) * MINUTE
    told = forecaster.forecast(state, np.zeros(1, np.int32), np.zeros(3, np.uint8), local)
    assert told.low.min() == 0.0
    assert (told.high[0, :, 1] >= told.middle[0]).all()


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 600), max_size=6), seed=st.integers(0, 99))
def test_however_the_stream_is_cut_the_state_is_the_same(cuts: list[int], seed: int) -> None:
    """Bit for bit, with several readings of a datastream in one batch, and through a snapshot."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, 600).astype(np.int32)
    time_ms = np.cumsum(rng.integers(1, 200_000, 600)).astype(np.int64)
    value = rng.poisson(20, 600).astype(float)
    kind = (time_ms // DAY % 2).astype(np.uint8)
    forecaster = ProfileForecaster()
    whole = forecaster.step(forecaster.start(3), rows, time_ms, value, kind, time_ms)
    state = forecaster.start(3)
    edges = [0, *sorted(cuts), 600]
    for first, end in itertools.pairwise(edges):
        part = slice(first, end)
        state = forecaster.step(state, rows[part], time_ms[part], value[part], kind[part], time_ms[part])
        state = forecaster.restore(forecaster.snapshot(state))
    for name, array in whole.items():
        np.testing.assert_array_equal(state[name], array)


def test_inputs_are_not_written_to() -> None:
    """Columns that may only be read are enough."""
    time_ms = quarters(2)
    value = usual(time_ms)
    for column in (time_ms, value):
        column.setflags(write=False)
    learned(QUARTERS, time_ms, value)


def test_huge_values_break_nothing() -> None:
    """1e308 is taken as a large number; the forecasts after it are finite."""
    time_ms = quarters(4)
    value = usual(time_ms)
    value[200] = 1e308
    middle, half = ahead(QUARTERS, learned(QUARTERS, time_ms, value), int(time_ms[-1]))
    assert np.isfinite(middle).all()
    assert np.isfinite(half).all()


@pytest.mark.parametrize("parameters", [{"season": "year"}, {"cadence_s": 0}, {"cadence_s": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, object]) -> None:
    """With the value and what may stand there."""
    with pytest.raises(BadParameter, match="use"):
        ProfileForecaster(**parameters)  # type: ignore[arg-type]  # as read from a file


def test_a_state_of_other_parameters_is_refused() -> None:
    """Days and weeks have different profiles."""
    with pytest.raises(BadState, match="start anew"):
        ProfileForecaster(season="week").restore(ProfileForecaster().start(2))
