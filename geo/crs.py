"""Coordinate systems: WGS-84, GCJ-02 and BD-09 both ways, and metres around a city.

WGS-84 is what GPS gives. GCJ-02 is the shifted system every map sold in mainland China must use (Amap, Tencent);
BD-09 is Baidu's further shift of it. Inside the product everything is WGS-84: input is converted once, at the door,
where it must name its system.

Where the shift ends
--------------------
The shift is defined inside the rectangle 72.004-137.8347 E, 0.8293-55.8271 N and absent outside it, as in every
published implementation; Auckland is left alone. The rectangle is larger than China. Hong Kong, Macau, Taiwan and
the neighbours across the land border lie in it, but sources there (and Google's maps of them) usually give WGS-84:
declare such input ``wgs84``, and nothing is shifted. A point declared ``gcj02`` there is taken at its word. On the
rectangle's own edge the shift begins with a jump of some hundred metres; a GCJ-02 point that only a position outside
could have given is returned unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

Float64 = NDArray[np.float64]
Crs = Literal["wgs84", "gcj02", "bd09"]
NAMES: tuple[Crs, ...] = get_args(Crs)

WEST, EAST, SOUTH, NORTH = 72.004, 137.8347, 0.8293, 55.8271
KRASOVSKY_A = 6_378_245.0  # metres
KRASOVSKY_EE = 0.00669342162296594323
BAIDU_LON, BAIDU_LAT = 0.0065, 0.0060  # degrees
BAIDU_WAVE = np.pi * 3000.0 / 180.0
ENOUGH = 1e-11  # degrees: a thousandth of a millimetre
ROUNDS = 12


class CrsError(ValueError):
    """A coordinate system is unknown, or two were mixed; the message says which."""


@dataclass(frozen=True, eq=False)
class Points:
    """Positions that know their system: ``lon`` and ``lat`` (points,) in degrees, ``crs`` one of NAMES."""

    lon: Float64
    lat: Float64
    crs: Crs

    def __len__(self) -> int:
        return len(self.lon)

    def to(self, crs: str) -> Points:
        """The same places in ``crs``."""
        target = named(crs)
        return Points(*convert(self.lon, self.lat, self.crs, target), target)

    def join(self, other: Points) -> Points:
        """These points, then the ``other``'s; raises ``CrsError`` when the systems differ."""
        if self.crs != other.crs:
            raise CrsError(
                f"points in {self.crs} cannot be mixed with points in {other.crs}; convert one with .to({self.crs!r})"
            )
        return Points(np.concatenate([self.lon, other.lon]), np.concatenate([self.lat, other.lat]), self.crs)


def named(crs: str) -> Crs:
    """``crs`` if it is a known system's name; raises ``CrsError`` otherwise."""
    for name in NAMES:
        if crs == name:
            return name
    raise CrsError(f"coordinate system {crs!r} is unknown; use one of {', '.join(NAMES)}")


def shifted(lon: Any, lat: Any) -> NDArray[np.bool_]:
    """Which WGS-84 points lie in the rectangle where GCJ-02 differs from WGS-84; NaN does not."""
    x, y = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    return (x >= WEST) & (x <= EAST) & (y >= SOUTH) & (y <= NORTH)


def convert(lon: Any, lat: Any, source: str, target: str) -> tuple[Float64, Float64]:
    """Lon and lat (degrees, shape kept) from the system ``source`` to ``target``; NaN stays NaN."""
    x, y = np.array(lon, np.float64), np.array(lat, np.float64)
    start, end = named(source), named(target)
    if start == end:
        return x, y
    steps: dict[tuple[Crs, Crs], tuple[Callable[[Float64, Float64], tuple[Float64, Float64]], ...]] = {
        ("wgs84", "gcj02"): (wgs84_to_gcj02,),
        ("wgs84", "bd09"): (wgs84_to_gcj02, gcj02_to_bd09),
        ("gcj02", "wgs84"): (gcj02_to_wgs84,),
        ("gcj02", "bd09"): (gcj02_to_bd09,),
        ("bd09", "gcj02"): (bd09_to_gcj02,),
        ("bd09", "wgs84"): (bd09_to_gcj02, gcj02_to_wgs84),
    }
    for step in steps[start, end]:
        x, y = step(x, y)
    return x, y


def wgs84_to_gcj02(lon: Float64, lat: Float64) -> tuple[Float64, Float64]:
    """GCJ-02 of WGS-84 points; unchanged outside the rectangle."""
    east, north = _gcj_shift(lon, lat)
    inside = shifted(lon, lat)
    return np.where(inside, lon + east, lon), np.where(inside, lat + north, lat)


