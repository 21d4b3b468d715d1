"""An index of polygons that answers for millions of points a second.

A raster over the zones' extent says of each cell which zones cover it whole and which it only touches. A point in a
whole cell needs no test. In a touched cell it is tested against the zone's edges of its raster row alone (a slab), by
the even-odd rule. Where rounding could decide (a point on or within a hair of an edge) the index does not answer but
asks the geometry engine, so that the answer is always the exact one: borders belong to the zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.compiled import compiled

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

FEWEST, MOST = 1 << 14, 1 << 22
CELLS_A_ZONE, CELLS_AN_EDGE = 1024, 16
PAD = 1e-6  # of a cell: an edge marks the cells it nearly touches too
ROUNDING = 3.4e-16  # Shewchuk's bound for the sign of a 2×2 determinant
EMPTY = -1
ROOM = 1 << 16  # pairs found at a time


@dataclass(frozen=True, eq=False)
class Cells:
    """The index. ``table`` (rows * columns,) says of each cell: EMPTY, one zone that covers it, or -2 - entry.

    ``entries`` (n, 3) int32 are lists one after the other: a zone, and from where to where its edges of that raster
    row lie in ``edges`` (m, 4), rows of x1, y1, x2, y2; none if the zone covers the cell. The last zone of a list is
    written as -1 - zone. ``frame`` is west, south, east, north, columns per degree, rows per degree; ``shape`` is
    rows, columns. One look at the table, one at the entries, one at the edges: that is what makes it fast.
    """

    frame: Float64
    shape: tuple[int, int]
    table: Int32
    entries: Int32
    edges: Float64
    geometries: NDArray[np.object_]
    longest: int  # zones in the fullest cell

    def pairs(self, x: Float64, y: Float64) -> tuple[Int32, Int32]:
        """(pairs,) point and (pairs,) zone, sorted by point, then zone; NaN points are in none."""
        points, zones, done = [], [], 0
        room = max(ROOM, self.longest)
        point, zone, doubt = (np.empty(room, np.int32) for _ in range(3))
        while done < len(x):
            done, found, doubts = _query(
                x,
                y,
                done,
                self.frame,
                self.shape[1],
                self.table,
                self.entries,
                self.edges,
                self.longest,
                point,
                zone,
                doubt,
            )
            keep = self._decided(x, y, point[:found], zone[:found], doubt[:doubts])
            points.append(point[:found][keep].copy())
            zones.append(zone[:found][keep].copy())
        return np.concatenate(points or [point[:0]]), np.concatenate(zones or [zone[:0]])

    def _decided(self, x: Float64, y: Float64, point: Int32, zone: Int32, doubt: Int32) -> Any:
        """Which pairs hold: all but those in doubt that the geometry engine denies."""
        if not len(doubt):
            return slice(None)
        keep = np.ones(len(point), bool)
        asked = point[doubt]
        keep[doubt] = shapely.intersects_xy(self.geometries[zone[doubt]], x[asked], y[asked])
        return keep


def index(geometries: NDArray[np.object_]) -> Cells:
    """The index of valid polygons or multi-polygons."""
    edges, starts = edges_of(geometries)
    boxes = shapely.bounds(geometries) if len(geometries) else np.zeros((0, 4))
    frame, shape = _frame(boxes, len(edges))
    first_row, slab_start, slab_edges = _slabs(edges, starts, frame, shape[0])
    cover = (first_row, slab_start, slab_edges, boxes, frame, shape[1])
    count = np.zeros(shape[0] * shape[1], np.int64)
    _cover(*cover, count, np.zeros((0, 3), np.int32), False)
    start = np.concatenate([[0], np.cumsum(count)])
    entries = np.empty((start[-1], 3), np.int32)
    _cover(*cover, start[:-1].copy(), entries, True)
    table, entries = _packed(count, start, entries)
    return Cells(frame, shape, table, entries, slab_edges, geometries, int(count.max()))


def edges_of(geometries: NDArray[np.object_]) -> tuple[Float64, Int64]:
    """All rings' edges (edges, 4) as x1, y1, x2, y2, and where each geometry's begin (geometries + 1,)."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    edges = np.hstack([xy[:-1][same], xy[1:][same]])
    zone = owner[part[ring[1:][same]]]
    return np.ascontiguousarray(edges), np.searchsorted(zone, np.arange(len(geometries) + 1)).astype(np.int64)


