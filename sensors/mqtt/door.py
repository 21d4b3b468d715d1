"""``citybrain run mqtt``: what gateways publish at an MQTT broker, taken in like what they push over HTTP.

A message is acknowledged to its broker once the readings in it are confirmed by Kafka or on the spool's disk; what
cannot be read is a dead letter and acknowledged too, for it would never get better. While nothing can be kept, or a
source sends more than it may, messages wait unacknowledged and in order. Readings of one topic keep their order.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from prometheus_client import start_http_server

from config import contract
from config.city import City
from config.register import Register
from config.settings import Settings
from models.values import to_json
from sensors.codecs.base import Envelope
from sensors.codecs.errors import Fault
from sensors.codecs.register import CODECS
from sensors.codecs.sparkplug_session import Session
from sensors.gateway.following import follow
from sensors.gateway.gather import Intake, letter
from sensors.gateway.parts import Parts, parts
from sensors.gateway.reception import NOTHING
from sensors.mqtt.line import Address, Arrived, Line
from sensors.mqtt.offline import Offline, online
from sensors.mqtt.routes import STATUS, Route, Way, Ways, load, shared
from sensors.problems import Problem
from sensors.tokens import Gateway

AGAIN = (429, 503)  # answers after which a message is tried again
AGAIN_S, LONGEST_S = 0.5, 2.0

log = logging.getLogger(__name__)


class DoorError(ValueError):
    """The door cannot be opened; the message says what is missing."""


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A message that is being taken; ``arrival`` counts them."""

    arrival: int
    way: Way = field(compare=False)
    message: Arrived = field(compare=False)
    line: Line = field(compare=False)


class Door:
    """Takes messages in, each source's in their order."""

    def __init__(self, parts: Parts, routes: tuple[Route, ...], offline: Offline, city: str) -> None:
        self._parts = parts
        self._ways = Ways(routes)
        self._offline = offline
        self._city = city
        self._session = Session()
        self._held: dict[str, list[_Waiting]] = {}  # sources whose messages wait for one before, the oldest first
        self._arrivals = count()
        self._tasks: set[asyncio.Task[None]] = set()

    def arrived(self, message: Arrived, line: Line) -> None:
        """Take a message in; it is acknowledged when it is safe."""
        way = self._ways.of(message.topic)
        if way is None:  # a subscription of an earlier configuration, kept by the broker
            line.done(message)
            return
        waiting = _Waiting(next(self._arrivals), way, message, line)
        if way.source in self._held:
            heappush(self._held[way.source], waiting)
        else:
            self._start(self._one(way.source, waiting))

    async def settle(self) -> None:
        """Wait until nothing is being taken."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a message could not be taken; it is not acknowledged and comes again", exc_info=error)

    async def _one(self, source: str, one: _Waiting) -> None:
        """Take one message; while it must wait, those of its source that follow wait behind it."""
        try:
            await self._take(one.way, one.message)
        except Problem as problem:
            if problem.status not in AGAIN:
                raise
            log.warning("%s waits: %s", source, problem.detail)
            if source in self._held:
                heappush(self._held[source], one)
            else:
                self._held[source] = [one]
                await self._work_off(source)
            return
        one.line.done(one.message)

    async def _work_off(self, source: str) -> None:
        """Take the source's waiting messages one after the other, the oldest first, until none waits."""
        waiting = self._held[source]
        while waiting:
            one = heappop(waiting)
            try:
                await self._take(one.way, one.message)
            except Problem as problem:
                if problem.status not in AGAIN:
                    raise
                heappush(waiting, one)
                await asyncio.sleep(min(float(problem.headers.get("retry-after", AGAIN_S)), LONGEST_S))
                continue
            one.line.done(one.message)
        del self._held[source]

    async def _take(self, way: Way, message: Arrived) -> None:
        """Keep what the message holds; raises ``Problem`` 429 or 503 when it must wait."""
        route, source = way.route, way.source
        gateway = Gateway(source or "mqtt")
        envelope = self._envelope(way, gateway, message)
        if route.format == STATUS:
            await self._status(source, message, envelope.now)
            return
        codec = CODECS[route.format]
        try:
            await self._parts.reception.take(gateway, codec, codec.media[0], message.payload, envelope)
        except Problem as problem:
            if problem.status in AGAIN:
                raise
            if problem.status == 413:  # the reception keeps no letter of what it did not read
                await self._bury(gateway, envelope, problem, message, codec.media[0])
            log.warning("%s on %s: %s", source, message.topic, problem.detail)

    def _envelope(self, way: Way, gateway: Gateway, message: Arrived) -> Envelope:
        told = self._parts.reception.envelope(gateway)
        return Envelope(
            now=told.now,
            limit=told.limit,
            zone=told.zone,
            source=gateway.name,
            asset=way.asset,
            datastream=way.datastream,
            topic=message.topic,
            mapping=way.route.mapping,
            session=self._session,
        )

    async def _status(self, source: str, message: Arrived, now: int) -> None:
        said = online(message.payload)
        if said is None:
            reason = f"status {message.payload[:40]!r} says neither online nor offline; publish one of the two words"
            dead = letter(source, now, reason, "status", message.payload, "text/plain")
            await self._parts.gatherer.add(Intake(source, now, NOTHING, [dead]))
            return
        detection = self._offline.heard(source, said, now)
        if detection is not None:
            topic = contract.DETECTIONS.of(self._city)
            outlet = self._parts.outlet
            await outlet.deliver([outlet.message(topic, 0, [(detection.id.encode(), to_json(detection))])])

    async def _bury(self, gateway: Gateway, told: Envelope, problem: Problem, message: Arrived, form: str) -> None:
        dead = letter(gateway.name, told.now, problem.detail, problem.field, message.payload, form)
        await self._parts.gatherer.add(Intake(gateway.name, told.now, NOTHING, [dead]))
        fault = Fault(0, problem.kind, problem.field, problem.value, problem.limit, problem.detail)
        self._parts.metrics.took(gateway.name, 0, [fault], told.now, None)


