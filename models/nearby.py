"""Neighbours: the nearest datastreams of the same kind within a shard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

NEIGHBOURS = 8
METRES_A_DEGREE = 111_320.0
REACH_M = 2_000.0  # further away nobody is a neighbour
NOBODY = -1


class Nearby:
    """Looks up neighbours; ``group`` (n,) says which datastreams are of one kind, ``lon`` and ``lat`` (n,) WGS-84."""

    def __init__(self, lon: NDArray[np.float64], lat: NDArray[np.float64], group: NDArray[np.int16]) -> None:
        middle = float(np.cos(np.radians(lat.mean()))) if len(lat) else 1.0
        self._at = np.stack([lon * middle, lat], axis=1) * METRES_A_DEGREE
        self._group = group
        self._trees: dict[int, tuple[NDArray[np.intp], cKDTree]] = {}

    def of(self, row: int) -> NDArray[np.intp]:
        """The rows of the nearest neighbours of ``row``, the nearest first; none further than ``REACH_M``."""
        rows, tree = self._tree(int(self._group[row]))
        distance, found = tree.query(self._at[row], k=min(NEIGHBOURS + 1, len(rows)), distance_upper_bound=REACH_M)
        near = np.atleast_1d(found)[np.isfinite(np.atleast_1d(distance))]
        mates = rows[near]
        return np.asarray(mates[mates != row][:NEIGHBOURS])

    def _tree(self, group: int) -> tuple[NDArray[np.intp], cKDTree]:
        """The tree of one kind, built when it is first asked for."""
        if group not in self._trees:
            rows = np.flatnonzero(self._group == group)
            self._trees[group] = rows, cKDTree(self._at[rows])
        return self._trees[group]
