"""What a browser knows after some frames: the twin of wall/assets/js/state.mjs."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from wall.board import HISTORY_SHOWN, SECTIONS
from wall.levels import NONE, unpack_levels, unpack_rows


@dataclass
class Told:
    """The picture of one viewer."""

    body: dict[str, Any] = field(default_factory=dict)

    def frame(self, data: bytes) -> str:
        """Take one server-sent event (or several); the name of the last."""
        name = ""
        for part in data.decode().strip().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in part.splitlines())
            name = lines.get("event", "")
            if name in ("snapshot", "delta"):
                self.hear(name, msgspec.json.decode(lines["data"]))
        return name

    def hear(self, event: str, body: dict[str, Any]) -> None:
        """Take a snapshot or a delta."""
        if event == "snapshot":
            level = np.frombuffer(base64.b64decode(body["levels"]), np.uint8)
            self.body = {**body, "levels": level.copy(), **{name: dict(body[name]) for name in SECTIONS}}
            return
        assert body["seq"] == self.body["seq"] + 1, "a delta was lost"
        for name in ("seq", "time", "changed", "at"):
            self.body[name] = body[name]
        if "levels" in body:
            self._levels(body["levels"])
        for name in SECTIONS:
            diff = body.get(name, {"set": {}, "gone": []})
            rows = self.body[name]
            for key, fields in diff["set"].items():
                rows[key] = {**rows.get(key, {}), **fields}
            for key in diff["gone"]:
                del rows[key]
        self.body["history"] = [*self.body["history"], *body.get("history", [])][-HISTORY_SHOWN:]
        self.body["scale"] = body.get("scale", self.body["scale"])

    def _levels(self, packed: dict[str, Any]) -> None:
        rows = unpack_rows(base64.b64decode(packed["rows"]))
        self.body["levels"][rows] = unpack_levels(base64.b64decode(packed["to"]), len(rows))
        self.body["levels"][unpack_rows(base64.b64decode(packed["lost"]))] = NONE

    def same(self, other: Told) -> bool:
        """Whether both would paint the same page; when the store last spoke is told by every beat as well."""
        apart = ("at", "changed", "levels")
        mine, theirs = ({k: v for k, v in it.body.items() if k not in apart} for it in (self, other))
        return mine == theirs and np.array_equal(self.body["levels"], other.body["levels"])
