"""``citybrain feed``: push the city's simulated or recorded readings through the gateway's door."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec

from citybrain import prepare
from citybrain.access import access
from config import city as cities
from config import register as registers
from config import units
from config.city import City
from config.settings import Settings
from sensors.feed import Progress, feed_auckland, feed_chengdu
from sensors.radios import speak

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
        radios = asyncio.create_task(speak(settings, secrets.radios, units.of_city(city), stop))
        counts = await push(settings, register, tokens, speed, stop, report)
        stop.set()
        await radios
        report(Progress(counts=counts, done=True))

    asyncio.run(main())
    return 0
