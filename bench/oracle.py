"""The limit of single datastreams in the simulated week: who knows the law of every reading, and what is looked for.

For each datastream the oracle is told what no detector can know: the mean of this very reading (rhythm, mood, habit),
the law around it (over-dispersed counts, a t-law of 4 degrees of freedom, bursts), and that a spike is 6 times and a
shift 3 times that mean, a loss nothing at all. It ranks single readings by the likelihood ratio, which no test beats
(Neyman and Pearson, 1933), and what lasts by CUSUM of it (Page, 1954), which no rule that knows as much finds sooner
(Moustakides, 1986). What it misses at a number of false alerts an hour, the noise hides.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import t

from bench import week

Float64 = NDArray[np.float64]

KINDS = ("spike", "shift", "loss")
CROWD = 8.0  # shape of the gamma law that makes counts over-dispersed
EACH = 400  # counts up to this have a column of their own; beyond, columns are 2 % apart
APART = 1.02
MEANS = np.geomspace(1e-3, 2e4, 600)


@cache
def law() -> Float64:
    """(means, columns): the logarithm of the probability of a count at a mean."""
    counts = np.append(np.arange(EACH + 1.0), EACH * APART ** np.arange(1, 300))
    edges = np.sinh(np.linspace(-5.0, 5.0, 161))
    heavy = np.exp(np.clip(week.HEAVY * 0.5 * (edges[1:] + edges[:-1]), -3.0, 3.0))
    share = np.diff(t.cdf(edges, 4))
    burst = np.array([1.0, week.BURST])
    factor = np.concatenate([heavy * one for one in burst])
    weight = np.concatenate([share * (1.0 - week.BURST_CHANCE), share * week.BURST_CHANCE]) / share.sum()
    ways = gammaln(counts + CROWD) - gammaln(CROWD) - gammaln(counts + 1.0)
    table = np.empty((len(MEANS), len(counts)))
    for row, mean in enumerate(MEANS.tolist()):
        mu = (mean * factor)[:, None]
        each = ways + CROWD * np.log(CROWD / (CROWD + mu)) + counts * np.log(mu / (CROWD + mu))
        table[row] = np.log(weight @ np.exp(each) + 1e-300)
    return table


@njit(cache=True)
def _log_p(count: float, mean: float, table: Float64, first: float, step: float) -> float:
    """Between the table's entries."""
    row = min(max((np.log(mean) - first) / step, 0.0), len(table) - 1.001)
    column = count if count <= EACH else EACH + np.log(count / EACH) / np.log(APART)
    column = min(column, table.shape[1] - 1.001)
    i, j = int(row), int(column)
    u, v = row - i, column - j
    near = (1.0 - v) * table[i, j] + v * table[i, j + 1]
    far = (1.0 - v) * table[i + 1, j] + v * table[i + 1, j + 1]
    return float((1.0 - u) * near + u * far)


@njit(cache=True)
def judge(state: Float64, value: Float64, mean: Float64, table: Float64, first: float, step: float) -> None:
    """Evidence (kinds, n) after one reading of each datastream (n,) whose mean is known; NaN leaves it as it was."""
    for k in range(len(value)):
        if value[k] != value[k]:
            continue
        usual = _log_p(value[k], mean[k], table, first, step)
        state[0, k] = _log_p(value[k], 6.0 * mean[k], table, first, step) - usual
        state[1, k] = max(state[1, k], 0.0) + _log_p(value[k], 3.0 * mean[k], table, first, step) - usual
        state[2, k] = max(state[2, k], 0.0) - usual if value[k] == 0.0 else 0.0


class Oracle:
    """Evidence of each kind for people's counts, reading by reading."""

    def __init__(self, town: week.City) -> None:
        self.town, self.n = town, town.of("gate").stop
        self.evidence = np.zeros((len(KINDS), self.n))
        self.table = law()
        self.first, self.step_ = float(np.log(MEANS[0])), float(np.log(MEANS[1] / MEANS[0]))

    def step(self, tick: int, value: Float64) -> Float64:
        """Evidence (kinds, n) after a tick, in natural logarithms."""
        mean = self.town.usual(tick)[: self.n].astype(np.float64)
        judge(self.evidence, value[: self.n], mean, self.table, self.first, self.step_)
        return self.evidence
