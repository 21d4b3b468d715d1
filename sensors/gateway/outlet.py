"""The gateway's way out: to the broker, and to the spool while the broker is away.

A parcel goes straight to the broker while the outlet is *open*. When one is not confirmed within ``CONFIRM_S`` the
outlet shuts: everything not yet confirmed goes to the spool in the order it came, and so does what comes after. Once
the broker answers again the spool is drained in order; its last part is drained while new parcels wait in memory
(*closing the gap*), so that the outlet opens again without letting anything overtake.

What the producer still holds when the outlet shuts may reach the broker later. Its confirmation is awaited before the
same message would be drained from the spool, so it is sent twice only when the gateway or the producer dies in
between; and twice is harmless, as a repeated (datastream, time) changes nothing.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import cast

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed, UnknownTopicOrPartitionError

from sensors.segments import Record
from sensors.spool import Spool, SpoolFailed, SpoolFull

CONFIRM_S = 2.0  # the broker has this long before the spool takes over
REQUEST_S = 10.0  # a broker that hangs for longer is asked again
RETRY_S = 0.25
STUCK_S = 30.0
STOP_S = 1.0
WRITING_S = 0.005  # for the disk to finish what the drain has caught up with
DRAIN_BYTES = 1024 * 1024  # drained and confirmed at a time
RECORD_BYTES = 512 * 1024  # of one record batch; brokers refuse more than 1 MiB
RETRY_AFTER_S = 5

log = logging.getLogger(__name__)


class Backpressure(Exception):
    """Nothing can be taken now; try again after ``retry_after`` seconds."""

    def __init__(self, reason: str, retry_after: int = RETRY_AFTER_S) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Message(msgspec.Struct, frozen=True, array_like=True):
    """Records for one partition, each a key (empty for none) and a value; ``id`` is unique while the spool lasts."""

    id: int
    topic: str
    partition: int
    records: list[tuple[bytes, bytes]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class _State(enum.Enum):
    SHUT = "the spool takes everything"
    CLOSING = "parcels wait in memory for the last part of the spool"
    OPEN = "parcels go straight to the broker"


@dataclass(eq=False, slots=True)
class _Parcel:
    """Messages that are answered together; ``sent[i]`` is the broker's confirmation of ``messages[i]``."""

    messages: Sequence[Message]
    since: float
    done: asyncio.Future[bool]  # the answer: whether the spool took a part
    sent: list[asyncio.Future[object]] = field(default_factory=list)
    unconfirmed: int = 0
    live: bool = True  # the broker is still to confirm it; the spool has not taken it


