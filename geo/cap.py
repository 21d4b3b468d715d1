"""Areas as the Common Alerting Protocol writes them: ``polygon`` and ``circle`` elements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import shapely

from geo.fence import circle
from geo.repair import repair


class AreaError(ValueError):
    """A CAP area cannot be read; the message carries its text."""


def area(polygons: Iterable[str] = (), circles: Iterable[str] = ()) -> Any:
    """The union of CAP 1.2 polygons ("lat,lon lat,lon …", closed) and circles ("lat,lon radius-in-km"), WGS-84.

    A ring that crosses itself is repaired; one with fewer than three corners is an error, as is a circle of radius 0,
    which CAP allows but which has no area.
    """
    parts = [polygon(text) for text in polygons] + [disc(text) for text in circles]
    if not parts:
        raise AreaError("the area has neither polygon nor circle; a fence needs one")
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def polygon(text: str) -> Any:
    """One CAP polygon."""
    corners = [_corner(pair, text) for pair in text.split()]
    if len(corners) < 3:
        raise AreaError(f"polygon {text!r} has {len(corners)} corners; it needs 3")
    shape, note = repair("polygon", shapely.Polygon(corners))
    if shape is None:
        raise AreaError(f"polygon {text!r}: {note.found if note else 'unusable'}")
    return shape


def disc(text: str) -> Any:
    """One CAP circle."""
    centre, _, radius = text.strip().partition(" ")
    lon, lat = _corner(centre, text)
    try:
        return circle(lon, lat, float(radius) * 1_000)
    except ValueError as error:
        raise AreaError(f"circle {text!r}: {error}") from error


def _corner(pair: str, text: str) -> tuple[float, float]:
    """Lon, lat of "lat,lon"."""
    try:
        lat, lon = (float(part) for part in pair.split(","))
    except ValueError as error:
        raise AreaError(f"{pair!r} in {text[:80]!r} is not lat,lon") from error
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise AreaError(f"{pair!r} in {text[:80]!r} is no place on earth; CAP writes lat,lon")
    return lon, lat
