"""The watchdog: a process whose partition makes no progress while it lags ends, and is started again.

Long-running consumers have been seen to stop silently (aio-libs/aiokafka issue 1037). What many messages together give
may take long to tell where the next agent lags, so what is told is progress too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from faust.types import TP

from streams.app import die

PATIENCE_S = 60.0


class Watchdog:
    """Watches how far each partition was taken, against the end of its log."""

    def __init__(
        self, app: Any, taken: Callable[[], dict[tuple[str, int], tuple[int, int]]], patience_s: float = PATIENCE_S
    ) -> None:
        """``taken``: of each (topic, partition) in this process the next offset, and how many messages it has told."""
        self._app = app
        self._taken = taken
        self._patience_s = patience_s
        self._moved: dict[tuple[str, int], tuple[tuple[int, int], float]] = {}

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            await asyncio.sleep(self._patience_s / 12)
            stuck = self.stuck(time.monotonic())
            if stuck:
                die(f"no progress for {self._patience_s:.0f} s although there is more to read: {stuck}")

    def stuck(self, now: float) -> list[str]:
        """The partitions that lag and have not moved for the whole patience, as ``topic-partition at n of m``."""
        found = []
        taken = self._taken()
        self._moved = {key: self._moved[key] for key in taken if key in self._moved}
        for key, reached in taken.items():
            before = self._moved.get(key)
            end = self._app.consumer.highwater(TP(*key)) or 0
            if before is None or before[0] != reached or reached[0] >= end:
                self._moved[key] = (reached, now)
            elif now - before[1] > self._patience_s:
                found.append(f"{key[0]}-{key[1]} at {reached[0]} of {end}")
        return found
