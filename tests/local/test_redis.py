"""The embedded store under the supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from citybrain.local import redis
from citybrain.local.ports import free_port
from citybrain.local.supervisor import Supervisor


@pytest.mark.parametrize("by_port", [True, False])
def test_what_was_written_survives_a_kill(tmp_path: Path, by_port: bool) -> None:
    """A second after it was written a value is on disk, and there again when the store was killed and restarted."""
    port = free_port() if by_port else 0
    url = redis.url(tmp_path / "redis", port)

    async def run() -> tuple[object, int]:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(redis.process(tmp_path / "redis", port))
            async with Redis.from_url(url) as client:
                await client.set("picture", b"\x00\x01")
            await asyncio.sleep(1.2)
            os.kill(supervisor.pid("redis") or 0, signal.SIGKILL)
            await asyncio.sleep(0.3)
            while not await redis.answers(url):
                await asyncio.sleep(0.05)
            async with Redis.from_url(url) as client:
                value = await client.get("picture")
            return value, (tmp_path / "redis" / "valkey.conf").stat().st_mode & 0o777

    assert asyncio.run(run()) == (b"\x00\x01", 0o600)


def test_nobody_enters_without_the_password(tmp_path: Path) -> None:
    """The store asks for its password, which only the owner of the files can read."""
    port = free_port()

    async def run() -> None:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(redis.process(tmp_path / "redis", port))
            stranger = Redis(host="127.0.0.1", port=port)
            with pytest.raises((AuthenticationError, RedisError), match=r"(?i)auth"):
                await stranger.ping()
            await stranger.aclose()

    asyncio.run(run())
    assert (tmp_path / "redis" / "password").stat().st_mode & 0o777 == 0o600


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    """The kernel's limit is told before the store fails on it."""
    with pytest.raises(ValueError, match="a socket takes 100: give a port"):
        redis.url(tmp_path / ("x" * 120))
