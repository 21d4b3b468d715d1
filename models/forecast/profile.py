"""The hour ahead of every datastream: its usual day, its level, and how long it stays off both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.both import compiled
from models.calendar import DAY_MS, HOLIDAY
from models.detectors.base import BadParameter, Float32, Float64, Int32, Int64, State, Uint8, copied
from models.forecast.values import HORIZONS_MIN, LEVELS, Forecast, plain

NEVER = np.iinfo(np.int64).min
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
STEP_MS = 900_000  # how often is learned
NODES = 24  # points of the day, at half past each hour

# columns of the state's cells
OFF, LAST, LEVEL, LOCAL, SAMPLES, SLOT = 0, 1, 2, 3, 4, 5  # off: smoothed departure from profile and level; last: raw
PAST = 6  # the departures at the last four ends of a step
SPREAD = 10  # mean square departure
LINK = 11  # mean product of a departure and the one each horizon earlier
HALF = 14  # half widths of the bands: horizon × level
SEEN = 20  # days seen of each slot, then its points

MEMORY = 672.0  # steps over which the moments are taken
DRIFT_H = 48.0  # hours in which the level follows a lasting change
DAYS = 4.0  # a point of the day forgets older days
CLIP = 3.0  # departures are learned up to so many half widths of the 90 % band
ADAPT = 0.03  # how quickly the half widths adapt
READY = 8  # steps before the first forecast
NARROW = 1.0e-3  # a half width is at least this share of the value
LARGEST = 1.0e15


@compiled
def _base(cells: Float32, row: int, slot: int, local_ms: int, slots: int) -> float:
    """The usual value at a local time on the even scale, on the line between two points of the day."""
    at = (local_ms % DAY_MS) / HOUR_MS - 0.5
    first = int(np.floor(at))
    share = at - first
    total = 0.0
    for node, weight in ((first % NODES, 1.0 - share), ((first + 1) % NODES, share)):
        if weight > 0.0:
            total += weight * _point(cells, row, slot, node, slots)
    return total


@compiled
def _point(cells: Float32, row: int, slot: int, node: int, slots: int) -> float:
    """One point of the day; unseen: that of the nearest slot that was, else what was seen of late."""
    for lender in (slot, slot - 1, slot + 1, 0):
        if 0 <= lender < slots:
            mean = cells[row, SEEN + slots + lender * NODES + node]
            if not np.isnan(mean):
                return float(mean)
    return float(cells[row, LOCAL]) - float(cells[row, LEVEL])


@compiled
def _learn(cells: Float32, row: int, local_ms: int, gap: int, step_ms: int, lags: Int64, slots: int) -> None:
    """A step is over: what its end says of errors, links, the point of the day and the level; ``gap`` steps passed."""
    cell = cells[row]
    off, last = float(cell[OFF]), float(cell[LAST])
    spread = float(cell[SPREAD])
    samples = min(float(cell[SAMPLES]) + 1.0, 1.0e6)
    rate = max(1.0 / MEMORY, 1.0 / (samples + 1.0))
    slot = int(cell[SLOT])
    base = _base(cells, row, slot, local_ms, slots)
    for h in range(len(lags)):
        if lags[h] == 0 or np.isnan(cell[PAST + lags[h] - 1]):
            continue
        before = float(cell[PAST + lags[h] - 1])
        error = abs(last - _link(cell[LINK + h], spread) * before)
        cell[LINK + h] += rate * (last * before - cell[LINK + h])
        least = NARROW * (1.0 + abs(base))
        for level in range(len(LEVELS)):
            half = float(cell[HALF + h * len(LEVELS) + level])
            if half == 0.0:
                half = 2.0 * error
            miss = (1.0 if error > half else 0.0) - (1.0 - LEVELS[level])
            half *= 1.0 + max(ADAPT, 1.0 / (samples + 1.0)) * miss
            cell[HALF + h * len(LEVELS) + level] = max(half, least)
    cell[SPREAD] = spread + rate * (off * off - spread)
    most = CLIP * cell[HALF + (len(lags) - 1) * len(LEVELS) + 1]
    learned = off if samples <= READY or most == 0.0 else min(max(off, -most), most)
    _teach(cells, row, slot, local_ms, base, learned, step_ms, slots)
    for number in range(3, -1, -1):
        earlier = number - gap
        cell[PAST + number] = cell[PAST + earlier] if earlier >= 0 else np.nan
    if gap <= 4:
        cell[PAST + gap - 1] = off
    cell[SAMPLES] = samples


@compiled
def _teach(
    cells: Float32, row: int, slot: int, local_ms: int, base: float, learned: float, step_ms: int, slots: int
) -> None:
    """Move the two points of the day beside ``local_ms``, and the level, by the departure ``learned``."""
    weight = step_ms / HOUR_MS
    seen = float(cells[row, SEEN + slot])
    rate = weight / (min(seen, DAYS) + 1.0)
    at = (local_ms % DAY_MS) / HOUR_MS - 0.5
    first = int(np.floor(at))
    share = at - first
    for node, part in ((first % NODES, 1.0 - share), ((first + 1) % NODES, share)):
        if part <= 0.0:
            continue
        column = SEEN + slots + slot * NODES + node
        if np.isnan(cells[row, column]):
            cells[row, column] = base + learned
        else:
            cells[row, column] += rate * part * learned
    cells[row, SEEN + slot] = seen + step_ms / DAY_MS
    cells[row, LEVEL] += weight / DRIFT_H * learned


@compiled
def _link(product: float, spread: float) -> float:
    """How much of a departure is left a horizon later, 0-1."""
    return min(max(float(product) / spread, 0.0), 1.0) if spread > 0.0 else 0.0


@compiled
def _slot(day_kind: int, local_ms: int, slots: int) -> int:
    """Working day or not; of a week, the day or 7 for a holiday."""
    if slots == 2:
        return 0 if day_kind == 0 else 1
    return 7 if day_kind == HOLIDAY else (local_ms // DAY_MS + 3) % 7  # day 0 was a Thursday


@compiled
def _loop(
    cells: Float32,
    times: Int64,
    rows: Int32,
    time_ms: Int64,
    y: Float64,
    day_kind: Uint8,
    local_ms: Int64,
    counts: bool,
    step_ms: int,
    lags: Int64,
    slots: int,
) -> None:
    """The readings one after the other."""
    for k in range(len(rows)):
        if not np.isfinite(y[k]):
            continue
        row = rows[k]
        cell = cells[row]
        value = min(max(y[k], -LARGEST), LARGEST)
        if counts:
            value = np.sqrt(max(value, 0.0) + 0.375)
        before = times[row]
        passed = time_ms[k] - before
        if before != NEVER:
            if passed <= 0:
                continue
            gap = (time_ms[k] - 1) // step_ms - (before - 1) // step_ms
            if gap > 0:
                _learn(cells, row, local_ms[k] - passed, gap, step_ms, lags, slots)
        else:
            cell[LOCAL] = value
        weight = 1.0 if before == NEVER or passed >= step_ms else passed / (passed + step_ms / 3.0)
        slot = _slot(day_kind[k], local_ms[k], slots)
        off = value - _base(cells, row, slot, local_ms[k], slots) - float(cell[LEVEL])
        cell[OFF] += weight * (off - cell[OFF])
        cell[LAST] = off
        cell[SLOT] = slot
        cell[LOCAL] += (0.2 if weight == 1.0 else weight) * (value - cell[LOCAL])
        times[row] = time_ms[k]


@compiled
def _ahead(
    cells: Float32, rows: Int32, slot: Int64, local_ms: Int64, lags: Int64, slots: int, middle: Float64, half: Float64
) -> None:
    """Fill ``middle`` (rows, horizons) and ``half`` (rows, horizons, levels) on the even scale."""
    for k in range(len(rows)):
        row = rows[k]
        cell = cells[row]
        if cell[SAMPLES] < READY:
            continue
        for h in range(len(lags)):
            if lags[h] == 0 or cell[HALF + h * len(LEVELS)] == 0.0:
                continue
            base = _base(cells, row, slot[h], local_ms[h], slots) + float(cell[LEVEL])
            middle[k, h] = base + _link(cell[LINK + h], float(cell[SPREAD])) * float(cell[OFF])
            for level in range(len(LEVELS)):
                half[k, h, level] = cell[HALF + h * len(LEVELS) + level]


@dataclass(frozen=True)
class ProfileForecaster:
    """Profile and autoregression, one pass, constant state: the forecast that every datastream has.

    On the even scale (√ for counts) a value is x = profile(time of day, kind of day) + level + departure. The profile
    is a line through 24 points of the day for working and other days (season ``day``) or for each day of the week and
    holidays (``week``); a point moves by 1 / (days seen + 1), at least 1/5. The level follows in two days. Of a
    departure d the share φ is left after a horizon h, so that

        forecast(t + h) = profile(t + h) + level + φ(h) · d(t),     φ(h) = E[d(t + h) d(t)] / E[d(t)²]

    (the first autoregressive coefficient by moments, for each horizon by itself). Half the width of each band follows
    its own misses (quantile tracking; Gibbs and Candès, 2021), so that it covers what it says in the long run whatever
    the noise. Departures are learned up to three bands, so that an incident does not become the usual day. Learning
    goes in steps of 15 min, or of an hour for what is measured less often; horizons under a step are NaN.

    Parameters: ``counts`` and ``season`` as of the seasonal baseline; ``cadence_s`` between readings. A gap (NaN) is
    passed over; a reading that is not newer than the last one of its datastream, too.

    >>> forecaster = ProfileForecaster(cadence_s=3600, season="week")
    >>> hours = np.arange(24 * 28, dtype=np.int64)
    >>> people = 100 + 80 * np.sin(hours / 24 * 2 * np.pi)
    >>> one, day = np.zeros(len(hours), np.int32), np.zeros(len(hours), np.uint8)
    >>> state = forecaster.step(forecaster.start(1), one, hours * 3_600_000, people, day, hours * 3_600_000)
    >>> after = np.array([24 * 28 - 1 + m / 60 for m in HORIZONS_MIN]) * 3_600_000
    >>> told = forecaster.forecast(state, one[:1], day[:3], after.astype(np.int64))
    >>> bool(abs(told.middle[0, 2] - 100) < 5)
    True
    """

    counts: bool = True
    season: Literal["day", "week"] = "day"
    cadence_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        if self.season not in ("day", "week"):
            raise BadParameter(f"season is {self.season!r}; use 'day' or 'week'")
        if not self.cadence_s > 0:
            raise BadParameter(f"cadence_s is {self.cadence_s}; use the seconds between two readings, above 0")

    @property
    def step_ms(self) -> int:
        """How often is learned: 15 min, or an hour where readings are rarer."""
        return STEP_MS if self.cadence_s * 1000 <= STEP_MS else HOUR_MS

    @property
    def shift_ms(self) -> int:
        """How long before its time a reading stands for: half its hour where it counts an hour, else nothing."""
        return int(self.cadence_s * 500) if self.step_ms == HOUR_MS else 0

    @cached_property
    def _lags(self) -> Int64:
        return np.array([minutes * 60_000 // self.step_ms for minutes in HORIZONS_MIN], np.int64)

    @property
    def _slots(self) -> int:
        return 2 if self.season == "day" else 8

    def start(self, n: int) -> State:
        """``cells`` (n, width) float32 and ``times`` (n,) int64 ms of the last reading; nothing seen."""
        cells = np.zeros((n, SEEN + self._slots * (1 + NODES)), np.float32)
        cells[:, PAST : PAST + 4] = np.nan
        cells[:, SEEN + self._slots :] = np.nan
        return {"cells": cells, "times": np.full(n, NEVER, np.int64)}

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64, day_kind: Uint8, local_ms: Int64
    ) -> State:
        """Learn the readings in their order; columns (readings,), ``rows`` may repeat. Updated in place, returned.

        ``day_kind`` and ``local_ms`` are those of ``time_ms - shift_ms``.
        """
        _loop(
            state["cells"],
            state["times"],
            rows,
            time_ms,
            value,
            day_kind,
            local_ms,
            self.counts,
            self.step_ms,
            self._lags,
            self._slots,
        )
        return state

    def forecast(self, state: State, rows: Int32, day_kind: Uint8, local_ms: Int64) -> Forecast:
        """What the datastreams ``rows`` (n,) will show at HORIZONS_MIN after their last reading.

        ``day_kind`` and ``local_ms`` (horizons,) are those of these times less ``shift_ms``.
        """
        middle, half = self.even(state, rows, day_kind, local_ms)
        low, high = (plain(middle[:, :, None] + sign * half, self.counts) for sign in (-1.0, 1.0))
        return Forecast(plain(middle, self.counts).astype(np.float32), low.astype(np.float32), high.astype(np.float32))

    def even(
        self, state: State, rows: Int32, day_kind: Uint8, local_ms: Int64
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same on the even scale: middle (n, horizons), and half the width of the bands (n, horizons, levels)."""
        middle = np.full((len(rows), len(HORIZONS_MIN)), np.nan)
        half = np.full((len(rows), len(HORIZONS_MIN), len(LEVELS)), np.nan)
        slot = np.array([_slot(int(k), int(t), self._slots) for k, t in zip(day_kind, local_ms, strict=True)], np.int64)
        _ahead(state["cells"], rows, slot, local_ms, self._lags, self._slots, middle, half)
        return middle, half

    def snapshot(self, state: State) -> State:
        """A copy of the state."""
        return {name: array.copy() for name, array in state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in ``arrays``; raises ``BadState``."""
        return copied(arrays, self.start(0), "the profile forecast")
