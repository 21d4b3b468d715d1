"""Agent *archive*: every topic to Parquet, each message once; acknowledged when it is on the disk."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from config import contract
from config.site import Site
from models import batch as batches
from models.batch import Malformed
from streams.app import Bounds, guarded, raw
from streams.archive import Message, MessagesWriter, ReadingsWriter
from streams.current import current
from streams.inbox import Inbox

log = logging.getLogger(__name__)
MESSAGES = (
    contract.EVENTS,
    contract.DETECTIONS,
    contract.TICKS,
    contract.COMMANDS,
    contract.ALERTS,
    contract.INCIDENTS,
    contract.UNITS,
    contract.ROOM,
    contract.NOTIFICATIONS,
    contract.AUDIT,
    contract.DEAD_LETTERS,
)


@dataclass(slots=True)
class _Partition:
    writer: ReadingsWriter | MessagesWriter
    inbox: Inbox
    since: float | None = None  # when the oldest waiting message came
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ArchiveAgent:
    """Owns the partitions assigned to this process; each has its files."""

    def __init__(self, app: Any, site: Site, settled: asyncio.Event) -> None:
        self.app = app
        self.settled = settled
        self.site = site
        self.city = site.city.id
        self.readings = contract.READINGS.of(self.city)
        self.topics = {topic.of(self.city): topic for topic in (contract.READINGS, *MESSAGES)}
        self.partitions: dict[tuple[str, int], _Partition] = {}
        app.agent(raw(app, *self.topics), name="archive", concurrency=1)(self._loop)

    async def assigned(self, bounds: Bounds) -> None:
        """Take over these (topic, partition) by their log's bounds, after what is in the files already."""
        for key, bound in sorted(bounds.items()):
            writer = await asyncio.to_thread(self._writer, *key)
            inbox = Inbox(next=writer.next, safe=writer.next, whole=not self.topics[key[0]].compact)
            if missing := inbox.begin(bound.committed):
                log.error("archive: no file has %d messages of %s-%d that were archived once", missing, *key)
            if lost := inbox.begin(bound.first):
                log.error("archive: %d messages of %s-%d left the log before they were archived", lost, *key)
            self.partitions[key] = _Partition(writer, inbox)

    def _writer(self, topic: str, partition: int) -> ReadingsWriter | MessagesWriter:
        folder = self.site.settings.archive / self.topics[topic].name
        folder.mkdir(parents=True, exist_ok=True)
        if topic == self.readings:
            return ReadingsWriter(folder, self.site.layouts.shards[partition])
        return MessagesWriter(folder, partition)

    async def revoked(self, partitions: set[tuple[str, int]]) -> None:
        """Write what waits and let go of these partitions."""
        for key in sorted(partitions & set(self.partitions)):
            await self._flush(self.partitions[key])
            del self.partitions[key]

    async def _loop(self, stream: Any) -> None:
        stream = stream.noack()
        async for event in current(self.app, stream, self.settled):
            message = event.message
            at = self.partitions[message.topic, message.partition]
            async with at.turn:
                await guarded(self._take(at, event))
            if isinstance(at.writer, ReadingsWriter) and at.writer.rows >= self.site.settings.archive_flush_rows:
                await guarded(self._flush(at))

    async def _take(self, at: _Partition, event: Any) -> None:
        if at.inbox.take(event):
            self._gather(at, event.message)
            at.since = at.since or time.monotonic()
        at.inbox.lighten()

    def _gather(self, at: _Partition, message: Any) -> None:
        if isinstance(at.writer, MessagesWriter):
            at.writer.take(
                Message(message.offset, int(message.timestamp * 1000), _text(message.key), _text(message.value))
            )
            return
        try:
            at.writer.take(message.offset, batches.decode(message.value or b""))
        except Malformed:
            at.writer.skip(message.offset)  # agent *score* sends it to the dead letters

    async def clock(self) -> None:
        """Write what has waited long enough."""
        while True:
            await asyncio.sleep(0.5)
            limit = time.monotonic() - self.site.settings.archive_flush_s
            for at in list(self.partitions.values()):
                if at.since is not None and at.since <= limit:
                    await guarded(self._flush(at))

    async def flush_all(self) -> None:
        """Write everything that waits, as before leaving."""
        for at in self.partitions.values():
            await self._flush(at)

    async def _flush(self, at: _Partition) -> None:
        async with at.turn:
            at.since = None
            at.inbox.saved(await asyncio.to_thread(at.writer.flush))


def _text(data: bytes | None) -> str | None:
    """Bytes as text; what is no UTF-8 is kept as base64 in JSON quotes."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return msgspec.json.encode(data).decode()
