"""The alert budget's dial, from the gateway to the city and over the death of the worker."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from citybrain import prepare
from citybrain.local.ports import free_port
from citybrain.local.supervisor import Supervisor
from citybrain.stack import Stack
from config import contract
from config import site as sites
from config.settings import Settings
from sensors.tokens import DISPATCH, issue

WITHIN_S = 5.0  # so soon the city judges by the new setting


@pytest.mark.timeout(180)
def test_a_turn_of_the_dial_arrives_within_seconds_and_survives_a_kill(tmp_path: Path) -> None:
    """Six alerts an hour at first, twelve once somebody says so, also after the worker and the picture are gone."""
    asyncio.run(_main(tmp_path))


async def _main(folder: Path) -> None:
    settings = Settings(city="auckland", data=folder, gateway_port=free_port(), wall_port=free_port(), snapshot_s=600.0)
    async with Supervisor(folder) as supervisor:
        stack = Stack(settings, supervisor)
        prepare.make_register(settings)
        await stack.start_local()
        assert stack.settings.kafka is not None
        assert stack.settings.redis is not None
        site = sites.load(stack.settings)
        prepare.make_topics(stack.settings.kafka, site.city.id, site.register.shards)
        token = issue(settings.secrets / "gateways.json", "desk", (DISPATCH,))
        for role in ("gateway", "worker"):
            await stack.start_role(role)
        url = f"http://{settings.host}:{settings.gateway_port}/v1/budget"
        async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as session:
            assert (await _told(session, url))["per_hour"] == 6.0
            began = time.monotonic()
            async with session.post(url, json={"per_hour": 12, "by": "li"}) as answer:
                turned = await answer.json()
            assert (answer.status, turned["per_hour"], turned["spent"]) == (200, 12.0, 0)
            assert time.monotonic() - began < WITHIN_S
            redis = Redis.from_url(stack.settings.redis.get_secret_value())
            pid = supervisor.pid("worker")
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await redis.delete(contract.watch(site.city.id))
            await redis.aclose()
            assert (await _told(session, url, 12.0))["per_hour"] == 12.0


async def _told(session: aiohttp.ClientSession, url: str, per_hour: float | None = None) -> dict[str, Any]:
    """The budget as the gateway tells it, once a worker has written it."""
    until = time.monotonic() + 60
    while True:
        async with session.get(url) as answer:
            told: dict[str, Any] = await answer.json()
        if answer.status == 200 and per_hour in (None, told["per_hour"]):
            return told
        assert time.monotonic() < until, told
        await asyncio.sleep(0.2)
