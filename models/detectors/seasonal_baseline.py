"""A robust seasonal baseline: what this datastream shows at this hour on this kind of day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models import pool, tails
from models.both import Number, choose, compiled, formula, lower, upper
from models.calendar import DAY_MS, HOLIDAY
from models.detectors.base import (
    CHANNELS,
    SEASONS,
    BadParameter,
    Float32,
    Float64,
    Int32,
    Int64,
    Scores,
    State,
    Uint8,
    copied,
)
from models.tails import moved_moments, moved_threshold, surprise

# columns of the state's cells: the head, then a block for each point of the day: mean and seen of each slot set, spread
READINGS, SEEN, LOCAL, LEVEL, SPREAD = 0, 1, 2, 3, 4
UP, DOWN = 5, 9  # of each side: threshold, mean excess, mean square excess, excesses
PEAK = 13  # the z farthest out of the excursion that goes on, 0 when there is none
HEAD = 14
BLOCKS = 16  # where the blocks begin: the head fills one cache line

SPIKE = CHANNELS.index("spike")
MONDAY = SEASONS.index("monday")
MAD = 1.2533141373155001  # standard deviation of a normal over its mean absolute deviation
LEARN = 3.0  # residuals are learned up to so many standard deviations
BAND = 1.6448536269514722  # of a 90 % band, both sides
LOCAL_RATE = 0.2
UNSEEN = 0.05  # what a residual against a guess weighs in the overall spread
SPREAD_MEMORY = 168.0  # bins over which the overall spread is taken
MOST_READINGS = 1.0e6
TINY = 1.0e-9
NOTHING = -1.0e30  # under every threshold
LARGEST = 1.0e15  # what lies beyond is taken as this, so that squares fit 32 bits
NEVER = np.iinfo(np.int64).min
RELATIVE_FLOOR = 1.0e-3  # a spread is at least this share of what is expected

# which slot set lends to which while it is little seen: of days (work, weekend, holiday), and of a week's days
DAY_PARENT = (1, 0, 1)
WEEK_PARENT = (1, 0, 1, 2, 3, 6, 5, 6)


@formula
def _place(
    local_ms: Number, day_kind: Number, week: bool, bins: int, bin_ms: int
) -> tuple[Number, Number, Number, Number]:
    """The point of the day before, how far towards the next (0-1), and the slot sets of both; integers but for one."""
    day = local_ms // DAY_MS
    within = local_ms - day * DAY_MS
    node = np.minimum(within // bin_ms, bins - 1)
    share = np.minimum((within - node * bin_ms) / bin_ms, 1.0)
    if not week:
        return node, share, day_kind, day_kind
    weekday = (day + 3) % 7  # day 0 was a Thursday
    slot = choose(day_kind == HOLIDAY, 7, weekday)
    tomorrow = choose(slot == 7, 7, (weekday + 1) % 7)
    return node, share, slot, choose(node == bins - 1, tomorrow, slot)


@formula
def _season(mean: Number, seen: Number, parent: Number, parent_seen: Number, local: Number, shrink: float) -> Number:
    """What a slot expects: its mean, drawn to its parent's, drawn to the local level, until seen often enough."""
    lent = (parent_seen * parent + shrink * local) / (parent_seen + shrink)
    prior = shrink * shrink / (seen + shrink)  # fades: what was seen thrice needs no advice
    return (seen * mean + prior * lent) / (seen + prior)


