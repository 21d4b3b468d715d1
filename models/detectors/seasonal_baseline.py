"""A robust seasonal baseline: what this datastream shows at this hour on this kind of day, and four ways to differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models import evidence, neighbours, pool, tails
from models.ahead import ahead
from models.both import Number, choose, compiled, formula, lower, upper
from models.calendar import DAY_MS, HOLIDAY
from models.detectors.base import (
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
from models.tails import moved, moved_moments

# Columns of the state's cells: the head, then a block for each point of the day with mean and seen of each slot set and
# the spread. What a stretch of readings has in common is worked out once, when it begins:
READINGS, SEEN, LOCAL, LEVEL, SPREAD = 0, 1, 2, 3, 4
EXPECTED, INVERSE, LOAD, TOLD, LOW, HIGH, STEP = 5, 6, 7, 8, 9, 10, 11  # of the stretch; 1 / spread; told in its unit
NODE, SLOTS, SHARE, SEASON0, SEASON1 = 12, 13, 14, 15, 16  # where in the day it lies, and the season at both ends
WEIGHT, MISSED, SIZE = 17, 18, 19  # what its readings teach once it is over: sums of weight, z and |z|
LIKE, PRODUCT, SQUARE, BEFORE, PACE = 20, 21, 22, 23, 24  # correlation with the reading before, its moments; that z
SHORT, LONG, RUN = 25, 26, 27  # shifts; readings of the excursion that goes on
LOWEST, HIGHEST, NEWS, RECORDS = 28, 29, 30, 31
UP, DOWN, BRIEF, LASTING = 32, 36, 40, 44  # tails: threshold, mean excess, mean square excess, excesses
PEAK, BRIEF_PEAK, LASTING_PEAK = 48, 49, 50  # the farthest z of the excursion that goes on, 0 when there is none
SHORT_SQUARE, LONG_SQUARE = 51, 52  # the shifts' variance
CLAIMS = 53  # readings of the excursion that goes on which scored CLAIMED
BLOCKS = 56  # where the blocks begin: with 24 points of three kinds of day a record fills 14 cache lines
HEAD_LINES = 4

MAD = 1.2533141373155001  # standard deviation of a normal over its mean absolute deviation
LEARN = 3.0  # residuals are learned up to so many standard deviations
BAND = 1.6448536269514722  # of a 90 % band, both sides
LOCAL_RATE = 0.2
UNSEEN = 0.05  # what a residual against a guess weighs in the overall spread
SPREAD_MEMORY = 168.0  # bins over which the overall spread is taken
DENSE = 4.0  # what the readings of a visit teach of the season counts as one reading each, as so many at most
STRETCH = 1.0 / 60.0  # bins after which a stretch is over: a minute of an hour
LIKE_RATE = 1.0 / 300.0  # of the moments that give the correlation with the reading before
LIKE_MOST = 0.5  # what goes together for longer is the level's
PACE_RATE = 0.1  # of the usual pause
PAIR = 16  # a stretch's two slot sets are kept as one number
LONGEST = 96.0  # what lasts longer is one event, and moves no threshold and no pool any more
ALARMED = 7.0  # nor does what follows such a score
PAST = 1.0e3  # added to the length of an excursion that was alarmed
AHEAD = 6  # readings ahead of which memory is asked for
MOST_READINGS = 1.0e6
TINY = 1.0e-9
NOTHING = -1.0e30  # under every threshold
LARGEST = 1.0e15  # what lies beyond is taken as this, so that squares fit 32 bits
NEVER = np.iinfo(np.int64).min
RELATIVE_FLOOR = 1.0e-3  # a spread is at least this share of what is expected
LEAST_ROOT = 0.6123724356957945  # of 3/8: what nobody counts as

MONDAY = SEASONS.index("monday")

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
def _taken(y: Number, counts: float) -> Number:
    """The value as it is judged: of a count the root."""
    y = lower(upper(y, -LARGEST), LARGEST)
    return choose(counts > 0.0, np.sqrt(upper(y, 0.0) + 0.375), y)


@formula
def _taught(
    stretch: tuple[Number, ...],
    overall: tuple[Number, ...],
    spreads: tuple[Number, ...],
    slots: tuple[Number, ...],
    settings: tuple[float, ...],
) -> tuple[tuple[Number, ...], tuple[Number, ...], tuple[Number, ...]]:
    """What a stretch teaches once it is over.

    ``stretch``: (weight, sum of z, sum of |z|, 1 / spread, share, season at both ends, early weight).
    Returns (seen, spread, level), the spreads and the means and seens at both points of the day.
    """
    weight, missed, size, inverse, share, season0, season1, early = stretch
    seen, spread, level = overall
    mean0, seen0, _parent0, parent_seen0, mean1, seen1, _parent1, parent_seen1 = slots
    most, memory, drift = settings[2], settings[3], settings[4]
    each = 1.0 / (upper(weight, TINY * TINY) * inverse)
    learned, size = missed * each, size * each
    other = 1.0 - share
    visits = other * (seen0 + parent_seen0) + share * (seen1 + parent_seen1)
    rich = lower(DENSE, 1.0 / upper(weight, TINY))
    rate0, rate1 = weight * rich * other, weight * rich * share
    new0 = lower(seen0 + rate0, upper(most * rich, seen0))
    new1 = lower(seen1 + rate1, upper(most * rich, seen1))
    mean0 = mean0 + rate0 / upper(new0, TINY) * (season0 + learned - mean0)
    mean1 = mean1 + rate1 / upper(new1, TINY) * (season1 + learned - mean1)
    spread0 = spreads[0] + rate0 / upper(new0 + parent_seen0 - 1.0, upper(rate0, TINY)) * (size - spreads[0])
    spread1 = spreads[1] + rate1 / upper(new1 + parent_seen1 - 1.0, upper(rate1, TINY)) * (size - spreads[1])
    overall_weight = upper(weight, early) * (visits + UNSEEN) / (visits + 1.0)
    seen = lower(seen + overall_weight, memory)
    spread = spread + overall_weight / upper(seen, TINY) * (size - spread)
    level = level + weight / drift * learned
    return (
        (seen, spread, level),
        (spread0, spread1),
        (mean0, new0, mean1, new1),
    )


@formula
def _expect(
    share: Number,
    overall: tuple[Number, ...],
    spreads: tuple[Number, ...],
    slots: tuple[Number, ...],
    moments: tuple[Number, Number],
    settings: tuple[float, ...],
) -> tuple[Number, ...]:
    """What holds for a stretch that begins; ``overall`` is (readings, local, level, spread).

    Returns (expected, 1 / spread, load, told, low, high, season at both ends, correlation, step of the thresholds).
    """
    readings, local, level, spread = overall
    mean0, seen0, parent0, parent_seen0, mean1, seen1, parent1, parent_seen1 = slots
    counts, shrink, floor = settings[0], settings[1], settings[5]
    other = 1.0 - share
    season0 = _season(mean0, seen0, parent0, parent_seen0, local, shrink)
    season1 = _season(mean1, seen1, parent1, parent_seen1, local, shrink)
    expected = other * season0 + share * season1 + level

    # the spread at this time of day, drawn to the overall one; wider while the slot is little seen
    visits = other * (seen0 + parent_seen0) + share * (seen1 + parent_seen1)
    here = other * spreads[0] + share * spreads[1]
    known = upper(visits - 1.0, 0.0)  # the first visit met a guess: what it missed by is no spread
    deviation = (known * here + 2.0 * shrink * spread) / (known + 2.0 * shrink)
    deviation = upper(MAD * deviation, upper(floor, RELATIVE_FLOOR * np.abs(expected)))
    wide = upper(deviation * np.sqrt(1.0 + 1.0 / (1.0 + visits)), TINY)
    load = choose(counts > 0.0, upper(expected, LEAST_ROOT) / wide, 1.0)

    like = lower(upper(moments[0] / upper(moments[1], 0.25), 0.0), LIKE_MOST)
    reach = BAND * wide / np.sqrt(1.0 - like * like)
    told = _plain(expected, wide, counts)
    low, high = _edge(expected - reach, counts), _edge(expected + reach, counts)
    step = tails.stride(readings + 1.0)
    return expected, 1.0 / wide, load, told, low, high, season0, season1, like, step


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


@formula
def _left(
    x: Number,
    stretch: tuple[Number, Number, Number],
    shared: Number,
    memory: tuple[Number, Number, Number],
    gap: Number,
) -> tuple[Number, Number, Number, Number]:
    """Residuals in deviations: as they are, without the neighbours' level, without the reading before.

    ``stretch`` is (expected, 1 / spread, load), ``memory`` (correlation, z before, usual pause); the fourth is 1 where
    the pause was usual, so that the reading teaches the correlation.
    """
    expected, inverse, load = stretch
    like, before, pace = memory
    passed = lower(upper(gap, 0.0), 1.0)
    z = lower(upper((x - expected) * inverse, -LARGEST), LARGEST)
    own = z - shared * load
    usual = choose(passed > 1.5 * pace, 0.0, choose(gap > 0.0, 1.0, 0.0))
    return z, own, own - evidence.faded(like, passed, pace) * before, usual


@formula
def _at(
    node: Number, slot: Number, following: Number, bins: int, parents: Int64
) -> tuple[Number, Number, Number, Number, Number, Number]:
    """The cells of a place in the day: own and lending slot of both its points, then both spreads."""
    block = 2 * len(parents) + 1
    first, second = BLOCKS + node * block, BLOCKS + (node + 1) % bins * block
    return (
        first + 2 * slot,
        first + 2 * parents[slot],
        second + 2 * following,
        second + 2 * parents[following],
        first + block - 1,
        second + block - 1,
    )


@formula
def _begin(
    c: Float32,
    node: int,
    slot: int,
    following: int,
    share: float,
    bins: int,
    parents: Int64,
    settings: tuple[float, ...],
) -> None:
    """Learn the stretch that is over and begin the next one; ``c`` is one record. Compiled."""
    readings, pair = np.float64(c[READINGS]), int(c[SLOTS])
    if readings > 0.0:
        a, p, b, q, i, j = _at(int(c[NODE]), pair // PAIR, pair % PAIR, bins, parents)
        early = 1.0 / readings if readings <= settings[6] else 0.0
        stretch = (
            np.float64(c[WEIGHT]), np.float64(c[MISSED]), np.float64(c[SIZE]), np.float64(c[INVERSE]),
            np.float64(c[SHARE]), np.float64(c[SEASON0]), np.float64(c[SEASON1]), early,
        )  # fmt: skip
        new, new_spreads, new_slots = _taught(
            stretch,
            (np.float64(c[SEEN]), np.float64(c[SPREAD]), np.float64(c[LEVEL])),
            (np.float64(c[i]), np.float64(c[j])),
            _slots(c, a, p, b, q),
            settings,
        )
        c[SEEN], c[SPREAD], c[LEVEL] = new
        c[i], c[j] = new_spreads
        c[a], c[a + 1], c[b], c[b + 1] = new_slots
    a, p, b, q, i, j = _at(node, slot, following, bins, parents)
    c[WEIGHT] = c[MISSED] = c[SIZE] = 0.0
    c[NODE], c[SLOTS], c[SHARE] = node, slot * PAIR + following, share
    begun = _expect(
        np.float64(c[SHARE]),
        (readings, np.float64(c[LOCAL]), np.float64(c[LEVEL]), np.float64(c[SPREAD])),
        (np.float64(c[i]), np.float64(c[j])),
        _slots(c, a, p, b, q),
        (np.float64(c[PRODUCT]), np.float64(c[SQUARE])),
        settings,
    )
    c[EXPECTED], c[INVERSE], c[LOAD], c[TOLD], c[LOW], c[HIGH] = begun[:6]
    c[SEASON0], c[SEASON1], c[LIKE], c[STEP] = begun[6:]


@formula
def _slots(c: Float32, a: int, p: int, b: int, q: int) -> tuple[float, ...]:
    """Mean and seen of own and lending slot at both points. Compiled."""
    return (
        np.float64(c[a]), np.float64(c[a + 1]), np.float64(c[p]), np.float64(c[p + 1]),
        np.float64(c[b]), np.float64(c[b + 1]), np.float64(c[q]), np.float64(c[q + 1]),
    )  # fmt: skip


@formula
def _teach(c: Float32, x: float, z: float, left: float, passed: float, told: Number) -> None:
    """Add one reading to what its stretch teaches: by time, so that 720 readings of an hour weigh as one. Compiled."""
    weight = max(passed, TINY)
    c[WEIGHT] += weight
    c[MISSED] += weight * (min(max(z, -LEARN), LEARN) if told else z)
    c[SIZE] += weight * (min(abs(left), LEARN) if told else abs(z))
    c[PACE] += PACE_RATE * (passed - np.float64(c[PACE]))
    readings = np.float64(c[READINGS]) + 1.0
    rate = LOCAL_RATE if readings > 5.0 else 1.0 / readings
    c[LOCAL] += rate * (x - np.float64(c[LOCAL]))
    c[READINGS] = min(readings, MOST_READINGS)


@formula
def _weigh(
    c: Float32, x: float, own: float, left: float, readings: float, seen: Float64, worth: Float64
) -> tuple[float, int, float]:
    """The surprise of what is left of a reading, the channel that tells it and the excursion's length. Compiled."""
    c[SHORT], c[SHORT_SQUARE], shift = evidence.shifted(
        own, np.float64(c[SHORT]), np.float64(c[SHORT_SQUARE]), evidence.SHORT_RATE
    )
    c[LONG], c[LONG_SQUARE], long_shift = evidence.shifted(
        own, np.float64(c[LONG]), np.float64(c[LONG_SQUARE]), evidence.LONG_RATE
    )
    side, spike = UP if left > 0.0 else DOWN, left / np.float64(c[UP if left > 0.0 else DOWN])
    brief, lasting = np.float64(c[BRIEF]), np.float64(c[LASTING])
    over, over_long = shift > brief * brief, long_shift > lasting * lasting
    most, channel = evidence.loudest(spike * spike, shift / (brief * brief), long_shift / (lasting * lasting))
    raw, run = evidence.ordinary(most), 0.0
    if most > 1.0:
        run = min(np.float64(c[RUN]) + 1.0, MOST_READINGS)
        three = evidence.surprises(
            abs(left),
            np.sqrt(shift),
            np.sqrt(long_shift),
            (np.float64(c[side]), np.float64(c[side + 1]), np.float64(c[side + 2])),
            (brief, np.float64(c[BRIEF + 1]), np.float64(c[BRIEF + 2])),
            (lasting, np.float64(c[LASTING + 1]), np.float64(c[LASTING + 2])),
        )
        raw, pace = 0.0, np.float64(c[PACE])
        often = c[CLAIMS] < evidence.REPEATS
        for number in range(3):
            young = run <= LONGEST and (often or number + 1 != evidence.SHIFT)
            told = _pooled(three[number], number + 1, pace, young, seen, worth)
            if told > raw:
                raw, channel = told, number + 1
    if x > c[HIGHEST] or x < c[LOWEST]:
        news = _pooled(_break(c, x, readings), evidence.RECORD, np.float64(c[PACE]), run <= LONGEST, seen, worth)
        if news > raw:
            raw, channel = news, evidence.RECORD
    if most > 1.0 or c[RUN] > 0.0:
        _end_spike(c, left, spike * spike > 1.0)
        _end(c, BRIEF, BRIEF_PEAK, np.sqrt(shift))
        _end(c, LASTING, LASTING_PEAK, np.sqrt(long_shift))
    if run <= LONGEST:
        stride = np.float64(c[STEP])
        c[UP] = moved(left > c[UP], np.float64(c[UP]), stride, tails.EXCEED)
        c[DOWN] = moved(-left > c[DOWN], np.float64(c[DOWN]), stride, tails.EXCEED)
        c[BRIEF] = moved(over, brief, 0.5 * stride, evidence.BOTH)
        c[LASTING] = moved(over_long, lasting, 0.5 * stride, evidence.BOTH)
    return raw, channel, run


