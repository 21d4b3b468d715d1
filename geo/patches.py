"""Patches: a city cut into hexagons that are small where much is and large where little is."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.grid import grid, parents

Float64 = NDArray[np.float64]
COARSE, FINE = 5, 8  # H3: cells of 250 and of 0.7 square kilometres


def patches(lon: Any, lat: Any, most: int, coarse: int = COARSE, fine: int = FINE) -> tuple[list[str], Float64]:
    """Names and middles (patches, 2) of at most ``most`` hexagons that hold all points; in the order of their names.

    Of the hexagons of resolution ``coarse`` that with most points is cut into its parts, down to ``fine``, again and
    again while there is room. A middle is the mean of the points within, so that it lies where something is.
    """
    if most < 1:
        raise ValueError(f"{most} patches hold no city; use at least 1")
    x, y = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    finest = grid(x, y, fine).cells
    heap = [_entry(parents(finest, coarse), cell, coarse) for cell in np.unique(parents(finest, coarse)).tolist()]
    heapq.heapify(heap)
    done: list[int] = []
    while heap:
        _, cell, resolution = heapq.heappop(heap)
        inside = finest[parents(finest, resolution) == cell] if resolution < fine else finest[:0]
        parts = np.unique(parents(inside, resolution + 1)).tolist() if resolution < fine else []
        if not parts or len(done) + len(heap) + len(parts) > most:
            done.append(cell)
            continue
        below = parents(inside, resolution + 1)
        for part in parts:
            heapq.heappush(heap, _entry(below, part, resolution + 1))
    done.sort()
    return [f"{cell:x}" for cell in done], np.array([_middle(x, y, finest, cell) for cell in done]).reshape(-1, 2)


def _entry(cells: NDArray[np.uint64], cell: int, resolution: int) -> tuple[int, int, int]:
    """What the heap orders by: most points first."""
    return -int(np.count_nonzero(cells == cell)), cell, resolution


def _middle(x: Float64, y: Float64, finest: NDArray[np.uint64], cell: int) -> tuple[float, float]:
    inside = parents(finest, cell >> 52 & 0xF) == cell
    return float(x[inside].mean()), float(y[inside].mean())
