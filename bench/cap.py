"""Real CAP messages through the pack *weather-warning*: which places would have been told, and what the desk would see.

Eight messages of eight services, as they were sent. Nobody's places are known there, so each shape of a message gets a
grid of 100 places around it; the grid stands for a register. A message goes through the door's codec, through the room,
which tells the places, and through the engine of the agent *events* with the pack's own rules.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import machine
from config import pack
from models.event_engine import EventEngine
from models.event_engine import Setup as EventSetup
from models.places import Site, Sites
from models.room import Room, Setup
from models.values import Text, Warning
from sensors.codecs.base import Envelope
from sensors.codecs.cap import CODEC

DATA = Path(__file__).parents[2] / "shared/data/formats/cap"
SIDE = 10  # places along each side of the grid
ROOM_DEG = 0.25  # the grid reaches so far beyond the area, as a share of it


def main(as_json: bool = False) -> int:
    """Play the messages; prints one JSON object as the last line."""
    if not DATA.exists():
        print(f"{DATA} is not there: this benchmark needs the shared data", file=sys.stderr)
        return 1
    rows = [row for path in sorted(DATA.glob("*.xml")) for row in played(path)]
    if not as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False), file=sys.stderr)
    print(json.dumps({"messages": rows, "machine": machine()}, ensure_ascii=False))
    return 0


def played(path: Path) -> list[dict[str, Any]]:
    """What comes of each part of one message."""
    decoded = CODEC.decode(path.read_bytes(), Envelope(now=0, source="bench"))
    rows = [_one(path.name, value) for value in decoded.values if isinstance(value, Warning)]
    return rows + [{"file": path.name, "refused": fault.reason} for fault in decoded.faults]


def _one(name: str, warning: Warning) -> dict[str, Any]:
    sites = grid(warning)
    room = Room(Setup(sites=sites))
    out = room.take(warning, warning.sent)
    rules = tuple(one for one in pack.load(pack.FOLDER / "weather-warning").rules if one.reads == "events")
    engine = EventEngine(EventSetup(rules=rules, sites=sites))
    told = engine.take(warning, warning.sent)
    raised = room.warned.raised.get(warning.id)
    return {
        "file": name,
        "event": warning.event.en or warning.event.zh,
        "status": warning.status,
        "message": warning.message,
        "severity": warning.severity,
        "colour": warning.colour,
        "polygons": sum(len(area.polygons) for area in warning.areas),
        "circles": sum(len(area.circles) for area in warning.areas),
        "codes": sum(len(area.codes) for area in warning.areas),
        "places": len(sites),
        "told": raised.places if raised else 0,
        "state": raised.state if raised else "",
        "unknown_codes": len(raised.unknown_codes) if raised else 0,
        "notifications": len(out.notifications),
        "alerts": [one.rule for one in told],
        "headline": [one.headline.en for one in told],
    }


def grid(warning: Warning) -> Sites:
    """Places around each shape of a message; none where it names its area by code alone."""
    shapes = [ring for area in warning.areas for ring in area.polygons]
    shapes += [_edges(*circle) for area in warning.areas for circle in area.circles]
    return Sites(tuple(site for number, shape in enumerate(shapes) for site in _sites(number, shape)))


def _edges(lon: float, lat: float, metres: float) -> tuple[tuple[float, float], ...]:
    degrees = metres / 111_195.0
    return (lon - degrees, lat - degrees), (lon + degrees, lat + degrees)


def _sites(number: int, shape: Sequence[tuple[float, float]]) -> list[Site]:
    """The grid around one shape."""
    lon, lat = (_spread(axis) for axis in np.array(shape, np.float64).T)
    return [
        Site(id=f"place-{number}-{row}-{at}", kind="site", name=Text(en="place", zh="场所"), lon=float(x), lat=float(y))
        for row, y in enumerate(lat)
        for at, x in enumerate(lon)
    ]


def _spread(values: Any) -> Any:
    low, high = float(values.min()), float(values.max())
    margin = ROOM_DEG * max(high - low, 0.01)
    return np.linspace(low - margin, high + margin, SIDE)


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
