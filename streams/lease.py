"""A lease in the store: of several processes that could do a thing one does it, and another soon after its death.

Without the store everybody may do it: what this guards must bear being done twice.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
# Renew what is ours, take what is free, leave what is another's; 1 where it is ours afterwards
_TAKE = """
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1
"""
_LEAVE = 'if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0'


class Lost(RuntimeError):
    """Another process has the lease now."""


class Lease:
    """The right to do what ``key`` stands for, for ``lease_ms`` at a time."""

    def __init__(self, store: Redis, key: str, lease_ms: int) -> None:
        self._store = store
        self._key = key
        self._lease_ms = lease_ms
        self._name = secrets.token_hex(8)
        self._away = False

    async def take(self) -> bool:
        """Take or renew it; whether it is ours. While the store is away it is everybody's."""
        try:
            taken = await self._store.eval(_TAKE, 1, self._key, self._name, str(self._lease_ms))
        except (RedisError, OSError) as error:
            if not self._away:
                log.warning("the store is away, so nobody can stand by: %s", error)
            self._away = True
            return True
        self._away = False
        return bool(taken)

    async def until_taken(self) -> None:
        """Stand by until it is ours."""
        while not await self.take():
            await asyncio.sleep(self._lease_ms / 5000)

    async def hold(self) -> None:
        """Renew it for ever; raises ``Lost`` when another has it, as after this process stood still for too long."""
        while await self.take():
            await asyncio.sleep(self._lease_ms / 5000)
        raise Lost(f"another process holds {self._key}; this one ends and stands by when it starts again")

    async def leave(self) -> None:
        """Give it back, so that nobody need wait for its end."""
        try:
            await self._store.eval(_LEAVE, 1, self._key, self._name)
        except (RedisError, OSError) as error:
            log.info("the lease runs out by itself, the store is away: %s", error)
