"""Zones beside each other, and the zone nearest to a point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array

from geo.crs import Metric
from geo.zones import Int32, Zones

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The zones on a city's plane, in metres. Rows are those of ``zones``."""

    zones: Zones
    metric: Metric

    @cached_property
    def flat(self) -> NDArray[np.object_]:
        """(zones,): the polygons in metres east and north."""
        shapes = np.empty(len(self.zones), object)
        shapes[:] = [
            shapely.transform(shape, lambda xy: np.column_stack(self.metric.forward(xy[:, 0], xy[:, 1])))
            for shape in self.zones.geometries
        ]
        return shapes

    @cached_property
    def tree(self) -> shapely.STRtree:
        """The index of the polygons in metres."""
        return shapely.STRtree(self.flat)

    @cached_property
    def borders(self) -> csr_array:
        """(zones, zones) float64: metres of border that two zones share; 0 where they meet in a point or not at all.

        Symmetric, the diagonal empty. Zones that overlap share no border; see ``overlaps``.
        """
        a, b = self.tree.query(self.flat, predicate="intersects")
        pair = a < b
        a, b = a[pair], b[pair]
        rings = shapely.boundary(self.flat)
        metres = shapely.length(shapely.intersection(rings[a], rings[b]))
        long = metres > 0
        return self._symmetric(a[long], b[long], metres[long])

    @cached_property
    def overlaps(self) -> csr_array:
        """(zones, zones) float64: square metres that two zones have in common; symmetric, the diagonal empty."""
        a, b = self.tree.query(self.flat, predicate="intersects")
        pair = a < b
        a, b = a[pair], b[pair]
        area = shapely.area(shapely.intersection(self.flat[a], self.flat[b]))
        wide = area > 0
        return self._symmetric(a[wide], b[wide], area[wide])

    def _symmetric(self, a: NDArray[np.intp], b: NDArray[np.intp], value: Float64) -> csr_array:
        shape = (len(self.zones), len(self.zones))
        both = np.concatenate([a, b]), np.concatenate([b, a])
        return csr_array((np.concatenate([value, value]), both), shape=shape)

    def nearest(self, lon: Any, lat: Any) -> tuple[Int32, Float64]:
        """(points,) the nearest zone and the metres to its border; 0 m inside, the lowest row where several are.

        A point without a place has zone -1 and NaN metres.
        """
        x, y = np.atleast_1d(np.asarray(lon, np.float64)), np.atleast_1d(np.asarray(lat, np.float64))
        zone = self.zones.containing(x, y).first(len(x))
        metres = np.where(zone >= 0, 0.0, np.nan)
        outside = np.flatnonzero((zone < 0) & np.isfinite(x) & np.isfinite(y))
        if not len(outside) or not len(self.zones):
            return zone, metres
        points = shapely.points(*self.metric.forward(x[outside], y[outside]))
        (point, found), away = self.tree.query_nearest(points, return_distance=True)
        order = np.lexsort((found, point))[::-1]  # the lowest zone is written last, and stays
        zone[outside[point[order]]] = found[order]
        metres[outside[point[order]]] = away[order]
        return zone, metres
