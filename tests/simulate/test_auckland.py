"""Auckland's counts become readings at the right time, clock changes and the source's own dates included."""

from __future__ import annotations

import datetime as dt
import sys
from functools import reduce
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from config import city as cities
from config import register as registers
from sensors.simulate import auckland
from sensors.simulate.auckland import COUNTED_TWICE, Replay, expected, melted, replay, source
from sensors.simulate.declared import FeedError
from tests.simulate.rig import HOUR, WATCHED

SHARED = Path(__file__).parents[3] / "shared/data/auckland-pedestrians"
ZONE = ZoneInfo("Pacific/Auckland")
QUEEN = "45 Queen Street"


@pytest.fixture(scope="module")
def long() -> pl.DataFrame:
    """All counts as rows."""
    return melted(source())


@pytest.fixture(scope="module")
def totals(long: pl.DataFrame) -> dict[int, float]:
    """The people past all counters by phenomenon time."""
    return dict(long.group_by("time_ms").agg(pl.col("value").sum()).iter_rows())


@pytest.fixture(scope="module")
def recorded() -> Replay:
    """The counts as readings of the registered counters."""
    city = cities.load("auckland")
    return replay(registers.build(city, city.assets(), WATCHED)[0])


def ended(local: str, fold: int = 0) -> int:
    """The phenomenon time of the hour that ends at this local time."""
    return int(dt.datetime.fromisoformat(local).replace(tzinfo=ZONE, fold=fold).timestamp() * 1000)


def at(long: pl.DataFrame, time_ms: int, counter: str = QUEEN) -> list[float]:
    """The counts of one counter at a phenomenon time."""
    return long.filter(pl.col("time_ms") == time_ms, pl.col("counter") == counter)["value"].to_list()


def test_an_hour_is_known_when_it_is_over(long: pl.DataFrame) -> None:
    """The first row, 6:00-6:59 on 1 January 2019, is the reading of seven o'clock."""
    assert long["time_ms"].min() == ended("2019-01-01 07:00")
    assert at(long, ended("2019-01-01 07:00")) == [151.0]


def test_small_hours_belong_to_the_next_day(totals: dict[int, float]) -> None:
    """The row 12-31 0:00-0:59 is the first hour of the new year: the night's peak is at one o'clock, seven times."""
    for year in range(2020, 2027):
        night = {hour: totals[ended(f"{year}-01-01 00:00") + hour * HOUR] for hour in range(-6, 7)}
        assert max(night, key=lambda hour: night[hour]) in (0, 1)
        assert night[1] == max(night[hour] for hour in range(1, 7))
        assert night[1] > 10_000


def test_known_events_show(totals: dict[int, float]) -> None:
    """Each known event departs from the same hour of the five weeks before, by half or twice at least."""
    for event in expected():
        before = sorted(totals[event.time_ms - week * 7 * 24 * HOUR] for week in range(1, 6))
        ratio = totals[event.time_ms] / before[2]
        assert ratio > 2 if event.more else ratio < 0.5, event.name
    assert [event.name for event in expected()][:2] == ["new-year-2020", "lockdown-2020"]


def test_every_hour_has_its_own_time(long: pl.DataFrame) -> None:
    """No counter has two counts for an hour, and but for one lost hour in 2023 none is missing from all of them."""
    assert long.select("counter", "time_ms").is_duplicated().sum() == 0
    times = long["time_ms"].unique().sort().to_numpy()
    gaps = np.flatnonzero(np.diff(times) != HOUR)
    assert times[gaps].tolist() == [ended("2023-04-02 02:00")]
    assert np.diff(times)[gaps].tolist() == [2 * HOUR]


def test_gaps_stay_gaps(long: pl.DataFrame) -> None:
    """Counters that did not exist yet have no readings, and a dead counter's zeros are kept."""
    first = dict(long.group_by("counter").agg(pl.col("time_ms").min()).iter_rows())
    assert first["188 Quay Street Lower Albert (EW)"] >= ended("2022-01-01 00:00")
    assert at(long, ended("2019-12-31 12:00"), "107 Quay Street") == [0.0]


def test_no_count_is_lost_or_made(long: pl.DataFrame) -> None:
    """The people of every counter add up to the source's, to the last."""
    wide = pl.read_csv(source(), infer_schema_length=None).drop("date", "hour", "year")
    theirs = {name: wide[name].sum() for name in wide.columns}
    ours = dict(long.group_by("counter").agg(pl.col("value").sum()).iter_rows())
    assert ours == theirs


@pytest.mark.parametrize("day", ["2019-09-29", "2020-09-27", "2021-09-26", "2022-09-25", "2024-09-29"])
def test_spring_skips_an_hour(long: pl.DataFrame, day: str) -> None:
    """The hour from two to three is not there on the day the clock goes forward: one follows four without a gap."""
    assert ended(f"{day} 04:00") - ended(f"{day} 02:00") == HOUR
    assert len(at(long, ended(f"{day} 02:00"))) == len(at(long, ended(f"{day} 04:00"))) == 1


def test_spring_of_a_late_clock(long: pl.DataFrame, totals: dict[int, float]) -> None:
    """In 2023 the source changed its clock a week late: its rows are placed where the people's day says they belong."""
    week = [totals[ended(f"2023-09-26 {hour:02}:00")] for hour in range(6, 23)]
    before = [totals[ended(f"2023-09-19 {hour:02}:00")] for hour in range(6, 23)]
    assert np.corrcoef(week, before)[0, 1] > 0.99
    assert at(long, ended("2023-09-24 04:00")) == [204.0]  # the row 2:00-2:59, an hour that the clock skipped