class Outlet:
    """Delivers messages to Kafka at ``servers``, by way of ``spool`` while they cannot be."""

    def __init__(self, servers: str, spool: Spool, producer: Callable[[str], AIOKafkaProducer] | None = None) -> None:
        self._servers = servers
        self._spool = spool
        self._make = producer or _producer
        self._producer: AIOKafkaProducer | None = None
        self._state = _State.CLOSING if spool.empty else _State.SHUT
        self._flight: deque[_Parcel] = deque()  # in the order they came
        self._unsent: asyncio.Queue[_Parcel] = asyncio.Queue()
        self._late: dict[int, asyncio.Future[object]] = {}  # message id → confirmation still out when the outlet shut
        self._broken = asyncio.Event()  # the producer cannot go on
        self._shut = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._pump: asyncio.Task[None] | None = None
        self._next_id = secrets.randbits(62)

    @property
    def open(self) -> bool:
        """Whether the broker takes what comes."""
        return self._state is _State.OPEN

    @property
    def trouble(self) -> str:
        """Why nothing could be taken now; empty when it could."""
        if self.open or self._spool.room:
            return ""
        return f"the broker at {self._servers} does not answer and the spool is full"

    async def start(self) -> None:
        """Begin: connect in the background and drain what an earlier run left."""
        self._tasks = [
            asyncio.create_task(self._keep(), name="outlet-keep"),
            asyncio.create_task(self._watch(), name="outlet-watch"),
        ]

    async def stop(self) -> None:
        """Wait for what is in flight (the spool takes it when the broker does not), then close."""
        if self._flight:
            await asyncio.wait([parcel.done for parcel in self._flight])
        for task in [*self._tasks, *([self._pump] if self._pump else [])]:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._drop_producer()
        await self._spool.close()

    def message(self, topic: str, partition: int, records: list[tuple[bytes, bytes]]) -> Message:
        """A message with an id of its own."""
        self._next_id += 1
        return Message(self._next_id, topic, partition, records)

    async def deliver(self, messages: Sequence[Message]) -> bool:
        """Return once the broker has confirmed every message or the disk holds it; True when the disk does.

        Raises ``Backpressure`` when neither can be.
        """
        if not messages:
            return False
        if self._state is _State.SHUT:
            await self._keep_on_disk(messages)
            return True
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        parcel = _Parcel(messages, time.monotonic(), done, unconfirmed=len(messages))
        self._flight.append(parcel)
        self._unsent.put_nowait(parcel)
        return await done

    async def confirm(self, message: Message) -> None:
        """Return once the broker has confirmed the message; it is never spooled.

        Raises ``Backpressure`` when the broker does not in time; the message may still arrive.
        """
        producer = self._producer
        if producer is None or not self.open:
            raise Backpressure(f"the broker at {self._servers} does not answer")
        try:
            async with asyncio.timeout(CONFIRM_S):
                await (await _send(producer, message))
        except (TimeoutError, KafkaError) as error:
            raise Backpressure(f"the broker at {self._servers} did not confirm: {error!r}") from error

    # --- open: straight to the broker -------------------------------------------------------------------------

    async def _pump_parcels(self, producer: AIOKafkaProducer) -> None:
        """Hand parcels to the producer one after the other, so that none overtakes another."""
        while True:
            parcel = await self._unsent.get()
            for message in parcel.messages:
                try:
                    future = await _send(producer, message)
                except KafkaError as error:
                    self._fail(repr(error))
                    return
                parcel.sent.append(future)
                future.add_done_callback(partial(self._settle, parcel))

    def _settle(self, parcel: _Parcel, future: asyncio.Future[object]) -> None:
        error = None if future.cancelled() else future.exception()
        if not parcel.live:
            return
        if error is not None:
            self._fail(repr(error))
            return
        parcel.unconfirmed -= 1
        if not parcel.unconfirmed:
            self._flight.remove(parcel)
            parcel.done.set_result(False)

    async def _watch(self) -> None:
        """Shut the outlet when the oldest parcel in flight waits too long."""
        while True:
            await asyncio.sleep(CONFIRM_S / 20)
            if self._flight and time.monotonic() - self._flight[0].since > CONFIRM_S:
                self._close(f"no confirmation within {CONFIRM_S} s")

    def _fail(self, reason: str) -> None:
        self._broken.set()
        self._close(reason)

    def _close(self, reason: str) -> None:
        """Shut: what is in flight goes to the spool in the order it came."""
        if self._state is _State.SHUT:
            return
        log.warning("the broker at %s does not confirm (%s); the spool takes over", self._servers, reason)
        self._state = _State.SHUT
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        self._unsent = asyncio.Queue()
        parcels, self._flight = self._flight, deque()
        for parcel in parcels:
            self._abandon(parcel)
        self._shut.set()

    def _abandon(self, parcel: _Parcel) -> None:
        parcel.live = False
        rest = []
        for message, future in zip_longest(parcel.messages, parcel.sent):
            if future is None or not _delivered(future):
                rest.append(message)
            if future is not None and not future.done():
                self._late[message.id] = future
        try:
            kept = self._keep_on_disk(rest)
        except Backpressure as error:
            parcel.done.set_exception(error)
        else:
            kept.add_done_callback(lambda done: _answer(parcel.done, done))

    def _keep_on_disk(self, messages: Sequence[Message]) -> asyncio.Task[None]:
        """Queue the messages for the disk now; the task is done when they are there."""
        try:
            written = self._spool.put([_encode(message) for message in messages])
        except SpoolFull as error:
            raise self._backpressure(error) from error
        return asyncio.create_task(self._written(written))

    async def _written(self, written: asyncio.Future[None]) -> None:
        try:
            await written
        except SpoolFailed as error:
            raise self._backpressure(error) from error

    def _backpressure(self, error: Exception) -> Backpressure:
        return Backpressure(f"the broker at {self._servers} does not answer and {error}")

    # --- shut: find the broker, drain the spool, open again ---------------------------------------------------

    async def _keep(self) -> None:
        told = ""
        while True:
            try:
                producer = await self._connected()
                await self._drain(producer)
            except Exception as error:  # whatever it is, the next try may do better; without one nothing is drained
                if told != (told := repr(error)):
                    expected = isinstance(error, KafkaError | OSError)  # TimeoutError is one
                    log.warning("the broker at %s: %s; trying again", self._servers, told, exc_info=not expected)
                await self._drop_producer()
                await asyncio.sleep(RETRY_S)
                continue
            log.info("the broker at %s takes readings", self._servers)
            told = ""
            await self._shut.wait()
            self._shut.clear()

    async def _connected(self) -> AIOKafkaProducer:
        if self._broken.is_set():
            await self._drop_producer()
        if self._producer is None:
            producer = self._make(self._servers)
            try:
                async with asyncio.timeout(REQUEST_S):
                    await producer.start()
            except BaseException:
                await _discard(producer)
                raise
            self._broken.clear()
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        self._late.clear()  # what it held is sent anew by its successor
        if producer is not None:
            await _discard(producer)

    async def _drain(self, producer: AIOKafkaProducer) -> None:
        """Send what the spool holds, in order, then open. Returns without a pause between empty and open."""
        await _found(producer)
        answered = False
        while not self._spool.empty or self._late:
            if answered and self._spool.waiting < DRAIN_BYTES:
                self._state = _State.CLOSING
            records = await self._spool.head(DRAIN_BYTES)
            if records:
                await _all([await self._resent(producer, record) for record in records])
                await self._spool.drop(records[-1].end)
            elif self._late:  # the spool had no room for these, and nothing may overtake them
                await _all(list(self._late.values()))
                self._late.clear()
            else:
                await asyncio.sleep(WRITING_S)
            answered = True
        self._shut.clear()
        self._state = _State.OPEN
        self._pump = asyncio.create_task(self._pump_parcels(producer), name="outlet-pump")

    async def _resent(self, producer: AIOKafkaProducer, record: Record) -> asyncio.Future[object]:
        message = _decode(record.body)
        return self._late.pop(message.id, None) or await _send(producer, message)


