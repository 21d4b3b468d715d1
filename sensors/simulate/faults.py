"""Sensors that fail: stuck, silent, at zero, with spikes; seeded windows, the same whenever asked.

At most one fault a datastream and day (UTC): whether, which, when and how long are drawn from
(seed, datastream, day). A window ends with its day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calendar import DAY_MS
from sensors.simulate import chance

Ints = NDArray[np.int64]

NONE, STUCK, SILENT, ZERO, SPIKES = range(5)
NAMES: Final = ("none", "stuck", "silent", "zero", "spikes")
DAILY_SHARE: Final = 0.0015  # of the datastreams fail on a day
SPIKE_SHARE: Final = 0.1  # of the readings in a window of spikes
_SHORTEST_MS, _LONGEST_MS = 10 * 60_000, 4 * 3_600_000


@dataclass(frozen=True, slots=True)
class Windows:
    """Faults as columns: kind (NONE where there is none), first ms, ms after the last."""

    kind: NDArray[np.int64]
    start_ms: Ints
    end_ms: Ints

    def at(self, time_ms: Ints) -> NDArray[np.int64]:
        """The kind of fault that holds at ``time_ms``."""
        return np.where((time_ms >= self.start_ms) & (time_ms < self.end_ms), self.kind, NONE)


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of all datastreams; ``key`` (datastreams,)."""

    key: chance.Bits
    share: float = DAILY_SHARE

    def suspects(self, rows: Ints, time_ms: Ints) -> Ints:
        """Which of the readings are of a datastream that fails some time on that day (positions, few)."""
        return np.flatnonzero(chance.uniform(self._bits(rows, time_ms // DAY_MS)) < self.share)

    def windows(self, rows: Ints, day: Ints) -> Windows:
        """The fault of each datastream on each day since 1970 (UTC)."""
        bits = self._bits(rows, day)
        kind = 1 + (chance.mixed(bits + np.uint64(1)) % np.uint64(4)).astype(np.int64)
        kind[chance.uniform(bits) >= self.share] = NONE
        start = day * DAY_MS + (chance.uniform(chance.mixed(bits + np.uint64(2))) * DAY_MS).astype(np.int64)
        length = _SHORTEST_MS * (_LONGEST_MS / _SHORTEST_MS) ** chance.uniform(chance.mixed(bits + np.uint64(3)))
        return Windows(kind, start, np.minimum(start + length.astype(np.int64), (day + 1) * DAY_MS))

    def spiking(self, rows: Ints, time_ms: Ints) -> NDArray[np.bool_]:
        """Which readings within a window of spikes are one."""
        return chance.uniform(chance.mixed(chance.drawn(self.key[rows], time_ms))) < SPIKE_SHARE

    def _bits(self, rows: Ints, day: Ints) -> chance.Bits:
        return chance.drawn(self.key[rows], day)


def faults(seed: int, datastreams: int, share: float = DAILY_SHARE) -> Faults:
    """The faults of a city with so many datastreams."""
    return Faults(chance.keys(seed, "faults", np.arange(datastreams)), share)
