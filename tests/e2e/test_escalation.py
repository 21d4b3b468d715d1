"""An escalation is told within 2 s of its deadline, though worker, notifier or both were killed 1 s before it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
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
from models.values import Alert, Incident, from_json, to_json
from tests.models.duty import alert, incident
from tests.streams.sinks import Webhook, webhook

CITY = "auckland"
AHEAD_MS = 40_000  # from the opening of the first incident to its deadline: the worker starts meanwhile
APART_MS = 20_000  # between two deadlines: the worker is back before the next
VICTIMS: tuple[tuple[str, ...], ...] = (("worker",), ("notifier",), ("worker", "notifier"))
LIMIT_MS = 2_000


def opened(number: int, deadline: int) -> tuple[Incident, Alert]:
    """A red incident that nobody has taken, due at ``deadline``, and its alert."""
    at = deadline - WITHIN_MS["Extreme"]
    one = alert(at, "Extreme", place=f"underpass-{number}", deadline=deadline, incident=f"escalated-{number}")
    about = incident(at, id=f"escalated-{number}", place=f"underpass-{number}", alerts=(one.id,), active=1)
    return replace(about, deadline=deadline), one


@pytest.mark.timeout(240)
def test_an_escalation_is_told_in_time_whoever_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker, notifier, both: told once or more, with one key; afterwards the incident's timeline has it once."""
    cities = tmp_path / "cities"
    shutil.copytree(COMMON / CITY, cities / CITY)
    for file in ("roster.yaml", "notifications.yaml"):
        shutil.copy(COMMON / "chengdu" / file, cities / CITY)
    monkeypatch.setenv("CITYBRAIN_CITIES", str(cities))
    with webhook() as hook:
        monkeypatch.setenv("CITYBRAIN_ROUTE_DUTY_WECOM", f"json://127.0.0.1:{hook.port}/hook")
        asyncio.run(_main(tmp_path / "data", hook))


async def _main(folder: Path, hook: Webhook) -> None:
    settings = Settings(
        city=CITY, cities=folder.parent / "cities", data=folder, gateway_port=free_port(), wall_port=free_port()
    )
    ended: list[Ended] = []
    async with Supervisor(folder, on_end=ended.append) as supervisor:
        stack = Stack(settings, supervisor)
        prepare.make_register(settings)
        await stack.start_local()
        kafka, redis = stack.settings.kafka, stack.settings.redis
        assert kafka is not None
        assert redis is not None
        prepare.make_topics(kafka, CITY, sites.load(stack.settings).register.shards)
        first = int(time.time() * 1000) + AHEAD_MS
        deadlines = {f"escalated-{n}": first + n * APART_MS for n in range(len(VICTIMS))}
        for number, deadline in enumerate(deadlines.values()):
            await _publish(kafka, *opened(number, deadline))
        await stack.start_role("notifier")
        await stack.start_role("notifier", SPARE)
        await stack.start_role("worker")
        assert time.time() * 1000 < first - 2_000, "the machine is too slow for this test: the worker took too long"
        for name, victims in zip(deadlines, VICTIMS, strict=True):
            await asyncio.sleep(max(0.0, deadlines[name] / 1000 - 1 - time.time()))
            for victim in victims:
                pid = supervisor.pid(victim)
                assert pid is not None, f"{victim} is not back from its last death"
                os.kill(pid, signal.SIGKILL)
            late = await _told(hook, name, deadlines[name])
            print(f"{'+'.join(victims)} killed: told {late:.0f} ms after the deadline")
            assert 0 <= late <= LIMIT_MS, f"{'+'.join(victims)} killed: told {late:.0f} ms after the deadline"
        async with Redis.from_url(redis.get_secret_value()) as store:
            for name in deadlines:
                await _until(lambda name=name: _escalated(store, name), 60, f"the timeline of {name} has it")  # type: ignore[misc]  # bound now
    for name in deadlines:
        keys = [key for key, row in zip(hook.taken(), hook.rows(), strict=True) if name in row["message"]]
        first_rung = keys[: max(1, keys.count(keys[0]))]
        assert set(first_rung) == {keys[0]}  # a copy bears the same key
    assert {one.name for one in ended if one.code == -signal.SIGKILL} == {"worker", "notifier"}


async def _publish(kafka: str, about: Incident, one: Alert) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for topic, value in ((contract.ALERTS, one), (contract.INCIDENTS, about)):
        await producer.send_and_wait(topic.of(CITY), to_json(value), key=value.id.encode(), partition=0)
    await producer.stop()


async def _told(hook: Webhook, name: str, deadline: int) -> float:
    """How many ms after the deadline the first message about the incident came."""
    until = time.monotonic() + 30
    while not any(name in row["message"] for row in hook.rows()):
        assert time.monotonic() < until, f"nothing was told of {name} within 30 s"
        await asyncio.sleep(0.01)
    return time.time() * 1000 - deadline


async def _escalated(store: Redis, name: str) -> bool:
    """Whether the picture's incident has the step, once."""
    data = await store.hget(contract.incidents(CITY), name)
    if data is None:
        return False
    steps = [step for step in from_json(bytes(data), Incident).timeline if step.comment.startswith("1/")]  # type: ignore[arg-type]  # bytes
    return len(steps) == 1


async def _until(true: Callable[[], object], timeout_s: float, what: str) -> None:
    end = time.monotonic() + timeout_s
    while not await true():  # type: ignore[misc]  # a coroutine
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        await asyncio.sleep(0.2)
