"""A command as a process of its own beside this one, behind everything else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

log = logging.getLogger(__name__)
LEAVE_S = 5.0


async def run(what: str, command: Sequence[str]) -> int:
    """Run ``command`` at the lowest priority to its end and log its last line under ``what``; its exit code.

    Cancelled, it is told to end, and killed after ``LEAVE_S``: what is half made is made anew the next time.
    """
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec("nice", "-n", "19", *command, stdout=pipe, stderr=pipe)
    try:
        out, told = await child.communicate()
    except asyncio.CancelledError:
        child.terminate()
        try:
            await asyncio.wait_for(child.wait(), LEAVE_S)
        except TimeoutError:
            child.kill()
        raise
    last = (told if child.returncode else out).decode(errors="replace").strip().splitlines()[-1:]
    level = logging.WARNING if child.returncode else logging.INFO
    log.log(level, "%s ended with %s: %s", what, child.returncode, last[0] if last else "nothing was said")
    return child.returncode or 0
