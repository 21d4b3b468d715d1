"""A city's calendar from its time zone and a file of holidays and moved working days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import yaml

from models.calendar import HOLIDAY, WEEKEND, WORKDAY, Calendar

FIRST, LAST = date(2015, 1, 1), date(2035, 12, 31)
EPOCH = date(1970, 1, 1)


class CalendarError(ValueError):
    """A calendar file is missing or wrong; the message names file and key."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A calendar file: days or ``first..last`` ranges by year."""

    holidays: dict[int, list[Any]]  # each a date, or a range as text
    workdays: dict[int, list[Any]] = {}
    official_to: int | None = None  # the last year whose moved days are published


def calendar(timezone: str, holidays: Path | None) -> Calendar:
    """The calendar of ``timezone`` for 2015-2035 with the days of the file ``holidays``."""
    instants, offsets = transitions(ZoneInfo(timezone))
    first = (FIRST - EPOCH).days
    kind = _week(first, (LAST - FIRST).days + 1)
    if holidays is not None:
        listed = _read(holidays)
        for name, years, what in (("holidays", listed.holidays, HOLIDAY), ("workdays", listed.workdays, WORKDAY)):
            for year, entries in years.items():
                for day in _days(entries, holidays, f"{name}.{year}", year):
                    kind[(day - EPOCH).days - first] = what
    return Calendar(np.array(instants, np.int64), np.array(offsets, np.int64), first, kind)


def transitions(zone: ZoneInfo) -> tuple[list[int], list[int]]:
    """Instants (ms UTC) from which an offset (ms) holds, from FIRST to LAST; the first entry is FIRST itself."""
    start, end = (int(datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp()) for d in (FIRST, LAST))
    instants, offsets = [start * 1000], [_offset_s(zone, start) * 1000]
    for day in range(start, end, 86_400):
        if _offset_s(zone, day) != _offset_s(zone, day + 86_400):
            low, high = day, day + 86_400  # seconds; the offset changes once between them
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset_s(zone, middle) == _offset_s(zone, day) else (low, middle)
            instants.append(high * 1000)
            offsets.append(_offset_s(zone, high) * 1000)
    return instants, offsets


def _offset_s(zone: ZoneInfo, instant_s: int) -> int:
    offset = datetime.fromtimestamp(instant_s, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _week(first: int, days: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Day kinds by the day of the week alone; day 0, 1970-01-01, was a Thursday."""
    return np.where((np.arange(first, first + days) + 3) % 7 >= 5, WEEKEND, WORKDAY).astype(np.uint8)


def _read(path: Path) -> _File:
    try:
        return msgspec.convert(yaml.safe_load(path.read_text("utf-8")), _File)
    except FileNotFoundError as error:
        raise CalendarError(f"{path}: there is no such calendar; add the file or remove the key calendar") from error
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise CalendarError(f"{path}: {error}") from error


def _days(entries: Iterable[Any], path: Path, key: str, year: int) -> Iterable[date]:
    for entry in entries:
        for day in _range(entry, path, key):
            if day.year != year or not FIRST <= day <= LAST:
                raise CalendarError(f"{path}: {key}: {day} is not in {year}, or outside {FIRST}..{LAST}")
            yield day


def _range(entry: Any, path: Path, key: str) -> list[date]:
    if isinstance(entry, date):
        return [entry]
    try:
        first, last = (date.fromisoformat(part) for part in str(entry).split(".."))
    except ValueError as error:
        raise CalendarError(f"{path}: {key}: {entry!r} is neither a day nor a range 2025-01-28..2025-02-04") from error
    if last < first:
        raise CalendarError(f"{path}: {key}: {entry!r} ends before it begins")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
