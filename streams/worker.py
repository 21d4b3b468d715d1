"""The two processes of this room: the worker (agents score, city, alerts) and the archive."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import start_http_server

from config import contract
from config.layouts import Layouts
from config.site import Site
from models.batch import batch
from streams import app as apps
from streams.agents.alerts import AlertsAgent
from streams.agents.archive import ArchiveAgent
from streams.agents.city import CityAgent
from streams.agents.score import ScoreAgent
from streams.picture import Picture
from streams.watchdog import Watchdog

log = logging.getLogger(__name__)


Bounds = dict[tuple[str, int], tuple[int, int]]


async def log_bounds(kafka: str, partitions: set[tuple[str, int]]) -> Bounds:
    """The first offset and the end of each (topic, partition)."""
    asked = [TopicPartition(*one) for one in sorted(partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        firsts, ends = await consumer.beginning_offsets(asked), await consumer.end_offsets(asked)
    finally:
        await consumer.stop()
    return {(tp.topic, tp.partition): (firsts[tp], ends[tp]) for tp in asked}


def rehearse(layouts: Layouts) -> None:
    """Score a few readings of each group with engines that are thrown away, so that machine code is there before the
    worker joins its group: while it is made no heartbeat goes out."""
    city = layouts.city_engine()
    for layout in layouts.shards:
        _, rows = np.unique(layout.group, return_index=True)
        engine = layouts.engine(layout.shard)
        for time_ms in (0, layout.tick_ms * 1000):
            step = engine.step(batch(layout.members[rows], np.full(len(rows), time_ms), layout.low[rows]))
            for partial in step.partials:
                city.step(partial)


async def run_worker(site: Site, kafka: str, redis: str) -> int:
    """Score, sum up and keep alerts until told to stop; the exit code."""
    rehearse(site.layouts)
    city = site.city.id
    app = apps.create(f"{city}-worker", kafka)
    picture = Picture(city, redis, site.settings.picture_ms / 1000)
    settled = asyncio.Event()  # not while partitions are being taken over
    score = ScoreAgent(app, site, picture, settled)
    sums = CityAgent(app, site, picture, settled)
    alerts = AlertsAgent(app, site, picture, settled, kafka)
    readings, partials, detections = (
        topic.of(city) for topic in (contract.READINGS, contract.PARTIALS, contract.DETECTIONS)
    )
    dog = Watchdog(app, lambda: {(readings, n): shard.inbox.next for n, shard in score.shards.items()})

    async def assigned(_: Any, partitions: set[Any], **__: Any) -> None:
        await apps.guarded(take_over({(tp.topic, tp.partition) for tp in partitions}))

    async def take_over(mine: set[tuple[str, int]]) -> None:
        bounds = await log_bounds(kafka, mine)
        score.assigned({partition: bounds[topic, partition] for topic, partition in mine if topic == readings})
        if (partials, 0) in mine:
            sums.assigned(*bounds[partials, 0])
        if (detections, 0) in mine:
            await alerts.assigned()
        settled.set()

    async def revoked(_: Any, partitions: set[Any], **__: Any) -> None:
        await apps.guarded(let_go({(tp.topic, tp.partition) for tp in partitions}))

    async def let_go(lost: set[tuple[str, int]]) -> None:
        settled.clear()
        await score.revoked({partition for topic, partition in lost if topic == readings})
        if (partials, 0) in lost:
            await sums.revoked()
        if (detections, 0) in lost:
            await alerts.revoked()

    async def leave() -> None:
        await asyncio.gather(score.save_all(), sums.save())
        await picture.close()

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)
    _metrics(site)
    return await apps.run(app, beside=[picture.run, alerts.clock, dog.run], stopping=leave)


async def run_archive(site: Site, kafka: str) -> int:
    """Archive every topic until told to stop; the exit code."""
    app = apps.create(f"{site.city.id}-archive", kafka)
    settled = asyncio.Event()
    archive = ArchiveAgent(app, site, settled)
    dog = Watchdog(app, lambda: {key: at.inbox.next for key, at in archive.partitions.items()})

    async def assigned(_: Any, partitions: set[Any], **__: Any) -> None:
        await apps.guarded(take_over({(tp.topic, tp.partition) for tp in partitions}))

    async def take_over(mine: set[tuple[str, int]]) -> None:
        await archive.assigned(await log_bounds(kafka, mine))
        settled.set()

    async def revoked(_: Any, partitions: set[Any], **__: Any) -> None:
        settled.clear()
        await apps.guarded(archive.revoked({(tp.topic, tp.partition) for tp in partitions}))

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)
    _metrics(site)
    return await apps.run(app, beside=[archive.clock, dog.run], stopping=archive.flush_all)


def _metrics(site: Site) -> None:
    if site.settings.metrics_port:
        start_http_server(site.settings.metrics_port, site.settings.host)