def _frame(boxes: Float64, edges: int) -> tuple[Float64, tuple[int, int]]:
    """The raster: its extent and cells per degree, and its rows and columns."""
    if not len(boxes):
        return np.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0]), (1, 1)
    west, south = boxes[:, :2].min(axis=0)
    east, north = boxes[:, 2:].max(axis=0)
    wide, high = max(east - west, 1e-9), max(north - south, 1e-9)
    cells = min(max(CELLS_A_ZONE * len(boxes), CELLS_AN_EDGE * edges, FEWEST), MOST)
    columns = int(np.clip(round(np.sqrt(cells * wide / high)), 1, cells))
    rows = max(cells // columns, 1)
    # one part in a million of room on the far sides, so that east and north fall into the last cell
    grain = (columns / (wide * (1 + 1e-6)), rows / (high * (1 + 1e-6)))
    return np.array([west, south, east, north, *grain]), (rows, columns)


@compiled
def _slabs(edges: Float64, starts: Int64, frame: Float64, rows: int) -> tuple[Int64, Int64, Float64]:
    """Edges by zone and raster row (a slab), those that reach farthest east first.

    Returns (zones, 3) the zone's first slab, first raster row and number of rows; (slabs + 1,) where each slab's
    edges begin; (n, 4) the edges.
    """
    zones = len(starts) - 1
    first = np.zeros((zones, 3), np.int64)
    slabs = 0
    for z in range(zones):
        low, high = rows, -1
        for e in range(starts[z], starts[z + 1]):
            a = int((min(edges[e, 1], edges[e, 3]) - frame[1]) * frame[5])
            b = int((max(edges[e, 1], edges[e, 3]) - frame[1]) * frame[5])
            low, high = min(low, a), max(high, b)
        first[z, 0], first[z, 1], first[z, 2] = slabs, low, max(high - low + 1, 0)
        slabs += first[z, 2]
    count = np.zeros(slabs + 1, np.int64)
    for z in range(zones):
        for e in range(starts[z], starts[z + 1]):
            a = int((min(edges[e, 1], edges[e, 3]) - frame[1]) * frame[5])
            b = int((max(edges[e, 1], edges[e, 3]) - frame[1]) * frame[5])
            for r in range(a, b + 1):
                count[first[z, 0] + r - first[z, 1] + 1] += 1
    start = np.cumsum(count)
    out = np.empty((start[-1], 4), np.float64)
    filled = np.zeros(slabs, np.int64)
    for z in range(zones):
        for e in range(starts[z], starts[z + 1]):
            a = int((min(edges[e, 1], edges[e, 3]) - frame[1]) * frame[5])
            b = int((max(edges[e, 1], edges[e, 3]) - frame[1]) * frame[5])
            for r in range(a, b + 1):
                s = first[z, 0] + r - first[z, 1]
                at = start[s] + filled[s]
                while at > start[s] and max(out[at - 1, 0], out[at - 1, 2]) < max(edges[e, 0], edges[e, 2]):
                    out[at] = out[at - 1]
                    at -= 1
                out[at] = edges[e]
                filled[s] += 1
    return first, start, out


@compiled
def _passes(x: float, y: float, x1: float, y1: float, x2: float, y2: float) -> tuple[bool, bool]:
    """Whether the edge crosses the line from the point to the east, and whether it is too near to be sure.

    Written without branches: which way they would go for a random point cannot be predicted.
    """
    left, right = (x2 - x1) * (y - y1), (x - x1) * (y2 - y1)
    side = left - right
    across = (y1 <= y) != (y2 <= y)
    close = across & (abs(side) <= ROUNDING * (abs(left) + abs(right)))
    close |= ((y1 == y) | (y2 == y)) & (min(x1, x2) <= x) & (x <= max(x1, x2))
    return across & ((side > 0) == (y2 > y1)), close


@compiled
def _cover(
    first: Int64,
    slab_start: Int64,
    edges: Float64,
    boxes: Float64,
    frame: Float64,
    columns: int,
    at: Int64,
    entries: Int32,
    write: bool,
) -> None:
    """Which zone is in which cell: counts in ``at`` (cells,), and with ``write`` fills ``entries`` there too.

    Edges that end west of a cell cannot cross a line from it to the east, so its entry stops before them.
    """
    touched = np.zeros(columns, np.bool_)
    for z in range(len(first)):
        left = max(int((boxes[z, 0] - frame[0]) * frame[4] - PAD), 0)
        right = min(int((boxes[z, 2] - frame[0]) * frame[4] + PAD), columns - 1)
        for r in range(first[z, 2]):
            row, s = first[z, 1] + r, first[z, 0] + r
            touched[left : right + 1] = False
            south, north = frame[1] + (row - PAD) / frame[5], frame[1] + (row + 1 + PAD) / frame[5]
            for e in range(slab_start[s], slab_start[s + 1]):
                a, b = _span(edges[e], south, north)
                low = max(int((a - frame[0]) * frame[4] - PAD), left)
                high = min(int((b - frame[0]) * frame[4] + PAD), right)
                touched[low : high + 1] = True
            inside, known = False, False
            middle = frame[1] + (row + 0.5) / frame[5]
            for c in range(left, right + 1):
                if touched[c]:
                    known = False
                else:
                    if not known:  # the first cell of a run without edges tells for the run
                        x = frame[0] + (c + 0.5) / frame[4]
                        inside, known = False, True
                        for e in range(slab_start[s], slab_start[s + 1]):
                            inside ^= _passes(x, middle, edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3])[0]
                    if not inside:
                        continue
                cell = row * columns + c
                if write:
                    begin, end, west = slab_start[s], slab_start[s], frame[0] + (c - 2 * PAD) / frame[4]
                    if touched[c]:
                        end = slab_start[s + 1]
                        while end > begin and max(edges[end - 1, 0], edges[end - 1, 2]) < west:
                            end -= 1
                    entries[at[cell], 0], entries[at[cell], 1], entries[at[cell], 2] = z, begin, end
                at[cell] += 1