async def _send(producer: AIOKafkaProducer, message: Message) -> asyncio.Future[object]:
    """Hand the message to the producer; the future is its confirmation. Raises ``KafkaError``."""
    try:
        future = await _handed(producer, message)
    except AssertionError as error:  # so aiokafka says that the partition does not exist
        missing = f"{message.topic} has no partition {message.partition}; make as many as the register has shards"
        raise UnknownTopicOrPartitionError(missing) from error
    future.add_done_callback(_seen)
    return future


async def _handed(producer: AIOKafkaProducer, message: Message) -> asyncio.Future[object]:
    if len(message.records) == 1:
        key, value = message.records[0]
        sent = await producer.send(message.topic, value, key or None, message.partition)
    else:
        batch = producer.create_batch()
        for key, value in message.records:
            if batch.append(timestamp=None, key=key or None, value=value) is None:
                raise MessageSizeTooLargeError(f"{len(message.records)} records for {message.topic}")
        sent = await producer.send_batch(batch, message.topic, partition=message.partition)
    return cast("asyncio.Future[object]", sent)


def _seen(future: asyncio.Future[object]) -> None:
    """Look at the outcome, so that asyncio does not warn of one that came too late for anybody to ask."""
    if not future.cancelled():
        future.exception()


async def _found(producer: AIOKafkaProducer) -> None:
    """Wait until a broker answers; ``TimeoutError`` after ``STUCK_S``, as it may have moved."""
    async with asyncio.timeout(STUCK_S):
        while not await producer.client.force_metadata_update():
            await asyncio.sleep(RETRY_S)


async def _all(futures: list[asyncio.Future[object]]) -> None:
    """Wait for all; raise the first error, or ``TimeoutError`` so that another producer is tried."""
    _, waiting = await asyncio.wait(futures, timeout=STUCK_S)
    if waiting:
        raise TimeoutError(f"{len(waiting)} messages are not confirmed after {STUCK_S} s")
    for error in [future.exception() for future in futures]:
        if error is not None:
            raise error


def _delivered(future: asyncio.Future[object]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _answer(parcel: asyncio.Future[bool], kept: asyncio.Future[None]) -> None:
    error = kept.exception()
    if error is None:
        parcel.set_result(True)
    else:
        parcel.set_exception(error)


def _producer(servers: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=RECORD_BYTES,
        request_timeout_ms=round(REQUEST_S * 1000),
        retry_backoff_ms=round(RETRY_S * 1000),
    )


async def _discard(producer: AIOKafkaProducer) -> None:
    """Close the producer without waiting for what it still holds; ``stop`` alone would wait for ever."""
    try:
        async with asyncio.timeout(STOP_S):
            await producer._sender.close()
    except TimeoutError:
        log.info("a request to the broker was given up")
    producer._message_accumulator.fail_all(ProducerClosed())
    await producer.stop()
