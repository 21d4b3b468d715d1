"""Shapes for the geometry tests: stars, holes, and a loop that asks shapely point by point."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

BOX = (103.0, 30.1, 104.9, 31.4)  # west, south, east, north of Chengdu, roughly


def star(rng: np.random.Generator, lon: float, lat: float, radius: float, corners: int) -> Any:
    """A star-shaped polygon of so many corners around lon/lat; always valid."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = rng.uniform(0.5, 1.0, corners) * radius
    shape = shapely.Polygon(np.column_stack([lon + reach * np.cos(angle), lat + reach * np.sin(angle)]))
    return shape if shape.is_valid else shapely.make_valid(shape, method="structure", keep_collapsed=False)


def stars(seed: int, count: int, radius: float, box: tuple[float, float, float, float] = BOX) -> NDArray[np.object_]:
    """So many stars of 20 to 60 corners over the box, many of them overlapping."""
    rng = np.random.default_rng(seed)
    shapes = np.empty(count, object)
    for row in range(count):
        lon, lat = rng.uniform(box[0], box[2]), rng.uniform(box[1], box[3])
        shapes[row] = star(rng, lon, lat, radius, int(rng.integers(20, 61)))
    return shapes


def points(seed: int, count: int, box: tuple[float, float, float, float] = BOX) -> tuple[Any, Any]:
    """So many points spread evenly over the box: lon (count,), lat (count,)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(box[0], box[2], count), rng.uniform(box[1], box[3], count)


def plain_loop(shapes: Any, lon: Any, lat: Any) -> set[tuple[int, int]]:
    """(point, zone) by asking shapely of each zone and all points; the slow twin of the index."""
    found = set()
    for zone, shape in enumerate(shapes):
        found |= {(int(point), zone) for point in np.flatnonzero(shapely.intersects_xy(shape, lon, lat))}
    return found
