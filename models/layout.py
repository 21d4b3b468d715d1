"""Layouts: what an engine must know of the register, as plain arrays and tuples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.detectors import Detector
from models.soundness import Checks
from models.values import Text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a detection is: a zone or an asset, in WGS-84."""

    id: str
    name: Text
    lon: float
    lat: float
    district: str


@dataclass(frozen=True, slots=True)
class Group:
    """Datastreams watched by one detector: one property of one pack. ``checks``: the faults looked for, None: none."""

    pack: str
    property: str
    unit: str
    detector: Detector
    checks: Checks | None = None
    cadence_s: float = 60.0  # between two readings of one of them


@dataclass(frozen=True, slots=True)
class Series:
    """One property summed over one zone. ``capacity`` people and ``area_m2`` are NaN where not declared."""

    place: Place
    zone_kind: str
    property: str
    unit: str
    members: int
    capacity: float
    area_m2: float


@dataclass(frozen=True, eq=False, slots=True)
class ShardLayout:
    """One shard's datastreams; arrays have the shape (n,) in the order of ``members``.

    ``members`` are register integers, ascending; ``group`` is an index into ``groups`` (-1: nobody watches it);
    ``low`` and ``high`` the valid range; ``indptr`` (n + 1,) and ``indices`` say which of ``series`` sums each
    datastream belongs to (CSR); ``lon`` and ``lat`` where each is, taken from ``places`` where they are None;
    ``neighbours`` the number of the district each is in, -1 outside all; None: no datastream has neighbours.
    """

    shard: int
    members: NDArray[np.int32]
    group: NDArray[np.int16]
    groups: tuple[Group, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    series: int
    places: Sequence[Place]
    tick_ms: int
    lateness_ms: int
    lon: NDArray[np.float64] | None = None
    lat: NDArray[np.float64] | None = None
    neighbours: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.members)
