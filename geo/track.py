"""Tracks: each unit's fixes in order, and where every unit was last, as a value that can be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.compiled import compiled

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

EARLIEST, LATEST = -(2**62), 2**62


@dataclass(frozen=True, eq=False)
class Fixes:
    """Positions as columns of shape (fixes,): unit's integer, phenomenon time in ms, WGS-84 lon and lat."""

    unit: Int64
    time: Int64
    lon: Float64
    lat: Float64

    def __len__(self) -> int:
        return len(self.unit)

    def take(self, rows: Any) -> Fixes:
        """The chosen rows."""
        return Fixes(self.unit[rows], self.time[rows], self.lon[rows], self.lat[rows])


@dataclass(frozen=True, eq=False)
class Stays:
    """Which unit is inside which fence, since when (ms), and whether its dwell event is out; columns (stays,)."""

    unit: Int64
    fence: Int64
    since: Int64
    dwelt: Bool

    def take(self, rows: Any) -> Stays:
        """The chosen rows."""
        return Stays(self.unit[rows], self.fence[rows], self.since[rows], self.dwelt[rows])


@dataclass(frozen=True, eq=False)
class State:
    """Where the units are: each one's last fix, by ascending ``unit`` (units,), and the stays by unit and fence."""

    unit: Int64
    time: Int64
    lon: Float64
    lat: Float64
    stays: Stays


def nowhere() -> State:
    """The state before the first fix."""
    none = np.zeros(0, np.int64)
    return State(none, none, np.zeros(0), np.zeros(0), Stays(none, none, none, np.zeros(0, bool)))


@dataclass(frozen=True, eq=False)
class Track:
    """The usable fixes by unit, each unit's in order; unit ``u``'s are ``start[u]:start[u + 1]``.

    ``order`` is each fix's place in the batch; ``before`` the unit's fix before it, ``linked`` whether
    there is one that is not too old.
    """

    fixes: Fixes
    order: Int64
    start: Int64
    before: Fixes
    linked: Bool


def tracked(state: State, fixes: Fixes, gap_ms: int) -> Track:
    """The usable fixes of a batch by unit, with what came before each."""
    finite = np.flatnonzero(np.isfinite(fixes.lon) & np.isfinite(fixes.lat))
    order = finite[np.argsort(fixes.unit[finite], kind="stable")]
    unit, time = fixes.unit[order], fixes.time[order]
    newer = _newer(unit, time, state.unit, state.time)
    order = order[newer]
    good = fixes.take(order)
    first = np.flatnonzero(np.diff(good.unit, prepend=good.unit[:1] - 1)) if len(good) else np.zeros(0, np.int64)
    known = np.searchsorted(state.unit, good.unit[first])
    known = np.where(np.isin(good.unit[first], state.unit), known, -1)
    before = Fixes(good.unit, np.roll(good.time, 1), np.roll(good.lon, 1), np.roll(good.lat, 1))
    if len(state.unit):
        before.time[first], before.lon[first], before.lat[first] = (
            column[known] for column in (state.time, state.lon, state.lat)
        )
    linked = good.time - before.time <= gap_ms
    linked[first] &= known >= 0
    start = np.append(first, len(good)).astype(np.int64)
    return Track(good, order, start, before, linked)


@compiled
def _newer(unit: Int64, time: Int64, known: Int64, last: Int64) -> Bool:
    """Which fixes, sorted by unit, are later than all before them of their unit, in the batch and in the state."""
    newer = np.zeros(len(unit), np.bool_)
    latest, k = 0, 0
    for i in range(len(unit)):
        if i == 0 or unit[i] != unit[i - 1]:
            while k < len(known) and known[k] < unit[i]:
                k += 1
            latest = last[k] if k < len(known) and known[k] == unit[i] else EARLIEST
        if time[i] > latest:
            newer[i], latest = True, time[i]
    return newer


def moved(state: State, track: Track, stays: Stays) -> State:
    """The state after the track: the last fixes and ``stays`` of its units, all else as before."""
    last = track.fixes.take(track.start[1:] - 1)
    kept, held = ~np.isin(state.unit, last.unit), ~np.isin(state.stays.unit, last.unit)
    unit = np.concatenate([state.unit[kept], last.unit])
    at = np.argsort(unit, kind="stable")
    time = np.concatenate([state.time[kept], last.time])[at]
    lon, lat = np.concatenate([state.lon[kept], last.lon])[at], np.concatenate([state.lat[kept], last.lat])[at]
    old = state.stays.take(held)
    both = Stays(
        np.concatenate([old.unit, stays.unit]),
        np.concatenate([old.fence, stays.fence]),
        np.concatenate([old.since, stays.since]),
        np.concatenate([old.dwelt, stays.dwelt]),
    )
    return State(unit[at], time, lon, lat, both.take(np.lexsort((both.fence, both.unit))))
