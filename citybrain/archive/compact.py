"""Many small files put together into few large ones, without a reader ever seeing a message twice or not at all.

The new files are made aside. Then the topic's folder is exchanged for one that has them in the place of the old ones
(one call of the system), while the writer waits. Who reads meanwhile has the old files or the new ones, or is told that
a file is gone and reads again. A crash leaves the old folder as it was.

A row group of readings is what was written at once, sorted by datastream and time: so a file of an hour is read for a
minute of it without the rest. Messages are put together in row groups of ``MESSAGES_A_GROUP``.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.archive import files
from config.durable import sync_folder
from streams import archive_files
from streams.archive import alone
from streams.archive_files import Group, Part

log = logging.getLogger(__name__)
FEW = 4  # fewer groups than these are left as they are
ROWS = 20_000_000  # of one file, about an hour of a shard of a large city
LARGE = ROWS // 2  # a group of so many rows stays as it is
ROWS_A_GROUP = 100_000  # readings; what was written at once is put together up to here
MESSAGES_A_GROUP = 128
READINGS = "readings"
_AT_CWD, _EXCHANGE = -100, 2
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of a topic: how many files there were of those put together, and how many they are now."""

    topic: str
    before: int
    after: int


def compact(archive: Path, few: int = FEW, progress: Progress | None = None) -> list[Compacted]:
    """Put the files of every topic together where at least ``few`` groups follow one another; what was done."""
    done = []
    topics = sorted(path for path in archive.iterdir() if path.is_dir() and not path.name.startswith("."))
    for number, folder in enumerate(topics):
        if progress is not None:
            progress(number / len(topics), folder.name)
        found = topic(folder, few)
        if found is not None:
            done.append(found)
    return done


def topic(folder: Path, few: int = FEW) -> Compacted | None:
    """Put one topic's files together; None when there was nothing to do."""
    staging = folder.parent / f".{folder.name}.new"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was ended
    bins = [some for some in _bins(archive_files.groups(archive_files.parts(folder))) if len(some) >= few]
    if not bins:
        return None
    staging.mkdir()
    try:
        replaced: dict[str, list[str]] = {}  # day → names that go
        made = 0
        for some in bins:
            made += len(_merged(folder, staging, some))
            for part in (part for group in some for part in group.parts):
                replaced.setdefault(part.path.parent.name, []).append(part.path.name)
        _exchange_for(folder, staging, replaced)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Compacted(folder.name, sum(map(len, replaced.values())), made)


def _bins(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Whole, readable groups that follow one another without a gap, up to ``ROWS`` rows together."""
    for _, some in groupby(groups, lambda group: group.partition):
        run: list[Group] = []
        rows = 0
        for group in some:
            size = _rows(group)
            follows = not run or run[-1].next == group.first
            if run and (not follows or size is None or rows + size > ROWS):
                yield run
                run, rows = [], 0
            if size is not None and size < LARGE:
                run.append(group)
                rows += size
            elif run:
                yield run
                run, rows = [], 0
        if run:
            yield run


def _rows(group: Group) -> int | None:
    """How many rows a group has; None for one that must be left alone: not whole, torn, or of another version."""
    if not group.whole:
        return None
    rows = 0
    for part in group.parts:
        try:
            footer = pq.read_metadata(part.path)
        except (OSError, pa.ArrowException) as error:
            log.warning("%s", files.unreadable(part, error).words("en"))
            return None
        schema = footer.schema.to_arrow_schema().with_metadata(footer.metadata)
        if files.of_another_version(part, schema) or files.LOST_KEY in (footer.metadata or {}):
            return None
        rows += footer.num_rows
    return rows


def _merged(folder: Path, staging: Path, some: Sequence[Group]) -> list[Path]:
    """The files of ``some`` groups as those of one, by day, below ``staging``."""
    by_day: dict[str, list[Part]] = {}
    for group in some:
        for part in group.parts:
            by_day.setdefault(part.day, []).append(part)
    filled = {
        day: parts for day, parts in by_day.items() if any(pq.read_metadata(part.path).num_rows for part in parts)
    }
    days = sorted(filled) or sorted(by_day)[:1]
    made = []
    for number, day in enumerate(days):
        name = f"p{some[0].partition}-{some[0].first:020d}-{some[-1].next:020d}-{number}of{len(days)}.parquet"
        path = staging / f"day={day}" / name
        path.parent.mkdir(exist_ok=True)
        _put_together(by_day[day], path, folder.name == READINGS)
        made.append(path)
    return made


def _put_together(parts: Sequence[Part], path: Path, readings: bool) -> None:
    size = ROWS_A_GROUP if readings else MESSAGES_A_GROUP
    schema = pq.read_schema(parts[0].path)
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd", compression_level=3) as writer:
            waiting: list[pa.Table] = []
            for part in parts:
                with pq.ParquetFile(part.path) as source:
                    for number in range(source.num_row_groups):
                        waiting.append(source.read_row_group(number).cast(schema))
                        if sum(table.num_rows for table in waiting) >= size:
                            _row_groups(writer, waiting, size, readings)
                            waiting = []
            _row_groups(writer, waiting, size, readings)
        file.flush()
        os.fsync(file.fileno())


def _row_groups(writer: pq.ParquetWriter, waiting: Sequence[pa.Table], size: int, readings: bool) -> None:
    if not waiting:
        return
    table = pa.concat_tables(waiting)
    if readings and len(waiting) > 1:
        table = table.sort_by([("datastream", "ascending"), ("time", "ascending")])
    writer.write_table(table, row_group_size=max(size, table.num_rows) if readings else size)


def _exchange_for(folder: Path, staging: Path, replaced: dict[str, list[str]]) -> None:
    """Exchange the topic's folder for ``staging`` and what ``folder`` has besides the files ``replaced`` by day."""
    with alone(folder):
        for place in folder.iterdir():
            if not place.is_dir():
                os.link(place, staging / place.name)
                continue
            gone = set(replaced.get(place.name, ()))
            there = staging / place.name
            for path in place.iterdir():
                if path.name not in gone:
                    there.mkdir(exist_ok=True)
                    os.link(path, there / path.name)
        for place in [*staging.glob("day=*"), staging]:
            sync_folder(place)
        exchange(folder, staging)
        sync_folder(folder.parent)


def exchange(one: Path, two: Path) -> None:
    """Let two folders change names, at once where the file system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(two), _EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        raise OSError(code, os.strerror(code), str(one))
    aside = two.with_name(f"{two.name}.old")  # a network file system: for a moment there is no folder, never two
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def recover(archive: Path) -> None:
    """Finish an exchange that was ended halfway where it takes several steps: a topic's folder must be there."""
    for aside in archive.glob(".*.new.old"):
        folder = archive / aside.name[1:].removesuffix(".new.old")
        if not folder.exists():
            aside.rename(folder)
