"""The Faust application of a worker: one group of agents, and how it starts and stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import start_http_server

from config.settings import Settings

log = logging.getLogger(__name__)

EXIT_FAILED = 70  # EX_SOFTWARE
CANCELS = 10  # loops that run along are told so often, a second apart, that it is over
SAFE_S = 60.0  # saving what was read takes about a second; while the broker is away it may not end at all
SESSION_TIMEOUT_S = 6.0  # a killed worker's partitions move after so long
# aiokafka does not ask again when its question for the topics failed, and a group that is assigned without knowing them
# gets none: a worker that starts while the broker is away would stand still for as long as this
METADATA_MAX_AGE_MS = 2_000


def create(name: str, kafka: str) -> Any:
    """A Faust app of consumer group ``name`` on the brokers ``kafka`` (``host:port[,host:port]``).

    At-least-once with acknowledgements of our own (streams/inbox.py); no web server, no tables, no topic creation.
    """
    return faust.App(
        name,
        broker=";".join(f"kafka://{server}" for server in kafka.split(",")),
        store="memory://",
        processing_guarantee="at_least_once",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=2.0,
        broker_commit_interval=1.0,
        broker_request_timeout=30.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        producer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        producer_acks=-1,
        producer_max_request_size=4 * 1024 * 1024,
        producer_linger=0.005,
        # acknowledgements wait for snapshots, so leaving must not wait for them
        stream_wait_empty=False,
        stream_buffer_maxsize=1024,
        worker_redirect_stdouts=False,
        tracer=None,
    )


def raw(app: Any, *names: str) -> Any:
    """Topics whose keys and values are taken as bytes."""
    return app.topic(
        *names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
    )


async def run(app: Any, *, beside: list[Callable[[], Awaitable[None]]], stopping: Callable[[], Awaitable[None]]) -> int:
    """Run ``app`` until SIGTERM, SIGINT or a crash; exit code 0, or 1 after a crash.

    ``beside`` are loops that run along and must not end; ``stopping`` is awaited before the app stops, for what has
    to be made safe while the broker can still be told.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app.loop = loop
    gc.collect()
    gc.freeze()  # what was loaded stays: the collector need not look at it again and again
    await app.start()
    log.info("worker %s is up", app.conf.id)
    tasks = [asyncio.ensure_future(work()) for work in beside]
    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(_crash(app)), *tasks]
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    failed = not stop.is_set()
    for task in done:
        if not task.cancelled() and task.exception() is not None:
            log.error("worker %s fails: %r", app.conf.id, task.exception(), exc_info=task.exception())
    await _ended(waits)
    if not failed:
        failed = not await _made_safe(app, stopping)
    try:
        await asyncio.wait_for(app.stop(), 8)
    except TimeoutError:
        log.warning("worker %s did not stop in 8 s; what is safe is saved, so it is left", app.conf.id)
    return 1 if failed else 0


async def _ended(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel the tasks until they are over.

    Once is not enough: a cancellation that comes in the moment a wait is over can be swallowed by what waited.
    """
    left = set(tasks)
    for _ in range(CANCELS):
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1.0)
        if not left:
            return
    log.warning("left behind though they did not end: %s", ", ".join(sorted(map(str, left))))


async def _made_safe(app: Any, stopping: Callable[[], Awaitable[None]]) -> bool:
    """Whether what was read is safe within ``SAFE_S``; if not, it was not acknowledged either and comes again."""
    try:
        await asyncio.wait_for(stopping(), SAFE_S)
    except TimeoutError:
        log.error(
            "worker %s could not save its state in %g s; it starts again from the one before", app.conf.id, SAFE_S
        )
        return False
    return True


async def guarded(work: Awaitable[None]) -> None:
    """Await ``work``; when it fails the process ends at once.

    Faust would acknowledge the event of a failed agent and go on. Here nothing that is not safe has been acknowledged,
    so the supervisor's restart repeats it.
    """
    try:
        await work
    except Exception as error:
        die(f"an agent failed: {error!r}", error)


def die(reason: str, error: BaseException | None = None) -> None:
    """End the process now, as a crash would; what is not safe was not acknowledged and comes again."""
    log.critical("%s; the process ends and starts again from its last saved state", reason, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_FAILED)


async def _crash(app: Any) -> None:
    """Ends when the app has crashed or stopped by itself."""
    while not (app.crashed or app._stopped.is_set()):
        await asyncio.sleep(0.2)
    raise RuntimeError(f"the app stopped: {app.crash_reason!r}")


class LogBounds(NamedTuple):
    """A partition's log: its first offset, its end, and the first offset its group has not acknowledged."""

    first: int
    end: int
    committed: int


Bounds = dict[tuple[str, int], LogBounds]


async def log_bounds(kafka: str, group: str, partitions: set[tuple[str, int]]) -> Bounds:
    """The log's bounds of each (topic, partition), with what consumer group ``group`` has acknowledged."""
    asked = [TopicPartition(*one) for one in sorted(partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        firsts, ends = await consumer.beginning_offsets(asked), await consumer.end_offsets(asked)
        committed = {tp: await consumer.committed(tp) or 0 for tp in asked}
    finally:
        await consumer.stop()
    return {(tp.topic, tp.partition): LogBounds(firsts[tp], ends[tp], committed[tp]) for tp in asked}


def serve_metrics(settings: Settings) -> None:
    """Serve /metrics of this process where a port is set for it."""
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host)