@formula
def _update(
    y: Number,
    gap: Number,
    share: Number,
    head: tuple[Number, ...],
    spreads: tuple[Number, ...],
    slots: tuple[Number, ...],
    settings: tuple[float, ...],
) -> tuple[tuple[Number, ...], tuple[Number, ...], tuple[Number, ...], tuple[Number, ...]]:
    """Score one reading and learn it: floats in a compiled loop, arrays (readings,) else; both by this one formula.

    ``y`` the value, ``gap`` the time since the last in bins (negative: none before), ``share`` how far towards the next
    bin; ``head``, ``spreads`` and ``slots`` the state as tuples. Returns what is told and the new state.
    """
    readings, seen, local, level, spread = head[0], head[1], head[2], head[3], head[4]
    up, up_excess, up_square, up_count = head[5], head[6], head[7], head[8]
    down, down_excess, down_square, down_count, peak = head[9], head[10], head[11], head[12], head[13]
    mean0, seen0, parent0, parent_seen0, mean1, seen1, parent1, parent_seen1 = slots
    counts, shrink, most, memory, drift, floor, ready = settings

    y = lower(upper(y, -LARGEST), LARGEST)
    x = choose(counts > 0.0, np.sqrt(upper(y, 0.0) + 0.375), y)
    local = choose(readings > 0.0, local, x)
    season0 = _season(mean0, seen0, parent0, parent_seen0, local, shrink)
    season1 = _season(mean1, seen1, parent1, parent_seen1, local, shrink)
    other = 1.0 - share
    expected = other * season0 + share * season1 + level

    # the spread at this time of day, drawn to the overall one; wider while the slot is little seen
    visits = other * (seen0 + parent_seen0) + share * (seen1 + parent_seen1)
    here = other * spreads[0] + share * spreads[1]
    known = upper(visits - 1.0, 0.0)  # the first visit met a guess: what it missed by is no spread
    deviation = (known * here + 2.0 * shrink * spread) / (known + 2.0 * shrink)
    deviation = upper(MAD * deviation, upper(floor, RELATIVE_FLOOR * np.abs(expected)))
    wide = deviation * np.sqrt(1.0 + 1.0 / (1.0 + visits))

    residual = x - expected
    z = residual / wide
    high = residual > 0.0
    score = surprise(
        np.abs(z),
        choose(high, up, down),
        choose(high, up_excess, down_excess),
        choose(high, up_square, down_square),
    )
    told = readings >= ready
    score = choose(told, score, 0.0)

    # learning: by time, so that 720 readings of an hour weigh as much as one; before the first score each counts
    readings = lower(readings + 1.0, MOST_READINGS)
    passed = lower(upper(gap, 0.0), 1.0)
    early = choose(told, 0.0, 1.0 / readings)
    weight = choose(gap == 0.0, 0.0, upper(passed, early))
    learned = choose(told, lower(upper(residual, -LEARN * wide), LEARN * wide), residual)
    rate0, rate1 = passed * other, passed * share
    seen0, seen1 = lower(seen0 + rate0, most), lower(seen1 + rate1, most)
    mean0 = mean0 + rate0 / upper(seen0, TINY) * (season0 + learned - mean0)
    mean1 = mean1 + rate1 / upper(seen1, TINY) * (season1 + learned - mean1)
    size = np.abs(learned)
    spread0 = spreads[0] + rate0 / upper(seen0 + parent_seen0 - 1.0, upper(rate0, TINY)) * (size - spreads[0])
    spread1 = spreads[1] + rate1 / upper(seen1 + parent_seen1 - 1.0, upper(rate1, TINY)) * (size - spreads[1])
    weight = weight * (visits + UNSEEN) / (visits + 1.0)
    seen = lower(seen + weight, memory)
    spread = spread + weight / upper(seen, TINY) * (size - spread)
    level = level + passed / drift * learned
    local = local + upper(LOCAL_RATE, 1.0 / readings) * (x - local)

    # tails learn the top of an excursion once it is over: while an incident lasts, its own tail stays as it was
    far = lower(np.abs(z), LARGEST)
    calm = choose(told, choose(far > choose(high, up, down), 0.0, 1.0), 0.0)
    fresh = choose(told, upper(calm, choose(peak == 0.0, 1.0, 0.0)), 0.0)
    top_up, top_down = choose(calm * peak > 0.0, peak, NOTHING), choose(calm * peak < 0.0, -peak, NOTHING)
    up_excess, up_square, up_count = moved_moments(top_up, up, up_excess, up_square, up_count)
    down_excess, down_square, down_count = moved_moments(top_down, down, down_excess, down_square, down_count)
    up = choose(calm > 0.0, moved_threshold(upper(top_up, z), up, readings), up)
    down = choose(calm > 0.0, moved_threshold(upper(top_down, -z), down, readings), down)
    farther = choose(far > np.abs(peak), choose(high, far, -far), peak)
    peak = choose(told, (1.0 - calm) * farther, peak)

    sides = (up, up_excess, up_square, up_count, down, down_excess, down_square, down_count)
    new_head = (readings, seen, local, level, spread, *sides, peak)
    return (score, expected, wide, fresh), new_head, (spread0, spread1), (mean0, seen0, mean1, seen1)


