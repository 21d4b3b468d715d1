"""Training: from what zones showed to trees, and whether the new ones are better than those there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.calendar import DAY_MS, Calendar
from models.forecast.growing import TooLittle, learn
from models.forecast.profile import ProfileForecaster
from models.forecast.quantiles import Learned, loss
from models.forecast.steps import Steps
from models.forecast.values import HORIZONS_MIN, NORMAL, PROFILE, even

LEAST_DAYS = 3  # before the day that is kept for the test


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """New trees and the mean quantile loss of each candidate on the last day, in deviations; lower is better."""

    learned: Learned
    losses: dict[str, float]

    def best(self, new: str) -> str:
        """The candidate with the least loss; the new one wins a tie."""
        return min(self.losses, key=lambda name: (self.losses[name], name != new))


def replayed(first: int, values: NDArray[np.float64], forecaster: ProfileForecaster, calendar: Calendar) -> Steps:
    """The steps with the forecasts that the profile would have made of ``values`` (steps, n), the first's number being
    ``first``; NaN is a gap."""
    count, n = values.shape
    step_ms = forecaster.step_ms
    forecaster = replace(forecaster, cadence_s=step_ms / 1000)
    state, rows = forecaster.start(n), np.arange(n, dtype=np.int32)
    ends = (first + np.arange(count, dtype=np.int64) + 1) * step_ms
    local = calendar.local(ends - forecaster.shift_ms)
    kind = calendar.day_kind(local)
    ahead = np.array(HORIZONS_MIN, np.int64) * 60_000 - forecaster.shift_ms
    then = calendar.local((ends[:, None] + ahead).ravel())
    then_kind = calendar.day_kind(then).reshape(count, len(HORIZONS_MIN))
    then = then.reshape(count, len(HORIZONS_MIN))
    told = np.full((count, len(HORIZONS_MIN), n), np.nan, np.float32)
    deviation = np.full((count, n), np.nan, np.float32)
    shortest = next(h for h, minutes in enumerate(HORIZONS_MIN) if minutes * 60_000 >= step_ms)
    for t in range(count):
        time = np.full(n, ends[t])
        forecaster.step(state, rows, time, values[t], np.full(n, kind[t]), np.full(n, local[t]))
        middle, half = forecaster.even(state, rows, then_kind[t], then[t])
        told[t], deviation[t] = middle.T, half[:, shortest, 1] / NORMAL[1]
    return Steps(first, step_ms, even(values, forecaster.counts).astype(np.float32), told, deviation)


def tried(
    steps: Steps, calendar: Calendar, zones: Sequence[str], candidates: Mapping[str, Learned], new: str,
    rng: np.random.Generator,
) -> Trial:  # fmt: skip
    """Teach trees with all but the last day and try them on it, beside the ``candidates`` and the profile alone.

    Raises ``TooLittle`` where the steps are of less than LEAST_DAYS and one.
    """
    day = DAY_MS // steps.step_ms
    days = len(steps) / day
    if days < LEAST_DAYS + 1:
        raise TooLittle(f"the archive holds {days:.1f} days; at least {LEAST_DAYS + 1} are needed, one of them to test")
    cut = len(steps) - day
    learned = learn(steps, cut, calendar, zones, rng)
    losses = {name: _loss(steps, cut, calendar, zones, one) for name, one in {**candidates, new: learned}.items()}
    losses[PROFILE] = _loss(steps, cut, calendar, zones, None)
    return Trial(learned, losses)


def _loss(steps: Steps, cut: int, calendar: Calendar, zones: Sequence[str], learned: Learned | None) -> float:
    """On the steps from ``cut`` on; the forecasts of them were made before."""
    last = max(steps.lag(h) for h in steps.horizons)
    at = np.arange(cut - 1, len(steps) - last, dtype=np.int64)
    x = np.full((len(at), len(zones), len(HORIZONS_MIN)), np.nan)
    for h in steps.horizons:
        x[:, :, h] = steps.missed(at, h)
    if learned is None:
        middle = np.zeros_like(x)
        edge = np.broadcast_to(np.array(NORMAL), (*x.shape, len(NORMAL)))
        return loss(-edge, middle, edge, x)
    middle, low, high = learned.ahead(steps, at, calendar, zones)
    return loss(low, middle, high, x)
