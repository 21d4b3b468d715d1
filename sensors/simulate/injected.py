"""Injections on top of the simulated city: crowds, water, sensors that stick or fall silent, values that change.

``Injected.values`` is what the sensors say under a drill's injections: a pure function of (city, injections,
datastream, time), like the city's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sensors.simulate.chengdu import City
from sensors.simulate.incidents import Incident, Timetable
from sensors.simulate.places import metres_between

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
How = Literal["to", "plus", "times"]


@dataclass(frozen=True, eq=False)
class Stuck:
    """The datastreams of ``rows`` repeat in [start, end) ms what they said at its begin."""

    rows: Ints
    start_ms: int
    end_ms: int


@dataclass(frozen=True, eq=False)
class Silent:
    """The datastreams of ``rows`` say nothing in [start, end) ms."""

    rows: Ints
    start_ms: int
    end_ms: int


@dataclass(frozen=True, eq=False)
class Changed:
    """The values of ``rows`` go ``how`` ``value``, growing for ``ramp_s``; ``base`` where the city has none (NaN)."""

    rows: Ints
    start_ms: int
    end_ms: int
    how: How
    value: float
    ramp_s: float = 0.0
    base: float = float("nan")

    def strength(self, time_ms: Ints) -> Floats:
        """0 before and after, 1 once it has grown."""
        since = (time_ms - self.start_ms) / 1000.0
        grown = np.ones(len(since)) if self.ramp_s <= 0 else np.clip(since / self.ramp_s, 0.0, 1.0)
        return np.where((since >= 0) & (time_ms < self.end_ms), grown, 0.0)


Overlay = Stuck | Silent | Changed


class Injected:
    """``city`` with the ``incidents`` as all that happens in it, and the ``overlays`` on its sensors."""

    def __init__(self, city: City, incidents: Sequence[Incident], overlays: Sequence[Overlay]) -> None:
        self.city = City(
            city.register,
            city.places,
            city.calendar,
            city.seed,
            Timetable(tuple(incidents)),
            city.gateway,
            0.0,
            city.declared,
        )
        self.overlays = tuple(overlays)
        n = len(city.register)
        self._hit = [_mask(n, overlay.rows) for overlay in overlays]

    def values(self, rows: NDArray[np.integer[Any]], time_ms: NDArray[np.integer[Any]] | int) -> Floats:
        """The value of each datastream in ``rows`` at each time; NaN where the sensor says nothing."""
        asked: Ints = np.asarray(rows, np.int64)
        times = np.broadcast_to(np.asarray(time_ms, np.int64), asked.shape)
        out = self.city.values(asked, times)
        for overlay, hit in zip(self.overlays, self._hit, strict=True):
            self._lay(overlay, np.flatnonzero(hit[asked]), asked, times, out)
        return np.clip(out, self.city.register.low[asked], self.city.register.high[asked])

    def _lay(self, overlay: Overlay, at: Ints, rows: Ints, times: Ints, out: Floats) -> None:
        """One overlay over the readings ``at``, in place."""
        if isinstance(overlay, Changed):
            base = np.where(np.isnan(out[at]), overlay.base, out[at])
            out[at] = _changed(overlay, base, overlay.strength(times[at]))
            return
        at = at[(times[at] >= overlay.start_ms) & (times[at] < overlay.end_ms)]
        if isinstance(overlay, Silent):
            out[at] = np.nan
        elif len(at):
            out[at] = self.city.values(rows[at], np.full(len(at), overlay.start_ms))


def near(city: City, lon: float, lat: float, radius_m: float) -> NDArray[np.bool_]:
    """(datastreams,): which stand within ``radius_m`` of a point."""
    return metres_between(city.lon, city.lat, lon, lat) <= radius_m


def _changed(overlay: Changed, base: Floats, strength: Floats) -> Floats:
    match overlay.how:
        case "to":
            return base + strength * (overlay.value - base)
        case "plus":
            return base + strength * overlay.value
        case "times":
            return base * (1.0 + strength * (overlay.value - 1.0))


def _mask(n: int, rows: Ints) -> NDArray[np.bool_]:
    mask = np.zeros(n, np.bool_)
    mask[rows] = True
    return mask
