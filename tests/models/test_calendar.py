"""The calendar: local time across changes of the clock, and what kind of day it is."""

from __future__ import annotations

from datetime import UTC as UTC_ZONE
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.city_calendar import calendar
from models.calendar import DAY_MS, HOLIDAY, UTC, WEEKEND, WORKDAY, Calendar

AUCKLAND = calendar("Pacific/Auckland", None)
HOUR = 3_600_000


def ms(text: str, zone: str = "UTC") -> int:
    """The instant of a wall time in ``zone``, ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def wall(text: str) -> int:
    """The wall time as ms since 1970-01-01 00:00 local."""
    return ms(text)


@pytest.fixture
def holidays(tmp_path: Path) -> Calendar:
    """Auckland with a holiday on a Tuesday, and a Saturday that is worked."""
    path = tmp_path / "days.yaml"
    path.write_text("holidays: {2019: [2019-12-24]}\nworkdays: {2019: [2019-12-28]}\n", "utf-8")
    return calendar("Pacific/Auckland", path)


@pytest.mark.parametrize(
    ("instant", "local"),
    [
        ("2019-09-28T13:59:59", "2019-09-29T01:59:59"),  # the last second of NZST
        ("2019-09-28T14:00:00", "2019-09-29T03:00:00"),  # the clock goes forward
        ("2020-04-04T13:59:59", "2020-04-05T02:59:59"),  # the last second of NZDT
        ("2020-04-04T14:00:00", "2020-04-05T02:00:00"),  # the clock goes back
        ("2019-12-31T11:00:00", "2020-01-01T00:00:00"),
    ],
)
def test_auckland_at_the_changes_of_its_clock(instant: str, local: str) -> None:
    """To the second the local time is that of the wall clock, alone and among others."""
    assert AUCKLAND.local(np.array([ms(instant)])).tolist() == [wall(local)]
    many = np.array([ms("2019-01-01T00:00:00"), ms(instant), ms("2020-07-01T00:00:00")])
    assert AUCKLAND.local(many)[1] == wall(local)


@given(st.lists(st.integers(ms("2015-01-01T00:00:00"), ms("2030-01-01T00:00:00")), max_size=20))
def test_local_time_is_that_of_the_time_zone_database(instants: list[int]) -> None:
    """For any instants together the local time agrees with zoneinfo."""
    zone = ZoneInfo("Pacific/Auckland")
    want = []
    for instant in instants:
        offset = datetime.fromtimestamp(instant // 1000, UTC_ZONE).astimezone(zone).utcoffset()
        assert offset is not None
        want.append(instant + round(offset.total_seconds()) * 1000)
    assert AUCKLAND.local(np.array(instants, np.int64)).tolist() == want


def test_days_of_the_week_tell_what_the_list_does_not() -> None:
    """Without a list Saturdays and Sundays are weekend, all others working days, before 1970 too."""
    days = np.array([wall(f"2019-12-{day}T12:00:00") for day in range(23, 30)])  # Monday to Sunday
    assert UTC.day_kind(days).tolist() == [WORKDAY] * 5 + [WEEKEND] * 2
    assert UTC.day_kind(days[5:6]).tolist() == [WEEKEND]
    assert UTC.day_kind(np.array([-1, -4 * DAY_MS])).tolist() == [WORKDAY, WEEKEND]  # a Wednesday, a Sunday


def test_holidays_and_moved_working_days(holidays: Calendar) -> None:
    """A listed holiday is one from midnight to midnight, a worked Saturday is a working day."""
    eve = wall("2019-12-24T00:00:00")
    assert holidays.day_kind(np.array([eve - 1, eve, eve + DAY_MS - 1, eve + DAY_MS])).tolist() == [
        WORKDAY, HOLIDAY, HOLIDAY, WORKDAY,
    ]  # fmt: skip
    assert holidays.day_kind(np.array([wall("2019-12-28T09:00:00"), wall("2019-12-29T09:00:00")])).tolist() == [
        WORKDAY, WEEKEND,
    ]  # fmt: skip


def test_a_kind_is_told_the_same_alone_and_together(holidays: Calendar) -> None:
    """Many times of one day, one time, and times of many days get the same answers."""
    day = wall("2019-12-24T00:00:00") + np.arange(24) * HOUR
    assert holidays.day_kind(day).tolist() == [HOLIDAY] * 24
    assert [holidays.day_kind(day[i : i + 1]).tolist() for i in range(2)] == [[HOLIDAY], [HOLIDAY]]
    spread = wall("2019-12-20T00:00:00") + np.arange(20) * DAY_MS
    assert holidays.day_kind(spread).tolist() == [int(holidays.day_kind(spread[i : i + 1])[0]) for i in range(20)]


def test_nothing_is_nothing() -> None:
    """No times, no answers."""
    none = np.zeros(0, np.int64)
    assert AUCKLAND.local(none).tolist() == []
    assert AUCKLAND.day_kind(none).tolist() == []
