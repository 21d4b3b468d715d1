"""Pictures: what every datastream had said last, minute by minute, so that any moment of a day is found at once.

They are made of the archived readings and can be made anew at any time: ``<city>/pictures/p<shard>-<start>.parquet``
holds ``SPAN`` pictures of one shard, one in each row group. Between two pictures the readings themselves are read.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from citybrain.archive.reader import Archive
from wall.replay.notice import notice

log = logging.getLogger(__name__)
LEAST_MS = 60_000  # between two pictures; longer where the city's tick is
SPAN = 60  # pictures in a file
CHUNKS = 12  # parts in which a file's readings are read, to bound memory
NEVER = np.iinfo(np.uint32).max  # the age of what never spoke
SCHEMA = pa.schema(
    [
        pa.field("time", pa.int64(), False),  # ms of phenomenon time
        pa.field("value", pa.binary(), False),  # float32 little-endian, a datastream of the shard each
        pa.field("age", pa.binary(), False),  # uint32 little-endian, s since its reading
    ],
    metadata={b"citybrain.pictures": b"1"},
)
OPENED = 4  # files of a shard
STRETCHES = 2  # of a shard whose readings are remembered
Progress = Callable[[float, str], None]
Readings = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]  # row in the shard, time in ms, value


@dataclass(slots=True)
class State:
    """The last reading of each datastream of a shard: ``value`` (members,) float32, ``time`` (members,) int64 ms."""

    value: NDArray[np.float32]
    time: NDArray[np.int64]

    def take(self, row: NDArray[np.int64], time: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Readings (k,) in order of time."""
        newer = time >= self.time[row]
        self.value[row[newer]] = value[newer]
        self.time[row[newer]] = time[newer]

    def copy(self) -> State:
        """A state of its own."""
        return State(self.value.copy(), self.time.copy())


def start(members: int) -> State:
    """Nothing was read yet."""
    return State(np.full(members, np.nan, np.float32), np.zeros(members, np.int64))


@dataclass(frozen=True, eq=False, slots=True)
class _File:
    """An opened file of pictures: ``times`` (pictures,) ms."""

    file: pq.ParquetFile
    times: NDArray[np.int64]


def _of_all(progress: Progress | None, part: int, parts: int) -> Progress:
    """Progress of one of several parts as that of all."""
    return lambda share, what: None if progress is None else progress((part + share) / parts, what)


