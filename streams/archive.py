"""The archive: every reading and every message as Parquet by topic and day, each exactly once.

Files lie under ``<archive>/<topic>/day=YYYY-MM-DD/p<partition>-<first>-<next>-<i>of<n>.parquet``: the offsets
``first`` to ``next - 1`` of that partition in ``n`` files, one a day. A group of files is whole or is taken away at
the next start; the log is then read again from ``first``. DuckDB can read the folder at any time: files are renamed
into place when they are on the disk.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time as time_of_day
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from config import locks
from config.durable import sync_folder
from models.batch import Batch, concat
from models.layout import ShardLayout
from models.placement import Placement
from streams.archive_files import Part, groups, parts
from streams.snapshots import BROKEN

log = logging.getLogger(__name__)
DAY_MS = 86_400_000
VERSION = {b"citybrain.archive": b"1"}
READINGS_SCHEMA = pa.schema(
    [
        pa.field("datastream", pa.int32(), False),  # the register's integer (register.parquet)
        pa.field("time", pa.timestamp("ms", "UTC"), False),  # phenomenon time
        pa.field("value", pa.float64(), False),
        pa.field("flags", pa.uint8(), False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), False),  # the gateway
        pa.field("accepted", pa.timestamp("ms", "UTC"), False),  # result time
        pa.field("offset", pa.int64(), False),  # of its message
    ],
    metadata=VERSION,
)
MESSAGES_SCHEMA = pa.schema(
    [
        pa.field("offset", pa.int64(), False),
        pa.field("time", pa.timestamp("ms", "UTC"), False),  # when the broker took it
        pa.field("key", pa.string()),
        pa.field("value", pa.string()),  # JSON; null is a tombstone
    ],
    metadata=VERSION,
)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, opened once: opening takes longer than most questions. It leaves the other core alone."""
    return duckdb.connect(config={"threads": 1, "memory_limit": "512MB"})


def alone(folder: Path) -> AbstractContextManager[None]:
    """Hold the topic's lock: files are put together (citybrain/archive/compact.py) while none is being added."""
    return locks.alone(folder.parent / f".{folder.name}.lock")


def _files(folder: Path, partition: int) -> list[Part]:
    return [part for part in parts(folder) if part.partition == partition]


def repair(folder: Path, partition: int) -> int:
    """Take away what a crash left incomplete; the first offset that is not in the archive.

    Only the newest group can be a crash's, and it lacks its newest days, which are written last. A group that lacks its
    oldest ones had them moved away, and what is left of it stays.
    """
    found = groups(_files(folder, partition))
    after = max((group.next for group in found if group.whole or group.moved_away), default=0)
    for group in found:
        if group.first < after:
            continue
        lost = f"offsets {group.first} to {group.next - 1}"
        log.warning("%s p%d: %s are incomplete: written again", folder.name, partition, lost)
        for file in group.parts:
            file.path.unlink()
    for part in folder.glob(f"p{partition}-*.part"):
        part.unlink()
    return after


def write(
    folder: Path, partition: int, first: int, after: int, table: pa.Table, days: NDArray[np.int64], empty_day: int
) -> list[Path]:
    """Write the rows of the messages ``first`` to ``after - 1`` by day (``days``: days since 1970 of each row).

    All files are on the disk before the first bears its name. Without rows one empty file is written, under
    ``empty_day``, for the offsets count.
    """
    with alone(folder):
        return _written(folder, partition, first, after, table, days, empty_day)


def _written(
    folder: Path, partition: int, first: int, after: int, table: pa.Table, days: NDArray[np.int64], empty_day: int
) -> list[Path]:
    chosen = np.unique(days).tolist() or [empty_day]
    parts: list[tuple[Path, Path]] = []
    for number, day in enumerate(chosen):
        name = f"p{partition}-{first:020d}-{after:020d}-{number}of{len(chosen)}.parquet"
        part = folder / f"{name}.part"
        rows = table.filter(pa.array(days == day)) if len(chosen) > 1 else table
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            pq.write_table(rows, file, compression="zstd", compression_level=3)
            file.flush()
            os.fsync(file.fileno())
        parts.append((part, folder / f"day={np.datetime64(day, 'D')}" / name))
    for part, path in parts:
        path.parent.mkdir(exist_ok=True)
        part.replace(path)
    for place in {path.parent for _, path in parts} | {folder}:
        sync_folder(place)
    return [path for _, path in parts]


