"""Agent *alerts*: what detectors, people, units and warners say goes through the room; what comes of it goes out.

The room (models/room.py) decides; this is the shell around it. The compacted topics ``alerts``, ``incidents``,
``units`` and ``room`` are the truth: nothing is shown before the broker has it, and a worker that takes over reads
them whole. Notifications and audit go before all else, so that a crash can make them come twice, never not at all;
both carry ids. What is delivered twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from config import contract, rooms
from config.site import Site
from models import dial, events, partials
from models.audit import REMEMBERED, Writer
from models.outcome import Outcome
from models.partials import Turn
from models.room import LINGER_MS, Input, Room
from models.values import (
    Alert,
    AuditLine,
    Command,
    Detection,
    Incident,
    Order,
    Position,
    Unit,
    Warning,
    from_json,
    to_json,
)
from streams.app import guarded, raw
from streams.current import current
from streams.dead_letters import bury
from streams.outbox import Outbox
from streams.picture import Picture, Shown

log = logging.getLogger(__name__)
TOGETHER = 200  # at most so many inputs are made safe at once
T = TypeVar("T")


class AlertsAgent:
    """Owns the one partition of detections, commands and events when they are assigned to this worker."""

    def __init__(self, app: Any, site: Site, picture: Picture, settled: asyncio.Event, kafka: str) -> None:
        self.app = app
        self.settled = settled
        self.kafka = kafka
        self.city = site.city.id
        self.picture = picture
        self.outbox = Outbox(app)
        self.setup = rooms.setup(site)
        self.room = Room(self.setup)
        self.audit = Writer()
        self.detections = contract.DETECTIONS.of(self.city)
        self.commands = contract.COMMANDS.of(self.city)
        self.events = contract.EVENTS.of(self.city)
        self.owned = False
        self._turn = asyncio.Lock()  # inputs and the clock take turns
        app.agent(raw(app, self.detections, self.commands, self.events), name="alerts", concurrency=1)(self._loop)

    # --- partitions -------------------------------------------------------------------------------------------

    async def assigned(self) -> None:
        """Take over the room: read its topics whole, finish what a crash left half done, show what there is."""
        async with self._turn:
            await self._recover(shown=False)
        self.owned = True
        self.picture.own_room(self._shown)
        await self.picture.write_room()
        log.info(
            "alerts: %d in memory, %d incidents, %d units taken over",
            len(self.room.alerts), len(self.room.incidents), len(self.room.units),
        )  # fmt: skip

    async def revoked(self) -> None:
        """Let go: another worker keeps the room now."""
        self.owned = False
        self.picture.own_room(None)

    async def reload(self, site: Site) -> None:
        """Keep the room by what the packs of ``site`` say of alerts, from what is safe."""
        setup = await asyncio.to_thread(rooms.setup, site)
        async with self._turn:
            self.setup = setup
            if self.owned:
                await guarded(self._recover(shown=True))
            else:
                self.room = Room(setup)

    async def _recover(self, shown: bool) -> None:
        alerts, incidents, units, items, lines = await asyncio.gather(
            self._compacted(contract.ALERTS, lambda body: from_json(body, Alert)),
            self._compacted(contract.INCIDENTS, lambda body: from_json(body, Incident)),
            self._compacted(contract.UNITS, lambda body: from_json(body, Unit)),
            self._compacted(contract.ROOM, bytes),
            self._last_lines(),
        )
        self.audit = Writer(lines)
        self.room = Room(self.setup)
        await self._publish(self.room.restore(alerts, incidents, units, items, _now()), shown)
        await self._tell_city(self.room.items.get(dial.ITEM))

    async def _compacted(self, topic: contract.Topic, decode: Callable[[bytes], T]) -> dict[str, T]:
        """The newest value of each key of a compacted topic."""
        newest: dict[str, bytes] = {}
        async for key, body in _records(self.kafka, topic.of(self.city)):
            if body is None:
                newest.pop(key, None)
            else:
                newest[key] = body
        return {key: decode(body) for key, body in newest.items()}

    async def _last_lines(self) -> list[AuditLine]:
        """The end of the audit, from which it is continued."""
        records = _records(self.kafka, contract.AUDIT.of(self.city), REMEMBERED)
        return [from_json(body, AuditLine) async for _, body in records if body is not None]

    async def _shown(self) -> Shown:
        """What belongs in the picture: all that is safe, but for what closed long ago."""
        async with self._turn:
            room, shown_from = self.room, _now() - LINGER_MS
            there = {i.id: i for i in room.incidents.values() if i.closed is None or i.closed > shown_from}
            return Shown(dict(room.alerts), there, dict(room.units), dict(room.items))

    # --- the loop -----------------------------------------------------------------------------------------------

    async def _loop(self, stream: Any) -> None:
        stream = stream.noack()
        waiting: list[Any] = []
        async for event in current(self.app, stream, self.settled):
            waiting.append(event)
            if len(waiting) < TOGETHER and not stream.channel.empty():
                continue
            batch, waiting = waiting, []
            async with self._turn:
                await guarded(self._take([one for one in batch if self._is_current(one)]))

    def _is_current(self, event: Any) -> bool:
        """False for what was read before a rebalance and waits still: it comes again."""
        return bool(event.message.generation_id == self.app.consumer_generation_id)

    async def _take(self, batch: list[Any]) -> None:
        out, now = Outcome(), _now()
        for event in batch:
            topic, body = event.message.topic, event.message.value or b""
            source = f"{topic}-{event.message.partition}@{event.message.offset}"
            try:
                given = self._decoded(topic, body)
            except msgspec.DecodeError as error:
                await bury(self.outbox, self.city, source, str(error), body)
                continue
            if given is None:
                continue
            try:
                out.merge(self.room.take(given, now))
            except Exception as error:
                log.exception("the room fails on %s", source)
                await bury(self.outbox, self.city, source, f"the room fails on it: {error!r}", body)
                await self._publish(out)  # all before it is whole; the room itself may not be, so it starts again
                out = Outcome()
                await self._recover(shown=True)
        await self._publish(out)
        for event in batch:
            event.ack()

    def _decoded(self, topic: str, body: bytes) -> Input | None:
        """The message as the room takes it; None where it is not for the room. Raises ``msgspec.DecodeError``."""
        if topic == self.detections:
            return from_json(body, Detection)
        if topic == self.commands:
            return from_json(body, Order) if from_json(body, _About).about else from_json(body, Command)
        event = events.decode(body)
        return event if isinstance(event, Position | Warning) else None

    async def _publish(self, out: Outcome, shown: bool = True) -> None:
        """First what must not be missed, then the log, then people."""
        city = self.city
        for note in out.notifications.values():
            await self.outbox.send(contract.NOTIFICATIONS.of(city), note.id.encode(), to_json(note), 0)
        for line in self.audit.write(out.audit):
            await self.outbox.send(contract.AUDIT.of(city), line.subject.encode(), to_json(line), 0)
        await self._tell_city(out.items.get(dial.ITEM))
        await self.outbox.confirmed()
        for topic, values in (
            (contract.INCIDENTS, out.incidents),
            (contract.UNITS, out.units),
            (contract.ROOM, out.items),
            (contract.ALERTS, out.alerts),
        ):
            for key, value in values.items():
                body = to_json(value) if isinstance(value, msgspec.Struct) else value
                await self.outbox.send(topic.of(city), key.encode(), body, 0)
        await self.outbox.confirmed()
        if shown and out:
            await self.picture.show(out)

    async def _tell_city(self, turned: bytes | None) -> None:
        """The dial of the alert budget was turned: tell it among the partials, whose order the city judges by."""
        if turned is not None:
            turn = partials.encode(from_json(turned, Turn))
            await self.outbox.send(contract.PARTIALS.of(self.city), b"dial", turn, 0)

    async def between(self, work: Callable[[int], Outcome]) -> None:
        """Let something else of this worker change the room between two inputs; ``work`` takes the time (ms)."""
        async with self._turn:
            if self.owned:
                await guarded(self._publish(work(_now())))

    # --- the clock ----------------------------------------------------------------------------------------------

    async def clock(self) -> None:
        """Each second: what time alone changes."""
        while True:
            await asyncio.sleep(1)
            if self.owned:
                async with self._turn:
                    await guarded(self._tick(_now()))

    async def _tick(self, now: int) -> None:
        await self._publish(self.room.tick(now))
        await self.picture.flooded(self.room.flooded())


class _About(msgspec.Struct):
    """What tells an order from a command."""

    about: str = ""


def _now() -> int:
    return int(time.time() * 1000)


async def _records(kafka: str, topic: str, newest: int | None = None) -> AsyncIterator[tuple[str, bytes | None]]:
    """The messages of the topic's one partition up to now, or only so many of the newest, as (key, value)."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([partition])
        first = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, first if newest is None else max(first, end - newest))
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, []):
                yield (record.key or b"").decode(), record.value
    finally:
        await consumer.stop()
