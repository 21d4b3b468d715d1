"""Acknowledgements that can still be taken back: held for a few seconds, then sent, whatever became of the tab.

The history of an alert is never edited, so nothing that can be undone may reach it: the command leaves only when the
time is up. It waits in the store and not in the browser. A tab that is closed, a browser that crashes or a wall that is
started again therefore lose nothing; where the store too is lost the alert stays unacknowledged, which is the safe
side. While the store is away, or when the alert's deadline is near, nothing is held and the command leaves at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config import contract
from models.values import Command, from_json, to_json

log = logging.getLogger(__name__)

HOLD_MS = 5_000
GRACE_MS = 300  # after the end of the time: no taking back and sending at once
MARGIN_MS = 1_500  # an alert whose deadline is so near to the end of the time is acknowledged at once
RETRY_S = 1.0
FORGET_MS = 600_000  # what a wall finds of before that is left: nobody waits for it any more


class Held(msgspec.Struct, frozen=True):
    """One acknowledgement that waits; ``until`` is ms."""

    command: Command
    until: int


def hold_ms(deadline: int | None, now: int) -> int:
    """How long an acknowledgement at ``now`` can be taken back: 5 s; 0 where that would run into ``deadline`` (ms)."""
    if deadline is None or now >= deadline:
        return HOLD_MS
    return HOLD_MS if now + HOLD_MS + MARGIN_MS <= deadline else 0


class Holding:
    """The acknowledgements of ``city`` that wait; ``send`` brings one to the broker, ``OSError`` while it cannot."""

    def __init__(
        self, redis: Redis, city: str, send: Callable[[Command], Awaitable[None]], now: Callable[[], int]
    ) -> None:
        self._redis: Any = redis  # typed as sync or async; here always async
        self._city = city
        self._send = send
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()

    async def hold(self, command: Command, until: int) -> Held:
        """Keep ``command`` until then, once; raises ``RedisError`` or ``OSError``, and then nothing is kept."""
        held = Held(command, until)
        if not await self._redis.hsetnx(contract.held(self._city), command.id, to_json(held)):
            return await self.find(command.id) or held
        self._keep(self._deliver(held))
        await self._say()
        return held

    async def take_back(self, key: str, by: str) -> bool:
        """Forget the command of ``by``; False when it is too late, or there is none; raises as ``hold``."""
        held = await self.find(key)
        if held is None or held.command.by != by or self._now() > held.until:
            return False
        gone = bool(await self._redis.hdel(contract.held(self._city), key))
        await self._say()
        return gone

    async def find(self, key: str) -> Held | None:
        """What waits under this id."""
        data = await self._redis.hget(contract.held(self._city), key)
        return from_json(data, Held) if data else None

    async def resume(self) -> None:
        """Take up what an earlier wall left waiting; tried again until the store answers."""
        while True:
            try:
                rows = await self._redis.hgetall(contract.held(self._city))
                break
            except (RedisError, OSError):
                await asyncio.sleep(RETRY_S)
        for key, data in rows.items():
            held = from_json(data, Held)
            if self._now() - held.until > FORGET_MS:
                log.warning(
                    "command %s of %s was left waiting and is too old to be sent", held.command.id, held.command.by
                )
                await self._redis.hdel(contract.held(self._city), key)
            else:
                self._keep(self._deliver(held))

    def start(self) -> None:
        """Begin with what an earlier wall left."""
        self._keep(self.resume())

    async def close(self) -> None:
        """End waiting; what waits is in the store for the next wall."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, held: Held) -> None:
        """Send it when its time is up, unless it was taken back; again each second while broker or store are away."""
        await asyncio.sleep(max(held.until + GRACE_MS - self._now(), 0) / 1000)
        while True:
            try:
                if await self.find(held.command.id) is None:
                    return
                await self._send(held.command)
                await self._redis.hdel(contract.held(self._city), held.command.id)
                await self._say()
                return
            except (RedisError, OSError) as error:
                log.warning("the acknowledgement %s waits: %s; trying again", held.command.id, error)
                await asyncio.sleep(RETRY_S)

    async def _say(self) -> None:
        await self._redis.publish(contract.changes(self._city), b'{"what":"people"}')
