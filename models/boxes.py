"""Boxes of one to three kilometres: a crowd is seen also where no zone is declared.

The datastreams of a property are summed over the cells of a square grid, and over all squares of some cells by
2-D prefix sums (Crow, 1984): a sum is four looked-up numbers whatever the size. Each box is judged as a zone is, on its
own running means and scales. Of boxes that overlap the strangest is told; one that holds the same datastreams as a
smaller one is not looked at.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.layout import Place
from models.values import Text

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]

CELL_M = 500.0
SIZES = (2, 3, 4, 6)  # cells a side: half a box lies between two places where it may stand
LEAST = 12  # datastreams a box must hold: the mean of fewer does not show what a single one does not
MOST_CELLS = 1_000_000  # of a grid; a place far off would make it larger than the city
METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Grid:
    """Square cells; ``west`` and ``south`` its corner, ``step_lon`` and ``step_lat`` a cell's sides, in degrees."""

    west: float
    south: float
    step_lon: float
    step_lat: float
    rows: int
    columns: int

    def cell(self, lon: Float64, lat: Float64) -> Int32:
        """(points,): the number of the cell of each point, row by row from the south-west; -1 outside all."""
        with np.errstate(invalid="ignore"):
            row, column = np.floor((lat - self.south) / self.step_lat), np.floor((lon - self.west) / self.step_lon)
            inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        return np.where(inside, np.where(inside, row, 0) * self.columns + np.where(inside, column, 0), -1).astype(
            np.int32
        )


def grid(lon: Float64, lat: Float64, cell_m: float = CELL_M) -> Grid:
    """The grid that holds most of the points (points,): the farthest are left out where it would be too large."""
    told = np.isfinite(lon) & np.isfinite(lat)
    lon, lat = lon[told], lat[told]
    if not len(lon):
        return Grid(0.0, 0.0, 1.0, 1.0, 0, 0)
    step_lat = cell_m / METRES_A_DEGREE
    step_lon = step_lat / max(math.cos(math.radians(float(np.median(lat)))), 0.01)
    for share in (0.0, 0.001, 0.01, 0.1, 0.25):
        west, east = np.quantile(lon, [share, 1.0 - share])
        south, north = np.quantile(lat, [share, 1.0 - share])
        rows, columns = int((north - south) / step_lat) + 1, int((east - west) / step_lon) + 1
        if rows * columns <= MOST_CELLS:
            return Grid(float(west), float(south), step_lon, step_lat, rows, columns)
    return Grid(float(west), float(south), step_lon, step_lat, 1, 1)


