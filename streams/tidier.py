"""The schedule of tidying the archive: a process of its own now and then, behind everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from streams import child


class Tidier:
    """Runs ``command`` every ``minutes``; never, where that is 0 or there is no command."""

    def __init__(self, command: Sequence[str], minutes: float) -> None:
        self._command = tuple(command)
        self._period_s = minutes * 60

    async def run(self) -> None:
        """Tidy when it is time, for ever."""
        while True:
            await asyncio.sleep(self._period_s or 3600.0)
            if self._command and self._period_s:
                await self.tidy()

    async def tidy(self) -> int:
        """Tidy now, at the lowest priority; the exit code of the process."""
        return await child.run("tidying the archive", self._command)
