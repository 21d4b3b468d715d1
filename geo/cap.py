"""Areas as the Common Alerting Protocol writes them: ``polygon`` and ``circle`` elements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import shapely

from geo.fence import circle
from geo.repair import repair

_HALF_ROUND = 20_040_000.0  # metres: half round the earth


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
    shape, note = repair("polygon", shapely.Polygon(corners(text)))
    if shape is None:
        raise AreaError(f"polygon {text[:80]!r}: {note.found if note else 'unusable'}")
    return shape


def disc(text: str) -> Any:
    """One CAP circle."""
    lon, lat, metres = centre(text)
    try:
        return circle(lon, lat, metres)
    except ValueError as error:
        raise AreaError(f"circle {text[:80]!r}: {error}") from error


def corners(text: str) -> list[tuple[float, float]]:
    """Lon, lat of the corners of one CAP polygon, as they stand there."""
    found = [_corner(pair, text) for pair in text.split()]
    if len(found) < 3:
        raise AreaError(f"polygon {text[:80]!r} has {len(found)} corners; it needs 3")
    return found


def centre(text: str) -> tuple[float, float, float]:
    """Lon, lat and radius in metres of one CAP circle; the radius may be 0."""
    middle, _, radius = text.strip().partition(" ")
    lon, lat = _corner(middle, text)
    try:
        metres = float(radius) * 1_000
    except ValueError as error:
        raise AreaError(f"circle {text[:80]!r}: radius {radius[:80]!r} is not a number of kilometres") from error
    if not 0 <= metres <= _HALF_ROUND:
        raise AreaError(f"circle {text[:80]!r}: radius {metres:g} m is not within 0..{_HALF_ROUND:g}")
    return lon, lat, metres


def _corner(pair: str, text: str) -> tuple[float, float]:
    """Lon, lat of "lat,lon"."""
    try:
        lat, lon = (float(part) for part in pair.split(","))
    except ValueError as error:
        raise AreaError(f"{pair[:40]!r} in {text[:80]!r} is not lat,lon") from error
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise AreaError(f"{pair[:40]!r} in {text[:80]!r} is no place on earth; CAP writes lat,lon")
    return lon, lat
