"""A simulated 12345 hotline: it sends appeals and their answers through the Open311 door, as a real one does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import aiohttp

from config.settings import Settings
from sensors.push import ANSWER_S, paused
from sensors.simulate.appeals import Hotline, georeport

PATH = "/open311/v2/requests.json"
EVERY_S = 2.0
AT_ONCE = 500  # appeals in one request
LONGEST_MS = 600_000  # a hotline that was cut off for longer goes on from here
log = logging.getLogger(__name__)


class Caller:
    """The way of a hotline to the door: spans of time in order, each sent until it is taken."""

    def __init__(self, session: aiohttp.ClientSession, url: str, hotline: Hotline, start_ms: int) -> None:
        self._session = session
        self._url = url
        self._hotline = hotline
        self.until_ms = start_ms

    async def turn(self, now_ms: int) -> int:
        """Send what came since the last turn; how much was taken. What fails stays for the next turn."""
        first = max(self.until_ms, now_ms - LONGEST_MS)
        rows = [georeport(one) for one in await asyncio.to_thread(self._hotline.between, first, now_ms)]
        for at in range(0, len(rows), AT_ONCE):
            body = {"service_requests": rows[at : at + AT_ONCE]}
            async with self._session.post(self._url + PATH, json=body) as answer:
                if answer.status == 422:
                    log.error("the door refuses appeals: %s", (await answer.text())[:500])
                else:
                    answer.raise_for_status()
        self.until_ms = now_ms
        return len(rows)


async def speak(
    settings: Settings, token: str, hotline: Hotline, clock: Callable[[], int], start_ms: int, stop: asyncio.Event
) -> None:
    """Let the hotline speak until told to stop, by the ``clock`` (ms); while the gateway is away it tries again."""
    url = f"http://{settings.host}:{settings.gateway_port}"
    headers = {"authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        caller = Caller(session, url, hotline, start_ms)
        while not await paused(stop, EVERY_S):
            try:
                await caller.turn(clock())
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.info("the hotline waits: %s", error)
