"""The city's calendar as arrays: local time of day and the kind of day of any instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000
WORKDAY, WEEKEND, HOLIDAY = 0, 1, 2  # a moved working day is a WORKDAY


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local time and day kinds, built by ``config.city`` from a time zone and a list of holidays.

    ``transition_ms`` (n,) int64: instants from which ``offset_ms`` (n,) int64 holds; the first reaches back for ever.
    ``first_day``: local days since 1970-01-01 of ``kind[0]``; ``kind`` (days,) uint8: WORKDAY, WEEKEND or HOLIDAY.
    Days outside ``kind`` are told by the day of the week alone.
    """

    transition_ms: NDArray[np.int64]
    offset_ms: NDArray[np.int64]
    first_day: int
    kind: NDArray[np.uint8]

    def local(self, time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Local wall time in ms since 1970-01-01 00:00 local; shape as given."""
        if not len(time_ms):
            return time_ms.copy()
        first, last = self._period(int(time_ms.min())), self._period(int(time_ms.max()))
        if first == last:  # as nearly always: one offset for all
            shifted: NDArray[np.int64] = time_ms + self.offset_ms[first]
            return shifted
        at = np.maximum(np.searchsorted(self.transition_ms, time_ms, side="right") - 1, 0)
        local: NDArray[np.int64] = time_ms + self.offset_ms[at]
        return local

    def _period(self, time_ms: int) -> int:
        return max(int(np.searchsorted(self.transition_ms, time_ms, side="right")) - 1, 0)

    def day_kind(self, local_ms: NDArray[np.int64]) -> NDArray[np.uint8]:
        """WORKDAY, WEEKEND or HOLIDAY of each local time; shape as given."""
        if not len(local_ms):
            return np.zeros(0, np.uint8)
        first, last = int(local_ms.min()) // DAY_MS, int(local_ms.max()) // DAY_MS
        if first == last:  # as nearly always: one day for all
            return np.full(len(local_ms), self._kind(first), np.uint8)
        day = local_ms // DAY_MS
        plain = np.where((day + 3) % 7 >= 5, WEEKEND, WORKDAY).astype(np.uint8)  # day 0 was a Thursday
        row = day - self.first_day
        known = (row >= 0) & (row < len(self.kind))
        if not len(self.kind) or not known.any():
            return plain
        return np.where(known, self.kind[np.clip(row, 0, len(self.kind) - 1)], plain)

    def _kind(self, day: int) -> int:
        """The kind of one local day since 1970."""
        row = day - self.first_day
        if 0 <= row < len(self.kind):
            return int(self.kind[row])
        return WEEKEND if (day + 3) % 7 >= 5 else WORKDAY


UTC = Calendar(np.zeros(1, np.int64), np.zeros(1, np.int64), 0, np.zeros(0, np.uint8))
