"""A kept state: an engine that reads one partition in this worker, saved with the offset it includes everything before.

The order is what makes it safe: take messages, hand their results to the producer, take a snapshot between two
messages, wait until the broker has the results, put the snapshot on the disk, and only then acknowledge the messages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from streams import snapshots
from streams.app import LogBounds, guarded
from streams.current import current
from streams.inbox import Inbox
from streams.outbox import Outbox
from streams.snapshots import Arrays

log = logging.getLogger(__name__)
# what engines raise on the state of another register or pack, or of an older shape
MISFIT = (ValueError, KeyError, msgspec.DecodeError)


class Engine(Protocol):
    """What can be saved and taken up again."""

    def snapshot(self) -> Arrays:
        """The whole state as plain arrays."""

    def restore(self, arrays: Arrays) -> None:
        """Go on from a snapshot; raises one of ``MISFIT`` when it does not fit."""


E = TypeVar("E", bound=Engine)


class Kept(Generic[E]):
    """The engine of one partition, with its inbox, its outbox and the folder of its snapshots.

    ``name`` stands in the log; ``anew`` makes an engine that knows nothing; ``bounds`` are the log's. ``turn`` is held
    while a message is being taken, for a snapshot is taken between messages, never while one is being told. States
    that share ``saves`` are saved one after the other, so that they are not all in memory twice at once.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        outbox: Outbox,
        anew: Callable[[], E],
        bounds: LogBounds,
        every_s: float,
        saves: asyncio.Lock | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.outbox = outbox
        self.inbox = Inbox()
        self.turn = asyncio.Lock()
        self._one = saves or asyncio.Lock()
        self._every_s = every_s
        self._saved_at = time.monotonic()
        self._saving: asyncio.Task[None] | None = None
        self.engine = self._continued(anew, bounds)

    def _continued(self, anew: Callable[[], E], bounds: LogBounds) -> E:
        engine = anew()
        saved = snapshots.newest(self.folder, below=bounds.end)
        if saved is not None:
            offset, arrays = saved
            try:
                engine.restore(arrays)
            except MISFIT as error:  # what was learned does not fit any more
                log.error("%s begins anew: %s", self.name, error)
                engine = anew()
            self.inbox.begin(offset)
            log.info("%s continues at offset %d", self.name, offset)
        # what was acknowledged was told and saved once; that save is gone, and the messages do not come again
        if passed := self.inbox.begin(bounds.committed):
            log.warning("%s has no saved state of the last %d messages and begins after them", self.name, passed)
        if lost := self.inbox.begin(bounds.first):
            log.error("%s: %d messages left the log before they were taken; raise its retention", self.name, lost)
        return engine

    @property
    def reached(self) -> tuple[int, int]:
        """How far it is: the next offset to take, and how many messages it has told."""
        return self.inbox.next, self.outbox.told

    def judge_by(self, anew: Callable[[], E]) -> None:
        """Go on with an engine of other rules; what was learned and is under way stays. In turn."""
        engine = anew()
        engine.restore(self.engine.snapshot())
        self.engine = engine

    async def save(self) -> None:
        """Save the state with its offset, then acknowledge what it includes."""
        async with self._one:
            async with self.turn:
                offset = self.inbox.next
                self._saved_at = time.monotonic()
                if offset <= self.inbox.safe:
                    return
                arrays = self.engine.snapshot()
                await self.outbox.confirmed()
            await asyncio.to_thread(snapshots.write, self.folder, offset, arrays)
            self.inbox.saved(offset)

    def save_when_due(self) -> None:
        """Save beside the work, when the last save is long enough ago."""
        if time.monotonic() - self._saved_at >= self._every_s and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(guarded(self.save()))


class Sole(Generic[E]):
    """An agent that owns one partition: its state is kept while the partition is this worker's, else None."""

    def __init__(self, app: Any, settled: asyncio.Event) -> None:
        self.app = app
        self.settled = settled
        self.kept: Kept[E] | None = None

    async def revoked(self) -> None:
        """Let go of the partition, saving the state."""
        kept, self.kept = self.kept, None
        if kept is not None:
            await kept.save()

    async def save(self) -> None:
        """Save the state, where there is one here."""
        if self.kept is not None:
            await self.kept.save()

    async def save_now_and_then(self, every_s: float) -> None:
        """Save what is due for ever, also when no more messages come."""
        while True:
            await asyncio.sleep(every_s)
            if self.kept is not None:
                self.kept.save_when_due()

    async def judge_by(self, anew: Callable[[], E]) -> None:
        """Go on with an engine of other rules, where there is one here."""
        kept = self.kept  # it may be another's before its turn comes
        if kept is not None:
            async with kept.turn:
                await guarded(asyncio.to_thread(kept.judge_by, anew))

    async def each(self, stream: Any, take: Callable[[Kept[E], Any], Awaitable[None]]) -> None:
        """``take`` every new event of ``stream``, one at a time."""
        async for event in current(self.app, stream.noack(), self.settled):
            kept = self.kept
            if kept is None:
                continue  # just revoked; its new owner reads it
            async with kept.turn:
                await guarded(_new(kept, event, take))
            kept.save_when_due()


async def _new(kept: Kept[E], event: Any, take: Callable[[Kept[E], Any], Awaitable[None]]) -> None:
    if kept.inbox.take(event):
        await take(kept, event)
