"""A city made for a run on real data: its assets, one district around them, a pack, and what that pack tells.

The readings go through the engines of shard and city with the pack's own detectors, rules and delays.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from config import city as cities
from config import pack, register
from config.layouts import layouts
from models.batch import batch
from models.values import Detection

Reading = tuple[str, int, float]  # datastream, ms, value
CITY = """name: {{en: {name}, zh: {name}}}
timezone: {timezone}
metric_epsg: {epsg}
shards: 1
tick: {tick}
lateness: {lateness}
view:
  centre: [{lon}, {lat}]
  core: {{west: {west}, south: {south}, east: {east}, north: {north}}}
  whole: {{west: {west}, south: {south}, east: {east}, north: {north}}}
layers:
  - {{file: whole.geojson, kind: district, crs: wgs84}}
"""


@dataclass(frozen=True)
class Made:
    """What is declared of the city; ``calendar`` is the text of its calendar file, where it has one."""

    name: str
    timezone: str
    epsg: int
    tick: str
    lateness: str
    calendar: str = ""


def run(
    of: Made, scenario: str, assets: pl.DataFrame, readings: Iterable[Reading]
) -> tuple[list[Detection], dict[str, Any]]:
    """What the pack ``scenario`` tells of the readings, in their order; and what the engine counted."""
    with tempfile.TemporaryDirectory() as folder:
        city = cities.read(_city(Path(folder) / of.name, of, assets))
        loaded = (pack.load(pack.FOLDER / scenario),)
        made, rejects = register.build(city, assets, loaded[0].watched)
        plan = layouts(city, made, loaded)
    shard, whole = plan.engine(0), plan.city_engine()
    row = {datastream: number for number, datastream in enumerate(made.ids)}
    told: list[Detection] = []
    for part in _parts([one for one in readings if one[0] in row]):
        stream, time, value = (list(column) for column in zip(*part, strict=True))
        step = shard.step(batch([row[one] for one in stream], time, value))
        told += step.detections
        for partial in step.partials:
            told += [one for closed in whole.step(partial) for one in closed.detections]
    counts = dict(zip(("scored", "repeated", "late"), shard.snapshot()["counts"].tolist(), strict=False))
    return told, {"datastreams": len(made), "unplaced": len(rejects), **counts}


def _parts(readings: list[Reading], size: int = 500) -> Iterator[list[Reading]]:
    for first in range(0, len(readings), size):
        yield readings[first : first + size]


def _city(folder: Path, of: Made, assets: pl.DataFrame) -> Path:
    """A city of one district around all assets."""
    west, east = (float(one) for one in (assets["lon"].min() - 0.1, assets["lon"].max() + 0.1))  # type: ignore[operator]  # numbers
    south, north = (float(one) for one in (assets["lat"].min() - 0.1, assets["lat"].max() + 0.1))  # type: ignore[operator]  # numbers
    folder.mkdir()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    shape = {
        "type": "Feature",
        "properties": {"id": "whole", "name_en": of.name, "name_zh": of.name},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (folder / "whole.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [shape]}), "utf-8")
    told = CITY.format(
        name=of.name, timezone=of.timezone, epsg=of.epsg, tick=of.tick, lateness=of.lateness,
        west=west, south=south, east=east, north=north, lon=(west + east) / 2, lat=(south + north) / 2,
    )  # fmt: skip
    if of.calendar:
        (folder / "holidays.yaml").write_text(of.calendar, "utf-8")
        told += "calendar: holidays\n"
    (folder / "city.yaml").write_text(told, "utf-8")
    return folder


def assets_of(asset: Any, kind: str, name: Any, lon: Any, lat: Any) -> pl.DataFrame:
    """Assets of one kind, from columns."""
    frame = pl.DataFrame({"asset": asset, "name_en": name, "name_zh": name, "lon": lon, "lat": lat})
    return frame.select("asset", pl.lit(kind).alias("kind"), "name_en", "name_zh", "lon", "lat")
