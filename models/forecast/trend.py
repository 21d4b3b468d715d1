"""The next hour of a level: where its last minutes lead, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.both import compiled
from models.detectors.base import BadParameter, Float64, Int32, Int64, State, copied

MINUTES: Final = (0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0)  # ahead
NEVER = np.iinfo(np.int64).min
MINUTE_MS = 60_000.0
LEAST = 3  # readings before a trend is believed
NOISE_MEMORY = 30.0  # readings over which the noise is taken
LARGEST = 1.0e15
LASTS_MIN = 30.0  # time constant with which a rise lets up

# columns: sums of weight, weight · t, weight · t², weight · x, weight · x · t (t: minutes before the last reading),
# the mean square of what the forecast of the next reading missed by, and the readings
WEIGHT, T, TT, X, XT, NOISE, READINGS = range(7)
COLUMNS = 7


@compiled
def _loop(
    cells: Float64, times: Int64, rows: Int32, time_ms: Int64, value: Float64, memory_min: float, lasts_min: float,
    floor: float, minutes: Float64, middle: Float64, deviation: Float64,
) -> None:  # fmt: skip
    """The readings one after the other; fills ``middle`` and ``deviation`` (readings, minutes)."""
    for k in range(len(rows)):
        row = rows[k]
        if not np.isfinite(value[k]) or (times[row] != NEVER and time_ms[k] <= times[row]):
            middle[k], deviation[k] = np.nan, np.nan
            continue
        cell = cells[row]
        x = min(max(value[k], -LARGEST), LARGEST)
        passed = 0.0 if times[row] == NEVER else (time_ms[k] - times[row]) / MINUTE_MS
        if cell[READINGS] >= 2.0:
            level, slope, _ = _fit(cell)
            missed = x - level - slope * lasts_min * (1.0 - np.exp(-passed / lasts_min))
            rate = max(1.0 / NOISE_MEMORY, 1.0 / (cell[READINGS] - 1.0))
            cell[NOISE] += rate * (missed * missed - cell[NOISE])
        fade = np.exp(-passed / memory_min)
        cell[TT] = fade * (cell[TT] - 2.0 * passed * cell[T] + passed * passed * cell[WEIGHT])
        cell[T] = fade * (cell[T] - passed * cell[WEIGHT])
        cell[XT] = fade * (cell[XT] - passed * cell[X])
        cell[X] = fade * cell[X] + x
        cell[WEIGHT] = fade * cell[WEIGHT] + 1.0
        cell[READINGS] = min(cell[READINGS] + 1.0, 1.0e6)
        times[row] = time_ms[k]
        level, slope, spread = _fit(cell)
        noise = np.sqrt(max(cell[NOISE], floor * floor))
        for m in range(len(minutes)):
            ahead = lasts_min * (1.0 - np.exp(-minutes[m] / lasts_min))
            if cell[READINGS] < LEAST:
                ahead, doubt = 0.0, np.nan
            else:
                lever = cell[TT] - 2.0 * ahead * cell[T] + ahead * ahead * cell[WEIGHT]
                doubt = noise * np.sqrt(1.0 + lever / spread)
            middle[k, m] = level + slope * ahead if m > 0 else x
            deviation[k, m] = doubt
            if np.isnan(doubt) and m > 0:
                middle[k, m] = np.nan


@compiled
def _fit(cell: Float64) -> tuple[float, float, float]:
    """Level now, slope a minute and the determinant of the weighted line through the last readings."""
    spread = cell[WEIGHT] * cell[TT] - cell[T] * cell[T]
    if spread <= 1.0e-9:
        return cell[X] / cell[WEIGHT], 0.0, 1.0e-9
    slope = (cell[WEIGHT] * cell[XT] - cell[T] * cell[X]) / spread
    return (cell[X] - slope * cell[T]) / cell[WEIGHT], slope, spread


def rising(middle: NDArray[np.float64], lasts_min: float = LASTS_MIN) -> NDArray[np.float64]:
    """(readings,): how fast the level rises at each reading, its unit an hour, from where it leads (readings, MINUTES).

    NaN where no trend is believed yet.
    """
    near, far = (lasts_min * (1.0 - np.exp(-MINUTES[m] / lasts_min)) for m in (1, -1))
    return np.asarray(60.0 * (middle[:, -1] - middle[:, 1]) / (far - near), np.float64)


@dataclass(frozen=True)
class Trend:
    """A straight line through the last readings that flattens out: discounted least squares (Brown, 1963), damped.

    A reading weighs exp(-age / memory), the memory being four cadences. Ahead the line rises less and less, with the
    time constant ``lasts_min`` (Gardner and McKenzie's damped trend, 1985): rain does not last for ever. How far the
    next reading was missed gives the noise, which with the line's own uncertainty gives the deviation at each of
    MINUTES: while a gauge is quiet the hour ahead is certain, at the onset of a rise it is not.

    Parameters: ``cadence_s`` between readings, ``lasts_min``, ``floor`` least deviation in the value's unit. A gap
    (NaN) and a reading that is not newer than the last one of its datastream give NaN and teach nothing.

    >>> trend = Trend(cadence_s=60)
    >>> minutes = np.arange(12, dtype=np.int64)
    >>> water = 0.01 + 0.01 * minutes
    >>> _, middle, _ = trend.step(trend.start(1), np.zeros(12, np.int32), minutes * 60_000, water)
    >>> bool(0.20 < middle[-1, MINUTES.index(10)] < 0.22)
    True
    """

    cadence_s: float = 60.0
    lasts_min: float = LASTS_MIN
    floor: float = 1.0e-6

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        for name in ("cadence_s", "lasts_min", "floor"):
            if not getattr(self, name) > 0:
                raise BadParameter(f"{name} is {getattr(self, name)}; use more than 0")

    def start(self, n: int) -> State:
        """``cells`` (n, columns) float64 and ``times`` (n,) int64 ms of the last reading; nothing seen."""
        return {"cells": np.zeros((n, COLUMNS)), "times": np.full(n, NEVER, np.int64)}

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64
    ) -> tuple[State, NDArray[np.float64], NDArray[np.float64]]:
        """Learn the readings in their order; middle and deviation (readings, MINUTES) as after each of them.

        Columns are (readings,), ``rows`` may repeat; the state is updated in place and returned.
        """
        middle, deviation = np.empty((len(rows), len(MINUTES))), np.empty((len(rows), len(MINUTES)))
        memory_min = 4.0 * self.cadence_s / 60.0
        _loop(
            state["cells"], state["times"], rows, time_ms, value, memory_min, self.lasts_min, self.floor,
            np.array(MINUTES), middle, deviation,
        )  # fmt: skip
        return state, middle, deviation

    def snapshot(self, state: State) -> State:
        """A copy of the state."""
        return {name: array.copy() for name, array in state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in ``arrays``; raises ``BadState``."""
        return copied(arrays, self.start(0), "the trend")
