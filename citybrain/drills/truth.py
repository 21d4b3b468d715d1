"""Detection of a simulated city that runs, or ran, against what its simulator injected: archive beside truth."""

from __future__ import annotations

import time

import shapely
from msgspec.structs import replace

from citybrain.archive.reader import Archive
from citybrain.drills.shadow import gateway
from citybrain.drills.sheet import told
from config import city as cities
from config import packs_reload
from config import register as registers
from config.city import City
from config.drills import DrillError
from config.register import Register
from config.settings import Settings
from models.grading import Graded, Happening, grade
from models.values import Alert, Detection, from_json
from sensors.feed import TRUTH
from sensors.simulate.truth import Record, read

DAY_MS = 86_400_000
ACCOUNTS = ("overdue", "satisfaction")  # kinds of events that are counted, not detected: their alerts are not graded


def graded(settings: Settings, start: int | None, end: int | None) -> Graded:
    """The grade from ``start`` to ``end`` (ms; since the feed's last begin, to now); raises ``DrillError``."""
    path = settings.home / TRUTH
    if not path.exists():
        raise DrillError(f"{path} is not there: only a simulated city that has run knows its truth (citybrain demo)")
    records = read(path)
    runs = [int(one["start"]) for one in records if one["what"] == "run"]
    now = int(time.time() * 1000)
    first, last = runs[-1] if start is None else start, now if end is None else min(end, now)
    if not first < last:
        raise DrillError(f"the span from {first} to {last} is empty; give --from before --to and before now")
    city, register = cities.load(settings.city), registers.load(settings.register)
    known = [one for one in records if one["what"] in ("incident", "state", "fault")]
    happened = [_happened(one, city, register) for one in known if one["start"] < last and one["end"] > first]
    happened = [replace(one, aside=one.start < first) for one in happened]  # what was under way is told, not found
    alerts = [
        one for one in told(_alerts(settings, first, last), packs_reload.sound(), city) if one.property not in ACCOUNTS
    ]
    return grade(happened, alerts, last - first)


def _alerts(settings: Settings, first: int, last: int) -> list[tuple[Detection, int]]:
    """The real alerts that opened in the span, each when it did; those that another explained are left out."""
    held = Archive(settings.archive).last("alerts", last + DAY_MS).values()
    found = [from_json(body, Alert) for body in held]
    return [
        (one.detection, one.opened)
        for one in found
        if first <= one.opened < last and not one.detection.exercise and one.state != "suppressed"
    ]


def _happened(record: Record, city: City, register: Register) -> Happening:
    """One line of the truth."""
    if record["what"] != "incident":
        name = str(record["datastream"])
        row = register.index.get(name)
        at = register.frame.row(row, named=True) if row is not None else {"lon": 0.0, "lat": 0.0}
        place, _, moved = name.rpartition("/")
        is_state = record["what"] == "state"
        return Happening(
            kind=f"state-{moved}" if is_state else f"fault-{record['kind']}", place=place, start=record["start"],
            end=record["end"], lon=at["lon"], lat=at["lat"], datastreams=(name,),
            properties=(moved,) if is_state else (),
        )  # fmt: skip
    silent = record["kind"] == "silent-gateway"
    middle = shapely.Point(record.get("lon", 0.0), record.get("lat", 0.0))
    holding = city.geo.tree.query(middle, predicate="intersects")
    return Happening(
        kind=record["kind"],
        place=str(record["place"]),
        start=record["start"],
        end=record["end"],
        lon=record.get("lon", 0.0),
        lat=record.get("lat", 0.0),
        radius_m=record.get("radius_m", 0.0),
        gateway=gateway(int(record["gateway"])) if silent else "",
        datastreams=tuple(record.get("datastreams", ())),
        inside=tuple(city.geo.ids[row] for row in holding),
    )