def gcj02_to_wgs84(lon: Float64, lat: Float64) -> tuple[Float64, Float64]:
    """WGS-84 of GCJ-02 points, to a thousandth of a millimetre; unchanged where no WGS-84 point maps here."""
    x, y = _inverse(lambda a, b: _add(_gcj_shift(a, b), a, b), lon, lat)
    inside = shifted(x, y)
    return np.where(inside, x, lon), np.where(inside, y, lat)


def gcj02_to_bd09(lon: Float64, lat: Float64) -> tuple[Float64, Float64]:
    """BD-09 of GCJ-02 points; unchanged outside the rectangle."""
    inside = shifted(lon, lat)
    x, y = _baidu(lon, lat)
    return np.where(inside, x, lon), np.where(inside, y, lat)


def bd09_to_gcj02(lon: Float64, lat: Float64) -> tuple[Float64, Float64]:
    """GCJ-02 of BD-09 points, to a thousandth of a millimetre; unchanged where no GCJ-02 point maps here."""
    x, y = _inverse(_baidu, lon, lat)
    inside = shifted(x, y)
    return np.where(inside, x, lon), np.where(inside, y, lat)


def _add(shift: tuple[Float64, Float64], lon: Float64, lat: Float64) -> tuple[Float64, Float64]:
    return lon + shift[0], lat + shift[1]


def _inverse(
    forward: Callable[[Float64, Float64], tuple[Float64, Float64]], lon: Float64, lat: Float64
) -> tuple[Float64, Float64]:
    """The point that ``forward`` takes to lon, lat: a fixed point, as the shift changes by under 1 % of itself."""
    x, y = lon, lat
    for _ in range(ROUNDS):
        there = forward(x, y)
        east, north = lon - there[0], lat - there[1]
        x, y = x + east, y + north
        if not (np.abs(east) > ENOUGH).any() and not (np.abs(north) > ENOUGH).any():
            break
    return x, y


def _gcj_shift(lon: Float64, lat: Float64) -> tuple[Float64, Float64]:
    """Degrees (east, north) that GCJ-02 adds: waves in metres around 105 E 35 N, on Krasovsky's ellipsoid."""
    x, y = lon - 105.0, lat - 35.0
    root, both = np.sqrt(np.abs(x)), 20.0 * np.sin(6 * np.pi * x) + 20.0 * np.sin(2 * np.pi * x)
    north = 20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi * y / 3)
    north += 160.0 * np.sin(np.pi * y / 12) + 320.0 * np.sin(np.pi * y / 30)
    north = (north + both) * 2 / 3 - 100.0 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    east = 20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi * x / 3)
    east += 150.0 * np.sin(np.pi * x / 12) + 300.0 * np.sin(np.pi * x / 30)
    east = (east + both) * 2 / 3 + 300.0 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    bend = 1 - KRASOVSKY_EE * np.sin(np.radians(lat)) ** 2
    metres_north = np.radians(KRASOVSKY_A * (1 - KRASOVSKY_EE) / bend**1.5)  # in one degree
    metres_east = np.radians(KRASOVSKY_A * np.cos(np.radians(lat)) / np.sqrt(bend))
    return east / metres_east, north / metres_north


def _baidu(lon: Float64, lat: Float64) -> tuple[Float64, Float64]:
    """Baidu's turn and stretch of GCJ-02, without the rectangle."""
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * BAIDU_WAVE)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * BAIDU_WAVE)
    return radius * np.cos(angle) + BAIDU_LON, radius * np.sin(angle) + BAIDU_LAT


@dataclass(frozen=True)
class Metric:
    """A city's projected coordinate system: metres east and north. ``epsg`` is its number."""

    epsg: int

    @cached_property
    def _pair(self) -> tuple[Transformer, Transformer]:
        try:
            plane = CRS.from_epsg(self.epsg)
        except CRSError as error:
            raise CrsError(f"EPSG:{self.epsg} is unknown to PROJ; use the number of a projected system") from error
        unit = plane.axis_info[0].unit_name if plane.axis_info else "none"
        if not plane.is_projected or unit != "metre":
            raise CrsError(f"EPSG:{self.epsg} ({plane.name}) is not a projected system in metres; use a UTM zone")
        there = Transformer.from_crs(4326, plane, always_xy=True)
        return there, Transformer.from_crs(plane, 4326, always_xy=True)

    def check(self) -> Metric:
        """Itself, if PROJ knows it as a projected system in metres; raises ``CrsError`` otherwise."""
        _ = self._pair
        return self

    def forward(self, lon: Any, lat: Any) -> tuple[Float64, Float64]:
        """East and north in metres of WGS-84 lon/lat."""
        x, y = self._pair[0].transform(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        return np.asarray(x), np.asarray(y)

    def inverse(self, east: Any, north: Any) -> tuple[Float64, Float64]:
        """WGS-84 lon/lat of metres east and north."""
        x, y = self._pair[1].transform(np.asarray(east, np.float64), np.asarray(north, np.float64))
        return np.asarray(x), np.asarray(y)
