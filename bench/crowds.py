"""Auckland's New Year's Eve of 2019 through the pack *holiday-crowd*: what it tells, and when.

The counts of 2019 teach the engines of shard and city; the night itself is told by the pack's own rules. Nothing of the
night is known before.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from bench.machine import machine
from config import city as cities
from config import pack, register
from config.layouts import layouts
from models.batch import batch
from models.values import Detection
from sensors.simulate.auckland import replay

ZONE = ZoneInfo("Pacific/Auckland")
TOLD_FROM, UNTIL = "2019-12-31T00:00", "2020-01-02T00:00"


def main(as_json: bool = False) -> int:
    """Play the year and tell the night; prints one JSON object as the last line."""
    told = run()
    if not as_json:
        for one in told:
            print(json.dumps(one, ensure_ascii=False), file=sys.stderr)
    print(json.dumps({"alerts": told, "machine": machine()}, ensure_ascii=False))
    return 0


def run() -> list[dict[str, Any]]:
    """The detections of the last two days."""
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


def _ms(local: str) -> int:
    return int(dt.datetime.fromisoformat(local).replace(tzinfo=ZONE).timestamp() * 1000)


def _local(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, ZONE).strftime("%Y-%m-%d %H:%M")


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
