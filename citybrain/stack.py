"""The processes of a city on one machine: broker and store where none is configured, then the roles."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

from citybrain.local import kafka as local_kafka
from citybrain.local import redis as local_redis
from citybrain.local.environment import environment
from citybrain.local.ports import free_port
from citybrain.local.supervisor import Process, Supervisor, at_once
from config import contract
from config import register as registers
from config.settings import Settings

DISK_MB = 1_000
READY_S = 120.0  # a first start on a slow machine makes machine code before it is ready
SPARE = "notifier-spare"  # the notifier that stands by


class StackError(RuntimeError):
    """The city cannot be started here; the message names the value, the limit and the remedy."""


def check_machine(settings: Settings) -> None:
    """Ports free and room on the disk, before anything is started; raises ``StackError``."""
    for name, port, option in (
        ("the wall", settings.wall_port, "--port"),
        ("the gateway", settings.gateway_port, "CITYBRAIN_GATEWAY_PORT"),
    ):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                raise StackError(
                    f"port {port} for {name} cannot be used ({error.strerror}); choose another with {option}"
                ) from error
    settings.data.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data).free // 2**20
    if free < DISK_MB:
        raise StackError(
            f"{free} MB are free at {settings.data}, at least {DISK_MB} MB are needed; make room or set CITYBRAIN_DATA"
        )


@dataclass(slots=True)
class Stack:
    """Starts and stops the processes of one city; ``settings`` get the addresses of what was started."""

    settings: Settings
    supervisor: Supervisor

    async def start_local(self) -> None:
        """Start the embedded broker and store where no real ones are configured."""
        data = self.settings.data
        if self.settings.kafka is None:
            port = free_port()
            await self.supervisor.start(local_kafka.process(data / "broker", port))
            self.settings = self.settings.model_copy(update={"kafka": f"127.0.0.1:{port}"})
        if self.settings.redis is None:
            folder, port = data / "redis", _store_port(data / "redis")
            await self.supervisor.start(local_redis.process(folder, port))
            url = SecretStr(local_redis.url(folder, port))
            self.settings = self.settings.model_copy(update={"redis": url})

    async def start_role(self, role: str, name: str | None = None) -> None:
        """Start one role and wait until it is ready."""
        settings = self.settings
        ready: Callable[[], Awaitable[bool]]
        if role == "gateway":
            ready = _answers(f"http://{settings.host}:{settings.gateway_port}/healthz")
        elif role == "wall":
            ready = _answers(f"http://{settings.host}:{settings.wall_port}/healthz")
        elif role == "worker":
            ready = self._owned()
        else:
            ready = at_once
        await self.supervisor.start(Process(name or role, self.command("run", role), self.variables(), ready, READY_S))

    def _owned(self) -> Callable[[], Awaitable[bool]]:
        """Ready when every shard and the alerts have said, since now, that a worker has them."""
        assert self.settings.redis is not None
        url, city = self.settings.redis.get_secret_value(), self.settings.city
        wanted = {f"shard:{shard}" for shard in range(registers.load(self.settings.register).shards)} | {"alerts"}
        since = time.time() * 1000

        async def ready() -> bool:
            async with Redis.from_url(url, decode_responses=True) as client:
                try:
                    said = await client.hgetall(contract.owners(city))
                except (RedisError, OSError):
                    return False
            return wanted <= {name for name, at in said.items() if int(at) >= since}

        return ready

    async def start_feed(self, *options: str) -> None:
        """Start the simulator or the replay that pushes readings to the gateway; it is not started again."""
        command = self.command("feed", *options)
        await self.supervisor.start(Process("feed", command, self.variables(), restart=False))

    @staticmethod
    def command(*words: str) -> list[str]:
        """The command line of this program."""
        return [sys.executable, "-m", "citybrain", *words]

    def variables(self) -> dict[str, str]:
        """The environment that gives a child the same settings."""
        chosen = self.settings.model_copy(update={"data": self.settings.data.resolve()}).model_dump()
        plain = {n: v.get_secret_value() if isinstance(v, SecretStr) else v for n, v in chosen.items()}
        return environment({f"CITYBRAIN_{n.upper()}": str(value) for n, value in plain.items() if value is not None})


def _store_port(folder: Path) -> int:
    """0, for a unix socket, where the folder's path is short enough for one; a free port else."""
    try:
        local_redis.socket_path(folder.resolve())
    except ValueError:
        return free_port()
    return 0


def _answers(url: str) -> Callable[[], Awaitable[bool]]:
    def get() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own http address
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    async def ready() -> bool:
        return await asyncio.to_thread(get)

    return ready
