"""Zones: which polygons contain a point, and what is known of each polygon.

Everything is WGS-84 lon/lat in degrees. A border belongs to every zone it bounds; of districts, which tile the
city, the one with the lowest row wins, so that a point has exactly one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from geo.cells import Cells, index

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Bool = NDArray[np.bool_]
Geometries = NDArray[np.object_]

WGS84 = Geod(ellps="WGS84")


@dataclass(frozen=True, eq=False)
class Hits:
    """Which point lies in which zone: pairs sorted by point, then zone.

    ``point`` and ``zone`` have the shape (pairs,); a point in no zone does not occur, one in three occurs thrice.
    """

    point: Int32
    zone: Int32

    def __len__(self) -> int:
        return len(self.point)

    def offsets(self, points: int) -> NDArray[np.int64]:
        """(points + 1,): the zones of point ``i`` are ``zone[offsets[i]:offsets[i + 1]]``."""
        return np.searchsorted(self.point, np.arange(points + 1)).astype(np.int64)

    def first(self, points: int) -> Int32:
        """(points,): the lowest zone of each point; -1 where it has none."""
        lowest = np.full(points, -1, np.int32)
        lowest[self.point[::-1]] = self.zone[::-1]
        return lowest


@dataclass(frozen=True, eq=False)
class Zones:
    """Polygons with an id each, in a fixed order: a zone's row is its integer everywhere.

    ``ids`` (zones,), ``geometries`` (zones,) polygons or multi-polygons in lon/lat, ``district`` (zones,) says
    which of them are the city's districts.
    """

    ids: tuple[str, ...]
    geometries: Geometries
    district: Bool

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each zone id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def tree(self) -> shapely.STRtree:
        """The spatial index over the polygons' boxes, for distances and neighbours."""
        return shapely.STRtree(self.geometries)

    @cached_property
    def cells(self) -> Cells:
        """The index for many points; built at the first question, in 0.1 to 1 s."""
        return index(self.geometries)

    def containing(self, lon: Any, lat: Any) -> Hits:
        """All zones that contain each point, borders included; a NaN or infinite point is in none."""
        return Hits(*self.cells.pairs(*_columns(lon, lat)))

    def containing_few(self, lon: Any, lat: Any) -> Hits:
        """As ``containing``, for up to some thousand points: no index is built and no compiler loaded for them."""
        point, zone = self.tree.query(shapely.points(*_columns(lon, lat)), predicate="intersects")
        order = np.lexsort((zone, point))
        return Hits(point[order].astype(np.int32), zone[order].astype(np.int32))

    def districts(self, lon: Any, lat: Any) -> Int32:
        """(points,): the row of the district of each point, the lowest on a border, -1 outside all."""
        x, y = _columns(lon, lat)
        return self.districts_of(self.containing(x, y), len(x))

    def districts_of(self, hits: Hits, points: int) -> Int32:
        """As ``districts``, from ``containing``'s answer for ``points`` points."""
        inside = self.district[hits.zone]
        return Hits(hits.point[inside], hits.zone[inside]).first(points)

    @cached_property
    def area_m2(self) -> Float64:
        """(zones,): area on the ellipsoid, holes subtracted."""
        areas = [abs(WGS84.geometry_area_perimeter(shapely.orient_polygons(shape))[0]) for shape in self.geometries]
        return np.array(areas, np.float64)

    @cached_property
    def label(self) -> Float64:
        """(zones, 2): lon/lat of where the zone's name goes: the centre of its largest inscribed circle."""
        return np.array([label_point(shape) for shape in self.geometries], np.float64).reshape(-1, 2)


def zones(ids: Sequence[str], geometries: Sequence[Any], district: Sequence[bool] | None = None) -> Zones:
    """Zones of ``ids`` and shapely ``geometries``; without ``district`` each zone is one."""
    shapes = np.empty(len(ids), object)
    shapes[:] = list(geometries)
    which = np.ones(len(ids), bool) if district is None else np.array(district, bool)
    return Zones(tuple(ids), shapes, which)


def label_point(shape: Any) -> tuple[float, float]:
    """Lon/lat of the centre of the largest circle inside ``shape``, measured in metres."""
    middle = float(shape.centroid.y)
    shrink = np.array([np.cos(np.radians(middle)), 1.0])
    flat = shapely.transform(shape, lambda xy: xy * shrink)
    size = float(np.ptp(shapely.get_coordinates(flat), axis=0).max())
    centre = shapely.get_coordinates(shapely.maximum_inscribed_circle(flat, tolerance=max(size, 1e-9) / 100))[0]
    lon, lat = centre / shrink
    return float(lon), float(lat)


def _columns(lon: Any, lat: Any) -> tuple[Float64, Float64]:
    x, y = np.atleast_1d(np.asarray(lon, np.float64)), np.atleast_1d(np.asarray(lat, np.float64))
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"lon has the shape {x.shape} and lat {y.shape}; both must be (points,)")
    return x, y
