"""Zone sums of one shard: readings added to their ticks, ticks closed by the watermark."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.admission import NEVER, PLACED
from models.both import Number, choose, compiled, formula, lower, upper
from models.layout import ShardLayout
from models.partials import FIELDS, Partial

BAND = 1.6448536269514722  # deviations to an edge of a detector's 90 % band
MOST = 4.0  # deviations that one datastream may be off: a burst of one is not a crowd
NARROW = 0.25  # of the whole band: the least that half of it is taken for, where it ends at nought
TINY = 1.0e-9


class ZoneSums:
    """The open ticks of a shard. ``newest`` is the newest time seen, ms; the watermark is the lateness behind it.

    What is in time is told reading by reading, so that the cut of batches changes nothing.
    """

    def __init__(self, layout: ShardLayout) -> None:
        self.layout = layout
        self.newest = NEVER
        self._ticks: dict[int, NDArray[np.float64]] = {}

    def add(
        self,
        rows: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        expected: NDArray[np.float32],
        band: tuple[NDArray[np.float32], NDArray[np.float32]],
        status: NDArray[np.uint8],
    ) -> None:
        """Add the readings (k,) that are admitted and in time; ``rows`` are those of the layout, ``band`` the edges of
        what 90 % of quiet readings lie within."""
        layout = self.layout
        tick, self.newest, low, high = _ticks(time, status, self.newest, layout.tick_ms, layout.lateness_ms)
        if low > high:
            return
        for start in [low] if low == high else _distinct(tick):
            sums = self._ticks.get(start)
            if sums is None:
                sums = self._ticks[start] = np.zeros((len(FIELDS), layout.series))
            _add(sums, tick, start, rows, value, expected, *band, layout.indptr, layout.indices)

    def stretches(self, time: NDArray[np.int64], status: NDArray[np.uint8]) -> list[tuple[int, int, int | None]]:
        """The stretches (first, end, tick) of readings (k,) within which the watermark passes no tick.

        ``tick`` is what it passes to with the first of them, None where it passes none.
        """
        if not len(time):
            return []
        starts, ticks, count = _passing(time, status, self.newest, self.layout.tick_ms, self.layout.lateness_ms)
        edges: list[int] = starts[:count].tolist()
        told: list[int | None] = list(ticks[:count].tolist())
        if self.newest == NEVER and told:
            told[0] = None  # the first of all readings begins a tick; there is none before it
        if not edges or edges[0] > 0:
            edges, told = [0, *edges], [None, *told]
        return list(zip(edges, [*edges[1:], len(time)], told, strict=True))

    def closed(self, mark: int, accepted: int) -> list[Partial]:
        """The ticks before the one that starts at ``mark``, in order; they are let go."""
        over = sorted(start for start in self._ticks if start < mark)
        return [Partial(self.layout.shard, start, accepted, *self._ticks.pop(start)) for start in over]

    def nothing(self, mark: int, accepted: int) -> Partial:
        """A partial without readings for the tick before ``mark``, to carry notes."""
        sums = np.zeros((len(FIELDS), self.layout.series))
        return Partial(self.layout.shard, mark - self.layout.tick_ms, accepted, *sums)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """``newest`` (1,) int64, ``ticks`` (open,) int64 ms ascending, ``sums`` (open, fields, series) float64."""
        starts = sorted(self._ticks)
        sums = np.zeros((len(starts), len(FIELDS), self.layout.series))
        for row, start in enumerate(starts):
            sums[row] = self._ticks[start]
        return {"newest": np.array([self.newest], np.int64), "ticks": np.array(starts, np.int64), "sums": sums}

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what ``snapshot`` gave; raises ``ValueError`` when it is of another release or layout."""
        if arrays["sums"].shape[1:] != (len(FIELDS), self.layout.series):
            raise ValueError(
                f"the saved sums have the shape {arrays['sums'].shape[1:]}, this release and city need "
                f"{(len(FIELDS), self.layout.series)}"
            )
        self.newest = int(arrays["newest"][0])
        starts = np.asarray(arrays["ticks"], np.int64).tolist()
        self._ticks = {start: np.array(sums, np.float64) for start, sums in zip(starts, arrays["sums"], strict=True)}


def _distinct(tick: NDArray[np.int64]) -> list[int]:
    """The ticks of a batch, ascending, without NEVER; by sorting, for ``np.unique`` is five times as slow here."""
    ordered = np.sort(tick)
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    starts: list[int] = ordered[first & (ordered != NEVER)].tolist()
    return starts


@compiled
def _ticks(
    time: NDArray[np.int64], status: NDArray[np.uint8], newest: int, tick_ms: int, lateness_ms: int
) -> tuple[NDArray[np.int64], int, int, int]:
    """The tick of each reading (k,), NEVER where it is not added; the new newest time; first and last such tick."""
    tick = np.full(len(time), NEVER, np.int64)
    low, high = np.iinfo(np.int64).max, NEVER
    for k in range(len(time)):
        if status[k] > PLACED:
            continue
        newest = max(newest, time[k])
        start = time[k] // tick_ms * tick_ms
        if start + tick_ms > newest - lateness_ms:
            tick[k] = start
            low, high = min(low, start), max(high, start)
    return tick, newest, low, high


@compiled
def _passing(
    time: NDArray[np.int64], status: NDArray[np.uint8], newest: int, tick_ms: int, lateness_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The readings with which the watermark passes into another tick, the starts of these ticks, and how many."""
    starts, ticks = np.empty(len(time), np.int64), np.empty(len(time), np.int64)
    count = 0
    mark = NEVER if newest == NEVER else (newest - lateness_ms) // tick_ms
    for k in range(len(time)):
        if status[k] > PLACED or time[k] <= newest:
            continue
        newest = time[k]
        now = (newest - lateness_ms) // tick_ms
        if now > mark:
            starts[count], ticks[count] = k, now * tick_ms
            count += 1
            mark = now
    return starts, ticks, count


@formula
def departure(value: Number, expected: Number, low: Number, high: Number) -> Number:
    """By how many of its own deviations a reading is off, at most MOST; the two sides of its band may differ."""
    reach = choose(value >= expected, high - expected, expected - low)
    reach = upper(upper(reach, NARROW * (high - low)), TINY)
    return lower(upper(BAND * (value - expected) / reach, -MOST), MOST)


@compiled
def _add(
    sums: NDArray[np.float64],
    tick: NDArray[np.int64],
    start: int,
    rows: NDArray[np.int32],
    value: NDArray[np.float64],
    expected: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
) -> None:
    """Add the readings of one tick to their series' sums, one after the other: the same sum however they are cut."""
    for k in range(len(rows)):
        if tick[k] != start:
            continue
        y, e = value[k], expected[k]
        z = departure(y, e, low[k], high[k])
        for s in indices[indptr[rows[k]] : indptr[rows[k] + 1]]:
            sums[0, s] += 1
            sums[1, s] += y
            if not np.isnan(e):
                sums[2, s] += 1
                sums[3, s] += y
                sums[4, s] += e
                sums[5, s] += z
