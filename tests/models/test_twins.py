"""The algorithms beside the detectors agree with their slow twins in tests/naive.py to 1e-6."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import boxes, budget, departures, detectors
from models.forecast.profile import ProfileForecaster
from models.forecast.trend import Trend
from models.forecast.values import HORIZONS_MIN
from tests import naive
from tests.models.test_boxes import GRID, town

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize("cadence_s", [60.0, 900.0, 3600.0])
@pytest.mark.parametrize("season", ["day", "week"])
@pytest.mark.parametrize("counts", [True, False])
def test_the_profile_forecast(cadence_s: float, season: Literal["day", "week"], counts: bool) -> None:
    """Middle and bands at every horizon after three weeks with gaps, repeats, pauses and a jump."""
    rng = np.random.default_rng(6)
    forecaster = ProfileForecaster(counts=counts, season=season, cadence_s=cadence_s)
    pace = int(max(cadence_s, 400.0) * 1000)
    length = min(21 * DAY // pace, 1500)
    time = 1_700_000_000_000 + np.cumsum(pace * rng.choice([0, 1, 1, 1, 1, 7], length)).astype(np.int64)
    value = rng.poisson(30 + 20 * np.sin(time / DAY * 2 * np.pi)).astype(np.float64)
    value[rng.random(length) < 0.03] = np.nan
    value[length // 2 : length // 2 + 20] *= 8.0
    local = time + 8 * HOUR - forecaster.shift_ms
    kind = (local // DAY % 3).astype(np.uint8)
    state, twin = forecaster.start(1), naive.Profile(forecaster)
    one, known = np.zeros(1, np.int32), 0
    for k in range(length):
        columns = (time[k : k + 1], value[k : k + 1], kind[k : k + 1], local[k : k + 1])
        state = forecaster.step(state, one, *columns)
        twin.step(int(time[k]), float(value[k]), int(kind[k]), int(local[k]))
        if k % 25:
            continue
        then = local[k] + np.array(HORIZONS_MIN, np.int64) * MINUTE
        kinds = (then // DAY % 3).astype(np.uint8)
        middle, half = forecaster.even(state, one, kinds, then)
        want = np.array([twin.ahead(h, int(kinds[h]), int(then[h])) for h in range(len(HORIZONS_MIN))])
        np.testing.assert_allclose(np.column_stack([middle[0], half[0]]), want, rtol=1e-6, atol=1e-6)
        known += int(np.isfinite(want).sum())
    assert known > 50


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_trend_of_a_level(seed: int) -> None:
    """The line through the last readings and its uncertainty, fitted anew to all of them, at irregular times."""
    rng = np.random.default_rng(seed)
    minute = np.cumsum(rng.integers(1, 5, 40))
    water = np.cumsum(rng.normal(0.01, 0.02, 40))
    made = Trend(cadence_s=60.0)
    _, middle, deviation = made.step(made.start(1), np.zeros(40, np.int32), minute * MINUTE, water)
    readings = list(zip(minute.astype(float).tolist(), water.tolist(), strict=True))
    for k in (3, 10, 39):
        want = np.array(naive.trend(readings[: k + 1], 4.0, made.lasts_min, made.floor))
        np.testing.assert_allclose(np.column_stack([middle[k], deviation[k]]), want, rtol=1e-6, atol=1e-6)


def test_what_a_zone_is_off_by() -> None:
    """Stouffer's sum without the surroundings, judged on the place's own past, tick by tick."""
    rng = np.random.default_rng(7)
    known, around = np.array([40.0, 90.0, 300.0]), np.array([0, 1, departures.NOWHERE], np.int32)
    detector = detectors.get("running-level", {"ready": 5})
    judge = departures.Departures(detector, known)
    twins = [naive.RunningLevel(detector) for _ in known]
    for tick in range(200):
        wide = rng.normal(0.0, 60.0, 2), np.array([2000.0, 800.0])
        off = rng.normal(0.0, 2.0 * np.sqrt(known)) + (100.0 if tick == 150 else 0.0)
        alone = departures.alone(off, known, around, wide)
        got, _ = judge.step((tick * MINUTE, tick * MINUTE, 0), (known, known, known, alone), np.zeros(3))
        for place, twin in enumerate(twins):
            near = (float(wide[0][around[place]]), float(wide[1][around[place]])) if around[place] >= 0 else None
            z = naive.in_unison(float(off[place]), float(known[place]), near)
            want = twin.step(tick * MINUTE, z, 0, tick * MINUTE)[0]
            np.testing.assert_allclose(got[place], want, rtol=1e-6, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_boxes(seed: int) -> None:
    """Their sums cell by cell, and the strangest that share no cell."""
    rng = np.random.default_rng(seed)
    cells = np.sort(rng.choice(42, 30, replace=False))
    some = town({int(cell): int(rng.integers(5, 40)) for cell in cells})
    values = rng.normal(0, 10, 30)
    at = {divmod(int(cell), GRID.columns): float(value) for cell, value in zip(cells, values, strict=True)}
    squares = list(zip(some.row.tolist(), some.column.tolist(), some.size.tolist(), strict=True))
    np.testing.assert_allclose(some.sums(values), [naive.box_sum(at, one) for one in squares], rtol=1e-6, atol=1e-6)
    score = rng.integers(0, 9, len(some)).astype(np.float32)
    found = [squares[box] for box in some.strongest(score, np.ones(len(some), bool), 4.0)]
    assert found == naive.strongest(dict(zip(squares, score.tolist(), strict=True)), 4.0, 10)
    assert some.members.min() >= boxes.LEAST


@pytest.mark.parametrize("per_hour", [0.0, 1.5, 6.0, 40.0])
def test_the_alert_budget(per_hour: float) -> None:
    """Line and alerts of two days of claims, some of them judged again minute by minute."""
    rng = np.random.default_rng(8)
    state, twin, alerts = budget.Budget(), naive.AlertBudget(), 0
    waiting: list[tuple[int, float]] = []
    for minute in range(0, 48 * 60, 7):
        fresh: list[tuple[int, Any]] = [
            (int(row), 4.0 - float(np.log10(rng.random()))) for row in rng.choice(60, rng.integers(0, 6), replace=False)
        ]
        claims = list(dict([*waiting, *fresh]).items())
        state, told = budget.judge(state, claims, minute * MINUTE, per_hour)
        line, want = twin.judge(claims, minute * MINUTE, per_hour)
        assert state.line == pytest.approx(line)
        assert told == want
        waiting = claims[:3] if rng.random() < 0.5 else []
        alerts += len(told)
    assert (alerts > 40) == (per_hour > 0)
