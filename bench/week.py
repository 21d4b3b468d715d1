"""A simulated week of a city of 100,000 datastreams, with the truth of every incident in it.

What makes real counts hard is in it: a rhythm of the day and of the week, over-dispersion, habits of each place that
last tens of minutes, heavy tails (a t-law with 4 degrees of freedom, and now and then a burst), and factors that
all places share: every district has its mood, and three evenings the whole city is fuller by half.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

HOUR = 3_600_000
MONDAY = 1_767_225_600_000 + 4 * 24 * HOUR
TICK = HOUR // 12
TICKS_A_DAY = 288
KINDS = ("camera", "gate", "gauge")  # people in view, people through a gate, a level
SHARES = (0.7, 0.2, 0.1)
SIDE_KM = 30.0
DISTRICTS_A_SIDE = 8
HABIT, HABIT_STAYS = 0.15, 0.8  # of the logarithm, from one tick to the next
MOOD, MOOD_STAYS = 0.08, 0.98
HEAVY = 0.12  # of the logarithm, times a t of 4 degrees of freedom
BURST, BURST_CHANCE = 3.0, 1.0e-4
RISE, RISE_TICKS, RAMP_TICKS = 1.5, 36, 6  # the evenings on which the whole city is fuller, and how it begins
GAUGE_STAYS, GAUGE_NOISE, LEVEL_STAYS, LEVEL_NOISE = 0.9, 0.02, 0.995, 0.03


@dataclass(frozen=True)
class Incident:
    """What is done to the datastreams ``rows`` for ``ticks`` from ``start`` on; ``size`` is of its kind."""

    kind: str
    rows: NDArray[np.int64]
    start: int
    ticks: int
    size: float
    x: float = 0.0
    y: float = 0.0

    def lasts(self, tick: int) -> bool:
        """Is it going on?"""
        return self.start <= tick < self.start + self.ticks


@dataclass(frozen=True)
class City:
    """The datastreams, their places in km, and what wanders; all columns (n,), sorted by kind and district."""

    rng: np.random.Generator
    kind: NDArray[np.int64]
    x: Float64
    y: Float64
    district: NDArray[np.int64]
    base: Float32
    habit: Float32
    mood: Float32
    drift: Float32

    def __len__(self) -> int:
        return len(self.kind)

    def of(self, kind: str) -> slice:
        """The rows of one kind."""
        first, last = np.searchsorted(self.kind, [KINDS.index(kind), KINDS.index(kind) + 1])
        return slice(int(first), int(last))

    def mean(self, tick: int) -> Float32:
        """What is to be expected of every datastream at ``tick`` of the week, after moods and habits moved on."""
        self.habit[:] = HABIT_STAYS * self.habit + _noise(self.rng, len(self), HABIT * (1 - HABIT_STAYS**2) ** 0.5)
        self.mood[:] = MOOD_STAYS * self.mood + _noise(self.rng, len(self.mood), MOOD * (1 - MOOD_STAYS**2) ** 0.5)
        return self.usual(tick)

    def usual(self, tick: int) -> Float32:
        """The same with moods and habits as they are."""
        hour = tick / 12.0 % 24.0
        rhythm = 1.15 + np.sin((hour - 8.0) / 24.0 * 2.0 * np.pi)
        weekend = 1.2 if tick // TICKS_A_DAY % 7 >= 5 else 1.0
        shared = np.exp(self.mood)[self.district] * (rhythm * weekend * rise(tick))
        mean: Float32 = (self.base * shared * np.exp(self.habit)).astype(np.float32)
        return mean

    def deviation(self, mean: Float32) -> Float32:
        """The standard deviation of one reading around its mean, about."""
        counts = np.sqrt(mean + (1.0 / 8.0 + 2.0 * HEAVY**2) * mean * mean)
        found: Float32 = np.where(self.kind == KINDS.index("gauge"), np.float32(GAUGE_NOISE * 1.4), counts)
        return np.asarray(found, np.float32)

    def readings(self, mean: Float32, added: Float32) -> Float64:
        """One reading of every datastream; ``added`` is what incidents bring."""
        people = self.of("camera").start, self.of("gate").stop
        value = np.empty(len(self))
        part = slice(*people)
        n = people[1] - people[0]
        heavy = np.exp(np.clip(HEAVY * _student(self.rng, n), -3.0, 3.0))
        burst = np.where(self.rng.random(n, np.float32) < BURST_CHANCE, np.float32(BURST), np.float32(1.0))
        crowd = self.rng.standard_gamma(8.0, n, np.float32) / np.float32(8.0)
        value[part] = self.rng.poisson(np.maximum(mean[part] + added[part], 0.0) * crowd * heavy * burst)
        gauge = self.of("gauge")
        n = gauge.stop - gauge.start
        self.drift[:] = LEVEL_STAYS * self.drift + _noise(self.rng, n, LEVEL_NOISE * (1 - LEVEL_STAYS**2) ** 0.5)
        level = 1.0 + 0.02 * mean[gauge] / self.base[gauge] + self.drift
        value[gauge] = level + GAUGE_NOISE * _student(self.rng, n) + added[gauge]
        return value


def _noise(rng: np.random.Generator, n: int, size: float) -> Float32:
    return rng.standard_normal(n, np.float32) * np.float32(size)


def _student(rng: np.random.Generator, n: int) -> Float32:
    """A t-law of 4 degrees of freedom."""
    spread = np.sqrt(rng.standard_gamma(2.0, n, np.float32) / np.float32(2.0))
    drawn: Float32 = rng.standard_normal(n, np.float32) / np.maximum(spread, np.float32(1e-3))
    return drawn


def rise(tick: int) -> float:
    """What the whole city is multiplied by: three evenings of the week are fuller, within half an hour."""
    day, within = divmod(tick, TICKS_A_DAY)
    since = within - 18 * 12
    if day % 7 not in (1, 3, 5) or not 0 <= since < RISE_TICKS:
        return 1.0
    return 1.0 + (RISE - 1.0) * min(1.0, (since + 1) / RAMP_TICKS, (RISE_TICKS - since) / RAMP_TICKS)


def city(seed: int, n: int) -> City:
    """A city of ``n`` datastreams, denser towards its middle."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(len(KINDS)), [round(share * n) for share in SHARES])
    xy = np.clip(rng.normal(SIDE_KM / 2, SIDE_KM / 5, (2, n)), 0.0, SIDE_KM - 1e-9)
    cell = (xy / SIDE_KM * DISTRICTS_A_SIDE).astype(np.int64)
    district = cell[1] * DISTRICTS_A_SIDE + cell[0]
    order = np.lexsort((district, kind))
    base = np.select([kind == 0, kind == 1], [rng.lognormal(1.5, 1.0, n), rng.lognormal(3.5, 0.8, n)], 1.0)
    gauges = int((kind == 2).sum())
    wander = (np.zeros(n, np.float32), np.zeros(DISTRICTS_A_SIDE**2, np.float32), np.zeros(gauges, np.float32))
    return City(rng, kind, xy[0][order], xy[1][order], district[order], base.astype(np.float32), *wander)


