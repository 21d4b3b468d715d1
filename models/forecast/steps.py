"""What was seen of some zones and what the profile forecast of them, step by step: what the trees look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calendar import DAY_MS
from models.forecast.profile import HOUR_MS
from models.forecast.values import HORIZONS_MIN

WEEK: Final = 7
FEATURES: Final = (
    "forecast", "deviation", "error", "error before", "error then yesterday",
    "all errors", "all errors before", "all errors then yesterday",
    "hour", "weekday", "kind of day", "zone", "now", "then yesterday", "then last week", "then, mean of the week",
    "horizon",
)  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Steps:
    """Rows of steps, oldest first, of ``n`` zones on the even scale; NaN where nothing is known.

    ``first`` is the number of the first row's step: step k holds what was seen in (k, k + 1] · ``step_ms``. ``x``
    (steps, n) is its mean; ``told`` (steps, horizons, n) what the profile forecast at its end; ``deviation``
    (steps, n) the standard deviation that it then gave its shortest forecast.
    """

    first: int
    step_ms: int
    x: NDArray[np.float32]
    told: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.x)

    def part(self, start: int, end: int) -> Steps:
        """The rows from ``start`` (0 or more) to before ``end``."""
        rows = slice(start, end)
        return Steps(self.first + start, self.step_ms, self.x[rows], self.told[rows], self.deviation[rows])

    def lag(self, horizon: int) -> int:
        """How many steps ahead a horizon is; 0 when it is shorter than a step."""
        return HORIZONS_MIN[horizon] * 60_000 // self.step_ms

    @property
    def horizons(self) -> list[int]:
        """The horizons that are at least a step."""
        return [h for h in range(len(HORIZONS_MIN)) if self.lag(h)]

    def ends(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """When the steps in these rows end, ms UTC."""
        return (self.first + at + 1) * self.step_ms

    def errors(self) -> NDArray[np.float32]:
        """By how many deviations the profile missed each step (steps, n) in its shortest forecast of it."""
        h = self.horizons[0]
        lag = self.lag(h)
        missed = np.full_like(self.x, np.nan)
        missed[lag:] = (self.x[lag:] - self.told[:-lag, h]) / self.deviation[:-lag]
        return missed

    def missed(self, at: NDArray[np.int64], horizon: int) -> NDArray[np.float32]:
        """By how many deviations the profile's forecasts of the rows ``at`` (k,) missed (k, n): what is learned."""
        then = _rows(self.x, at + self.lag(horizon))
        return np.asarray((then - self.told[at, horizon]) / self.deviation[at], np.float32)

    def features(
        self, at: NDArray[np.int64], horizon: int, day_kind: NDArray[np.uint8], local_ms: NDArray[np.int64],
        zone: NDArray[np.float32],
    ) -> NDArray[np.float32]:  # fmt: skip
        """What is known at the end of the rows ``at`` (k,) of each zone: (k · n, FEATURES).

        ``day_kind`` and ``local_ms`` (k,) are those of the middle of the step that is forecast; ``zone`` (n,) numbers
        the zones as in training, NaN for a new one.
        """
        lag, day = self.lag(horizon), DAY_MS // self.step_ms
        told, deviation, errors = self.told[at, horizon], self.deviation[at], self.errors()
        with np.errstate(invalid="ignore"):
            whole = _mean(errors)
        shape = told.shape

        def beside(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.asarray((_rows(self.x, rows) - told) / deviation, np.float32)

        def over(column: NDArray[Any]) -> NDArray[Any]:
            return np.broadcast_to(column[:, None], shape)

        then = at + lag
        week = np.stack([beside(then - days * day) for days in range(1, WEEK + 1)])
        columns = [
            told, deviation, _rows(errors, at), _rows(errors, at - 1), _rows(errors, then - day),
            over(_rows(whole, at)), over(_rows(whole, at - 1)), over(_rows(whole, then - day)),
            over((local_ms % DAY_MS) / HOUR_MS), over((local_ms // DAY_MS + 3) % 7), over(day_kind.astype(np.float64)),
            np.broadcast_to(zone, shape), beside(at), week[0], week[-1], _mean(week, 0),
            np.full(shape, HORIZONS_MIN[horizon]),
        ]  # fmt: skip
        return np.stack(columns, axis=-1).astype(np.float32).reshape(-1, len(FEATURES))


def _mean(values: NDArray[np.float32], axis: int = -1) -> NDArray[np.float64]:
    """The mean of what is known along one axis; NaN where nothing is."""
    known = np.isfinite(values)
    n = known.sum(axis)
    return np.asarray(np.where(n, np.where(known, values, 0.0).sum(axis) / np.maximum(n, 1), np.nan), np.float64)


def _rows(values: NDArray[np.floating], at: NDArray[np.int64]) -> NDArray[np.floating]:
    """The rows ``at`` (k,) of ``values`` (steps, …); NaN for those that lie outside."""
    inside = (at >= 0) & (at < len(values))
    found = values[np.where(inside, at, 0)].astype(np.float64)
    found[~inside] = np.nan
    return found
