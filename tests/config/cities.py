"""Small city packs on disk for the tests of city and register."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SQUARE = [[104.0, 30.6], [104.1, 30.6], [104.1, 30.7], [104.0, 30.7], [104.0, 30.6]]
EAST = [[104.1, 30.6], [104.2, 30.6], [104.2, 30.7], [104.1, 30.7], [104.1, 30.6]]


@dataclass(frozen=True)
class Watch:
    """What a pack watches, as config/pack.py gives it."""

    kinds: tuple[str, ...]
    property: str = "people"
    pack: str = "holiday-crowd"
    unit: str = "1"
    low: float = 0.0
    high: float = 5_000.0
    cadence_s: float = 5.0


def feature(ring: list[list[float]], **properties: Any) -> dict[str, Any]:
    """A GeoJSON feature of one ring."""
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def declared() -> dict[str, Any]:
    """A good ``city.yaml``."""
    return {
        "name": {"en": "Town", "zh": "小城"},
        "timezone": "Asia/Shanghai",
        "calendar": "china",
        "metric_epsg": 32648,
        "shards": 2,
        "tick": "5s",
        "lateness": "10s",
        "view": {
            "centre": [104.1, 30.65],
            "core": {"west": 104.0, "south": 30.6, "east": 104.2, "north": 30.7},
            "whole": {"west": 103.9, "south": 30.5, "east": 104.3, "north": 30.8},
        },
        "layers": [{"file": "districts.geojson", "kind": "district", "crs": "wgs84"}],
    }


def districts() -> list[dict[str, Any]]:
    """Two districts side by side."""
    return [
        feature(SQUARE, id="west", adcode="510101", name_en="West", name_zh="西区"),
        feature(EAST, id="east", adcode="510102", name_en="East", name_zh="东区"),
    ]


def write(folder: Path, pack: dict[str, Any] | None = None, features: list[dict[str, Any]] | None = None) -> Path:
    """The pack of ``pack`` and ``features`` in ``folder/town``; returns that folder."""
    town = folder / "town"
    town.mkdir(exist_ok=True)
    (town / "city.yaml").write_text(yaml.safe_dump(pack or declared(), allow_unicode=True), "utf-8")
    collection = {"type": "FeatureCollection", "features": districts() if features is None else features}
    (town / "districts.geojson").write_text(json.dumps(collection, ensure_ascii=False), "utf-8")
    return town
