"""Packs taken over while the worker runs: a good edit at its next look, a bad one never.

Other lines, delays, headlines, labels, groupings, inhibitions and plans are put into the running engines, which keep
what they have learned and what is under way. Where an edit changes what is measured, the worker ends in good order and
is started anew with it. How each pack stands is told to the planner's page.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import redis.asyncio as redis
from redis.exceptions import RedisError

from config import contract, packs_reload
from config.pack import FOLDER, Pack
from config.packs_reload import LOOK_S, Packs, measured
from config.site import Site

TOLD_AGAIN_S = 30.0  # so long a store that was emptied misses the states
log = logging.getLogger(__name__)


class PacksWatch:
    """Looks at the packs' files; ``takers`` are called with the site of the new packs, one after the other."""

    def __init__(
        self,
        site: Site,
        url: str,
        takers: Sequence[Callable[[Site], Awaitable[None]]],
        leave: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM),
        folder: Path = FOLDER,
    ) -> None:
        self.site = site
        self.packs = Packs(folder, packs_reload.keep(site.settings), writes=True, before=site.packs)
        self._takers = tuple(takers)
        self._leave = leave
        self._client = redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        self._told_at = 0.0
        self._told: dict[str, packs_reload.State] | None = None

    async def run(self) -> None:
        """Look, for ever."""
        for name, state in self.packs.states.items():
            if state.error:
                log.error("pack %s is refused: %s", name, state.error)
        await self._take(self.packs.packs)  # what changed between the site's load and now
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Take over what has changed since the last look, and tell how the packs stand."""
        lines = await asyncio.to_thread(self.packs.refresh)
        for line in lines:
            log.warning("%s", line)
        if lines:
            await self._take(self.packs.packs)
        await self._tell()

    async def _take(self, packs: tuple[Pack, ...]) -> None:
        if versions(packs) == versions(self.site.packs):
            return
        if [measured(pack) for pack in packs] != [measured(pack) for pack in self.site.packs]:
            log.info("the packs have changed in what is measured; starting anew with them")
            await self._tell()
            self._leave()
            return
        rules = tuple(rule for pack in packs for rule in pack.rules)
        self.site = replace(self.site, packs=packs, layouts=replace(self.site.layouts, rules=rules))
        for take in self._takers:
            await take(self.site)
        log.info("the packs in force are taken over: %d rules", len(rules))

    async def _tell(self) -> None:
        """The states to the store, when they have changed and now and then."""
        now = time.monotonic()
        if self._told == self.packs.states and now - self._told_at < TOLD_AGAIN_S:
            return
        key = contract.packs(self.site.city.id)
        states = dict(self.packs.states)
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                for name, state in states.items():
                    pipe.hset(key, name, msgspec.json.encode(state).decode())
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("the states of the packs are not told: %s", error)
            return
        self._told, self._told_at = states, now

    async def close(self) -> None:
        """Let go of the store."""
        await self._client.aclose()


def versions(packs: Sequence[Pack]) -> list[tuple[str, str]]:
    """What tells two sets of packs apart: the version of each file."""
    return [(pack.name, pack.version) for pack in packs]