def prefix(values: Float64) -> Float64:
    """(rows + 1, columns + 1): the sums of ``values`` (rows, columns) over all that lies south-west of each corner."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    return sums


def over(sums: Float64, row: NDArray[Any], column: NDArray[Any], size: NDArray[Any]) -> Float64:
    """(boxes,): the sums over boxes from ``row`` and ``column`` on, ``size`` cells a side; ``sums`` are prefix sums."""
    north, east = row + size, column + size
    total: Float64 = sums[north, east] - sums[row, east] - sums[north, column] + sums[row, column]
    return total


class Boxes:
    """The boxes of one property; arrays have the shape (boxes,): ``row``, ``column``, ``size`` and ``members``."""

    def __init__(
        self,
        property: str,
        unit: str,
        grid: Grid,
        columns: Int32,
        cells: Int32,
        members: NDArray[np.int64],
        districts: Sequence[Place | None],
    ) -> None:
        """``columns`` (cells,) say where in a partial the sums of each of the ``cells`` are that have ``members``;
        ``districts`` where each lies."""
        self.property, self.unit, self.grid, self.columns, self.cells = property, unit, grid, columns, cells
        self._district = dict(zip(cells.tolist(), districts, strict=True))
        self.districts, self.cell_members = ["" if one is None else one.id for one in districts], members
        totals = prefix(self._spread(members.astype(np.float64)))
        found = [self._of_size(totals, size) for size in SIZES if size <= min(grid.rows, grid.columns)]
        parts = np.concatenate(found, axis=1) if found else np.zeros((4, 0))
        self.row, self.column, self.size = (part.astype(np.int32) for part in parts[:3])
        self.members = parts[3]

    def __len__(self) -> int:
        return len(self.row)

    def sums(self, values: Float64) -> Float64:
        """(boxes,): the sums over each box of ``values`` (cells,)."""
        return over(prefix(self._spread(values)), self.row, self.column, self.size)

    def apart(self, box: int) -> NDArray[np.bool_]:
        """(boxes,): which of the boxes share no cell with ``box``."""
        north, east = self.row[box] + self.size[box], self.column[box] + self.size[box]
        beside = (self.column >= east) | (self.column + self.size <= self.column[box])
        return np.asarray((self.row >= north) | (self.row + self.size <= self.row[box]) | beside)

    def strongest(self, score: NDArray[np.float32], free: NDArray[np.bool_], least: float, most: int = 10) -> list[int]:
        """The strangest of the ``free`` boxes with a score of ``least`` or more, no two of them overlapping.

        Of equal ones the smaller is taken, then the first.
        """
        found: list[int] = []
        free = free & (score >= least)
        while free.any() and len(found) < most:
            best = int(np.lexsort((self.size, -np.where(free, score, -np.inf)))[0])
            found.append(best)
            free = free & self.apart(best)
        return found

    def centre(self, box: int) -> tuple[float, float]:
        """Longitude and latitude of the middle of a box."""
        half = self.size[box] / 2.0
        lon = self.grid.west + (self.column[box] + half) * self.grid.step_lon
        lat = self.grid.south + (self.row[box] + half) * self.grid.step_lat
        return float(lon), float(lat)

    def side_m(self, box: int) -> float:
        """The length of a box's side."""
        return float(self.size[box] * self.grid.step_lat * METRES_A_DEGREE)

    def near(self, lon: float, lat: float, radius_m: float) -> NDArray[np.bool_]:
        """(boxes,): which boxes reach into a circle."""
        half = self.size / 2.0
        north = (self.row + half) * self.grid.step_lat + self.grid.south - lat
        east = ((self.column + half) * self.grid.step_lon + self.grid.west - lon) * self.grid.step_lat
        apart_m = np.hypot(north, east / self.grid.step_lon) * METRES_A_DEGREE
        return np.asarray(apart_m < radius_m + half * self.grid.step_lat * METRES_A_DEGREE)

    def place(self, box: int) -> Place:
        """A box as a place: its middle, named by its district and its width."""
        lon, lat = self.centre(box)
        district, km = self._where(box), self.side_m(box) / 1_000.0
        name = f"{self.property}-box-{self.row[box]}-{self.column[box]}-{self.size[box]}"
        there = f"{lat:.3f}, {lon:.3f}"
        en = f"{km:.0f} km around {there}" + (f", {district.name.en}" if district else "")
        zh = (district.name.zh if district else "") + f"{there} 周边 {km:.0f} 公里"
        return Place(name, Text(en, zh), lon, lat, district.id if district else "")

    def _where(self, box: int) -> Place | None:
        """The district of the cell in its middle, or of the first of its cells that has one."""
        across = range(int(self.size[box]))
        cells = [int((self.row[box] + i) * self.grid.columns + self.column[box] + j) for i in across for j in across]
        middle = cells[len(cells) // 2]
        return next((at for cell in [middle, *cells] if (at := self._district.get(cell)) is not None), None)

    def _spread(self, values: Float64) -> Float64:
        """``values`` (cells,) on the whole grid, (rows, columns)."""
        whole = np.zeros(self.grid.rows * self.grid.columns)
        whole[self.cells] = values
        return whole.reshape(self.grid.rows, self.grid.columns)

    def _of_size(self, totals: Float64, size: int) -> Float64:
        """Row, column, size and members of the boxes of one size worth looking at, (4, boxes)."""
        row, column = np.indices((self.grid.rows - size + 1, self.grid.columns - size + 1)).reshape(2, -1)
        members = over(totals, row, column, np.full(len(row), size))
        worth = members >= LEAST
        smaller = max((one for one in SIZES if one < size), default=size)
        for down, right in itertools.product(range(size - smaller + 1), repeat=2) if smaller < size else ():
            worth &= over(totals, row + down, column + right, np.full(len(row), smaller)) < members
        return np.stack([row, column, np.full(len(row), size), members])[:, worth].astype(np.float64)
