"""``citybrain rerun``: a recorded span through other rules or another budget, beside what happened."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from citybrain.archive.reader import DAY_MS, Archive, shown
from citybrain.moments import MomentError, moment
from citybrain.replay.changes import Changes, parsed
from citybrain.replay.difference import Alerted, Difference
from citybrain.replay.refusal import Refused
from citybrain.replay.rerun import readings, rerun
from config import city as cities
from config.settings import Settings

SIGNS = {"came": "+", "gone": "-", "moved": "~", "graded": "!"}
SLOW_PER_S = 400_000  # readings that a busy machine scores a second, and
QUICK_PER_S = 1_200_000  # one that does nothing else
TOLD_S = 0.5


def run(
    settings: Settings,
    start: str | None,
    end: str | None,
    sets: Sequence[str],
    budget: float | None,
    as_json: bool,
    without: Sequence[str] = (),
    pack: Path | None = None,
    estimate: bool = False,
) -> int:
    """Re-run the span, the newest 24 hours unless told, or only ``estimate`` how long that takes; the exit code."""
    try:
        changes = parsed(sets, budget, without, pack)
        first, last = _span(settings, start, end)
        if estimate:
            return _estimate(settings, first, last, changes, as_json)
        found = rerun(settings, first, last, changes, _Progress())
    except Refused as refused:
        if not as_json:
            raise
        print(f"citybrain: {refused}", file=sys.stderr)
        told = {"code": refused.code, "given": refused.given, "text": str(refused)}
        print(msgspec.json.encode({"refused": told}).decode(), flush=True)
        return 1
    if as_json:
        print(msgspec.json.encode(found).decode(), flush=True)
    else:
        _show(found)
    return 0


def _span(settings: Settings, start: str | None, end: str | None) -> tuple[int, int]:
    zone = cities.load(settings.city).timezone
    archive = Archive.of(settings)
    there = archive.reaches()
    if there is None:
        raise Refused("no-readings", folder=str(archive.folder))
    last = _moment(end, zone) if end else there[1]
    return _moment(start, zone) if start else max(there[0], last - DAY_MS), last


def _moment(text: str, zone: str) -> int:
    try:
        return moment(text, zone)
    except MomentError as error:
        raise Refused("moment", value=text) from error


def _estimate(settings: Settings, first: int, last: int, changes: Changes, as_json: bool) -> int:
    rows = readings(settings, first, last, changes)
    told = {
        "start": first,
        "end": last,
        "readings": rows,
        "seconds": [round(rows / QUICK_PER_S), round(rows / SLOW_PER_S)],
    }
    if as_json:
        print(msgspec.json.encode(told).decode(), flush=True)
    elif rows:
        print(f"{rows:,} recorded readings are to be scored again: {rows / QUICK_PER_S:.0f} s, on a busy machine up to "
              f"{rows / SLOW_PER_S:.0f} s")  # fmt: skip
    else:
        print("the recorded ticks are enough: some seconds for each day")
    return 0


def _show(found: Difference) -> None:
    """The difference as a table for people."""
    print(f"{shown(found.start)} to {shown(found.end)}, {found.hours:g} h, judged in {found.took_s:g} s")
    agrees = "the same" if found.as_recorded else "not the same, see docs/replay.md"
    print(f"  recorded        {found.recorded.alerts:5} alerts {found.recorded.per_hour:8.2f} an hour")
    print(f"  as it was       {found.before.alerts:5} alerts {found.before.per_hour:8.2f} an hour   ({agrees})")
    print(f"  as it would be  {found.after.alerts:5} alerts {found.after.per_hour:8.2f} an hour")
    counts = f"{len(found.came)} came, {len(found.gone)} gone, {len(found.moved)} moved, {len(found.graded)} of another"
    print(f"  {found.same} the same, {counts} severity")
    for kind, sign in SIGNS.items():
        for row in getattr(found, kind):
            print(f"  {sign} {_line(row)}")
    for notice in found.notices:
        print(f"  {notice['en']}")


def _line(row: Alerted) -> str:
    line = f"{shown(row.time)}  {row.severity:8}  {row.rule:16}  {row.headline['en']}"
    if row.minutes_earlier:
        line += f"  {abs(row.minutes_earlier):g} min {'earlier' if row.minutes_earlier > 0 else 'later'}"
    return f"{line}  was {row.severity_was}" if row.severity_was else line


class _Progress:
    """Tells how far it is on standard error, a line now and then."""

    def __init__(self) -> None:
        self._at, self._said = 0.0, ""

    def __call__(self, share: float, what: str) -> None:
        """``share`` (0-1) of it is done, and ``what`` is being done."""
        if what != self._said or time.monotonic() - self._at >= TOLD_S:
            self._at, self._said = time.monotonic(), what
            print(f"progress {share:.2f} {what}", file=sys.stderr, flush=True)
