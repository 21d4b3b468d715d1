"""One file of a partition's log: record batches one after the other, with a sparse index in memory."""

from __future__ import annotations

import logging
import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from citybrain.local.broker.batch import HEADER_BYTES, Header, header, intact
from citybrain.local.broker.errors import CorruptLog
from citybrain.local.broker.producers import Snapshot

log = logging.getLogger(__name__)
_INDEX_EVERY = 64 * 1024  # bytes of log between two entries


class _Sidecar(msgspec.Struct, array_like=True):
    """What the index file of a finished segment holds."""

    inode: int  # of the file it belongs to
    size: int
    end: int
    max_time: int
    offsets: bytes
    positions: bytes
    times: bytes
    producers: Snapshot


class Segment:
    """The batches from offset ``base`` up to ``end`` (not included) in the file ``path`` of ``size`` bytes.

    The three index columns hold, every 64 KiB: a batch's offset, its position in the file, and the largest record
    time before it (ms).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base = int(path.stem)
        self.end = self.base
        self.size = 0
        self.max_time = -1
        self._offsets, self._positions, self._times = array("q"), array("q"), array("q")

    @classmethod
    def create(cls, folder: Path, base: int) -> Segment:
        """An empty segment that begins at offset ``base``."""
        segment = cls(folder / f"{base:020}.log")
        segment.path.touch()
        return segment

    @property
    def sidecar(self) -> Path:
        """The index file."""
        return self.path.with_suffix(".index")

    @property
    def youngest(self) -> int:
        """The time of the youngest record, ms; that of the file where records carry none."""
        return self.max_time if self.max_time >= 0 else int(self.path.stat().st_mtime * 1000)

    def open(self, flags: int = os.O_RDONLY) -> int:
        """A file descriptor of the segment; the caller closes it."""
        return os.open(self.path, flags | os.O_CLOEXEC)

    def added(self, batch: Header) -> None:
        """Take note of a batch that was written at the end of the file."""
        if not self._positions or self.size - self._positions[-1] >= _INDEX_EVERY:
            self._offsets.append(batch.base)
            self._positions.append(self.size)
            self._times.append(self.max_time)
        self.size += batch.size
        self.end = batch.last + 1
        self.max_time = max(self.max_time, batch.max_time)

    def near(self, offset: int) -> int:
        """A position at or before the batch that holds ``offset``, at most 64 KiB and one batch before it."""
        at = bisect_right(self._offsets, offset) - 1
        return self._positions[at] if at >= 0 else 0

    def near_time(self, time: int) -> int:
        """A position at or before the first batch with a record at or after ``time`` (ms)."""
        at = bisect_left(self._times, time) - 1
        return self._positions[at] if at >= 0 else 0

    def walk(self, fd: int, position: int = 0) -> Iterator[tuple[int, Header]]:
        """Position and header of each batch from ``position`` on; raises ``CorruptLog`` where there is none."""
        offset = self.base
        while position < self.size:
            found = header(os.pread(fd, HEADER_BYTES, position))
            if found is None or position + found.size > self.size or found.base < offset:
                raise self.corrupt(position, offset)
            yield position, found
            position += found.size
            offset = found.last + 1

    def corrupt(self, position: int, offset: int) -> CorruptLog:
        """The error for bytes at ``position``, near ``offset``, that are no intact batch."""
        return CorruptLog(
            f"{self.path} is corrupt at byte {position}, offset {offset}: no intact record batch there; restore the "
            "file from a copy, or move it and its .index away to go on without its records"
        )

    def check(self, data: bytes, position: int) -> None:
        """Raise ``CorruptLog`` when the checksum of a batch in ``data``, read at ``position``, does not hold."""
        at = 0
        while (found := header(data, at)) is not None:
            if not intact(data, found, at):
                raise self.corrupt(position + at, found.base)
            at += found.size

    def scan(self, seen: Callable[[Header], None], gaps: bool) -> int:
        """Read the file from its start, build the index, call ``seen`` for each batch; bytes that are not intact.

        Stops at the first batch that is cut short, breaks its checksum or whose offset is not the next, which the
        checksum does not cover; ``gaps``: it may be a later one, as compaction leaves them.
        """
        fd = self.open()
        try:
            there = os.fstat(fd).st_size
            while self.size < there:
                found = header(os.pread(fd, HEADER_BYTES, self.size))
                if found is None or self.size + found.size > there:
                    break
                if found.base != self.end and not (gaps and found.base > self.end):
                    break
                if not intact(os.pread(fd, found.size, self.size), found):
                    break
                self.added(found)
                seen(found)
            return there - self.size
        finally:
            os.close(fd)

    def save_index(self, producers: Snapshot) -> None:
        """Write the index file: what a start needs to know without reading the segment."""
        columns = (self._offsets.tobytes(), self._positions.tobytes(), self._times.tobytes())
        part = self.sidecar.with_suffix(".part")
        inode = self.path.stat().st_ino
        saved = _Sidecar(inode, self.size, self.end, self.max_time, *columns, producers=producers)
        part.write_bytes(msgspec.msgpack.encode(saved))
        part.replace(self.sidecar)

    def load_index(self) -> Snapshot | None:
        """Read the index file and return the producers at the segment's end; None when there is no usable one.

        Raises ``CorruptLog`` when the segment is shorter than its index says.
        """
        try:
            saved = msgspec.msgpack.decode(self.sidecar.read_bytes(), type=_Sidecar)
        except (FileNotFoundError, msgspec.DecodeError) as error:
            log.info("%s: reading the whole segment, its index cannot be used (%s)", self.path, error)
            return None
        there = self.path.stat()
        if there.st_ino != saved.inode:
            log.info("%s: reading the whole segment, its index belongs to another file", self.path)
            return None
        if there.st_size < saved.size:
            raise CorruptLog(
                f"{self.path} has {there.st_size} bytes of {saved.size}: records before offset {saved.end} are gone; "
                "restore the file from a copy, or move it and its .index away to go on without its records"
            )
        self.size, self.end, self.max_time = saved.size, saved.end, saved.max_time
        self._offsets.frombytes(saved.offsets)
        self._positions.frombytes(saved.positions)
        self._times.frombytes(saved.times)
        return saved.producers

    def remove(self) -> None:
        """Delete the segment's files."""
        self.sidecar.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
