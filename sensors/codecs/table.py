"""Tables with a declared mapping (sensors/codecs/mapping.py): CSV with a header, and JSON lines (NDJSON).

A cell that says there is no value (``missing`` in the mapping) is left out; a cell that cannot be read is a fault of
its line alone. Without a mapping the columns are the gateway's own: ``datastream``, ``time``, ``value`` and, where they
are there, ``unit``, ``lon`` and ``lat``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from sensors.codecs import mapping, members
from sensors.codecs.base import Codec, Decoded, Envelope, bounded
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Amiss, Misshapen, Undecodable, Unreadable
from sensors.codecs.readings import decode_ndjson
from sensors.codecs.readings_codec import columns_of, observations
from sensors.codecs.values import Value

DELIMITERS = ",;\t|"
COLUMNS = 4_096
_BOM = "\ufeff"


def _decode_csv(body: bytes, envelope: Envelope) -> Decoded:
    mapped = mapping.of(envelope.mapping)
    header, rows = _rows(_text(body, mapped.encoding), mapped.delimiter)
    read = mapping.reader(mapped, header, envelope)
    kept: list[Sequence[str]] = []
    decoded = Decoded(text=lambda index: _line(header, kept[index]))
    for index, (number, cells) in enumerate(rows):
        kept.append(cells)
        bounded(len(kept), envelope.limit)
        where = f"line {number}"
        try:
            if len(cells) != len(header):
                reason = f"the line has {len(cells)} cells, the header {len(header)}; quote cells that hold a delimiter"
                raise Amiss("line", len(cells), len(header), reason)
            _take(decoded, index, read(dict(zip(header, cells, strict=True))), where)
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index, where))
    decoded.count = len(kept)
    return decoded


def _take(decoded: Decoded, index: int, cells: Iterable[Value | Amiss], where: str) -> None:
    """Take in the cells of the row ``index``: what they observed, and why one gives nothing."""
    for cell in cells:
        if isinstance(cell, Amiss):
            decoded.faults.append(cell.at(index, where))
        else:
            decoded.add(index, cell)


def _text(body: bytes, encoding: str) -> str:
    try:
        return body.decode(encoding).removeprefix(_BOM)
    except (LookupError, ValueError) as error:
        if isinstance(error, UnicodeError):
            at = error.start if isinstance(error, UnicodeDecodeError) else 0
            raise Undecodable(f"not {encoding}; name the encoding in the mapping, such as gb18030", at) from error
        reason = f"encoding {encoding[:40]!r} is not known; name one such as utf-8 or gb18030"
        raise Unreadable(reason, field="mapping.encoding", value=encoding, limit="utf-8, gb18030 …") from error


def _rows(text: str, delimiter: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and the rows after it with the numbers of their lines."""
    first = text.lstrip().partition("\n")[0]
    if not first:
        raise Undecodable("the table is empty; send a header and rows", 0)
    rows = _read(io.StringIO(text, newline=""), delimiter or max(DELIMITERS, key=first.count))
    _, header = next(rows, (0, []))
    if not header:
        raise Undecodable("the table has no header; send the names of the columns first", 0)
    header = [name.strip() for name in header]
    if len(header) > COLUMNS or len(set(header)) != len(header):
        twice = next((name for name in header if header.count(name) > 1), "")[:80] if len(header) <= COLUMNS else ""
        reason = f"column {twice!r} is there twice; give each its own name" if twice else f"{len(header)} columns"
        raise Misshapen("header", len(header), COLUMNS, f"{reason} (at most {COLUMNS} columns)")
    return header, rows


def _read(text: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text, delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        number = reader.line_num
        raise Unreadable(f"line {number}: {error}; mend the quotes", field="line", value=number) from error


def _line(header: Sequence[str], cells: Sequence[str]) -> bytes:
    return members.dumps(dict(zip(header, cells, strict=False)))


def _decode_lines(body: bytes, envelope: Envelope) -> Decoded:
    if envelope.mapping is None:
        return observations(decode_ndjson(body, envelope.limit))
    mapped = mapping.of(envelope.mapping)
    bounded(body.count(b"\n"), envelope.limit + 1)
    numbered = enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    lines = [(number, line) for number, line in numbered if line.strip()]
    bounded(len(lines), envelope.limit)
    read = mapping.reader(mapped, [], envelope)
    decoded = Decoded(count=len(lines), text=lambda index: lines[index][1])
    for index, (number, line) in enumerate(lines):
        where = f"line {number}"
        try:
            _take(decoded, index, read(members.as_row(members.loads(line, 1), "line")), where)
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index, where))
        except Unreadable as error:
            decoded.faults.append(Amiss(error.field, error.value, error.limit, str(error)).at(index, where))
    return decoded


def _csv_columns(body: bytes, envelope: Envelope) -> Columns:
    return columns_of(_decode_csv(body, envelope))


def _line_columns(body: bytes, envelope: Envelope) -> Columns:
    if envelope.mapping is None:
        return decode_ndjson(body, envelope.limit)
    return columns_of(_decode_lines(body, envelope))


CSV = Codec(
    name="csv",
    title="CSV with a declared mapping",
    media=("text/csv",),
    endings=(".csv", ".tsv", ".txt"),
    decode=_decode_csv,
    columns=_csv_columns,
)
NDJSON = Codec(
    name="ndjson",
    title="JSON lines with a declared mapping, or the gateway's own",
    media=("application/x-ndjson", "application/jsonl"),
    endings=(".ndjson", ".jsonl"),
    decode=_decode_lines,
    columns=_line_columns,
)