@formula
def _pooled(raw: float, channel: int, pace: float, young: bool, seen: Float64, worth: Float64) -> Number:
    """What a channel's surprise is worth among all datastreams, when it lies far out; a young one counts. Compiled."""
    if raw <= evidence.BULK:
        return raw - evidence.PRICE
    if young:
        seen[channel, int(raw * pool.STEPS)] += 1.0
    told = pool.told(raw, worth[channel])
    if channel == evidence.SPIKE or channel == evidence.RECORD:
        told = evidence.doubted(told, pace)
    return upper(told - evidence.PRICE, 0.0)


@formula
def _claims(run: Number, claims: Number, score: Number) -> Number:
    """How many readings of the excursion that goes on scored CLAIMED, up to SEVERAL."""
    more = choose(score >= evidence.CLAIMED, 1.0, 0.0)
    return choose(run > 0.0, lower(claims + more, evidence.SEVERAL), 0.0)


@formula
def _break(c: Float32, x: float, readings: float) -> Number:
    """The surprise of a record, which is learned. Compiled."""
    lowest, highest, news = np.float64(c[LOWEST]), np.float64(c[HIGHEST]), np.float64(c[NEWS])
    over, extent = max(x - highest, lowest - x), max(highest - lowest, 2.0 / np.float64(c[INVERSE]))
    c[NEWS], c[RECORDS], grown = evidence.recorded(over, extent, news, np.float64(c[RECORDS]))
    if x > highest:
        c[HIGHEST] += grown
    else:
        c[LOWEST] -= grown
    return evidence.record(over, extent, news, readings)


