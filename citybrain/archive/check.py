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
from citybrain.archive.store import Store, StoreError
from streams import archive_files
from streams.archive import MESSAGES_SCHEMA, READINGS_SCHEMA, alone
from streams.archive_files import Group, Part

Again = Callable[[str, int, int, int], bool]  # topic, partition, first, next: read from the log and written; was it?


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with offsets ``first`` to ``next - 1`` of a partition, in words with the remedy."""

    topic: str
    partition: int
    first: int
    next: int
    kind: str  # gap, double, torn, incomplete, version, store
    words: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: ``partitions`` looked at, ``offsets`` that are there, ``files``, ``lost`` offsets, faults."""

    partitions: int
    offsets: int
    files: int
    rows: int
    lost: int
    faults: tuple[Fault, ...]


def check(archive: Path, store: Store | None = None) -> Report:
    """Look at every file of every topic; of those in a store at their footers."""
    partitions = offsets = count = rows = lost = 0
    faults: list[Fault] = []
    try:
        there = {} if store is None else {topic: store.parts(topic) for topic in store.topics()}
    except StoreError as error:
        there = {}
        faults.append(Fault("", 0, 0, 0, "store", str(error)))
    for topic in sorted({folder.name for folder in _topics(archive)} | there.keys()):
        folder = archive / topic
        here = archive_files.parts(folder)
        known = {(part.day, part.path.name) for part in here}
        every = [*here, *(part for part in there.get(topic, ()) if (part.day, part.path.name) not in known)]
        for number, some in groupby(archive_files.groups(every), lambda group: group.partition):
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
    """Mend what can be mended; what was done, in words. ``again`` reads messages from the log once more.

    What lies in a store stays as it is; while the store does not answer nothing is mended, for what is missing may be
    there.
    """
    done: list[str] = []
    for fault in found.faults:
        if fault.kind == "store":
            return [f"nothing is mended while the store cannot be asked: {fault.words}"]
        if any(part.away for part in fault.parts):
            done.append(f"{fault.topic} p{fault.partition}: {fault.parts[0].named} stays; bring an older version back")
            continue
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
    if not group.whole and not group.moved_away:
        words = f"{len(group.parts)} of {group.of} files of offsets {group.first} to {group.next - 1} are there"
        return [Fault(topic, group.partition, group.first, group.next, "incomplete", words, group.parts)]
    found = []
    for part in group.parts:
        told = files.fault(part)
        why = _outside(part) if told is None else told.words("en")
        if why:
            kind = "version" if told is not None and told.key.startswith("schema") else "torn"
            found.append(Fault(topic, group.partition, group.first, group.next, kind, why, group.parts))
    return found


def _outside(part: Part) -> str:
    """Whether a file has offsets that are not its own, or cannot be read to its end; empty when all is well."""
    try:
        with part.open() as file:
            spans = _stated(file) if part.away else _read(file)
    except FileNotFoundError:
        return ""  # put together into another one meanwhile
    except (OSError, pa.ArrowException) as error:
        return files.unreadable(part, error).words("en")
    for low, high in spans:
        if low < part.first or high >= part.next:
            return f"{part.named} holds offsets {low} to {high}, its name says {part.first} to {part.next - 1}"
    return ""


def _read(file: pq.ParquetFile) -> list[tuple[int, int]]:
    """The first and last offset of each row group, by reading all of it."""
    columns = (file.read_row_group(number)["offset"].to_numpy() for number in range(file.num_row_groups))
    return [(int(offsets.min()), int(offsets.max())) for offsets in columns if len(offsets)]


def _stated(file: pq.ParquetFile) -> list[tuple[int, int]]:
    """The same by its footer."""
    at, meta = file.schema_arrow.get_field_index("offset"), file.metadata
    found = [meta.row_group(number).column(at).statistics for number in range(meta.num_row_groups)]
    return [(int(one.min), int(one.max)) for one in found if one is not None and one.has_min_max]


def _size(group: Group) -> tuple[int, int]:
    """The rows of a group, and how many of its offsets are known to be lost."""
    rows, gone = 0, False
    for part in group.parts:
        with part.open() as file:
            rows += file.metadata.num_rows
            gone = gone or files.LOST_KEY in (file.metadata.metadata or {})
    return rows, group.next - group.first if gone else 0


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
        for part in fault.parts:
            if part.path.exists():
                part.path.replace(aside / f"day={part.day}-{part.path.name}")
    return f"set {len(fault.parts)} files aside in {aside}; " + _filled(folder, fault, again)


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
    days = sorted({f"day={part.day}" for part in fault.parts}) or [f"day={dt.datetime.now(dt.UTC):%Y-%m-%d}"]
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
