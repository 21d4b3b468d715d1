"""The hour ahead of every zone: the profile of its sum, and the steps that the trees look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.calendar import DAY_MS, Calendar
from models.detectors.base import BadState, State
from models.forecast.line import time_to_line
from models.forecast.profile import MINUTE_MS, ProfileForecaster
from models.forecast.steps import WEEK, Steps
from models.forecast.values import HORIZONS_MIN, NORMAL, even
from models.layout import Series
from models.rules import Rule

POINTS: Final = np.array((0.0, *HORIZONS_MIN))  # minutes of a zone's path
_NONE: Final = -1

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Outlook:
    """The profile's forecast of the zones of one property after a tick, on the even scale.

    ``series`` (n,) are the city's; ``middle`` (n, horizons) and ``half`` (n, horizons, levels) as of
    ``ProfileForecaster.even``. ``steps`` are the last eight days up to the last whole step.
    """

    property: str
    series: NDArray[np.int32]
    counts: bool
    middle: Floats
    half: Floats
    steps: Steps


def named(series: Sequence[Series], property: str) -> NDArray[np.int32]:
    """Which of the city's series are forecast: those of the property (squares without a name are no series)."""
    return np.array([row for row, one in enumerate(series) if one.property == property], np.int32)


class PropertyForecasts:
    """The zones of one property: ``series`` (n,) int32 of the city's."""

    def __init__(self, property: str, series: NDArray[np.int32], forecaster: ProfileForecaster) -> None:
        self.property = property
        self.series = series
        self.forecaster = forecaster
        n = len(series)
        self.state: State = forecaster.start(n)
        self._keep = (WEEK + 1) * DAY_MS // forecaster.step_ms + 1  # rows of steps
        self._sum = np.zeros((2, n))  # of the open step: values and how many
        self._open = _NONE  # the open step's number
        self.steps = _empty(forecaster.step_ms, n)

    def learn(self, rows: NDArray[np.int32], end_ms: int, value: Floats, calendar: Calendar) -> None:
        """A tick ended at ``end_ms`` with these sums (rows,) of the series at ``rows``."""
        number = (end_ms - 1) // self.forecaster.step_ms
        if number > self._open != _NONE:
            self._close(number, calendar)
        self._open = max(number, self._open)
        self._sum[0, rows] += value
        self._sum[1, rows] += 1.0
        time = np.full(len(rows), end_ms, np.int64)
        local = calendar.local(time - self.forecaster.shift_ms)
        self.forecaster.step(self.state, rows, time, value, calendar.day_kind(local), local)

    def _close(self, number: int, calendar: Calendar) -> None:
        """The open step is over and ``number`` begins: one row of steps, and a gap for each step without a tick."""
        total, n = self._sum
        mean = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
        middle, half = self.ahead((self._open + 1) * self.forecaster.step_ms, calendar)
        first = next(h for h, minutes in enumerate(HORIZONS_MIN) if minutes * MINUTE_MS >= self.forecaster.step_ms)
        gap = min(number - self._open - 1, self._keep)
        old, rows = self.steps, slice(-self._keep, None)

        def more(column: NDArray[np.float32], row: Floats) -> NDArray[np.float32]:
            nothing = np.full((gap, *row.shape), np.nan, np.float32)
            return np.concatenate([column, row[None].astype(np.float32), nothing])[rows]

        x = more(old.x, even(mean, self.forecaster.counts))
        told = more(old.told, middle.T)
        deviation = more(old.deviation, half[:, first, 1] / NORMAL[1])
        self.steps = Steps(number - len(x), self.forecaster.step_ms, x, told, deviation)
        self._sum[:] = 0.0

    def ahead(self, end_ms: int, calendar: Calendar) -> tuple[Floats, Floats]:
        """Middle (n, horizons) and half widths (n, horizons, levels) at HORIZONS_MIN after ``end_ms``, even scale."""
        then = end_ms + np.array(HORIZONS_MIN, np.int64) * MINUTE_MS - self.forecaster.shift_ms
        local = calendar.local(then)
        every = np.arange(len(self.series), dtype=np.int32)
        return self.forecaster.even(self.state, every, calendar.day_kind(local), local)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The whole state as copies of plain arrays."""
        steps = self.steps
        return {
            **self.forecaster.snapshot(self.state),
            "sum": self._sum.copy(),
            "marks": np.array([self._open, steps.first], np.int64),
            "x": steps.x.copy(),
            "told": steps.told.copy(),
            "deviation": steps.deviation.copy(),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``BadState``."""
        missing = sorted({"cells", "times", "sum", "marks", "x", "told", "deviation"} - set(arrays))
        if missing or arrays["sum"].shape != self._sum.shape:
            raise BadState(f"the saved forecasts of {self.property} are not of {len(self.series)} zones; start anew")
        self.state = self.forecaster.restore({name: arrays[name] for name in ("cells", "times")})
        self._sum = np.array(arrays["sum"], np.float64)
        self._open, first = (int(mark) for mark in arrays["marks"])
        columns = (np.array(arrays[name], np.float32) for name in ("x", "told", "deviation"))
        self.steps = Steps(first, self.forecaster.step_ms, *columns)