def _rows_of(members: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row of each datastream in its shard, by the register's integer; -1 for those of other shards."""
    row = np.full(int(members.max(initial=-1)) + 1, -1, np.int64)
    row[members] = np.arange(len(members))
    return row


class Pictures:
    """The pictures of one city in ``folder``; ``members`` are the datastreams of each shard, ascending."""

    def __init__(self, folder: Path, archive: Archive, members: Sequence[NDArray[np.int32]], tick_ms: int) -> None:
        self.folder = folder
        self.archive = archive
        self.members = [np.asarray(some, np.int64) for some in members]
        self.every_ms = max(LEAST_MS, tick_ms)
        self.span_ms = SPAN * self.every_ms
        self._row = [_rows_of(some) for some in self.members]
        # by shard, so that shards can be asked for at once, each in a thread
        self._files: list[OrderedDict[Path, _File]] = [OrderedDict() for _ in members]  # opened, the least used first
        self._between: list[OrderedDict[int, Readings]] = [OrderedDict() for _ in members]

    # --- reading ------------------------------------------------------------------------------------------------

    def at(self, shard: int, moment: int, coarse: bool = False) -> State:
        """The shard's last readings at ``moment`` (ms); with ``coarse`` those of the picture before it."""
        kept, state = self._kept(shard, moment)
        if coarse and kept is not None and moment - kept < 2 * self.every_ms:
            return state
        since = kept if kept is not None else self._begin(moment)
        floor = moment // self.every_ms * self.every_ms
        if floor - since > 2 * self.every_ms:  # no picture was made lately: all of it in one go
            state.take(*self._read(shard, since, floor))
            since = floor
        while since < moment:  # a stretch at a time, each remembered
            after = min((since // self.every_ms + 1) * self.every_ms, moment)
            row, time, value = self._readings(shard, since // self.every_ms * self.every_ms)
            chosen = (time > since) & (time <= after)
            state.take(row[chosen], time[chosen], value[chosen])
            since = after
        return state

    def _begin(self, moment: int) -> int:
        """From where readings are looked for where no picture was made yet: an hour back, or a day of slow ones."""
        return (moment - self.span_ms) // self.every_ms * self.every_ms

    def _kept(self, shard: int, moment: int) -> tuple[int | None, State]:
        """The newest picture at or before ``moment`` within two files of it, and its time."""
        first = moment // self.span_ms * self.span_ms
        for begin in (first, first - self.span_ms):
            kept = self._file(shard, begin)
            if kept is None:
                continue
            at = int(np.searchsorted(kept.times, moment, "right")) - 1
            if at >= 0:
                return int(kept.times[at]), self._state(shard, kept, at)
        return None, start(len(self.members[shard]))

    def _state(self, shard: int, kept: _File, at: int) -> State:
        row = kept.file.read_row_group(at, columns=["value", "age"], use_threads=False)
        value = np.frombuffer(row["value"][0].as_buffer(), "<f4")
        age = np.frombuffer(row["age"][0].as_buffer(), "<u4")
        n = len(self.members[shard])
        state = start(n)
        known = min(n, len(value))  # a register that has grown since knows nothing of the others
        state.value[:known] = value[:known]
        since = int(kept.times[at]) - age[:known].astype(np.int64) * 1000
        state.time[:known] = np.where(age[:known] == NEVER, 0, since)
        return state

    def _file(self, shard: int, begin: int) -> _File | None:
        path, opened = self._path(shard, begin), self._files[shard]
        if path in opened:
            opened.move_to_end(path)
            return opened[path]
        if not path.exists():
            return None
        try:
            file = pq.ParquetFile(path, memory_map=True)
            opened[path] = _File(file, file.read(columns=["time"])["time"].to_numpy())
        except (OSError, pa.ArrowException) as error:
            self.archive.notices.add(notice("picture", file=path, why=error))
            return None
        while len(opened) > OPENED:
            opened.popitem(last=False)[1].file.close()
        return opened[path]

    def _path(self, shard: int, begin: int) -> Path:
        return self.folder / f"p{shard}-{begin:015d}.parquet"

    def _readings(self, shard: int, since: int) -> Readings:
        """The readings of one stretch after ``since``, by time; remembered."""
        held = self._between[shard]
        if since not in held:
            held[since] = self._read(shard, since, since + self.every_ms)
            while len(held) > STRETCHES:
                held.popitem(last=False)
        held.move_to_end(since)
        return held[since]

    def _read(self, shard: int, since: int, until: int) -> Readings:
        """The readings after ``since`` up to ``until`` (ms) of one shard, by time."""
        columns = ("datastream", "time", "value")
        table = self.archive.readings(since + 1, until + 1, partition=shard, columns=columns, ordered=False)
        datastream = table["datastream"].to_numpy()
        time = table["time"].cast(pa.int64()).to_numpy()
        of = self._row[shard]
        row = of[np.minimum(datastream, len(of) - 1)]
        row[datastream >= len(of)] = -1  # of a datastream that the register does not have
        after = time - since
        if until - since < 1 << 16:
            after = after.astype(np.uint16)  # sorted by digits, ten times as fast
        order = np.argsort(after, kind="stable")
        order = order[row[order] >= 0]
        return row[order], time[order], table["value"].to_numpy()[order]

    # --- making -------------------------------------------------------------------------------------------------

    def make(self, until: int | None = None, progress: Progress | None = None) -> int:
        """Make the pictures that are missing, up to the newest reading or ``until`` (ms); how many were made.

        ``progress`` is told the share of all (0-1) after each file, and may raise to end it: what is made stays.
        """
        there = self.archive.reaches()
        if there is None:
            return 0
        self.folder.mkdir(parents=True, exist_ok=True)
        end = there[1] if until is None else min(until, there[1])
        made = 0
        for shard in range(len(self.members)):
            made += self._make(shard, there[0], end, _of_all(progress, shard, len(self.members)))
        return made

    def _make(self, shard: int, first: int, end: int, progress: Progress) -> int:
        newest = self._newest(shard)
        made, state = 0, start(len(self.members[shard]))
        done = first // self.every_ms * self.every_ms
        if newest is not None:
            kept = self._file(shard, newest)
            if kept is not None and len(kept.times):
                state, done = self._state(shard, kept, len(kept.times) - 1), int(kept.times[-1])
        while done + self.every_ms <= end:
            begin = (done + self.every_ms) // self.span_ms * self.span_ms
            times, values, ages = self._before(shard, begin, done)
            stop = min(begin + self.span_ms - self.every_ms, end // self.every_ms * self.every_ms)
            while done < stop:
                upto = min(done + max(self.span_ms // CHUNKS, self.every_ms), stop)
                row, time, value = self._read(shard, done, upto)
                for moment in range(done + self.every_ms, upto + 1, self.every_ms):
                    a, b = np.searchsorted(time, (moment - self.every_ms + 1, moment + 1))
                    state.take(row[a:b], time[a:b], value[a:b])
                    times.append(moment)
                    values.append(state.value.astype("<f4").tobytes())
                    age = np.where(state.time > 0, (moment - state.time) // 1000, NEVER)
                    ages.append(np.minimum(age, NEVER).astype("<u4").tobytes())
                    made += 1
                done = upto
            self._write(shard, begin, times, values, ages)
            progress((done - first) / max(1, end - first), f"pictures of shard {shard}")
        return made

    def _before(self, shard: int, begin: int, done: int) -> tuple[list[int], list[bytes], list[bytes]]:
        """The pictures that the file from ``begin`` has already, up to ``done``."""
        kept = self._file(shard, begin)
        if kept is None:
            return [], [], []
        table = kept.file.read()
        table = table.filter(pc.less_equal(table["time"], done))
        return tuple(table[name].to_pylist() for name in SCHEMA.names)

    def _newest(self, shard: int) -> int | None:
        names = sorted(self.folder.glob(f"p{shard}-*.parquet"))
        return int(names[-1].stem.partition("-")[2]) if names else None

    def _write(self, shard: int, begin: int, times: list[int], values: list[bytes], ages: list[bytes]) -> None:
        path = self._path(shard, begin)
        part = path.with_suffix(".part")
        pq.write_table(pa.table([times, values, ages], schema=SCHEMA), part, compression="zstd", row_group_size=1)
        old = self._files[shard].pop(path, None)
        if old is not None:
            old.file.close()
        part.replace(path)
