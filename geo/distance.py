"""Distances on the earth's surface."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RADIUS_M = 6_371_008.8  # of the sphere that is nearest to WGS-84


def great_circle_m(lon_a: Any, lat_a: Any, lon_b: Any, lat_b: Any) -> NDArray[np.float64]:
    """Metres between WGS-84 points, broadcast; within 0.5 % of the ellipsoid. NaN in, NaN out."""
    a, b = np.radians(np.asarray(lat_a, np.float64)), np.radians(np.asarray(lat_b, np.float64))
    turn = np.radians(np.asarray(lon_b, np.float64) - np.asarray(lon_a, np.float64))
    chord = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(turn / 2) ** 2
    return np.asarray(2 * RADIUS_M * np.arcsin(np.sqrt(np.clip(chord, 0, 1))))


def great_circles_m(lon_a: Any, lat_a: Any, lon_b: Any, lat_b: Any) -> NDArray[np.float64]:
    """(a, b) metres from each of some points to each of others; to a decimetre the same, and several times faster."""
    a, b = _directions(lon_a, lat_a), _directions(lon_b, lat_b)
    dot = sum(a[axis][:, None] * b[axis][None, :] for axis in range(3))
    return np.asarray(2 * RADIUS_M * np.arcsin(np.sqrt(np.clip((1 - dot) / 2, 0, 1))))


def _directions(lon: Any, lat: Any) -> NDArray[np.float64]:
    """(3, points) unit vectors from the earth's centre."""
    x, y = np.radians(np.asarray(lon, np.float64)), np.radians(np.asarray(lat, np.float64))
    return np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])
