"""The alert budget: the promised rate, the strangest first, once for each event, whatever the cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models import budget
from models.budget import HOUR_MS, MINUTE_MS, Budget, judge

Stream = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]


def noise(seed: int, hours: int, an_hour: int = 4_000, scale: float = 1.0) -> Stream:
    """Calibrated scores of ``an_hour`` readings of 1,000 datastreams, or ``scale`` times too high."""
    rng = np.random.default_rng(seed)
    n = hours * an_hour
    time = np.arange(n, dtype=np.int64) * HOUR_MS // an_hour
    return rng.integers(0, 1_000, n).astype(np.int32), time, (-np.log10(rng.random(n)) * scale).astype(np.float32)


@pytest.mark.parametrize("per_hour", [2.0, 6.0, 20.0])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_the_rate_is_kept(per_hour: float, scale: float) -> None:
    """From the second day on the alerts are the operator's number within a quarter, calibrated scores or not."""
    rows, time, score = noise(1, 60, scale=scale)
    _, alert = judge(Budget(), rows, time, score, per_hour)
    assert alert[time >= 24 * HOUR_MS].sum() / 36 == pytest.approx(per_hour, rel=0.25)
    assert alert[time < 6 * HOUR_MS].sum() <= (3 if scale == 1.0 else 60) * per_hour * 6


def test_turning_the_dial_moves_the_line_within_a_minute() -> None:
    """More alerts an hour lower the line at the next minute, none raise it beyond every score."""
    rows, time, score = noise(2, 30)
    state, _ = judge(Budget(), rows, time, score, 6.0)
    later = np.array([30 * HOUR_MS + MINUTE_MS], np.int64)
    lines = [judge(state, rows[:1], later, np.zeros(1, np.float32), rate)[0].line for rate in (60.0, 6.0, 1.0, 0.0)]
    assert lines == sorted(lines)
    assert lines[0] < lines[1] < lines[2] < np.inf == lines[3]


def test_one_event_is_one_alert() -> None:
    """A datastream that stays strange alerts once in the refractory time, and again after it."""
    rows, time, score = noise(3, 30)
    state, _ = judge(Budget(), rows, time, score, 6.0)
    when = 30 * HOUR_MS + np.arange(40, dtype=np.int64) * MINUTE_MS
    state, alert = judge(state, np.full(40, 7, np.int32), when, np.full(40, 15.0, np.float32), 6.0)
    assert np.flatnonzero(alert).tolist() == [0, 30]


def test_what_is_below_the_line_is_watched() -> None:
    """The strangest readings of the last hour that were no alerts are on the watch list, the strangest first."""
    rows, time, score = noise(4, 30)
    state, alert = judge(Budget(), rows, time, score, 6.0)
    listed = state.watch(int(time[-1]), 10)
    assert [event.score for event in listed] == sorted((event.score for event in listed), reverse=True)
    assert len(listed) == 10
    assert all(event.score <= 5 and not event.alert for event in listed)
    assert not {(event.row, event.time) for event in listed} & set(zip(rows[alert], time[alert], strict=True))


def test_any_cut_gives_the_same() -> None:
    """However the readings are cut, alerts and state are the same, and the state given is not touched."""
    rows, time, score = noise(5, 8)
    whole, alert = judge(Budget(), rows, time, score, 6.0)
    state, parts = Budget(), []
    for first, last in ((0, 1), (1, 50_001), (50_001, 50_001), (50_001, len(rows))):
        before = state
        state, part = judge(state, rows[first:last], time[first:last], score[first:last], 6.0)
        assert before == before.__class__(**{name: getattr(before, name) for name in before.__dataclass_fields__})
        parts.append(part)
    assert state == whole
    np.testing.assert_array_equal(np.concatenate(parts), alert)


def test_gaps_and_silence_are_nothing() -> None:
    """NaN scores and empty batches alert nothing and count nothing."""
    nothing = np.full(3, np.nan, np.float32)
    state, alert = judge(Budget(), np.zeros(3, np.int32), np.arange(3, dtype=np.int64), nothing, 6.0)
    assert not alert.any()
    assert state.readings == 0
    same, alert = judge(state, np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32), 6.0)
    assert same == state
    assert budget.LEAST > 0
