"""When each datastream reports: a fixed cadence at a phase of its own, so that the city never speaks at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def phases(rows: Ints, cadence_ms: Ints) -> Ints:
    """Each datastream's phase in ms, spread evenly over its cadence by its integer (golden ratio)."""
    spread = (rows.astype(np.uint64) * np.uint64(2_654_435_769)) & np.uint64(0xFFFFFFFF)
    return ((spread * cadence_ms.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Group:
    """Datastreams of one cadence, by phase."""

    cadence_ms: int
    rows: Ints
    phase_ms: Ints

    def due(self, from_ms: int, to_ms: int) -> tuple[list[Ints], list[Ints]]:
        rows, times = [], []
        for turn in range(from_ms // self.cadence_ms, (to_ms - 1) // self.cadence_ms + 1):
            start = turn * self.cadence_ms
            first, last = np.searchsorted(self.phase_ms, (from_ms - start, to_ms - start))
            rows.append(self.rows[first:last])
            times.append(self.phase_ms[first:last] + start)
        return rows, times


class Schedule:
    """The readings due of some datastreams: ``rows`` (n,), ``cadence_s`` (n,) seconds between their readings."""

    def __init__(self, rows: Ints, cadence_s: NDArray[np.float64]) -> None:
        cadence = np.maximum(np.round(cadence_s * 1000), 1).astype(np.int64)
        phase = phases(rows, cadence)
        order = np.argsort(phase, kind="stable")
        self._groups = [
            _Group(int(each), rows[chosen], phase[chosen])
            for each in np.unique(cadence)
            for chosen in (order[cadence[order] == each],)
        ]
        self.per_second = float((1000.0 / cadence).sum())

    def due(self, from_ms: int, to_ms: int) -> tuple[Ints, Ints]:
        """Datastreams and times of the readings in [from_ms, to_ms), by time."""
        rows: list[Ints] = [np.zeros(0, np.int64)]
        times: list[Ints] = [np.zeros(0, np.int64)]
        for group in self._groups:
            for collected, found in zip((rows, times), group.due(from_ms, to_ms), strict=True):
                collected.extend(found)
        when = np.concatenate(times)
        order = np.argsort(when, kind="stable")
        return np.concatenate(rows)[order], when[order]
