"""Arrow IPC streams from bytes to columns (sensors/codecs/arrow.py), with pyarrow."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sensors.codecs import members
from sensors.codecs.base import bounded
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Fault, Misshapen, Undecodable, Unreadable
from sensors.codecs.readings import MAX_TIME

NEEDED = ("datastream", "time", "value")
TOLD = ("unit", "lon", "lat")
MESSAGES = 4_096  # in one stream
FIELDS = 1_024  # in its schema
_HEADERS = {2: 0, 3: 2}  # of a message: dictionary batch and record batch, by the number of the header's type
_COMPRESSION = 3  # the field of a record batch that says its buffers are compressed
_Text = Callable[[int], bytes]


def columns(body: bytes, limit: int) -> Columns:
    """The rows of a stream of at most ``limit``; raises ``Unreadable``."""
    try:
        return _read(_table(body, limit))
    except Unreadable:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError, TypeError) as error:  # names, zones …
        raise Undecodable(f"not an Arrow IPC stream: {str(error)[:200]}", 0) from error


def _read(table: pa.Table) -> Columns:
    """The rows of the table as columns of readings."""
    for name in NEEDED:
        if name not in table.schema.names:
            there = ", ".join(table.schema.names)[:300]
            raise Misshapen(name, there, ", ".join(NEEDED), f"column {name} is not there; the stream has {there}")
    count = table.num_rows
    names = _texts(table.column("datastream"), "datastream")
    time, known = _times(table.column("time"))
    value, valued = _numbers(table.column("value"), "value")
    optional = {name: table.column(name) for name in TOLD if name in table.schema.names}
    units = _texts(optional["unit"], "unit") if "unit" in optional else None
    lon, lat = (_numbers(optional[name], name)[0] if name in optional else None for name in ("lon", "lat"))
    good = np.array([name is not None for name in names], bool) & known & valued
    faults = [_fault(row, names, known) for row in np.flatnonzero(~good).tolist()]
    if faults:
        rows = np.flatnonzero(good)
        names = [names[row] for row in rows]
        units = None if units is None else [units[row] for row in rows]
        time, value = time[rows], value[rows]
        lon, lat = (None if one is None else one[rows] for one in (lon, lat))
    return Columns(
        datastream=names,
        time=time,
        value=value,
        unit=None if units is None or units.count(None) == len(units) else units,
        lon=lon,
        lat=lat,
        index=np.flatnonzero(good),
        count=count,
        text=lambda index: members.dumps({name: str(table.column(name)[index]) for name in NEEDED}),
        faults=faults,
    )


def _table(body: bytes, limit: int) -> pa.Table:
    """The stream's rows, its buffers checked; raises ``Unreadable``, ``TooMany`` or what Arrow raises."""
    _check(body)
    with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
        names = stream.schema.names
        if len(names) > FIELDS:
            raise Misshapen("schema", len(names), FIELDS, f"the stream has {len(names)} columns, at most {FIELDS}")
        if twice := [name for name in (*NEEDED, *TOLD) if names.count(name) > 1]:
            raise Misshapen(twice[0], names.count(twice[0]), 1, f"column {twice[0]} is there twice; send it once")
        batches, rows = [], 0
        for batch in stream:
            rows = bounded(rows + batch.num_rows, limit)
            batch.validate(full=True)
            batches.append(batch)
        return pa.Table.from_batches(batches, stream.schema)


def _check(body: bytes) -> None:
    """Look at the frames of the stream before any is unpacked."""
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
        for _ in range(MESSAGES):
            metadata = reader.read_next_message().metadata.to_pybytes()
            if _compressed(metadata):
                reason = "the stream's buffers are compressed; write it without, and send the body as gzip instead"
                raise Unreadable(reason, field="compression", value="lz4 or zstd", limit="none")
        raise Unreadable(f"more than {MESSAGES} messages in one stream; send fewer, larger batches", limit=MESSAGES)
    except StopIteration:
        return
    except struct.error as error:
        raise Undecodable(f"not an Arrow IPC stream: {error}", 0) from error


def _compressed(metadata: bytes) -> bool:
    """Whether the flatbuffer of a message says that its buffers are compressed."""
    message = struct.unpack_from("<I", metadata, 0)[0]
    kind_at = _field(metadata, message, 1)
    header_at = _field(metadata, message, 2)
    kind = metadata[kind_at] if kind_at is not None and kind_at < len(metadata) else 0
    if header_at is None or kind not in _HEADERS:
        return False
    header = header_at + struct.unpack_from("<I", metadata, header_at)[0]
    if kind == 2:  # a dictionary batch holds a record batch
        inner = _field(metadata, header, 1)
        if inner is None:
            return False
        header = inner + struct.unpack_from("<I", metadata, inner)[0]
    return _field(metadata, header, _COMPRESSION) is not None


def _field(buffer: bytes, table: int, number: int) -> int | None:
    """Where the field of a flatbuffer's table lies; ``None`` where it is not set."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    if vtable < 0:
        raise struct.error("a table points before the buffer")
    size = struct.unpack_from("<H", buffer, vtable)[0]
    if 4 + 2 * number >= size:
        return None
    offset = struct.unpack_from("<H", buffer, vtable + 4 + 2 * number)[0]
    return table + offset if offset else None


def _texts(column: pa.ChunkedArray, name: str) -> list[Any]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise Misshapen(name, str(column.type), "utf8", f"column {name} is {column.type}; it must be text (utf8)")
    if pa.types.is_dictionary(column.type):
        column = column.cast(kind)  # quicker than one value at a time
    found: list[Any] = column.to_pylist()
    return found


def _numbers(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The column as float64 with NaN for null, and which rows are not null."""
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise Misshapen(name, str(kind), "a number", f"column {name} is {kind}; it must be a number, such as float64")
    valid = _valid(column)
    cast = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
    return pc.cast(cast, pa.float64(), safe=False).to_numpy().astype(np.float64, copy=False), valid


def _valid(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    if column.null_count == 0:
        return np.ones(len(column), bool)
    found: NDArray[np.bool_] = pc.is_valid(column).to_numpy()
    return found


def _times(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The column in ms since 1970-01-01 UTC, and which rows have a time that can be held."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            reason = "column time has no time zone; give it one, such as timestamp[ms, UTC]"
            raise Misshapen("time", str(kind), "timestamp with a time zone", reason)
        per_ms = {"s": 1_000.0, "ms": 1.0, "us": 1 / 1_000, "ns": 1 / 1_000_000}[kind.unit]
        column = column.cast(pa.int64())
    elif pa.types.is_int64(kind):
        per_ms = 1.0
    else:
        reason = f"column time is {kind}; it must be a timestamp with a time zone or int64 milliseconds"
        raise Misshapen("time", str(kind), "timestamp or int64", reason)
    valid = _valid(column)
    raw = pc.fill_null(column, 0).to_numpy().astype(np.int64, copy=False)
    held = valid & (np.abs(raw.astype(np.float64) * per_ms) <= MAX_TIME)
    raw = np.where(held, raw, 0)
    scaled = raw * int(per_ms) if per_ms >= 1 else raw // round(1 / per_ms)
    return scaled, held


def _fault(row: int, names: list[Any], known: NDArray[np.bool_]) -> Fault:
    if names[row] is None:
        return Fault(row, "malformed", "datastream", None, "text", "datastream is null; every row needs one")
    if not known[row]:
        limit = "a time within 2^53 ms"
        return Fault(row, "malformed", "time", None, limit, "time is null or out of range; every row needs one")
    reason = "value is null; leave the reading out when there is none"
    return Fault(row, "not-a-number", "value", None, "finite number", reason)