@formula
def _end_spike(c: Float32, left: float, beyond: Number) -> None:
    """Keep the top of a spike's excursion; it teaches its side once it is over. Compiled."""
    peak = np.float64(c[PEAK])
    if beyond:
        if abs(left) > abs(peak):
            c[PEAK] = left
    elif peak != 0.0:
        tail = UP if peak > 0.0 else DOWN
        _learn_top(c, tail, abs(peak))
        c[PEAK] = 0.0


@formula
def _end(c: Float32, tail: int, column: int, size: float) -> None:
    """The same for a shift of ``size``. Compiled."""
    peak = np.float64(c[column])
    if size > c[tail]:
        c[column] = max(size, peak)
    elif peak > 0.0:
        _learn_top(c, tail, peak)
        c[column] = 0.0


@formula
def _learn_top(c: Float32, tail: int, top: float) -> None:
    """What the top of an excursion teaches its tail. Compiled."""
    c[tail + 1], c[tail + 2], c[tail + 3] = moved_moments(
        top, np.float64(c[tail]), np.float64(c[tail + 1]), np.float64(c[tail + 2]), np.float64(c[tail + 3])
    )


def _loop(
    cells: Float32,
    last: Int64,
    near: Int32,
    common: Float64,
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
    named: Uint8,
) -> None:
    """The readings one after the other; compiled."""
    counts, ready = settings[0], settings[6]
    bin_ms, now, kind = DAY_MS // bins, NEVER, np.uint8(0)
    bins_a_ms = 1.0 / bin_ms
    node = slot = following = season = 0
    share = 0.0
    for k in range(len(rows)):
        if k + AHEAD < len(rows):
            later = rows[k + AHEAD]
            ahead(cells, later, HEAD_LINES)
            ahead(last, later, 1)
            ahead(near, later, 1)
        if not np.isfinite(value[k]):
            out[:, k], named[:, k] = np.nan, 0
            continue
        if local_ms[k] != now or day_kind[k] != kind:
            now, kind = local_ms[k], day_kind[k]
            node, share, slot, following = _place(now, kind, week, bins, bin_ms)
            season = slot + 1 if not week else (HOLIDAY + 1 if slot == 7 else MONDAY + slot)
        row = rows[k]
        c = cells[row]
        gap = -1.0
        if last[row] != NEVER:
            gap = max(np.float64(time_ms[k] - last[row]) * bins_a_ms, 0.0)
        last[row] = max(last[row], time_ms[k])
        passed, readings = min(max(gap, 0.0), 1.0), np.float64(c[READINGS])
        told = readings >= ready
        x = np.float64(np.float32(_taken(value[k], counts)))  # as records are kept
        if readings == 0.0:
            c[LOCAL] = c[LOWEST] = c[HIGHEST] = x
        pair = slot * PAIR + following
        if not told or np.float64(c[WEIGHT]) + passed >= STRETCH or c[NODE] != node or c[SLOTS] != pair:
            _begin(c, node, slot, following, share, bins, parents, settings)

        g = near[row]
        shared = common[g, neighbours.LEVEL] if g >= 0 else 0.0
        load = np.float64(c[LOAD])
        stretch = (np.float64(c[EXPECTED]), np.float64(c[INVERSE]), load)
        memory = (np.float64(c[LIKE]), np.float64(c[BEFORE]), np.float64(c[PACE]))
        z, own, left, usual = _left(x, stretch, shared, memory, gap)
        if g >= 0:
            pull, weight = neighbours.pulls(z, load, shared, told)
            neighbours.add(common[g], pull, weight)
        _teach(c, x, z, left, passed, told)
        if told:
            rate, before = LIKE_RATE * usual, np.float64(c[BEFORE])
            kept = min(max(own, -LEARN), LEARN)
            c[PRODUCT] += rate * (kept * before - np.float64(c[PRODUCT]))
            c[SQUARE] += rate * (before * before - np.float64(c[SQUARE]))
            c[BEFORE] = kept
            alone = x - shared * load / np.float64(c[INVERSE])  # a record of the whole district is nobody's own
            raw, channel, run = _weigh(c, alone, own, left, readings, seen, worth)
            score = pool.told(raw, worth[0])
            c[RUN] = run + PAST if run > 0.0 and score >= ALARMED else run
            out[0, k], out[1, k], out[2, k], out[3, k] = score, c[TOLD], c[LOW], c[HIGH]
            named[0, k], named[1, k] = channel if score > 0.0 else 0, season
            if run <= LONGEST and c[CLAIMS] < evidence.SEVERAL:
                seen[0, int(raw * pool.STEPS)] += 1.0
            c[CLAIMS] = _claims(run, np.float64(c[CLAIMS]), score)
        else:
            c[LOWEST], c[HIGHEST] = min(np.float64(c[LOWEST]), x), max(np.float64(c[HIGHEST]), x)
            out[:, k], named[:, k] = np.nan, 0
            out[0, k] = 0.0
        pool.count(seen, worth)


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
    near: Int32,
    common: Float64,
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
    named: Uint8,
) -> None:
    """The same as ``_loop`` with numpy: all first readings at once, then all second ones, and so on.

    A stretch of readings ends where the pool's table or a group's level moves.
    """
    out[:], named[:] = np.nan, 0
    finite = np.flatnonzero(np.isfinite(value))
    whole = (cells, last, near, common, week, bins, parents, settings, seen, worth)
    while len(finite):
        until = min(pool.left(seen), neighbours.left(common, near[rows[finite]]))
        now, finite = finite[:until], finite[until:]
        pull, weight = np.zeros((2, len(now)))
        for part in _rounds(rows[now]):
            k = now[part]
            columns = (rows[k], time_ms[k], value[k], day_kind[k].astype(np.int64), local_ms[k])
            out[:, k], named[:, k], pull[part], weight[part] = _round(*whole, *columns)
        neighbours.add_all(common, near[rows[now]], pull, weight)
        seen[0, pool.SIZE] += len(now) - 1
        pool.count(seen, worth)


