"""Rules of zones that look ahead to a line, over recorded ticks: the zones' forecasts learn them once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl

from citybrain.archive.reader import shown
from citybrain.replay.refusal import Refused
from citybrain.replay.rules import Frame
from citybrain.replay.states import State
from config.layouts import Layouts
from models.detections import from_change
from models.forecast.zones import ZoneForecasts
from models.rules import Conditions, Rule
from models.values import Detection


def judge(
    rules: Sequence[Sequence[Rule]],
    over: Frame,
    layouts: Layouts,
    state: State,
    tell: Callable[[float, str], None],
) -> list[list[Detection]]:
    """What each of the lists of rules detects; ``over`` are all ticks since ``state`` was saved."""
    saved = state.read("city")
    if saved is None:
        raise Refused("no-zones", start=shown(state.time))
    city = layouts.city_engine()
    city.restore(saved[1])
    closed = int(np.asarray(saved[1]["marks"])[0])
    followed = _Followed(layouts, city.forecasts, rules)
    ticks = over.table.filter(pl.col("start") > closed).partition_by("start", maintain_order=True)
    for number, frame in enumerate(ticks):
        followed.step(frame)
        if number % 200 == 0:
            tell(number / len(ticks), "following the zones' forecasts")
    return followed.found


class _Followed:
    """The zones' forecasts, tick by tick, and the lists of rules that look at them; ``found`` is what each detected."""

    def __init__(self, layouts: Layouts, forecasts: ZoneForecasts, rules: Sequence[Sequence[Rule]]) -> None:
        self._layouts, self._forecasts = layouts, forecasts
        self._members = np.array([one.members for one in layouts.series], np.float64)
        self._judges = [Conditions(some) for some in rules]
        self._asked = {rule.property for some in rules for rule in some}
        self.found: list[list[Detection]] = [[] for _ in rules]

    def step(self, frame: pl.DataFrame) -> None:
        """One tick: its zones with the columns of rules, ``start`` (ms) and ``series``."""
        start = int(frame["start"][0])
        value, count = (np.zeros(len(self._members)) for _ in range(2))
        row = frame["series"].to_numpy()
        value[row] = frame["value"].to_numpy()
        count[row] = np.rint(frame["reporting"].to_numpy() * self._members[row])
        ahead = self._forecasts.step(start + self._layouts.tick_ms, count, value)
        for name in self._asked & ahead.keys():
            mine = frame.filter(pl.col("property") == name)
            for judge, found in zip(self._judges, self.found, strict=True):
                for number, rule in enumerate(judge.rules):
                    if rule.property == name:
                        seen = self._forecasts.foretold(mine, rule, ahead[name])
                        found += self._changes(judge, number, start, seen)

    def _changes(self, judge: Conditions, number: int, start: int, seen: pl.DataFrame) -> Iterator[Detection]:
        places = seen["series"].to_list()
        for change in judge.step(number, places, [start] * len(places), seen):
            at, rule = self._layouts.series[change.place], judge.rules[number]
            columns = seen.row(change.row, named=True)
            yield from_change(rule, change, at.place, "zone", columns, at.unit, exercise=False)
