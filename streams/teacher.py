"""The schedule of training: a process of its own now and then, behind everything else, so that it holds up nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from config.site import Site
from streams import child
from streams.trained import Versions

FIRST_S = 600.0  # a start has better things to do
LOOK_S = 60.0


class Teacher:
    """Runs ``command`` every ``train_every_h`` hours since the last try; never, where that is 0."""

    def __init__(self, site: Site, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._period_s = site.settings.train_every_h * 3600
        summed = sorted({one.property for one in site.layouts.series})
        self._versions = [Versions(site.settings.trained / name) for name in summed]

    def due(self, now_s: float) -> bool:
        """Whether the last try of any property is long enough ago; ``now_s`` since 1970."""
        if not self._command or not self._period_s or not self._versions:
            return False
        return now_s - min(one.book().tried for one in self._versions) / 1000 >= self._period_s

    async def run(self) -> None:
        """Train when it is time, for ever."""
        await asyncio.sleep(FIRST_S)
        while True:
            if self.due(time.time()):
                await self.train()
            await asyncio.sleep(LOOK_S)

    async def train(self) -> int:
        """Train now; the exit code of the process."""
        return await child.run("training", self._command)
