"""Simulated units: they drive to their incident when they are sent, stay a while, and drive home.

Pure: ``step`` takes the fleet, what the city says of each unit, and how much time has passed. They drive straight, at
the speed of a unit with priority, with the detour that streets make (geo/travel.py has the same two numbers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from geo.distance import great_circle_m
from geo.travel import GreatCircle

STREETS: Final = GreatCircle()
THERE_M: Final = 30.0  # nearer than this a unit has come to where it goes
STAYS_S: Final = 240.0  # on the scene, before a simulated crew is done
ACCEPTS_S: Final = 8.0  # after it was sent
Says = Literal["accept", "release"]


@dataclass(frozen=True, slots=True)
class Driver:
    """One simulated unit, WGS-84. ``since_s``: for how long the city has said the same of it."""

    home: tuple[float, float]
    lon: float
    lat: float
    speed_kmh: float = 0.0
    status: str = "free"
    since_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """What the city says of a unit: its status, and where its incident is, when it has one."""

    status: str
    to: tuple[float, float] | None = None


def step(
    fleet: Mapping[str, Driver], calls: Mapping[str, Call], seconds: float
) -> tuple[dict[str, Driver], dict[str, Says]]:
    """The fleet after ``seconds``, and what its crews say by then. A unit that the city does not know stays."""
    after, said = {}, dict[str, Says]()
    for name, driver in fleet.items():
        call = calls.get(name, Call(driver.status))
        same = call.status == driver.status
        now = replace(driver, status=call.status, since_s=driver.since_s + seconds if same else 0.0)
        after[name] = _driven(now, call, seconds)
        if call.status == "sent" and now.since_s >= ACCEPTS_S:
            said[name] = "accept"
        elif call.status == "on-scene" and now.since_s >= STAYS_S:
            said[name] = "release"
    return after, said


def _driven(driver: Driver, call: Call, seconds: float) -> Driver:
    """The unit a little nearer to its incident, or to its depot; it stands where it works."""
    goal = {"under-way": call.to, "free": driver.home}.get(call.status)
    if goal is None:
        return replace(driver, speed_kmh=0.0)
    left = float(great_circle_m(driver.lon, driver.lat, *goal))
    if left <= THERE_M:
        return replace(driver, lon=goal[0], lat=goal[1], speed_kmh=0.0)
    share = min(1.0, seconds * STREETS.speed_kmh / 3.6 / STREETS.detour / left)
    lon, lat = (float(np.interp(share, (0, 1), ends)) for ends in zip((driver.lon, driver.lat), goal, strict=True))
    return replace(driver, lon=round(lon, 6), lat=round(lat, 6), speed_kmh=STREETS.speed_kmh)
