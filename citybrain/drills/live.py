"""A live drill: the shadow's detections go to the city's own room, marked as exercise, and people answer them.

Nothing that is measured is touched: readings, detectors and the live picture stay the city's. The room keeps the
exercise apart from what is real (models/drills.py), notifications of it are written down and not sent, and a real
emergency ends it: this runner then stops at once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from citybrain import running
from citybrain.drills import shadow as shadows
from citybrain.drills.others import Others
from citybrain.drills.shadow import Shadow
from citybrain.drills.sheet import Sheet, injected, raised, sheet, told
from citybrain.drills.watching import View, Watching
from config import contract
from config import register as registers
from config.city import City
from config.drills import Drill, DrillError
from config.settings import Settings
from models import events
from models.drills import ITEM, LABEL, Exercise
from models.values import (
    Alert,
    Answer,
    Detection,
    Incident,
    Order,
    ServiceRequest,
    Unit,
    Warning,
    from_json,
    to_json,
)
from models.warned import WARNING
from models.warnings import Raised

ANSWER_S = 15.0
LOOK_S = 0.5
CLOSING_S = 2.0  # what the room makes of the end is looked at once more
Say = Callable[[str], None]
T = TypeVar("T", bound=msgspec.Struct)


async def run(drill: Drill, pack: str, city: City, settings: Settings, by: str, blind: bool, say: Say) -> Sheet:
    """Run the drill in the city that runs on ``settings``; raises ``DrillError`` where it cannot begin."""
    kafka, redis = running.broker(settings), running.store(settings)
    if kafka is None or redis is None:
        raise DrillError(
            f"{city.id} does not run on {settings.data}: start it (`citybrain demo`, `citybrain run all`), or set "
            "CITYBRAIN_KAFKA and CITYBRAIN_REDIS; without --live a drill needs no city"
        )
    register = registers.load(settings.register)
    say("  teaching the drill's sensors what came before")
    now = _now()
    shadow = await asyncio.to_thread(shadows.make, drill, city, register, settings, now)
    await asyncio.to_thread(shadow.catch_up, _now())
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        async with Redis.from_url(redis, socket_timeout=5.0) as store:
            return await _Live(drill, pack, city, settings, by, blind, say, shadow, producer, store).run()
    except (RedisError, KafkaError, OSError) as error:
        raise DrillError(f"the drill broke off: {error!r}; the room ends it when its time is over") from error
    finally:
        await producer.stop()


class _Live:
    """One live drill from its begin to its sheet."""

    def __init__(
        self,
        drill: Drill,
        pack: str,
        city: City,
        settings: Settings,
        by: str,
        blind: bool,
        say: Say,
        shadow: Shadow,
        producer: AIOKafkaProducer,
        store: Any,
    ) -> None:
        self.drill, self.pack, self.city, self.settings = drill, pack, city, settings
        self.by, self.blind, self.say = by, blind, say
        self.shadow, self.producer, self.store = shadow, producer, store
        self.begin = _now()
        self.end = self.begin + drill.lasts_ms
        self.name = shadows.exercise_id(drill.drill, self.begin)
        self.watching = Watching(drill, city, self.begin, people=True)
        self.others = Others(drill, city, shadow.site.register, self.name, self.begin)
        self.alerts: dict[str, Alert] = {}
        self.incidents: dict[str, Incident] = {}
        self.found: list[tuple[Detection, int]] = []
        self.stop = asyncio.Event()
        self._looked = 0.0

    async def run(self) -> Sheet:
        """Begin, go through the timetable, end; the sheet."""
        self.shadow.inject(self.drill, self.begin)
        await self._begin()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        self.say(f"  {self.drill.drill} runs{' blind' if self.blind else ''} until {_clock(self.end)}; Ctrl-C ends it")
        try:
            exercise = await self._timetable()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            exercise = await self._close()
        return self._sheet(exercise)

    async def _timetable(self) -> Exercise:
        """Step by step until its time is over, it is told to stop, or the room ended it."""
        step = self.city.tick_ms
        at = self.begin
        while True:
            exercise = await self._exercise()
            if exercise.state != "running" or self.stop.is_set() or _now() >= self.end:
                return exercise
            if _now() >= at + step:
                at += step
                await self._step(at)
            await self._look()
            await _paused(self.stop, LOOK_S)

    async def _step(self, until: int) -> None:
        """Send what is detected up to ``until``, and what else is due."""
        detected = [shadows.exercise(one, self.name) for one in await asyncio.to_thread(self.shadow.step, until)]
        self.found += [(one, until) for one in detected]
        for one in detected:
            await self._send(contract.DETECTIONS, one.id, to_json(one))
        units = await self._hash(contract.units(self.city.id), Unit)
        for given in self.others.due(until, list(units.values()), list(self.incidents.values())):
            await self._give(given)
        self.watching.warned = self.others.warned

    async def _give(self, given: Order | Warning | ServiceRequest) -> None:
        if isinstance(given, Order):
            await self._send(contract.COMMANDS, given.subject, to_json(given))
        else:
            await self._send(contract.EVENTS, given.id, events.encode(given))

    async def _send(self, topic: contract.Topic, key: str, body: bytes) -> None:
        await self.producer.send_and_wait(topic.of(self.city.id), body, key=key.encode(), partition=0)

    # --- looking --------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        alerts = await self._hash(contract.alerts(self.city.id), Alert)
        incidents = await self._hash(contract.incidents(self.city.id), Incident)
        units = await self._hash(contract.units(self.city.id), Unit)
        self.alerts |= {name: one for name, one in alerts.items() if belongs(one, self.name, self.begin)}
        mine = {alert.incident for alert in self.alerts.values()}
        self.incidents |= {name: one for name, one in incidents.items() if name in mine}
        view = View(self.alerts, self.incidents, list(units.values()), await self._warnings())
        self.watching.look(view, _now())

    async def _warnings(self) -> dict[str, Raised]:
        names = list(self.others.warned.values())
        if not names:
            return {}
        held = await self.store.hmget(contract.room(self.city.id), [WARNING + name for name in names])
        return {name: from_json(body, Raised) for name, body in zip(names, held, strict=True) if body is not None}

    async def _hash(self, key: str, kind: type[T]) -> dict[str, T]:
        return {name.decode(): from_json(body, kind) for name, body in (await self.store.hgetall(key)).items()}

    async def _exercise(self) -> Exercise:
        body = await self.store.hget(contract.room(self.city.id), ITEM)
        if body is None:
            raise DrillError("the store has lost the drill; look whether the worker runs")
        return from_json(body, Exercise)

    # --- begin and end --------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        args: dict[str, str | int | float | bool | list[str] | None] = {
            "drill": self.drill.drill,
            "title_en": self.drill.title.en,
            "title_zh": self.drill.title.zh,
            "blind": self.blind,
            "ends": self.end + int(ANSWER_S * 1000),
        }
        await self._ordered("begin", args)

    async def _close(self) -> Exercise:
        """End it where the room has not, take its warnings back; how it ended."""
        await self._look()
        exercise = await self._exercise()
        if exercise.state == "running":
            await self._ordered("end", {})
        for warning in self.others.ended(_now()):
            await self._give(warning)
        until = time.monotonic() + CLOSING_S
        while True:
            exercise = await self._exercise()
            if exercise.state != "running" or time.monotonic() > until:
                return exercise
            await asyncio.sleep(0.1)

    async def _ordered(self, do: str, args: dict[str, str | int | float | bool | list[str] | None]) -> None:
        """Give the room an order about this drill; raises ``DrillError`` when it refuses or does not answer."""
        order = Order(
            id=f"{self.name}-{do}", about="drill", subject=self.name, do=do, by=self.by, at=_now(), role="planner",
            args=args,
        )  # fmt: skip
        await self._give(order)
        until = time.monotonic() + ANSWER_S
        while time.monotonic() < until:
            body = await self.store.get(contract.answer(self.city.id, order.id))
            if body is not None:
                answer = from_json(body, Answer)
                if answer.status != "done":
                    raise DrillError(f"the room does not {do} the drill: {answer.message}")
                return
            await asyncio.sleep(0.1)
        raise DrillError(f"nobody answered within {ANSWER_S:g} s; look whether the worker of {self.city.id} runs")

    def _sheet(self, exercise: Exercise) -> Sheet:
        if exercise.state == "overtaken":
            self.say(f"  a real emergency took over: {exercise.emergency.zh} / {exercise.emergency.en}")
        own = {one.id for one, _ in self.found}
        known = [(one, at) for one, at in self.found if one.id in self.alerts]
        known += [(one.detection, one.opened) for one in self.alerts.values() if one.id not in own]
        return sheet(
            self.watching,
            self.city,
            self.pack,
            self.shadow.happened.truth,
            told(known, self.shadow.site.packs, self.city),
            name=self.name,
            mode="live",
            blind=self.blind,
            by=self.by,
            ended=exercise.ended or _now(),
            state=exercise.state,
            emergency=exercise.emergency,
            lines=injected(self.drill) + raised(self.alerts, self.begin),
        )


def belongs(alert: Alert, drill: str, begin: int) -> bool:
    """Whether an alert is of the drill that began at ``begin``.

    What the agent *events* makes of the drill's warnings and appeals is marked as exercise, and does not know which; as
    one drill runs at a time it is this one's.
    """
    it = alert.detection
    return it.exercise and it.labels.get(LABEL, drill) == drill and alert.opened >= begin


def _now() -> int:
    return int(time.time() * 1000)


def _clock(ms: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(ms / 1000))


async def _paused(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
