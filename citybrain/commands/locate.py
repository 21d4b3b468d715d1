"""``citybrain locate``: the district and zones of each row of a CSV with lon and lat."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from config import city as cities
from config.city import City
from geo.crs import convert, named

CHUNK = 100_000  # rows placed at once
ADDED = ("district", "district_code", "zones")
SHOWN = 5  # bad rows told one by one
STDIN = Path("-")


class LocateError(ValueError):
    """The file cannot be placed; the message names the file, the row, what is there and what is needed."""


@dataclass
class _Said:
    """What is said at the end."""

    rows: int = 0
    outside: int = 0
    bad: int = 0


def run(
    city: str,
    file: Path | None = None,
    crs: str = "wgs84",
    output: Path | None = None,
    lon: str = "lon",
    lat: str = "lat",
) -> int:
    """Add district, district_code and zones to the rows of ``file`` (None or ``-``: standard input); exit code 0.

    ``crs`` is the system of the columns ``lon`` and ``lat``. ``district`` is the name in the city's language, ``zones``
    the ids of all zones that contain the point, separated by ``;``. A row without a usable position gets empty fields
    and is told on standard error. Raises ``LocateError``, ``CityError`` or ``CrsError``.
    """
    system, place = named(crs), cities.load(city)
    name = "standard input" if file is None or file == STDIN else str(file)
    if output is not None and file is not None and output.exists() and file.exists() and output.samefile(file):
        raise LocateError(f"-o {output} is the file that is read; name another one")
    said = _Said()
    with _opened(file) as lines, _target(output) as target:
        reader, writer = csv.reader(lines), csv.writer(target, lineterminator="\n")
        try:
            header = [column.strip() for column in next(reader, [])]
            at = _header(header, name, (lon, lat))
            writer.writerow([*header, *ADDED])
            numbered = ((reader.line_num, row) for row in reader if row)
            while rows := list(islice(numbered, CHUNK)):
                writer.writerows(_placed(place, rows, at, system, said))
        except csv.Error as error:
            raise LocateError(f"{name} line {reader.line_num} is not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise LocateError(f"{name} is not UTF-8 text: {error}") from error
    outside = f"{said.outside} outside all districts, {said.bad} without a usable position"
    print(f"{name}: {said.rows} rows, {outside}", file=sys.stderr)
    return 0


def _header(header: list[str], name: str, wanted: tuple[str, str]) -> tuple[int, int, int]:
    """Check the header; the places of lon and lat, and the number of columns."""
    if not header:
        raise LocateError(f"{name} is empty; it needs a header with {wanted[0]},{wanted[1]}")
    for option, column in zip(("--lon", "--lat"), wanted, strict=True):
        if column not in header:
            raise LocateError(f"{name} has no column {column!r} but {header}; name the right one with {option}")
    taken = [column for column in ADDED if column in header]
    if taken:
        raise LocateError(f"{name} has the columns {taken} already; rename them, they would be there twice")
    return header.index(wanted[0]), header.index(wanted[1]), len(header)


def _placed(
    city: City, rows: list[tuple[int, list[str]]], at: tuple[int, int, int], crs: str, said: _Said
) -> Iterator[list[str]]:
    """The rows, each given with its line, with what was found."""
    lon, lat = (np.array([_degrees(row, column) for _, row in rows], np.float64) for column in at[:2])
    usable = (np.abs(lon) <= 180) & (np.abs(lat) <= 90) & ((lon != 0) | (lat != 0))
    for n in np.flatnonzero(~usable).tolist():
        said.bad += 1
        if said.bad <= SHOWN:
            print(f"line {rows[n][0]}: {_fault(rows[n][1], at, lon[n], lat[n])}", file=sys.stderr)
    x, y = convert(np.where(usable, lon, np.nan), np.where(usable, lat, np.nan), crs, "wgs84")
    hits = city.geo.containing(x, y)
    offsets, district = hits.offsets(len(x)), city.geo.districts_of(hits, len(x))
    said.rows += len(rows)
    said.outside += int((district[usable] < 0).sum())
    labels = _labels(city)
    for n, (_, row) in enumerate(rows):
        inside = hits.zone[offsets[n] : offsets[n + 1]].tolist()
        padded = row + [""] * (at[2] - len(row))
        yield [*padded, *labels[district[n]], ";".join(city.zones[zone].id for zone in inside)]


def _labels(city: City) -> list[tuple[str, str]]:
    """Name and code of each zone as a district; the last, which -1 finds, are empty."""
    named_ = [(zone.name.zh if city.language == "zh" else zone.name.en, zone.adcode or zone.id) for zone in city.zones]
    return [*named_, ("", "")]


def _degrees(row: Sequence[str], column: int) -> float:
    try:
        return float(row[column])
    except (ValueError, IndexError):
        return float("nan")  # told with its line by _fault


def _fault(row: Sequence[str], at: tuple[int, int, int], lon: float, lat: float) -> str:
    """What is wrong with the position."""
    if lon == 0 and lat == 0:
        return "lon 0, lat 0 is what a device sends that does not know its place"
    if np.isfinite(lon) and np.isfinite(lat):
        swapped = "; are lon and lat swapped?" if abs(lon) <= 90 and abs(lat) <= 180 else ""
        return f"lon {lon:g}, lat {lat:g} is no place on earth{swapped}"
    given = [row[column] if column < len(row) else "" for column in at[:2]]
    return f"lon {given[0]!r}, lat {given[1]!r} are not both numbers"


@contextmanager
def _opened(file: Path | None) -> Iterator[IO[str]]:
    if file is None or file == STDIN:
        yield io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig", newline="")
        return
    try:
        stream = file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise LocateError(f"{file} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


@contextmanager
def _target(output: Path | None) -> Iterator[IO[str]]:
    """Where the rows go: whole to ``output`` or not at all, or to standard output as they come."""
    if output is None:
        yield sys.stdout
        return
    part = output.with_name(output.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as target:
            yield target
        part.replace(output)
    except OSError as error:
        raise LocateError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
