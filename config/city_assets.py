"""A city's own register of assets, read from CSV, GeoJSON or a GB/T 28181 device catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl

from config.city_layers import CityError, read_json, read_rows
from geo.crs import Crs

COLUMNS: dict[str, Any] = {
    "asset": pl.String,
    "kind": pl.String,
    "name_en": pl.String,
    "name_zh": pl.String,
    "lon": pl.Float64,  # in the row's crs
    "lat": pl.Float64,
    "crs": pl.String,
    "zone": pl.String,  # id or adcode of a zone that it is known to be in; "" unknown. Checked, not trusted
}
CAMERA_TYPES = ("131", "132")  # GB/T 28181 appendix D: camera, network camera


def read_assets(path: Path | None, crs: Crs) -> pl.DataFrame:
    """The assets in ``path`` with COLUMNS; an unreadable lon or lat becomes NaN, for the register to refuse.

    ``crs`` holds for rows that name none themselves. No path: no assets.
    """
    if path is None:
        return pl.DataFrame(schema=COLUMNS)
    readers = {".csv": _from_csv, ".geojson": _from_geojson, ".xml": _from_catalogue}
    if path.suffix not in readers:
        raise CityError(f"{path}: assets are read from {', '.join(readers)}, not from {path.suffix!r}")
    rows = [_row(row, crs) for row in readers[path.suffix](path)]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _row(row: Mapping[str, Any], crs: Crs) -> tuple[Any, ...]:
    zh, en = str(row.get("name_zh") or ""), str(row.get("name_en") or "")
    return (
        str(row.get("asset") or ""),
        str(row.get("kind") or ""),
        en or zh,
        zh or en,
        _degrees(row.get("lon")),
        _degrees(row.get("lat")),
        str(row.get("crs") or crs),
        str(row.get("zone") or ""),
    )


def _degrees(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        return float("nan")  # the register rejects the row by name


def _from_csv(path: Path) -> Iterable[Mapping[str, Any]]:
    return [row for _, row in read_rows(path, ("asset", "kind", "name_en", "name_zh", "lon", "lat"))]


def _from_geojson(path: Path) -> Iterable[Mapping[str, Any]]:
    data = read_json(path)
    for at, feature in enumerate(data.get("features", []) if isinstance(data, dict) else []):
        geometry = feature.get("geometry") or {}
        if geometry.get("type") != "Point":
            raise CityError(f"{path}: features[{at}]: an asset is a Point, not a {geometry.get('type')}")
        lon, lat = [*geometry.get("coordinates", []), None, None][:2]
        yield {**(feature.get("properties") or {}), "lon": lon, "lat": lat}


def _from_catalogue(path: Path) -> Iterable[Mapping[str, Any]]:
    """GB/T 28181 Catalog answers: the Items whose DeviceID is a camera's; areas and groups have no place.

    A DeviceID has 20 digits, of which 11-13 are the type.
    """
    for item in _catalogue(path).iter("Item"):
        field = {child.tag: (child.text or "").strip() for child in item}
        device = field.get("DeviceID", "")
        if len(device) == 20 and device[10:13] in CAMERA_TYPES:
            yield {
                "asset": device,
                "kind": "camera",
                "name_zh": field.get("Name", ""),
                "lon": field.get("Longitude"),
                "lat": field.get("Latitude"),
                "zone": device[:6],  # the district that numbered the device
            }


def _catalogue(path: Path) -> ElementTree.Element:
    """The XML tree of ``path``; such files mostly come in GB 2312, which the XML parser does not know by itself."""
    try:
        data = path.read_bytes()
        text = data.decode("gb18030" if re.search(rb'encoding="gb', data[:200], re.IGNORECASE) else "utf-8-sig")
        if "<!DOCTYPE" in text:  # entities are the way to attack an XML reader, and a catalogue needs none
            raise CityError(f"{path}: a device catalogue has no DOCTYPE; remove it")
        return ElementTree.fromstring(text)  # noqa: S314  # no DOCTYPE, so no entities
    except FileNotFoundError as error:
        raise CityError(f"{path}: the file is missing") from error
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise CityError(f"{path}: not a device catalogue: {error}") from error
