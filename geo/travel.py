"""How long the way is: as the crow flies with a detour, or along a graph of roads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.crs import Metric
from geo.distance import great_circles_m

if TYPE_CHECKING:  # scipy is loaded by who has roads: it takes 30 MB
    from scipy.sparse import csr_array
    from scipy.spatial import KDTree

Float64 = NDArray[np.float64]


class Travel(Protocol):
    """Driving times between places. A router of your own (OSRM, a traffic model) needs only this one method."""

    def seconds(self, from_lon: Float64, from_lat: Float64, to_lon: Float64, to_lat: Float64) -> Float64:
        """(from, to) typical driving time in seconds; infinite where there is no way."""
        ...


@dataclass(frozen=True)
class GreatCircle:
    """Straight distance times a detour, at one speed.

    A detour of 1.4 is what street networks of large cities show on the median; 30 km/h is a unit with priority in
    city traffic. Both are to be fitted to one's own arrival times.
    """

    speed_kmh: float = 30.0
    detour: float = 1.4

    def seconds(self, from_lon: Float64, from_lat: Float64, to_lon: Float64, to_lat: Float64) -> Float64:
        """(from, to) driving time in seconds."""
        metres = great_circles_m(from_lon, from_lat, to_lon, to_lat)
        return metres * (self.detour / (self.speed_kmh / 3.6))


@dataclass(frozen=True, eq=False)
class RoadGraph:
    """Shortest times over a graph of roads.

    ``lon`` and ``lat`` (nodes,); an edge leads from ``start`` (edges,) to ``end`` (edges,) in ``time_s`` (edges,), one
    way. A place is joined to its nearest node at ``access_kmh``; farther than ``reach_m`` from any there is no way.
    """

    lon: Float64
    lat: Float64
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    time_s: Float64
    metric: Metric
    access_kmh: float = 15.0
    reach_m: float = 1_000.0

    @cached_property
    def _graph(self) -> csr_array:
        from scipy.sparse import csr_array

        if len(self.time_s) and not (self.time_s > 0).all():
            worst = float(np.min(self.time_s))
            raise ValueError(f"an edge takes {worst} s; each must take more than 0 s")
        order = np.argsort(-self.time_s, kind="stable")  # of parallel edges the fastest is written last, and stays
        best = {
            (int(a), int(b)): float(t)
            for a, b, t in zip(self.start[order], self.end[order], self.time_s[order], strict=True)
        }
        ends = np.array(list(best), np.int64).reshape(-1, 2)
        return csr_array(
            (np.array(list(best.values())), (ends[:, 0], ends[:, 1])), shape=(len(self.lon), len(self.lon))
        )

    @cached_property
    def _tree(self) -> KDTree:
        from scipy.spatial import KDTree

        return KDTree(np.column_stack(self.metric.forward(self.lon, self.lat)))

    def _joined(self, lon: Float64, lat: Float64) -> tuple[NDArray[np.int64], Float64]:
        """(places,) the nearest node of each place, and the seconds to it."""
        metres, node = self._tree.query(np.column_stack(self.metric.forward(lon, lat)))
        access = np.where(metres <= self.reach_m, metres / (self.access_kmh / 3.6), np.inf)
        return np.asarray(node, np.int64), access

    def seconds(self, from_lon: Float64, from_lat: Float64, to_lon: Float64, to_lat: Float64) -> Float64:
        """(from, to) driving time in seconds; searched from whichever side has fewer nodes."""
        start, access = self._joined(from_lon, from_lat)
        end, egress = self._joined(to_lon, to_lat)
        sources, targets = np.unique(start), np.unique(end)
        if len(sources) <= len(targets):
            times = _search(self._graph, sources)[np.searchsorted(sources, start)][:, end]
        else:
            times = _search(self._graph.T.tocsr(), targets)[np.searchsorted(targets, end)][:, start].T
        return np.asarray(access[:, None] + times + egress[None, :])


def _search(graph: Any, sources: NDArray[np.int64]) -> Float64:
    """(sources, nodes) shortest times from each source."""
    from scipy.sparse.csgraph import dijkstra

    return np.atleast_2d(np.asarray(dijkstra(graph, indices=sources), np.float64))
