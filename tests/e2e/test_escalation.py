"""An escalation is told within 2 s of its deadline, though worker, notifier or both were killed 1 s before it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace
from redis.asyncio import Redis

from citybrain import prepare
from citybrain.local.ports import free_port
from citybrain.local.supervisor import Ended, Supervisor
from citybrain.stack import SPARE, Stack
from config import contract
from config import site as sites
from config.duty_files import COMMON
from config.settings import Settings
from models.escalation import WITHIN_MS
from models.values import Incident, from_json, to_json
from tests.models.duty import alert
from tests.streams.sinks import Webhook, webhook

CITY = "auckland"
APART_S = 20.0  # between two openings, so that a killed worker is back before the next deadline
VICTIMS: tuple[tuple[str, ...], ...] = (("worker",), ("notifier",), ("worker", "notifier"))
LIMIT_MS = 2_000
PLACES = ((174.70, -36.80), (174.80, -36.90), (174.90, -37.00))  # far apart: each its own incident


@pytest.mark.timeout(400)
def test_an_escalation_is_told_in_time_whoever_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Red incidents that nobody takes; every copy of a message bears one key, the timeline has the step once."""
    cities = tmp_path / "cities"
    shutil.copytree(COMMON / CITY, cities / CITY)
    for file in ("roster.yaml", "notifications.yaml"):
        shutil.copy(COMMON / "chengdu" / file, cities / CITY)
    monkeypatch.setenv("CITYBRAIN_CITIES", str(cities))
    with webhook() as hook:
        monkeypatch.setenv("CITYBRAIN_ROUTE_DUTY_WECOM", f"json://127.0.0.1:{hook.port}/hook")
        asyncio.run(_main(tmp_path / "data", hook))


async def _main(folder: Path, hook: Webhook) -> None:
    cities, gateway, wall = folder.parent / "cities", free_port(), free_port()
    settings = Settings(city=CITY, cities=cities, data=folder, gateway_port=gateway, wall_port=wall)
    ended: list[Ended] = []
    async with Supervisor(folder, on_end=ended.append) as supervisor:
        stack = Stack(settings, supervisor)
        prepare.make_register(settings)
        await stack.start_local()
        kafka, redis = stack.settings.kafka, stack.settings.redis
        assert kafka is not None
        assert redis is not None
        prepare.make_topics(kafka, CITY, sites.load(stack.settings).register.shards)
        await asyncio.gather(*(stack.start_role("notifier", name) for name in ("notifier", SPARE)))
        await stack.start_role("worker")
        async with Redis.from_url(redis.get_secret_value()) as store:
            for number in range(len(VICTIMS)):
                await _happens(kafka, number)
                await _opened(store, number + 1)
                await asyncio.sleep(APART_S)
            incidents = await _incidents(store)
            assert len(incidents) == len(VICTIMS)
            told = [await _killed(supervisor, hook, *one) for one in zip(incidents, VICTIMS, strict=True)]
            print({"+".join(names): f"{ms:.0f} ms" for names, ms in zip(VICTIMS, told, strict=True)})
            assert [ms for ms in told if not 0 <= ms <= LIMIT_MS] == []
            for one in incidents:
                await _on_the_timeline(store, one.id)
    assert {one.name for one in ended if one.code == -signal.SIGKILL} == {"worker", "notifier"}
    keys: dict[str, set[str]] = {}
    for key, row in zip(hook.taken(), hook.rows(), strict=True):
        incident = row["message"].partition("\nincident ")[2].split()[0]
        keys.setdefault(f"{incident}: {row['title']}", set()).add(key)
    assert {name: found for name, found in keys.items() if len(found) > 1} == {}  # each message always bears one key


async def _happens(kafka: str, number: int) -> None:
    """A red detection, as a worker would send it."""
    lon, lat = PLACES[number]
    now = int(time.time() * 1000)
    seen = alert(now, "Extreme", place=f"underpass-{number}").detection
    detection = replace(seen, lon=lon, lat=lat, district=f"d{number}")
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    await producer.send_and_wait(
        contract.DETECTIONS.of(CITY), to_json(detection), key=detection.id.encode(), partition=0
    )
    await producer.stop()


async def _opened(store: Redis, count: int) -> None:
    """Until so many incidents are in the picture; the first takes as long as a worker's start."""
    until = time.monotonic() + 120
    while await store.hlen(contract.incidents(CITY)) < count:
        assert time.monotonic() < until, f"no {count} incidents within 120 s"
        await asyncio.sleep(0.1)


async def _incidents(store: Redis) -> list[Incident]:
    """Those in the picture, by opening, with their deadlines."""
    held = await store.hvals(contract.incidents(CITY))
    found = sorted((from_json(one, Incident) for one in held), key=lambda one: one.opened)
    assert [one.deadline for one in found] == [one.opened + WITHIN_MS["Extreme"] for one in found]
    return found


async def _killed(supervisor: Supervisor, hook: Webhook, incident: Incident, victims: tuple[str, ...]) -> float:
    """Kill the victims 1 s before the deadline; how many ms after it the first message came."""
    assert incident.deadline is not None
    await asyncio.sleep(max(0.0, incident.deadline / 1000 - 1 - time.time()))
    for victim in victims:
        pid = supervisor.pid(victim)
        assert pid is not None, f"{victim} is not back from its last death"
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while not any("第1次升级" in row["title"] and incident.id in row["message"] for row in hook.rows()):
        assert time.monotonic() < until, f"nothing was told of {incident.id} within 30 s"
        await asyncio.sleep(0.01)
    return time.time() * 1000 - incident.deadline


async def _on_the_timeline(store: Redis, number: str) -> None:
    """The first rung is written down once, when the worker is back."""
    until = time.monotonic() + 90
    while True:
        data = await store.hget(contract.incidents(CITY), number)
        steps = from_json(data or b"", Incident).timeline
        first = [step for step in steps if step.action == "escalate" and step.comment.startswith("1/")]
        if first or time.monotonic() > until:
            assert len(first) == 1
            return
        await asyncio.sleep(0.2)