def _round(
    cells: Float32,
    last: Int64,
    near: Int32,
    common: Float64,
    week: bool,
    bins: int,
    parents: Int64,
    settings: tuple[float, ...],
    seen: Float64,
    worth: Float64,
    row: Int32,
    time_ms: Int64,
    value: Float64,
    day_kind: Int64,
    local_ms: Int64,
) -> tuple[Float64, Int64, Float64, Float64]:
    """One reading of each of these datastreams: told (4, readings), named (2, readings), pull and weight."""
    counts, ready = settings[0], settings[6]
    bin_ms = DAY_MS // bins
    node, share, slot, following = _place(local_ms, day_kind, week, bins, bin_ms)
    never = last[row] == NEVER
    gap = np.where(never, -1.0, np.maximum((time_ms - np.where(never, time_ms, last[row])) * (1.0 / bin_ms), 0.0))
    last[row] = np.maximum(last[row], time_ms)
    passed, readings = np.clip(gap, 0.0, 1.0), cells[row, READINGS].astype(np.float64)
    told = readings >= ready
    x = _taken(value, counts).astype(np.float32).astype(np.float64)
    first = readings == 0.0
    for column in (LOCAL, LOWEST, HIGHEST):
        cells[row[first], column] = x[first]
    moved_on = (cells[row, NODE] != node) | (cells[row, SLOTS] != slot * PAIR + following)
    due = np.flatnonzero(~told | (cells[row, WEIGHT] + passed >= STRETCH) | moved_on)
    _begin_all(cells, row[due], node[due], slot[due], following[due], share[due], bins, parents, settings)

    h = cells[row, :BLOCKS].astype(np.float64).T
    g = near[row]
    shared = np.where(g >= 0, common[np.maximum(g, 0), neighbours.LEVEL] if len(common) else 0.0, 0.0)
    memory = (h[LIKE], h[BEFORE], h[PACE])
    z, own, left, usual = _left(x, (h[EXPECTED], h[INVERSE], h[LOAD]), shared, memory, gap)
    pull, weight = neighbours.pulls(z, h[LOAD], shared, told)
    _teach_all(h, x, z, left, passed, told)
    cells[row, :BLOCKS] = h.T
    judged = np.flatnonzero(told)
    rate, kept = LIKE_RATE * usual, np.clip(own, -LEARN, LEARN)
    part = h[:, judged]
    part[PRODUCT] += (rate * (kept * h[BEFORE] - h[PRODUCT]))[judged]
    part[SQUARE] += (rate * (h[BEFORE] * h[BEFORE] - h[SQUARE]))[judged]
    part[BEFORE] = kept[judged]
    alone = x - shared * h[LOAD] / h[INVERSE]
    raw, channel, run = _weigh_all(part, alone[judged], own[judged], left[judged], readings[judged], seen, worth)
    score = pool.told(raw, worth[0])
    part[RUN] = np.where((run > 0.0) & (score >= ALARMED), run + PAST, run)
    counted = (run <= LONGEST) & (part[CLAIMS] < evidence.SEVERAL)
    np.add.at(seen[0], pool.whole(raw[counted] * pool.STEPS), 1.0)
    part[CLAIMS] = _claims(run, part[CLAIMS], score)
    h[LOWEST], h[HIGHEST] = np.minimum(h[LOWEST], x), np.maximum(h[HIGHEST], x)  # of those not judged
    h[:, judged] = part
    cells[row, :BLOCKS] = h.T
    out, named = np.full((4, len(row)), np.nan), np.zeros((2, len(row)), np.int64)
    out[0] = 0.0
    out[:, judged] = (score, part[TOLD], part[LOW], part[HIGH])
    season = np.where(week, np.where(slot == 7, HOLIDAY + 1, MONDAY + slot), slot + 1)
    named[:, judged] = (np.where(score > 0.0, channel, 0), season[judged])
    return out, named, pull, weight


