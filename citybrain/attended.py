"""A start that a person watches: lines on standard error, the end of a process told, a start that can be broken off."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from citybrain.local.supervisor import Ended

T = TypeVar("T")


def say(text: str) -> None:
    """A line for the person who started it; standard output is kept for the JSON."""
    print(text, file=sys.stderr, flush=True)


def tell_end(ended: Ended) -> None:
    """Tell that a process ended though nobody asked it to; a feed that is over is no news."""
    if ended.name == "feed" and ended.code == 0:
        return
    again = "stays down" if ended.again_s is None else f"starts again in {ended.again_s:g} s"
    say(f"  {ended.name} ended with code {ended.code} and {again}\n{ended.said}")


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, or None when told to stop before it is there."""
    task, told = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None
