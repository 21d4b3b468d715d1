"""Readings as JSON: a list of objects, columns, or one object a line (NDJSON).

``{"readings": [{"datastream", "time", "value", "unit"?, "lon"?, "lat"?}, …]}`` or the bare list,
``{"datastream": […], "time": […], "value": […], "unit"?, "lon"?, "lat"?}``. ``time`` is RFC 3339 with its offset, or
milliseconds since 1970-01-01 UTC. Other members are left alone.

What can be read at once is; where one row is amiss (``NaN``, which is no JSON, text in place of a number) the rows are
read one by one, so that it spoils no other.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from sensors.codecs import members
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Amiss, Fault, Misshapen, TooMany, Undecodable
from sensors.problems import shown

MAX_TIME = 2**53  # integers beyond it are not the same number in every JSON reader
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
NESTING = 8  # objects and arrays a reading may hold on average before the whole is refused unread

_Time = Annotated[int, msgspec.Meta(ge=-MAX_TIME, le=MAX_TIME)] | str
_Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Reading(msgspec.Struct, gc=False, omit_defaults=True):
    """One reading as sent."""

    datastream: str
    time: _Time
    value: float
    unit: str | None = None
    lon: float | None = None
    lat: float | None = None


class _Rows(msgspec.Struct, gc=False):
    readings: list[Reading]


class _Table(msgspec.Struct, gc=False):
    datastream: list[str]
    time: list[_Time]
    value: list[float]
    unit: list[str | None] | UnsetType = UNSET
    lon: list[float | None] | UnsetType = UNSET
    lat: list[float | None] | UnsetType = UNSET


_list = msgspec.json.Decoder(list[Reading])
_rows = msgspec.json.Decoder(_Rows)
_table = msgspec.json.Decoder(_Table)
_line = msgspec.json.Decoder(Reading)
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=8192)
def milliseconds(text: str) -> int:
    """RFC 3339 with an offset as ms since 1970-01-01 UTC, cut to the millisecond; raises ``ValueError`` otherwise."""
    try:
        return (msgspec.convert(text, _Moment) - EPOCH) // MILLISECOND
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def decode_json(body: bytes, limit: int) -> Columns:
    """The readings in a JSON body of at most ``limit`` rows.

    Raises ``Undecodable`` when it is no JSON, ``Misshapen`` when it is JSON of another shape, ``TooMany``.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        if body.lstrip()[:1] == b"[":
            return _from_readings(_list.decode(body), limit)
        try:
            return _from_readings(_rows.decode(body).readings, limit)
        except msgspec.ValidationError:
            return _from_table(_table.decode(body), limit)
    except TooMany:
        raise
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _one_by_one(_frame(body, limit), limit)


