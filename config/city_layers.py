"""A city pack's layers: files of places that become zones, whatever their coordinate system.

GeoJSON carries polygons; CSV carries places as a centre with a length, a width and a bearing, which is how most
venue lists come. Both are converted to WGS-84 here, once.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from geo.crs import Crs, Metric, convert
from geo.repair import Repair, repair
from geo.zones import WGS84, label_point
from models.values import Text

KINDS = ("district", "subdistrict", "functional", "venue", "station", "section", "catchment", "compound")


class CityError(ValueError):
    """A city pack is incomplete or wrong; the message names file and key and says what to do."""


@dataclass(frozen=True, eq=False)
class Zone:
    """A polygon with a meaning. ``area_m2`` is the usable ground where declared, the polygon's area otherwise."""

    id: str
    kind: str  # one of KINDS
    name: Text
    polygon: Any  # shapely Polygon or MultiPolygon, WGS-84
    area_m2: float
    capacity: int | None  # people at once; None: unknown
    lon: float  # where its name goes, WGS-84, inside the polygon
    lat: float
    adcode: str  # GB/T 2260 code; "" where there is none
    district: str = ""  # id of the district its label is in; "" outside all


LINES = ("road", "river", "rail")


@dataclass(frozen=True, eq=False)
class Line:
    """A road, river or railway as the map draws it: ``rank`` 1 is the widest, 3 the narrowest."""

    kind: str  # one of LINES
    name: Text
    rank: int
    shape: Any  # shapely LineString or MultiLineString, WGS-84


def read_lines(path: Path, crs: Crs) -> list[Line]:
    """The lines in ``path`` (.geojson): each with ``kind``, and ``name_zh``, ``name_en``, ``rank`` where known."""
    if not path.exists():
        raise CityError(f"{path}: the file is missing; add it or take it out of lines in city.yaml")
    out = []
    for key, row, shape in _features(path, crs):
        kind, rank = str(row.get("kind") or ""), number(path, key, row, "rank")
        if kind not in LINES:
            raise CityError(f"{path}: {key}: kind {kind!r} is unknown; use one of {', '.join(LINES)}")
        if rank is not None and rank not in (1, 2, 3):
            raise CityError(f"{path}: {key}: rank {rank:g} is none; use 1 (widest), 2 or 3")
        if shape.geom_type not in ("LineString", "MultiLineString"):
            raise CityError(f"{path}: {key}: a {shape.geom_type} is no line; use LineString or MultiLineString")
        zh, en = str(row.get("name_zh") or ""), str(row.get("name_en") or "")
        out.append(Line(kind, Text(en=en or zh, zh=zh or en), int(rank or 2), to_wgs84(shape, crs)))
    return out


def read_layer(path: Path, kind: str, crs: Crs, metric: Metric) -> tuple[list[Zone], list[Repair]]:
    """The zones in ``path`` (.geojson or .csv), and what had to be repaired or refused."""
    if not path.exists():
        raise CityError(f"{path}: the file is missing; add it or remove its layer from city.yaml")
    rows = _features(path, crs) if path.suffix == ".geojson" else _places(path, metric, crs)
    found, report = [], []
    for key, properties, shape in rows:
        good, note = repair(str(properties.get("id") or key), shape)
        report += [note] if note else []
        if good is not None:
            found.append(_zone(path, key, properties, to_wgs84(good, crs), kind))
    return found, report


def to_wgs84(shape: Any, crs: Crs) -> Any:
    """The shape with each vertex converted from ``crs`` to WGS-84."""
    if crs == "wgs84":
        return shape
    return shapely.transform(shape, lambda xy: np.column_stack(convert(xy[:, 0], xy[:, 1], crs, "wgs84")))


def read_json(path: Path) -> Any:
    """The JSON in ``path``; raises ``CityError`` with line and column when it is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CityError(f"{path}: the file is missing") from error
    except json.JSONDecodeError as error:
        raise CityError(f"{path}: line {error.lineno} column {error.colno}: {error.msg}") from error


def read_rows(path: Path, needed: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """The rows of a CSV file as (``line n``, columns), with the columns ``needed``; comment lines begin with #."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise CityError(f"{path}: the file is missing") from error
    kept = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(line for _, line in kept)
    missing = [name for name in needed if name not in (reader.fieldnames or [])]
    if missing:
        raise CityError(f"{path}: the columns {', '.join(missing)} are missing; the file has {reader.fieldnames}")
    return [(f"line {kept[at][0]}", {k: v or "" for k, v in row.items() if k}) for at, row in enumerate(reader, 1)]


def number(path: Path, key: str, row: Mapping[str, Any], name: str) -> float | None:
    """The number in column ``name``; None where it is empty; raises ``CityError`` where it is no finite number."""
    given = row.get(name)
    if given is None or given == "":
        return None
    try:
        value = float(given)
    except (TypeError, ValueError) as error:
        raise CityError(f"{path}: {key}: {name} {given!r} is not a number") from error
    if not np.isfinite(value):
        raise CityError(f"{path}: {key}: {name} {given!r} is not a finite number")
    return value


