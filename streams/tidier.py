"""The schedule of tidying the archive: a process of its own now and then, behind everything else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

log = logging.getLogger(__name__)
LEAVE_S = 5.0


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
        child = await asyncio.create_subprocess_exec(
            "nice", "-n", "19", *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, told = await child.communicate()
        except asyncio.CancelledError:
            child.terminate()  # what is half made is made anew the next time
            try:
                await asyncio.wait_for(child.wait(), LEAVE_S)
            except TimeoutError:
                child.kill()
            raise
        last = (told if child.returncode else out).decode(errors="replace").strip().splitlines()[-1:]
        level = logging.WARNING if child.returncode else logging.INFO
        log.log(level, "tidying the archive ended with %s: %s", child.returncode, last[0] if last else "")
        return child.returncode or 0
