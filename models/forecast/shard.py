"""The forecasts of one shard: the hour ahead of every datastream, and the lines that its levels come near to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.calendar import Calendar
from models.detectors.base import BadState, State
from models.forecast.line import time_to_line
from models.forecast.profile import MINUTE_MS, NEVER, ProfileForecaster
from models.forecast.trend import MINUTES, Trend, rising
from models.forecast.values import HORIZONS_MIN, Forecast
from models.layout import Group, ShardLayout
from models.rules import Rule

Path = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Middle and deviation (readings, MINUTES) of the next hour after each reading."""


def forecaster(group: Group) -> ProfileForecaster:
    """What forecasts the datastreams of ``group``: counts and season as its detector takes them."""
    return ProfileForecaster(
        counts=bool(getattr(group.detector, "counts", False)),
        season=getattr(group.detector, "season", "day"),
        cadence_s=group.cadence_s,
    )


class ShardForecasts:
    """A profile for every group of a shard, and a trend for those whose rise or future a rule of theirs reads."""

    def __init__(self, layout: ShardLayout, rules: Sequence[Rule], calendar: Calendar) -> None:
        self.calendar = calendar
        self._groups = layout.groups
        self._profiles = [forecaster(group) for group in layout.groups]
        ahead = {(rule.pack, rule.property) for rule in rules if rule.reads == "datastreams" and rule.follows_trend()}
        self._trends = [
            Trend(cadence_s=group.cadence_s) if (group.pack, group.property) in ahead else None
            for group in layout.groups
        ]
        self._sizes = [int((layout.group == number).sum()) for number in range(len(layout.groups))]
        self._learned = [profile.start(n) for profile, n in zip(self._profiles, self._sizes, strict=True)]
        self._leading = [
            trend.start(n) if trend is not None else {} for trend, n in zip(self._trends, self._sizes, strict=True)
        ]

    def step(
        self, number: int, rows: NDArray[np.int32], time_ms: NDArray[np.int64], value: NDArray[np.float64],
        day_kind: NDArray[np.uint8], local_ms: NDArray[np.int64],
    ) -> Path | None:  # fmt: skip
        """Learn readings of one group (``rows`` within it), in order; where they lead, for those that have a line.

        ``day_kind`` and ``local_ms`` are those of ``time_ms``.
        """
        profile, trend = self._profiles[number], self._trends[number]
        if profile.shift_ms:
            local_ms = self.calendar.local(time_ms - profile.shift_ms)
            day_kind = self.calendar.day_kind(local_ms)
        profile.step(self._learned[number], rows, time_ms, value, day_kind, local_ms)
        if trend is None:
            return None
        _, middle, deviation = trend.step(self._leading[number], rows, time_ms, value)
        return middle, deviation

    def forecast(self, number: int, rows: NDArray[np.int32], now_ms: int) -> Forecast:
        """What datastreams of one group (``rows`` within it) will show at HORIZONS_MIN after ``now_ms``.

        NaN for those of which nothing was heard for an hour and a half.
        """
        profile, state = self._profiles[number], self._learned[number]
        local = self.calendar.local(now_ms + np.array(HORIZONS_MIN, np.int64) * MINUTE_MS - profile.shift_ms)
        told = profile.forecast(state, rows, self.calendar.day_kind(local), local)
        last = state["times"][rows]
        old = (last == NEVER) | (now_ms - last > 1.5 * HORIZONS_MIN[-1] * MINUTE_MS)
        for column in (told.middle, told.low, told.high):
            column[old] = np.nan
        return told

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The whole state as copies of plain arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        for group, profile, learned, trend, leading in self._each():
            key = f"{group.pack}/{group.property}"
            arrays |= {f"profile/{key}/{name}": array for name, array in profile.snapshot(learned).items()}
            if trend is not None:
                arrays |= {f"trend/{key}/{name}": array for name, array in trend.snapshot(leading).items()}
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; a rule's new line begins anew. Raises ``BadState`` for another layout."""
        for number, (group, profile, _, trend, _) in enumerate(self._each()):
            key = f"{group.pack}/{group.property}/"
            self._learned[number] = self._fitting(number, profile.restore(_below(arrays, f"profile/{key}")))
            leading = _below(arrays, f"trend/{key}")
            if trend is not None and leading:
                self._leading[number] = self._fitting(number, trend.restore(leading))

    def _each(self) -> Any:
        return zip(self._groups, self._profiles, self._learned, self._trends, self._leading, strict=True)

    def _fitting(self, number: int, state: State) -> State:
        if len(state["times"]) != self._sizes[number]:
            group = self._groups[number]
            raise BadState(
                f"the saved forecasts of {group.pack}/{group.property} are of {len(state['times'])} datastreams, there "
                f"are {self._sizes[number]}; the register has changed"
            )
        return state


def foretold(frame: pl.DataFrame, rule: Rule, path: Path) -> pl.DataFrame:
    """The frame with the column ``rise``, and AHEAD_COLUMNS for the line of ``rule``; a row of ``path`` for each."""
    columns = {"rise": rising(path[0])}
    if rule.line is not None:
        minutes, chance = time_to_line(np.array(MINUTES), *path, np.full(frame.height, rule.line))
        columns |= {"minutes_to_line": minutes, "line_probability": chance}
    return frame.with_columns(pl.DataFrame(columns, nan_to_null=True))


def _below(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
