"""The real room in a thread, so that the planner's and the pocket's orders are carried out without the whole stream."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from secrets import token_hex
from types import TracebackType
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from config import contract
from models.audit import Writer
from models.outcome import Outcome
from models.room import Room, Setup
from models.values import Command, Incident, Order, Unit, from_json, to_json
from tests.wall.stage import READY_S, Stage


class Running:
    """``with Running(stage, units, incidents) as room``: orders from the topic, the outcome in the store, the audit."""

    def __init__(self, stage: Stage, units: Mapping[str, Unit], incidents: Mapping[str, Incident]) -> None:
        self._stage = stage
        self.room = Room(Setup(units=units))
        self.room.incidents |= incidents
        self.taken: list[Command | Order] = []
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Running:
        out = Outcome()
        out.units |= self.room.units
        out.incidents |= self.room.incidents
        self._show(out)
        self._thread.start()
        if not self._ready.wait(READY_S):
            raise TimeoutError(f"the broker gave no topic of commands within {READY_S:g} s")
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join()

    def add(self, incident: Incident) -> None:
        """An incident that the room has from now on."""
        self.room.incidents[incident.id] = incident
        out = Outcome()
        out.incidents[incident.id] = incident
        self._show(out)

    def order(self, about: Any, subject: str, do: str, comment: str = "", **args: Any) -> None:
        """Something that the room is told by others, at once."""
        now = _now()
        order = Order(
            id=f"{do}-{subject}-{token_hex(4)}",
            about=about,
            subject=subject,
            do=do,
            by="wang",
            at=now,
            comment=comment,
            args=args,
        )
        self._show(self.room.take(order, now))

    async def _run(self) -> None:
        city, kafka = self._stage.city.id, self._stage.kafka
        consumer = AIOKafkaConsumer(
            contract.COMMANDS.of(city), bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None
        )
        producer, writer = AIOKafkaProducer(bootstrap_servers=kafka), Writer()
        await consumer.start()
        await producer.start()
        self._ready.set()
        try:
            while not self._stopped.is_set():
                for messages in (await consumer.getmany(timeout_ms=50)).values():
                    for message in messages:
                        kind: type[Command] | type[Order] = Order if b'"about"' in message.value else Command
                        asked = from_json(message.value, kind)
                        self.taken.append(asked)
                        out = self.room.take(asked, _now())
                        for line in writer.write(out.audit):
                            await producer.send_and_wait(contract.AUDIT.of(city), to_json(line))
                        self._show(out)
        finally:
            await consumer.stop()
            await producer.stop()

    def _show(self, out: Outcome) -> None:
        redis, city = self._stage.feed.redis, self._stage.city.id
        for key, rows in (
            (contract.units(city), out.units),
            (contract.incidents(city), out.incidents),
            (contract.room(city), out.items),
        ):
            for name, value in rows.items():
                if value is None:
                    redis.hdel(key, name)
                else:
                    redis.hset(key, name, value if isinstance(value, bytes) else to_json(value))
        for answer in out.answers:
            redis.set(contract.answer(city, answer.command), to_json(answer), ex=contract.ANSWER_TTL_S)
            redis.publish(contract.changes(city), msgspec.json.encode({"what": "answer", "command": answer.command}))


def _now() -> int:
    return int(time.time() * 1000)
