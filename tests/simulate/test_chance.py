"""Chance as a function: the right distributions, the same whenever asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sensors.simulate import chance

MANY = 200_000


def _bits(stream: str = "test", seed: int = 1) -> chance.Bits:
    return chance.keys(seed, stream, np.arange(MANY))


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(0, 2**44))
def test_one_draw_is_that_of_the_batch(seed: int, number: int, moment: int) -> None:
    """A number drawn alone is the one drawn among others."""
    together = chance.drawn(chance.keys(seed, "a", np.arange(number, number + 3)), np.array([moment, 7, moment]))
    alone = chance.drawn(chance.keys(seed, "a", np.array([number + 2])), np.array([moment]))
    assert alone[0] == together[2]


def test_streams_and_seeds_differ() -> None:
    """No two streams or seeds share numbers."""
    draws = [set(_bits(*who).tolist()) for who in (("a", 1), ("b", 1), ("a", 2))]
    assert [len(draw) for draw in draws] == [MANY] * 3
    assert not draws[0] & draws[1] and not draws[0] & draws[2]


def test_uniform() -> None:
    """Uniform numbers are uniform, and inside (0, 1)."""
    u = chance.uniform(_bits())
    assert u.min() > 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 0.001


def test_normal_pair() -> None:
    """Both numbers of a pair are standard normal and know nothing of each other."""
    x, y = chance.normal_pair(_bits())
    assert stats.kstest(x, "norm").pvalue > 0.001
    assert stats.kstest(y, "norm").pvalue > 0.001
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.01
    assert np.abs(x).max() > 4


def test_neighbouring_moments_are_independent() -> None:
    """The next moment's number tells nothing of this one's."""
    key = chance.keys(1, "a", np.array([5]))
    u = chance.uniform(chance.drawn(key, np.arange(MANY)))
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.01


def test_wander_is_slow_and_of_unit_variance() -> None:
    """Slow noise keeps its variance between knots, moves little in a step, and forgets in three knots."""
    key = chance.keys(1, "w", np.arange(4_000))
    at = [chance.wander(key, np.full(4_000, t), 60_000) for t in (0, 15_000, 30_000, 31_000, 180_000)]
    assert [float(x.std()) for x in at] == pytest.approx([1.0] * 5, abs=0.05)
    assert np.corrcoef(at[2], at[3])[0, 1] > 0.99
    assert abs(np.corrcoef(at[0], at[4])[0, 1]) < 0.05


@pytest.mark.parametrize("rate", [0.05, 0.7, 4.0, 9.9, 10.1, 35.0, 400.0])
def test_poisson(rate: float) -> None:
    """Counts have Poisson's mean, variance and tails, on both sides of the change of method."""
    z, _ = chance.normal_pair(_bits("z"))
    counts = chance.poisson(np.full(MANY, rate), z, _bits("u"))
    assert counts.mean() == pytest.approx(rate, rel=0.02)
    assert counts.var() == pytest.approx(rate, rel=0.03)
    edge = stats.poisson.isf(1e-3, rate)
    assert (counts > edge).mean() == pytest.approx(stats.poisson.sf(edge, rate), rel=0.35)
    assert (counts == np.floor(counts)).all() and counts.min() >= 0


def test_poisson_of_nothing() -> None:
    """A rate of zero counts nobody."""
    counts = chance.poisson(np.zeros(1000), np.zeros(1000), _bits()[:1000])
    assert counts.tolist() == [0.0] * 1000
