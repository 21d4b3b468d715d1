"""The broker and the store of a city: those configured, or the embedded ones if they run on the data folder."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from citybrain.local import kafka as local_kafka
from citybrain.local import redis as local_redis
from config.settings import Settings

CONNECT_S = 2.0


def broker(settings: Settings) -> str | None:
    """``CITYBRAIN_KAFKA``, or the embedded broker's address while it takes connections; None when there is none."""
    if settings.kafka is not None:
        return settings.kafka
    address = local_kafka.address(settings.data / "broker")
    return address if address is not None and _takes_connections(address) else None


def store(settings: Settings) -> str | None:
    """``CITYBRAIN_REDIS``, or the embedded store's URL while it takes connections; None when there is none."""
    if settings.redis is not None:
        return settings.redis.get_secret_value()
    folder = settings.data / "redis"
    written = folder / "valkey.conf"
    if not written.exists():
        return None
    found = re.search(r"^port (\d+)$", written.read_text("utf-8"), re.MULTILINE)
    port = int(found[1]) if found else 0
    there = _takes_connections(f"127.0.0.1:{port}") if port else _listens(local_redis.socket_path(folder.resolve()))
    return local_redis.url(folder, port) if there else None


def _takes_connections(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except OSError:
        return False
    return True


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_S)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
