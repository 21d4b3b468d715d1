"""Writing a new city pack: what ``citybrain city new`` makes of a set of districts."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from config.city import read
from config.city_layers import CityError, to_wgs84
from geo.coverage import changed_area, simplified
from geo.crs import Crs
from geo.repair import Repair, repaired
from geo.zones import WGS84

TOLERANCE_DEG = 0.0006  # about 60 m
LIMIT_BYTES = 2_000_000
ROOM_DEG = 0.02  # around the districts in the whole view


@dataclass(frozen=True, eq=False)
class District:
    """A district as its source gives it; ``shape`` in the source's system."""

    adcode: str
    name: str
    shape: Any


@dataclass(frozen=True)
class Written:
    """What was made: where, of how many districts, how much the simplification changed any area, what was repaired."""

    folder: Path
    districts: int
    changed_area: float
    size_bytes: int
    repairs: tuple[Repair, ...]


def write_pack(
    folder: Path, name_zh: str, name_en: str, districts: Sequence[District], crs: Crs, licence: str = ""
) -> Written:
    """Write ``city.yaml`` and ``districts.geojson`` of a city in ``folder``, which must not exist yet.

    The districts are converted from ``crs`` to WGS-84 and simplified as one coverage.
    """
    if folder.exists():
        raise CityError(f"{folder} exists; remove it or choose another --name")
    codes = [district.adcode for district in districts]
    valid, repairs = repaired(codes, [district.shape for district in districts])
    kept = [row for row, shape in enumerate(valid) if shape is not None]
    if not kept:
        raise CityError(f"none of the {len(districts)} districts of {name_zh} has a usable border")
    full = np.empty(len(kept), object)
    full[:] = [to_wgs84(valid[row], crs) for row in kept]
    shapes = simplified(full, TOLERANCE_DEG)
    text = _geojson([districts[row] for row in kept], shapes)
    if len(text) > LIMIT_BYTES:
        raise CityError(
            f"districts.geojson would have {len(text)} bytes; the limit is {LIMIT_BYTES}; simplify the source"
        )
    files = {"districts.geojson": text, "city.yaml": _yaml(name_zh, name_en, shapes)}
    if licence:
        files["LICENSE-boundaries.txt"] = licence
    _write(folder, files)
    return Written(folder, len(kept), changed_area(full, shapes), len(text.encode()), tuple(repairs))


def _write(folder: Path, files: dict[str, str]) -> None:
    """All files or none: the folder appears only once it loads as a city."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as part:
        made = Path(part) / folder.name
        made.mkdir()
        for name, text in files.items():
            (made / name).write_text(text, "utf-8")
        read(made)
        made.replace(folder)


def _geojson(districts: Sequence[District], shapes: Any) -> str:
    features = [
        json.dumps(
            {
                "type": "Feature",
                "properties": {"id": one.adcode, "adcode": one.adcode, "name_zh": one.name},
                "geometry": json.loads(shapely.to_geojson(shape)),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for one, shape in zip(districts, shapes, strict=True)
    ]
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(features) + "\n]}\n"


def _yaml(name_zh: str, name_en: str, shapes: Any) -> str:
    west, south, east, north = shapely.total_bounds(shapes)
    core = shapely.total_bounds(_centre(shapes))
    lon, lat = (core[0] + core[2]) / 2, (core[1] + core[3]) / 2
    zone = math.floor((lon + 180) / 6) + 1
    return f"""# Made by `citybrain city new`. Next: venues, depots and assets; docs/cities.md lists every key.
name: {{en: {json.dumps(name_en)}, zh: {json.dumps(name_zh, ensure_ascii=False)}}}
language: zh
timezone: Asia/Shanghai
calendar: china
metric_epsg: {32600 + zone}  # WGS 84 / UTM zone {zone}N
shards: 4
tick: 5s
lateness: 10s
view:
  centre: [{lon:.4f}, {lat:.4f}]
  core: {_box(core, 0.0)}
  whole: {_box((west, south, east, north), ROOM_DEG)}
layers:
  - {{file: districts.geojson, kind: district, crs: wgs84}}
"""


def _box(bounds: Any, room: float) -> str:
    west, south, east, north = bounds
    return f"{{west: {west - room:.3f}, south: {south - room:.3f}, east: {east + room:.3f}, north: {north + room:.3f}}}"


def _centre(shapes: Any) -> Any:
    """The smallest third of the districts, at least one: a city is densest where its districts are smallest.

    Of these, those that lie with the others: a small district far out would stretch the view over half the city.
    """
    area = np.array([abs(WGS84.geometry_area_perimeter(shapely.orient_polygons(shape))[0]) for shape in shapes])
    small = shapes[np.argsort(area, kind="stable")[: max(len(shapes) // 3, 1)]]
    xy = shapely.get_coordinates(shapely.centroid(small))
    away = np.hypot(*(xy - np.median(xy, axis=0)).T)
    return small[away <= 2 * np.median(away) + 1e-9]
