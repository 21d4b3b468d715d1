"""Forecasts an hour ahead of Auckland's pedestrian counters 2019-2022, beside seasonal naive, in one run.

Strictly causal: every forecast is made with what was known when its hour began. The trees are taught anew every 91 days
with the 365 days before, as the trainer does; the bands adapt hour by hour. The first two months teach only.

MASE is the mean absolute error over that of the seasonal naive forecast (the count of the same hour a week ago) on the
same hours, by counter and then averaged; ``pooled`` takes all counters' hours together.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from config import city as cities
from models.calendar import Calendar
from models.forecast import conformal, growing
from models.forecast.profile import HOUR_MS, ProfileForecaster
from models.forecast.steps import Steps
from models.forecast.values import HORIZONS_MIN, NORMAL, even, plain
from sensors.simulate import auckland

FIRST = np.datetime64("2019-03-01", "ms").astype(np.int64)
LAST_MS = int(np.datetime64("2022-12-31T11:00", "ms").astype(np.int64))  # midnight in Auckland
WEEK = 168
RETAUGHT = 91 * 24
TAUGHT_WITH = 365 * 24
HOUR_AHEAD = HORIZONS_MIN.index(60)

Values = NDArray[np.float64]


def counts() -> tuple[NDArray[np.int64], Values, tuple[str, ...]]:
    """When each hour ended (hours,) ms UTC, the counts (hours, counters), NaN for a gap, and the counters' names."""
    long = auckland.melted(auckland.source()).filter(pl.col("time_ms") <= LAST_MS)
    names = tuple(sorted(long["counter"].unique().to_list()))
    number = {name: i for i, name in enumerate(names)}
    first, last = long["time_ms"][0], long["time_ms"][-1]
    values = np.full(((last - first) // HOUR_MS + 1, len(names)), np.nan)
    column = long["counter"].replace_strict(number, return_dtype=pl.Int64).to_numpy()
    values[(long["time_ms"].to_numpy() - first) // HOUR_MS, column] = long["value"].to_numpy()
    return first + np.arange(len(values)) * HOUR_MS, values, names


def profiled(time_ms: NDArray[np.int64], values: Values, calendar: Calendar) -> tuple[Steps, Values]:
    """The profile's forecasts hour by hour, and half the width of their bands (hours, counters, levels)."""
    hours, n = values.shape
    forecaster = ProfileForecaster(season="week", cadence_s=3600)
    state, rows = forecaster.start(n), np.arange(n, dtype=np.int32)
    local = calendar.local(np.append(time_ms, time_ms[-1] + HOUR_MS) - forecaster.shift_ms)
    kind = calendar.day_kind(local)
    told = np.full((hours, len(HORIZONS_MIN), n), np.nan, np.float32)
    half = np.full((hours, n, 2), np.nan)
    for t in range(hours):
        now = np.full(n, time_ms[t])
        forecaster.step(state, rows, now, values[t], np.full(n, kind[t]), np.full(n, local[t]))
        middle, width = forecaster.even(state, rows, np.repeat(kind[t + 1], 3), np.repeat(local[t + 1], 3))
        told[t], half[t] = middle.T, width[:, HOUR_AHEAD]
    deviation = (half[:, :, 1] / NORMAL[1]).astype(np.float32)
    first = int(time_ms[0]) // HOUR_MS - 1
    return Steps(first, HOUR_MS, even(values, True).astype(np.float32), told, deviation), half


def learned(steps: Steps, calendar: Calendar, names: tuple[str, ...]) -> tuple[Values, Values, Values]:
    """The trees' quantiles in deviations from the profile's forecast, made at each hour; NaN before the first trees.

    Middle (hours, counters), and the edges (hours, counters, levels).
    """
    hours, n = steps.x.shape
    middle, low, high = np.full((hours, n), np.nan), np.full((hours, n, 2), np.nan), np.full((hours, n, 2), np.nan)
    rng = np.random.default_rng(0)
    start = int((FIRST - steps.ends(np.zeros(1, np.int64))[0]) // HOUR_MS)
    for cut in range(start, hours, RETAUGHT):
        known = steps.part(max(0, cut - TAUGHT_WITH), cut)
        taught = growing.learn(known, len(known), calendar, names, rng)
        at = np.arange(cut - 1, min(cut + RETAUGHT, hours) - 1, dtype=np.int64)
        m, below, above = taught.ahead(steps, at, calendar, names)
        middle[at], low[at], high[at] = m[..., HOUR_AHEAD], below[:, :, HOUR_AHEAD], above[:, :, HOUR_AHEAD]
    return middle, low, high


def adapted(missed: Values, middle: Values, low: Values, high: Values) -> tuple[Values, Values]:
    """The edges after conformal adaptation, each by the outcomes before it; all in deviations, made at each hour."""
    adapter = conformal.start(missed.shape[1], 1)
    out_low, out_high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    for t in range(len(missed)):
        below, above = adapter.edges(low[t, :, None], middle[t, :, None], high[t, :, None])
        out_low[t], out_high[t] = below[:, 0], above[:, 0]
        adapter = adapter.after(below, above, missed[t, :, None])
    return out_low, out_high


def judged(y: Values, middle: Values, naive: Values) -> dict[str, float]:
    """MASE by counter and pooled, on the hours where all three are known."""
    known = np.isfinite(y) & np.isfinite(middle) & np.isfinite(naive)
    off, off_naive = (np.where(known, np.abs(told - y), 0.0) for told in (middle, naive))
    there = known.any(axis=0)
    return {
        "mase": round(float((off.sum(0)[there] / off_naive.sum(0)[there]).mean()), 4),
        "mase_pooled": round(float(off.sum() / off_naive.sum()), 4),
        "mae": round(float(off.sum() / known.sum()), 2),
    }


def covered(y: Values, low: Values, high: Values) -> dict[str, float]:
    """The share of outcomes inside the bands, in per cent, over all and of the least covered counter."""
    known = np.isfinite(y)[..., None] & np.isfinite(low) & np.isfinite(high)
    inside = known & (y[..., None] >= low) & (y[..., None] <= high)
    share = 100 * inside.sum((0, 1)) / known.sum((0, 1))
    here = known[..., 1].sum(0)
    worst = 100 * (inside[..., 1].sum(0)[here > WEEK] / here[here > WEEK])
    return {
        "cover_80": round(float(share[0]), 2),
        "cover_90": round(float(share[1]), 2),
        "cover_90_least": round(float(worst.min()), 2),
        "cover_90_most": round(float(worst.max()), 2),
    }


def main(as_json: bool = False) -> int:
    """Measure; prints a table, or one JSON object as the last line."""
    time_ms, values, names = counts()
    calendar = cities.load("auckland").calendar
    began = time.perf_counter()
    steps, half = profiled(time_ms, values, calendar)
    profile_s = time.perf_counter() - began
    middle, low, high = learned(steps, calendar, names)
    trees_s = time.perf_counter() - began - profile_s
    told = steps.told[:, HOUR_AHEAD].astype(np.float64)
    deviation = steps.deviation.astype(np.float64)
    outcome = np.vstack([values[1:], np.full((1, len(names)), np.nan)])
    low, high = adapted((even(outcome, True) - told) / deviation, middle, low, high)
    week_ago = np.full_like(values, np.nan)
    week_ago[WEEK - 1 :] = values[: len(values) - WEEK + 1]
    scored = np.where(np.isfinite(middle), outcome, np.nan)  # the same hours for all
    result: dict[str, Any] = {
        "hours": int(np.isfinite(scored).sum()),
        "counters": len(names),
        "trees": judged(scored, plain(told + middle * deviation, True), week_ago)
        | covered(scored, *(_plain(told, edge, deviation) for edge in (low, high))),
        "profile": judged(scored, plain(told, True), week_ago)
        | covered(scored, *(_plain(told, sign * half / deviation[..., None], deviation) for sign in (-1, 1))),
        "seasonal_naive": judged(scored, week_ago, week_ago),
        "last_value": judged(scored, values, week_ago),
        "profile_s": round(profile_s, 1),
        "trees_s": round(trees_s, 1),
    }
    if as_json:
        print(json.dumps(result))
        return 0
    for name in ("trees", "profile", "seasonal_naive", "last_value"):
        print(f"{name:15s}", "  ".join(f"{key} {value}" for key, value in result[name].items()))
    print(f"{result['hours']} forecasts of {len(names)} counters; {profile_s:.1f} s and {trees_s:.1f} s")
    return 0


def _plain(told: Values, off: Values, deviation: Values) -> Values:
    return plain(told[..., None] + off * deviation[..., None], True)


if __name__ == "__main__":
    main()