def decode_ndjson(body: bytes, limit: int) -> Columns:
    """The readings in a body of one JSON object a line; a line that is no JSON is a fault of that row alone.

    Raises ``TooMany`` when there are more than ``limit`` lines.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    if (lines := body.count(b"\n")) > limit + 1:
        raise TooMany(lines, limit)
    try:
        return _from_readings(_line.decode_lines(body), limit)
    except TooMany:
        raise
    except (msgspec.DecodeError, ValueError, RecursionError):
        _bounded_nesting(body, limit)
        return _line_by_line([line for line in body.split(b"\n") if line.strip()], limit)


# --- at once ----------------------------------------------------------------------------------------------------


def _from_readings(readings: Sequence[Reading], limit: int) -> Columns:
    index = np.arange(len(readings))
    return _columns(readings, index, _bounded(len(readings), limit), lambda row: _encode(readings[row]), [])


def _columns(
    readings: Sequence[Reading],
    index: NDArray[np.int64],
    count: int,
    text: Callable[[int], bytes],
    faults: list[Fault],
) -> Columns:
    return Columns(
        datastream=[reading.datastream for reading in readings],
        time=_times([reading.time for reading in readings]),
        value=np.array([reading.value for reading in readings], np.float64),
        unit=_given([reading.unit for reading in readings]),
        lon=_degrees([reading.lon for reading in readings]),
        lat=_degrees([reading.lat for reading in readings]),
        index=index,
        count=count,
        text=text,
        faults=faults,
    )


def _from_table(table: _Table, limit: int) -> Columns:
    count = _bounded(len(table.datastream), limit)
    _same_length({name: column for name in Reading.__struct_fields__ if (column := getattr(table, name)) is not UNSET})
    return Columns(
        datastream=table.datastream,
        time=_times(table.time),
        value=np.array(table.value, np.float64),
        unit=None if table.unit is UNSET else _given(table.unit),
        lon=None if table.lon is UNSET else _degrees(table.lon),
        lat=None if table.lat is UNSET else _degrees(table.lat),
        index=np.arange(count),
        count=count,
        text=lambda row: _encode(_row_of(table, row)),
    )


def _row_of(table: _Table, row: int) -> Reading:
    given = {name: column for name in Reading.__struct_fields__ if (column := getattr(table, name)) is not UNSET}
    return Reading(**{name: column[row] for name, column in given.items()})


def _times(times: Sequence[int | str]) -> NDArray[np.int64]:
    return np.array([time if type(time) is int else milliseconds(time) for time in times], np.int64)


def _given(units: Sequence[str | None]) -> Sequence[str | None] | None:
    return None if units.count(None) == len(units) else units


def _degrees(numbers: Sequence[float | None]) -> NDArray[np.float64] | None:
    return None if numbers.count(None) == len(numbers) else np.array(numbers, np.float64)


def _bounded(count: int, limit: int) -> int:
    if count > limit:
        raise TooMany(count, limit)
    return count


def _same_length(columns: dict[str, Any]) -> None:
    count = len(columns["datastream"])
    for name, column in columns.items():
        if len(column) != count:
            raise Misshapen(name, len(column), count, f"column {name} has {len(column)} rows, datastream {count}")


# --- row by row -------------------------------------------------------------------------------------------------


def _frame(body: bytes, limit: int) -> list[object]:
    """The rows of a JSON body as Python objects; ``NaN`` and ``Infinity`` are read as numbers."""
    _bounded_nesting(body, limit)
    frame = members.lenient(body)
    if isinstance(frame, dict) and "readings" not in frame:
        return _table_rows(frame, limit)
    rows = frame["readings"] if isinstance(frame, dict) else frame
    if not isinstance(rows, list):
        raise Misshapen("readings", shown(rows), "array", "readings must be an array of objects")
    _bounded(len(rows), limit)
    return rows


def _bounded_nesting(body: bytes, limit: int) -> None:
    if (nested := body.count(b"{") + body.count(b"[")) > NESTING * (limit + NESTING):
        raise TooMany(nested, NESTING * (limit + NESTING), "objects and arrays")


def _table_rows(table: dict[str, object], limit: int) -> list[object]:
    for name in ("datastream", "time", "value"):
        if name not in table:
            raise Misshapen(name, None, "array", f"neither readings nor the column {name} is there")
    columns: dict[str, list[object]] = {}
    for name in Reading.__struct_fields__:
        column = table.get(name, [])
        if not isinstance(column, list):
            raise Misshapen(name, shown(column), "array", f"column {name} must be an array")
        if name in table:
            columns[name] = column
    _bounded(len(columns["datastream"]), limit)
    _same_length(columns)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _one_by_one(rows: list[object], limit: int) -> Columns:
    readings, index, faults = [], [], []
    for place, row in enumerate(rows):
        try:
            readings.append(_reading(row))
            index.append(place)
        except Amiss as amiss:
            faults.append(amiss.at(place))
    return _columns(readings, np.array(index, np.int64), len(rows), lambda place: _dumps(rows[place]), faults)


def _line_by_line(lines: list[bytes], limit: int) -> Columns:
    _bounded(len(lines), limit)
    readings, index, faults = [], [], []
    for place, line in enumerate(lines):
        try:
            readings.append(_reading(members.lenient(line)))
            index.append(place)
        except Undecodable as error:
            text = line.decode(errors="replace")
            faults.append(Fault(place, "malformed", "", shown(text), "JSON", f"line {place + 1}: {error}"))
        except Amiss as amiss:
            faults.append(amiss.at(place))
    return _columns(readings, np.array(index, np.int64), len(lines), lambda place: lines[place], faults)


def _reading(row: object) -> Reading:
    if not isinstance(row, dict):
        raise Amiss("", row, "object", f"a reading must be an object, this is {_kind(row)}")
    return Reading(_datastream(row), _time(row), _value(row), _unit(row), _position(row, "lon"), _position(row, "lat"))


def _datastream(row: dict[str, object]) -> str:
    name = row.get("datastream")
    if not isinstance(name, str):
        limit = "<asset>/<property>"
        raise Amiss("datastream", name, limit, f"datastream must be text, this is {_kind(name)}")
    return name


def _time(row: dict[str, object]) -> int:
    time = row.get("time")
    if isinstance(time, str):
        try:
            return milliseconds(time)
        except ValueError as error:
            reason = f"time {shown(time)!r} is not RFC 3339 with an offset, such as 2026-01-01T00:00:00Z"
            raise Amiss("time", time, "RFC 3339", reason) from error
    if not isinstance(time, int) or isinstance(time, bool) or abs(time) > MAX_TIME:
        reason = f"time must be RFC 3339 text or whole milliseconds since 1970, this is {_kind(time)}"
        raise Amiss("time", time, "RFC 3339 or integer", reason)
    return time


def _value(row: dict[str, object]) -> float:
    value = row.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        reason = f"value must be a number, this is {_kind(value)}; leave the reading out when there is none"
        raise Amiss("value", value, "finite number", reason, "not-a-number")
    return float(value)


def _unit(row: dict[str, object]) -> str | None:
    unit = row.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise Amiss("unit", unit, "text", f"unit must be text, this is {_kind(unit)}")
    return unit


def _position(row: dict[str, object], name: str) -> float | None:
    degrees = row.get(name)
    if degrees is None:
        return None
    if isinstance(degrees, bool) or not isinstance(degrees, int | float) or math.isnan(degrees):
        raise Amiss(name, degrees, "degrees", f"{name} must be degrees, this is {_kind(degrees)}", "position")
    return float(degrees)


def _kind(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    kinds = {dict: "an object", list: "an array", str: "text", bool: "a truth value", type(None): "missing or null"}
    return kinds.get(type(value), "a number")


def _dumps(row: object) -> bytes:
    try:
        return json.dumps(row, separators=(",", ":")).encode()
    except RecursionError:
        return b'"nested too deeply to be kept"'
