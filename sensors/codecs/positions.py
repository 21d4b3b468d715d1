"""Where units are: JSON rows of ``{"unit", "time", "lon", "lat", "speed_kmh"?, "crs"?}``, also below ``positions``."""

from __future__ import annotations

from typing import Any, get_args

from geo.crs import NAMES, Crs, convert
from models.values import Position
from sensors.codecs import members, moments
from sensors.codecs.base import Codec, Decoded, Envelope, bounded, each
from sensors.codecs.errors import Amiss

LIST = "positions"
UNIT_LENGTH = 128
FASTEST_KMH = 400.0


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    told = members.loads(body, envelope.limit)
    if members.is_row(told):
        told = told.get(LIST, [told])
    rows = members.as_list(told, LIST)
    bounded(len(rows), envelope.limit)
    decoded = Decoded(count=len(rows), text=lambda index: members.dumps(rows[index]))
    for index, row in enumerate(rows):
        each(decoded, index, lambda row=row: (_position(members.as_row(row, "position"), envelope),))  # type: ignore[misc]  # bound now
    return decoded


def _position(row: members.Row, envelope: Envelope) -> Position:
    unit = members.text(row, "unit")
    if not 0 < len(unit) <= UNIT_LENGTH:
        raise Amiss("unit", unit[:UNIT_LENGTH], f"1-{UNIT_LENGTH} characters", "unit must be the id of a unit")
    lon, lat = _place(row)
    speed = members.maybe(row, "speed_kmh")
    if speed is not None and not 0 <= speed <= FASTEST_KMH:
        raise Amiss("speed_kmh", speed, f"0..{FASTEST_KMH:g}", f"speed_kmh {speed:g} is outside 0..{FASTEST_KMH:g}")
    return Position(unit=unit, time=_time(row, envelope), lon=lon, lat=lat, speed_kmh=speed, source=envelope.source)


def _time(row: members.Row, envelope: Envelope) -> int:
    given: Any = row.get("time")
    if isinstance(given, int) and not isinstance(given, bool):
        return moments.epoch(given, "time", 1000)
    return moments.local(given, "time", envelope.zone)


def _place(row: members.Row) -> tuple[float, float]:
    """Lon and lat in WGS-84, whatever system they come in."""
    lon, lat = members.number(row, "lon"), members.number(row, "lat")
    if lon == 0 and lat == 0:
        raise Amiss("lon", 0, "a place", "lon, lat 0, 0 is what a device sends that does not know its place")
    members.degrees(lon, "lon", 180)
    members.degrees(lat, "lat", 90)
    crs = members.text(row, "crs", "wgs84")
    if crs not in NAMES:
        known = ", ".join(get_args(Crs))
        raise Amiss("crs", crs, known, f"crs {crs[:40]!r} is not known; use one of {known}")
    x, y = convert(lon, lat, crs, "wgs84")
    return float(x), float(y)


CODEC = Codec(
    name="positions",
    title="Positions of units",
    media=("application/json",),
    endings=(".positions.json",),
    decode=_decode,
)
