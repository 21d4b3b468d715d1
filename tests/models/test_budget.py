"""The alert budget: the promised rate, the strangest first, once for each event, the line that follows the dial."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.budget import BURST, HOUR_MS, MINUTE_MS, MOST_AN_HOUR, Budget, judge

Stream = list[list[tuple[int, float]]]  # the claims of each minute


def noise(seed: int, hours: int, an_hour: int = 60) -> Stream:
    """So many claims an hour of 10,000 datastreams, their scores as calibrated ones above 4."""
    rng = np.random.default_rng(seed)
    minutes: Stream = [[] for _ in range(hours * 60)]
    for minute in rng.integers(0, hours * 60, hours * an_hour).tolist():
        minutes[minute].append((int(rng.integers(10_000)), 4.0 - math.log10(rng.random())))
    return minutes


def run(stream: Stream, per_hour: float, budget: Budget | None = None, start: int = 0) -> tuple[Budget, list[int]]:
    """The budget after the stream, and in which minutes there were alerts."""
    budget, told = budget or Budget(), []
    for minute, claims in enumerate(stream, start):
        budget, alerts = judge(budget, claims, minute * MINUTE_MS, per_hour)
        told += [minute] * len(alerts)
    return budget, told


@pytest.mark.parametrize("per_hour", [2.0, 6.0, 20.0])
def test_the_rate_is_kept(per_hour: float) -> None:
    """From the second hour on the alerts are the operator's number within a quarter; no hour has twice as many."""
    _, told = run(noise(1, 60), per_hour)
    by_hour = np.bincount(np.array(told) // 60, minlength=60)
    assert by_hour[24:].mean() == pytest.approx(per_hour, rel=0.25)
    assert by_hour[:6].mean() <= BURST * per_hour
    rolling = [sum(minute <= at < minute + 60 for at in told) for minute in range(60 * 59)]
    assert max(rolling) <= math.ceil(BURST * per_hour)


def test_fewer_claims_than_the_budget_are_all_alerts() -> None:
    """Where the city is calm nothing is held back: there is no line yet."""
    budget, told = run(noise(2, 10, an_hour=1), 6.0)
    assert len(told) == 10
    assert budget.line == 0.0


def test_turning_the_dial_moves_the_line_at_once() -> None:
    """More alerts an hour lower the line, none raise it beyond every score."""
    budget, _ = run(noise(3, 30), 6.0)
    lines = [judge(budget, [], 30 * HOUR_MS, rate)[0].line for rate in (MOST_AN_HOUR, 60.0, 6.0, 1.0, 0.0)]
    assert lines == sorted(lines)
    assert lines[0] == 0.0
    assert lines[-1] == math.inf


def test_a_claim_that_waits_stays_one_event() -> None:
    """Judged again at each tick it counts once; when the dial is turned up it becomes an alert, once."""
    budget, _ = run(noise(4, 30), 6.0)
    events = len(budget.events)
    for minute in range(1800, 1805):
        budget, alerts = judge(budget, [(77_777, 4.1)], minute * MINUTE_MS, 6.0)
        assert not alerts
    assert sum(event.datastream == 77_777 for event in budget.events) == 1
    assert len(budget.events) <= events + 1
    budget, alerts = judge(budget, [(77_777, 4.1)], 1805 * MINUTE_MS, 200.0)
    assert alerts == {77_777}
    assert judge(budget, [(77_777, 4.1)], 1806 * MINUTE_MS, 200.0)[1] == frozenset()


def test_one_datastream_is_one_alert_in_the_refractory_time() -> None:
    """A datastream that claims anew within half an hour is no new alert; after it, it is."""
    told = []
    budget = Budget()
    for minute in range(0, 61, 10):
        budget, alerts = judge(budget, [(5, 9.0)], minute * MINUTE_MS, 6.0)
        told += [minute] * len(alerts)
    assert told == [0, 30, 60]


def test_the_strangest_are_served_first() -> None:
    """When more claims pass the line than the hour has room for, the highest scores become alerts."""
    claims = [(number, 5.0 + number) for number in range(10)]
    _, alerts = judge(Budget(), claims, 0, 1.0)
    assert alerts == {9}
    assert judge(Budget(), claims, 0, 0.0)[1] == frozenset()


def test_the_state_given_is_not_touched() -> None:
    """The budget is a value: judging makes a new one."""
    before, _ = run(noise(5, 2), 6.0)
    same = Budget(line=before.line, began=before.began, events=before.events)
    judge(before, [(1, 9.0)], 2 * HOUR_MS, 6.0)
    assert before == same