async def run_mqtt(settings: Settings, city: City, register: Register, stop: asyncio.Event | None = None) -> int:
    """Stand at the broker of ``CITYBRAIN_MQTT`` until told to stop; the exit code. Raises ``DoorError``."""
    if settings.mqtt is None:
        raise DoorError("CITYBRAIN_MQTT is not set; set it to mqtt://user:password@host:1883")
    address = Address.of(settings.mqtt.get_secret_value())
    routes = load(city.folder)
    made = parts(settings, register, settings.home / "spool-mqtt", city.timezone)
    door = Door(made, routes, Offline(settings.home / "mqtt" / "offline.json", city.view.centre), settings.city)
    lines: list[Line] = []
    line = Line(
        address,
        _client_id(settings),
        [(shared(route, settings.mqtt_group), route.qos) for route in routes],
        lambda message: door.arrived(message, lines[0]),
        settings.mqtt_version,
    )
    lines.append(line)
    stop = stop or _told_to_stop()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host, made.metrics.registry)
    gc.collect()
    gc.freeze()  # the register stays for ever; looking through it again would only cost time
    await made.outlet.start()
    aside = [asyncio.create_task(line.run()), asyncio.create_task(follow(settings.register, made.use))]
    if made.picture:
        aside.append(
            asyncio.create_task(
                made.picture.publish(made.metrics.tallies, made.metrics.quarantine, made.reception.health)
            )
        )
    ended = asyncio.create_task(stop.wait())
    await asyncio.wait([ended, *aside], return_when=asyncio.FIRST_COMPLETED)
    for task in aside:
        task.cancel()
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await door.settle()
    failed = [error for error in await asyncio.gather(*aside, return_exceptions=True) if isinstance(error, Exception)]
    if made.picture:
        await made.picture.close(made.metrics.tallies)
    await made.outlet.stop()
    if failed:
        raise failed[0]
    return 0


def _client_id(settings: Settings) -> str:
    """The same after a restart, so that the broker knows the session again; another for each process of a machine."""
    path = settings.home / "mqtt" / "client-id"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"citybrain-{settings.city}-{uuid.uuid4().hex[:12]}")
    return path.read_text()


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    return stop
