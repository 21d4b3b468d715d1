"""Slow twins: the same mathematics as the fast code, one reading at a time, written to be read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Reading = tuple[int, int, float, int, int]
"""(row, time in ms, value, day kind, local time in ms)."""

Told = tuple[float, float, float, float]
"""(score, expected, low, high)."""

NOTHING: Told = (math.nan, math.nan, math.nan, math.nan)


def kept(number: float) -> float:
    """The number as the state keeps it, in 32 bits."""
    return float(np.float32(number).item())


@dataclass
class Side:
    """The tail of one side: a generalised Pareto over a threshold, by its moments."""

    threshold: float = kept(2.2)
    mean: float = kept(0.55)
    square: float = kept(0.75)
    count: float = 0.0

    def surprise(self, z: float) -> float:
        """-log10 of the two-sided probability of ``z`` >= 0."""
        if z <= self.threshold:
            return math.pow(z / self.threshold, 1.5) * math.log10(25.0)
        variance = max(self.square - self.mean**2, 1e-6 * self.mean**2 + 1e-12)
        shape = min(max((1.0 - self.mean**2 / variance) / 2.0, 0.02), 0.45)
        scale = max(self.mean * (1.0 - shape), 1e-6)
        tail = (1.0 + shape * (z - self.threshold) / scale) ** (-1.0 / shape)
        return min(-math.log10(2.0 * 0.02 * tail), 30.0)

    def learn(self, z: float, readings: float) -> None:
        """Move the moments towards the excesses and the threshold towards the 98 % quantile."""
        threshold = self.threshold
        self.learn_threshold(z, readings)
        self.learn_excess(z, threshold)

    def learn_threshold(self, z: float, readings: float) -> None:
        """Move the threshold towards the 98 % quantile."""
        step = 20.0 / min(readings + 300.0, 6_000.0)
        self.threshold = kept(max(self.threshold + step * ((z > self.threshold) - 0.02), 0.5))

    def learn_excess(self, z: float, threshold: float | None = None) -> None:
        """Move the moments towards the excess of ``z``, if it is one."""
        over = min(z - (self.threshold if threshold is None else threshold), 8.0 * self.mean)
        if over > 0.0:
            self.count = min(self.count + 1.0, 400.0)
            mean, square = self.mean, self.square
            self.mean = kept(mean + (over - mean) / (self.count + 25.0))
            self.square = kept(square + (over * over - square) / (self.count + 25.0))


@dataclass
class Point:
    """What is remembered of one point of the day on one kind of day."""

    mean: float = 0.0
    seen: float = 0.0


@dataclass
class Shift:
    """A weighted mean of the last residuals, its variance and its tail."""

    rate: float
    square: float
    mean: float = 0.0
    peak: float = 0.0
    tail: Side = field(default_factory=Side)

    def push(self, z: float) -> float:
        """Take a residual; the mean in deviations of its own past."""
        mean = self.mean + self.rate * (min(max(z, -4.0), 4.0) - self.mean)
        size = mean * mean / self.square
        self.square = kept(self.square + (min(mean * mean, 9.0 * self.square) - self.square) / 500.0)
        self.mean = kept(mean)
        return math.sqrt(size)

    def learn(self, size: float, step: float, young: bool) -> None:
        """The top of an excursion teaches the tail once it is over; young ones move the threshold."""
        if size > self.tail.threshold:
            self.peak = kept(max(size, self.peak))
        elif self.peak > 0.0:
            self.tail.learn_excess(self.peak)
            self.peak = 0.0
        if young:
            over = (size > self.tail.threshold) - 0.04
            self.tail.threshold = kept(max(self.tail.threshold + 0.5 * step * over, 0.5))


@dataclass
class Stretch:
    """What holds for readings close in time, and what they will teach."""

    place: tuple[int, int, int]
    share: float
    seasons: tuple[float, float]
    expected: float
    inverse: float
    load: float
    told: tuple[float, float, float]
    like: float
    step: float
    weight: float = 0.0
    missed: float = 0.0
    size: float = 0.0


class Neighbours:
    """Twin of ``models.neighbours``: one group, its level and what its readings pull it to."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.level = 0.0
        self.pulls: list[tuple[float, float]] = []

    def add(self, z: float, load: float, told: bool) -> None:
        """Take a reading's residual; the level moves when enough are in."""
        left = min(max(z - self.level * load, -5.0), 5.0)
        self.pulls.append((load * left, load * load) if told else (0.0, 0.0))
        if len(self.pulls) == self.every:
            pull, weight = (sum(column) for column in zip(*self.pulls, strict=True))
            self.level += pull / weight if weight else 0.0
            self.pulls.clear()


