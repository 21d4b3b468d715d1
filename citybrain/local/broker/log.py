"""The log of one partition: append, make durable, read, find by time, forget.

Records become visible to readers when they are durable. All methods run in the event loop's thread; only the waiting
for the disk is done in others.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from bisect import bisect_right
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from citybrain.local.broker import batch
from citybrain.local.broker.batch import Header
from citybrain.local.broker.config import TopicConfig
from citybrain.local.broker.errors import Code, Refused
from citybrain.local.broker.producers import Producers, Snapshot
from citybrain.local.broker.segment import Segment
from config.durable import sync_folder

log = logging.getLogger(__name__)
_CURSORS = 64  # remembered places where readers go on
Finished = list[tuple[int, Segment, Snapshot]]  # descriptor, segment and producers of finished, unsynced segments


def now_ms() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


class PartitionLog:
    """Segments in ``folder``, the last one active. Offsets below ``durable`` are on disk and visible."""

    def __init__(self, folder: Path, config: TopicConfig, executor: Executor) -> None:
        self.folder = folder
        self.config = config
        self._executor = executor
        self._round: asyncio.Task[bool] | None = None
        self._finished: Finished = []  # segments rolled since the last round
        self._watchers: set[Callable[[], object]] = set()
        self._cursors: dict[int, tuple[Segment, int]] = {}
        self._fd = -1
        self.closed = False
        self.compacted = 0  # the offset up to which compaction has been
        self.broken = ""  # why, when the disk failed for good
        folder.mkdir(parents=True, exist_ok=True)
        for left in (*folder.glob("*.part"), *folder.glob("*.cleaned")):
            left.unlink()
        self.segments = [Segment(path) for path in sorted(folder.glob("*.log"))]
        if not self.segments:
            self.segments = [Segment.create(folder, 0)]
        self._load()

    # --- start ----------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read the finished segments' indexes, scan the active segment, cut its torn tail."""
        self.producers = Producers()
        kept: list[Segment] = []
        torn = 0
        for at, segment in enumerate(self.segments):
            if kept and segment.base < kept[-1].end:  # its records were merged into the one before by compaction
                segment.remove()
                continue
            torn = self._load_segment(segment, last=segment is self.segments[-1])
            kept.append(segment)
            if torn:
                self._drop_unconfirmed(segment, self.segments[at + 1 :])
                break
        self.segments = kept
        active = kept[-1]
        self._fd = active.open(os.O_RDWR | os.O_APPEND)
        if torn:
            self._cut(active, torn)
        os.fdatasync(self._fd)
        sync_folder(self.folder)
        self.durable = active.end
        self._durable_at = (active.base, active.size)

    def _load_segment(self, segment: Segment, last: bool) -> int:
        """Learn what the segment holds; how many bytes at its end are torn."""
        snapshot = None if last else segment.load_index()
        if snapshot is not None:
            self.producers = Producers(snapshot)
            return 0
        gaps = self.config.compact and not last
        torn = segment.scan(lambda found: self.producers.wrote(found, found.base), gaps)
        if not (torn or last):
            segment.save_index(self.producers.snapshot())
        return torn

    def _drop_unconfirmed(self, torn: Segment, later: list[Segment]) -> None:
        """Remove the segments after a torn one.

        An index is written when its segment is on disk, so without any index from here on nothing was confirmed.
        """
        if any(segment.sidecar.exists() for segment in (torn, *later)):
            raise torn.corrupt(torn.size, torn.end)
        for segment in later:
            log.warning("%s: removed, it follows a torn segment and was never confirmed", segment.path)
            segment.remove()

    def _cut(self, active: Segment, torn: int) -> None:
        """Cut what a crash left half written; the bytes go to a side file, in case they are of use."""
        tail = os.pread(self._fd, min(torn, 1 << 24), active.size)
        active.path.with_suffix(f".cut-{active.end}").write_bytes(tail)
        os.ftruncate(self._fd, active.size)
        log.warning("%s: cut %d torn bytes after offset %d", active.path, torn, active.end)

    # --- append ---------------------------------------------------------------------------------------------

    @property
    def start(self) -> int:
        """The first offset."""
        return self.segments[0].base

    @property
    def end(self) -> int:
        """The offset that the next record gets."""
        return self.segments[-1].end

    def append(self, records: bytes | None) -> tuple[int, int]:
        """Write the batches a producer sent; the first record's offset, and the offset to wait for in ``synced``.

        A batch that was written before is not written again. Raises ``Refused``.
        """
        headers = batch.checked(records)
        assert records is not None
        largest = max(found.size for found in headers)
        if largest > self.config.max_message_bytes:
            raise Refused(
                Code.MESSAGE_TOO_LARGE,
                f"a batch of {largest} bytes; the topic's max.message.bytes is {self.config.max_message_bytes}",
            )
        known = self.producers.duplicate(headers[0])
        if known is not None:
            return known, known + headers[-1].last_delta + 1
        self._must_be_open()
        first = self.end
        self._write(self._placed(records, headers))
        self._begin_round()
        return first, self.end

    def _must_be_open(self) -> None:
        if self.closed:
            raise Refused(Code.UNKNOWN_TOPIC_OR_PARTITION, f"{self.folder} is closed")
        if self.broken:
            raise Refused(Code.KAFKA_STORAGE_ERROR, f"{self.folder} is out of use until a restart: {self.broken}")

    def _placed(self, records: bytes, headers: list[Header]) -> list[tuple[Header, bytearray]]:
        """The batches with the offsets they get, each as (header, bytes)."""
        placed, at, offset = [], 0, self.end
        for found in headers:
            data = bytearray(memoryview(records)[at : at + found.size])
            batch.place(data, 0, offset)
            placed.append((found._replace(base=offset), data))
            at += found.size
            offset += found.last_delta + 1
        return placed

    def _write(self, placed: list[tuple[Header, bytearray]]) -> None:
        data = placed[0][1] if len(placed) == 1 else b"".join(data for _, data in placed)
        active = self.segments[-1]
        try:
            if active.size and active.size + len(data) > self.config.segment_bytes:
                active = self._roll()
            left = memoryview(data)
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            os.ftruncate(self._fd, active.size)
            raise Refused(Code.KAFKA_STORAGE_ERROR, f"cannot write {active.path}: {error}") from error
        for found, _ in placed:
            active.added(found)
            self.producers.wrote(found, found.base)

    def _roll(self) -> Segment:
        """Finish the active segment and begin the next; the new one."""
        following = Segment.create(self.folder, self.end)
        fd = following.open(os.O_RDWR | os.O_APPEND)
        self._finished.append((self._fd, self.segments[-1], self.producers.snapshot()))
        self.segments.append(following)
        self._fd = fd
        return following

    # --- group commit ---------------------------------------------------------------------------------------

    def _begin_round(self) -> asyncio.Task[bool]:
        if self._round is None:
            self._round = asyncio.get_running_loop().create_task(self._sync_round())
        return self._round

    async def synced(self, offset: int) -> None:
        """Return when all records below ``offset`` are on disk; raises ``Refused`` when the disk fails.

        All who wait while one round is under way are served by the next one together.
        """
        while self.durable < offset:
            self._must_be_open()
            if not await asyncio.shield(self._begin_round()):
                raise Refused(Code.KAFKA_STORAGE_ERROR, f"{self.folder} could not be made durable")

    async def _sync_round(self) -> bool:
        """Make everything appended so far durable with one fdatasync; false when the disk failed."""
        active, fd, finished = self.segments[-1], self._fd, self._finished
        self._finished = []
        target, at = active.end, (active.base, active.size)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, _make_durable, fd, finished, self.folder)
        except OSError as error:
            log.error("%s: cannot make records durable, forgetting those not confirmed: %s", self.folder, error)
            self._finished = [*finished, *self._finished]
            self._forget_unsynced()
            return False
        finally:
            self._round = None
        self.durable, self._durable_at = target, at
        if not self.closed and (self.end > target or self._finished):
            self._begin_round()  # for what was appended meanwhile
        self._wake()
        return True

    def _forget_unsynced(self) -> None:
        """Go back to what is known to be on disk: after a failed sync nobody knows what the rest is."""
        base, size = self._durable_at
        try:
            for fd in (self._fd, *(fd for fd, _, _ in self._finished)):
                os.close(fd)
            self._finished = []
            for segment in [s for s in self.segments if s.base > base]:
                segment.remove()
            os.truncate(self.folder / f"{base:020}.log", size)
            self.segments = [Segment(s.path) for s in self.segments if s.base <= base]
            self._cursors.clear()
            self._load()
        except OSError as error:
            self.broken = str(error)
            log.error("%s is out of use until a restart: %s", self.folder, error)

    async def close(self, keep: bool = True) -> None:
        """Close the files, made durable when they are to be kept; waiting readers are told."""
        self.closed = True
        if self._round is not None:
            await self._round
        if not self.broken:
            if keep:
                _make_durable(self._fd, self._finished, self.folder)
            else:
                _close_all(self._finished)
            os.close(self._fd)
        self._wake()

    # --- read -----------------------------------------------------------------------------------------------

    def watch(self, wake: Callable[[], object]) -> None:
        """Call ``wake`` whenever records have become visible, until ``unwatch``."""
        self._watchers.add(wake)

    def unwatch(self, wake: Callable[[], object]) -> None:
        """Undo ``watch``."""
        self._watchers.discard(wake)

    def _wake(self) -> None:
        for wake in list(self._watchers):
            wake()

    async def read(self, offset: int, limit: int, at_least_one: bool) -> bytes:
        """Whole batches from the one that holds ``offset``, up to ``limit`` bytes; empty when there are none yet.

        ``at_least_one`` gives the first batch whole even when it is larger. Raises ``Refused`` out of range.
        """
        if not self.start <= offset <= self.end:
            raise Refused(Code.OFFSET_OUT_OF_RANGE, f"offset {offset} is outside {self.start} to {self.end}")
        if offset >= self.durable:
            return b""
        segment, position = self._cursors.get(offset) or self._find(offset)
        if position >= segment.size and segment is not self.segments[-1]:  # finished since the reader was at its end
            segment, position = self._find(offset)
        if segment is self.segments[-1]:
            data, after = self._read_at(self._fd, segment, position, offset, limit, at_least_one)
        else:  # old records may have to come from the disk: do not stop the others meanwhile
            fd = segment.open()
            try:
                data, after = await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._read_at, fd, segment, position, offset, limit, at_least_one
                )
            finally:
                os.close(fd)
        if data:
            self._remember(segment, *after)
        return data

    def _find(self, offset: int) -> tuple[Segment, int]:
        """The segment that holds ``offset``, or the first record after it, and a position near before it."""
        first = bisect_right(self.segments, offset, key=lambda one: one.end)
        segment = next(one for one in self.segments[first:] if one.size)  # compaction leaves empty ones
        return segment, segment.near(offset)

    def _read_at(
        self, fd: int, segment: Segment, position: int, offset: int, limit: int, at_least_one: bool
    ) -> tuple[bytes, tuple[int, int]]:
        """The batches, and (position, offset) after them."""
        first = next(((where, found) for where, found in segment.walk(fd, position) if found.last >= offset), None)
        if first is None:
            return b"", (position, offset)
        where, found = first
        wanted = max(limit, found.size if at_least_one else 0)
        data = os.pread(fd, min(wanted, segment.size - where), where)
        size, after = batch.whole(data, self.durable)
        if segment is not self.segments[-1]:
            segment.check(data[:size], where)
        return data[:size], (where + size, after)

    def _remember(self, segment: Segment, position: int, offset: int) -> None:
        """Keep the place where this reader will go on."""
        if position < segment.size or segment is self.segments[-1]:
            self._cursors[offset] = (segment, position)
            if len(self._cursors) > _CURSORS:
                del self._cursors[next(iter(self._cursors))]

    def forget_cursors(self) -> None:
        """To be called when segments have been replaced."""
        self._cursors.clear()

    # --- by time, retention ---------------------------------------------------------------------------------

    def find_time(self, time_ms: int) -> bytes | None:
        """The first visible batch with a record at or after ``time_ms``; None when there is none."""
        for segment in self.segments:
            if segment.max_time < time_ms:
                continue
            fd = segment.open()
            try:
                for position, found in segment.walk(fd, segment.near_time(time_ms)):
                    if found.base >= self.durable:
                        return None
                    if found.max_time >= time_ms:
                        return os.pread(fd, found.size, position)
            finally:
                os.close(fd)
        return None

    def roll_if_old(self, now: int) -> None:
        """Finish the active segment when it is older than segment.ms or all of it is due for deletion."""
        active = self.segments[-1]
        if not active.size:
            return
        age = now - active.youngest
        due = self.config.delete and 0 <= self.config.retention_ms < age
        if due or age > self.config.segment_ms:
            self._roll()
            self._begin_round()

    def forget_old(self, now: int) -> int:
        """Delete finished segments that the retention by time or size no longer keeps; how many."""
        if not self.config.delete:
            return 0
        total = sum(segment.size for segment in self.segments)
        gone = 0
        for segment in self.segments[:-1]:
            if segment.end > self.durable:
                break
            too_old = 0 <= self.config.retention_ms < now - segment.youngest
            too_much = 0 <= self.config.retention_bytes <= total - segment.size
            if not (too_old or too_much):
                break
            total -= segment.size
            gone += 1
        for segment in self.segments[:gone]:
            segment.remove()
        del self.segments[:gone]
        if gone:
            self.forget_cursors()
            log.info("%s: deleted %d old segments, the log begins at offset %d", self.folder, gone, self.start)
        return gone


def _make_durable(fd: int, finished: Finished, folder: Path) -> None:
    """Sync the finished segments and the active one; the finished ones get their index and are closed."""
    for old, _, _ in finished:
        os.fdatasync(old)
    os.fdatasync(fd)
    if finished:
        sync_folder(folder)
        _close_all(finished)
        for _, segment, producers in finished:
            try:
                segment.save_index(producers)
            except OSError as error:  # the next start reads the segment instead
                log.warning("%s: no index written: %s", segment.path, error)


def _close_all(finished: Finished) -> None:
    for fd, _, _ in finished:
        os.close(fd)