@formula
def _plain(x: Number, deviation: Number, counts: float) -> Number:
    """The mean in the value's unit of what lies at ``x`` with ``deviation``."""
    root = upper(x, 0.0)
    return choose(counts > 0.0, upper(root * root + deviation * deviation - 0.375, 0.0), x)


@formula
def _edge(x: Number, counts: float) -> Number:
    """A band's edge ``x`` in the value's unit."""
    root = upper(x, 0.0)
    return choose(counts > 0.0, upper(root * root - 0.375, 0.0), x)


def _loop(
    cells: Float32,
    last: Int64,
    rows: Int32,
    time_ms: Int64,
    value: Float64,
    day_kind: Uint8,
    local_ms: Int64,
    week: bool,
    bins: int,
    parents: Int64,
    settings: tuple[float, ...],
    seen: Float64,
    worth: Float64,
    out: Float32,
) -> None:
    """The readings one after the other; compiled."""
    counts, ready = settings[0], settings[6]
    bin_ms = DAY_MS // bins
    block = 2 * len(parents) + 2
    now, kind = NEVER, np.uint8(0)
    i = j = a = b = p = q = 0
    share = 0.0
    for k in range(len(rows)):
        if not np.isfinite(value[k]):
            out[:, k] = np.nan
            continue
        if local_ms[k] != now or day_kind[k] != kind:
            now, kind = local_ms[k], day_kind[k]
            node, share, slot, following = _place(now, kind, week, bins, bin_ms)
            i, j = BLOCKS + node * block, BLOCKS + (node + 1) % bins * block
            a, b = i + 2 * slot, j + 2 * following
            p, q = i + 2 * parents[slot], j + 2 * parents[following]
            i, j = i + block - 2, j + block - 2
        row = rows[k]
        c = cells[row]
        gap = -1.0
        if last[row] != NEVER:
            gap = max(np.float64(time_ms[k] - last[row]) / bin_ms, 0.0)
        head = (
            np.float64(c[0]), np.float64(c[1]), np.float64(c[2]), np.float64(c[3]), np.float64(c[4]),
            np.float64(c[5]), np.float64(c[6]), np.float64(c[7]), np.float64(c[8]), np.float64(c[9]),
            np.float64(c[10]), np.float64(c[11]), np.float64(c[12]), np.float64(c[13]),
        )  # fmt: skip
        slots = (
            np.float64(c[a]), np.float64(c[a + 1]), np.float64(c[p]), np.float64(c[p + 1]),
            np.float64(c[b]), np.float64(c[b + 1]), np.float64(c[q]), np.float64(c[q + 1]),
        )  # fmt: skip
        spreads = (np.float64(c[i]), np.float64(c[j]))
        told, new_head, new_spreads, new_slots = _update(value[k], gap, share, head, spreads, slots, settings)
        for h in range(HEAD):
            c[h] = new_head[h]
        c[i], c[j] = new_spreads
        c[a], c[a + 1], c[b], c[b + 1] = new_slots
        last[row] = max(last[row], time_ms[k])
        score, expected, wide, fresh = told
        step = int(score * pool.STEPS)
        out[0, k] = worth[step] + (score * pool.STEPS - step) * (worth[step + 1] - worth[step])
        seen[step] += fresh
        seen[pool.SIZE] += 1.0
        if seen[pool.SIZE] == pool.REFRESH:
            seen[pool.SIZE] = 0.0
            pool.refresh(seen, worth)
        if head[0] >= ready:
            out[1, k] = _plain(expected, wide, counts)
            out[2, k] = _edge(expected - BAND * wide, counts)
            out[3, k] = _edge(expected + BAND * wide, counts)
        else:
            out[1:, k] = np.nan


@cache
def _compiled() -> Callable[..., None]:
    """The loop as machine code, made when it is first asked for."""
    return compiled(_loop)