class ReadingsWriter:
    """Gathers the batches of one partition of readings and writes them, each (datastream, time) once.

    ``last`` (datastreams,) is the newest archived time of each datastream. Only what is not newer than that can be a
    repetition; it is looked up in the files, so that the answer is exact however old it is. What cannot be used is
    left out; agent *score* sends it to the dead letters.
    """

    def __init__(self, folder: Path, layout: ShardLayout) -> None:
        self.folder = folder
        self.partition = partition = layout.shard
        self._placement = Placement(layout)
        self._notes = folder / f"p{partition}.npz"
        self.next = repair(folder, partition)
        self.waiting: list[tuple[int, Batch]] = []
        self.rows = 0
        self.archived = 0
        self.duplicates = 0
        self.last = np.full(int(layout.members[-1]) + 1 if len(layout) else 0, np.iinfo(np.int64).min, np.int64)
        self._recall()

    def take(self, offset: int, batch: Batch) -> None:
        """Gather one message."""
        rows, usable = self._placement.rows(batch)
        self.waiting.append((offset, batch if usable == len(batch) else batch.take(rows >= 0)))
        self.rows += len(batch)

    def skip(self, offset: int) -> None:
        """A message without readings; its offset counts."""
        self.waiting.append((offset, _NONE))

    def flush(self) -> int:
        """Write what was gathered; the first offset that is not in the archive."""
        if not self.waiting:
            return self.next
        after = self.waiting[-1][0] + 1
        batch = concat([one for _, one in self.waiting])
        offsets = np.repeat([o for o, _ in self.waiting], [len(b) for _, b in self.waiting])
        order = np.lexsort((offsets, batch.time, batch.datastream))
        ds, time = batch.datastream[order], batch.time[order]
        new = np.ones(len(order), np.bool_)
        new[1:] = (ds[1:] != ds[:-1]) | (time[1:] != time[:-1])
        old = new & (time <= self.last[ds])
        if old.any():
            new[np.flatnonzero(old)[self._archived(ds[old], time[old])]] = False
        self.duplicates += int((~new).sum())
        keep = order[new]
        today = int(time_of_day.time()) * 1000 // DAY_MS
        days = batch.time[keep] // DAY_MS
        write(self.folder, self.partition, self.next, after, self._table(batch, offsets, keep), days, today)
        np.maximum.at(self.last, batch.datastream[keep], batch.time[keep])
        self.archived += len(keep)
        self.waiting, self.rows, self.next = [], 0, after
        self._note()
        return after

    def _table(self, batch: Batch, offsets: NDArray[np.int64], keep: NDArray[np.int64]) -> pa.Table:
        lengths = [len(b) for _, b in self.waiting]
        names = sorted({b.source for _, b in self.waiting})
        number = {name: i for i, name in enumerate(names)}
        source = np.repeat([number[b.source] for _, b in self.waiting], lengths)
        accepted = np.repeat([b.accepted for _, b in self.waiting], lengths)
        columns = [
            pa.array(batch.datastream[keep]),
            pa.array(batch.time[keep]).cast(pa.timestamp("ms", "UTC")),
            pa.array(batch.value[keep]),
            pa.array(batch.flags[keep]),
            pa.DictionaryArray.from_arrays(pa.array(source[keep].astype(np.int32)), pa.array(names, pa.string())),
            pa.array(accepted[keep].astype(np.int64)).cast(pa.timestamp("ms", "UTC")),
            pa.array(offsets[keep].astype(np.int64)),
        ]
        return pa.table(columns, schema=READINGS_SCHEMA)

    def _archived(self, ds: NDArray[np.int32], time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these readings are in the files of their days already."""
        days = np.unique(time // DAY_MS)
        files = [
            str(file)
            for day in days.tolist()
            for file in (self.folder / f"day={np.datetime64(day, 'D')}").glob(f"p{self.partition}-*.parquet")
        ]
        if not files:
            return np.zeros(len(ds), np.bool_)
        asked = pa.table({"row": np.arange(len(ds)), "datastream": ds, "at": time})
        with _database().cursor() as connection:
            connection.register("asked", asked)
            found = connection.execute(
                "SELECT DISTINCT asked.row FROM asked JOIN read_parquet($files, hive_partitioning = false) AS old"
                " ON old.datastream = asked.datastream AND epoch_ms(old.time) = asked.at",
                {"files": files},
            ).fetchnumpy()["row"]
        mask = np.zeros(len(ds), np.bool_)
        mask[np.asarray(found, np.int64)] = True
        return mask

    def _note(self) -> None:
        """Leave ``last`` beside the files, so that the next start need not read them all."""
        part = self._notes.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, last=self.last, marks=np.array([self.next, self.archived], np.int64))
        part.replace(self._notes)

    def _recall(self) -> None:
        """Fill ``last`` and ``archived`` from the notes, and from the files that are newer than these."""
        noted = 0
        with contextlib.suppress(*BROKEN), np.load(self._notes, allow_pickle=False) as notes:  # else read all files
            if len(notes["last"]) == len(self.last) and int(notes["marks"][0]) <= self.next:
                self.last, (noted, self.archived) = notes["last"].astype(np.int64), notes["marks"].tolist()
        files = [str(file.path) for file in _files(self.folder, self.partition) if file.next > noted]
        if not files:
            return
        with _database().cursor() as connection:
            found = connection.execute(
                "SELECT datastream, epoch_ms(max(time)) AS last, count(*) AS n"
                ' FROM read_parquet($files, hive_partitioning = false) WHERE "offset" >= $noted GROUP BY datastream',
                {"files": files, "noted": noted},
            ).fetchnumpy()
        self.last[found["datastream"]] = np.maximum(self.last[found["datastream"]], found["last"])
        self.archived += int(np.sum(found["n"]))


_NONE = Batch(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint8))


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a topic other than readings; ``time`` in ms, when the broker took it."""

    offset: int
    time: int
    key: str | None
    value: str | None


class MessagesWriter:
    """Gathers the messages of one partition of a topic and writes them by day."""

    def __init__(self, folder: Path, partition: int) -> None:
        self.folder = folder
        self.partition = partition
        self.next = repair(folder, partition)
        self.waiting: list[Message] = []

    def take(self, message: Message) -> None:
        """Gather one message."""
        self.waiting.append(message)

    def flush(self) -> int:
        """Write what was gathered; the first offset that is not in the archive."""
        if not self.waiting:
            return self.next
        return self.flush_to(self.waiting[-1].offset + 1)

    def flush_to(self, after: int) -> int:
        """Write what was gathered as the messages up to ``after - 1``, of a log that has dropped some; ``after``."""
        times = np.array([m.time for m in self.waiting], np.int64)
        table = pa.table(
            [
                pa.array([m.offset for m in self.waiting], pa.int64()),
                pa.array(times).cast(pa.timestamp("ms", "UTC")),
                pa.array([m.key for m in self.waiting], pa.string()),
                pa.array([m.value for m in self.waiting], pa.string()),
            ],
            schema=MESSAGES_SCHEMA,
        )
        write(self.folder, self.partition, self.next, after, table, times // DAY_MS, 0)
        self.waiting, self.next = [], after
        return after


def count(folder: Path) -> int:
    """How many rows the files below ``folder`` hold; 0 when there are none."""
    return sum(pq.read_metadata(path).num_rows for path in folder.glob("day=*/p*.parquet"))