class ZoneForecasts:
    """The forecasts of all the city's series; a value that can be saved."""

    def __init__(
        self,
        properties: Mapping[str, tuple[NDArray[np.int32], ProfileForecaster]],
        calendar: Calendar,
        members: Floats,
        scales: Mapping[str, Floats],
    ) -> None:
        """``properties``: the series (n,) of each and their forecaster; ``members`` (series,) datastreams of each;
        ``scales`` (series,): what a line of each of rules.LINE_COLUMNS is multiplied by to be one of the value."""
        self.calendar = calendar
        self.of = {
            name: PropertyForecasts(name, series, made) for name, (series, made) in properties.items() if len(series)
        }
        self._members = members
        self._scales = dict(scales)
        self._place = np.zeros(len(members), np.int32)  # of a series among those of its property
        for one in self.of.values():
            self._place[one.series] = np.arange(len(one.series), dtype=np.int32)

    def step(self, end_ms: int, count: Floats, value: Floats) -> dict[str, Outlook]:
        """Learn a tick that ended at ``end_ms``: how many datastreams of each series reported, and their sum.

        Where some are silent the sum is taken as if they were like the others.
        """
        found = {}
        for name, one in self.of.items():
            here = np.flatnonzero(count[one.series] > 0).astype(np.int32)
            if not len(here):
                continue
            series = one.series[here]
            one.learn(here, end_ms, value[series] * self._members[series] / count[series], self.calendar)
            middle, half = one.ahead(end_ms, self.calendar)
            found[name] = Outlook(name, one.series, one.forecaster.counts, middle, half, one.steps)
        return found

    def foretold(self, frame: pl.DataFrame, rule: Rule, outlook: Outlook | None) -> pl.DataFrame:
        """The frame of zones of the rule's property with the columns AHEAD_COLUMNS for the rule's line."""
        assert rule.line is not None
        series = frame["series"].to_numpy()
        known = series < len(self._members)  # squares come after the series
        series = np.where(known, series, 0)
        line = np.where(known, rule.line * self._scales[rule.line_of][series], np.nan)
        if outlook is None:
            nothing = np.full(frame.height, np.nan)
            return _with(frame, nothing, nothing)
        at = self._place[series]
        now = even((frame["value"] / frame["reporting"]).to_numpy(), outlook.counts)
        middle = np.column_stack([now, outlook.middle[at]])
        deviation = np.column_stack([np.zeros(len(now)), outlook.half[at, :, 1] / NORMAL[1]])
        even_line = np.where(np.isfinite(line), even(line, outlook.counts), np.nan)
        return _with(frame, *time_to_line(POINTS, middle, deviation, even_line))

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The whole state as copies of plain arrays."""
        return {f"{name}/{key}": array for name, one in self.of.items() for key, array in one.snapshot().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``BadState``."""
        for name, one in self.of.items():
            prefix = f"{name}/"
            one.restore({key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)})


def _with(frame: pl.DataFrame, minutes: Floats, chance: Floats) -> pl.DataFrame:
    return frame.with_columns(pl.DataFrame({"minutes_to_line": minutes, "line_probability": chance}, nan_to_null=True))


def _empty(step_ms: int, n: int) -> Steps:
    nothing = np.zeros((0, n), np.float32)
    return Steps(0, step_ms, nothing, np.zeros((0, len(HORIZONS_MIN), n), np.float32), nothing)
