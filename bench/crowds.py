"""Real crowds through the pack *holiday-crowd*: what it tells, and when.

Auckland's New Year's Eve of 2019: the counts of 2019 teach the engines of shard and city; the night itself is told by
the pack's own rules. Melbourne's April and May of 2025, where the shared data is: the first eighteen days teach, then
Easter, Anzac Day and the weeks after are told. Nothing of what is told is known before.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from bench.machine import machine
from bench.made_city import Made, Reading, assets_of
from bench.made_city import run as played
from config import city as cities
from config import pack, register
from config.layouts import layouts
from models.batch import batch
from models.values import Detection
from sensors.simulate.auckland import replay

ZONE = "Pacific/Auckland"
TOLD_FROM, UNTIL = "2019-12-31T00:00", "2020-01-02T00:00"
DATA = Path(__file__).parents[2] / "shared/data/melbourne-pedestrians"
MELBOURNE = Made(
    "melbourne", "Australia/Melbourne", 7855, "1h", "1ms",
    "holidays: {2025: [2025-04-18..2025-04-21, 2025-04-25]}\n",  # Easter, Anzac Day
)  # fmt: skip
MELBOURNE_FROM = "2025-04-18"  # what is before teaches
HOUR_MS = 3_600_000


def main(as_json: bool = False) -> int:
    """Play the year and tell the night, then Melbourne; prints one JSON object as the last line."""
    result: dict[str, Any] = {"auckland": run()}
    if DATA.exists():
        result["melbourne"] = melbourne()
    else:
        print(f"{DATA} is not there: Melbourne is left out", file=sys.stderr)
    if not as_json:
        for one in [*result["auckland"], *result.get("melbourne", {}).get("alerts", [])]:
            print(json.dumps(one, ensure_ascii=False), file=sys.stderr)
    print(json.dumps({**result, "machine": machine()}, ensure_ascii=False))
    return 0


def melbourne(until: str = "2025-06-01", only: Sequence[str] = ()) -> dict[str, Any]:
    """What the pack tells of Melbourne's counters from MELBOURNE_FROM on; series that no sensor has are left out.

    ``only`` counters whose names begin so; none: all of them.
    """
    sensors = pl.read_csv(DATA / "sensor_locations.csv").unique("location_id", keep="first")
    files = [pl.read_csv(path, infer_schema_length=None) for path in sorted(DATA.glob("counts_2025-0[45].csv.gz"))]
    counts = pl.concat(files).drop_nulls("count").filter(pl.col("ts") < until)
    if only:
        counts = counts.filter(pl.any_horizontal(pl.col("sensor_description").str.starts_with(one) for one in only))
    placed = counts.join(sensors.select("location_id", "latitude", "longitude"), on="location_id", how="inner")
    series = placed.unique("sensor_description").sort("sensor_description").with_row_index("number")
    names = dict(series.select("sensor_description", pl.format("counter-{}", "number")).iter_rows())
    label = series["sensor_description"]
    assets = assets_of(list(names.values()), "counter", label, series["longitude"], series["latitude"])
    told, counted = played(MELBOURNE, "holiday-crowd", assets, _readings(placed, names))
    shown = [one for one in told if one.time >= _ms(MELBOURNE_FROM, MELBOURNE.timezone)]
    over = {one.id: one.time for one in shown if one.state == "cleared"}
    alerts = [_told(one, over) for one in shown if one.state == "firing"]
    days = (max(one.time for one in told) - _ms(MELBOURNE_FROM, MELBOURNE.timezone)) / (24 * HOUR_MS)
    return {
        "series": counts["sensor_description"].n_unique(),
        **counted,
        "days": round(days, 1),
        "by_rule": dict(Counter(one["rule"] for one in alerts)),
        "alerts": alerts,
    }


def _readings(placed: pl.DataFrame, names: dict[str, str]) -> list[Reading]:
    """The counts in the order in which they were known: a count is known when its hour is over.

    The source has 24 hours on each day: of the night on which the clock goes back it has the first hour of that name.
    """
    rows = placed.select("ts", "sensor_description", "count").iter_rows()
    made = [
        (f"{names[name]}/pedestrians", _ms(at.replace(" ", "T"), MELBOURNE.timezone) + HOUR_MS, float(count))
        for at, name, count in rows
    ]
    return sorted(made, key=lambda one: (one[1], one[0]))


def _told(one: Detection, over: dict[str, int]) -> dict[str, Any]:
    """An alert in words, local time."""
    return {
        "told": _local(one.time, MELBOURNE.timezone),
        "over": _local(over[one.id], MELBOURNE.timezone) if one.id in over else "",
        "rule": one.rule,
        "place": one.place_name.en,
        "value": one.value,
        "expected": one.expected,
        "score": one.score,
    }


def run() -> list[dict[str, Any]]:
    """Auckland's detections of the last two days."""
    city = cities.load("auckland")
    loaded = (pack.load(pack.FOLDER / "holiday-crowd"),)
    made, _ = register.build(city, city.assets(), loaded[0].watched)
    plan = layouts(city, made, loaded)
    shard, whole = plan.engine(0), plan.city_engine()
    rows, times, values = replay(made).columns
    edges = np.searchsorted(times, np.unique(times[times < _ms(UNTIL)]))
    found: list[Detection] = []
    for first, last in pairwise(edges.tolist()):
        step = shard.step(batch(rows[first:last], times[first:last], values[first:last]))
        found += step.detections
        for partial in step.partials:
            found += [one for tick in whole.step(partial) for one in tick.detections]
    return [_line(one) for one in found if one.time >= _ms(TOLD_FROM)]


def _line(one: Detection) -> dict[str, Any]:
    return {"at": _local(one.time), "rule": one.rule, "state": one.state, "says": one.headline.en, "score": one.score}


def _ms(local: str, zone: str = ZONE) -> int:
    return int(dt.datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def _local(at: int, zone: str = ZONE) -> str:
    return dt.datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
