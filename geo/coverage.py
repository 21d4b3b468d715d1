"""Polygons that tile an area: simplified and rounded together, so that no gap or overlap opens between them."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[np.object_]
FINEST = 8  # decimals of a degree: a millimetre


class CoverageError(ValueError):
    """The polygons do not tile; the message says how far they are from it."""


def simplified(shapes: Geometries, tolerance_deg: float, decimals: int = 5) -> Geometries:
    """The shapes (n,) with shared borders simplified once for both sides, and corners at ``decimals`` decimals.

    Small gaps and overlaps of the input are cleaned away first. Where rounding would make a shape invalid, a decimal
    more is kept. Raises ``CoverageError`` when no valid tiling comes of it.
    """
    tiles = shapes if shapely.coverage_is_valid(shapes) else _cleaned(shapes)
    coarse: Geometries = np.asarray(shapely.coverage_simplify(tiles, tolerance_deg), np.object_)
    for places in range(decimals, FINEST + 1):
        rounded = _rounded(coarse, places)
        if shapely.is_valid(rounded).all() and shapely.coverage_is_valid(rounded):
            return rounded
    faults = int(np.sum(~shapely.is_empty(shapely.coverage_invalid_edges(coarse))))
    raise CoverageError(f"{faults} of {len(shapes)} polygons do not meet their neighbours; repair the source's borders")


def _cleaned(shapes: Geometries) -> Geometries:
    clean: Geometries = np.asarray(shapely.coverage_clean(shapes))  # type: ignore[attr-defined]  # newer than its stubs
    return clean


def changed_area(before: Geometries, after: Geometries) -> float:
    """The greatest share by which any shape's area changed."""
    was = shapely.area(before)
    return float(np.max(np.abs(shapely.area(after) - was) / was)) if len(was) else 0.0


def _rounded(shapes: Geometries, decimals: int) -> Geometries:
    out = np.empty(len(shapes), object)
    out[:] = [shapely.transform(shape, lambda xy: np.round(xy, decimals)) for shape in shapes]
    return out