def _begin_all(
    cells: Float32,
    row: Int32,
    node: Int64,
    slot: Int64,
    following: Int64,
    share: Float64,
    bins: int,
    parents: Int64,
    settings: tuple[float, ...],
) -> None:
    """``_begin`` of many records."""
    h = cells[row, :BLOCKS].astype(np.float64).T
    readings, pair = h[READINGS], h[SLOTS].astype(np.int64)
    a, p, b, q, i, j = _at(h[NODE].astype(np.int64), pair // PAIR, pair % PAIR, bins, parents)
    early = np.where(readings <= settings[6], 1.0 / np.maximum(readings, 1.0), 0.0)
    inverse = np.where(readings > 0.0, h[INVERSE], 1.0)
    learned = (h[WEIGHT], h[MISSED], h[SIZE], inverse, h[SHARE], h[SEASON0], h[SEASON1])
    stretch = (*learned, early)
    spreads = (cells[row, i].astype(np.float64), cells[row, j].astype(np.float64))
    new = _taught(stretch, (h[SEEN], h[SPREAD], h[LEVEL]), spreads, _slots_of(cells, row, (a, p, b, q)), settings)
    old = np.flatnonzero(readings > 0.0)
    columns: tuple[Any, ...] = (SEEN, SPREAD, LEVEL, i, j, a, a + 1, b, b + 1)
    for column, value in zip(columns, (*new[0], *new[1], *new[2]), strict=True):
        cells[row[old], column if isinstance(column, int) else column[old]] = value[old]
    at = _at(node, slot, following, bins, parents)
    cells[row, WEIGHT] = cells[row, MISSED] = cells[row, SIZE] = 0.0
    cells[row, NODE], cells[row, SLOTS], cells[row, SHARE] = node, slot * PAIR + following, share
    h = cells[row, :BLOCKS].astype(np.float64).T
    begun = _expect(
        h[SHARE],
        (readings, h[LOCAL], h[LEVEL], h[SPREAD]),
        (cells[row, at[4]].astype(np.float64), cells[row, at[5]].astype(np.float64)),
        _slots_of(cells, row, at[:4]),
        (h[PRODUCT], h[SQUARE]),
        settings,
    )
    columns = (EXPECTED, INVERSE, LOAD, TOLD, LOW, HIGH, SEASON0, SEASON1, LIKE, STEP)
    for column, value in zip(columns, begun, strict=True):
        cells[row, column] = value


def _slots_of(cells: Float32, row: Int32, at: tuple[Int64, ...]) -> tuple[Float64, ...]:
    """``_slots`` of many records."""
    return tuple(cells[row, column + more].astype(np.float64) for column in at for more in (0, 1))


def _teach_all(h: Float64, x: Float64, z: Float64, left: Float64, passed: Float64, told: NDArray[np.bool_]) -> None:
    """``_teach`` of many records."""
    weight, far = np.maximum(passed, TINY), np.where(told, np.minimum(np.abs(left), LEARN), np.abs(z))
    h[WEIGHT] += weight
    h[MISSED] += weight * np.where(told, np.clip(z, -LEARN, LEARN), z)
    h[SIZE] += weight * far
    h[PACE] = (h[PACE] + PACE_RATE * (passed - h[PACE])).astype(np.float32)  # as records are kept
    h[READINGS] += 1.0
    h[LOCAL] += np.maximum(LOCAL_RATE, 1.0 / h[READINGS]) * (x - h[LOCAL])
    h[READINGS] = np.minimum(h[READINGS], MOST_READINGS)


def _weigh_all(
    h: Float64, x: Float64, own: Float64, left: Float64, readings: Float64, seen: Float64, worth: Float64
) -> tuple[Float64, Int64, Float64]:
    """``_weigh`` of many records."""
    h[SHORT], h[SHORT_SQUARE], shift = evidence.shifted(own, h[SHORT], h[SHORT_SQUARE], evidence.SHORT_RATE)
    h[LONG], h[LONG_SQUARE], long_shift = evidence.shifted(own, h[LONG], h[LONG_SQUARE], evidence.LONG_RATE)
    high = left > 0.0
    sides = tuple(np.where(high, h[UP + n], h[DOWN + n]) for n in range(3))
    brief, lasting = tuple(h[BRIEF : BRIEF + 3]), tuple(h[LASTING : LASTING + 3])
    spike = left / sides[0]
    over = (left > h[UP], -left > h[DOWN], shift > brief[0] * brief[0], long_shift > lasting[0] * lasting[0])
    most, channel = evidence.loudest(
        spike * spike, shift / (brief[0] * brief[0]), long_shift / (lasting[0] * lasting[0])
    )
    beyond = most > 1.0
    run = np.where(beyond, np.minimum(h[RUN] + 1.0, MOST_READINGS), 0.0)
    shift, long_shift = np.sqrt(shift), np.sqrt(long_shift)
    three = evidence.surprises(np.abs(left), shift, long_shift, sides, brief, lasting)
    raw, young = np.where(beyond, 0.0, evidence.ordinary(most)), run <= LONGEST
    often = h[CLAIMS] < evidence.REPEATS
    for number in range(3):
        counted = young & often if number + 1 == evidence.SHIFT else young
        told = _pooled_all(np.where(beyond, three[number], evidence.PRICE), number + 1, h[PACE], counted, seen, worth)
        raw, channel = np.maximum(raw, told), np.where(told > raw, number + 1, channel)
    record = _break_all(h, x, readings)
    news = _pooled_all(record, evidence.RECORD, h[PACE], young, seen, worth)
    raw, channel = np.maximum(raw, news), np.where(news > raw, evidence.RECORD, channel)

    peak, out = h[PEAK].copy(), spike * spike > 1.0
    h[PEAK] = np.where(out, np.where(np.abs(left) > np.abs(peak), left, peak), 0.0)
    _learn_tops(h, UP, np.where(~out & (peak > 0.0), peak, NOTHING))
    _learn_tops(h, DOWN, np.where(~out & (peak < 0.0), -peak, NOTHING))
    for tail, column, size in ((BRIEF, BRIEF_PEAK, shift), (LASTING, LASTING_PEAK, long_shift)):
        peak, out = h[column].copy(), size > h[tail]
        h[column] = np.where(out, np.maximum(size, peak), 0.0)
        _learn_tops(h, tail, np.where(~out & (peak > 0.0), peak, NOTHING))
    stride = h[STEP]
    steps = (stride, stride, 0.5 * stride, 0.5 * stride)
    exceed = (tails.EXCEED, tails.EXCEED, evidence.BOTH, evidence.BOTH)
    for number, tail in enumerate((UP, DOWN, BRIEF, LASTING)):
        h[tail] = np.where(young, moved(over[number], h[tail], steps[number], exceed[number]), h[tail])
    return raw, channel, run


def _pooled_all(
    raw: Float64, channel: int, pace: Float64, young: NDArray[np.bool_], seen: Float64, worth: Float64
) -> Float64:
    """``_pooled`` of many records."""
    far = raw > evidence.BULK
    np.add.at(seen[channel], pool.whole(raw[far & young] * pool.STEPS), 1.0)
    told = pool.told(raw, worth[channel])
    if channel in (evidence.SPIKE, evidence.RECORD):
        told = evidence.doubted(told, pace)
    return np.where(far, np.maximum(told - evidence.PRICE, 0.0), raw - evidence.PRICE)


def _break_all(h: Float64, x: Float64, readings: Float64) -> Float64:
    """``_break`` of those records that are broken, 0 for the others."""
    lowest, highest = h[LOWEST].copy(), h[HIGHEST].copy()
    over, extent = np.maximum(x - highest, lowest - x), np.maximum(highest - lowest, 2.0 / h[INVERSE])
    broken, above = over > 0.0, x > highest
    news = np.where(broken, evidence.record(np.maximum(over, 0.0), extent, h[NEWS], readings), 0.0)
    usual, records, grown = evidence.recorded(over, extent, h[NEWS], h[RECORDS])
    h[NEWS], h[RECORDS] = np.where(broken, usual, h[NEWS]), np.where(broken, records, h[RECORDS])
    h[HIGHEST] = np.where(broken & above, highest + grown, highest)
    h[LOWEST] = np.where(broken & ~above, lowest - grown, lowest)
    return news


def _learn_tops(h: Float64, tail: int, top: Float64) -> None:
    """``_learn_top`` of many records; NOTHING teaches nothing."""
    h[tail + 1], h[tail + 2], h[tail + 3] = moved_moments(top, h[tail], h[tail + 1], h[tail + 2], h[tail + 3])


@dataclass(frozen=True)
class SeasonalBaseline:
    """Robust seasonal baseline with four channels of evidence and learned tails, one pass, constant state.

    Counts y are taken as x = √(y + 3/8) (Anscombe, 1948), so that their noise is even. Expected is

        season(time of day, kind of day) + level

    where the season is a broken line through ``bins`` points of the day for working days, weekends and holidays
    (season ``day``) or for the days of the week and holidays (season ``week``). A point seen c times is drawn to its
    sibling kind's and, while that is unseen too, to a fast local level, with the weight ``shrink`` visits:
    a datastream without a past is judged against its own last minutes. From the residual goes what all neighbours show
    (models/neighbours.py; ``among`` says who they are), then what the reading before foretells (AR(1), the correlation
    learned for each datastream; an unusually long pause lets it fade). What is left over its robust spread (mean
    absolute deviation by time of day, drawn to the overall one) goes to four channels: the reading itself, a short and
    a long smoothed shift, and the record (models/evidence.py); each gives a tail probability by the datastream's own
    tails (models/tails.py), the smallest becomes the score by what it is worth among all datastreams
    (models/pool.py). What is learned is clipped at 3 deviations, so that an incident does not teach itself. Learning
    goes by time, not by readings: 720 readings of an hour move a point as far as one hourly reading; it is done once
    for every stretch of a sixtieth of a bin, in which what is expected stays.

    ``expected`` and its band say what this hour usually shows here: without neighbours and the reading before.

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
        """The state of ``n`` datastreams that have no neighbours.

        ``cells`` (n, width) float32, ``last`` (n,) int64 time of the last reading in ms, ``near`` (n,) int32 the group
        of neighbours or -1; ``common`` (groups, 5) their levels, and the pool that all share.
        """
        cells = np.zeros((n, BLOCKS + int(self.bins) * (2 * len(self._parents) + 1)), np.float32)
        for tail in (UP, DOWN, BRIEF, LASTING):
            cells[:, tail : tail + 3] = (tails.THRESHOLD, tails.EXCESS, tails.SQUARE)
        cells[:, NEWS], cells[:, SQUARE] = evidence.NEWS, 1.0
        cells[:, SHORT_SQUARE], cells[:, LONG_SQUARE] = evidence.SHORT_START, evidence.LONG_START
        last, near = np.full(n, NEVER, np.int64), np.full(n, -1, np.int32)
        shared = {"common": neighbours.groups(near), "seen": pool.counts(5), "worth": pool.table(5)}
        return {"cells": cells, "last": last, "near": near, **shared}

    def among(self, state: State, groups: Int32) -> State:
        """The state with each datastream in its group of neighbours (n,), -1 for none; levels known so far stay."""
        common, known = neighbours.groups(groups), state["common"]
        if len(common) == len(known):
            common[:, : neighbours.COUNT] = known[:, : neighbours.COUNT]
            common[:, neighbours.COUNT] = np.minimum(
                known[:, neighbours.COUNT], np.maximum(common[:, neighbours.EVERY] - 1, 0)
            )
        return {**state, "near": neighbours.gathered(groups), "common": common}

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64, day_kind: Uint8, local_ms: Int64
    ) -> tuple[State, Scores]:
        """Score and learn the readings in their order; see ``Detector.step``."""
        settings = tuple(
            float(number)
            for number in (self.counts, self.shrink, self.visits, SPREAD_MEMORY, self.drift, self.floor, self.ready)
        )
        out, named = np.empty((4, len(rows)), np.float32), np.empty((2, len(rows)), np.uint8)
        run = _compiled() if self.compiled else _arrays
        run(
            state["cells"], state["last"], state["near"], state["common"],
            rows, time_ms, value, day_kind, local_ms,
            self.season == "week", int(self.bins), self._parents, settings,
            state["seen"], state["worth"], out, named,
        )  # fmt: skip
        return state, Scores(out[0], out[1], out[2], out[3], named[0], named[1])

    def snapshot(self, state: State) -> State:
        """A copy of the state."""
        return {name: array.copy() for name, array in state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in ``arrays``; raises ``BadState``."""
        return copied(arrays, self.start(0), self.name, shared=("seen", "worth"), grouped=("common",))
