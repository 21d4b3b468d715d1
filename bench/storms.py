"""Two real floods through the pack *flood*: a storm over Gothenburg, and a winter of rivers in England.

Gothenburg, 27 August 2015: ten rain gauges, each minute. England, 1-14 February 2014: telemetry of rivers and rain as
it came, with mixed units, repeated keys and late rows. Each is a city made for the run, its gauges registered as the
pack's assets (bench/made_city.py). A reading whose unit is not metres above some datum or millimetres is left out by
name.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from bench.machine import machine
from bench.made_city import Made, Reading, assets_of, run
from models.values import Detection

DATA = Path(__file__).parents[2] / "shared/data"
METRES = {"m", "mASD", "mAOD", "mBDAT"}
GOTHENBURG = Made("gothenburg", "Europe/Stockholm", 32632, "1m", "10s")
ENGLAND = Made("england", "Europe/London", 27700, "15m", "1h")
QUARTERS = 4  # of an hour: millimetres in a quarter as millimetres an hour


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
    assets = assets_of(stations["station_id"], "rain", stations["location"], stations["lon"], stations["lat"])
    frame = pl.read_csv(folder / "city_rain_mm.csv.gz")
    times = [_ms(one.replace(" ", "T") + "+00:00") for one in frame["ts_utc"].to_list()]
    readings = [
        (f"{name}/rainfall", at, float(value) * 60)
        for name in stations["station_id"].to_list()
        for at, value in zip(times, frame[name].to_list(), strict=True)
        if value is not None
    ]
    told, counts = run(GOTHENBURG, "flood", assets, sorted(readings, key=_when))
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
        assets_of(
            [one], kinds[one][0], [kinds[one][1]["name"]], [float(kinds[one][1]["lon"])], [float(kinds[one][1]["lat"])]
        )
        for one in names
    )
    told, counts = run(ENGLAND, "flood", assets, readings)
    return {"rows": len(readings) + sum(left.values()), "left_out": dict(left), **counts, "alerts": _alerts(told)}


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
