"""Rules of zones over recorded ticks: every tick at once for the conditions, then the delays place by place."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from config.layouts import Layouts
from models.calendar import Calendar
from models.detections import from_change
from models.rules import Conditions, Rule
from models.ticks import SHOWN, Note
from models.values import Detection

BOX = "'box'"
AT_ONCE = 500  # ticks that are made a table at once


class ZoneRow(msgspec.Struct, frozen=True, gc=False):
    """One zone and property of a tick, with what rules read of it; a gap is None."""

    zone: str
    measured: str = msgspec.field(name="property")
    value: float | None = None
    expected: float | None = None
    score: float | None = None
    ratio: float | None = None
    reporting: float | None = None
    occupancy: float | None = None
    density: float | None = None

    @property
    def seen(self) -> tuple[float | None, ...]:
        """The columns in the order of ``SHOWN``."""
        return self.value, self.expected, self.score, self.ratio, self.reporting, self.occupancy, self.density


class Judged(msgspec.Struct, frozen=True):
    """Of a tick (models/ticks.py) what rules of zones need."""

    tick: int
    rows: list[ZoneRow]


class Noted(msgspec.Struct, frozen=True):
    """Of a tick what the alert budget needs; its zones are not unpacked."""

    tick: int
    notes: tuple[Note, ...] = ()
    per_hour: float | None = None


def judged_from_ticks(rule: Rule) -> bool:
    """Whether a tick holds all that the rule reads: zones as they are now, no squares and no look ahead."""
    if rule.reads != "zones" or rule.line is not None or BOX in rule.expr:
        return False
    return "deviation" not in {*rule.fires.meta.root_names(), *rule.ends.meta.root_names()}


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """The zones of all ticks of a span as one table; ``start`` of the tick, ``series`` and the columns of rules."""

    table: pl.DataFrame
    tick_ms: int


def frame(ticks: Iterable[Judged], layouts: Layouts, calendar: Calendar) -> Frame:
    """The table of some ticks."""
    number = {(one.place.id, one.property): row for row, one in enumerate(layouts.series)}
    some = [_part(part, number, layouts.tick_ms) for part in _batched(ticks)]
    table = pl.concat(some) if some else _part((), number, layouts.tick_ms)
    local = calendar.local(table["start"].to_numpy() + layouts.tick_ms)
    named = table["series"].to_numpy()
    of = layouts.series
    kinds, properties = ([getattr(one, name) for one in of] for name in ("zone_kind", "property"))
    return Frame(
        table.with_columns(
            members=pl.Series(np.array([one.members for one in of], np.float64)[named]),
            capacity=pl.Series(np.array([one.capacity for one in of], np.float64)[named], nan_to_null=True),
            zone_kind=pl.Series(kinds, dtype=pl.String()).gather(named),
            property=pl.Series(properties, dtype=pl.String()).gather(named),
            hour=pl.Series((local % 86_400_000) / 3_600_000),
            day_kind=pl.Series(calendar.day_kind(local).astype(np.float64)),
        ).sort("start", "series"),
        layouts.tick_ms,
    )


def _batched(ticks: Iterable[Judged]) -> Iterator[Sequence[Judged]]:
    """The ticks some at a time: as Python's numbers a day of them would fill the memory."""
    source = iter(ticks)
    while some := list(itertools.islice(source, AT_ONCE)):
        yield some


def _part(ticks: Sequence[Judged], number: Mapping[tuple[str, str], int], tick_ms: int) -> pl.DataFrame:
    """The rows of some ticks; zones that are declared no more are left out."""
    rows = [
        (tick.tick - tick_ms, at, *row.seen)
        for tick in ticks
        for row in tick.rows
        if (at := number.get((row.zone, row.measured))) is not None
    ]
    schema = {"start": pl.Int64(), "series": pl.Int32(), **dict.fromkeys(SHOWN, pl.Float64())}
    return pl.DataFrame(rows, schema=schema, orient="row")


def judge(rules: Sequence[Rule], over: Frame, layouts: Layouts) -> list[Detection]:
    """What ``rules`` detect, as the live engine would from the same ticks with nothing pending at their start."""
    found: list[Detection] = []
    for rule in rules:
        mine = over.table.filter(pl.col("property") == rule.property)
        if not mine.is_empty():
            found += _judge(rule, mine, layouts)
    return sorted(found, key=lambda one: (one.time, one.rule, one.place))


def _judge(rule: Rule, mine: pl.DataFrame, layouts: Layouts) -> list[Detection]:
    """One rule, at the places where its condition ever holds: elsewhere it never begins."""
    fires, ends = rule.holds(mine)
    mine = mine.with_columns(fires=pl.Series(fires, dtype=pl.Boolean()), ends=pl.Series(ends, dtype=pl.Boolean()))
    walked = mine.filter(pl.col("series").is_in(mine.filter(pl.col("fires"))["series"].unique().implode()))
    columns = [walked[name].to_list() for name in ("series", "start", "fires", "ends")]
    found = []
    for change in Conditions([rule]).follow(0, *columns):
        at = layouts.series[change.place]
        row = walked.row(change.row, named=True)
        found.append(from_change(rule, change, at.place, "zone", row, at.unit, exercise=False))
    return found