Row = tuple[str, Mapping[str, Any], Any]  # key for messages, properties, shape in the layer's system


def _features(path: Path, crs: Crs) -> Iterable[Row]:
    data = read_json(path)
    if not isinstance(data, dict) or data.get("type") != "FeatureCollection":
        raise CityError(f"{path}: type is not FeatureCollection")
    _agree(path, data.get("crs"), crs)
    for at, feature in enumerate(data.get("features", [])):
        key = f"features[{at}]"
        try:
            shape = shapely.from_geojson(json.dumps(feature["geometry"]))
            properties = feature["properties"]
        except (KeyError, TypeError, shapely.GEOSException) as error:
            raise CityError(f"{path}: {key}: not a feature with geometry and properties: {error}") from error
        yield key, properties or {}, shape


def _agree(path: Path, declared: Any, crs: Crs) -> None:
    """Refuse a GeoJSON file whose own ``crs`` member contradicts the layer's."""
    name = str((declared or {}).get("properties", {}).get("name", "")) if isinstance(declared, dict) else ""
    said = next((c for c, marks in _MARKS.items() if any(mark in name.upper() for mark in marks)), None)
    if said is not None and said != crs:
        raise CityError(f"{path}: crs: the file says {name} and its layer says {crs}; mixing them shifts every border")


_MARKS: dict[str, tuple[str, ...]] = {
    "wgs84": ("CRS84", "EPSG::4326", "EPSG:4326", "WGS84"),
    "gcj02": ("GCJ02", "GCJ-02"),
    "bd09": ("BD09", "BD-09"),
}
_PLACE = ("id", "name_en", "name_zh", "lon", "lat", "length_m", "width_m", "bearing_deg", "area_m2", "capacity")


def _places(path: Path, metric: Metric, crs: Crs) -> Iterable[Row]:
    for key, row in read_rows(path, _PLACE):
        lon, lat = number(path, key, row, "lon"), number(path, key, row, "lat")
        length, width = number(path, key, row, "length_m"), number(path, key, row, "width_m")
        if lon is None or lat is None or length is None or width is None:
            raise CityError(f"{path}: {key}: lon, lat, length_m and width_m must all be given")
        if not -90 <= lat <= 90 or not -180 <= lon <= 180:
            raise CityError(f"{path}: {key}: lon {lon:g}, lat {lat:g} is no place on earth; are they swapped?")
        if not 0 < width <= length <= 100_000:
            raise CityError(f"{path}: {key}: width_m {width:g} and length_m {length:g}: 0 < width <= length <= 100000")
        shape = footprint(lon, lat, length, width, number(path, key, row, "bearing_deg") or 0.0, metric)
        yield key, row, shape


def footprint(lon: float, lat: float, length_m: float, width_m: float, bearing_deg: float, metric: Metric) -> Any:
    """A place of rounded ends around lon/lat, ``length_m`` long along ``bearing_deg``; a circle if length = width.

    Lon/lat come back in the system they came in: a place is too small for the systems' shift to change inside it.
    """
    east, north = (float(value) for value in metric.forward(lon, lat))
    reach, angle = (length_m - width_m) / 2, np.radians(bearing_deg)
    step = np.array([np.sin(angle), np.cos(angle)]) * reach
    middle = np.array([east, north])
    core = shapely.LineString([middle - step, middle + step]) if reach else shapely.Point(middle)
    outline = shapely.buffer(core, width_m / 2, quad_segs=8)
    return shapely.transform(outline, lambda xy: np.column_stack(metric.inverse(xy[:, 0], xy[:, 1])))


def _zone(path: Path, key: str, row: Mapping[str, Any], shape: Any, kind: str) -> Zone:
    name = str(row.get("id") or row.get("adcode") or "")
    if not name:
        raise CityError(f"{path}: {key}: id is missing; give each zone one that stays")
    zh, en = str(row.get("name_zh") or row.get("name") or ""), str(row.get("name_en") or "")
    if not (zh or en):
        raise CityError(f"{path}: {key}: name_zh and name_en are both missing")
    area, capacity = number(path, key, row, "area_m2"), number(path, key, row, "capacity")
    if area is None:
        area = abs(float(WGS84.geometry_area_perimeter(shapely.orient_polygons(shape))[0]))
    if area <= 0 or (capacity is not None and capacity < 0):
        raise CityError(f"{path}: {key}: area_m2 {area:g} and capacity {capacity} must be positive")
    what = str(row.get("kind") or kind)
    if what not in KINDS:
        raise CityError(f"{path}: {key}: kind {what!r} is unknown; use one of {', '.join(KINDS)}")
    lon, lat = label_point(shape)
    return Zone(
        id=name,
        kind=what,
        name=Text(en=en or zh, zh=zh or en),
        polygon=shape,
        area_m2=area,
        capacity=None if capacity is None else int(capacity),
        lon=round(lon, 6),
        lat=round(lat, 6),
        adcode=str(row.get("adcode") or ""),
    )
