"""Ports on this machine: which are free, and whether somebody listens."""

from __future__ import annotations

import asyncio
import secrets
import socket

LOWEST, COUNT = 20_000, 12_000
TRIES = 100


def free_port() -> int:
    """A port on 127.0.0.1 that nobody uses now.

    It lies below those that the system gives to outgoing connections, where a client of some other process could take
    it before it is used.
    """
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(COUNT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:  # in use; the next one
                continue
            return port
    raise OSError(f"no free port of {LOWEST}..{LOWEST + COUNT - 1} found in {TRIES} tries; end what listens there")


async def listens(port: int) -> bool:
    """True when somebody accepts connections on 127.0.0.1 at ``port``."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
