"""Two real floods through the pack *flood*: a storm over Gothenburg, and a winter of rivers in England.

Gothenburg, 27 August 2015: ten rain gauges, each minute. England, 1-14 February 2014: telemetry of rivers and rain as
it came, with mixed units, repeated keys and late rows. Each is a city made for the run, its gauges registered as the
pack's assets; the readings go through the engines of shard and city
with the pack's own detectors, rules and delays. A
reading whose unit is not metres above some datum or millimetres is left out by name.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from bench.machine import machine
from config import city as cities
from config import pack, register
from config.layouts import layouts
from models.batch import batch
from models.values import Detection

DATA = Path(__file__).parents[2] / "shared/data"
METRES = {"m", "mASD", "mAOD", "mBDAT"}
QUARTERS = 4  # of an hour: millimetres in a quarter as millimetres an hour
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


def main(as_json: bool = False) -> int:
    """Both runs; prints one JSON object as the last line."""
    if not DATA.exists():
        print(f"{DATA} is not there: this benchmark needs the shared data", file=sys.stderr)
        return 1
    result = {"gothenburg": gothenburg(), "england": england(), "machine": machine()}
    if not as_json:
        for name in ("gothenburg", "england"):
            for line in result[name]["alerts"]:
                print(name, json.dumps(line, ensure_ascii=False), file=sys.stderr)
    print(json.dumps(result, ensure_ascii=False))
    return 0


def gothenburg() -> dict[str, Any]:
    """The storm of one day over ten gauges."""
    folder = DATA / "gothenburg-rain"
    stations = pl.read_csv(folder / "city_stations.csv")
    assets = _assets(stations["station_id"], "rain", stations["location"], stations["lon"], stations["lat"])
    frame = pl.read_csv(folder / "city_rain_mm.csv.gz")
    times = [_ms(one.replace(" ", "T") + "+00:00") for one in frame["ts_utc"].to_list()]
    readings = [
        (f"{name}/rainfall", at, float(value) * 60)
        for name in stations["station_id"].to_list()
        for at, value in zip(times, frame[name].to_list(), strict=True)
        if value is not None
    ]
    told, counts = run("gothenburg", "Europe/Stockholm", 32632, "1m", "10s", assets, sorted(readings, key=_when))
    return {"readings": len(readings), **counts, "alerts": _alerts(told)}


def england() -> dict[str, Any]:
    """Two weeks of telemetry, in the order of the file."""
    folder = DATA / "uk-flood-2014"
    stations = {row["station"]: row for row in _rows(folder / "stations.csv") if row["lat"] and row["lon"]}
    left, readings, kinds = Counter[str](), [], {}
    for row in _rows(folder / "readings.csv.gz"):
        station = stations.get(row["station"])
        read = _reading(row)
        if station is None or isinstance(read, str):
            left["station without a place" if station is None else str(read)] += 1
            continue
        name, kind, value = read
        kinds[name] = (kind, station)
        readings.append((f"{name}/{'rainfall' if kind == 'rain' else 'river_level'}", _ms(row["ts_utc"]), value))
    names = list(kinds)
    assets = pl.concat(
        _assets(
            [one], kinds[one][0], [kinds[one][1]["name"]], [float(kinds[one][1]["lon"])], [float(kinds[one][1]["lat"])]
        )
        for one in names
    )
    told, counts = run("england", "Europe/London", 27700, "15m", "1h", assets, readings)
    return {"rows": len(readings) + sum(left.values()), "left_out": dict(left), **counts, "alerts": _alerts(told)}


def run(
    name: str, zone: str, epsg: int, tick: str, lateness: str, assets: pl.DataFrame, readings: Iterable[Reading]
) -> tuple[list[Detection], dict[str, Any]]:
    """What the pack tells of the readings, in their order; and what the engine counted."""
    with tempfile.TemporaryDirectory() as folder:
        city = cities.read(_city(Path(folder) / name, name, zone, epsg, tick, lateness, assets))
        loaded = (pack.load(pack.FOLDER / "flood"),)
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


def _reading(row: dict[str, str]) -> tuple[str, str, float] | str:
    """(asset, kind, value) of a row of telemetry, or why it is none."""
    if row["parameter"] == "Water Level" and row["units"] in METRES:
        name = f"{row['station']}-{row['qualifier']}-{row['units']}".replace(" ", "-")
        return name, "river", float(row["value"])
    if row["parameter"] == "Rainfall" and row["units"] == "mm/h":
        return f"{row['station']}-{row['qualifier']}".replace(" ", "-"), "rain", float(row["value"])
    if row["parameter"] == "Rainfall" and row["units"] == "mm":
        return f"{row['station']}-{row['qualifier']}-mm".replace(" ", "-"), "rain", float(row["value"]) * QUARTERS
    return f"{row['parameter']} in {row['units']}"


def _city(folder: Path, name: str, zone: str, epsg: int, tick: str, lateness: str, assets: pl.DataFrame) -> Path:
    """A city of one district around all assets."""
    west, east = (float(one) for one in (assets["lon"].min() - 0.1, assets["lon"].max() + 0.1))  # type: ignore[operator]  # numbers
    south, north = (float(one) for one in (assets["lat"].min() - 0.1, assets["lat"].max() + 0.1))  # type: ignore[operator]  # numbers
    folder.mkdir()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    shape = {
        "type": "Feature",
        "properties": {"id": "whole", "name_en": name, "name_zh": name},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (folder / "whole.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [shape]}), "utf-8")
    told = CITY.format(
        name=name, timezone=zone, epsg=epsg, tick=tick, lateness=lateness, west=west, south=south, east=east,
        north=north, lon=(west + east) / 2, lat=(south + north) / 2,
    )  # fmt: skip
    (folder / "city.yaml").write_text(told, "utf-8")
    return folder


def _assets(asset: Any, kind: str, name: Any, lon: Any, lat: Any) -> pl.DataFrame:
    frame = pl.DataFrame({"asset": asset, "name_en": name, "name_zh": name, "lon": lon, "lat": lat})
    return frame.select("asset", pl.lit(kind).alias("kind"), "name_en", "name_zh", "lon", "lat")


def _alerts(told: Iterable[Detection]) -> list[dict[str, Any]]:
    """Each alert in words: when it began and ended (UTC), and what it said."""
    over = {one.id: one.time for one in told if one.state == "cleared"}
    return [
        {
            "rule": one.rule,
            "at": _utc(one.time),
            "over": _utc(over[one.id]) if one.id in over else "",
            "says": one.headline.en,
        }
        for one in sorted(told, key=lambda one: (one.time, one.rule, one.place))
        if one.state == "firing"
    ]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from csv.DictReader(io.StringIO(body.decode("utf-8")))


def _when(reading: Reading) -> tuple[int, str]:
    return reading[1], reading[0]


def _ms(moment: str) -> int:
    return int(dt.datetime.fromisoformat(moment).timestamp() * 1000)


def _utc(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M")


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
