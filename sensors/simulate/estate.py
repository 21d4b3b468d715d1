"""Chengdu's sensors, placed: 95,000 cameras and 1,760 IoT points where people and water are.

Cameras stand in fours at crossings. Their density follows the residents of each district, its built-up middle and
the hubs of ``feed.yaml``. Every position is a pure function of the seed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from config.city_layers import Zone
from sensors.simulate import chance
from sensors.simulate.places import METRES_A_DEGREE, Hub, Places, Town

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
_ATTEMPTS: Final = 400
_COUNTRYSIDE: Final = 4.0  # how many times wider than the town the rest of a district spreads
_LABELS: Final = {
    "camera": ("camera", "摄像机"),
    "gauge": ("ponding gauge", "积水监测点"),
    "gate": ("gate", "闸机"),
    "rain": ("rain gauge", "雨量站"),
    "air": ("air station", "空气站"),
    "wind": ("wind mast", "测风杆"),
    "construction-site": ("construction site", "工地"),
    "school": ("school", "学校"),
}


class Misplaced(ValueError):
    """The middle of a town or venue lies outside its shape; the message names it."""


def assets(places: Places, seed: int) -> pl.DataFrame:
    """All assets: asset, kind, name_en, name_zh, lon, lat (WGS-84), one row each, in a fixed order."""
    hubs = places.hubs
    parts = [_at_hubs(seed, "camera", hubs, [hub.cameras for hub in hubs])]
    parts.append(in_districts(seed, "camera", CAMERAS - parts[0].height, places, _CROSSING))
    parts.append(_at_hubs(seed, "gate", hubs, apportioned([hub.gates for hub in hubs], GATES)))
    for kind, count in (("gauge", GAUGES), ("rain", RAIN), ("air", AIR), ("wind", WIND)):
        parts.append(in_districts(seed, kind, count, places, 1))
    number = pl.int_range(1, pl.len() + 1).over("kind").cast(pl.String)
    camera = pl.col("kind") == "camera"
    asset = pl.col("kind").replace("camera", "cam") + "-" + number.str.zfill(pl.when(camera).then(6).otherwise(4))
    return pl.concat(parts).with_columns(asset=asset).select("asset", "kind", "name_en", "name_zh", "lon", "lat")


def apportioned(weights: list[int] | list[float], total: int) -> list[int]:
    """``total`` things shared out by weight, whole (largest remainders)."""
    share = np.array(weights, np.float64) * total / sum(weights)
    whole = np.floor(share).astype(np.int64)
    order = np.argsort(whole - share, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return [int(count) for count in whole]


def _at_hubs(seed: int, kind: str, hubs: tuple[Hub, ...], counts: list[int]) -> pl.DataFrame:
    """``counts`` assets within the shape of each hub, denser towards its middle."""
    placed = [_in_venue(seed, f"{kind} {hub.zone.id}", hub, count) for hub, count in zip(hubs, counts, strict=True)]
    lon, lat = (np.concatenate(axis) for axis in zip(*placed, strict=True))
    return _named(kind, np.repeat(np.arange(len(hubs)), counts), [hub.zone for hub in hubs], lon, lat)


def _in_venue(seed: int, stream: str, hub: Hub, count: int) -> tuple[Floats, Floats]:
    return _in_zone(seed, stream, hub.zone, (hub.lon, hub.lat), count)


def _in_zone(seed: int, stream: str, zone: Zone, middle: tuple[float, float], count: int) -> tuple[Floats, Floats]:
    """``count`` points of a zone, denser around ``middle`` (lon, lat)."""
    west, south, east, north = zone.polygon.bounds
    spread = np.full(count, 0.5 * max((east - west) * np.cos(np.radians(middle[1])), north - south) * METRES_A_DEGREE)
    return _scattered(seed, stream, middle, 0.6 * spread, zone.polygon)


def in_districts(
    seed: int, kind: str, count: int, places: Places, crossing: int, label: tuple[str, str] | None = None
) -> pl.DataFrame:
    """``count`` assets shared out by residents, ``crossing`` of them at each site: kind, name_en, name_zh, lon, lat.

    ``label``: what one is called in English and Chinese, where the simulator has no word of its own.
    """
    zones = [places.districts[town.district] for town in places.towns]
    counts = apportioned([town.residents for town in places.towns], count)
    placed = [
        _crossings(seed, f"{kind} {town.district}", here, town, zone.polygon, crossing)
        for town, zone, here in zip(places.towns, zones, counts, strict=True)
    ]
    lon, lat = (np.concatenate(axis) for axis in zip(*placed, strict=True))
    return _named(kind, np.repeat(np.arange(len(counts)), counts), zones, lon, lat, label)


def in_zones(seed: int, kind: str, each: int, zones: list[Zone], label: tuple[str, str]) -> pl.DataFrame:
    """``each`` assets in every zone, denser towards its middle: kind, name_en, name_zh, lon, lat."""
    placed = [_in_zone(seed, f"{kind} {zone.id}", zone, (zone.lon, zone.lat), each) for zone in zones]
    lon, lat = (np.concatenate([np.zeros(0), *axis]) for axis in zip(*placed, strict=True)) if placed else _nowhere()
    return _named(kind, np.repeat(np.arange(len(zones)), each), zones, lon, lat, label)


def _nowhere() -> tuple[Floats, Floats]:
    return np.zeros(0), np.zeros(0)


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
    """``count`` points of the district: in town or in the country around it."""
    in_town = chance.uniform(chance.keys(seed, f"town {stream}", np.arange(count))) < town.built
    spread = np.where(in_town, 1.0, _COUNTRYSIDE) * town.spread_m
    return _scattered(seed, stream, (town.lon, town.lat), spread, district)


def _scattered(
    seed: int, stream: str, middle: tuple[float, float], spread_m: Floats, shape: shapely.Geometry
) -> tuple[Floats, Floats]:
    """A point for each spread, normal around ``middle``, drawn again until it is inside ``shape``."""
    shapely.prepare(shape)
    lon, lat = np.empty(len(spread_m)), np.empty(len(spread_m))
    outside = np.arange(len(spread_m))
    key = chance.keys(seed, stream, outside)
    for attempt in range(_ATTEMPTS):
        east, north = chance.normal_pair(chance.drawn(key[outside], np.array(attempt)))
        x, y = _moved(*middle, east * spread_m[outside], north * spread_m[outside])
        inside = shapely.contains_xy(shape, x, y)
        lon[outside[inside]], lat[outside[inside]] = x[inside], y[inside]
        outside = outside[~inside]
        if not len(outside):
            return lon, lat
    raise Misplaced(f"{stream}: {len(outside)} points around {middle} are not inside after {_ATTEMPTS} attempts")


def _moved(lon: Floats | float, lat: Floats | float, east_m: Floats, north_m: Floats) -> tuple[Floats, Floats]:
    """The points moved by metres on the ground, to 6 decimals (0.1 m)."""
    x = lon + east_m / (METRES_A_DEGREE * np.cos(np.radians(lat)))
    y = lat + north_m / METRES_A_DEGREE
    return np.round(x, 6), np.round(y, 6)


def _named(
    kind: str, group: Ints, zones: list[Zone], lon: Floats, lat: Floats, label: tuple[str, str] | None = None
) -> pl.DataFrame:
    """The assets with their names: place, what it is, and its number there."""
    en, zh = label or _LABELS[kind]
    frame = pl.DataFrame({"group": group, "lon": lon, "lat": lat})
    number = pl.int_range(1, pl.len() + 1).over("group").cast(pl.String)
    place_en, place_zh = (
        pl.col("group").replace_strict(dict(enumerate(names)), return_dtype=pl.String)
        for names in ([zone.name.en for zone in zones], [zone.name.zh for zone in zones])
    )
    return frame.select(
        kind=pl.lit(kind),
        name_en=place_en + f" {en} " + number,
        name_zh=place_zh + number + f"号{zh}",
        lon="lon",
        lat="lat",
    )
