"""The alert budget: so many alerts an hour, spent on the strangest readings; the rest is on the watch list.

With 95,000 datastreams a fixed line cries by the hundred. Here the operator turns one dial, alerts an hour (EEMUA 191:
an operator can deal with about 6), and the line follows: it is the score that as many events of the last day passed as
the day's budget has alerts. One datastream is one event for ``refractory_ms``. Until a day was seen, the line that
calibrated scores (models/pool.py) must have at this rate of readings, log10(readings an hour / alerts an hour), is
mixed in.

Methods that control the share of false discoveries instead (Benjamini and Hochberg, 1995; LORD++, SAFFRON) need
p-values far smaller than 67 million readings a week can resolve, and give no promise of alerts an hour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
WINDOW_MS = 24 * HOUR_MS
MOST = 1_024  # events kept, enough for 40 alerts an hour; the lowest leave first
LEAST = 2.0  # scores under this are never events


@dataclass(frozen=True, slots=True)
class Event:
    """A datastream's strangest reading within the refractory time, and whether it was an alert."""

    row: int
    onset: int
    time: int
    score: float
    alert: bool


@dataclass(frozen=True)
class Budget:
    """The controller's state: a value; ``judge`` gives the next one. ``events`` are in order of their onset."""

    line: float = math.inf
    began: int | None = None
    minute: int = 0
    readings: int = 0
    events: tuple[Event, ...] = ()

    def watch(self, now: int, most: int = 20) -> list[Event]:
        """The strangest events of the last hour that were no alerts, the strangest first."""
        below = [event for event in self.events if not event.alert and now - event.time <= HOUR_MS]
        return sorted(below, key=lambda event: -event.score)[:most]


def judge(
    budget: Budget,
    rows: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    score: NDArray[np.float32],
    per_hour: float,
    refractory_ms: int = 30 * MINUTE_MS,
) -> tuple[Budget, NDArray[np.bool_]]:
    """Which of the readings (readings,) are alerts, at ``per_hour`` of them an hour; NaN scores are none.

    ``per_hour`` may change from call to call. The line moves once a minute of phenomenon time, so that the result does
    not depend on how the readings are cut.
    """
    alert = np.zeros(len(rows), np.bool_)
    minute = np.maximum.accumulate(np.maximum(time_ms // MINUTE_MS, budget.minute)) if len(rows) else time_ms
    for first, last in _minutes(minute):
        if minute[first] > budget.minute or budget.began is None:
            budget = _moved(budget, int(minute[first]), per_hour)
        candidates = first + np.flatnonzero(score[first:last] >= LEAST)
        budget = _spend(budget, candidates, rows, time_ms, score, refractory_ms, alert)
        budget = replace(budget, readings=budget.readings + int(np.isfinite(score[first:last]).sum()))
    return budget, alert


def _minutes(minute: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The stretches of readings within one minute."""
    if not len(minute):
        return []
    edges = [0, *(np.flatnonzero(np.diff(minute)) + 1).tolist(), len(minute)]
    return list(pairwise(edges))


def _moved(budget: Budget, minute: int, per_hour: float) -> Budget:
    """The budget in a new minute: what is older than the window leaves, and the line follows."""
    now = minute * MINUTE_MS
    began = now if budget.began is None else budget.began
    events = tuple(event for event in budget.events if now - event.onset <= WINDOW_MS)
    if len(events) > MOST:
        least = sorted((event.score for event in events), reverse=True)[MOST - 1]
        events = tuple(event for event in events if event.score >= least)
    return replace(
        budget, began=began, minute=minute, events=events, line=_line(budget.readings, events, now - began, per_hour)
    )


def _line(readings: int, events: tuple[Event, ...], elapsed_ms: int, per_hour: float) -> float:
    """The score to pass; infinite while nothing can be said or nothing may be spent."""
    hours = elapsed_ms / HOUR_MS
    if hours <= 0 or per_hour <= 0 or readings == 0:
        return math.inf
    nominal = max(math.log10(readings / hours / per_hour), LEAST)
    allowed = int(per_hour * min(hours, WINDOW_MS / HOUR_MS))
    scores = sorted((event.score for event in events), reverse=True)
    own = scores[allowed] if allowed < len(scores) else LEAST
    trust = min(elapsed_ms / WINDOW_MS, 1.0)
    return trust * own + (1.0 - trust) * nominal


def _spend(
    budget: Budget,
    candidates: NDArray[np.intp],
    rows: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    score: NDArray[np.float32],
    refractory_ms: int,
    alert: NDArray[np.bool_],
) -> Budget:
    """Take the candidates one after the other: into their datastream's running event, or as a new one."""
    if not len(candidates):
        return budget
    events = list(budget.events)
    running = {event.row: number for number, event in enumerate(events)}
    for k in candidates.tolist():
        row, now, height = int(rows[k]), int(time_ms[k]), float(score[k])
        over = height > budget.line
        number = running.get(row)
        if number is not None and now - events[number].onset < refractory_ms:
            event = events[number]
            alert[k] = over and not event.alert
            if height > event.score or alert[k]:
                height, now = (height, now) if height > event.score else (event.score, event.time)
                events[number] = Event(row, event.onset, now, height, event.alert or over)
            continue
        alert[k] = over
        running[row] = len(events)
        events.append(Event(row, now, now, height, over))
    return replace(budget, events=tuple(events))
