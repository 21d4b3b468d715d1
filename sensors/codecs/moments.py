"""Times as systems write them, to milliseconds since 1970-01-01 UTC; text is cut, numbers are rounded."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from functools import lru_cache

from sensors.codecs.errors import Amiss
from sensors.codecs.members import kind
from sensors.codecs.readings import EPOCH, MAX_TIME, MILLISECOND, milliseconds

_COMPACT = re.compile(r"\d{14}(\d{3})?", re.ASCII)  # YYYYMMDDhhmmss, also with milliseconds
_FULL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_LONGEST = 40


def zone_of(name: str) -> dt.tzinfo:
    """The time zone of this name; raises ``Amiss`` when there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = f"time zone {name[:80]!r} is not known; name one of the IANA time zones, such as Asia/Shanghai"
        raise Amiss("zone", name, "IANA time zone", reason) from error


def told(value: object, field: str) -> int:
    """RFC 3339 with its offset."""
    if not isinstance(value, str):
        raise Amiss(field, value, "RFC 3339", f"{field} must be RFC 3339 text, such as 2026-01-01T00:00:00Z")
    try:
        return milliseconds(value)
    except ValueError as error:
        raise _no_time(field, value, "RFC 3339 with an offset, such as 2026-01-01T00:00:00Z") from error


def local(value: object, field: str, zone: str) -> int:
    """ISO 8601 or ``YYYYMMDDhhmmss``, in ``zone`` where the text has no offset.

    A time that the clocks jump over is refused; of one that they show twice the first is meant.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise _no_time(field, value, "ISO 8601 or YYYYMMDDhhmmss")
    return _local(value.strip(), field, zone)


def formatted(value: object, field: str, form: str, zone: str) -> int:
    """Text in a format of ``strptime``, in ``zone`` where the format has no offset."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise _no_time(field, value, form)
    return _formatted(value.strip(), field, form, zone)


@lru_cache(maxsize=8192)
def _formatted(text: str, field: str, form: str, zone: str) -> int:
    try:
        moment = dt.datetime.strptime(text, form)
    except (ValueError, re.error, OverflowError) as error:
        raise _no_time(field, text, form) from error
    return _placed(moment, field, text, zone)


def stretch(value: object, field: str) -> tuple[int | None, int]:
    """Start (``None`` for a point in time) and end of RFC 3339 or of an interval ``start/end``."""
    if isinstance(value, str) and "/" in value:
        start, _, end = value.partition("/")
        return _ordered(told(start, field), told(end, field), field)
    return None, told(value, field)


def between(start: object, end: object, field: str) -> tuple[int | None, int]:
    """Start and end of an interval given apart; the end may be missing, then it is a point in time."""
    if end is None:
        return None, told(start, field)
    return _ordered(told(start, field), told(end, field), field)


def epoch(value: object, field: str, per_second: float = 1.0) -> int:
    """A number of seconds since 1970-01-01 UTC; with ``per_second`` 1000 of milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _holds(value, per_second):
        unit = "seconds" if per_second == 1 else "milliseconds"
        raise _no_time(field, value, f"{unit} since 1970-01-01 UTC")
    return round(value * 1000 / per_second)


def _holds(value: float, per_second: float) -> bool:
    return abs(value) <= MAX_TIME * per_second / 1000 if isinstance(value, int) else abs(value) * 1000 <= MAX_TIME


def _ordered(start: int, end: int, field: str) -> tuple[int | None, int]:
    if end < start:
        raise Amiss(field, start - end, 0, f"{field} ends {(start - end) / 1000:g} s before it starts; swap the two")
    return start, end


@lru_cache(maxsize=8192)
def _local(text: str, field: str, zone: str) -> int:
    return _placed(_parsed(text, field), field, text, zone)


def _placed(moment: dt.datetime, field: str, text: str, zone: str) -> int:
    """The moment in ms, its time taken as that of ``zone`` where it has none."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(zone))
        _exists(moment, field, text, zone)
    return (moment - EPOCH) // MILLISECOND


def _parsed(text: str, field: str) -> dt.datetime:
    try:
        if _COMPACT.fullmatch(text):
            moment = dt.datetime.strptime(text[:14], "%Y%m%d%H%M%S")
            return moment.replace(microsecond=int(text[14:] or 0) * 1000)
        if _FULL.fullmatch(text):
            return dt.datetime.fromisoformat(text.replace(",", ".").replace(" +", "+").replace(" -", "-"))
    except (ValueError, OverflowError) as error:
        raise _no_time(field, text, "a time that exists, as ISO 8601 or YYYYMMDDhhmmss") from error
    raise _no_time(field, text, "ISO 8601 or YYYYMMDDhhmmss")


def _exists(moment: dt.datetime, field: str, text: str, zone: str) -> None:
    try:
        there_and_back = moment.astimezone(dt.UTC).astimezone(moment.tzinfo)
    except OverflowError as error:
        raise _no_time(field, text, "a time after the year 1") from error
    if there_and_back.replace(tzinfo=None) != moment.replace(tzinfo=None):
        reason = f"{field} {text!r} does not exist in {zone}: the clocks jump over it; send times with their offset"
        raise Amiss(field, text, "a time that exists", reason)


def _no_time(field: str, value: object, limit: str) -> Amiss:
    what = repr(value[:80]) if isinstance(value, str) else f"({kind(value)})"
    return Amiss(field, value, limit, f"{field} {what} is not a time; write {limit}")
