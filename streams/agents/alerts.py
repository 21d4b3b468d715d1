"""Agent *alerts*: detections and commands through the alarm's life; alerts out, to people and to the log.

The topic ``alerts`` (compacted, key = id) is the truth: an alert is shown only after the broker has it, and a worker
that takes over reads it whole. What is delivered twice changes nothing, for detections and commands carry ids.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from config import contract
from config.site import Site
from models import alarm
from models.values import Alert, Answer, Command, Detection, from_json, to_json
from streams.app import guarded, raw
from streams.current import current
from streams.dead_letters import bury
from streams.outbox import Outbox
from streams.picture import Picture

log = logging.getLogger(__name__)
TOGETHER = 200  # at most so many inputs are made safe at once
FORGET_CLOSED_MS = 24 * 3_600_000  # a closed alert leaves the topic after so long; the archive keeps it


class AlertsAgent:
    """Owns the one partition of detections and of commands when they are assigned to this worker."""

    def __init__(self, app: Any, site: Site, picture: Picture, settled: asyncio.Event, kafka: str) -> None:
        self.app = app
        self.settled = settled
        self.kafka = kafka
        self.city = site.city.id
        self.picture = picture
        self.outbox = Outbox(app)
        self.topic = contract.ALERTS.of(self.city)
        self.detections = contract.DETECTIONS.of(self.city)
        self.commands = contract.COMMANDS.of(self.city)
        self.alerts: dict[str, Alert] = {}
        self.shown: set[str] = set()  # closed alerts leave the picture earlier than the topic
        self.owned = False
        self._turn = asyncio.Lock()  # inputs and the clock take turns
        app.agent(raw(app, self.detections, self.commands), name="alerts", concurrency=1)(self._loop)

    # --- partitions -------------------------------------------------------------------------------------------

    async def assigned(self) -> None:
        """Take over the alerts: read the topic whole, show what it holds."""
        self.alerts = await _recover(self.kafka, self.topic)
        self.owned = True
        now = _now()
        shown = [a for a in self.alerts.values() if not _lingered(a, now)]
        self.shown = {alert.id for alert in shown}
        self.picture.own_alerts(shown)
        await self.picture.write_all_alerts()
        log.info("alerts: %d taken over, %d of them shown", len(self.alerts), len(shown))

    async def revoked(self) -> None:
        """Let go: another worker keeps the alerts now."""
        self.owned = False
        self.picture.own_alerts(None)

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

    async def _take(self, events: list[Any]) -> None:
        changed: dict[str, Alert] = {}
        answers: list[Answer] = []
        now = _now()
        for event in events:
            topic, body = event.message.topic, event.message.value or b""
            try:
                if topic == self.commands:
                    self._obey(from_json(body, Command), now, changed, answers)
                else:
                    self._note(from_json(body, Detection), now, changed)
            except msgspec.DecodeError as error:
                source = f"{topic}-{event.message.partition}@{event.message.offset}"
                await bury(self.outbox, self.city, source, str(error), body)
        await self._publish(changed, answers)
        for event in events:
            event.ack()

    def _note(self, detection: Detection, now: int, changed: dict[str, Alert]) -> None:
        before = self.alerts.get(detection.id)
        after = alarm.apply(before, detection, now)
        self._keep(before, after, changed)

    def _obey(self, command: Command, now: int, changed: dict[str, Alert], answers: list[Answer]) -> None:
        before = self.alerts.get(command.alert)
        after, answer = alarm.decide(before, command, now)
        self._keep(before, after, changed)
        answers.append(answer)

    def _keep(self, before: Alert | None, after: Alert | None, changed: dict[str, Alert]) -> None:
        if after is not None and after is not before:
            self.alerts[after.id] = changed[after.id] = after

    async def _publish(self, changed: dict[str, Alert], answers: list[Answer]) -> None:
        """First the log, then people."""
        for alert in changed.values():
            await self.outbox.send(self.topic, alert.id.encode(), to_json(alert), 0)
        await self.outbox.confirmed()
        self.shown |= set(changed)
        await self.picture.alerts(changed.values(), (), answers)

    # --- the clock ----------------------------------------------------------------------------------------------

    async def clock(self) -> None:
        """Each second: end shelvings whose time is up, let closed alerts go."""
        while True:
            await asyncio.sleep(1)
            if self.owned:
                async with self._turn:
                    await guarded(self._tick(_now()))

    async def _tick(self, now: int) -> None:
        changed = {a.id: after for a in self.alerts.values() if (after := alarm.expired(a, now)) is not a}
        self.alerts.update(changed)
        if changed:
            await self._publish(changed, [])
        gone = [name for name in self.shown if _lingered(self.alerts[name], now)]
        old = [a.id for a in self.alerts.values() if a.closed is not None and now - a.closed > FORGET_CLOSED_MS]
        for name in old:
            await self.outbox.send(self.topic, name.encode(), None, 0)
        await self.outbox.confirmed()
        if gone or old:
            await self.picture.alerts((), {*gone, *old}, ())
        self.shown -= {*gone, *old}
        for name in old:
            del self.alerts[name]


def _now() -> int:
    return int(time.time() * 1000)


def _lingered(alert: Alert, now: int) -> bool:
    return alert.closed is not None and now - alert.closed > contract.CLOSED_LINGER_S * 1000


async def _recover(kafka: str, topic: str) -> dict[str, Alert]:
    """All alerts of the compacted topic, the newest of each id."""
    alerts: dict[str, Alert] = {}
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, []):
                if record.value is None:
                    alerts.pop(record.key.decode(), None)
                else:
                    alerts[record.key.decode()] = from_json(record.value, Alert)
    finally:
        await consumer.stop()
    return alerts