@compiled
def _span(edge: Float64, south: float, north: float) -> tuple[float, float]:
    """The least and greatest x of the edge between two latitudes."""
    x1, y1, x2, y2 = edge[0], edge[1], edge[2], edge[3]
    if y1 > y2:
        x1, y1, x2, y2 = x2, y2, x1, y1
    a, b = x1, x2
    if y1 < south:
        a = x1 + (x2 - x1) * ((south - y1) / (y2 - y1))
    if y2 > north:
        b = x1 + (x2 - x1) * ((north - y1) / (y2 - y1))
    return min(a, b), max(a, b)


def _packed(count: Int64, start: Int64, entries: Int32) -> tuple[Int32, Int32]:
    """The table with the commonest cells (none, or one whole zone) written into it, and entries for the others."""
    table = np.full(len(count), EMPTY, np.int32)
    one = np.flatnonzero(count == 1)
    only = entries[start[one]]
    whole = one[only[:, 1] == only[:, 2]]
    table[whole] = entries[start[whole], 0]
    listed = count > 0
    listed[whole] = False
    rows = np.flatnonzero(listed)
    ends = np.cumsum(count[rows])
    table[rows] = -2 - (ends - count[rows])
    kept = entries[np.repeat(listed, count)]
    kept[ends - 1, 0] = -1 - kept[ends - 1, 0]
    return table, kept


@compiled
def _query(
    x: Float64,
    y: Float64,
    begin: int,
    frame: Float64,
    columns: int,
    table: Int32,
    entries: Int32,
    edges: Float64,
    longest: int,
    point: Int32,
    zone: Int32,
    doubt: Int32,
) -> tuple[int, int, int]:
    """Fill ``point`` and ``zone`` for the points from ``begin`` on, until one might not fit.

    Returns the first point not done, the number of pairs, and how many of them ``doubt`` names.
    """
    west, south, east, north, across, up = frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]
    found, doubts = 0, 0
    for i in range(begin, len(x)):
        if found + longest > len(point):
            return i, found, doubts
        a, b = x[i], y[i]
        if not (west <= a <= east and south <= b <= north):
            continue
        told = table[int((b - south) * up) * columns + int((a - west) * across)]
        if told >= 0:
            point[found], zone[found] = i, told
            found += 1
        elif told != EMPTY:
            k, more = -2 - told, True
            while more:
                z, first, last = entries[k, 0], entries[k, 1], entries[k, 2]
                more = z >= 0
                odd, near = first == last, False
                for e in range(first, last):
                    crosses, close = _passes(a, b, edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3])
                    odd ^= crosses
                    near |= close
                if odd or near:
                    point[found], zone[found] = i, z if more else -1 - z
                    if near:
                        doubt[doubts] = found
                        doubts += 1
                    found += 1
                k += 1
    return len(x), found, doubts
