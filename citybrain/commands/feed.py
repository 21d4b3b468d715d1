"""``citybrain feed``: push the city's simulated or recorded readings through the gateway's door."""

from __future__ import annotations

import asyncio
import signal
import time
from functools import partial
from pathlib import Path

import msgspec

from citybrain import prepare
from citybrain.access import access
from config import city as cities
from config import register as registers
from config import units
from config.city import City
from config.settings import Settings
from sensors import hotline, weather_office
from sensors.feed import Progress, feed_auckland, feed_chengdu, first_ms
from sensors.radios import speak
from sensors.simulate import appeals
from sensors.simulate.bulletins import bulletins
from sensors.simulate.incidents import demo
from sensors.simulate.pace import Clock
from sensors.simulate.places import places

SIMULATED_GATEWAYS = 22  # Chengdu counts 22 districts


class Said(msgspec.Struct):
    """How far a feed is, as it leaves word in ``<city>/feed-counts.json``."""

    accepted: int = 0
    rejected: int = 0
    requests: int = 0
    retries: int = 0
    time_ms: int = 0
    behind_s: float = 0.0
    chapter: str = ""
    done: bool = False


def gateways(city: City) -> list[str]:
    """The gateways through which the feed of ``city`` speaks."""
    if prepare.is_simulated(city):
        return [f"gateway-{number:02d}" for number in range(1, SIMULATED_GATEWAYS + 1)]
    return [f"{city.id}-counters"]


def said(settings: Settings) -> Said:
    """The last word of the feed of this run; all 0 before it."""
    try:
        return msgspec.json.decode(_file(settings).read_bytes(), type=Said)
    except FileNotFoundError:
        return Said()


def _file(settings: Settings) -> Path:
    return settings.home / "feed-counts.json"


def forget(settings: Settings) -> None:
    """Take away the word of a run before."""
    _file(settings).unlink(missing_ok=True)


def run(settings: Settings, speed: float | None) -> int:
    """Feed until SIGTERM, or until a recording is over; the exit code."""
    city = cities.load(settings.city)
    register = registers.load(settings.register)
    secrets = access(settings, gateways(city))
    tokens = {name: secrets.gateways[name] for name in gateways(city)}

    def report(progress: Progress) -> None:
        counts = progress.counts
        word = Said(
            counts.accepted,
            counts.rejected,
            counts.requests,
            counts.retries,
            progress.time_ms,
            progress.behind_s,
            progress.chapter,
            progress.done,
        )
        part = _file(settings).with_suffix(".part")
        part.write_bytes(msgspec.json.encode(word))
        part.replace(_file(settings))

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        push = feed_chengdu if prepare.is_simulated(city) else feed_auckland
        voices = [asyncio.create_task(speak(settings, secrets.radios, units.of_city(city), stop))]
        if appeals.declares(city):
            voices.append(asyncio.create_task(_appeals(settings, city, secrets.radios, speed or 1.0, stop)))
        if prepare.is_simulated(city):
            voices.append(asyncio.create_task(_warnings(settings, city, secrets.radios, speed or 1.0, stop)))
        counts = await push(settings, register, tokens, speed, stop, report)
        stop.set()
        await asyncio.gather(*voices)
        report(Progress(counts=counts, done=True))

    asyncio.run(main())
    return 0


async def _appeals(settings: Settings, city: City, token: str, speed: float, stop: asyncio.Event) -> None:
    """The city's hotline, in the same simulated time as its readings."""
    start_ms = first_ms(speed, int(time.time() * 1000))
    line = appeals.hotline(city, start_ms, len(gateways(city)))
    await hotline.speak(settings, token, line, Clock(start_ms, speed).now_ms, start_ms, stop)


async def _warnings(settings: Settings, city: City, token: str, speed: float, stop: asyncio.Event) -> None:
    """The city's weather office, in the same simulated time as its readings."""
    start_ms = first_ms(speed, int(time.time() * 1000))
    known = places(city)
    said = partial(bulletins, demo(known, known.seed, start_ms, len(gateways(city))), city.timezone)
    await weather_office.speak(settings, token, said, Clock(start_ms, speed).now_ms, start_ms, stop)
