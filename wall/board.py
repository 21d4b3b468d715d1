"""The board: what every viewer is shown, and the difference each tick makes.

Pure: no store, no clock, no web. ``now`` holds what is true, ``shown`` what the viewers have been told; a delta
carries the one to the other, and a snapshot is always of ``shown``, so that a viewer who comes between two ticks
goes on with the same deltas as all others.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import numpy as np

from wall import levels

Row = dict[str, Any]
SECTIONS = (
    "alerts",
    "zones",
    "sources",
    "counts",
    "minutes",
    "watch",
    "budget",
    "ahead",
    "incidents",
    "flood",
    "present",
    "held",
    "drill",
    "figures",
    "stages",
    "tables",
    "units",
    "areas",
    "takeover",
    "quality",
    "weather",
    "curves",
    "clusters",
)
LEVEL_BYTES = 2  # of a level that moved, in base64
LEAST_LEVELS = 200  # of a delta, however much else there is: the heat must not stand still
HISTORY_SHOWN = 360  # points of the city's totals that a viewer keeps


class Section:
    """Rows by key; ``diff`` tells only the fields that changed since the last one."""

    def __init__(self) -> None:
        self.now: dict[str, Row] = {}
        self.shown: dict[str, Row] = {}

    def diff(self) -> Row | None:
        """{"set": {key: changed fields}, "gone": [keys]}; None when nothing changed. Fields never leave a row."""
        changed = {key: _fields(self.shown.get(key, {}), row) for key, row in self.now.items()}
        changed = {key: fields for key, fields in changed.items() if fields}
        gone = [key for key in self.shown if key not in self.now]
        if not changed and not gone:
            return None
        self.shown = dict(self.now)
        return {"set": changed, "gone": gone}


def _fields(old: Row, new: Row) -> Row:
    if old is new or old == new:
        return {}
    return {name: value for name, value in new.items() if name not in old or old[name] != value}


class Board:
    """Everything on the wall that moves, for ``kind`` (datastreams,) uint8: each datastream's property row."""

    def __init__(self, kind: levels.Uint8, properties: int) -> None:
        self.kind = kind
        self.scale = levels.unknown(properties)
        self.place = np.full(len(kind), np.nan, np.float32)
        self.level = np.full(len(kind), levels.NONE, np.uint8)
        self.sections = {name: Section() for name in SECTIONS}
        self.history: list[list[Any]] = []  # [tick ms, {property: [value, expected]}], oldest first
        self.seq = 0
        self.held = 0
        self.time = 0  # newest phenomenon time, ms
        self.changed = 0  # ms, when the store last said that something changed; 0 never
        self._history_shown: list[list[Any]] = []
        self._scale_shown: Row = {}
        self._time_shown = 0

    def put(self, section: str, rows: dict[str, Row]) -> None:
        """Replace all rows of a section."""
        self.sections[section].now = rows

    def set(self, section: str, key: str, row: Row | None) -> None:
        """Replace or, with None, remove one row."""
        if row is None:
            self.sections[section].now.pop(key, None)
        else:
            self.sections[section].now[key] = row

    def delta(self, at: int, accepted: int | None, limit: int, room: int | None = None) -> bytes | None:
        """What changed since the last delta as JSON, at most ``limit`` levels of it; None when nothing did.

        ``at``: ms now; ``accepted``: ms when the oldest reading in it was accepted; ``room``: how long it should be at
        most, bytes. Heat is the least urgent of it: what else is told takes the room first.
        """
        body: Row = {}
        for name, section in self.sections.items():
            diff = section.diff()
            if diff:
                body[name] = diff
        newer = self._newer_history()
        if newer:
            body["history"] = newer
        scale = self._scale()
        if scale != self._scale_shown:
            body["scale"] = self._scale_shown = scale
        rest = msgspec.json.encode(body)
        if room is not None:
            limit = min(limit, max((room - len(rest)) // LEVEL_BYTES, LEAST_LEVELS))
        moved = self._levels(limit)
        if not body and not moved and self.time == self._time_shown:
            return None
        self._time_shown = self.time
        self.seq += 1
        told = {"levels": {**moved, "held": self.held}} if moved else {}
        head = msgspec.json.encode({**self._envelope(at), "accepted": accepted, **told})
        return head if len(rest) == len(b"{}") else head[:-1] + b"," + rest[1:]

    def forget(self) -> None:
        """Begin the history anew: the city's clock was set back. Every viewer needs a snapshot after this."""
        self.history, self._history_shown, self.time = [], [], 0

    def snapshot(self, at: int) -> bytes:
        """All that has been shown, as JSON."""
        body: Row = {name: section.shown for name, section in self.sections.items()}
        body["levels"] = base64.b64encode(self.level.tobytes()).decode()
        body["history"] = self._history_shown
        body["scale"] = self._scale_shown
        return msgspec.json.encode({**self._envelope(at), **body})

    def _envelope(self, at: int) -> Row:
        return {"seq": self.seq, "at": at, "time": self._time_shown, "changed": self.changed}

    def _levels(self, limit: int) -> Row | None:
        rows, level, self.held = levels.moved(self.level, self.place, limit)
        if not len(rows):
            return None
        self.level[rows] = level
        lost = level == levels.NONE
        return {
            "rows": base64.b64encode(levels.pack_rows(rows[~lost])).decode(),
            "to": base64.b64encode(levels.pack_levels(level[~lost])).decode(),
            "lost": base64.b64encode(levels.pack_rows(rows[lost])).decode(),
        }

    def _newer_history(self) -> list[list[Any]]:
        last = self._history_shown[-1][0] if self._history_shown else -1
        newer = [point for point in self.history if point[0] > last]
        if newer:
            self._history_shown = [*self._history_shown, *newer][-HISTORY_SHOWN:]
        return newer[-HISTORY_SHOWN:]

    def _scale(self) -> Row:
        known = np.flatnonzero(np.isfinite(self.scale.busy))
        return {
            str(row): [round(float(self.scale.floor[row]), 3), round(float(self.scale.busy[row]), 3)] for row in known
        }
