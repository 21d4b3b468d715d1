"""The notifier: every message of the topic ``notifications`` goes out by its route, at least once.

A message is settled when its route took it, when it was given up (it is then in the store's list ``failed`` and a dead
letter), or when it is not to go out: a drill's is written into the journal, and a route may not be connected or not
want its severity. Each route has its own lane, so that one that is down holds up no other; a message waits there for
the end of the route's quiet hours and for the pause after a failure. The offset that is committed is the first that is
not settled, and what was settled after it is marked in the store: a restart repeats only what was under way, under
the same key.

Of two notifiers one sends and the other stands by, warm, with a lease in the store between them (streams/lease.py): a
consumer group would let six seconds pass before it gave a dead member's partition to another. Both watch over the
deadlines (streams/escalator.py).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge, start_http_server
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from config import contract, duty_files, notifications, roster
from config.notifications import Way
from config.settings import Settings
from models.calendar import Calendar
from models.escalation import notification_id
from models.notices import Failed, held_until, pause_s, takes
from models.values import DeadLetter, Notification, from_json, to_json
from streams.escalator import Escalator
from streams.lease import Lease
from streams.senders import NotSent, Senders

log = logging.getLogger(__name__)
LANE = 4  # messages of one route that are sent at the same time
WAITING_LIMIT = 20_000  # so many unsettled messages are held; then reading waits
COMMIT_S = 0.5
STORE_S = 2.0  # how long the store may take to answer; without it messages go out all the same
LEAVE_S = 8.0
SETTLED = Counter("citybrain_notifications_total", "Notifications by route and outcome", ["route", "outcome"])
WAITING = Gauge("citybrain_notifications_waiting", "Notifications read and not yet settled")


@dataclass(slots=True)
class _Item:
    notification: Notification
    offset: int
    failures: int = 0


@dataclass(slots=True)
class Lane:
    """The messages of one route that wait: urgent ones first, each not before its time (seconds, monotonic)."""

    work: Callable[[_Item], Coroutine[Any, Any, None]]
    _later: list[tuple[float, int, _Item]] = field(default_factory=list)
    _ready: list[tuple[bool, int, _Item]] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=itertools.count)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, item: _Item, wait_s: float = 0.0) -> None:
        """Let the message wait for its turn."""
        heapq.heappush(self._later, (time.monotonic() + wait_s, next(self._count), item))
        self._moved.set()

    async def run(self) -> None:
        """Work off what is due, LANE at a time, for ever."""
        async with asyncio.TaskGroup() as group:
            free = asyncio.Semaphore(LANE)
            while True:
                await free.acquire()
                item = await self._next()
                task = group.create_task(self.work(item))
                task.add_done_callback(lambda _: free.release())

    async def _next(self) -> _Item:
        while True:
            self._moved.clear()
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                _, number, item = heapq.heappop(self._later)
                heapq.heappush(self._ready, (not item.notification.urgent, number, item))
            if self._ready:
                return heapq.heappop(self._ready)[2]
            wait = self._later[0][0] - now if self._later else None
            try:
                await asyncio.wait_for(self._moved.wait(), wait)
            except TimeoutError:
                continue


class Notifier:
    """Reads, sends, notes what became of each message. ``home`` is the city's folder."""

    def __init__(
        self, city: str, home: Path, kafka: str, store: Redis, ways: dict[str, Way], calendar: Calendar
    ) -> None:
        self.city = city
        self._kafka = kafka
        self._store = store
        self._ways = ways
        self._calendar = calendar
        self._secrets = home / "secrets"
        self._senders = Senders(home)
        self._topic = contract.NOTIFICATIONS.of(city)
        self._partition = TopicPartition(self._topic, 0)
        self._lanes = {name: Lane(self._attempt) for name in ways}
        self._open: dict[int, _Item] = {}  # by offset
        self._under_way: set[str] = set()  # keys
        self._next = 0
        self._told_unconnected: set[str] = set()
        self._lease = Lease(store, contract.notifier(city), contract.NOTIFIER_LEASE_MS)
        self._leads = False
        self._producer: Any = None
        self._consumer: Any = None

    async def start(self) -> None:
        """Reach the broker."""
        self._producer = AIOKafkaProducer(bootstrap_servers=self._kafka, acks="all", linger_ms=2)
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka,
            group_id=f"{self.city}-notifier",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
        )
        await self._consumer.start()
        await there(self._consumer, self._topic, contract.INCIDENTS.of(self.city), contract.ROOM.of(self.city))

    async def run(self) -> None:
        """Stand by until it is this one's turn, then work until cancelled; raises ``Lost`` when another took over."""
        await asyncio.to_thread(self._senders.warm, self._vias())
        await self._lease.until_taken()
        self._consumer.assign([self._partition])
        self._next = await self._consumer.position(self._partition)
        self._leads = True
        log.info("this notifier sends, from message %d", self._next)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lease.hold())
            for lane in self._lanes.values():
                group.create_task(lane.run())
            group.create_task(self._commits())
            group.create_task(self._read())

    async def stop(self) -> None:
        """Commit how far it came and let go."""
        if self._leads:
            try:
                await self._commit()
            except KafkaError as error:
                log.warning("the last commit failed, so the last messages come again: %r", error)
            await self._lease.leave()
        for part in (self._consumer, self._producer):
            if part is not None:
                await part.stop()
        await self._senders.close()

    async def send(self, messages: list[Notification]) -> None:
        """Put messages on the topic; they are safe when this returns."""
        for one in messages:
            await self._producer.send(self._topic, to_json(one), key=one.id.encode(), partition=0)
        await self._producer.flush()

    def _vias(self) -> set[str]:
        return {way.route.via for way in self._ways.values() if way.connected(self._secrets)}

    # --- reading --------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            if len(self._open) >= WAITING_LIMIT:
                await asyncio.sleep(0.1)
                continue
            try:
                found = await self._consumer.getmany(self._partition, timeout_ms=500, max_records=200)
            except KafkaError as error:
                log.warning("notifications cannot be read: %r", error)
                await asyncio.sleep(1.0)
                continue
            for record in found.get(self._partition, []):
                await self._take(record.offset, record.value or b"")

    async def _take(self, offset: int, body: bytes) -> None:
        try:
            notification = from_json(body, Notification)
        except msgspec.DecodeError as error:
            await self._bury(f"{self._topic}-0@{offset}", str(error), body)
            self._next = offset + 1
            return
        item = self._open[offset] = _Item(notification, offset)
        self._next = offset + 1
        WAITING.set(len(self._open))
        if notification.id in self._under_way or await self._marked(notification.id):
            self._settle(item, "repeated")
            return
        self._under_way.add(notification.id)
        await self._route(item)

    async def _route(self, item: _Item) -> None:
        """Into the route's lane, or settled at once where it is not to go out."""
        notification = item.notification
        way = self._ways.get(notification.route)
        if notification.exercise:
            await asyncio.to_thread(self._senders.write_down, notification, "exercise, not sent")
            await self._done(item, "exercise")
        elif way is None:
            known = ", ".join(sorted(self._ways))
            await self._give_up(item, f"the route {notification.route} is not declared; routes are {known}")
        elif not takes(way.route, notification):
            await self._done(item, "unwanted")
        elif not way.connected(self._secrets):
            if notification.route not in self._told_unconnected:
                self._told_unconnected.add(notification.route)
                log.warning("route %s is not connected: %s is not set", notification.route, way.address)
            await self._done(item, "unconnected")
        else:
            now = int(time.time() * 1000)
            held_ms = held_until(way.route, notification, self._calendar, now) - now
            self._lanes[notification.route].put(item, held_ms / 1000)

    # --- sending --------------------------------------------------------------------------------------------------

    async def _attempt(self, item: _Item) -> None:
        way = self._ways[item.notification.route]
        try:
            await self._senders.send(way, item.notification)
        except (NotSent, OSError) as error:
            item.failures += 1
            log.warning("%s by %s: attempt %d: %s", item.notification.id, way.route.route, item.failures, error)
            if item.failures >= way.route.attempts:
                await self._give_up(item, str(error))
            else:
                self._lanes[way.route.route].put(item, pause_s(item.failures))
        else:
            await self._done(item, "sent")

    async def _give_up(self, item: _Item, error: str) -> None:
        """A dead letter first, for the store may be lost; then the list that people work off."""
        notification = item.notification
        await self._bury(f"notifier/{notification.route}", error, to_json(notification))
        failure = Failed(notification, item.failures, error, int(time.time() * 1000))
        try:
            await self._store.hset(contract.failed(self.city), notification.id, to_json(failure))
        except (RedisError, OSError) as lost:
            log.error("%s is a dead letter only, the store is away: %s", notification.id, lost)
        self._settle(item, "failed")

    async def _bury(self, source: str, reason: str, body: bytes) -> None:
        name = notification_id(source, body.decode(errors="replace"))  # the same letter sent twice is seen to be one
        letter = DeadLetter(id=name, at=int(time.time() * 1000), source=source, reason=reason, body=body)
        log.error("dead letter %s from %s: %s", letter.id, source, reason)
        await self._producer.send_and_wait(contract.DEAD_LETTERS.of(self.city), to_json(letter), key=letter.id.encode())

    async def _done(self, item: _Item, outcome: str) -> None:
        """Note that this key needs nothing more, so that a copy of it is not sent again."""
        try:
            key = contract.sent(self.city, item.notification.id)
            await self._store.set(key, outcome, ex=contract.SENT_TTL_S)
        except (RedisError, OSError) as error:
            log.warning("%s may go out again, the store is away: %s", item.notification.id, error)
        self._settle(item, outcome)

    async def _marked(self, key: str) -> bool:
        try:
            return bool(await self._store.exists(contract.sent(self.city, key)))
        except (RedisError, OSError) as error:
            log.warning("%s may be a repetition, the store is away: %s", key, error)
            return False

    def _settle(self, item: _Item, outcome: str) -> None:
        del self._open[item.offset]
        if outcome != "repeated":
            self._under_way.discard(item.notification.id)
        SETTLED.labels(item.notification.route, outcome).inc()
        WAITING.set(len(self._open))

    # --- how far it came ------------------------------------------------------------------------------------------

    async def _commits(self) -> None:
        committed = -1
        while True:
            await asyncio.sleep(COMMIT_S)
            if self._safe == committed:
                continue
            try:
                await self._commit()
                committed = self._safe
            except KafkaError as error:
                log.warning("the commit waits for the broker: %r", error)

    async def _commit(self) -> None:
        await self._consumer.commit({self._partition: self._safe})

    @property
    def _safe(self) -> int:
        """The first offset that is not settled."""
        return min(self._open, default=self._next)


