"""What ``citybrain scan`` reads: places, cases and alerts as CSV, every row checked and named by its line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from citybrain.commands.csv_text import NUL, REMEDY, delimiter
from citybrain.commands.scan_dates import Dates, Periods

MOST = 1_000_000_000  # of one count, population or baseline
FAR = 1e12  # of one coordinate
SHOWN = 5  # names told of many

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


class ScanError(ValueError):
    """The files cannot be scanned; the message names the file, the line, what is there and what is needed."""


@dataclass(frozen=True, eq=False)
class Places:
    """The places: ids, points (places, 2), whether these are degrees, and population and baseline (places,) or None."""

    ids: list[str]
    points: Float64
    degrees: bool
    population: Float64 | None
    baseline: Float64 | None


@dataclass(frozen=True, eq=False)
class Cases:
    """The cases: place (row of the places), period, stream (row of ``streams``) and count, each (rows,) int64;
    ``text`` what people wrote, or None; ``baseline`` and ``population`` (rows,) or None. ``periods`` names periods,
    or is None when the file has no dates; then all are period 0."""

    place: Int64
    period: Int64
    stream: Int64
    count: Int64
    streams: list[str]
    text: list[str] | None
    baseline: Float64 | None
    population: Float64 | None
    periods: Periods | None

    def until(self, latest: int) -> Cases:
        """The cases up to the period ``latest``."""
        keep = self.period <= latest
        return Cases(
            self.place[keep],
            self.period[keep],
            self.stream[keep],
            self.count[keep],
            self.streams,
            None if self.text is None else [text for text, held in zip(self.text, keep, strict=True) if held],
            None if self.baseline is None else self.baseline[keep],
            None if self.population is None else self.population[keep],
            self.periods,
        )


@dataclass(frozen=True, eq=False)
class Alerts:
    """Live alerts: their names and points (alerts, 2)."""

    names: list[str]
    points: Float64


def read_places(file: Path) -> Places:
    """The places of a CSV place,lon,lat or place,x,y, with population or baseline or neither."""
    with _table(file) as (header, rows):
        degrees = "lon" in header or "lat" in header
        pair = ("lon", "lat") if degrees else ("x", "y")
        if not degrees and ("x" not in header or "y" not in header):
            raise ScanError(f"{file} has no columns lon,lat (or x,y) but {header}")
        at = _columns(file, header, ("place", *pair))
        extra = {name: header.index(name) for name in ("population", "baseline") if name in header}
        lines: dict[str, int] = {}
        points: list[tuple[float, float]] = []
        weights: dict[str, list[float]] = {name: [] for name in extra}
        for line, cells in rows:
            name, where = cells[at[0]], f"{file} line {line}"
            if not name:
                raise ScanError(f"{where} names no place; give each place a name")
            if name in lines:
                raise ScanError(f"{where}: place {name!r} is on line {lines[name]} already; keep one of them")
            lines[name] = line
            points.append(_point(cells[at[1]], cells[at[2]], pair, where))
            for what, column in extra.items():
                weights[what].append(_weight(cells[column], f"{where}: {what} of place {name!r}"))
    if len(points) < 2:
        raise ScanError(f"{file} has {len(points)} places; a scan compares places with each other and needs at least 2")
    known = {name: np.array(numbers) for name, numbers in weights.items()}
    for name, numbers in known.items():
        if numbers.sum() <= 0.0:
            raise ScanError(f"{file}: every {name} is 0; at least one place needs more")
    return Places(list(lines), np.array(points), degrees, known.get("population"), known.get("baseline"))


@dataclass
class _Columns:
    """The columns of the cases as they are read."""

    place: list[int] = field(default_factory=list)
    stream: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    weights: dict[str, list[float]] = field(default_factory=dict)


def read_cases(file: Path, places: Places, period: str | None, dated: bool) -> Cases:
    """The cases of a CSV place,date,count, with category, text, baseline and population where there are such columns.

    ``period`` is hour, day, week, month or year; None takes what the dates are written in. Unless ``dated`` the column
    of dates may be missing.
    """
    row_of = {name: row for row, name in enumerate(places.ids)}
    read, dates = _Columns(), Dates(str(file))
    streams: dict[str, int] = {}
    with _table(file) as (header, rows):
        has_date = dated or "date" in header
        at = _columns(file, header, ("place", "count", "date")[: 3 if has_date else 2])
        category, text = (header.index(name) if name in header else None for name in ("category", "text"))
        extra = {name: header.index(name) for name in ("baseline", "population") if name in header}
        read.weights = {name: [] for name in extra}
        for line, cells in rows:
            where = f"{file} line {line}"
            name = cells[at[0]]
            if name not in row_of:
                raise ScanError(
                    f"{where}: place {name!r} is not among the {len(row_of)} places; add it or mend the name"
                )
            read.place.append(row_of[name])
            read.count.append(_count(cells[at[1]], where))
            if has_date:
                dates.add(cells[at[2]], where)
            read.stream.append(streams.setdefault(cells[category] if category is not None else "", len(streams)))
            if text is not None:
                read.text.append(cells[text])
            for what, column in extra.items():
                read.weights[what].append(_weight(cells[column], f"{where}: {what}"))
    if not read.place:
        raise ScanError(f"{file} has a header but no rows; there is nothing to scan")
    numbers, periods = dates.numbered(period) if has_date else (np.zeros(len(read.place), np.int64), None)
    order = sorted(streams)
    rank = np.array([order.index(name) for name in streams], np.int64)
    weights = {name: np.array(column) for name, column in read.weights.items()}
    return Cases(
        np.array(read.place, np.int64),
        numbers,
        rank[np.array(read.stream, np.int64)],
        np.array(read.count, np.int64),
        order,
        read.text if text is not None else None,
        weights.get("baseline"),
        weights.get("population"),
        periods,
    )


def read_alerts(file: Path, degrees: bool) -> Alerts:
    """The alerts of a CSV alert,lon,lat (or alert,x,y as the places have it)."""
    pair = ("lon", "lat") if degrees else ("x", "y")
    names, points = [], []
    with _table(file) as (header, rows):
        at = _columns(file, header, ("alert", *pair))
        for line, cells in rows:
            names.append(cells[at[0]])
            points.append(_point(cells[at[1]], cells[at[2]], pair, f"{file} line {line}"))
    return Alerts(names, np.array(points, np.float64).reshape(-1, 2))


def few(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


@contextmanager
def _table(file: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """The header, and the rows with their lines; as wide as the header, blank lines left out, spaces trimmed."""
    try:
        stream = file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise ScanError(f"{file} cannot be read: {error.strerror}") from error
    with stream:
        first = _first(file, stream)
        reader = csv.reader(chain([first], stream), delimiter=delimiter(first))
        try:
            header = [name.strip().lower() for name in next(reader, [])]
            if not any(header):
                raise ScanError(f"{file} is empty; it needs a header and rows")
            yield header, _rows(file, reader, len(header))
        except csv.Error as error:
            raise ScanError(f"{file} line {reader.line_num} is not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise _not_text(file, error) from error


def _first(file: Path, stream: Iterator[str]) -> str:
    """The first line, which shows what parts the columns; empty where there is none."""
    try:
        first = next(stream, "")
    except UnicodeDecodeError as error:
        raise _not_text(file, error) from error
    if NUL in first:
        raise ScanError(f"{file} line 1 has a NUL character; {REMEDY}")
    return first


def _not_text(file: Path, error: UnicodeDecodeError) -> ScanError:
    """What is said of bytes that are no UTF-8."""
    return ScanError(f"{file} is not UTF-8 text: {error}; save it as UTF-8")


def _rows(file: Path, reader: Iterator[list[str]], width: int) -> Iterator[tuple[int, list[str]]]:
    for cells in reader:
        if not any(cells):
            continue
        line: int = reader.line_num  # type: ignore[attr-defined]  # csv readers have it, their type has no public name
        if len(cells) != width:
            raise ScanError(f"{file} line {line} has {len(cells)} columns, the header {width}")
        if any(NUL in cell for cell in cells):
            raise ScanError(f"{file} line {line} has a NUL character; {REMEDY}")
        yield line, [cell.strip() for cell in cells]


def _columns(file: Path, header: list[str], wanted: Sequence[str]) -> list[int]:
    """Where the columns are."""
    for name in wanted:
        if header.count(name) != 1:
            fault = "no column" if name not in header else f"{header.count(name)} columns"
            raise ScanError(f"{file} has {fault} {name!r}, but {','.join(header)}; it needs {' and '.join(wanted)}")
    return [header.index(name) for name in wanted]


def _point(first: str, second: str, names: tuple[str, str], where: str) -> tuple[float, float]:
    """Two coordinates."""
    numbers = _number(first), _number(second)
    if not all(map(math.isfinite, numbers)):
        raise ScanError(f"{where}: {names[0]} {first!r}, {names[1]} {second!r} are not both numbers")
    if names == ("lon", "lat") and (abs(numbers[0]) > 180 or abs(numbers[1]) > 90):
        raise ScanError(
            f"{where}: lon {first}, lat {second} is no place on earth; name the columns x,y if they are no degrees"
        )
    if max(map(abs, numbers)) > FAR:
        raise ScanError(f"{where}: {names[0]} {first}, {names[1]} {second} is farther than {FAR:g}; mend it")
    return numbers


def _number(text: str) -> float:
    """The number, NaN where there is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan  # told with its line by those who ask


def _weight(text: str, what: str) -> float:
    """A population or a baseline."""
    number = _number(text)
    if not text:
        raise ScanError(f"{what} is missing; give each row a number, 0 where nobody is")
    if not math.isfinite(number):
        raise ScanError(f"{what} is {text!r}, no number")
    if not 0.0 <= number <= MOST:
        raise ScanError(f"{what} is {text}; it must be from 0 to {MOST:,}")
    return number


def _count(text: str, where: str) -> int:
    """A count of cases."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    number = _number(text)
    if not text:
        raise ScanError(f"{where}: the count is missing; write 0 where there were no cases")
    if not math.isfinite(number):
        raise ScanError(f"{where}: count {text!r} is no number")
    if not 0 <= number <= MOST:
        raise ScanError(f"{where}: count {text} must be from 0 to {MOST:,}")
    if number != int(number):
        raise ScanError(f"{where}: count {text} is not whole; cases are counted, round them first")
    return int(number)
