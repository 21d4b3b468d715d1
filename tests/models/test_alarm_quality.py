"""The figures of alarm quality, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.alarm_quality import Flooding, floods, measure, spread, worst
from models.values import Transition
from tests.models.duty import HOUR, MINUTE, alert

START = 1_700_000_000_000


def times(*minutes: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Minutes after START as ms."""
    return np.array([START + int(one * MINUTE) for one in minutes], np.int64)


def test_load_is_alerts_an_hour_and_operator() -> None:
    """24 alerts in two hours for two people are six an hour each, which is acceptable."""
    found = measure([alert(START + n * 5 * MINUTE) for n in range(24)], START, START + 2 * HOUR, 2, START + 3 * HOUR)
    assert (found.alerts, found.per_operator_hour, found.load) == (24, 6.0, "acceptable")


def test_a_span_that_is_not_over_counts_to_now() -> None:
    """Six alerts in the first half hour of a shift are twelve an hour, not one."""
    found = measure([alert(START + n * MINUTE) for n in range(6)], START, START + 12 * HOUR, 1, START + HOUR // 2)
    assert (found.per_operator_hour, found.load) == (12.0, "manageable")


def test_a_flood_begins_with_ten_in_ten_minutes_and_ends_below_five() -> None:
    """Ten alerts, one a minute: it begins with the tenth, and ends when the sixth leaves the window."""
    found = floods(times(*range(10)), START + HOUR, 1)
    assert found == (Flooding(start=START + 9 * MINUTE, end=START + 15 * MINUTE, alerts=1),)


def test_nine_in_ten_minutes_are_no_flood_and_ten_are_none_for_two_people() -> None:
    """The line is ten for each operator."""
    assert floods(times(*range(9)), START + HOUR, 1) == ()
    assert floods(times(*range(10)), START + HOUR, 2) == ()


def test_a_flood_that_lasts_ends_with_the_span() -> None:
    """Time in flood is never longer than what was looked at."""
    (found,) = floods(times(*np.arange(0, 30, 0.5)), START + 30 * MINUTE, 1)
    assert (found.start, found.end) == (START + int(4.5 * MINUTE), START + 30 * MINUTE)


def test_acknowledgement_is_told_by_percentile_and_severity() -> None:
    """Nine answered after 10 to 90 s, one not at all."""
    answered = [alert(START + n, acknowledged_at=START + n + n * 10_000) for n in range(1, 10)]
    found = measure([*answered, alert(START, "Extreme")], START, START + HOUR, 1, START + HOUR)
    every = found.acknowledgement["all"]
    assert (every.count, every.open, every.p50_s, every.p90_s, every.max_s) == (9, 1, 50.0, 82.0, 90.0)
    assert found.acknowledgement["Extreme"] == spread([], 1)
    assert found.in_time == 0.9


def test_resolution_is_from_opening_to_closing() -> None:
    """An alert that is open still is counted as open."""
    done = alert(START, closed=START + 90_000, state="normal")
    found = measure([done, alert(START + 1)], START, START + HOUR, 1, START + HOUR).resolution["all"]
    assert (found.count, found.open, found.p50_s) == (1, 1, 90.0)


def test_bad_actors_are_ranked_with_their_share() -> None:
    """Two of eleven places make most; a place with one alert is none."""
    many = [alert(START + n, place="a") for n in range(6)] + [alert(START + n, place="b") for n in range(3)]
    found = worst([*many, alert(START, place="c")])
    assert [(one.place, one.alerts, one.share) for one in found] == [("a", 6, 0.6), ("b", 3, 0.3)]


def test_at_most_ten_bad_actors_are_listed() -> None:
    """And what they made together is told."""
    alerts = [alert(START + n, place=f"p{n % 12:02}") for n in range(24)]
    found = measure(alerts, START, START + HOUR, 1, START + HOUR)
    assert len(found.bad_actors) == 10
    assert found.worst_share == round(20 / 24, 4)


def test_priorities_are_shares_beside_their_target() -> None:
    """One of ten is red: twice what EEMUA 191 wants."""
    alerts = [alert(START + n, "Extreme" if n == 0 else "Minor") for n in range(10)]
    found = measure(alerts, START, START + HOUR, 1, START + HOUR)
    assert found.priorities == {"Extreme": 0.1, "Severe": 0.0, "Moderate": 0.0, "Minor": 0.9}
    assert found.priorities_target["Extreme"] == 0.05


def test_stale_and_chattering_alerts_are_listed_the_newest_first() -> None:
    """By what the alarm's own life found."""
    alerts = [alert(START, stale=True), alert(START + 1, stale=True), alert(START + 2, chattering=True)]
    found = measure(alerts, START, START + HOUR, 1, START + HOUR)
    assert [one.opened for one in found.stale] == [START + 1, START]
    assert [one.opened for one in found.chattering] == [START + 2]


def test_drills_and_what_was_hidden_at_once_load_nobody() -> None:
    """A drill is not counted at all, an inhibited alert as hidden."""
    step = Transition(at=START, was="normal", now="suppressed", action="suppress")
    hidden = alert(START, state="suppressed", hidden_by="alert/x", history=(step,))
    found = measure([hidden, alert(START + 1, exercise=True), alert(START + 2)], START, START + HOUR, 1, START + HOUR)
    assert (found.alerts, found.hidden) == (1, 1)


def test_what_makes_no_sense_is_refused() -> None:
    """An empty span, nobody to answer."""
    with pytest.raises(ValueError, match="give an end after the start"):
        measure([], START, START, 1, START)
    with pytest.raises(ValueError, match="at least 1"):
        measure([], START, START + HOUR, 0, START)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=15, max_size=80), st.integers(1, 3))
def test_floods_agree_with_looking_at_every_minute(offsets: list[int], operators: int) -> None:
    """The slow way: count the last ten minutes again and again."""
    at = np.sort(times(*offsets))
    end = START + 80 * MINUTE
    flood, minutes = False, 0
    for minute in range(START, end, MINUTE):
        count = int(((at <= minute) & (at > minute - 10 * MINUTE)).sum())
        flood = count >= 10 * operators if not flood else count >= 5 * operators
        minutes += flood
    assert sum(one.end - one.start for one in floods(at, end, operators)) == minutes * MINUTE
