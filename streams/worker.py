"""The worker: a process with the agents score, city, events and alerts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from config import contract
from config.layouts import Layouts
from config.register_watch import end_when_grown
from config.site import Site
from models.batch import batch, concat, decode, encode
from streams import app as apps
from streams.agents.alerts import AlertsAgent
from streams.agents.city import CityAgent
from streams.agents.events import EventsAgent
from streams.agents.score import ScoreAgent
from streams.appeals_board import AppealsBoard
from streams.memory import large_arrays_apart
from streams.packs_watch import PacksWatch
from streams.picture import Picture
from streams.planner import Planner
from streams.watchdog import Watchdog

log = logging.getLogger(__name__)


def rehearse(layouts: Layouts) -> None:
    """Score a few readings of each group with engines that are thrown away, so that machine code is there before the
    worker joins its group: while it is made no heartbeat goes out."""
    city = layouts.city_engine()
    for layout in layouts.shards:
        _, rows = np.unique(layout.group, return_index=True)
        engine = layouts.engine(layout.shard)
        for number in range(3):
            time_ms = np.full(len(rows), number * layout.tick_ms * 1000)
            one = decode(encode(batch(layout.members[rows], time_ms, layout.low[rows])))
            # machine code is made for each kind of array: views of a message's bytes, and several put together
            for readings in (one, concat([one, one]), one.take(np.array([0]))):
                for partial in engine.step(readings).partials:
                    city.step(partial)


async def run_worker(site: Site, kafka: str, redis: str) -> int:
    """Score, sum up and keep alerts until told to stop; the exit code."""
    large_arrays_apart()
    rehearse(site.layouts)
    city = site.city.id
    app = apps.create(f"{city}-worker", kafka)
    picture = Picture(city, redis, site.settings.picture_ms / 1000)
    settled = asyncio.Event()  # not while partitions are being taken over
    score = ScoreAgent(app, site, picture, settled)
    sums = CityAgent(app, site, picture, settled)
    alerts = AlertsAgent(app, site, picture, settled, kafka)
    appeals = AppealsBoard(city, redis)
    happenings = EventsAgent(app, site, appeals, settled)
    planner = Planner(alerts, site, redis)
    takers = (score.reload, sums.reload, happenings.reload, alerts.reload, planner.reload)
    watch = PacksWatch(site, redis, takers)
    readings, partials, detections, events = (
        topic.of(city) for topic in (contract.READINGS, contract.PARTIALS, contract.DETECTIONS, contract.EVENTS)
    )
    dog = Watchdog(app, lambda: {(readings, n): shard.reached for n, shard in score.shards.items()})

    async def assigned(_: Any, partitions: set[Any], **__: Any) -> None:
        await apps.guarded(take_over({(tp.topic, tp.partition) for tp in partitions}))

    async def take_over(mine: set[tuple[str, int]]) -> None:
        bounds = await apps.log_bounds(kafka, app.conf.id, mine)
        score.assigned({partition: bounds[topic, partition] for topic, partition in mine if topic == readings})
        if (partials, 0) in mine:
            sums.assigned(bounds[partials, 0])
        if (events, 0) in mine:
            happenings.assigned(bounds[events, 0])
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
        if (events, 0) in lost:
            await happenings.revoked()
        if (detections, 0) in lost:
            await alerts.revoked()

    async def leave() -> None:
        await asyncio.gather(score.save_all(), sums.save(), happenings.save())
        await appeals.close()
        await planner.close()
        await watch.close()
        await picture.close()

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)
    apps.serve_metrics(site.settings)
    end_when_grown(site.settings.register, len(site.register))
    beside: list[Callable[[], Awaitable[None]]] = [
        picture.run,
        score.keep,
        lambda: sums.save_now_and_then(site.settings.snapshot_s),
        lambda: happenings.save_now_and_then(site.settings.snapshot_s),
        sums.outlooks.follow,
        alerts.clock,
        happenings.show,
        planner.run,
        watch.run,
        dog.run,
    ]
    return await apps.run(app, beside=beside, stopping=leave)
