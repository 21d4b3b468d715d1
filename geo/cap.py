"""Areas as the Common Alerting Protocol writes them: ``polygon`` and ``circle`` elements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import shapely

from geo.cap_text import AreaError, centre, corners
from geo.fence import circle
from geo.repair import repair


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


__all__ = ["AreaError", "area", "disc", "polygon"]
