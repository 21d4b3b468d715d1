"""Geofences: what moving units do at the borders of polygons.

A unit is inside a fence from the first fix within its border, and outside again only from the first fix beyond the
border by ``margin_m``: between the two it keeps its state, so that GPS noise at the kerb makes no events. The state is
a value; ``step`` gives the same events however a track is cut into batches.

Events, each at the fix that made it known:

- ``enter``, ``exit``: the state changed between two fixes of which the first is not older than ``gap_s``.
- ``cross``: two such fixes are outside, but the straight way between them passes through.
- ``dwell``: the unit has been inside for ``dwell_s``; once a stay.
- ``inside``, ``outside``: one for each fix; only where asked for.

A unit's first fix, and the first after a silence of more than ``gap_s``, only establishes where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.compiled import compiled
from geo.crs import Metric
from geo.track import EARLIEST, LATEST, Fixes, State, Stays, Track, moved, nowhere, tracked
from geo.zones import WGS84, Zones, zones

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

Kind = Literal["enter", "exit", "cross", "dwell", "inside", "outside"]
__all__ = ["KINDS", "Events", "Fence", "Fences", "Fixes", "Kind", "State", "circle", "nowhere"]
KINDS: tuple[Kind, ...] = ("enter", "exit", "cross", "dwell", "inside", "outside")


@dataclass(frozen=True, eq=False)
class Fence:
    """One fence: WGS-84 ``shape``, in force from ``begins_ms`` to before ``ends_ms`` (a CAP area expires)."""

    id: str
    shape: Any
    margin_m: float = 30.0
    dwell_s: float = np.inf
    detect: frozenset[Kind] = frozenset({"enter", "exit", "cross", "dwell"})
    begins_ms: int = EARLIEST
    ends_ms: int = LATEST


@dataclass(frozen=True, eq=False)
class Events:
    """What happened, as columns of shape (events,), in the order of the fixes.

    ``kind`` is a place in KINDS, ``fence`` a row of the fences, ``time`` the fix's; ``since`` is when the stay began
    that the event belongs to (ms; -1 where it belongs to none). ``ignored`` fixes were older than one seen before of
    the same unit, or had no position.
    """

    kind: NDArray[np.uint8]
    unit: Int64
    fence: Int64
    time: Int64
    since: Int64
    ignored: int = 0

    def __len__(self) -> int:
        return len(self.kind)

    def rows(self) -> list[tuple[Kind, int, int, int, int]]:
        """(kind, unit, fence, time, since) of each event."""
        columns = (self.unit, self.fence, self.time, self.since)
        names = [KINDS[code] for code in self.kind]
        return list(zip(names, *(column.tolist() for column in columns), strict=True))


@dataclass(frozen=True, eq=False)
class Fences:
    """Fences to hold against positions. ``metric`` measures the margins; ``gap_s`` is the longest trusted silence."""

    fences: tuple[Fence, ...]
    metric: Metric
    gap_s: float = 300.0

    def __len__(self) -> int:
        return len(self.fences)

    @cached_property
    def inner(self) -> Zones:
        """The fences themselves."""
        return zones([fence.id for fence in self.fences], [fence.shape for fence in self.fences])

    @cached_property
    def outer(self) -> Zones:
        """The fences grown by their margins: who is out of these has left."""
        grown = [self._grown(fence) for fence in self.fences]
        return zones([fence.id for fence in self.fences], grown)

    def _grown(self, fence: Fence) -> Any:
        if fence.margin_m <= 0:
            return fence.shape
        flat = shapely.transform(fence.shape, lambda xy: np.column_stack(self.metric.forward(xy[:, 0], xy[:, 1])))
        wide = shapely.buffer(flat, fence.margin_m, quad_segs=4)
        round_trip = shapely.transform(wide, lambda xy: np.column_stack(self.metric.inverse(xy[:, 0], xy[:, 1])))
        return shapely.union(round_trip, fence.shape)  # the corners of a coarse arc may not cut the fence itself

    def adopt(self, state: State, before: Fences) -> State:
        """The state under ``before`` for these fences: stays in fences of the same id go on, the others end."""
        row = {fence.id: at for at, fence in enumerate(self.fences)}
        there = np.array([row.get(fence.id, -1) for fence in before.fences], np.int64)
        fence = there[state.stays.fence] if len(there) else state.stays.fence
        stays = replace(state.stays, fence=fence).take(fence >= 0)
        return replace(state, stays=stays.take(np.lexsort((stays.fence, stays.unit))))

    def step(self, state: State, fixes: Fixes) -> tuple[State, Events]:
        """The state after ``fixes``, taken in their order, and what happened.

        A fix that is not later than one before it of the same unit is ignored and counted, as is one without a
        position.
        """
        track = tracked(state, fixes, round(self.gap_s * 1_000))
        watch = self._watch(state, track)
        events, (inside, since, dwelt) = self._run(track, watch)
        stays = Stays(watch.unit, watch.fence, since, dwelt).take(inside)
        return moved(state, track, stays), _in_sequence(events, track, len(fixes) - len(track.fixes))

    def _watch(self, state: State, track: Track) -> Watch:
        """The (unit, fence) pairs that anything can happen to, and what is known of each fix of theirs."""
        fixes, many = track.fixes, max(len(self), 1)
        inner, outer = (zone.containing(fixes.lon, fixes.lat) for zone in (self.inner, self.outer))
        way, crossed = self._ways(track)
        mine = np.isin(state.stays.unit, fixes.unit)
        always = np.flatnonzero([("outside" in fence.detect) for fence in self.fences])
        units = fixes.unit[track.start[:-1]]
        pairs = np.unique(
            np.concatenate(
                [
                    fixes.unit[outer.point] * many + outer.zone,
                    fixes.unit[way] * many + crossed,
                    state.stays.unit[mine] * many + state.stays.fence[mine],
                    (units[:, None] * many + always).ravel(),
                ]
            )
        )
        unit, fence = pairs // many, pairs % many
        of = np.searchsorted(units, unit)
        count = track.start[of + 1] - track.start[of]
        start = np.concatenate([[0], np.cumsum(count)])
        fix = np.arange(start[-1]) - np.repeat(start[:-1] - track.start[of], count)
        key = fix * many + np.repeat(fence, count)
        held = np.searchsorted(pairs, state.stays.unit[mine] * many + state.stays.fence[mine])
        since, dwelt = np.full(len(pairs), EARLIEST, np.int64), np.zeros(len(pairs), bool)
        since[held], dwelt[held] = state.stays.since[mine], state.stays.dwelt[mine]
        keys = (inner.point.astype(np.int64) * many + inner.zone, outer.point.astype(np.int64) * many + outer.zone)
        told = [np.isin(key, one) for one in (*keys, way * many + crossed)]
        return Watch(unit, fence, start, fix, told[0], told[1], told[2], since, dwelt)

    def _ways(self, track: Track) -> tuple[Int64, Int64]:
        """Which ways between linked fixes touch which fence: (n,) the later fix, (n,) the fence."""
        later = np.flatnonzero(track.linked)
        ends = [track.before.lon[later], track.before.lat[later], track.fixes.lon[later], track.fixes.lat[later]]
        ways = shapely.linestrings(np.stack(ends, axis=1).reshape(-1, 2, 2)) if len(later) else np.zeros(0, object)
        way, fence = self.inner.tree.query(ways, predicate="intersects")
        return later[way].astype(np.int64), fence.astype(np.int64)

    def _run(self, track: Track, watch: Watch) -> tuple[Found, tuple[Bool, Int64, Bool]]:
        fences = [self.fences[row] for row in watch.fence]
        return _stays(
            watch.start,
            watch.fence,
            track.fixes.time[watch.fix],
            track.before.time[watch.fix],
            track.linked[watch.fix],
            watch.fix,
            watch.inner,
            watch.outer,
            watch.way,
            watch.since,
            watch.dwelt,
            np.array([fence.begins_ms for fence in fences], np.int64),
            np.array([fence.ends_ms for fence in fences], np.int64),
            np.array([min(fence.dwell_s * 1_000, LATEST) for fence in fences], np.int64),
            np.array([sum(1 << KINDS.index(kind) for kind in fence.detect) for fence in fences], np.int64),
        )


@dataclass(frozen=True, eq=False)
class Watch:
    """Pairs of unit and fence (pairs,), and their fixes in one run after the other (rows,).

    Pair ``p`` has the rows ``start[p]:start[p + 1]``. ``fix`` is a row of the track; ``inner``, ``outer`` and ``way``
    say whether the fix is in the fence, in its margin or in it, and whether the way to it touches the fence.
    ``since`` and ``dwelt`` are the stay the pair comes with; EARLIEST for none.
    """

    unit: Int64
    fence: Int64
    start: Int64
    fix: Int64
    inner: Bool
    outer: Bool
    way: Bool
    since: Int64
    dwelt: Bool


Found = tuple[Int64, Int64, Int64, Int64]  # of each event: fix, kind, fence, since


@compiled
def _stays(
    start: Int64,
    fence: Int64,
    time: Int64,
    before: Int64,
    linked: Bool,
    fix: Int64,
    inner: Bool,
    outer: Bool,
    way: Bool,
    since: Int64,
    dwelt: Bool,
    begins: Int64,
    ends: Int64,
    dwell: Int64,
    detect: Int64,
) -> tuple[Found, tuple[Bool, Int64, Bool]]:
    """Walk each pair's fixes: the events, and the stay that each pair is left with."""
    room = 3 * len(fix)
    event = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    found = 0
    stay, begun, told = np.zeros(len(fence), np.bool_), since.copy(), dwelt.copy()
    for p in range(len(fence)):
        inside = since[p] > EARLIEST
        for k in range(start[p], start[p + 1]):
            if not begins[p] <= time[k] < ends[p]:
                inside = False
                continue
            known = linked[k] and before[k] >= begins[p]
            now = inner[k] or (outer[k] and inside and known)
            kind, began = -1, begun[p] if inside else -1
            if known and now and not inside:
                kind, began = 0, time[k]
            elif known and inside and not now:
                kind = 1
            elif known and way[k] and not now:
                kind = 2
            if now and not (inside and known):
                begun[p], told[p] = time[k], False
            state = 4 if now else 5
            lingers = now and not told[p] and time[k] - begun[p] >= dwell[p]
            told[p] |= lingers
            for what in (kind, 3 if lingers else -1, state):
                if what >= 0 and detect[p] >> what & 1:
                    event[0][found], event[1][found], event[2][found] = fix[k], what, fence[p]
                    event[3][found] = begun[p] if now else began if what == 1 else -1
                    found += 1
            inside = now
        stay[p] = inside
    return (event[0][:found], event[1][:found], event[2][:found], event[3][:found]), (stay, begun, told)


def _in_sequence(found: Found, track: Track, ignored: int) -> Events:
    """The events in the order of the batch's fixes, then of the fences, then of the kinds."""
    fix, kind, fence, since = found
    rank = np.lexsort((kind, fence, track.order[fix]))
    at = fix[rank]
    return Events(
        kind[rank].astype(np.uint8), track.fixes.unit[at], fence[rank], track.fixes.time[at], since[rank], ignored
    )


def circle(lon: float, lat: float, radius_m: float, corners: int = 128) -> Any:
    """A circle on the ellipsoid around WGS-84 lon/lat; its corners lie on it."""
    if not (radius_m > 0 and np.isfinite(radius_m)):
        raise ValueError(f"radius {radius_m} m is not a finite number above 0")
    azimuth = np.linspace(0, 360, corners, endpoint=False)
    x, y, _ = WGS84.fwd(np.full(corners, lon), np.full(corners, lat), azimuth, np.full(corners, radius_m))
    return shapely.Polygon(np.column_stack([x, y]))
