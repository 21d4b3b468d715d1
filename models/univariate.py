"""Scores for one series of any cadence, strictly online: how new is what it shows now, given all it has shown?

Two kinds of evidence, both in units of the series' own past range, so that nothing is fitted and no scale is assumed:

- *records*: fifteen views of the series (its value, innovations, levels, spreads, residuals against the time of day and
  the hour of the week), each by how far it is beyond all it has been, relative to its range;
- *memory*: four small spaces of such views, each by the distance to the nearest of up to 400 remembered points (nearest
  neighbour novelty, as in Angiulli and Pizzuti, 2002, with prototypes kept apart by at least a radius, as in Hart's
  condensed nearest neighbour, 1968). A record is the case of one dimension beyond the ends; memory also sees what lies
  between, such as a night's value at noon.

Every kind, family and view weighs the same. What is seen early is little evidence (the n-th value is a record with
probability 1/n), so evidence is weighted by n / (n + 1000). An event scores at its onset; until something stranger
comes, its aftermath scores a tenth. A score is the evidence e as e / (e + line): 0..1, and 0.5 is the alert line. A
series that alerts again and again is a bursty one, and must show more each time: line = LINE * (1 + WEARY * a**2),
where a is its past alerts, fading over LONG readings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.both import compiled, formula

LINE = 0.175  # evidence at the alert line
ALERT = 0.5  # the score at LINE
SPANS = (2.0, 5.0, 14.0, 40.0)  # readings over which levels and spreads are taken
SMOOTH = (6.0, 40.0, 6.0, 24.0)  # readings over which residuals of the day (two) and of the week (two) are smoothed
HALF_HOURS, WEEK_HOURS = 48, 168
VISITS = 25.0  # visits of a slot after which older ones fade
VIEWS, FAMILY = 15, 3  # views, and how many make a family
SPACES, WIDEST = (3, 3, 5, 2), 5  # dimensions of the memory's spaces
PROTOTYPES, RADIUS, DELAY = 400, 0.02, 15  # of each space; the delay in readings keeps a point from knowing itself
SOFT = 0.06  # an excess or distance of so much of the range counts half
EARLY = 1_000.0
HOLD, FADE, AFTERMATH = 100.0, 0.98, 0.1  # an event's peak is held so many readings, then fades
LARGEST = 1.0e100  # values beyond are taken as this, so that squares stay finite
WEARY, LONG = 0.015, 3_000.0  # how much more a series that has alerted must show, and for how many readings
READINGS, PEAK, HELD, CHANCE, ALERTS = 0, 1, 2, 3, 4  # the head

State = dict[str, NDArray[np.float64]]


def start() -> State:
    """The state before the first reading; about 75 kB, whatever the length of the series."""
    spaces = len(SPACES)
    return {
        "head": np.array([0.0, 0.0, 0.0, 7.0, 0.0]),
        "level": np.zeros(len(SPANS)),
        "variance": np.zeros(len(SPANS)),
        "day": np.zeros((2, HALF_HOURS)),  # mean, seen
        "week": np.zeros((2, WEEK_HOURS)),
        "smooth": np.zeros(len(SMOOTH)),
        "range": np.zeros((2, VIEWS)),  # lowest, highest
        "space": np.zeros((2, spaces, WIDEST)),
        "memory": np.zeros((spaces, PROTOTYPES, WIDEST)),
        "used": np.zeros(spaces),
        "waiting": np.zeros((DELAY, spaces, WIDEST)),
    }


def step(state: State, time_s: NDArray[np.int64], value: NDArray[np.float64]) -> tuple[State, NDArray[np.float64]]:
    """Score the readings in their order, each before it is learned: 0..1, NaN for a gap (NaN or infinite value).

    ``time_s`` (readings,): seconds since 1970, in whatever zone the series lives by; only the time of day and of
    the week are used. The state is updated in place; scores and state do not depend on how the series is cut.
    """
    score = np.empty(len(value))
    _compiled()(
        time_s,
        value,
        score,
        state["head"],
        state["level"],
        state["variance"],
        state["day"],
        state["week"],
        state["smooth"],
        state["range"],
        state["space"],
        state["memory"],
        state["used"],
        state["waiting"],
    )
    return state, score


class OneSeries:
    """The scorer in the shape of river's anomaly detectors: ``score_one``, then ``learn_one``.

    A reading is ``x = {"timestamp": seconds since 1970 or a datetime, "value": number}``, or, in the shape of river's
    supervised detectors such as ``GaussianScorer``, ``x = {"timestamp": …}`` and the value as ``y``. A value of
    ``None`` is a gap. Where river's tools ask for one of their own, derive from both:
    ``class Scorer(OneSeries, river.base.AnomalyDetector): ...``.
    ``models.series_outliers.SeriesOutliers`` is the same in the shape of scikit-learn.

    >>> scorer = OneSeries()
    >>> quiet = [scorer.score_learn_one({"timestamp": 60 * n, "value": 10.0 + n % 7}) for n in range(3000)]
    >>> bool(max(quiet[100:]) < 0.5 < scorer.score_one({"timestamp": 60 * 3000, "value": 90.0}))
    True
    """

    def __init__(self, timestamp: str = "timestamp", value: str = "value") -> None:
        """``timestamp`` and ``value`` name the fields of a reading."""
        self.timestamp = timestamp
        self.value = value
        self.state = start()

    def score_one(self, x: Mapping[Any, Any], y: float | None = None) -> float:
        """The score of a reading that is not learned: 0..1, NaN for a gap."""
        return self._step(snapshot(self.state), x, y)

    def learn_one(self, x: Mapping[Any, Any], y: float | None = None) -> None:
        """Learn one reading."""
        self._step(self.state, x, y)

    def score_learn_one(self, x: Mapping[Any, Any], y: float | None = None) -> float:
        """Score one reading, then learn it: both at the price of one."""
        return self._step(self.state, x, y)

    def _step(self, state: State, x: Mapping[Any, Any], y: float | None) -> float:
        when = x[self.timestamp]
        seconds = math.floor(
            when.replace(tzinfo=when.tzinfo or UTC).timestamp() if isinstance(when, datetime) else when
        )
        value = x.get(self.value) if y is None else y
        number = math.nan if value is None else float(value)
        return float(step(state, np.array([seconds], np.int64), np.array([number]))[1][0])


def snapshot(state: State) -> State:
    """A copy of the state that ``np.savez`` saves."""
    return {name: array.copy() for name, array in state.items()}


def restore(arrays: Mapping[str, NDArray[Any]]) -> State:
    """The state in a snapshot; raises ``ValueError`` naming what does not fit."""
    like = start()
    for name, want in like.items():
        if name not in arrays or arrays[name].shape != want.shape:
            raise ValueError(f"array {name} of the scorer's state is missing or not {want.shape}; start anew")
    return {name: np.array(arrays[name], np.float64) for name in like}


@formula
def _views(
    x: float,
    time_s: int,
    head: NDArray[np.float64],
    level: NDArray[np.float64],
    variance: NDArray[np.float64],
    day: NDArray[np.float64],
    week: NDArray[np.float64],
    smooth: NDArray[np.float64],
    view: NDArray[np.float64],
    point: NDArray[np.float64],
) -> None:
    """Move the averages on and write the views (VIEWS,) and the points of the memory's spaces (spaces, WIDEST)."""
    n = head[READINGS] + 1.0
    if n == 1.0:
        for i in range(len(SPANS)):
            level[i] = x
    view[0], view[1], view[2] = x, x - level[2], x - level[3]
    for i in range(len(SPANS)):
        rate = max(1.0 / SPANS[i], 1.0 / n)
        innovation = x - level[i]
        level[i] += rate * innovation
        variance[i] += rate * (innovation * innovation - variance[i])
    for i in range(FAMILY):
        view[3 + i], view[6 + i] = level[i], math.sqrt(variance[i + 1])

    half_hour = time_s % 86_400 // 1_800
    hour = (time_s // 3_600 + 96) % WEEK_HOURS  # hour 0 is Monday's first
    by_day = x - day[0, half_hour] if day[1, half_hour] > 0 else 0.0
    by_week = x - week[0, hour] if week[1, hour] > 0 else by_day
    day[1, half_hour] = min(day[1, half_hour] + 1.0, VISITS)
    day[0, half_hour] += (x - day[0, half_hour]) / day[1, half_hour]
    week[1, hour] = min(week[1, hour] + 1.0, VISITS)
    week[0, hour] += (x - week[0, hour]) / week[1, hour]
    for i in range(4):
        residual = by_day if i < 2 else by_week
        smooth[i] += (residual - smooth[i]) * (1.0 / SMOOTH[i] if i < 2 else max(1.0 / SMOOTH[i], 1.0 / n))
    view[9], view[10], view[11] = by_day, smooth[0], smooth[1]
    view[12], view[13], view[14] = by_week, smooth[2], smooth[3]

    angle = time_s % 86_400 * (2.0 * np.pi / 86_400.0)
    point[0, 0], point[0, 1], point[0, 2] = x, level[1], view[6]
    point[1, 0], point[1, 1], point[1, 2] = level[2], math.sin(angle), math.cos(angle)
    point[2, 0], point[2, 1], point[2, 2], point[2, 3], point[2, 4] = level[0], level[2], level[3], view[7], view[8]
    point[3, 0], point[3, 1] = level[0], math.sqrt(variance[0])


@formula
def _records(view: NDArray[np.float64], extent: NDArray[np.float64], first: bool) -> float:
    """Mean over families of how far the views are beyond their ranges (0..1); the ranges are widened."""
    total = 0.0
    for i in range(VIEWS):
        width = extent[1, i] - extent[0, i]
        if not first and width > 0.0:
            excess = max(view[i] - extent[1, i], extent[0, i] - view[i]) / width
            total += excess / (excess + SOFT) if excess > 0.0 else 0.0
        extent[0, i] = view[i] if first else min(extent[0, i], view[i])
        extent[1, i] = view[i] if first else max(extent[1, i], view[i])
    return total / VIEWS


@formula
def _distance(
    point: NDArray[np.float64], k: int, memory: NDArray[np.float64], used: int, scale: NDArray[np.float64], size: int
) -> float:
    """From ``point[k]`` to the nearest prototype of space ``k``, a share of the ranges (``scale`` is one over them)."""
    best = LARGEST
    for j in range(used):
        far = 0.0
        for i in range(size):
            gap = (point[k, i] - memory[k, j, i]) * scale[i]
            far += gap * gap
        best = min(best, far)
    return math.sqrt(best / size)


@formula
def _novelty(
    point: NDArray[np.float64],
    head: NDArray[np.float64],
    space: NDArray[np.float64],
    memory: NDArray[np.float64],
    used: NDArray[np.float64],
    waiting: NDArray[np.float64],
) -> float:
    """Mean over the spaces of how far the points are from memory (0..1); those of DELAY readings ago are stored."""
    n = int(head[READINGS])
    slot = n % DELAY
    total = 0.0
    scale = np.zeros(WIDEST)
    for k in range(len(SPACES)):
        size, count = SPACES[k], int(used[k])
        if count > 0:
            _inverse(space, k, size, scale)
            far = _distance(point, k, memory, count, scale, size)
            total += far / (far + SOFT)
        for i in range(size):
            space[0, k, i] = point[k, i] if n == 0 else min(space[0, k, i], point[k, i])
            space[1, k, i] = point[k, i] if n == 0 else max(space[1, k, i], point[k, i])
        if n >= DELAY:
            _inverse(space, k, size, scale)
            if count == 0 or _distance(waiting[slot], k, memory, count, scale, size) > RADIUS:
                at = count
                if count == PROTOTYPES:  # memory is full: any one makes room
                    head[CHANCE] = (1_103_515_245 * int(head[CHANCE]) + 12_345) & 0x7FFFFFFF
                    at = int(head[CHANCE]) % PROTOTYPES
                else:
                    used[k] += 1.0
                for i in range(size):
                    memory[k, at, i] = waiting[slot, k, i]
        for i in range(size):
            waiting[slot, k, i] = point[k, i]
    return total / len(SPACES)


@formula
def _inverse(space: NDArray[np.float64], k: int, size: int, scale: NDArray[np.float64]) -> None:
    """One over the range of each dimension of space ``k``; 0 where there is none."""
    for i in range(size):
        width = space[1, k, i] - space[0, k, i]
        scale[i] = 1.0 / width if width > 0.0 else 0.0


@formula
def _told(evidence: float, head: NDArray[np.float64]) -> float:
    """The score of the evidence: whole at an event's onset, a tenth in its aftermath."""
    onset = evidence > head[PEAK]
    if evidence >= head[PEAK]:
        head[PEAK], head[HELD] = evidence, HOLD
    elif head[HELD] > 0.0:
        head[HELD] -= 1.0
    else:
        head[PEAK] *= FADE
    score: float = evidence / (evidence + LINE * (1.0 + WEARY * head[ALERTS] * head[ALERTS]))
    head[ALERTS] -= head[ALERTS] / LONG
    if not onset:
        return AFTERMATH * score
    if score >= ALERT:
        head[ALERTS] += 1.0
    return score


def _loop(
    time_s: NDArray[np.int64],
    value: NDArray[np.float64],
    score: NDArray[np.float64],
    head: NDArray[np.float64],
    level: NDArray[np.float64],
    variance: NDArray[np.float64],
    day: NDArray[np.float64],
    week: NDArray[np.float64],
    smooth: NDArray[np.float64],
    extent: NDArray[np.float64],
    space: NDArray[np.float64],
    memory: NDArray[np.float64],
    used: NDArray[np.float64],
    waiting: NDArray[np.float64],
) -> None:
    """The readings one after the other; compiled."""
    view = np.zeros(VIEWS)
    point = np.zeros((len(SPACES), WIDEST))
    for k in range(len(value)):
        if not np.isfinite(value[k]):
            score[k] = np.nan
            continue
        x = min(max(value[k], -LARGEST), LARGEST)
        _views(x, time_s[k], head, level, variance, day, week, smooth, view, point)
        evidence = _records(view, extent, head[READINGS] == 0.0)
        evidence += _novelty(point, head, space, memory, used, waiting)
        early = head[READINGS] / (head[READINGS] + EARLY)
        score[k] = _told(0.5 * early * evidence, head)
        head[READINGS] += 1.0


@cache
def _compiled() -> Callable[..., None]:
    """The loop over the readings as machine code, made when it is first asked for."""
    return compiled(_loop)
