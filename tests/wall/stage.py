"""A stage for the wall's tests: real store, real broker, the wall as a process, and a feed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer
from redis import Redis
from redis.exceptions import RedisError

from citybrain.local import kafka, ports
from citybrain.local import redis as store
from config import contract, register
from config.city import City
from config.register import Register
from config.settings import Settings
from models import alarm, incidents
from models.orders import Refused
from models.values import Alert, Answer, Command, Order, from_json, to_json
from tests.wall.feed import Feed
from wall.accounts import add_display, add_user

READY_S = 90.0
LAUNCH = "from config.settings import Settings; from wall.app import run; run(Settings())"


class Stage:
    """``with Stage(folder, register, city) as stage``: store, broker and wall run below ``folder``."""

    password = "correct horse 8"
    launch = LAUNCH
    speaker: type[Feed] = Feed

    def __init__(self, folder: Path, rows: Register, city: City, port: int = 0, answers: bool = True) -> None:
        self.folder = folder
        self.city = city
        self.rows = rows
        self.port = port or ports.free_port()
        self.answers = answers
        self._stack = ExitStack()
        self._wall: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Stage:
        with self._stack as stack:  # closed at once when the start fails
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The wall's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The wall's process."""
        assert self._wall is not None
        return self._wall.pid

    @property
    def settings(self) -> Settings:
        """The settings the wall runs with."""
        return Settings.model_validate(
            {
                "city": self.city.id,
                "data": self.folder,
                "kafka": self.kafka,
                "redis": store.url(self.folder / "redis", self.redis_port),
                "wall_port": self.port,
            }
        )

    def display(self) -> str:
        """A new display token, for as many browsers as a test has."""
        return add_display(self.settings.secrets / "displays.json", "wall-1", shared=True)

    def held(self, alert: Alert, by: str) -> Alert:
        """The alert as ``by`` has acknowledged it."""
        now = int(time.time() * 1000)
        return alarm.obey(
            alert, Command(id=f"held-{alert.id}", alert=alert.id, action="acknowledge", by=by, at=now), now
        )

    # --- processes ---

    def start_store(self) -> None:
        """Run the store; what it held is there again."""
        folder = self.folder / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        self._store = subprocess.Popen(store.argv(folder, self.redis_port), stdout=subprocess.DEVNULL)
        until(lambda: answers(store.url(folder, self.redis_port)), "the store answers")

    def stop_store(self) -> None:
        """End the store."""
        _end(self._store)

    def start_broker(self) -> None:
        """Run the broker."""
        self._broker = kafka.start(self.folder / "kafka", self.kafka_port, auto_create=True)

    def stop_broker(self) -> None:
        """End the broker."""
        kafka.stop(self._broker)

    def start_wall(self) -> None:
        """Run the wall and wait until it answers."""
        known = self.settings
        given = {
            "CITYBRAIN_CITY": known.city,
            "CITYBRAIN_DATA": str(known.data),
            "CITYBRAIN_KAFKA": str(known.kafka),
            "CITYBRAIN_REDIS": known.redis.get_secret_value() if known.redis else "",
            "CITYBRAIN_WALL_PORT": str(self.port),
        }
        self._wall = subprocess.Popen([sys.executable, "-c", self.launch], env={**os.environ, **given})
        until(lambda: httpx.get(f"{self.url}/healthz").status_code == 200, "the wall is healthy")

    def kill_wall(self) -> None:
        """Kill the wall without a word, as a crash does."""
        if self._wall is not None:
            self._wall.kill()
            self._wall.wait()

    def stop_wall(self) -> int:
        """End the wall with SIGTERM; its exit code."""
        return _end(self._wall) if self._wall is not None else 0

    def _start(self) -> None:
        self.redis_port = ports.free_port()
        self.kafka_port = ports.free_port()
        self.kafka = f"127.0.0.1:{self.kafka_port}"
        self.start_broker()
        self._stack.callback(self.stop_broker)
        self.start_store()
        self._stack.callback(self.stop_store)
        settings = self.settings
        register.save(self.rows, settings.register)
        for name, role in (("chen", "dispatcher"), ("wang", "dispatcher"), ("guest", "viewer")):
            add_user(settings.secrets / "users.json", name, role, self.password)
        client = Redis.from_url(store.url(self.folder / "redis", self.redis_port))
        self._stack.callback(client.close)
        self.feed = self.speaker(client, self.city, self.rows)
        self._stack.callback(self.feed.stopped.set)
        if self.answers:
            answering = Answering(self.feed, self.kafka)
            self._stack.callback(answering.stop)
        self._stack.callback(self.kill_wall)
        self.start_wall()


class Answering:
    """Carries out commands by the real life cycle, in a thread, so that the wall can be tested without the stream."""

    def __init__(self, feed: Feed, bootstrap: str) -> None:
        self._feed = feed
        self._bootstrap = bootstrap
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        if not self._ready.wait(READY_S):
            raise TimeoutError(f"the broker {bootstrap} gave no topic of commands within {READY_S:g} s")

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    async def _run(self) -> None:
        topic = contract.COMMANDS.of(self._feed.city.id)
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        self._ready.set()
        try:
            while not self._stopped.is_set():
                for messages in (await consumer.getmany(timeout_ms=100)).values():
                    for message in messages:
                        if b'"about"' in message.value:
                            self._order(from_json(message.value, Order))
                        else:
                            self._carry_out(from_json(message.value, Command))
        finally:
            await consumer.stop()

    def _carry_out(self, command: Command) -> None:
        alert = self._feed.read(command.alert)
        after, answer = alarm.decide(alert, command, int(time.time() * 1000))
        if after is not None and after is not alert:
            self._feed.put(after, announce=True)
        self._answer(answer)

    def _order(self, order: Order) -> None:
        """An order about an incident, by the real life cycle."""
        incident = self._feed.incident(order.subject)
        assert incident is not None
        try:
            after = incidents.obey(incident, order, int(time.time() * 1000))
        except Refused as no:
            self._answer(
                Answer(
                    command=order.id, alert=incident.id, status=no.status, state=no.state, by=no.by, message=str(no)
                )
            )  # fmt: skip
        else:
            self._feed.put_incident(after)
            self._answer(Answer(command=order.id, alert=after.id, status="done", state=after.state, by=after.owner))

    def _answer(self, answer: Answer) -> None:
        redis, city = self._feed.redis, self._feed.city.id
        redis.set(contract.answer(city, answer.command), to_json(answer), ex=contract.ANSWER_TTL_S)
        redis.publish(contract.changes(city), msgspec.json.encode({"what": "answer", "command": answer.command}))


def answers(url: str) -> bool:
    """Whether a store is there; in a thread that may run an event loop of its own."""
    with Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def until(true: object, what: str) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            if callable(true) and true():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"not within {READY_S:g} s: {what}")


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(40)  # on a busy machine
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