def test_autumn_has_an_hour_twice(long: pl.DataFrame) -> None:
    """On 7 April 2019 the row 2:00-2:59 holds both hours of that name: each gets half of its 347."""
    assert at(long, ended("2019-04-07 03:00") - HOUR) == [173.0]
    assert at(long, ended("2019-04-07 03:00")) == [174.0]
    assert at(long, ended("2019-04-07 02:00")) == [195.0]


def test_nights_counted_twice_are_as_busy_as_their_neighbours(totals: dict[int, float]) -> None:
    """Halved, the hours of those nights lie between the hour before and the hour after."""
    for day in COUNTED_TWICE:
        end = ended(f"{day} 03:00")
        before, first, second, after_ = (totals[end + hours * HOUR] for hours in (-2, -1, 0, 1))
        assert first == pytest.approx(second, abs=21)
        assert min(before, after_) * 0.9 < first < max(before, after_) * 1.1


def test_days_with_wrong_dates_are_told_by_their_order(long: pl.DataFrame) -> None:
    """Rows that carry another day's date, in September 2024 and January 2025, are in their place."""
    raw = pl.read_csv(source(), infer_schema_length=None).with_row_index()
    for index, local in ((50351, "2024-09-29 07:00"), (52628, "2025-01-02 04:00"), (52727, "2025-01-06 07:00")):
        assert at(long, ended(local)) == [raw[QUEEN][index]]


@pytest.mark.skipif(not SHARED.exists(), reason=f"needs the reference counts in {SHARED}")
def test_the_reference_agrees(long: pl.DataFrame) -> None:
    """Each count of four years is at the hour that the reference gives it, but on the nights of clock changes."""
    tables = [pl.read_csv(path, infer_schema=False) for path in sorted(SHARED.glob("hourly_*.csv.gz"))]
    theirs = (
        pl.concat(tables)
        .drop("date", "hour", "year")
        .unpivot(index="ts_local", variable_name="counter")
        .select("counter", pl.col("ts_local").str.to_datetime().alias("start"), pl.col("value").cast(float))
        .drop_nulls("value")
    )
    ours = long.with_columns(
        start=pl.from_epoch(pl.col("time_ms") - HOUR, "ms")
        .dt.cast_time_unit("us")
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Pacific/Auckland")
        .dt.replace_time_zone(None)
    ).filter(pl.col("start") <= theirs["start"].max())
    both = ours.join(theirs, on=["counter", "start"], how="full", suffix="_theirs")
    differ = both.filter(pl.col("value").ne_missing(pl.col("value_theirs")))
    nights = differ.select(pl.coalesce("start", "start_theirs").unique().sort()).to_series().to_list()
    assert both.height > 660_000
    assert {night.hour for night in nights} == {2}
    assert [f"{night:%Y-%m}" for night in nights] == [
        f"{year}-{month}" for year in range(2019, 2023) for month in ("04", "09")
    ]


def test_readings_are_of_the_registered_counters(recorded: Replay, long: pl.DataFrame) -> None:
    """Every count becomes a reading of its counter, by time."""
    assert len(recorded.rows) == long.height
    assert len(np.unique(recorded.rows)) == 21
    assert (np.diff(recorded.time_ms) >= 0).all()


def test_an_unregistered_counter_is_named() -> None:
    """A counter that the register lacks stops the replay with its name."""
    city = cities.load("auckland")
    register, _ = registers.build(city, city.assets().filter(pl.col("name_en") != QUEEN), WATCHED)
    with pytest.raises(FeedError, match=QUEEN):
        replay(register)


def test_an_edition_that_lacks_days_is_refused(tmp_path: Path) -> None:
    """Counts whose days are not whole cannot be told by their order, and say so."""
    lines = source().read_text().splitlines()
    path = tmp_path / "counts.csv"
    path.write_text("\n".join(lines[:100] + lines[200:300]))
    with pytest.raises(FeedError, match="lacks whole days"):
        melted(path)


def test_pandas_is_not_loaded() -> None:
    """Finding the counts does not import their package, which would load pandas."""
    import subprocess

    code = "import sys; from sensors.simulate.auckland import source; source(); sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_whole_hours(recorded: Replay) -> None:
    """Requests hold whole hours: at least one, at most as many as fit."""
    first, end = recorded.between(ended("2019-12-31 00:00"), ended("2020-01-01 00:00"))
    assert end - first == 24 * 19
    one = recorded.hours(first, ended("2019-12-31 01:30"), 4_200)
    assert one - first == 19
    assert recorded.hours(first, float("inf"), 100) - first == 95
    assert recorded.hours(first, ended("2019-12-31 00:00"), 100) - first == 19
    steps = reduce(lambda found, _: [*found, recorded.hours(found[-1], float("inf"), 4_200)], range(5), [first])
    assert {int(recorded.time_ms[step] - recorded.time_ms[step - 1]) for step in steps} == {HOUR}


def test_the_name_is_declared() -> None:
    """The property is the one that the packs watch."""
    assert auckland.PROPERTY == "pedestrians"
