"""A simulated weather office: it sends its warnings through the CAP door, as a real one does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import aiohttp

from config.settings import Settings
from sensors.push import ANSWER_S, paused

PATH = "/v1/cap"
EVERY_S = 2.0
LONGEST_MS = 600_000  # an office that was cut off for longer goes on from here
log = logging.getLogger(__name__)
Bulletins = Callable[[int, int], list[bytes]]  # the messages of a span of time, ms


class Office:
    """The way of a weather office to the door: spans of time in order, each sent until it is taken."""

    def __init__(self, session: aiohttp.ClientSession, url: str, bulletins: Bulletins, start_ms: int) -> None:
        self._session = session
        self._url = url
        self._bulletins = bulletins
        self.until_ms = start_ms

    async def turn(self, now_ms: int) -> int:
        """Send what there is since the last turn; how much was taken. What fails stays for the next turn."""
        said = self._bulletins(max(self.until_ms, now_ms - LONGEST_MS), now_ms)
        for body in said:
            async with self._session.post(self._url + PATH, data=body) as answer:
                if answer.status == 422:
                    log.error("the door refuses a warning: %s", (await answer.text())[:500])
                else:
                    answer.raise_for_status()
        self.until_ms = now_ms
        return len(said)


async def speak(
    settings: Settings, token: str, bulletins: Bulletins, clock: Callable[[], int], start_ms: int, stop: asyncio.Event
) -> None:
    """Let the office speak until told to stop, by the ``clock`` (ms); while the gateway is away it tries again."""
    url = f"http://{settings.host}:{settings.gateway_port}"
    headers = {"authorization": f"Bearer {token}", "content-type": "application/cap+xml"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        office = Office(session, url, bulletins, start_ms)
        while not await paused(stop, EVERY_S):
            try:
                await office.turn(clock())
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.info("the weather office waits: %s", error)
