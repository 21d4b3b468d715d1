"""The texts of CAP's ``polygon`` and ``circle`` elements as numbers; what they enclose is in geo/cap.py."""

from __future__ import annotations

_HALF_ROUND = 20_040_000.0  # metres: half round the earth


class AreaError(ValueError):
    """A CAP area cannot be read; the message carries its text."""


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
