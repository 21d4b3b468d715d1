"""The ground of the map: what does not move, in metres east and south of the city's north-west corner.

Near enough flat for a map: over a city of 200 km the east-west scale is off by at most a per cent at its edges.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

from config.city import Box, City
from config.city_calendar import EPOCH
from config.city_layers import Line
from config.register import Register
from models.calendar import HOLIDAY, WORKDAY
from wall.view import text

METRES_A_DEGREE = 111_320.0
STEPS = 65_535  # points are sent as uint16 shares of the city's width and height
DETAIL_M = 20.0  # borders are simplified by this much: a pixel of the whole city on the widest wall


@dataclass(frozen=True)
class Frame:
    """The corner and size of the city's map: degrees, and metres a degree of longitude here."""

    box: Box
    metres_a_lon: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, metres."""
        return self.x(self.box.east), self.y(self.box.south)

    def x(self, lon: Any) -> Any:
        """Metres east of the corner."""
        return (lon - self.box.west) * self.metres_a_lon

    def y(self, lat: Any) -> Any:
        """Metres south of the corner."""
        return (self.box.north - lat) * METRES_A_DEGREE


def frame(city: City, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Frame:
    """The frame that holds all zones, views and datastreams (``lon``, ``lat``: (datastreams,))."""
    bounds = [zone.polygon.bounds for zone in city.zones]
    bounds += [(view.west, view.south, view.east, view.north) for view in (city.view.core, city.view.whole)]
    if len(lon):
        bounds.append((float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())))
    west, south = (min(b[k] for b in bounds) for k in (0, 1))
    east, north = (max(b[k] for b in bounds) for k in (2, 3))
    return Frame(Box(west, south, east, north), METRES_A_DEGREE * math.cos(math.radians((south + north) / 2)))


@dataclass(frozen=True)
class Ground:
    """The map as sent once to each browser: ``body`` is JSON, ``points`` uint16 x, uint16 y, uint8 property."""

    body: bytes
    points: bytes
    version: str  # of both; changes when the register or the city does


def ground(city: City, register: Register, properties: list[str]) -> Ground:
    """The ground of ``city`` with the datastreams of ``register``; ``properties`` is the board's order."""
    table = register.frame
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    base = frame(city, lon, lat)
    width, height = base.size
    kind = {name: row for row, name in enumerate(properties)}
    points = b"".join(
        (
            _shares(base.x(lon) / width),
            _shares(base.y(lat) / height),
            np.array([kind[name] for name in table["property"]], np.uint8).tobytes(),
        )
    )
    cadences = [float(seconds) for seconds in table["cadence_s"].drop_nulls()] or [60.0]
    body = {
        "city": {"id": city.id, "name": text(city.name), "timezone": city.timezone, "lunar": city.language == "zh"},
        "frame": {"west": base.box.west, "north": base.box.north, "lon": base.metres_a_lon, "lat": METRES_A_DEGREE},
        "size": [round(width), round(height)],
        "views": {name: _view(base, box) for name, box in (("core", city.view.core), ("whole", city.view.whole))},
        "zones": [_zone(base, zone) for zone in city.zones],
        "lines": [_line(base, line) for line in city.lines],
        "days": days(city),
        "properties": [_property(register, name) for name in properties],
        "cadence": min(cadences),
        "datastreams": len(register),
    }
    encoded = msgspec.json.encode(body)
    return Ground(encoded, points, hashlib.sha256(encoded + points).hexdigest()[:16])


def _view(base: Frame, box: Box) -> list[int]:
    return [round(v) for v in (base.x(box.west), base.y(box.north), base.x(box.east), base.y(box.south))]


def _zone(base: Frame, zone: Any) -> dict[str, Any]:
    flat = shapely.transform(zone.polygon, lambda xy: np.column_stack((base.x(xy[:, 0]), base.y(xy[:, 1]))))
    parts = shapely.get_parts(shapely.simplify(flat, DETAIL_M if zone.kind == "district" else 1.0))
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return {
        "id": zone.id,
        "kind": zone.kind,
        "code": zone.adcode,
        "name": text(zone.name),
        "label": [round(float(base.x(zone.lon))), round(float(base.y(zone.lat)))],
        "capacity": zone.capacity,
        "rings": [np.rint(shapely.get_coordinates(ring)).astype(int).ravel().tolist() for ring in rings],
    }


def _line(base: Frame, line: Line) -> dict[str, Any]:
    flat = shapely.transform(line.shape, lambda xy: np.column_stack((base.x(xy[:, 0]), base.y(xy[:, 1]))))
    parts = shapely.get_parts(shapely.simplify(flat, DETAIL_M))
    return {
        "kind": line.kind,
        "name": text(line.name),
        "rank": line.rank,
        "parts": [np.rint(shapely.get_coordinates(part)).astype(int).ravel().tolist() for part in parts],
    }


def days(city: City) -> dict[str, str]:
    """The days that are not what their weekday says, by date: "holiday", or "workday" (a moved working day)."""
    out = {}
    for offset, kind in enumerate(city.calendar.kind.tolist()):
        weekend = (city.calendar.first_day + offset + 3) % 7 >= 5  # day 0, 1970-01-01, was a Thursday
        if kind == HOLIDAY or (kind == WORKDAY and weekend):
            day = date.fromordinal(EPOCH.toordinal() + city.calendar.first_day + offset)
            out[day.isoformat()] = "holiday" if kind == HOLIDAY else "workday"
    return out


def _property(register: Register, name: str) -> dict[str, Any]:
    rows = register.frame.filter(register.frame["property"] == name)
    return {"id": name, "unit": rows["unit"][0], "n": rows.height, "cadence": rows["cadence_s"].min()}


def _shares(share: NDArray[np.float64]) -> bytes:
    return np.rint(np.clip(share, 0.0, 1.0) * STEPS).astype("<u2").tobytes()
