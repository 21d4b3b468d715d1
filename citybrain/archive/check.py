"""Whether the archive is complete: every offset once, every file whole and readable, of a version that is known.

What a torn file left is repaired: its messages are read again from the broker's log where they are there still. Where
nobody has them any more an empty file stands for their offsets and says so, so that the loss is known for good and
everything else goes on.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.archive import files
from citybrain.archive.files import Group, Part
from streams.archive import MESSAGES_SCHEMA, READINGS_SCHEMA, alone

Again = Callable[[str, int, int, int], bool]  # topic, partition, first, next: read from the log and written; was it?


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with offsets ``first`` to ``next - 1`` of a partition, in words with the remedy."""

    topic: str
    partition: int
    first: int
    next: int
    kind: str  # gap, double, torn, incomplete, version
    words: str
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: ``partitions`` looked at, ``offsets`` that are there, ``files``, ``lost`` offsets, faults."""

    partitions: int
    offsets: int
    files: int
    rows: int
    lost: int
    faults: tuple[Fault, ...]


def check(archive: Path) -> Report:
    """Look at every file of every topic."""
    partitions = offsets = count = rows = lost = 0
    faults: list[Fault] = []
    for folder in _topics(archive):
        for number, some in groupby(files.groups(folder), lambda group: group.partition):
            groups = list(some)
            partitions += 1
            count += sum(len(group.parts) for group in groups)
            offsets += sum(group.next - group.first for group in groups)
            for group in groups:
                found = _of_group(folder.name, group)
                faults += found
                if not found:
                    size, gone = _size(group)
                    rows, lost = rows + size, lost + gone
            faults += _breaks(folder.name, number, groups)
    return Report(partitions, offsets, count, rows, lost, tuple(faults))


def repair(archive: Path, found: Report, again: Again | None = None) -> list[str]:
    """Mend what can be mended; what was done, in words. ``again`` reads messages from the log once more."""
    done = []
    for fault in found.faults:
        if fault.kind in ("torn", "incomplete"):
            done.append(_mended(archive / fault.topic, fault, again))
        elif fault.kind == "gap":
            done.append(_filled(archive / fault.topic, fault, again))
    return done


def _topics(archive: Path) -> list[Path]:
    if not archive.exists():
        return []
    return sorted(path for path in archive.iterdir() if path.is_dir() and not path.name.startswith("."))


def _of_group(topic: str, group: Group) -> list[Fault]:
    paths = tuple(part.path for part in group.parts)
    if not group.whole and not group.moved_away:
        words = f"{len(group.parts)} of {group.of} files of offsets {group.first} to {group.next - 1} are there"
        return [Fault(topic, group.partition, group.first, group.next, "incomplete", words, paths)]
    found = []
    for part in group.parts:
        why = files.fault(part.path) or _outside(part)
        if why:
            kind = "version" if "schema" in why else "torn"
            found.append(Fault(topic, group.partition, group.first, group.next, kind, why, paths))
    return found


def _outside(part: Part) -> str:
    """Whether a file has offsets that are not its own, or cannot be read to its end; empty when all is well."""
    try:
        with pq.ParquetFile(part.path) as file:
            for number in range(file.num_row_groups):
                offsets = file.read_row_group(number)["offset"].to_numpy()
                if not len(offsets):
                    continue
                low, high = int(offsets.min()), int(offsets.max())
                if low < part.first or high >= part.next:
                    return f"{part.path} holds offsets {low} to {high}, its name says {part.first} to {part.next - 1}"
    except (OSError, pa.ArrowException) as error:
        return files.torn(part.path, error)
    return ""


def _size(group: Group) -> tuple[int, int]:
    """The rows of a group, and how many of its offsets are known to be lost."""
    footers = [pq.read_metadata(part.path) for part in group.parts]
    gone = any(files.LOST_KEY in (footer.metadata or {}) for footer in footers)
    return sum(footer.num_rows for footer in footers), group.next - group.first if gone else 0


def _breaks(topic: str, partition: int, groups: list[Group]) -> list[Fault]:
    found = []
    for one, two in pairwise(groups):
        if two.first > one.next:
            words = f"{topic} p{partition}: offsets {one.next} to {two.first - 1} are missing; run it with --repair"
            found.append(Fault(topic, partition, one.next, two.first, "gap", words))
        elif two.first < one.next:
            last = min(one.next, two.next)
            words = (
                f"{topic} p{partition}: offsets {two.first} to {last - 1} are there twice, in "
                f"{one.parts[0].path.name} and {two.parts[0].path.name}; set one of the two aside"
            )
            found.append(Fault(topic, partition, two.first, last, "double", words))
    return found


def _mended(folder: Path, fault: Fault, again: Again | None) -> str:
    """Set the torn group's files aside and write its messages again, or leave word that they are lost."""
    aside = folder.parent / ".torn" / folder.name
    aside.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        for path in fault.paths:
            if path.exists():
                path.replace(aside / f"{path.parent.name}-{path.name}")
    return f"set {len(fault.paths)} files aside in {aside}; " + _filled(folder, fault, again)


def _filled(folder: Path, fault: Fault, again: Again | None) -> str:
    named = f"{fault.topic} p{fault.partition}, offsets {fault.first} to {fault.next - 1}"
    if again is not None and again(fault.topic, fault.partition, fault.first, fault.next):
        return f"{named}: read again from the log"
    _leave_word(folder, fault)
    return f"{named}: the log has them no more; noted as lost"


def _leave_word(folder: Path, fault: Fault) -> None:
    """An empty file in the place of messages that nobody has."""
    schema = READINGS_SCHEMA if folder.name == "readings" else MESSAGES_SCHEMA
    when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").encode()
    empty = pa.schema(schema, {**(schema.metadata or {}), files.LOST_KEY: when}).empty_table()
    days = sorted({path.parent.name for path in fault.paths}) or [f"day={dt.datetime.now(dt.UTC):%Y-%m-%d}"]
    name = f"p{fault.partition}-{fault.first:020d}-{fault.next:020d}-0of1.parquet"
    with alone(folder):
        place = folder / days[0]
        place.mkdir(parents=True, exist_ok=True)
        part = folder / f"{name}.part"
        with part.open("wb") as file:
            pq.write_table(empty, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(place / name)