SIZES = {  # ticks, size: times the people; standard deviations of one reading; nothing
    "spike": (1, 6.0),
    "shift": (12, 3.0),
    "loss": (12, 0.0),
    "stuck": (96, 0.0),
    "silent": (24, 0.0),
    "surge": (6, 1.0),
}


def incidents(town: City, seed: int, first: int, last: int, each: int, surges: int) -> list[Incident]:
    """``each`` incidents of every kind at datastreams of their own, and ``surges`` at places 1 to 2 km across."""
    rng = np.random.default_rng(seed)
    found = []
    kinds = [kind for kind in SIZES if kind != "surge"]
    rows = rng.choice(town.of("gate").stop, each * len(kinds), replace=False)
    for number, row in enumerate(rows.tolist()):
        kind = kinds[number % len(kinds)]
        ticks, size = SIZES[kind]
        found.append(Incident(kind, np.array([row]), int(rng.integers(first, last - ticks)), ticks, size))
    ticks, size = SIZES["surge"]
    cameras = town.of("camera")
    while sum(one.kind == "surge" for one in found) < surges:
        x, y = rng.normal(SIDE_KM / 2, SIDE_KM / 6, 2)
        near = np.flatnonzero(np.hypot(town.x[cameras] - x, town.y[cameras] - y) < rng.uniform(0.5, 1.0))
        if len(near) >= 30:
            start = int(rng.integers(first, last - ticks))
            found.append(Incident("surge", near, start, ticks, size, float(x), float(y)))
    return found


def ticks(
    town: City, truth: Sequence[Incident], first: int, last: int, stride: int = 1
) -> Iterator[tuple[int, Float64]]:
    """Each tick (or each ``stride``-th) with its readings (n,); NaN where a sensor is silent."""
    value = np.zeros(len(town))
    for tick in range(first, last, stride):
        mean = town.mean(tick)
        added, going = np.zeros(len(town), np.float32), [one for one in truth if one.lasts(tick)]
        deviation = town.deviation(mean) if going else added
        for one in going:
            if one.kind in ("spike", "shift", "loss"):
                added[one.rows] = mean[one.rows] * (one.size - 1.0)
            elif one.kind == "surge":
                added[one.rows] += one.size * deviation[one.rows]
        before, value = value, town.readings(mean, added)
        for one in going:
            if one.kind == "stuck":
                value[one.rows] = before[one.rows]
            elif one.kind == "silent":
                value[one.rows] = np.nan
        yield tick, value
        silent = np.isnan(value)
        value[silent] = before[silent]
