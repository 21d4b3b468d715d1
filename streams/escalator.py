"""A second pair of eyes on every deadline: what the worker did not escalate in time is escalated from here.

The agent *alerts* escalates, and writes it into the incident. When its worker was killed, its partitions come back
after some ten seconds, which a red incident does not have. This watch runs in the notifier, a small process that is up
again within a second or two: it follows the topics ``incidents`` and ``room``, and where a deadline passed and the
incident has not moved it sends the same messages, with the same keys, that the agent sends when it is back. The
incident itself is left to the agent: it alone writes that topic.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from config import contract
from models import escalation
from models import roster as rosters
from models.calendar import Calendar
from models.roster import ROTA, Roster, Rota
from models.values import Incident, Notification, from_json

log = logging.getLogger(__name__)
GRACE_MS = 700  # the agent's own clock goes by the second
PACE_S = 0.2
REMEMBERED = 10_000  # keys of messages that were handed over


class Escalator:
    """Follows open incidents and hands over what is due to ``send``, which returns when the broker has it."""

    def __init__(
        self,
        city: str,
        roster: Roster,
        calendar: Calendar,
        send: Callable[[list[Notification]], Awaitable[None]],
    ) -> None:
        self.incidents: dict[str, Incident] = {}
        self.rota = Rota()
        self._roster = roster
        self._calendar = calendar
        self._send = send
        self._topic = contract.INCIDENTS.of(city)
        self._room = contract.ROOM.of(city)
        self.ready = asyncio.Event()  # what was there at the start has been read: an old record is not the last word
        self._told: set[str] = set()
        self._order: deque[str] = deque()

    async def follow(self, kafka: str) -> None:
        """Read both topics from their beginning, for ever."""
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(self._topic, 0), TopicPartition(self._room, 0)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            behind = {tp: end for tp, end in (await consumer.end_offsets(partitions)).items() if end}
            while True:
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        self.take(record.topic, record.key, record.value)
                    if tp in behind and await consumer.position(tp) >= behind[tp]:
                        del behind[tp]
                if not behind:
                    self.ready.set()
        finally:
            await consumer.stop()

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """One record of either topic; one that cannot be read changes nothing."""
        name = (key or b"").decode(errors="replace")
        try:
            if topic == self._room:
                if name == ROTA:
                    self.rota = from_json(value, Rota) if value else Rota()
                return
            incident = from_json(value, Incident) if value else None
        except msgspec.DecodeError as error:
            log.error("%s: %s cannot be read and is not watched: %s", topic, name, error)
            return
        if incident is None or not escalation.waits(incident):
            self.incidents.pop(name, None)
        else:
            self.incidents[name] = incident

    async def watch(self) -> None:
        """Look at the deadlines several times a second, for ever."""
        await self.ready.wait()
        while True:
            await asyncio.sleep(PACE_S)
            try:
                await self.turn(int(time.time() * 1000))
            except KafkaError as error:
                log.warning("escalations wait for the broker: %r", error)
                await asyncio.sleep(1.0)

    async def turn(self, now: int) -> None:
        """Hand over what is due at ``now`` (ms) and was not escalated in time."""
        late = [one for one in self.incidents.values() if escalation.due(one, now - GRACE_MS)]
        if not late:
            return
        duties = rosters.on_duty(self._roster, self._calendar, self.rota, now)
        for incident in late:
            after, messages = escalation.escalate(incident, self._roster, duties, now)
            fresh = [one for one in messages if one.id not in self._told]
            if fresh:
                await self._send(fresh)
                log.warning("incident %s: escalation %d from the watch", incident.id, after.escalation)
            self._remember(one.id for one in fresh)
            self.incidents[incident.id] = after

    def _remember(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._told.add(key)
            self._order.append(key)
        while len(self._order) > REMEMBERED:
            self._told.discard(self._order.popleft())