async def there(consumer: AIOKafkaConsumer, *topics: str) -> None:
    """Wait until the topics are there; another role makes them."""
    told = False
    while missing := set(topics) - await consumer.topics():
        if not told:
            log.warning(
                "waiting for the topics %s; the gateway, worker or archive makes them", ", ".join(sorted(missing))
            )
        told = True
        await asyncio.sleep(0.5)


async def run_notifier(settings: Settings, kafka: str, redis: str) -> int:
    """Send what is to be told and watch over the deadlines until told to stop; the exit code."""
    city = settings.city
    folder = duty_files.folder(settings)
    ways = notifications.load(folder)
    calendar = duty_files.local_time(folder)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = Redis.from_url(redis, socket_timeout=STORE_S, retry=Retry(NoBackoff(), 0))
    notifier = Notifier(city, settings.home, kafka, store, ways, calendar)
    escalator = Escalator(city, roster.load(folder, frozenset(ways)), calendar, notifier.send)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host)
    await notifier.start()
    log.info("notifier of %s is up; routes: %s", city, ", ".join(ways))
    work = [asyncio.create_task(one) for one in (notifier.run(), escalator.follow(kafka), escalator.watch())]
    told = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([told, *work], return_when=asyncio.FIRST_COMPLETED)
    for task in (told, *work):
        task.cancel()
    ended = await asyncio.gather(*work, return_exceptions=True)
    await asyncio.wait_for(notifier.stop(), LEAVE_S)
    await store.aclose()
    if told in done:
        return 0
    for error in ended:
        if isinstance(error, Exception):
            log.error("the notifier failed: %r", error, exc_info=error)
    return 1
