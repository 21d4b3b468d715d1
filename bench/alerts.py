"""Detections a second through the agent *alerts* of the real worker on one core, in a flood, beside a bare loop.

The flood is 5,000 detections a minute for 5 minutes, from sensors all over the city that fire and clear: all of it is
put into the topic at once, and the worker takes it as fast as it can. The limit beside it is a loop that only consumes
and decodes the same detections. Memory is the worker's when a fifth has gone through and at the end.
"""

from __future__ import annotations

import asyncio
import os
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
from models.flood import ROWS, Flooded
from models.values import Alert, Detection, Incident, Text, alert_id, from_json, to_json

A_MINUTE, MINUTES = 5_000, 5
SOURCES = 500  # cameras that fire and clear, five times a minute each
PATIENCE_S = 180.0


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
        kafka = stack.settings.kafka
        assert kafka is not None
        site = sites.load(stack.settings)
        prepare.make_topics(kafka, site.city.id, site.register.shards)
        flood = [to_json(one) for one in _flood(site)]
        fired = {one.id for one in _flood(site)}
        await _fill(kafka, contract.DETECTIONS.of(site.city.id), flood)
        bare = await _bare(kafka, contract.DETECTIONS.of(site.city.id))
        worked = await _work(stack, site, fired)
    needed = A_MINUTE / 60
    return {
        "detections": len(flood),
        "alerts": len(fired),
        **worked,
        "bare_consume_decode_per_s": round(bare),
        "needed_per_s": round(needed, 1),
        "core_share_at_needed": round(needed * worked["cpu_s"] / len(flood), 4),
    }


def _flood(site: Site) -> Iterator[Detection]:
    """Every detection of the flood in order: each source fires, then clears, ten times a minute between them."""
    cameras = site.register.frame.filter(site.register.frame["kind"] == "camera")
    rows = cameras.gather_every(max(1, len(cameras) // SOURCES)).head(SOURCES).rows(named=True)
    start, beats = int(time.time() * 1000) // 60_000 * 60_000, MINUTES * A_MINUTE // (2 * SOURCES)
    for beat in range(beats):
        onset = start + beat * MINUTES * 60_000 // beats
        for state in ("firing", "cleared"):
            for row in rows:
                name = Text(row["name_en"], row["name_zh"])
                yield Detection(
                    id=alert_id("holiday-crowd", "CameraSurge", row["asset"], onset), pack="holiday-crowd",
                    rule="CameraSurge", place=row["asset"], place_kind="asset", place_name=name, lon=row["lon"],
                    lat=row["lat"], district=row["district"], state=state, severity="Minor", onset=onset, time=onset,
                    value=60.0, expected=20.0, score=6.0, unit="1",
                    headline=Text(f"Unusual crowd at {name.en}", f"{name.zh}人数异常"),
                )  # fmt: skip


async def _fill(kafka: str, topic: str, messages: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    await asyncio.gather(*[await producer.send(topic, one, partition=0) for one in messages])
    await producer.stop()


async def _bare(kafka: str, topic: str) -> float:
    """Detections a second that a loop only consumes and decodes: the limit."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([partition])
    end = (await consumer.end_offsets([partition]))[partition]
    started, done = time.perf_counter(), 0
    while await consumer.position(partition) < end:
        for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, []):
            from_json(record.value, Detection)
            done += 1
    took = time.perf_counter() - started
    await consumer.stop()
    return done / took


async def _work(stack: Stack, site: Site, fired: set[str]) -> dict[str, Any]:
    """Let the real worker take the flood on one core; what it made of it."""
    kafka, city = stack.settings.kafka, site.city.id
    assert kafka is not None
    assert stack.settings.redis is not None
    await stack.start_role("worker")
    pid = stack.supervisor.pid("worker")
    assert pid is not None
    os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})
    alerts, topic = set[str](), TopicPartition(contract.ALERTS.of(city), 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([topic])
    began, cpu, memory, closed = 0.0, 0.0, 0.0, set[str]()
    until = time.monotonic() + PATIENCE_S
    while (len(alerts) < len(fired) or len(closed) < len(fired) - SOURCES) and time.monotonic() < until:
        for record in (await consumer.getmany(topic, timeout_ms=200)).get(topic, []):
            began, cpu = (began, cpu) if began else (time.perf_counter(), cpu_s(pid))
            alert = from_json(record.value, Alert)
            alerts.add(alert.id)
            if alert.state == "normal":
                closed.add(alert.id)
        if not memory and len(alerts) > len(fired) / 5:
            memory = rss_mb(pid)
    took, used, rss = time.perf_counter() - began, cpu_s(pid) - cpu, rss_mb(pid)
    await consumer.stop()
    await asyncio.sleep(2)
    rows = await _rows(stack, city)
    await stack.supervisor.end("worker")
    return {
        "detections_per_s": round(2 * len(fired) / took),
        "cpu_s": round(used, 2),
        "stored": len(alerts & fired),
        "lost": len(fired - alerts),
        "worker_rss_mb_at_a_fifth": round(memory),
        "worker_rss_mb_at_the_end": round(rss),
        **rows,
    }


async def _rows(stack: Stack, city: str) -> dict[str, Any]:
    """What is left to read: incidents, rows of the queue for each seat, the load."""
    assert stack.settings.redis is not None
    redis = Redis.from_url(stack.settings.redis.get_secret_value())
    held: Any = await redis.hvals(contract.incidents(city))
    load = from_json(await redis.get(contract.flood(city)) or b"{}", Flooded)
    await redis.aclose()
    incidents = [from_json(body, Incident) for body in held]
    unfinished = [one for one in incidents if one.closed is None]
    return {
        "incidents": len(incidents),
        "rows_per_dispatcher": min(len(unfinished), ROWS),
        "flood": load.flood,
        "alerts_in_incidents": sum(one.count for one in unfinished),
    }


if __name__ == "__main__":
    sys.exit(main(True))
