"""Feeds a city: pushes simulated or recorded readings through the gateway's door, as real gateways would.

Chengdu speaks in real time through many gateways, Auckland's recording through one, in simulated time. A gateway
sends one request at a time, in order, and sends it again until it is taken; it drops nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

from config import city as cities
from config.register import Register
from config.settings import Settings
from sensors.push import ANSWER_S, Counts, Pusher, paused
from sensors.simulate import auckland
from sensors.simulate.auckland import Replay
from sensors.simulate.chapters import Chapter, after, chapters
from sensors.simulate.declared import FeedError
from sensors.simulate.growing import Growing
from sensors.simulate.pace import Clock, Pace
from sensors.simulate.position import Position
from sensors.simulate.truth import Truth

PATH = "/v1/readings"
TICK_S = 1.0  # a gateway sends so often
ROWS = 1_000  # readings in one request of a simulated gateway
CATCH_UP = 4.0  # a gateway that fell behind sends at most so many times as fast
RECORDED_ROWS = 4_200  # readings in one request of a recording: 200 hours of 21 counters
SLIP_S = 2.0  # a recording that lost more real time than this goes on where it is
SPAN_S = 600.0  # faster than real time, Chengdu begins so far back that it reaches the present after this
TRUTH = "truth.jsonl"
POSITION = "feed.json"


@dataclass(slots=True)
class Progress:
    """How far a feed is: simulated ``time_ms``, how far it is behind its own pace, the chapter, and the counts."""

    time_ms: int = 0
    behind_s: float = 0.0
    chapter: str = ""
    done: bool = False
    counts: Counts = field(default_factory=Counts)


Report = Callable[[Progress], None]


def first_ms(speed: float, now_ms: int, for_s: float | None = None) -> int:
    """When simulated time begins for a Chengdu feed that starts now; detectors are warmed up with what is before it.

    Faster than real time it lies in the past, so that no reading is ever ahead of the gateway's clock.
    """
    return now_ms - int(max(speed - 1.0, 0.0) * (for_s or SPAN_S) * 1000)


async def feed_chengdu(
    settings: Settings,
    register: Register,
    tokens: Mapping[str, str],
    speed: float | None,
    stop: asyncio.Event,
    report: Report,
    for_s: float | None = None,
) -> Counts:
    """Push the simulated city through one gateway for each of ``tokens`` (name → token) until told to stop.

    Goes on from now whenever it is started. Sensors that packs bring while it runs speak as soon as they are
    registered. Writes what it injects to ``truth.jsonl`` in the city's data folder.
    """
    _checked(tokens, speed)
    names = sorted(tokens)
    start_ms = first_ms(speed or 1.0, int(time.time() * 1000), for_s)
    step_ms = max(1, int(TICK_S * 1000 * (speed or 1.0)))
    voices = Growing(settings, cities.load(settings.city), register, len(names), start_ms, step_ms)
    clock = Clock(start_ms, speed or 1.0)
    truth = Truth(voices.now.city, settings.home / TRUTH)
    progress = Progress(start_ms)
    async with _pushers(settings, tokens, progress.counts, stop) as pushers:
        speakers = [_Speaker(number, len(names), voices, clock, pushers[name]) for number, name in enumerate(names)]

        def tell() -> None:
            progress.time_ms = clock.now_ms()
            late = progress.time_ms - min(voices.now.windows.end_ms(speaker.window) for speaker in speakers)
            progress.behind_s = max(0.0, late / 1000)
            truth.write(progress.time_ms)
            report(progress)

        growing = voices.follow(clock.now_ms, truth.follow, stop)
        await _together([growing, *(speaker.speak(stop) for speaker in speakers)], tell)
    return progress.counts


async def feed_auckland(
    settings: Settings,
    register: Register,
    tokens: Mapping[str, str],
    speed: float | None,
    stop: asyncio.Event,
    report: Report,
    for_s: float | None = None,
) -> Counts:
    """Push the recorded counts through the first gateway of ``tokens``, chapter by chapter, until the last reading.

    The position is saved after each accepted request; a feed that starts again goes on from there. ``for_s`` is not
    needed: a recording has no present to reach.
    """
    _checked(tokens, speed)
    city = cities.load(settings.city)
    position = Position(settings.home / POSITION)
    whole = chapters(city.folder / "feed.yaml", city.timezone, speed)
    left = whole if position.time_ms is None else after(position.time_ms, whole)
    progress = Progress(left[0].from_ms)
    player = _Player(auckland.replay(register), np.array(register.ids, object), position, progress)
    async with _pushers(settings, tokens, progress.counts, stop) as pushers:
        await _together([player.play(left, pushers[min(tokens)], stop)], lambda: report(progress))
    return progress.counts


def _checked(tokens: Mapping[str, str], speed: float | None) -> None:
    """Raise ``FeedError`` when there is nobody to speak, or no pace to speak at."""
    if not tokens:
        raise FeedError("no gateway has a token; issue at least one")
    if speed is not None and not speed > 0:
        raise FeedError(f"speed {speed:g} is not above zero; 1 is real time")


class _Speaker:
    """One simulated gateway: sends its part of each window when the window is over."""

    def __init__(self, number: int, gateways: int, voices: Growing, clock: Clock, pusher: Pusher) -> None:
        self.window = 0
        self._number = number
        self._stagger_ms = voices.now.windows.step_ms * number / gateways  # so that they do not speak all at once
        self._voices = voices
        self._clock = clock
        self._pusher = pusher

    async def speak(self, stop: asyncio.Event) -> None:
        """Send window after window until told to stop."""
        while not await self._clock.until(self._voices.now.windows.end_ms(self.window) + self._stagger_ms, stop):
            began = time.monotonic()
            voices = self._voices.now
            said = voices.windows.said(self.window, self._number)
            for first in range(0, len(said), ROWS):
                part = slice(first, first + ROWS)
                rows, times, values = said.rows[part], said.time_ms[part], said.value[part]
                if not await self._pusher.push(voices.names[rows].tolist(), times.tolist(), values.tolist()):
                    return
            self.window += 1
            await paused(stop, TICK_S / CATCH_UP - (time.monotonic() - began))


class _Player:
    """Sends a recording chapter by chapter, whole hours in a request."""

    def __init__(self, replay: Replay, names: np.ndarray[Any, Any], position: Position, progress: Progress) -> None:
        self._replay = replay
        self._names = names
        self._position = position
        self._progress = progress

    async def play(self, left: Sequence[Chapter], pusher: Pusher, stop: asyncio.Event) -> None:
        """Play the chapters that are left until told to stop."""
        for chapter in left:
            self._progress.chapter = chapter.title.en if chapter.title else ""
            if not await self._chapter(chapter, pusher, stop):
                return
        self._progress.done = True

    async def _chapter(self, chapter: Chapter, pusher: Pusher, stop: asyncio.Event) -> bool:
        pace = Pace(chapter.from_ms, chapter.speed)
        first, end = self._replay.between(chapter.from_ms, chapter.to_ms)
        while first < end:
            if await pace.until(int(self._replay.time_ms[first]), stop):
                return False
            last = min(end, self._replay.hours(first, pace.reached_ms(), RECORDED_ROWS))
            if not await self._send(slice(first, last), pusher):
                return False
            first = last
            pace.slip(self._progress.time_ms, SLIP_S)
        return True

    async def _send(self, part: slice, pusher: Pusher) -> bool:
        rows, times, values = (column[part] for column in self._replay.columns)
        if not await pusher.push(self._names[rows].tolist(), times.tolist(), values.tolist()):
            return False
        self._progress.time_ms = int(times[-1])
        self._position.save(self._progress.time_ms)
        return True


@asynccontextmanager
async def _pushers(
    settings: Settings, tokens: Mapping[str, str], counts: Counts, stop: asyncio.Event
) -> AsyncIterator[dict[str, Pusher]]:
    """A pusher for each name, over connections that stay open."""
    url = f"http://{settings.host}:{settings.gateway_port}{PATH}"
    connector = aiohttp.TCPConnector(limit=len(tokens), keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
        yield {name: Pusher(session, url, name, token, counts, stop) for name, token in tokens.items()}


async def _together(work: Sequence[Coroutine[Any, Any, None]], tell: Callable[[], None]) -> None:
    """Do all the work at once, telling how far it is at the start, each second, and at the end."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        tell()
        while not all(task.done() for task in tasks):
            done, _ = await asyncio.wait(tasks, timeout=1.0, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()  # raises what went wrong in it
            tell()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
