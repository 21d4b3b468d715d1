"""Rows of a table that are positions or service requests, by a declared mapping (sensors/codecs/mapping.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from models.values import Position, ServiceRequest
from sensors.codecs import members, moments
from sensors.codecs.errors import Amiss
from sensors.codecs.values import Value

DESCRIPTION = 10_000  # characters of a service request's
Place = tuple[float | None, float | None]
Told = Mapping[str, Any]  # the row's cells by the member that they tell; those without a value are left out


def position(told: Told, time: int, place: Place, zone: str, source: str) -> Position:
    """Where a unit was; a row without a place is ``Amiss``."""
    lon, lat = place
    if lon is None or lat is None:
        raise Amiss("lon", None, "lon and lat", "the row has no place; leave it out when it is not known")
    speed = told.get("speed_kmh")
    return Position(
        unit=members.text(told, "unit"),
        time=time,
        lon=lon,
        lat=lat,
        speed_kmh=members.parsed(speed, "speed_kmh") if isinstance(speed, str) else members.maybe(told, "speed_kmh"),
        source=source,
    )


def request(told: Told, time: int, place: Place, zone: str, source: str) -> ServiceRequest:
    """A citizen's appeal; ``time`` is when it was made."""
    updated, expected = (
        moments.local(told[name], name, zone) if name in told else None for name in ("updated", "expected")
    )
    return ServiceRequest(
        id=members.text(told, "id"),
        code=members.text(told, "code", ""),
        category=members.text(told, "category", ""),
        status=members.text(told, "status", "open").lower()[:40],
        description=members.text(told, "description", "")[:DESCRIPTION],
        requested=time,
        updated=updated,
        expected=expected,
        agency=members.text(told, "agency", ""),
        address=members.text(told, "address", ""),
        lon=place[0],
        lat=place[1],
        source=source,
    )


REQUEST_FIELDS = ("id", "code", "category", "status", "description", "updated", "expected", "agency", "address")
# Of each kind: what makes it, the members it may have, and the one it must.
EVENTS: dict[str, tuple[Callable[[Told, int, Place, str, str], Value], tuple[str, ...], str]] = {
    "position": (position, ("unit", "speed_kmh"), "unit"),
    "service-request": (request, REQUEST_FIELDS, "id"),
}
