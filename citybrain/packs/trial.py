"""A pack's tests: each series through the pack's rules, with their delays, and what fired compared with what was asked.

The rules are judged by ``models.rules.Conditions``, as the engines do it; the columns that detectors would make are
those that the test gives.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from config.pack import Pack
from config.pack_tests import Gives, Series, Test
from models.calendar import UTC
from models.forecast.trend import Trend, rising
from models.rules import AHEAD_COLUMNS, COLUMNS, TEXT_COLUMNS, Conditions, Rule

CLOCK = ("hour", "day_kind")  # made from the time where a test does not give them; rise from the values


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert of a test: ms after the start at which it fired and ended; None: it has not ended."""

    alert: str
    place: str
    at_ms: int
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test; no ``faults``: it holds."""

    pack: str
    test: str
    fired: tuple[Fired, ...]
    faults: tuple[str, ...]


def run(pack: Pack) -> list[Result]:
    """The results of all tests of ``pack``, in order."""
    return [tried(pack.name, pack.rules, test) for test in pack.tests]


def tried(pack: str, rules: Sequence[Rule], test: Test) -> Result:
    """What comes of ``test`` under ``rules``."""
    start_ms = int(test.starts.replace(tzinfo=dt.UTC).timestamp() * 1_000)  # local time is taken as it is
    fired: list[Fired] = []
    for series in test.series:
        for rule in rules:
            if (rule.reads, rule.property) == (series.reads, series.property):
                fired += _fired(rule, series, start_ms)
    fired.sort(key=lambda one: (one.at_ms, one.alert, one.place))
    return Result(pack, test.name, tuple(fired), tuple(_faults(test, rules, fired)))


def _fired(rule: Rule, series: Series, start_ms: int) -> list[Fired]:
    """The alerts of one rule under one series."""
    frame, times = _frame(rule, series, start_ms)
    conditions = Conditions([rule])
    found: list[Fired] = []
    for change in conditions.step(0, [0] * len(times), times, frame):
        at = change.time - start_ms
        if change.state == "firing":
            found.append(Fired(rule.name, series.place, at, None))
        else:
            found[-1] = Fired(rule.name, series.place, found[-1].at_ms, at)
    return found


def _frame(rule: Rule, series: Series, start_ms: int) -> tuple[pl.DataFrame, list[int]]:
    """The rows that the rule sees, gaps left out, and their times (ms)."""
    count = len(series.values)
    times = start_ms + np.arange(count, dtype=np.int64) * series.every_ms
    columns: dict[str, Sequence[float | str | None]] = {}
    for name in (*COLUMNS[rule.reads], *AHEAD_COLUMNS):
        given = series.values if name == "value" else series.columns.get(name)
        if isinstance(given, str):
            columns[name] = [given] * count
        elif given is not None:
            columns[name] = [None if math.isnan(one) else one for one in given]
        elif name in CLOCK:
            columns[name] = _clock(name, times)
        elif name == "rise":
            columns[name] = _rise(series, times)
        else:
            columns[name] = [""] * count if name in TEXT_COLUMNS else [None] * count
    schema = {name: pl.String() if name in TEXT_COLUMNS else pl.Float64() for name in columns}
    there = [not math.isnan(value) for value in series.values]
    return pl.DataFrame(columns, schema=schema).filter(pl.Series(there)), times[there].tolist()


def _clock(name: str, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[float]:
    local = UTC.local(times)
    hours = (local % 86_400_000) / 3_600_000
    return [float(one) for one in (hours if name == "hour" else UTC.day_kind(local))]


def _rise(series: Series, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[float | None]:
    """How fast the values rise, as the engine tells it."""
    trend = Trend(cadence_s=series.every_ms / 1_000)
    value = np.array(series.values, np.float64)
    _, middle, _ = trend.step(trend.start(1), np.zeros(len(value), np.int32), times, value)
    return [None if math.isnan(one) else float(one) for one in rising(middle)]


def _faults(test: Test, rules: Sequence[Rule], fired: Sequence[Fired]) -> list[str]:
    """What is not as the test asks, one sentence each."""
    left = list(fired)
    faults = []
    for gives in test.gives:
        match = next((one for one in left if _is(one, gives)), None)
        if match is None:
            faults.append(_missing(gives, test, rules, fired))
            continue
        left.remove(match)
        if gives.until_ms is not None and (match.ended_ms is None or match.ended_ms > gives.until_ms):
            ended = "does not end" if match.ended_ms is None else f"ends after {_told(match.ended_ms)}"
            faults.append(f"{gives.alert} {ended}; it should until {_told(gives.until_ms)}")
    asked = {*test.never, *(gives.alert for gives in test.gives)}
    faults += [
        f"{one.alert} fires at {one.place} after {_told(one.at_ms)}; it should not"
        for one in left
        if one.alert in asked
    ]
    return faults


def _is(fired: Fired, gives: Gives) -> bool:
    return (fired.alert, fired.place) == (gives.alert, gives.place) and gives.first_ms <= fired.at_ms <= gives.last_ms


def _missing(gives: Gives, test: Test, rules: Sequence[Rule], fired: Sequence[Fired]) -> str:
    """Why an alert that was asked for did not come in time, as far as it can be told."""
    times = [_told(one.at_ms) for one in fired if (one.alert, one.place) == (gives.alert, gives.place)]
    span = f"between {_told(gives.first_ms)} and {_told(gives.last_ms)}"
    text = f"{gives.alert} does not fire at {gives.place} {span}" + (
        f"; it fires after {', '.join(times)}" if times else ""
    )
    rule = next((one for one in rules if one.name == gives.alert), None)
    if rule is None or times:
        return text
    mine = [
        one for one in test.series if (one.reads, one.property, one.place) == (rule.reads, rule.property, gives.place)
    ]
    if not mine:
        return f"{text}; it reads {rule.reads} of {rule.property}, and no series at {gives.place} is of these"
    given = {"value", "rise", *CLOCK, *TEXT_COLUMNS, *(name for one in mine for name in one.columns)}
    lacks = sorted({*rule.fires.meta.root_names()} - given)
    return f"{text}; it reads {', '.join(lacks)}, which the series does not give: add columns" if lacks else text


def _told(ms: int) -> str:
    """A time as packs write it."""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if ms % size == 0 and ms >= size:
            return f"{ms // size}{unit}"
    return f"{ms / 1_000:g}s"
