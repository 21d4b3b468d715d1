"""A tick as it was shown and judged: what replays show again, and what re-runs judge anew by other rules.

``rows`` are those of the key ``zones`` of the live picture. The shards' notes travel along, for the alert budget is
judged by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from models import notes as noted
from models.city import Tick
from models.layout import Series
from models.notes import Notes
from models.trust import Watch

Row = dict[str, Any]
SHOWN = ("value", "expected", "score", "ratio", "reporting", "occupancy", "density")  # of rules.ZONE_COLUMNS


class Note(msgspec.Struct, frozen=True, array_like=True):
    """A shard's note that came with its partial of ``tick`` (start, ms)."""

    tick: int
    shard: int
    notes: bytes  # models.notes; base64 in JSON

    def read(self) -> Notes:
        """The note itself."""
        return noted.decode(self.notes)


class Ticked(msgspec.Struct, frozen=True, kw_only=True):
    """One closed tick, on the topic ``ticks``; ``tick`` is its end, ms of phenomenon time."""

    tick: int
    rows: list[Row]
    totals: dict[str, tuple[float, float | None]] = {}  # of the whole city by property: value, expected
    ahead: dict[str, Any] | None = None  # body of the key ``forecasts``
    watch: Watch | None = None
    notes: tuple[Note, ...] = ()
    per_hour: float | None = None  # the alert budget that was judged by


def rows(tick: Tick, series: Sequence[Series]) -> tuple[list[Row], dict[str, tuple[float, float | None]]]:
    """The zones of a tick by name, and the whole city's totals by property."""
    shown: list[Row] = []
    totals: dict[str, tuple[float, float | None]] = {}
    for row in tick.frame.iter_rows(named=True):
        one = series[row["series"]]
        shown.append({"zone": one.place.id, "property": one.property, **{name: row[name] for name in SHOWN}})
        if one.zone_kind == "city":
            totals[one.property] = (row["value"], row["expected"])
    return shown, totals


def note(tick: int, shard: int, notes: Notes) -> Note:
    """A shard's note, packed."""
    return Note(tick, shard, noted.encode(notes))
