"""Sums over zones from datastreams, by a sparse matrix made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from geo.zones import Hits

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ZoneSums:
    """Which of n points each zone contains; ``matrix`` (zones, points) float64 of ones."""

    matrix: csr_array

    def totals(self, values: Any) -> tuple[Float64, NDArray[np.int64]]:
        """(zones,) sums of ``values`` (points,) and how many values are in each; gaps (NaN) are left out.

        A zone without any value sums to NaN, not to 0: nothing was counted there.
        """
        value = np.asarray(values, np.float64)
        if value.shape != (self.matrix.shape[1],):
            raise ValueError(f"values have the shape {value.shape}; the zones were made for ({self.matrix.shape[1]},)")
        told = np.isfinite(value)
        counts = np.rint(self.matrix @ told.astype(np.float64)).astype(np.int64)
        sums = self.matrix @ np.where(told, value, 0.0)
        return np.where(counts > 0, sums, np.nan), counts


def zone_sums(hits: Hits, zones: int, points: int) -> ZoneSums:
    """The sums over ``zones`` zones of ``points`` points placed by ``Zones.containing``."""
    ones = np.ones(len(hits), np.float64)
    return ZoneSums(csr_array((ones, (hits.zone, hits.point)), shape=(zones, points)))
