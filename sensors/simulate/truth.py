"""What was injected, written down: one JSON object a line, when it begins.

``{"what": "run"}`` begins a run of the simulator; ``incident``, ``state`` (of a sensor that a pack brought: a lift
with people in it, a pump that stands) and ``fault`` follow with ``start`` and ``end`` in ms since 1970-01-01 UTC.
Detections are graded against it; nothing in the product reads it to detect.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from models.calendar import DAY_MS
from sensors.simulate.chengdu import City
from sensors.simulate.faults import NAMES, NONE, Windows
from sensors.simulate.incidents import Incident

_LISTED: Final = 600  # datastreams named in a line; of more only the number

Record = dict[str, Any]


class Truth:
    """Writes the truth of ``city`` into ``path``, appending."""

    def __init__(self, city: City, path: Path) -> None:
        self._city = city
        self._path = path
        self._until_ms: int | None = None

    def follow(self, city: City) -> None:
        """Go on with the city as it is now; what its new sensors are in the middle of is written at once."""
        if self._until_ms is not None:
            span = self._until_ms - DAY_MS, self._until_ms
            before = set(self._city.states(*span))
            new = [one for one in city.states(*span) if one[2] > self._until_ms and one not in before]
            self._append([_state(city, *one) for one in new])
        self._city = city

    def write(self, now_ms: int) -> None:
        """Write what has begun since the last call; the first also what was already under way."""
        if self._until_ms is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            found: list[Record] = [{"what": "run", "start": now_ms}]
            found += (one for one in records(self._city, now_ms - DAY_MS, now_ms) if one["end"] > now_ms)
        else:
            found = list(records(self._city, self._until_ms, now_ms))
        self._until_ms = now_ms
        self._append(found)

    def _append(self, found: list[Record]) -> None:
        if found:
            with self._path.open("ab") as file:
                file.write(b"".join(msgspec.json.encode(record) + b"\n" for record in found))


def records(city: City, from_ms: int, to_ms: int) -> Iterator[Record]:
    """The incidents, states and faults that begin in [from_ms, to_ms), in this order, each by its start."""
    for incident in city.timetable.between(from_ms, to_ms):
        if incident.start_ms >= from_ms:
            yield _incident(city, incident)
    for row, start, end in city.states(from_ms, to_ms):
        yield _state(city, row, start, end)
    for day in range(from_ms // DAY_MS, (to_ms - 1) // DAY_MS + 1):
        yield from _faults(city, city.failures(day), from_ms, to_ms)


def read(path: Path) -> list[Record]:
    """All records in ``path``; a line that was cut by a crash is left out."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [msgspec.json.decode(line) for line in lines if line.endswith(b"\n")]


def _state(city: City, row: int, start: int, end: int) -> Record:
    return {"what": "state", "datastream": city.register.ids[row], "start": start, "end": end}


def _incident(city: City, incident: Incident) -> Record:
    reached = np.flatnonzero(city.reach(incident))
    record: Record = {
        "what": "incident",
        "kind": incident.kind,
        "place": incident.place,
        "name": {"en": incident.name_en, "zh": incident.name_zh},
        "start": incident.start_ms,
        "end": incident.end_ms,
        "ramp_s": incident.ramp_s,
        "factor": incident.factor,
        "count": len(reached),
    }
    if incident.kind == "silent-gateway":
        return record | {"gateway": incident.gateway}
    record |= {"lon": incident.lon, "lat": incident.lat, "radius_m": incident.radius_m}
    return record | ({"datastreams": [city.register.ids[row] for row in reached]} if len(reached) <= _LISTED else {})


def _faults(city: City, windows: Windows, from_ms: int, to_ms: int) -> Iterator[Record]:
    begin = (windows.kind != NONE) & (windows.start_ms >= from_ms) & (windows.start_ms < to_ms)
    rows = np.flatnonzero(begin & city.known)
    for row in rows[np.argsort(windows.start_ms[rows], kind="stable")]:
        yield {
            "what": "fault",
            "kind": NAMES[windows.kind[row]],
            "datastream": city.register.ids[row],
            "start": int(windows.start_ms[row]),
            "end": int(windows.end_ms[row]),
        }
