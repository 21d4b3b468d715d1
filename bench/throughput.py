"""Readings a second from broker to scored state and picture, in one worker on one core.

The same micro-batches of whole Chengdu are first only read (the limit), then scored by the real worker process; a plain
Faust agent with a table, one message a reading, is the peer in the same run.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from redis.asyncio import Redis

from bench.machine import cpu_s, rss_mb, tell
from citybrain import prepare
from citybrain.local.supervisor import Supervisor
from citybrain.stack import Stack
from config import contract
from config import site as sites
from config.settings import Settings
from config.site import Site
from models import batch as batches
from models.batch import Batch
from sensors.simulate import chengdu

SECONDS = 300  # of whole Chengdu
ROWS = 1_000  # readings in a message
PLAIN = 30_000  # messages for the plain agent


def main(as_json: bool) -> int:  # the result is always JSON
    """Run the benchmark; one JSON object on the last line."""
    with tempfile.TemporaryDirectory(prefix="citybrain-bench-") as folder:
        return tell(asyncio.run(_measure(Path(folder))))


async def _measure(folder: Path) -> dict[str, Any]:
    settings = Settings(city="chengdu", data=folder)
    prepare.make_register(settings)
    async with Supervisor(folder) as supervisor:
        stack = Stack(settings, supervisor)
        await stack.start_local()
        assert stack.settings.kafka is not None
        site = sites.load(stack.settings)
        prepare.make_topics(stack.settings.kafka, site.city.id, site.register.shards)
        prepare.warm_up(site, lambda what, share: None)
        readings = await _fill(stack.settings.kafka, site)
        raw = await _consume(stack.settings.kafka, site, readings)
        worker = await _work(stack, site, readings)
        plain = await _plain(stack.settings.kafka)
    return {
        "readings": readings,
        "rows_per_message": ROWS,
        **worker,
        "plain_faust_per_s": plain,
        "times_plain_faust": round(worker["readings_per_s"] / plain, 1),
        "raw_consume_per_s": raw,
    }


def _messages(site: Site) -> Iterator[Batch]:
    """``SECONDS`` of the whole city from now on, cut into messages of ``ROWS``."""
    now = int(time.time() * 1000) // 5_000 * 5_000
    city = chengdu.simulated(site.city, site.register, now)
    for batch in chengdu.recent(city, now + SECONDS * 1000, SECONDS):
        for first in range(0, len(batch), ROWS):
            part = slice(first, first + ROWS)
            yield Batch(batch.datastream[part], batch.time[part], batch.value[part], batch.flags[part], "bench", now)


async def _fill(kafka: str, site: Site) -> int:
    readings = 0
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", max_batch_size=1 << 20)
    await producer.start()
    sent = []
    for batch in _messages(site):
        readings += len(batch)
        shard = int(site.register.shard[batch.datastream[0]])
        sent.append(await producer.send(contract.READINGS.of(site.city.id), batches.encode(batch), partition=shard))
    await asyncio.gather(*sent)
    await producer.stop()
    return readings


async def _consume(kafka: str, site: Site, readings: int) -> float:
    """Read the topic and only count messages: the limit."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    partitions = [TopicPartition(contract.READINGS.of(site.city.id), n) for n in range(site.register.shards)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    await consumer.seek_to_beginning(*partitions)
    started, left = time.perf_counter(), sum(ends.values())
    while left > 0:
        found = await consumer.getmany(timeout_ms=1000)
        left -= sum(len(records) for records in found.values())
    took = time.perf_counter() - started
    await consumer.stop()
    return round(readings / took)


async def _work(stack: Stack, site: Site, readings: int) -> dict[str, Any]:
    """Score the topic with the real worker process on one core."""
    assert stack.settings.redis is not None
    redis = Redis.from_url(stack.settings.redis.get_secret_value(), decode_responses=True)
    await stack.start_role("worker")
    pid = stack.supervisor.pid("worker")
    assert pid is not None
    os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})
    marks: list[tuple[float, int, float]] = []
    while not marks or marks[-1][1] < readings:
        await asyncio.sleep(0.1)
        numbers = await redis.hgetall(contract.counters(site.city.id))
        scored = sum(int(v) for k, v in numbers.items() if str(k).startswith("scored:"))
        if scored:
            marks.append((time.perf_counter(), scored, cpu_s(pid)))
    await redis.aclose()
    memory = rss_mb(pid)
    await stack.supervisor.end("worker")
    first, last = marks[0], marks[-1]
    return {
        "readings_per_s": round((last[1] - first[1]) / (last[0] - first[0])),
        "readings_per_cpu_s": round((last[1] - first[1]) / max(last[2] - first[2], 1e-9)),
        "worker_rss_mb": round(memory),
    }


async def _plain(kafka: str) -> float:
    """A plain Faust agent with a table: one JSON message a reading, exponentially weighted mean and variance."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5)
    prepare.make_topics(kafka, "plain", 1)
    await producer.start()
    sent = [
        await producer.send(
            "plain.readings-json", b'{"sensor": "%d", "value": %d}' % (n % 5_000, n % 97), key=b"%d" % (n % 5_000)
        )
        for n in range(PLAIN)
    ]
    await asyncio.gather(*sent)
    await producer.stop()
    process = subprocess.run(
        [sys.executable, "-m", "bench.plain_faust", kafka, "plain.readings-json", str(PLAIN)],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return float(process.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main(True))