@dataclass
class SeasonalBaseline:
    """Twin of ``models.detectors.seasonal_baseline`` for one datastream, before the pool has learned."""

    detector: Any
    neighbours: Neighbours | None = None
    readings: int = 0
    seen: float = 0.0
    local: float = 0.0
    level: float = 0.0
    spread: float = 0.0
    last: int | None = None
    points: dict[tuple[int, int], Point] = field(default_factory=dict)
    spreads: dict[int, float] = field(default_factory=dict)
    stretch: Stretch | None = None
    product: float = 0.0
    square: float = 1.0
    before: float = 0.0
    pace: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    news: float = kept(0.1)
    records: float = 0.0
    run: int = 0
    peak: float = 0.0
    up: Side = field(default_factory=Side)
    down: Side = field(default_factory=Side)
    short: Shift = field(default_factory=lambda: Shift(1.0 / 6.0, kept(0.2)))
    long: Shift = field(default_factory=lambda: Shift(1.0 / 40.0, kept(0.1)))

    def point(self, kind: int, node: int) -> Point:
        """The point, made when it is first asked for."""
        return self.points.setdefault((kind, node), Point())

    def places(self, node: int, today: int, tomorrow: int) -> list[tuple[Point, Point, int]]:
        """The two points of the day around a time: the own one, the one that lends to it, and the point's number."""
        lenders = (1, 0, 1) if self.detector.season == "day" else (1, 0, 1, 2, 3, 6, 5, 6)
        following = (node + 1) % self.detector.bins
        return [
            (self.point(kind, at), self.point(lenders[kind], at), at)
            for kind, at in ((today, node), (tomorrow, following))
        ]

    def where(self, kind: int, local_ms: int) -> tuple[tuple[int, int, int], float]:
        """Point of the day, slot set, that of the next point; and how far towards it."""
        bins = self.detector.bins
        width = 86_400_000 // bins
        day, within = divmod(local_ms, 86_400_000)
        node = min(within // width, bins - 1)
        share = min((within - node * width) / width, 1.0)
        if self.detector.season == "day":
            return (node, kind, kind), share
        today = 7 if kind == 2 else (day + 3) % 7
        tomorrow = today if node < bins - 1 or today == 7 else (today + 1) % 7
        return (node, today, tomorrow), share

    def step(self, time_ms: int, value: float, kind: int, local_ms: int) -> Told:
        """Score one reading, then learn it."""
        d = self.detector
        if not math.isfinite(value):
            return NOTHING
        value = min(max(value, -1e15), 1e15)
        x = kept(math.sqrt(max(value, 0.0) + 0.375) if d.counts else value)
        gap = -1.0 if self.last is None else max((time_ms - self.last) * (1.0 / (86_400_000 // d.bins)), 0.0)
        self.last = time_ms if self.last is None else max(self.last, time_ms)
        passed, told = min(max(gap, 0.0), 1.0), self.readings >= d.ready
        if not self.readings:
            self.local = self.lowest = self.highest = x
        place, share = self.where(kind, local_ms)
        old = self.stretch
        if old is None or not told or old.weight + passed >= 1.0 / 60.0 or old.place != place:
            if old is not None:
                self._learn_season(old)
            self.stretch = self._begin(place, share)
        score = self._judge(x, gap, passed, told)
        self.readings += 1
        assert self.stretch is not None
        return (score, *self.stretch.told) if told else (score, math.nan, math.nan, math.nan)

    def _begin(self, place: tuple[int, int, int], share: float) -> Stretch:
        d, share = self.detector, kept(share)
        seasons, visits, here = [], 0.0, 0.0
        for (own, lender, node), weight in zip(self.places(*place), (1.0 - share, share), strict=True):
            lent = (lender.seen * lender.mean + d.shrink * self.local) / (lender.seen + d.shrink)
            prior = d.shrink**2 / (own.seen + d.shrink)
            seasons.append((own.seen * own.mean + prior * lent) / (own.seen + prior))
            visits += weight * (own.seen + lender.seen)
            here += weight * self.spreads.get(node, 0.0)
        expected = (1.0 - share) * seasons[0] + share * seasons[1] + self.level
        known = max(visits - 1.0, 0.0)
        deviation = (known * here + 2.0 * d.shrink * self.spread) / (known + 2.0 * d.shrink) * math.sqrt(math.pi / 2)
        deviation = max(deviation, d.floor, 1e-3 * abs(expected))
        wide = max(deviation * math.sqrt(1.0 + 1.0 / (1.0 + visits)), 1e-9)
        load = max(expected, math.sqrt(0.375)) / wide if d.counts else 1.0
        like = min(max(self.product / max(self.square, 0.25), 0.0), 0.5)
        reach = 1.6448536269514722 * wide / math.sqrt(1.0 - like**2)
        told = (self._plain(expected, wide), self._edge(expected - reach), self._edge(expected + reach))
        step = 20.0 / min(self.readings + 1.0 + 300.0, 6_000.0)
        known_seasons = (kept(seasons[0]), kept(seasons[1]))
        return Stretch(
            place, share, known_seasons, kept(expected), kept(1.0 / wide), kept(load), told, kept(like), kept(step)
        )

    def _plain(self, x: float, deviation: float) -> float:
        return max(max(x, 0.0) ** 2 + deviation**2 - 0.375, 0.0) if self.detector.counts else x

    def _edge(self, x: float) -> float:
        return max(max(x, 0.0) ** 2 - 0.375, 0.0) if self.detector.counts else x

    def _learn_season(self, old: Stretch) -> None:
        """What a stretch teaches once it is over."""
        d = self.detector
        missed, size = (total / (max(old.weight, 1e-18) * old.inverse) for total in (old.missed, old.size))
        visits = 0.0
        places = self.places(*old.place)
        weights = (1.0 - old.share, old.share)
        before = [(own.seen, lender.seen) for own, lender, _ in places]
        for (own, _, node), weight, season, (seen, lent) in zip(places, weights, old.seasons, before, strict=True):
            rich = min(4.0, 1.0 / max(old.weight, 1e-9))
            rate = old.weight * rich * weight
            visits += weight * (seen + lent)
            seen = min(seen + rate, max(d.visits * rich, seen))
            own.mean = kept(own.mean + rate / max(seen, 1e-9) * (season + missed - own.mean))
            spread = self.spreads.get(node, 0.0)
            self.spreads[node] = kept(spread + rate / max(seen + lent - 1.0, rate, 1e-9) * (size - spread))
            own.seen = kept(seen)
        early = 1.0 / self.readings if self.readings <= d.ready else 0.0
        weight = max(old.weight, early) * (visits + 0.05) / (visits + 1.0)
        seen = min(self.seen + weight, 168.0)
        self.spread = kept(self.spread + weight / max(seen, 1e-9) * (size - self.spread))
        self.seen = kept(seen)
        self.level = kept(self.level + old.weight / d.drift * missed)

    def _judge(self, x: float, gap: float, passed: float, told: bool) -> float:
        """The score of one reading within its stretch, which learns it."""
        now = self.stretch
        assert now is not None
        z = min(max((x - now.expected) * now.inverse, -1e15), 1e15)
        shared = self.neighbours.level * now.load if self.neighbours else 0.0
        own = z - shared
        usual = gap > 0.0 and passed <= 1.5 * self.pace
        faded = now.like
        if passed > 1.5 * max(self.pace, 1e-9):
            faded = max(now.like, 1e-30) ** (passed / max(self.pace, 1e-9))
        left = own - faded * self.before
        if self.neighbours:
            self.neighbours.add(z, now.load, told)
        weight = max(passed, 1e-9)
        now.weight = kept(now.weight + weight)
        now.missed = kept(now.missed + weight * (min(max(z, -3.0), 3.0) if told else z))
        now.size = kept(now.size + weight * (min(abs(left), 3.0) if told else abs(z)))
        self.pace = kept(self.pace + 0.1 * (passed - self.pace))
        self.local = kept(self.local + max(0.2, 1.0 / (self.readings + 1.0)) * (x - self.local))
        if not told:
            self.lowest, self.highest = min(self.lowest, x), max(self.highest, x)
            return 0.0
        unclipped, own = own, min(max(own, -3.0), 3.0)
        if usual:
            self.product = kept(self.product + (own * self.before - self.product) / 300.0)
            self.square = kept(self.square + (self.before**2 - self.square) / 300.0)
        self.before = kept(own)
        return self._weigh(x - shared / now.inverse, unclipped, left, now)

    def _weigh(self, x: float, own: float, left: float, now: Stretch) -> float:
        side = self.up if left > 0.0 else self.down
        sizes = (abs(left), self.short.push(own), self.long.push(own))
        tails = (side, self.short.tail, self.long.tail)
        over = any(size > tail.threshold for size, tail in zip(sizes, tails, strict=True))
        self.run = self.run + 1 if over else 0
        told = [tail.surprise(size) for size, tail in zip(sizes, tails, strict=True)]
        bulk = math.log10(25.0)
        loudest = max(self._doubted(told[0]), told[1], told[2])
        score = loudest - 0.3 if over else max(told) * (bulk - 0.3) / bulk
        if not self.lowest <= x <= self.highest:
            score = max(score, self._doubted(self._record(x, now)) - 0.3)
        young = self.run <= 96
        if abs(left) > side.threshold:
            if abs(left) > abs(self.peak):
                self.peak = kept(left)
        elif self.peak:
            (self.up if self.peak > 0.0 else self.down).learn_excess(abs(self.peak))
            self.peak = 0.0
        if young:
            self.up.threshold, self.down.threshold = (
                kept(max(tail.threshold + now.step * ((z > tail.threshold) - 0.02), 0.5))
                for tail, z in ((self.up, left), (self.down, -left))
            )
        self.short.learn(sizes[1], now.step, young)
        self.long.learn(sizes[2], now.step, young)
        if self.run and score >= 7.0:
            self.run += 1_000
        return score

    def _doubted(self, told: float) -> float:
        """What one reading alone told, less the doubt in it where readings come often."""
        return told - (1.0 - self.pace) * min(max((told - math.log10(25.0)) / 2.0, 0.0), 1.0)

    def _record(self, x: float, now: Stretch) -> float:
        over = max(x - self.highest, self.lowest - x)
        extent = max(self.highest - self.lowest, 2.0 / now.inverse)
        chance = 2.0 / max(self.readings, 2) * (1.0 + 0.25 * over / (0.75 * extent * self.news)) ** -4.0
        excess, records = min(over / extent, 8.0 * self.news), min(self.records + 1.0, 60.0)
        grown = min(over, 0.25 * extent)
        self.news = kept(self.news + (excess - self.news) / (records + 10.0))
        self.records = records
        if x > self.highest:
            self.highest = kept(self.highest + grown)
        else:
            self.lowest = kept(self.lowest - grown)
        return min(-math.log10(chance), 30.0) if chance > 0.0 else 30.0


@dataclass
class RunningLevel:
    """Twin of ``models.detectors.running_level`` for one datastream."""

    detector: Any
    readings: int = 0
    level: float = 0.0
    spread: float = 0.0
    run: int = 0
    first: float = 0.0
    up: Side = field(default_factory=Side)
    down: Side = field(default_factory=Side)

    def step(self, time_ms: int, value: float, kind: int, local_ms: int) -> Told:
        """Score one reading, then learn it."""
        if not math.isfinite(value):
            return NOTHING
        value = min(max(value, -1e15), 1e15)
        level = self.level if self.readings else value
        deviation = max(self.spread * math.sqrt(math.pi / 2), self.detector.floor, 1e-3 * abs(level))
        deviation = max(deviation * (1.0 + 5.0 / max(self.readings, 1)), 1e-9)
        residual = value - level
        z = residual / deviation
        ready = self.readings >= self.detector.ready
        side = self.up if residual > 0.0 else self.down
        score = side.surprise(abs(z)) if ready else 0.0
        told = (score, level, level - 1.6448536269514722 * deviation, level + 1.6448536269514722 * deviation)
        self._learn(residual, deviation, level, ready)
        if ready:
            self._learn_tails(z, abs(z) > side.threshold)
        return told if ready else (score, math.nan, math.nan, math.nan)

    def _learn(self, residual: float, deviation: float, level: float, ready: bool) -> None:
        far = abs(residual / deviation)
        weight = max((3.0 / max(far, 3.0)) ** 2, 0.125) if ready else 1.0
        learned = min(max(residual, -3.0 * deviation), 3.0 * deviation) if ready else residual
        if self.readings:
            rate = weight / min(self.readings, self.detector.memory)
            self.spread = kept(self.spread + rate * (abs(learned) - self.spread))
        self.readings += 1
        self.level = kept(level + weight / min(self.readings, self.detector.memory) * learned)

    def _learn_tails(self, z: float, beyond: bool) -> None:
        """A run beyond a threshold teaches its first excess once it is over, and moves the thresholds six times."""
        if self.run and not beyond:
            self.up.learn_excess(self.first)
            self.down.learn_excess(-self.first)
        if beyond and not self.run:
            self.first = kept(z)
        self.run = self.run + 1 if beyond else 0
        if self.run <= 6:
            self.up.learn_threshold(z, self.readings)
            self.down.learn_threshold(-z, self.readings)


def run(twin: Callable[[], Any], readings: Sequence[Reading]) -> Iterator[Told]:
    """What a twin for each row says of the readings, in their order."""
    twins: dict[int, Any] = {}
    for row, time_ms, value, kind, local_ms in readings:
        yield twins.setdefault(row, twin()).step(time_ms, value, kind, local_ms)


class Admission:
    """Twin of ``models.admission``: the last four times of each datastream."""

    def __init__(self) -> None:
        self.seen: dict[int, list[int]] = {}

    def admit(self, row: int, time: int) -> int:
        """0 fresh, 1 placed, 2 duplicate, 3 late."""
        seen = self.seen.setdefault(row, [])
        if time in seen:
            return 2
        if len(seen) == 4 and time < min(seen):
            return 3
        fresh = not seen or time > max(seen)
        self.seen[row] = sorted([*seen, time])[-4:]
        return 0 if fresh else 1


def departure(value: float, expected: float, low: float, high: float) -> float:
    """Twin of ``models.sums.departure``: deviations from the nearer half of the band, at most four."""
    half = high - expected if value >= expected else expected - low
    deviation = max(half, 0.25 * (high - low), 1e-9) / 1.6448536269514722
    return min(max((value - expected) / deviation, -4.0), 4.0)


class ZoneSums:
    """Twin of ``models.sums``: a dictionary of ticks, each a dictionary of series."""

    def __init__(self, series_of: Sequence[Sequence[int]], tick_ms: int, lateness_ms: int) -> None:
        self.series_of = series_of
        self.tick_ms = tick_ms
        self.lateness_ms = lateness_ms
        self.newest: int | None = None
        self.ticks: dict[int, dict[int, list[float]]] = {}

    def add(self, row: int, time: int, value: float, expected: tuple[float, float, float]) -> None:
        """Add one admitted reading, unless its tick is over; ``expected`` with the edges of its band."""
        self.newest = time if self.newest is None else max(self.newest, time)
        start = time - time % self.tick_ms
        if start + self.tick_ms <= self.newest - self.lateness_ms:
            return
        sums = self.ticks.setdefault(start, {})
        for series in self.series_of[row]:
            one = [1.0, value, 0.0, 0.0, 0.0, 0.0]
            if not math.isnan(expected[0]):
                one = [1.0, value, 1.0, value, expected[0], departure(value, *expected)]
            sums[series] = [a + b for a, b in zip(sums.get(series, [0.0] * 6), one, strict=True)]

    def closed(self) -> list[tuple[int, dict[int, list[float]]]]:
        """The ticks that are over, in order."""
        over = [t for t in sorted(self.ticks) if self.newest is not None and self.over(t)]
        return [(start, self.ticks.pop(start)) for start in over]

    def over(self, start: int) -> bool:
        """Has the watermark passed the tick?"""
        return self.newest is not None and start + self.tick_ms <= self.newest - self.lateness_ms


def pooled(scores: Sequence[float], score: float) -> float:
    """Twin of ``models.pool``: what ``score``, a whole number of steps of 1/20, is worth after those ``scores``."""
    steps = sorted((int(20 * seen) for seen in scores), reverse=True)
    total, step = len(steps), round(20 * score)

    def worth(at: int) -> float:
        return -math.log10(sum(seen >= at for seen in steps) / total)

    known, decade = steps[19], steps[199] if total >= 200 else -1
    slope = 1.0
    if 0 <= decade < known:
        slope = min(max((worth(known) - worth(decade)) / ((known - decade) / 20), 0.5), 4.0)
    told = worth(step) if step <= known else min(worth(known) + slope * (step - known) / 20, 30.0)
    trust = total / (total + 200_000.0)
    return trust * told + (1.0 - trust) * score


@dataclass
class Stuck:
    """Twin of ``models.detectors.stuck`` for one datastream."""

    detector: Any
    run: list[int] = field(default_factory=list)  # times of the run's readings
    value: float = math.nan
    noughts_s: float = 0.0
    others: float = 0.0

    def step(self, time_ms: int, value: float, kind: int, local_ms: int) -> Told:
        """Score one reading, then learn it."""
        if not math.isfinite(value):
            return NOTHING
        d = self.detector
        longest_s, most = d.factor * self.noughts_s + d.margin_s + d.rest_s, d.factor * self.others + d.least
        if value == self.value:
            self.run.append(time_ms)
            if value == 0.0 or d.timed:
                share = min(self.lasted() / longest_s, len(self.run) / d.least)
            else:
                share = min(self.lasted() / d.margin_s, len(self.run) / most)
            return (min(4.0 * share**2, 30.0), math.nan, math.nan, math.nan)
        if self.value == 0.0 or d.timed:
            self.noughts_s = kept(max(self.noughts_s, min(self.lasted(), longest_s)))
        else:
            self.others = kept(max(self.others, min(len(self.run), most)))
        self.value, self.run = value, [time_ms]
        return (0.0, math.nan, math.nan, math.nan)

    def lasted(self) -> float:
        """Seconds from the run's first reading to its latest."""
        return kept(max((time - self.run[0]) / 1000 for time in self.run)) if self.run else 0.0


@dataclass
class Silent:
    """Twin of ``models.detectors.silent`` for one datastream."""

    detector: Any
    last: int | None = None
    pauses: int = 0
    pace: float = 0.0
    record: float = 0.0

    def step(self, time_ms: int, value: float, kind: int, local_ms: int) -> Told:
        """Score one pause, then learn it."""
        if not math.isfinite(value):
            return NOTHING
        score = 0.0
        pause = 0.0 if self.last is None else max((time_ms - self.last) / 1000, 0.0)
        if pause > 0.0:
            if self.pauses >= self.detector.ready:
                limit = (self.detector.factor * self.record + self.detector.margin) * self.pace
                score = min(4.0 * (pause / max(limit, 0.001)) ** 2, 30.0)
                pause = min(pause, limit)
                self.record = kept(max(self.record, pause / max(self.pace, 0.001)))
            self.pauses += 1
            self.pace = kept(self.pace + (pause - self.pace) / min(self.pauses, 10))
        self.last = time_ms if self.last is None else max(self.last, time_ms)
        return (score, math.nan, math.nan, math.nan)


Found = tuple[list[int], int, float]
"""(places, duration, log-likelihood ratio)."""


def best_zones(
    points: list[list[float]],
    sizes: list[int],
    neighbours: int,
    cells: list[list[list[list[float]]]],
    totals: list[float],
    most: int,
) -> list[Found]:
    """Twin of ``models.scan.search.best``: every circle around every place, drawn and added up one by one."""
    zones: list[Found] = []
    for centre, size in zip(points, sizes, strict=True):
        far = [math.dist(centre, point) for point in points]
        order = sorted(range(len(points)), key=lambda place, far=far: (far[place], place))  # type: ignore[misc]  # bound
        for end in range(min(size, neighbours)):
            after = far[order[end + 1]] if end + 1 < len(order) else math.inf
            if after <= far[order[end]] * (1.0 + 1e-9):
                continue
            zones += [
                (order[: end + 1], duration, _ratio(order[: end + 1], duration, cells, totals))
                for duration in range(len(cells[0][0][0]))
            ]
    zones.sort(key=lambda zone: -zone[2])
    found: list[Found] = []
    for zone in zones:
        if zone[2] > 0.0 and len(found) < most and not any(set(zone[0]) & set(other[0]) for other in found):
            found.append(zone)
    return found


def _ratio(places: list[int], duration: int, cells: list[list[list[list[float]]]], totals: list[float]) -> float:
    """Kulldorff's ratio given the total, or the expectation-based one where it is infinite; streams added up."""
    ratio = 0.0
    for stream, total in enumerate(totals):
        cases = sum(cells[place][stream][0][duration] for place in places)
        expected = sum(cells[place][stream][1][duration] for place in places)
        if cases <= expected:
            continue
        if math.isinf(total):
            ratio += cases * math.log(cases / expected) + expected - cases
        else:
            rest = total - cases
            ratio += cases * math.log(cases / expected)
            ratio += rest * math.log(rest / (total - expected)) if rest > 0 else 0.0
    return ratio


def one_series(readings: Sequence[tuple[int, float]]) -> Iterator[float]:
    """The scores of one series of (second, value), each by the readings before it; NaN for a gap.

    Views: each by how far it is beyond the range of all it has been. Memory: the nearest of the remembered points in
    four spaces, in shares of the spaces' ranges. Both weigh half, an event's aftermath a tenth.
    """
    rates = [2, 5, 14, 40]
    levels: list[float] = []
    variances = [0.0] * 4
    profiles: list[dict[int, tuple[float, int]]] = [{}, {}]  # by half hour of the day, by hour of the week
    residual = [0.0] * 4
    past: list[tuple[float, float]] = []
    memories = [Memory(size) for size in (3, 3, 5, 2)]
    told = Onset()
    dice = 7
    n = 0
    for second, value in readings:
        if not math.isfinite(value):
            yield math.nan
            continue
        x = max(-1e100, min(1e100, value))
        n += 1
        if n == 1:
            levels = [x] * 4
        views = [x, x - levels[2], x - levels[3]]
        for i, rate in enumerate(rates):
            share = 1 / min(rate, n)
            off = x - levels[i]
            levels[i] += share * off
            variances[i] += share * (off**2 - variances[i])
        spreads = [math.sqrt(variance) for variance in variances]
        views += levels[:3] + spreads[1:]

        days, of_day = divmod(second, 86_400)
        weekday = (days + 3) % 7  # 1 January 1970 was a Thursday
        against = x
        for j, slot in enumerate((of_day // 1800, weekday * 24 + of_day // 3600)):
            mean, seen = profiles[j].get(slot, (0.0, 0))
            against = x - mean if seen else (0.0 if j == 0 else against)
            seen = min(seen + 1, 25)
            profiles[j][slot] = mean + (x - mean) / seen, seen
            for i, rate in enumerate(((6, 40), (6, 24))[j]):
                share = 1 / rate if j == 0 else 1 / min(rate, n)
                residual[2 * j + i] += (against - residual[2 * j + i]) * share
            views += [against, *residual[2 * j : 2 * j + 2]]

        records = 0.0
        for i, view in enumerate(views):
            if n == 1:
                past.append((view, view))
                continue
            lowest, highest = past[i]
            if highest > lowest:
                excess = max(view - highest, lowest - view, 0.0) / (highest - lowest)
                records += excess / (excess + 0.06)
            past[i] = min(lowest, view), max(highest, view)

        angle = 2 * math.pi * of_day / 86_400
        points = [
            (x, levels[1], spreads[1]),
            (levels[2], math.sin(angle), math.cos(angle)),
            (levels[0], levels[2], levels[3], spreads[2], spreads[3]),
            (levels[0], spreads[0]),
        ]
        novelty = 0.0
        for memory, point in zip(memories, points, strict=True):
            far = memory.nearest(point) if memory.kept else 0.0
            novelty += far / (far + 0.06)
            dice = memory.learn(point, dice)
        yield told.score((records / 15 + novelty / 4) / 2 * (n - 1) / (n - 1 + 1000))


@dataclass
class Memory:
    """Up to 400 points of one space that are at least 0.02 of its ranges apart, and the last 15, not yet known."""

    size: int
    kept: list[tuple[float, ...]] = field(default_factory=list)
    waiting: list[tuple[float, ...]] = field(default_factory=list)
    ranges: list[tuple[float, float]] = field(default_factory=list)

    def nearest(self, point: tuple[float, ...]) -> float:
        """Root of the mean square over the dimensions, in shares of their ranges, to the nearest that is kept."""
        best = math.inf
        for other in self.kept:
            gaps = [
                (a - b) / (high - low) if high > low else 0.0
                for a, b, (low, high) in zip(point, other, self.ranges, strict=True)
            ]
            best = min(best, sum(gap**2 for gap in gaps) / self.size)
        return math.sqrt(best)

    def learn(self, point: tuple[float, ...], dice: int) -> int:
        """Widen the ranges, keep the point of 15 readings ago where it is new; the dice as they lie then."""
        old = self.ranges or [(number, number) for number in point]
        self.ranges = [(min(low, number), max(high, number)) for (low, high), number in zip(old, point, strict=True)]
        self.waiting.append(point)
        if len(self.waiting) <= 15:
            return dice
        due = self.waiting.pop(0)
        if not self.kept or self.nearest(due) > 0.02:
            if len(self.kept) < 400:
                self.kept.append(due)
            else:
                dice = (1_103_515_245 * dice + 12_345) % 2**31
                self.kept[dice % 400] = due
        return dice


@dataclass
class Onset:
    """Evidence told as a score: whole where it is above the event's peak, a tenth below; more is asked after alerts."""

    peak: float = 0.0
    held: int = 0
    alerts: float = 0.0

    def score(self, evidence: float) -> float:
        """The score, 0..1; an alert from 0.5 on."""
        score = evidence / (evidence + 0.175 * (1 + 0.015 * self.alerts**2))
        self.alerts *= 1 - 1 / 3000
        onset = evidence > self.peak
        if evidence >= self.peak:
            self.peak, self.held = evidence, 100
        elif self.held:
            self.held -= 1
        else:
            self.peak *= 0.98
        if onset and score >= 0.5:
            self.alerts += 1
        return score if onset else 0.1 * score


class Profile:
    """Twin of ``models.forecast.profile`` for one datastream: dictionaries and lists."""

    def __init__(self, forecaster: Any) -> None:
        self.counts, self.week, self.step_ms = forecaster.counts, forecaster.season == "week", forecaster.step_ms
        self.lags = [minutes * 60_000 // self.step_ms for minutes in (15, 30, 60)]
        self.points: dict[tuple[int, int], float] = {}
        self.seen: dict[int, float] = {}
        self.time: int | None = None
        self.slot = 0
        self.off = self.last = self.level = self.local = self.spread = self.samples = 0.0
        self.past: list[float | None] = [None] * 4
        self.link = [0.0] * 3
        self.half = [[0.0, 0.0] for _ in range(3)]

    def slot_of(self, day_kind: int, local_ms: int) -> int:
        """Working day or not; of a week, the day, or 7 for a holiday."""
        if self.week:
            return 7 if day_kind == 2 else (local_ms // 86_400_000 + 3) % 7
        return min(day_kind, 1)

    def corners(self, local_ms: int) -> list[tuple[int, float]]:
        """The two points of the day beside a time, and what each weighs."""
        hours = local_ms % 86_400_000 / 3_600_000 - 0.5
        share = hours - math.floor(hours)
        both = [(math.floor(hours) % 24, 1.0 - share), ((math.floor(hours) + 1) % 24, share)]
        return [(node, part) for node, part in both if part > 0.0]

    def usual(self, slot: int, local_ms: int) -> float:
        """The usual value on the even scale, without the level."""
        return sum(part * self.point(slot, node) for node, part in self.corners(local_ms))

    def point(self, slot: int, node: int) -> float:
        """A point of the day, lent by another kind of day while it is unseen."""
        lenders = [slot, slot - 1, slot + 1, 0]
        known = [self.points[lender, node] for lender in lenders if (lender, node) in self.points]
        return known[0] if known else self.local - self.level

    def step(self, time_ms: int, value: float, day_kind: int, local_ms: int) -> None:
        """Learn one reading."""
        if not math.isfinite(value) or (self.time is not None and time_ms <= self.time):
            return
        x = min(max(value, -1e15), 1e15)
        x = math.sqrt(max(x, 0.0) + 0.375) if self.counts else x
        weight = 1.0
        if self.time is None:
            self.local = kept(x)
        else:
            passed = time_ms - self.time
            steps = (time_ms - 1) // self.step_ms - (self.time - 1) // self.step_ms
            if steps:
                self.learn(local_ms - passed, steps)
            weight = 1.0 if passed >= self.step_ms else passed / (passed + self.step_ms / 3.0)
        slot = self.slot_of(day_kind, local_ms)
        off = x - self.usual(slot, local_ms) - self.level
        self.off = kept(self.off + weight * (off - self.off))
        self.last, self.slot, self.time = kept(off), slot, time_ms
        self.local = kept(self.local + (0.2 if weight == 1.0 else weight) * (x - self.local))

    def learn(self, local_ms: int, steps: int) -> None:
        """A step is over: bands, links, the points of the day and the level; ``steps`` have passed."""
        samples = min(self.samples + 1.0, 1e6)
        rate = max(1.0 / 672.0, 1.0 / (samples + 1.0))
        base = self.usual(self.slot, local_ms)
        for h, lag in enumerate(self.lags):
            before = self.past[lag - 1] if lag else None
            if before is None:
                continue
            error = abs(self.last - self.share(h) * before)
            self.link[h] = kept(self.link[h] + rate * (self.last * before - self.link[h]))
            for level, inside in enumerate((0.8, 0.9)):
                half = self.half[h][level] or 2.0 * error
                half *= 1.0 + max(0.03, 1.0 / (samples + 1.0)) * ((error > half) - (1.0 - inside))
                self.half[h][level] = kept(max(half, 1e-3 * (1.0 + abs(base))))
        self.spread = kept(self.spread + rate * (self.off**2 - self.spread))
        most = 3.0 * self.half[2][1]
        learned = self.off if samples <= 8 or most == 0.0 else min(max(self.off, -most), most)
        weight, seen = self.step_ms / 3_600_000, self.seen.get(self.slot, 0.0)
        for node, part in self.corners(local_ms):
            old = self.points.get((self.slot, node))
            new = base + learned if old is None else old + weight / (min(seen, 4.0) + 1.0) * part * learned
            self.points[self.slot, node] = kept(new)
        self.seen[self.slot] = kept(seen + self.step_ms / 86_400_000)
        self.level = kept(self.level + weight / 48.0 * learned)
        self.past = ([None] * (steps - 1) + [self.off] + self.past)[:4]
        self.samples = samples

    def share(self, h: int) -> float:
        """How much of a departure is left after a horizon."""
        return min(max(self.link[h] / self.spread, 0.0), 1.0) if self.spread > 0.0 else 0.0

    def ahead(self, h: int, day_kind: int, local_ms: int) -> tuple[float, float, float]:
        """Middle and half widths at one horizon, on the even scale."""
        if self.samples < 8 or not self.lags[h] or self.half[h][0] == 0.0:
            return (math.nan, math.nan, math.nan)
        middle = self.usual(self.slot_of(day_kind, local_ms), local_ms) + self.level + self.share(h) * self.off
        return middle, self.half[h][0], self.half[h][1]


def trend(readings: Sequence[tuple[float, float]], memory: float, lasts: float, floor: float) -> list[list[float]]:
    """Twin of ``models.forecast.trend`` after the last of the ``readings`` (minute, value): middle and deviation at
    each of MINUTES, by a line fitted anew to all of them."""
    noise = 0.0
    for seen in range(2, len(readings)):
        level, slope, _ = _line(readings[:seen], memory)
        passed = readings[seen][0] - readings[seen - 1][0]
        missed = readings[seen][1] - level - slope * lasts * (1.0 - math.exp(-passed / lasts))
        noise += max(1.0 / 30.0, 1.0 / (seen - 1)) * (missed**2 - noise)
    level, slope, doubt = _line(readings, memory)
    told = []
    for minutes in (0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0):
        ahead = lasts * (1.0 - math.exp(-minutes / lasts))
        middle = level + slope * ahead if minutes else readings[-1][1]
        told.append([middle, math.sqrt(max(noise, floor**2)) * math.sqrt(1.0 + doubt(ahead))])
    return told


def _line(readings: Sequence[tuple[float, float]], memory: float) -> tuple[float, float, Callable[[float], float]]:
    """Level now and slope of the weighted least-squares line, and its variance at a distance, in that of the noise."""
    t = [minute - readings[-1][0] for minute, _ in readings]
    w = [math.exp(age / memory) for age in t]
    total = sum(w)
    centre = sum(a * b for a, b in zip(w, t, strict=True)) / total
    mean = sum(a * x for a, (_, x) in zip(w, readings, strict=True)) / total
    spread = sum(a * (b - centre) ** 2 for a, b in zip(w, t, strict=True))
    slope = sum(a * (b - centre) * (x - mean) for a, b, (_, x) in zip(w, t, readings, strict=True)) / spread
    return mean - slope * centre, slope, lambda ahead: 1.0 / total + (ahead - centre) ** 2 / spread


def in_unison(off: float, known: float, wide: tuple[float, float] | None) -> float:
    """Twin of ``models.departures``: by how many deviations the mean of ``known`` datastreams, off by ``off`` in all,
    is off, once each is relieved of the mean departure of ``wide`` (off, known)."""
    mood = wide[0] / max(wide[1], 1.0) if wide else 0.0
    return (off / known - mood) * math.sqrt(known)


Square = tuple[int, int, int]
"""(row, column, cells a side)."""


def cells_of(box: Square) -> set[tuple[int, int]]:
    """The cells of a box."""
    return {(box[0] + down, box[1] + right) for down in range(box[2]) for right in range(box[2])}


def box_sum(values: dict[tuple[int, int], float], box: Square) -> float:
    """Twin of ``Boxes.sums``: cell by cell."""
    return sum(values.get(cell, 0.0) for cell in sorted(cells_of(box)))


def strongest(scores: dict[Square, float], least: float, most: int) -> list[Square]:
    """Twin of ``Boxes.strongest``: the strangest first, of equal ones the smaller; none that shares a cell."""
    found: list[Square] = []
    for box in sorted(scores, key=lambda box: (-scores[box], box[2])):
        if scores[box] >= least and len(found) < most and not any(cells_of(box) & cells_of(one) for one in found):
            found.append(box)
    return found


class AlertBudget:
    """Twin of ``models.budget``: all events of all time, counted again at each call."""

    def __init__(self) -> None:
        self.began: int | None = None
        self.events: list[dict[str, Any]] = []

    def judge(self, claims: Sequence[tuple[int, float]], now: int, per_hour: float) -> tuple[float, set[int]]:
        """The line, and which datastreams become alerts."""
        self.began = now if self.began is None else self.began
        hour = 3_600_000
        for datastream, score in claims:
            event = self._running(datastream, now)
            if event is None:
                self.events.append({"who": datastream, "onset": now, "score": score, "alerted": None})
            else:
                event["score"] = max(event["score"], score)
        day = sorted((event["score"] for event in self.events if now - event["onset"] <= 24 * hour), reverse=True)
        allowed = int(per_hour * min(max((now - self.began) / hour, 1.0), 24.0))
        line = (day[allowed] if allowed < len(day) else 0.0) if per_hour > 0 else math.inf
        told: set[int] = set()
        for datastream, score in sorted(claims, key=lambda claim: (-claim[1], claim[0])):
            spent = sum(event["alerted"] is not None and now - event["alerted"] < hour for event in self.events)
            event = self._running(datastream, now)
            if event and event["alerted"] is None and score > line and spent < math.ceil(2.0 * per_hour):
                event["alerted"] = now
                told.add(datastream)
        return line, told

    def _running(self, datastream: int, now: int) -> dict[str, Any] | None:
        """The event of a datastream within the refractory time."""
        mine = [event for event in self.events if event["who"] == datastream and now - event["onset"] < 1_800_000]
        return mine[-1] if mine else None
