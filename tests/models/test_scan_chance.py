"""Chance: replicates that are what they say, ranks, Gumbel's law, overdispersion and baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from models.scan.chance import gumbel, rank, replicates
from models.scan.circles import circles
from models.scan.dispersion import alike, dispersion
from models.scan.expected import Expected, at_large, by_margins, by_past, by_weight, given
from models.scan.shares import learned
from models.scan.tally import durations_of, shared_out
from models.scan.trend import trend


def negative_binomial(rng: np.random.Generator, mean: Any, k: float) -> Any:
    """Counts of variance mean (1 + k mean)."""
    return rng.poisson(mean * rng.gamma(1.0 / k, k, mean.shape)) if k else rng.poisson(mean)


def test_replicates_do_not_depend_on_threads() -> None:
    """One seed gives one list of maxima, in one thread or in three."""
    drawn = circles(np.random.default_rng(1).uniform(0, 1, (30, 2)), 8)
    expected = given(np.full((30, 1, 3), 2.0))
    one, three = (
        list(replicates(drawn, expected, np.arange(1, 4), 50, np.random.default_rng(4), threads)) for threads in (1, 3)
    )
    assert np.array_equal(one, three)


def test_p_is_uniform_under_the_null() -> None:
    """Of 200 scans of counts drawn from what is expected, p below 0.1 comes in a tenth."""
    rng = np.random.default_rng(8)
    drawn = circles(rng.uniform(0, 1, (40, 2)), 10)
    expected = given(np.full((40, 1, 4), 1.5), np.array([0.4]))
    maxima = np.concatenate(list(replicates(drawn, expected, np.arange(1, 5), 399, rng)))
    others = np.concatenate(list(replicates(drawn, expected, np.arange(1, 5), 200, rng)))
    p = np.array([rank(score, maxima) for score in others])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_rank_counts_itself_and_what_is_alike() -> None:
    """(1 + as high) / (1 + replicates); sums in another order count as equal."""
    assert rank(2.0, np.array([1.0, 2.0 - 1e-12, 3.0])) == pytest.approx(3 / 4)


def test_gumbels_law_is_found_again() -> None:
    """From 5,000 maxima to a few percent; a score has the p that asks for it."""
    maxima = stats.gumbel_r(5.0, 1.3).rvs(5_000, random_state=np.random.default_rng(2))
    law = gumbel(maxima)
    assert law.location == pytest.approx(5.0, abs=0.1)
    assert law.scale == pytest.approx(1.3, rel=0.05)
    assert law.p(law.score(0.01)) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="1 maxima are too few"):
        gumbel(np.array([1.0]))


@pytest.mark.parametrize("k", [0.05, 0.5, 2.0])
def test_overdispersion_is_found(k: float) -> None:
    """Within a quarter, whatever the places' and days' levels, from 60 days of 200 places."""
    rng = np.random.default_rng(4)
    mean = rng.gamma(1.5, 4.0, (200, 1, 1)) * rng.gamma(5.0, 0.2, 60)
    assert dispersion(negative_binomial(rng, mean, k))[0] == pytest.approx(k, rel=0.25)


def test_poisson_counts_have_none() -> None:
    """0, so that they are scanned as Poisson; and fewer than three periods tell nothing."""
    rng = np.random.default_rng(5)
    counts = rng.poisson(rng.gamma(1.0, 3.0, (100, 1, 1)) * np.ones(30))
    assert dispersion(counts).tolist() == [0.0]
    assert dispersion(counts[:, :, :2]).tolist() == [0.0]
    assert dispersion(np.zeros((5, 2, 9))).tolist() == [0.0, 0.0]


def test_a_cluster_in_the_past_is_no_noise() -> None:
    """20 times the cases at five places on a day of sixty do not make k: without them it is 0, with them below 0.05."""
    counts = np.random.default_rng(6).poisson(5.0, (100, 1, 60))
    counts[:5, 0, 30] *= 20
    assert dispersion(counts)[0] < 0.05


@pytest.mark.parametrize("conditioned", [True, False])
def test_draws_have_the_mean_and_the_variance_that_are_told(conditioned: bool) -> None:
    """Mean m and variance m (1 + k m), to a few percent; given totals are kept."""
    expected = Expected(np.full((400, 1, 2), 5.0), np.array([0.5]), np.full((400, 1), np.inf), conditioned)
    rng = np.random.default_rng(3)
    draws = np.stack([expected.draw(rng) for _ in range(200)])
    assert draws.mean() == pytest.approx(5.0, rel=0.02)
    assert draws.var(axis=0).mean() == pytest.approx(5.0 * 3.5, rel=0.05)
    if conditioned:
        assert (draws.sum(axis=1) == 2000).all()


def test_learned_means_waver_as_much_as_they_are_unknown() -> None:
    """The sum over a week learned from 4 weeks has a quarter of its square mean over 4 more variance."""
    rng = np.random.default_rng(9)
    past, window = rng.poisson(10.0, (300, 1, 28)), rng.poisson(10.0, (300, 1, 7))
    expected = by_past(past, window)
    assert expected.uncertain(np.array([7]))[0, 0] == pytest.approx(1.25, rel=0.02)
    sums = np.stack([expected.draw(rng).sum(axis=2) for _ in range(300)])
    assert sums.var(axis=0).mean() == pytest.approx(70.0 * 1.25, rel=0.1)


def test_the_past_is_shared_out_and_totals_are_kept() -> None:
    """Means follow the places' past, sum to each period's total, and are above 0 where nothing ever was."""
    past = np.zeros((3, 1, 10), np.int64)
    past[:2, 0] = [[3], [1]]
    window = np.zeros((3, 1, 2), np.int64)
    window[0, 0] = [40, 80]
    expected = by_past(past, window)
    assert expected.mean.sum(axis=0).tolist() == [pytest.approx([40.0, 80.0])]
    assert expected.mean[0] == pytest.approx(expected.mean[1] * 3, rel=0.05)
    assert (expected.mean[2] > 0).all()


def test_a_rare_category_leans_on_all_categories() -> None:
    """Where a category was never seen, a busy place is expected to have more of it than a quiet one."""
    past = np.zeros((2, 2, 5), np.int64)
    past[:, 0] = [[90], [10]]
    window = np.ones((2, 2, 1), np.int64)
    mean = by_past(past, window).mean[:, 1, 0]
    assert 5.0 < mean[0] / mean[1] < 9.0


def test_other_baselines_keep_the_totals_too() -> None:
    """By the population, by margins and purely spatial."""
    window = np.random.default_rng(1).poisson(4.0, (20, 2, 6))
    weight = np.arange(1.0, 21.0)
    for expected in (by_weight(window[:, :, :0], window, weight), by_margins(window)):
        assert np.allclose(expected.mean.sum(axis=0), window.sum(axis=0))
    whole = window.sum(axis=2, keepdims=True)
    assert np.allclose(at_large(whole, weight).mean.sum(axis=0), whole.sum(axis=0))
    assert np.allclose(by_margins(window).mean.sum(axis=2), window.sum(axis=2))


def test_a_trend_goes_on() -> None:
    """Cases that grow by a tenth a year among steady people are expected to grow on; no cases give no rate."""
    people = np.full((4, 20), 1e6)
    past = np.rint(people * 1e-3 * 1.1 ** np.arange(20)).astype(np.int64)
    ahead = trend(past, people, np.full((4, 2), 1e6))
    assert ahead[0] == pytest.approx([1e3 * 1.1**20, 1e3 * 1.1**21], rel=0.01)
    assert trend(past[:, :1], people[:, :1], people[:, :1])[0] == pytest.approx([1000.0])
    with pytest.raises(ValueError, match="give no rate"):
        trend(np.zeros((4, 20), np.int64), people, people[:, :1])


@pytest.mark.parametrize("total", [50, 5_000])
def test_cases_are_shared_out_as_a_multinomial(total: int) -> None:
    """Case by case or place by place: means, variances and totals are right, and no case is where none can be."""
    weight = np.array([0.0, 1.0, 2.0, 5.0, 2.0, 0.0])[:, None] * np.ones(2_000)
    counts = shared_out(np.full(2_000, total), weight, np.random.default_rng(1))
    share = weight[:, 0] / weight[:, 0].sum()
    assert (counts.sum(axis=0) == total).all()
    assert counts.mean(axis=1) == pytest.approx(total * share, rel=0.02)
    assert counts.var(axis=1) == pytest.approx(total * share * (1.0 - share), rel=0.12)
    assert (counts[[0, 5]] == 0).all()


def test_sums_run_back_from_the_last_period() -> None:
    """Each duration has the last periods, weighted and divided."""
    counts = np.arange(12).reshape(2, 1, 6)
    sums = durations_of(counts, np.full(counts.shape, 0.5), np.array([[1.0, 2.0]]), np.array([1, 3]))
    assert sums.tolist() == [[[2.5, 3.0]], [[5.5, 7.5]]]


@pytest.mark.parametrize(("cases", "spread"), [(0.6, 0.5), (9.0, 0.5), (9.0, 5.0), (90.0, 5.0)])
def test_shares_are_believed_as_far_as_they_are_known(cases: float, spread: float) -> None:
    """Whatever the level and however unequal the places, the true shares stray from the learned ones as is told."""
    rng = np.random.default_rng(7)
    strays = []
    for _ in range(60):
        rate = rng.gamma(spread, 1.0 / spread, (100, 1))
        shape = learned(rng.poisson(cases * rate).astype(np.float64))
        share, mean = rate / rate.sum(), shape / shape.sum()
        strays.append(((share - mean) ** 2 / (mean**2 / shape)).mean())
    assert np.mean(strays) == pytest.approx(1.0, abs=0.25)


def test_other_streams_tell_where_they_are_alike() -> None:
    """A stream of 30 cases follows the geography of a large one, if its own cases do, and else not."""
    rng = np.random.default_rng(2)
    rate = rng.gamma(0.5, 2.0, 200)
    alike = np.stack([rng.poisson(100 * rate), rng.poisson(0.15 * rate)], axis=1).astype(np.float64)
    apart = np.stack([rng.poisson(100 * rate), rng.poisson(15 * rng.permutation(rate))], axis=1).astype(np.float64)
    shape = learned(alike)[:, 1]
    assert np.corrcoef(shape / shape.sum(), rate)[0, 1] > 0.95
    shape = learned(apart)[:, 1]
    assert np.corrcoef(shape / shape.sum(), apart[:, 1])[0, 1] > 0.95


@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_streams_that_wobble_together_are_known_and_drawn_so(common: float) -> None:
    """The share that streams have in common is found to a tenth, and replicates have it again."""
    rng = np.random.default_rng(8)
    told = Expected(np.full((300, 3, 30), 6.0), np.full(3, 0.4), np.full((300, 3), np.inf), False, alike=common)
    counts = told.draw(rng)
    k = dispersion(counts)
    assert k == pytest.approx([0.4] * 3, rel=0.15)
    assert alike(counts, k) == pytest.approx(common, abs=0.1)
    assert alike(counts, np.array([0.4, 0.0, 0.0])) == 0.0
