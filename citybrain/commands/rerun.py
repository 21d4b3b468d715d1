"""``citybrain rerun``: a recorded span through other rules or another budget, beside what happened."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec

from citybrain.archive.files import ArchiveError
from citybrain.archive.reader import DAY_MS, Archive, shown
from citybrain.moments import moment
from citybrain.replay.changes import parsed
from citybrain.replay.rerun import Alerted, Difference, rerun
from config import city as cities
from config.settings import Settings

SIGNS = {"came": "+", "gone": "-", "moved": "~"}


def run(
    settings: Settings, start: str | None, end: str | None, sets: Sequence[str], budget: float | None, as_json: bool
) -> int:
    """Re-run the span, the newest 24 hours unless told; the exit code."""
    changes = parsed(sets, budget)
    first, last = _span(settings, start, end)
    found = rerun(settings, first, last, changes, _progress)
    if as_json:
        print(msgspec.json.encode(found).decode(), flush=True)
    else:
        _show(found)
    return 0


def _span(settings: Settings, start: str | None, end: str | None) -> tuple[int, int]:
    zone = cities.load(settings.city).timezone
    there = Archive.of(settings).reaches()
    if there is None:
        raise ArchiveError(f"{settings.archive} has no readings; record some with `citybrain demo`")
    last = moment(end, zone) if end else there[1]
    return moment(start, zone) if start else max(there[0], last - DAY_MS), last


def _show(found: Difference) -> None:
    """The difference as a table for people."""
    print(f"{shown(found.start)} to {shown(found.end)}, {found.hours:g} h")
    agrees = "the same" if found.as_recorded else "not the same, see docs/replay.md"
    print(f"  recorded        {found.recorded.alerts:5} alerts {found.recorded.per_hour:8.2f} an hour")
    print(f"  as it was       {found.before.alerts:5} alerts {found.before.per_hour:8.2f} an hour   ({agrees})")
    print(f"  as it would be  {found.after.alerts:5} alerts {found.after.per_hour:8.2f} an hour")
    print(f"  {found.same} the same, {len(found.came)} came, {len(found.gone)} gone, {len(found.moved)} moved")
    for kind, rows in (("came", found.came), ("gone", found.gone), ("moved", found.moved)):
        for row in rows:
            print(f"  {SIGNS[kind]} {_line(row, kind)}")
    for notice in found.notices:
        print(f"  {notice}")


def _line(row: Alerted, kind: str) -> str:
    moved = f"  {abs(row.minutes_earlier):g} min {'earlier' if row.minutes_earlier > 0 else 'later'}"
    return f"{shown(row.time)}  {row.severity:8}  {row.rule:16}  {row.headline['en']}" + (
        moved if kind == "moved" else ""
    )


def _progress(share: float, what: str) -> None:
    print(f"progress {share:.2f} {what}", file=sys.stderr, flush=True)
