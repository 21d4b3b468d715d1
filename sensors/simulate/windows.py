"""The simulated city cut into short windows, and each window into what every gateway sends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sensors.simulate.chengdu import City
from sensors.simulate.schedule import Schedule

Ints = NDArray[np.int64]

_KEPT = 6  # windows that are held for gateways that are a little behind


@dataclass(frozen=True, slots=True)
class Said:
    """What one gateway sends for one window, by time; columns (readings,). Silent sensors are not in it."""

    rows: Ints
    time_ms: Ints
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


class Windows:
    """Windows of ``step_ms`` from ``start_ms`` on, numbered from 0; ``gateway`` (datastreams,) says who sends what.

    Any window can be asked for at any time, as often as need be: a gateway that waits for the door keeps nothing but
    the number of its next window.
    """

    def __init__(self, city: City, gateway: NDArray[np.int64], start_ms: int, step_ms: int) -> None:
        known = np.flatnonzero(city.known)
        cadence = city.register.frame["cadence_s"].to_numpy()[known]
        self._city = city
        self._gateway = gateway
        self._gateways = int(gateway.max()) + 1 if len(gateway) else 0
        self._schedule = Schedule(known, cadence)
        self._start_ms = start_ms
        self.step_ms = step_ms
        self._held: dict[int, list[Said]] = {}

    def end_ms(self, number: int) -> int:
        """When the window is over and can be sent."""
        return self._start_ms + (number + 1) * self.step_ms

    def said(self, number: int, gateway: int) -> Said:
        """What ``gateway`` sends for the window."""
        if number not in self._held:
            self._held[number] = self._split(number)
            while len(self._held) > _KEPT:
                del self._held[min(self._held)]
        found = self._held.get(number)
        return (found if found is not None else self._split(number))[gateway]

    def _split(self, number: int) -> list[Said]:
        end = self.end_ms(number)
        rows, times = self._schedule.due(end - self.step_ms, end)
        value = self._city.values(rows, times)
        who = np.where(np.isnan(value), -1, self._gateway[rows])
        order = np.argsort(who, kind="stable")
        edges = np.searchsorted(who[order], np.arange(self._gateways + 1))
        parts = [order[first:last] for first, last in pairwise(edges)]
        return [Said(rows[part], times[part], value[part]) for part in parts]
