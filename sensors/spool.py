"""The gateway's spool: what the broker does not take waits on disk, in order, and is there after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sensors.segments import Log, Record, frame

A = TypeVar("A")
T = TypeVar("T")
SEGMENTS = 16  # the bound is kept to one part in so many


class SpoolFull(Exception):
    """There is no room left; come back when the broker has taken some."""


class SpoolFailed(Exception):
    """The disk refused; the message says why."""


class Spool:
    """An append-only queue on disk, bounded by ``limit`` bytes; 0 takes nothing.

    What comes while the disk is busy shares the next write and its fdatasync. All disk work is done in one thread,
    in order.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._log = Log(folder, segment=max(4096, min(64 * 1024 * 1024, limit // SEGMENTS)))
        self._limit = limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self._queued = 0
        self._writer: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing waits, on disk or on the way to it."""
        return not self._queued and self._log.empty

    @property
    def waiting(self) -> int:
        """Bytes that wait for the broker."""
        return self._queued + self._log.end - self._log.position

    @property
    def room(self) -> int:
        """Bytes that may still be appended."""
        return max(0, self._limit - self._queued - self._log.size)

    def put(self, bodies: Sequence[bytes]) -> asyncio.Future[None]:
        """Take the records, in the order of the calls; the future is done when they are on the disk, all of them.

        Raises ``SpoolFull`` when they do not fit. The future raises ``SpoolFailed`` when the disk refuses. Either
        way none of them is kept.
        """
        data = b"".join(map(frame, bodies))
        if len(data) > self.room:
            raise SpoolFull(f"the spool is full: {self._log.size + self._queued} of {self._limit} bytes")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((data, done))
        self._queued += len(data)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="spool-writer")
        return done

    async def head(self, limit: int) -> list[Record]:
        """The oldest records, about ``limit`` bytes of them; they stay until dropped."""
        return await self._run(self._log.read, limit)

    async def drop(self, end: int) -> None:
        """Forget the records before the offset ``end`` (``Record.end``)."""
        await self._run(self._log.drop, end)

    async def close(self) -> None:
        """Finish what is being written and close the files."""
        if self._writer is not None:
            await self._writer
        await self._run(Log.close, self._log)
        self._thread.shutdown()

    async def _write(self) -> None:
        while self._queue:
            group, self._queue = self._queue, []
            data = b"".join(part for part, _ in group)
            failure: OSError | None = None
            try:
                await self._run(self._log.append, data)
            except OSError as error:
                failure = error
            self._queued -= len(data)
            for _, done in group:
                if done.cancelled():
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(SpoolFailed(f"the spool cannot be written: {failure}"))

    async def _run(self, work: Callable[[A], T], argument: A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, argument)