def _rounds(rows: Int32) -> list[NDArray[np.intp]]:
    """Positions of the first reading of each datastream, then of the second …: each round has no row twice."""
    order = np.argsort(rows, kind="stable")
    ranked = rows[order]
    new = np.ones(len(rows), bool)
    new[1:] = ranked[1:] != ranked[:-1]
    starts = np.flatnonzero(new)
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    rounds = np.argsort(rank, kind="stable")
    edges = np.searchsorted(rank[rounds], np.arange(1, rank.max(initial=0) + 1))
    return [order[part] for part in np.split(rounds, edges)]


def _arrays(
    cells: Float32,
    last: Int64,
    rows: Int32,
    time_ms: Int64,
    value: Float64,
    day_kind: Uint8,
    local_ms: Int64,
    week: bool,
    bins: int,
    parents: Int64,
    settings: tuple[float, ...],
    seen: Float64,
    worth: Float64,
    out: Float32,
) -> None:
    """The same as ``_loop`` with numpy: all first readings at once, then all second ones, and so on."""
    counts, ready = settings[0], settings[6]
    bin_ms = DAY_MS // bins
    block = 2 * len(parents) + 2
    out[:, ~np.isfinite(value)] = np.nan
    finite = np.flatnonzero(np.isfinite(value))
    while len(finite):
        left = int(pool.REFRESH - seen[pool.SIZE])
        now, finite = finite[:left], finite[left:]
        for part in _rounds(rows[now]):
            k = now[part]
            row = rows[k]
            node, share, slot, following = _place(local_ms[k], day_kind[k].astype(np.int64), week, bins, bin_ms)
            i, j = BLOCKS + node * block, BLOCKS + (node + 1) % bins * block
            a, b = i + 2 * slot, j + 2 * following
            p, q = i + 2 * parents[slot], j + 2 * parents[following]
            i, j = i + block - 2, j + block - 2
            gap = np.where(last[row] == NEVER, -1.0, np.maximum((time_ms[k] - last[row]) / bin_ms, 0.0))
            head = tuple(cells[row, h].astype(np.float64) for h in range(HEAD))
            slots = tuple(cells[row, h].astype(np.float64) for h in (a, a + 1, p, p + 1, b, b + 1, q, q + 1))
            spreads = (cells[row, i].astype(np.float64), cells[row, j].astype(np.float64))
            told, new_head, new_spreads, new_slots = _update(value[k], gap, share, head, spreads, slots, settings)
            columns = (*range(HEAD), i, j, a, a + 1, b, b + 1)
            for column, new in zip(columns, (*new_head, *new_spreads, *new_slots), strict=True):
                cells[row, column] = new
            last[row] = np.maximum(last[row], time_ms[k])
            score, expected, wide, fresh = told
            step = (score * pool.STEPS).astype(np.int64)
            known = np.where(head[0] >= ready, 1.0, np.nan)
            out[0, k] = worth[step] + (score * pool.STEPS - step) * (worth[step + 1] - worth[step])
            np.add.at(seen, step, fresh)
            out[1, k] = known * _plain(expected, wide, counts)
            out[2, k] = known * _edge(expected - BAND * wide, counts)
            out[3, k] = known * _edge(expected + BAND * wide, counts)
        seen[pool.SIZE] += len(now)
        if seen[pool.SIZE] == pool.REFRESH:
            seen[pool.SIZE] = 0.0
            pool.refresh(seen, worth)


