"""Until when a service request must be answered: working days by the city's calendar, or an hour where safety is at
stake."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from models.calendar import DAY_MS, WORKDAY, Calendar

Within = Literal["1h", "5d", "20d"]
WITHIN: tuple[Within, ...] = get_args(Within)
HOUR_MS = 3_600_000
QUARTER_MS = 900_000
WORKING_DAYS: dict[Within, int] = {"5d": 5, "20d": 20}
FURTHEST = 100  # days ahead; a calendar without a working day in them is broken


class Deadlines:
    """The deadlines of one city.

    An hour runs from the request. Working days run from the day after it: the answer is due when the last of them
    ends, at midnight local time. Weekends and holidays do not count, moved working days (调休) do.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._end = lru_cache(4_096)(self._ended)
        self._day = lru_cache(4_096)(self._local_day)

    def due(self, requested: int, within: Within) -> int:
        """The first moment (ms since 1970 UTC) at which the answer is late."""
        if within == "1h":
            return requested + HOUR_MS
        return self._end(self._day(requested // QUARTER_MS), WORKING_DAYS[within])

    def _local_day(self, quarter: int) -> int:
        """The local day of a quarter of an hour since 1970: offsets are whole quarters."""
        return int(self._calendar.local(np.array([quarter * QUARTER_MS], np.int64))[0]) // DAY_MS

    def _ended(self, day: int, working_days: int) -> int:
        """When the so many-th working day after the local ``day`` since 1970 is over, ms UTC."""
        ahead = day + 1 + np.arange(FURTHEST, dtype=np.int64)
        working = ahead[[int(self._calendar.day_kind(np.array([one * DAY_MS]))[0]) == WORKDAY for one in ahead]]
        if len(working) < working_days:
            raise ValueError(
                f"{len(working)} working days in {FURTHEST} days, {working_days} are needed; mend the calendar"
            )
        return self._utc((int(working[working_days - 1]) + 1) * DAY_MS)

    def _utc(self, local: int) -> int:
        """The instant of a local wall time."""
        instant = local
        for _ in range(2):  # the offset of the instant itself, also on the day on which clocks change
            instant = local - (int(self._calendar.local(np.array([instant], np.int64))[0]) - instant)
        return instant
