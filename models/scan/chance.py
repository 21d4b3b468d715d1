"""How often chance alone gives a ratio as high: ranks among Monte-Carlo replicates, and Gumbel's law."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from models.scan.circles import Circles, Float64
from models.scan.expected import Durations, Expected
from models.scan.search import Table, highest

EULER = 0.5772156649015329
ALIKE = 1e-9  # a share of the ratio: sums of the same numbers in another order


def views(table: Table) -> list[Table]:
    """All streams together, and then, where there are several, each alone."""
    streams = len(table.totals)
    alone = [Table(table.cells[:, [m]], table.totals[[m]]) for m in range(streams)] if streams > 1 else []
    return [table, *alone]


def replicates(
    circles: Circles, expected: Expected, durations: Durations, count: int, rng: np.random.Generator, threads: int = 1
) -> Iterator[Float64]:
    """The highest ratio (views,) of each of ``count`` draws from ``expected``, as they are worked out.

    Each draw has a generator of its own, so that the result does not depend on ``threads``. The search lets other
    threads run: this can go on in the background.
    """
    circles, expected = circles.along(circles.curve), expected.along(circles.curve)
    seen = expected.table(np.zeros(expected.mean.shape), durations)
    base = seen.cells[:, :, 1]

    def one(own: np.random.Generator) -> Float64:
        counts = expected.draw(own)
        cells = np.empty_like(seen.cells)
        cells[:, :, 0], cells[:, :, 1] = expected.sums(counts, durations), base
        totals = counts.sum(axis=(0, 2)).astype(np.float64) if expected.relative else seen.totals
        return np.array([highest(circles, view) for view in views(Table(cells, totals))])

    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(one, rng.spawn(count))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def rank(score: float, maxima: Float64) -> float:
    """The p-value of ``score`` among the highest ratios (n,) of replicates: (1 + how many are as high) / (1 + n)."""
    return float((1 + np.count_nonzero(maxima >= score * (1.0 - ALIKE))) / (1 + len(maxima)))


@dataclass(frozen=True, slots=True)
class Gumbel:
    """The law of a maximum: P(X <= x) = exp(-exp(-(x - location) / scale))."""

    location: float
    scale: float

    def p(self, score: float) -> float:
        """The probability of a maximum of at least ``score``."""
        return float(-np.expm1(-np.exp(-(score - self.location) / self.scale)))

    def score(self, p: float) -> float:
        """The ratio that a maximum reaches with probability ``p``."""
        return float(self.location - self.scale * np.log(-np.log1p(-p)))


def gumbel(maxima: Float64) -> Gumbel:
    """The law fitted to maxima (n,) by L-moments, which one high value moves less than it moves a variance.

    Scale = l2 / ln 2, location = l1 - 0.5772 scale (Hosking, Journal of the Royal Statistical Society B 1990).
    """
    ordered = np.sort(np.asarray(maxima, np.float64))
    n = len(ordered)
    if n < 2:
        raise ValueError(f"{n} maxima are too few for a Gumbel law; it needs at least 2")
    first = float(ordered.mean())
    second = float(2.0 * (np.arange(n) * ordered).sum() / (n * (n - 1)) - first)
    scale = max(second / np.log(2.0), 1e-12)
    return Gumbel(first - EULER * scale, scale)