@dataclass(frozen=True)
class SeasonalBaseline:
    """Robust seasonal baseline with learned tails, one pass, constant state.

    Counts y are taken as x = √(y + 3/8) (Anscombe, 1948), so that their noise is even. Expected is

        season(time of day, kind of day) + level

    where the season is a broken line through ``bins`` points of the day for working days, weekends and holidays
    (season ``day``) or for the days of the week and holidays (season ``week``). A point seen c times is drawn to its
    sibling kind's and, while that is unseen too, to a fast local level, with the weight ``shrink`` visits:
    a datastream without a past is judged against its own last minutes. The residual over its robust spread (mean
    absolute deviation by time of day, drawn to the overall one) gives z, and z gives the score by the datastream's own
    tails (models/tails.py) and then by what such a score is worth among all datastreams (models/pool.py). What is
    learned is clipped at 3 deviations, so that an incident does not teach itself. Learning goes by time, not by
    readings: 720 readings of an hour move a point as far as one hourly reading.

    Parameters: ``bins`` points a day (24 suits hourly data and cameras alike); ``season`` day or week; ``counts``
    whether values are counts; ``shrink`` visits the prior is worth; ``visits`` after which older days fade; ``drift``
    bins in which the level follows a lasting change; ``floor`` least standard deviation (of √ for counts: 0.5 is
    Poisson's); ``ready`` readings before the first score; ``compiled`` false takes numpy alone.

    >>> detector = SeasonalBaseline(ready=24)
    >>> hours = np.arange(24 * 14, dtype=np.int64)
    >>> people = np.round(100 + 80 * np.sin(hours / 24 * 2 * np.pi) + hours % 7)
    >>> people[-1] = 900
    >>> one, day = np.zeros(len(hours), np.int32), np.zeros(len(hours), np.uint8)
    >>> state, told = detector.step(detector.start(1), one, hours * 3_600_000, people, day, hours * 3_600_000)
    >>> bool(told.score[-1] > 6 > told.score[50:-1].max())
    True
    """

    name: ClassVar[str] = "seasonal-baseline"

    bins: int = 24
    season: Literal["day", "week"] = "day"
    counts: bool = True
    shrink: float = 1.0
    visits: float = 12.0
    drift: float = 48.0
    floor: float = 0.5
    ready: int = 48
    compiled: bool = True

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        if not 2 <= self.bins <= 1440 or int(self.bins) != self.bins:
            raise BadParameter(f"bins is {self.bins}; use a whole number from 2 to 1440")
        if self.season not in ("day", "week"):
            raise BadParameter(f"season is {self.season!r}; use 'day' or 'week'")
        for parameter, least in (("shrink", 0.01), ("visits", 1.0), ("drift", 1.0), ("floor", 0.0), ("ready", 2)):
            if not getattr(self, parameter) >= least:
                raise BadParameter(f"{parameter} is {getattr(self, parameter)}; use at least {least}")

    @property
    def _parents(self) -> Int64:
        return np.array(DAY_PARENT if self.season == "day" else WEEK_PARENT, np.int64)

    def start(self, n: int) -> State:
        """``cells`` (n, width) float32, ``last`` (n,) int64, the time of the last reading in ms; the pool all share."""
        cells = np.zeros((n, BLOCKS + int(self.bins) * (2 * len(self._parents) + 2)), np.float32)
        cells[:, UP : UP + 3] = cells[:, DOWN : DOWN + 3] = (tails.THRESHOLD, tails.EXCESS, tails.SQUARE)
        last = np.full(n, NEVER, np.int64)
        return {"cells": cells, "last": last, "seen": pool.counts(), "worth": pool.table()}

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64, day_kind: Uint8, local_ms: Int64
    ) -> tuple[State, Scores]:
        """Score and learn the readings in their order; see ``Detector.step``."""
        settings = tuple(
            float(number)
            for number in (self.counts, self.shrink, self.visits, SPREAD_MEMORY, self.drift, self.floor, self.ready)
        )
        out = np.empty((4, len(rows)), np.float32)
        run = _compiled() if self.compiled else _arrays
        week = self.season == "week"
        columns = (rows, time_ms, value, day_kind, local_ms)
        shared = (state["seen"], state["worth"])
        run(state["cells"], state["last"], *columns, week, int(self.bins), self._parents, settings, *shared, out)
        channel = np.where(out[0] > 0.0, SPIKE, 0).astype(np.uint8)
        day = (local_ms // DAY_MS + 3) % 7
        named = np.where((day_kind == HOLIDAY) | (not week), 1 + day_kind, MONDAY + day).astype(np.uint8)
        return state, Scores(
            out[0], out[1], out[2], out[3], channel, np.where(np.isfinite(out[1]), named, 0).astype(np.uint8)
        )

    def snapshot(self, state: State) -> State:
        """A copy of the state."""
        return {name: array.copy() for name, array in state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in ``arrays``; raises ``BadState``."""
        return copied(arrays, self.start(0), self.name, ("seen", "worth"))
