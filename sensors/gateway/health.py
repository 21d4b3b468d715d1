"""How well each source does: what is expected of it and what comes, how fresh, how complete, how far off its clock is.

Expected is what the register's cadence says of the datastreams that the source has sent since this gateway began. The
offset of its clock is the least that a reading was late in the last minute: what is transport comes and goes, what is
a wrong clock stays. Judged over whole minutes of the gateway's clock; what is wrong is told as data-quality alerts by
the workers (models/gateways.py), which see all gateways at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from config.register import Register

MINUTE_MS = 60_000
NEVER = np.iinfo(np.int64).min


@dataclass(slots=True)
class _Minute:
    """What came of one source in a minute; ``offset_ms`` the least lateness."""

    number: int = -1
    accepted: int = 0
    offset_ms: int | None = None


@dataclass(slots=True)
class _Source:
    sends: NDArray[np.bool_]
    duplicates: int = 0
    now: _Minute = field(default_factory=_Minute)
    before: _Minute = field(default_factory=_Minute)


class Health:
    """The sources that came since this gateway began."""

    def __init__(self, register: Register) -> None:
        self._sources: dict[str, _Source] = {}
        self.use(register)

    def use(self, register: Register) -> None:
        """Judge by this register from now on; it is the one before, grown."""
        size = len(register)
        cadence = register.frame["cadence_s"].to_numpy()
        self._per_minute = np.where(cadence > 0, 60.0 / np.maximum(cadence, 1e-3), 0.0)
        last = np.full(size, NEVER, np.int64)
        if hasattr(self, "_last"):
            last[: len(self._last)] = self._last[:size]
        self._last: NDArray[np.int64] = last
        for source in self._sources.values():
            source.sends = np.concatenate([source.sends, np.zeros(max(0, size - len(source.sends)), np.bool_)])

    def took(self, name: str, datastream: NDArray[np.int32], time: NDArray[np.int64], now_ms: int) -> None:
        """Take note of the readings that were accepted: ``datastream`` and ``time`` have the shape (readings,)."""
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = _Source(np.zeros(len(self._last), np.bool_))
        self._turn(source, now_ms // MINUTE_MS)
        if not len(datastream):
            return
        source.sends[datastream] = True
        source.duplicates += int(np.count_nonzero(self._last[datastream] == time))
        np.maximum.at(self._last, datastream, time)
        late = now_ms - int(time.max())
        minute = source.now
        minute.accepted += len(datastream)
        minute.offset_ms = late if minute.offset_ms is None else min(minute.offset_ms, late)

    def row(self, name: str, now_ms: int) -> dict[str, int]:
        """What is known of a source, as whole numbers: ``datastreams`` it sends, readings ``expected`` a minute,
        ``completeness`` of the last whole minute in thousandths, its clock's ``offset_ms``, and ``duplicates``."""
        source = self._sources.get(name)
        if source is None:
            return {}
        self._turn(source, now_ms // MINUTE_MS)
        expected = float(self._per_minute[source.sends].sum())
        told = {
            "datastreams": int(source.sends.sum()),
            "expected": round(expected),
            "duplicates": source.duplicates,
        }
        if source.before.number >= 0 and expected > 0:
            told["completeness"] = round(1_000 * source.before.accepted / expected)
        offset = source.before.offset_ms if source.before.offset_ms is not None else source.now.offset_ms
        return told if offset is None else told | {"offset_ms": offset}

    @staticmethod
    def _turn(source: _Source, number: int) -> None:
        """Begin another minute when it is time; one in which nothing came is a minute too."""
        if source.now.number == number:
            return
        if source.now.number >= 0:
            source.before = source.now if source.now.number == number - 1 else _Minute(number - 1)
        source.now = _Minute(number)
