"""Simulated time against real time."""

from __future__ import annotations

import asyncio
import math
import time

from sensors.push import paused

SHORTEST_S = 0.001  # between two looks at the clock


class Clock:
    """Simulated time: ``speed`` times as fast as real time from ``start_ms`` on, but never later than now."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._began_s = time.time()

    def now_ms(self) -> int:
        """The simulated time in ms since 1970-01-01 UTC."""
        now = time.time()
        return int(min(now * 1000, self._at(now)))

    async def until(self, time_ms: float, stop: asyncio.Event) -> bool:
        """Wait for a simulated time; True when told to stop before it."""
        while (left := time_ms - self.now_ms()) > 0:
            now = time.time()
            rate = self._speed if self._at(now) < now * 1000 else min(self._speed, 1.0)
            if await paused(stop, max(left / 1000 / rate, SHORTEST_S)):
                return True
        return stop.is_set()

    def _at(self, now_s: float) -> float:
        return self._start_ms + (now_s - self._began_s) * 1000 * self._speed


class Pace:
    """The time a recording has reached at ``speed`` simulated seconds in a second (may be infinite)."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._began_s = time.monotonic()

    def reached_ms(self) -> float:
        """What is recorded up to this time is due."""
        if math.isinf(self._speed):
            return math.inf
        return self._start_ms + (time.monotonic() - self._began_s) * 1000 * self._speed

    async def until(self, time_ms: int, stop: asyncio.Event) -> bool:
        """Wait until the recording has reached ``time_ms``; True when told to stop before that."""
        while (left := time_ms - self.reached_ms()) > 0:
            if await paused(stop, max(left / 1000 / self._speed, SHORTEST_S)):
                return True
        return stop.is_set()

    def slip(self, sent_ms: int, allowed_s: float) -> None:
        """Go on from ``sent_ms`` when more than ``allowed_s`` seconds were lost, instead of hurrying after them."""
        if not math.isinf(self._speed) and self.reached_ms() - sent_ms > allowed_s * 1000 * self._speed:
            self._start_ms, self._began_s = sent_ms, time.monotonic()
