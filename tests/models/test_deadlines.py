"""Deadlines of appeals, by the holiday calendar of China."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.city_calendar import calendar
from models.deadlines import Deadlines, Within

SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINA = Path(__file__).parents[2] / "config/cities/calendars/china.yaml"
DEADLINES = Deadlines(calendar("Asia/Shanghai", CHINA))


def due(requested: str, within: Within) -> str:
    """When the answer to a request made at this local time is late, local time."""
    at = int(dt.datetime.fromisoformat(requested).replace(tzinfo=SHANGHAI).timestamp() * 1000)
    return dt.datetime.fromtimestamp(DEADLINES.due(at, within) / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("requested", "within", "expected"),
    [
        ("2025-06-16T09:30", "1h", "2025-06-16 10:30"),
        ("2025-06-16T23:40", "1h", "2025-06-17 00:40"),  # an hour knows no night
        ("2025-06-16T09:30", "5d", "2025-06-24 00:00"),  # Monday: Tuesday to Friday, and Monday after the weekend
        ("2025-06-16T23:59", "5d", "2025-06-24 00:00"),  # the day of the request does not count, whatever the hour
        ("2025-06-21T10:00", "5d", "2025-06-28 00:00"),  # a Saturday: the days begin on Monday
        ("2025-09-30T10:00", "5d", "2025-10-15 00:00"),  # National Day 1-8 October, Saturday the 11th is worked
        ("2025-06-16T09:30", "20d", "2025-07-15 00:00"),
        ("2025-01-24T10:00", "20d", "2025-02-28 00:00"),  # Spring Festival, with 26 January and 8 February worked
    ],
)
def test_an_answer_is_due_by_working_days(requested: str, within: Within, expected: str) -> None:
    """Weekends and holidays do not count, moved working days do, and an hour is an hour."""
    assert due(requested, within) == expected


def test_a_calendar_without_working_days_is_told() -> None:
    """A calendar in which nobody works for months is refused by number."""
    import numpy as np

    from models.calendar import HOLIDAY, Calendar

    never = Calendar(np.zeros(1, np.int64), np.zeros(1, np.int64), 0, np.full(2_000, HOLIDAY, np.uint8))
    with pytest.raises(ValueError, match="0 working days in 100 days, 5 are needed"):
        Deadlines(never).due(0, "5d")
