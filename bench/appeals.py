"""Los Angeles, 27 December 2017 to 4 January 2018, through the pack *appeals-cluster*: what a hotline would have seen.

Every request goes the way of the product: as Open311 GeoReport v2 through the door's codec, as a message of the topic
``events``, through the engine of the agent *events* with the pack's own rules, in the order in which things happened:
made, and later answered. The scan looks each six hours (nine days are too short for ten minutes and a history of two
days of a small city's categories), over the 99 neighbourhood councils; requests whose coordinates are missing are at
their council. Chance is judged by replicates, for there are no past scans yet.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import shapely

from bench.machine import machine
from config import pack
from config.city_calendar import calendar
from models import appeals_picture, events
from models.appeals import Department, Subject
from models.emerging import Ground
from models.event_engine import EventEngine, Setup
from models.layout import Place
from models.scan.circles import circles
from models.scan.prospective import Settings
from models.values import Detection, ServiceRequest, Text
from sensors.codecs.base import Envelope
from sensors.codecs.open311 import CODEC

DATA = Path(__file__).parents[2] / "shared/data/la-311"
FILES = ("requests_20171227_20171231.csv.gz", "requests_20180101_20180104.csv.gz")
BOUNDARIES = "la_neighborhood_councils.geojson.gz"
ZONE = "America/Los_Angeles"
PERIOD_MS = 6 * 3_600_000
LAST = "2018-01-20 00:00:00"  # answers are followed so far, past five working days of the last request
OWNERS = {
    "BOS": "Bureau of Sanitation", "OCB": "Office of Community Beautification", "BSL": "Bureau of Street Lighting",
    "BSS": "Bureau of Street Services", "ITA": "Information Technology Agency", "LADWP": "Water and Power",
}  # fmt: skip
Row = dict[str, str]


def main(as_json: bool = False) -> int:
    """Play the requests and tell what was found; prints one JSON object as the last line."""
    if not DATA.exists():
        print(f"{DATA} is not there: this benchmark needs the shared data", file=sys.stderr)
        return 1
    rows = read()
    engine = EventEngine(setup(rows))
    told: list[Detection] = []
    began, taken, refused = time.perf_counter(), 0, 0
    for body in bodies(rows, engine):
        decoded = CODEC.decode(body, Envelope(now=0, source="la-311", zone=ZONE))
        refused += len(decoded.faults)
        for one in decoded.values:
            assert isinstance(one, ServiceRequest)
            again = events.decode(events.encode(one))  # as the topic carries it
            told += engine.take(again, max(one.requested, one.updated or 0))
            taken += 1
    result = {
        "requests": len(rows),
        "events": taken,
        "refused": refused,
        "seconds": round(time.perf_counter() - began, 1),
        "clusters": [cluster(one, told) for one in told if one.state == "firing" and "Cluster" in one.rule],
        "alerts": dict(Counter(one.rule for one in told if one.state == "firing")),
        "departments": [msgspec.to_builtins(one) for one in appeals_picture.told(engine, []).departments],
        "top_of_january": [[one.name.en, one.count] for one in appeals_picture.told(engine, []).top],
        "machine": machine(),
    }
    if not as_json:
        for one in [*result["clusters"], *result["departments"]]:  # type: ignore[misc]  # lists
            print(json.dumps(one), file=sys.stderr)
    print(json.dumps(result))
    return 0


def read() -> list[Row]:
    """The requests in the order in which they were made."""
    found: list[Row] = []
    for name in FILES:
        with gzip.open(DATA / name) as file:
            found += csv.DictReader(io.TextIOWrapper(file, "utf-8"))
    return sorted(found, key=lambda row: row["createddate"])


def setup(rows: list[Row]) -> Setup:
    """Los Angeles as the engine needs it: councils, kinds of requests, and who answers them."""
    names, points = councils()
    kinds = sorted({row["requesttype"] for row in rows})
    owners = sorted({row["owner"] for row in rows})
    answers = {
        kind: Counter(row["owner"] for row in rows if row["requesttype"] == kind).most_common(1) for kind in kinds
    }
    departments = tuple(Department(f"department-{one.lower()}", _both(OWNERS[one])) for one in owners)
    settings = Settings(durations=(1, 2, 4, 8, 12), history=16, ready=8, most=5)
    places = [
        Place(name, _both(name.title()), lon, lat, "") for name, (lon, lat) in zip(names, points.tolist(), strict=True)
    ]
    return Setup(
        rules=tuple(one for one in pack.load(pack.FOLDER / "appeals-cluster").rules if one.reads == "events"),
        subjects=tuple(
            Subject(kind, _both(kind), owners.index(answers[kind][0][0]), "5d", row) for row, kind in enumerate(kinds)
        ),
        departments=departments,
        streams=tuple(_both(kind) for kind in kinds),
        ground=Ground(places, circles(points, 25, "great-circle"), PERIOD_MS, len(kinds), settings, draws=99),
        calendar=_calendar(),
        centre=Place("los-angeles", _both("Los Angeles"), -118.2437, 34.0522, ""),
    )


def councils() -> tuple[list[str], Any]:
    """The neighbourhood councils, and a point inside each (councils, 2)."""
    with gzip.open(DATA / BOUNDARIES) as file:
        features = json.load(file)["features"]
    inside = shapely.point_on_surface([shapely.from_geojson(json.dumps(one["geometry"])) for one in features])
    return [one["properties"]["name"] for one in features], np.column_stack(
        [shapely.get_x(inside), shapely.get_y(inside)]
    )


def bodies(rows: list[Row], engine: EventEngine) -> Iterator[bytes]:
    """Bodies as a hotline sends them, one an event: a request when it is made, and once more when it is answered."""
    assert engine.setup.ground is not None  # as made above
    known = {place.id: (place.lon, place.lat) for place in engine.setup.ground.places}
    happened: list[tuple[str, int, dict[str, Any]]] = []
    for number, row in enumerate(rows):
        place = known.get(row["ncname"], (None, None))
        told = {
            "service_request_id": row["srnumber"],
            "service_code": row["requesttype"],
            "status": "open",
            "agency_responsible": row["owner"],
            "requested_datetime": row["createddate"],
            "long": row["longitude"] or place[0],
            "lat": row["latitude"] or place[1],
        }
        happened.append((row["createddate"], number, told))
        if row["closeddate"] and row["createddate"] <= row["closeddate"] < LAST:
            happened.append(
                (
                    row["closeddate"],
                    number,
                    {**told, "status": row["status"].lower(), "updated_datetime": row["closeddate"]},
                )
            )
    happened.sort(key=lambda one: one[:2])
    return (msgspec.json.encode([told]) for _, _, told in happened)


def cluster(one: Detection, told: list[Detection]) -> dict[str, Any]:
    """A cluster in words: when it was told, where, how much, and how long it stayed."""
    over = next((end.time for end in told if end.id == one.id and end.state == "cleared"), None)
    return {
        "told": _local(one.time),
        "began": _local(one.onset),
        "over": _local(over) if over else None,
        "rule": one.rule,
        "headline": one.headline.en,
        "cases": one.value,
        "expected": round(one.expected or 0.0, 1),
        "p": float(f"{10 ** -(one.score or 0.0):.2g}"),
    }


def _calendar() -> Any:
    """Working days of Los Angeles in these weeks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "los-angeles.yaml"
        path.write_text("holidays: {2017: [2017-12-25], 2018: [2018-01-01, 2018-01-15]}\n", "utf-8")
        return calendar(ZONE, path)


def _both(name: str) -> Text:
    return Text(en=name, zh=name)


def _local(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M")


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
