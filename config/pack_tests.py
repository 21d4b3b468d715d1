"""The tests that a pack carries: short series in the notation of promtool, and the alerts that they must give.

``0.02x10`` is a value and ten more of it, as promtool counts; ``0.1+0.05x4`` rises four times from 0.1; ``_`` is a gap.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.pack_faults import Faults
from config.pack_words import milliseconds
from models.nearest import hint
from models.rules import AHEAD_COLUMNS, COLUMNS, TEXT_COLUMNS, Reads

if TYPE_CHECKING:
    from config.pack_shape import SeriesKey, TestKey

MOST = 2_000  # values in one series
USUAL_MS = 60_000
ZONES_ALONE = COLUMNS["zones"].keys() - COLUMNS["datastreams"].keys()  # a series that has one is of a zone
_NUMBER = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_PART = re.compile(rf"(?P<start>{_NUMBER}|_)(?:(?P<step>[+-]{_NUMBER.removeprefix('-?')}))?(?:x(?P<times>[0-9]+))?")


class NotationError(ValueError):
    """A series cannot be read; the message names the part and what to write."""


@dataclass(frozen=True, slots=True)
class Series:
    """What comes in at one place: ``values`` (NaN for a gap), one each ``every_ms``; other ``columns`` as long."""

    place: str
    reads: Reads
    property: str  # of datastreams or zones; the kind of events
    every_ms: int
    values: tuple[float, ...]
    columns: Mapping[str, tuple[float, ...] | str]


@dataclass(frozen=True, slots=True)
class Gives:
    """An alert that must fire between ``first_ms`` and ``last_ms`` after the start, and end by ``until_ms``."""

    alert: str
    place: str
    first_ms: int
    last_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Test:
    """A test of a pack, checked. ``starts``: local time of the start."""

    __test__ = False  # not one of pytest's
    name: str
    starts: dt.datetime
    series: tuple[Series, ...]
    gives: tuple[Gives, ...]
    never: tuple[str, ...]


def values(text: str) -> tuple[float, ...]:
    """The values of a series as written, NaN for gaps; raises ``NotationError``."""
    found: list[float] = []
    for part in text.split():
        match = _PART.fullmatch(part)
        if match is None:
            raise NotationError(f'"{part}" is no value; write 0.02, 0.02x10 (11 times), 0.1+0.05x4 (rising) or _ (gap)')
        times = int(match["times"] or 0)
        start = math.nan if match["start"] == "_" else float(match["start"])
        step = float(match["step"] or 0)
        if len(found) + times >= MOST:
            raise NotationError(f'"{part}" makes more than {MOST} values; make the series shorter')
        if times == 0 and match["step"]:
            raise NotationError(f'"{part}" rises without end; say how often, as in {part}x5')
        found += [start + step * n for n in range(times + 1)]
    if not found:
        raise NotationError(f'"{text}" has no values; write some, as in 0.02x10 0.3x5')
    return tuple(found)


def tests(
    keys: Sequence[TestKey],
    rules: Sequence[str],
    properties: Sequence[str],
    events: Sequence[str],
    cadence_ms: Mapping[str, int],
    faults: Faults,
) -> list[Test]:
    """The tests of a pack; what is wrong with them is told to ``faults``."""
    return [
        _test(key, f"tests[{number}]", rules, properties, events, cadence_ms, faults) for number, key in enumerate(keys)
    ]


def _test(
    key: TestKey,
    at: str,
    rules: Sequence[str],
    properties: Sequence[str],
    events: Sequence[str],
    cadence_ms: Mapping[str, int],
    faults: Faults,
) -> Test:
    for number, name in enumerate(key.never):
        if name not in rules:
            faults.add(f"{at}.never[{number}]", f'there is no rule "{name}"{hint(name, rules)}')
    if not key.gives and not key.never:
        faults.add(at, f'"{key.name}" asks for nothing; say which alerts it gives, or never gives')
    series = [
        _series(one, f"{at}.series[{number}]", properties, events, cadence_ms, faults)
        for number, one in enumerate(key.series)
    ]
    made = tuple(one for one in series if one is not None)
    gives = []
    for number, one in enumerate(key.gives):
        if one.alert not in rules:
            faults.add(f"{at}.gives[{number}].alert", f'there is no rule "{one.alert}"{hint(one.alert, rules)}')
        places = [given.at for given in key.series]
        if one.at not in places:
            faults.add(f"{at}.gives[{number}].at", f'no series is at "{one.at}"{hint(one.at, places)}')
        until = milliseconds(one.until) if one.until else None
        gives.append(Gives(one.alert, one.at, milliseconds(one.not_before), milliseconds(one.after), until))
    try:
        starts = dt.datetime.fromisoformat(key.starts)
    except ValueError:
        faults.add(f"{at}.starts", f'"{key.starts}" is no time; write it as 2025-07-01T08:00')
        starts = dt.datetime(2025, 7, 1, 8)  # local time, as the pack's hours are
    return Test(key.name, starts.replace(tzinfo=None), made, tuple(gives), tuple(key.never))


def _series(
    key: SeriesKey,
    at: str,
    properties: Sequence[str],
    events: Sequence[str],
    cadence_ms: Mapping[str, int],
    faults: Faults,
) -> Series | None:
    before = len(faults.lines)
    if bool(key.property) == bool(key.event):
        faults.add(at, "say what it is of: property or event, one of the two")
    elif key.property and key.property not in properties:
        faults.add(f"{at}.property", f'"{key.property}" is not watched here{hint(key.property, properties)}')
    elif key.event and key.event not in events:
        faults.add(f"{at}.event", f'"{key.event}" is not one of the pack\'s events{hint(key.event, events)}')
    numbers = _read(key.values, f"{at}.values", faults)
    known = COLUMNS["events"] if key.event else {**COLUMNS["datastreams"], **COLUMNS["zones"], **AHEAD_COLUMNS}
    columns: dict[str, tuple[float, ...] | str] = {}
    for name, given in key.columns.items():
        where = f"{at}.columns.{name}"
        if name not in known or name == "value":
            faults.add(where, f"there is no such column{hint(name, [one for one in known if one != 'value'])}")
        elif name in TEXT_COLUMNS:
            columns[name] = str(given)
        else:
            read = _read(str(given), where, faults)
            columns[name] = read * len(numbers) if len(read) == 1 else read
            if len(read) not in (1, len(numbers)) and read and numbers:
                faults.add(where, f'"{given}" has {len(read)} values, the series {len(numbers)}; write as many, or one')
    if len(faults.lines) > before:
        return None
    every = milliseconds(key.every) if key.every else cadence_ms.get(key.property, USUAL_MS)
    reads: Reads = "events" if key.event else "zones" if ZONES_ALONE & columns.keys() else "datastreams"
    return Series(key.at, reads, key.property or key.event, every, numbers, columns)


def _read(text: str, at: str, faults: Faults) -> tuple[float, ...]:
    try:
        return values(text)
    except NotationError as error:
        faults.add(at, str(error))
        return ()
