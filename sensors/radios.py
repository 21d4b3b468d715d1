"""The radios of a simulated fleet: they tell positions and answer calls through the gateway's door, as real ones do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from config.settings import Settings
from models.values import Unit
from sensors.push import ANSWER_S, paused
from sensors.simulate.fleet import Call, Driver, Says, step

EVERY_S = 2.0
IDLE_S = 60.0  # a unit that stands tells its place so often
log = logging.getLogger(__name__)


class _Known(msgspec.Struct):
    """What /v1/units says of one unit."""

    id: str
    status: str
    incident: str = ""


class _Units(msgspec.Struct):
    units: list[_Known]


class _Place(msgspec.Struct):
    """What /v1/incidents/{id} says of where; nothing when it has left the picture."""

    lon: float | None = None
    lat: float | None = None


class Radios:
    """The radios of ``units``; ``session`` carries the token, ``url`` is the gateway's."""

    def __init__(self, session: aiohttp.ClientSession, url: str, units: Mapping[str, Unit]) -> None:
        self._session = session
        self._url = url
        self.fleet = {
            name: Driver(home=(unit.lon, unit.lat), lon=unit.lon, lat=unit.lat) for name, unit in units.items()
        }
        self._places: dict[str, tuple[float, float]] = {}  # of incidents
        self._told: dict[str, float] = {}  # when each unit last told where it is, s

    async def turn(self, seconds: float) -> None:
        """One round: hear what the city wants, drive for ``seconds``, tell where everybody is, answer calls."""
        calls = await self._calls()
        self.fleet, said = step(self.fleet, calls, seconds)
        await self._tell(time.time())
        for name, word in said.items():
            await self._say(name, word)

    async def _calls(self) -> dict[str, Call]:
        known = msgspec.json.decode(await self._get("/v1/units"), type=_Units).units
        for one in known:
            if one.incident and one.incident not in self._places:
                place = msgspec.json.decode(await self._get(f"/v1/incidents/{one.incident}"), type=_Place)
                if place.lon is not None and place.lat is not None:
                    self._places[one.incident] = (place.lon, place.lat)
        return {one.id: Call(one.status, self._places.get(one.incident)) for one in known}

    async def _get(self, path: str) -> bytes:
        async with self._session.get(self._url + path) as answer:
            if answer.status != 404:
                answer.raise_for_status()
            return await answer.read()

    async def _tell(self, now: float) -> None:
        """The positions of those that move, and of those that have not spoken for a while."""
        due = {
            name: one
            for name, one in self.fleet.items()
            if one.speed_kmh or now - self._told.get(name, 0.0) >= IDLE_S + _apart_s(name)
        }
        if not due:
            return
        rows: list[dict[str, Any]] = [
            {"unit": name, "time": int(now * 1000), "lon": one.lon, "lat": one.lat, "speed_kmh": one.speed_kmh}
            for name, one in due.items()
        ]
        async with self._session.post(f"{self._url}/v1/positions", json=rows) as answer:
            if answer.status == 202:
                self._told |= dict.fromkeys(due, now)

    async def _say(self, name: str, word: Says) -> None:
        body = {"by": name, "comment": "simulated"}
        async with self._session.post(f"{self._url}/v1/units/{name}/{word}", json=body) as answer:
            if answer.status not in (200, 404, 409):  # the last two: it was called elsewhere meanwhile
                log.info("%s: %s answered %d", name, word, answer.status)


def _apart_s(name: str) -> float:
    """By so many seconds each radio is later than others, so that they do not all speak at once."""
    return sum(name.encode()) % 20


async def speak(settings: Settings, token: str, units: Mapping[str, Unit], stop: asyncio.Event) -> None:
    """Let the radios of ``units`` speak until told to stop; while the gateway is away they try again."""
    if not units:
        return
    url = f"http://{settings.host}:{settings.gateway_port}"
    headers = {"authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        radios = Radios(session, url, units)
        last = time.monotonic()
        while not await paused(stop, EVERY_S):
            now = time.monotonic()
            try:
                await radios.turn(now - last)
            except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                log.info("the radios wait: %s", error)
            last = now
