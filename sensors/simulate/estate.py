"""Chengdu's sensors, placed: 95,000 cameras and 1,760 IoT points where people and water are.

Cameras stand in fours at crossings. Their density follows the residents of each district, its built-up middle and
the hubs of ``places``. Every position is a pure function of the seed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from geo.zones import Zones
from sensors.simulate import chance
from sensors.simulate.places import HUBS, METRES_A_DEGREE, TOWNS, Town

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CAMERAS: Final = 95_000
GAUGES: Final = 700
GATES: Final = 400
RAIN: Final = 260
AIR: Final = 220
WIND: Final = 180
_CROSSING: Final = 4  # cameras at one crossing
_CORNER_M: Final = 20.0  # how far from its middle they hang
_COUNTRYSIDE: Final = 4.0  # how many times wider than the town the rest of a district spreads
_LABELS: Final = {
    "camera": ("camera", "摄像机"),
    "gauge": ("ponding gauge", "积水监测点"),
    "gate": ("gate", "闸机"),
    "rain": ("rain gauge", "雨量站"),
    "air": ("air station", "空气站"),
    "wind": ("wind mast", "测风杆"),
}


class Misplaced(ValueError):
    """A town's middle lies so that no point falls into its district; the message names both."""


def assets(seed: int, districts: Zones, names: dict[str, tuple[str, str]]) -> pl.DataFrame:
    """All assets: asset, kind, name_en, name_zh, lon, lat (WGS-84), one row each, in a fixed order.

    ``districts`` has the adcodes of ``places.TOWNS`` as ids; ``names`` gives each id's name (English, Chinese).
    """
    parts = [_at_hubs(seed, "camera", [hub.cameras for hub in HUBS])]
    parts.append(_in_districts(seed, "camera", CAMERAS - parts[0].height, districts, names, _CROSSING))
    parts.append(_at_hubs(seed, "gate", apportioned([hub.gates for hub in HUBS], GATES)))
    for kind, count in (("gauge", GAUGES), ("rain", RAIN), ("air", AIR), ("wind", WIND)):
        parts.append(_in_districts(seed, kind, count, districts, names, 1))
    table = pl.concat(parts)
    number = pl.int_range(1, pl.len() + 1).over("kind")
    digits = pl.when(pl.col("kind") == "camera").then(number.cast(pl.String).str.zfill(6))
    return table.with_columns(
        asset=pl.col("kind").replace("camera", "cam") + "-" + digits.otherwise(number.cast(pl.String).str.zfill(4))
    ).select("asset", "kind", "name_en", "name_zh", "lon", "lat")


def apportioned(weights: list[int] | list[float], total: int) -> list[int]:
    """``total`` things shared out by weight, whole (largest remainders)."""
    share = np.array(weights, np.float64) * total / sum(weights)
    whole = np.floor(share).astype(np.int64)
    order = np.argsort(whole - share, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return [int(count) for count in whole]


def _at_hubs(seed: int, kind: str, counts: list[int]) -> pl.DataFrame:
    """``counts`` assets in the disc of each hub, denser towards its middle."""
    hub = np.repeat(np.arange(len(HUBS)), counts)
    key = chance.keys(seed, f"hub {kind}", np.arange(len(hub)))
    radius = np.array([place.radius_m for place in HUBS])[hub] * chance.uniform(key) ** 0.7
    angle = chance.uniform(chance.mixed(key)) * 2 * np.pi
    lon0, lat0 = (np.array([getattr(place, axis) for place in HUBS])[hub] for axis in ("lon", "lat"))
    lon, lat = _moved(lon0, lat0, radius * np.cos(angle), radius * np.sin(angle))
    return _named(kind, hub, [(place.name_en, place.name_zh) for place in HUBS], lon, lat)


def _in_districts(
    seed: int, kind: str, count: int, districts: Zones, names: dict[str, tuple[str, str]], crossing: int
) -> pl.DataFrame:
    """``count`` assets shared out by residents, ``crossing`` of them at each site."""
    counts = apportioned([town.residents for town in TOWNS.values()], count)
    placed = [
        _crossings(seed, f"{kind} {code}", here, town, districts.geometries[districts.index[code]], crossing)
        for (code, town), here in zip(TOWNS.items(), counts, strict=True)
    ]
    lon, lat = (np.concatenate(axis) for axis in zip(*placed, strict=True))
    district = np.repeat(np.arange(len(counts)), counts)
    return _named(kind, district, [names[code] for code in TOWNS], lon, lat)


def _crossings(
    seed: int, stream: str, count: int, town: Town, district: shapely.Geometry, crossing: int
) -> tuple[Floats, Floats]:
    """``count`` points of the district, ``crossing`` of them around each site but never over the border."""
    lon, lat = (axis.repeat(crossing)[:count] for axis in _sites(seed, stream, -(-count // crossing), town, district))
    if crossing == 1:
        return lon, lat
    east, north = chance.normal_pair(chance.keys(seed, f"corner {stream}", np.arange(count)))
    x, y = _moved(lon, lat, east * _CORNER_M, north * _CORNER_M)
    inside = shapely.contains_xy(district, x, y)
    return np.where(inside, x, lon), np.where(inside, y, lat)


def _sites(seed: int, stream: str, count: int, town: Town, district: shapely.Geometry) -> tuple[Floats, Floats]:
    """``count`` points of the district: in town or in the country around it, drawn again until they are inside."""
    shapely.prepare(district)
    lon, lat = np.empty(count), np.empty(count)
    key = chance.keys(seed, stream, np.arange(count))
    spread = np.where(chance.uniform(key) < town.built, 1.0, _COUNTRYSIDE) * town.spread_m
    outside = np.arange(count)
    for attempt in range(1, 200):
        east, north = chance.normal_pair(chance.drawn(key[outside], np.array(attempt)))
        x, y = _moved(town.lon, town.lat, east * spread[outside], north * spread[outside])
        inside = shapely.contains_xy(district, x, y)
        lon[outside[inside]], lat[outside[inside]] = x[inside], y[inside]
        outside = outside[~inside]
        if not len(outside):
            return lon, lat
    raise Misplaced(f"{stream}: {len(outside)} of {count} points around {town.lon}, {town.lat} miss the district")


def _moved(lon: Floats | float, lat: Floats | float, east_m: Floats, north_m: Floats) -> tuple[Floats, Floats]:
    """The points moved by metres on the ground, to 6 decimals (0.1 m)."""
    x = lon + east_m / (METRES_A_DEGREE * np.cos(np.radians(lat)))
    y = lat + north_m / METRES_A_DEGREE
    return np.round(x, 6), np.round(y, 6)


def _named(kind: str, group: Ints, names: list[tuple[str, str]], lon: Floats, lat: Floats) -> pl.DataFrame:
    """The assets with their names: place, what it is, and its number there."""
    en, zh = _LABELS[kind]
    frame = pl.DataFrame(
        {
            "kind": pl.Series([kind]).new_from_index(0, len(group)),
            "group": group,
            "lon": lon,
            "lat": lat,
        }
    )
    place = {axis: pl.col("group").replace_strict(dict(enumerate(n[axis] for n in names))) for axis in (0, 1)}
    number = pl.int_range(1, pl.len() + 1).over("group").cast(pl.String)
    return frame.select(
        "kind",
        name_en=place[0] + f" {en} " + number,
        name_zh=place[1] + number + f"号{zh}",
        lon="lon",
        lat="lat",
    )
