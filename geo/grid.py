"""Hexagons (H3) for heat and level of detail: many points become as many cells as a screen can show."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h3.api.numpy_int as h3
import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.uint64]
Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]

FINEST, COARSEST = 15, 0
NOWHERE = 0  # no H3 cell has this number
EQUATOR_M = 40_075_016.686


@dataclass(frozen=True, eq=False)
class Level:
    """Points gathered in the cells of one resolution.

    ``cells`` (cells,) ascending; ``of`` (points,) the row of each point's cell, -1 for a point without a place.
    """

    resolution: int
    cells: Cells
    of: Int32

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """(cells,): points in each cell."""
        return np.bincount(self.of[self.of >= 0], minlength=len(self))

    @cached_property
    def centres(self) -> Float64:
        """(cells, 2): lon/lat of each cell's centre."""
        pairs = [h3.cell_to_latlng(cell) for cell in self.cells.tolist()]
        return np.array(pairs, np.float64).reshape(-1, 2)[:, ::-1]

    @cached_property
    def outlines(self) -> list[Float64]:
        """Each cell's corners (5 or 6, 2) in lon/lat, not closed."""
        return [np.array(h3.cell_to_boundary(cell), np.float64)[:, ::-1] for cell in self.cells.tolist()]

    def total(self, values: Any) -> Float64:
        """(cells,): sum of ``values`` (points,) in each cell; gaps (NaN) are left out, a cell of gaps alone is NaN."""
        value = np.asarray(values, np.float64)
        told = (self.of >= 0) & np.isfinite(value)
        sums = np.bincount(self.of[told], weights=value[told], minlength=len(self))
        return np.where(np.bincount(self.of[told], minlength=len(self)) > 0, sums, np.nan)

    def mean(self, values: Any) -> Float64:
        """(cells,): mean of ``values``; gaps as in ``total``."""
        value = np.asarray(values, np.float64)
        told = (self.of >= 0) & np.isfinite(value)
        return self.total(value) / np.maximum(np.bincount(self.of[told], minlength=len(self)), 1)

    def peak(self, values: Any) -> Float64:
        """(cells,): greatest of ``values``, so that one alarm among a thousand points stays in sight; gaps as above."""
        value = np.asarray(values, np.float64)
        told = (self.of >= 0) & np.isfinite(value)
        greatest = np.full(len(self), -np.inf)
        np.maximum.at(greatest, self.of[told], value[told])
        return np.where(np.isneginf(greatest), np.nan, greatest)


@dataclass(frozen=True, eq=False)
class Grid:
    """Points as H3 cells of the resolution ``finest``; every coarser level follows from them by arithmetic.

    ``cells`` (points,); NOWHERE for a point without a place.
    """

    cells: Cells
    finest: int
    _levels: dict[int, Level] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.cells)

    def level(self, resolution: int) -> Level:
        """The points gathered at ``resolution``, at most ``finest``; the same object at each call."""
        if not COARSEST <= resolution <= self.finest:
            raise ValueError(f"resolution {resolution} is outside {COARSEST}..{self.finest}, the finest of this grid")
        if resolution not in self._levels:
            self._levels[resolution] = gathered(parents(self.cells, resolution), resolution)
        return self._levels[resolution]

    def at_zoom(self, zoom: float, lat: float, pixels: float = 36.0) -> Level:
        """The finest level whose cells are at least ``pixels`` apart on a web map at ``zoom``."""
        return self.level(min(resolution_for(zoom, lat, pixels), self.finest))


def grid(lon: Any, lat: Any, finest: int = 10) -> Grid:
    """The grid of WGS-84 points; about 2 microseconds a point, once."""
    if not COARSEST <= finest <= FINEST:
        raise ValueError(f"resolution {finest} is outside {COARSEST}..{FINEST}")
    x, y = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    placed = np.isfinite(x) & np.isfinite(y) & (np.abs(y) <= 90)
    cells = np.full(len(x), NOWHERE, np.uint64)
    cells[placed] = [
        h3.latlng_to_cell(*point, finest) for point in zip(y[placed].tolist(), x[placed].tolist(), strict=True)
    ]
    return Grid(cells, finest)


def gathered(cells: Cells, resolution: int) -> Level:
    """The level of points that already are cells of its resolution."""
    names, of = np.unique(cells, return_inverse=True)
    if len(names) and names[0] == NOWHERE:
        return Level(resolution, names[1:], (of - 1).astype(np.int32))
    return Level(resolution, names, of.astype(np.int32))


def parents(cells: Cells, resolution: int) -> Cells:
    """The cells of ``resolution`` that contain these: in an H3 number each finer digit becomes 7.

    Bits 52-55 hold the resolution, three bits follow for each of 15 digits.
    """
    unused = np.uint64((1 << 3 * (FINEST - resolution)) - 1)
    kept = cells & ~np.uint64(0xF << 52) | np.uint64(resolution << 52) | unused
    return np.where(cells == NOWHERE, np.uint64(NOWHERE), kept)


def resolution_for(zoom: float, lat: float, pixels: float) -> int:
    """The finest H3 resolution whose neighbouring cells are at least ``pixels`` apart at a web map's ``zoom``.

    Zoom counts as in MapLibre, whose world is 512 pixels wide at 0.
    """
    metres = pixels * EQUATOR_M * np.cos(np.radians(lat)) / (512 * 2.0**zoom)
    for resolution in range(FINEST, COARSEST, -1):
        if h3.average_hexagon_edge_length(resolution, "m") * np.sqrt(3) >= metres:
            return resolution
    return COARSEST
