"""Rain that crosses the city, the water it leaves in underpasses, wind and dust.

In each block of six hours a storm may pass: a round cell that drifts along a line, strongest in the middle of the
block. Ordinary storms leave a hand's breadth of water; what floods an underpass is an injected incident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calendar import DAY_MS, Calendar
from sensors.simulate import chance
from sensors.simulate.places import METRES_A_DEGREE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK_MS: Final = 6 * 3_600_000
STORM_CHANCE: Final = 0.16  # of a block
_PEAK_MM_H: Final = 7.0
_CELL_M: Final = 14_000.0
_LASTS_MS: Final = 50 * 60_000.0  # spread of the storm in time
_DRAIN_LAG_MS: Final = 20 * 60_000  # water stands later than rain falls
_LEVEL_PER_MM_H: Final = 0.008  # metres of standing water for each mm/h of rain, at the median point
_GAUGE_NOISE_M: Final = 0.002


@dataclass(frozen=True, slots=True)
class Weather:
    """The weather at ``points``; ``east``, ``north`` (points,) in metres from the city's middle."""

    seed: int
    calendar: Calendar
    east: Floats
    north: Floats
    noise: chance.Bits
    drain: Floats  # (points,): how much worse than the median it drains

    def rain(self, point: Ints, time_ms: Ints) -> Floats:
        """Rainfall in mm/h, to 0.1."""
        bell = chance.bell(chance.drawn(self.noise[point], time_ms))
        return _rounded(np.maximum(self._storms(point, time_ms, 1.0) * (1 + 0.12 * bell), 0.0), 1)

    def level(self, point: Ints, time_ms: Ints, extra: Floats) -> Floats:
        """Standing water in metres, to the millimetre, with ``extra`` metres from an incident."""
        water = self._storms(point, time_ms - _DRAIN_LAG_MS, 1.4) * (_LEVEL_PER_MM_H * self.drain[point])
        bell = chance.bell(chance.drawn(self.noise[point], time_ms))
        return _rounded(np.maximum(0.01 + water + extra + _GAUGE_NOISE_M * bell, 0.0), 3)

    def wind(self, point: Ints, time_ms: Ints) -> Floats:
        """Wind speed in m/s, to 0.1."""
        slow = chance.wander(self._city("wind"), time_ms, 2 * 3_600_000)
        gust = chance.bell(chance.drawn(self.noise[point], time_ms))
        return _rounded(1.8 * np.exp(0.35 * slow + 0.25 * gust), 1)

    def dust(self, point: Ints, time_ms: Ints) -> Floats:
        """PM2.5 in micrograms a cubic metre, whole: more in the night's still air."""
        hour = self.calendar.local(time_ms) % DAY_MS * (2 * np.pi / DAY_MS)
        slow = chance.wander(self._city("dust"), time_ms, 8 * 3_600_000)
        bell = chance.bell(chance.drawn(self.noise[point], time_ms))
        return _rounded(42.0 * np.exp(0.15 * np.cos(hour - 0.5) + 0.3 * slow + 0.06 * bell), 0)

    def _city(self, stream: str) -> chance.Bits:
        return chance.keys(self.seed, stream, np.zeros(1, np.int64))

    def _storms(self, point: Ints, time_ms: Ints, longer: float) -> Floats:
        """Rain in mm/h of the storms of this block and its neighbours."""
        block = time_ms // BLOCK_MS
        total = np.zeros(np.broadcast(point, time_ms).shape)
        for shift in (-1, 0, 1):
            total += self._storm(block + shift, point, time_ms, longer)
        return total

    def _storm(self, block: Ints, point: Ints, time_ms: Ints, longer: float) -> Floats:
        """Rain in mm/h of the storm of each block, 0 where the block has none."""
        key = chance.keys(self.seed, "storm", block)
        comes = chance.uniform(key) < STORM_CHANCE
        if not comes.any():
            return np.zeros(1)
        east, north = chance.normal_pair(chance.mixed(key))
        course, strength = chance.normal_pair(chance.mixed(key + np.uint64(1)))
        since = time_ms - (block * BLOCK_MS + BLOCK_MS // 2)
        drift = since / 3_600_000.0 * 12_000.0  # metres at 12 km/h
        x = self.east[point] - east * 12_000.0 - np.cos(course) * drift
        y = self.north[point] - north * 12_000.0 - np.sin(course) * drift
        size = 0.5 * ((x * x + y * y) / _CELL_M**2 + (since / (_LASTS_MS * longer)) ** 2)
        return np.where(comes, _PEAK_MM_H * np.exp(0.5 * strength - np.minimum(size, 50.0)), 0.0)


def weather(seed: int, calendar: Calendar, centre: tuple[float, float], lon: Floats, lat: Floats) -> Weather:
    """The weather at these points; storms are drawn around ``centre`` (lon/lat)."""
    key = chance.keys(seed, "weather", np.arange(len(lon)))
    east = (lon - centre[0]) * np.cos(np.radians(centre[1])) * METRES_A_DEGREE
    drain = np.exp(0.5 * chance.bell(chance.mixed(key)))
    return Weather(seed, calendar, east, (lat - centre[1]) * METRES_A_DEGREE, key, drain)


def _rounded(values: Floats, digits: int) -> Floats:
    return np.asarray(np.round(values, digits), np.float64)
