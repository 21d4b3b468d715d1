"""What sensors say that a pack brings along: its section ``simulate``, as a pure function of time.

A value is rest + rhythm of the day + slow change + rain + wind + noise, or a state that comes now and then; all of it
from counter-based chance, so that any reading can be asked for again, in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from config.pack_simulate import Reading
from models.calendar import Calendar
from sensors.simulate import chance
from sensors.simulate.places import metres_between
from sensors.simulate.rhythm import PROFILES, fullness
from sensors.simulate.weather import weather

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Sensors:
    """The sensors of one property at points (``lon``, ``lat``); ``centre`` is where storms are drawn around.

    ``start_ms``: from when on ``first`` of the state counts; None: nobody comes into the state for show.
    """

    def __init__(
        self,
        reading: Reading,
        seed: int,
        calendar: Calendar,
        centre: tuple[float, float],
        lon: Floats,
        lat: Floats,
        start_ms: int | None = None,
    ) -> None:
        self.reading = reading
        self._calendar = calendar
        stream = f"{reading.pack}/{reading.property}"
        self._noise = chance.keys(seed, f"noise {stream}", np.arange(len(lon)))
        self._state = chance.keys(seed, f"state {stream}", np.arange(len(lon)))
        self._slow = chance.keys(seed, f"slow {stream}", np.zeros(1, np.int64))
        unlike = chance.bell(chance.keys(seed, f"size {stream}", np.arange(len(lon))))
        self._size = np.exp(reading.spread * unlike)  # how much more or less than others it says
        self._weather = weather(seed, calendar, centre, lon, lat)
        self._shown = _shown(reading, centre, lon, lat, start_ms)

    def values(self, point: Ints, time_ms: Ints) -> Floats:
        """The reading of each point at each time."""
        of = self.reading
        level = self._size[point] * (of.base + of.swing * self._day(time_ms)) + self._around(point, time_ms)
        if of.counts:
            bits = chance.drawn(self._noise[point], time_ms)
            level = chance.poisson(np.maximum(level, 0.0), chance.bell(bits), bits)
        elif of.noise:
            level = level + of.noise * chance.bell(chance.drawn(self._noise[point], time_ms))
        share, lasts_ms, to = of.state
        if share:
            level = np.where(self._is_in_state(point, time_ms, share, lasts_ms), to, level)
        for row, start, end in self._shown:
            level = np.where((point == row) & (time_ms >= start) & (time_ms < end), to, level)
        return np.asarray(np.round(np.clip(level, of.low, of.high), of.digits), np.float64)

    def _day(self, time_ms: Ints) -> Floats:
        """How full the day is, 1 about the peak of a working day, times the factor of the kind of day."""
        of = self.reading
        factor = np.array(of.day_factor)[self._calendar.day_kind(self._calendar.local(time_ms))]
        if of.rhythm == "flat":
            return np.asarray(factor, np.float64)
        profile = np.full(len(time_ms), PROFILES.index(of.rhythm))
        return np.asarray(factor * fullness(self._calendar, profile, time_ms), np.float64)

    def _around(self, point: Ints, time_ms: Ints) -> Floats:
        """What the city and the weather add."""
        of = self.reading
        total = np.zeros(len(time_ms))
        by, over_ms = of.wander
        if by:
            total += by * chance.wander(self._slow, time_ms, over_ms)
        adds, lag_ms = of.rain
        if adds:
            total += adds * self._weather.rain(point, time_ms - lag_ms)
        if of.wind:
            total += of.wind * self._weather.wind(point, time_ms)
        return total

    def states(self, from_ms: int, to_ms: int) -> list[tuple[int, int, int]]:
        """Who comes into the state in [from_ms, to_ms): point, when it begins and when it is over (ms), by time."""
        shown = [(start, row, end) for row, start, end in self._shown if from_ms <= start < to_ms]
        return [(row, start, end) for start, row, end in sorted(shown + self._turns(from_ms, to_ms))]

    def _turns(self, from_ms: int, to_ms: int) -> list[tuple[int, int, int]]:
        """The turns of the state that begin in [from_ms, to_ms): begin, point, end."""
        share, lasts_ms, _ = self.reading.state
        if not share:
            return []
        shift = (self._state % np.uint64(lasts_ms)).astype(np.int64)
        found = []
        for turn in range(from_ms // lasts_ms, to_ms // lasts_ms + 2):
            start = turn * lasts_ms - shift
            comes = chance.uniform(chance.drawn(self._state, np.full(len(shift), turn))) < share
            rows = np.flatnonzero(comes & (start >= from_ms) & (start < to_ms))
            found += [(int(start[row]), int(row), int(start[row]) + lasts_ms) for row in rows]
        return found

    def _is_in_state(self, point: Ints, time_ms: Ints, share: float, lasts_ms: int) -> NDArray[np.bool_]:
        """Who is in the state: each point has turns of its own, and each turn its chance."""
        key = self._state[point]
        turn = (time_ms + (key % np.uint64(lasts_ms)).astype(np.int64)) // lasts_ms
        return np.asarray(chance.uniform(chance.drawn(key, turn)) < share)


def _shown(
    reading: Reading, centre: tuple[float, float], lon: Floats, lat: Floats, start_ms: int | None
) -> list[tuple[int, int, int]]:
    """Who comes into the state for show, the point nearest to the middle: point, begin and end (ms); or nobody."""
    if start_ms is None or reading.first_ms is None or not len(lon):
        return []
    begin = start_ms + reading.first_ms
    return [(int(metres_between(lon, lat, *centre).argmin()), begin, begin + reading.state[1])]
