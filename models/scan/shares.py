"""Which share of a stream's cases each place has, learned from few cases."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from models.scan.circles import Float64

HALF = 0.5  # cases that a place is given before the other streams are asked
EVEN = (0.05, 0.3, 1.0)  # how much of the prior is even over all places; the rest is as the other streams are
WORTH = tuple(0.02 * 2.0**n for n in range(11))  # cases a place that the prior counts for


def learned(seen: Float64) -> Float64:
    """(places, streams) of what shape the gamma law of each place's share is, given cases ``seen`` (places, streams).

    Cases plus a prior: the share that the other streams have there, mixed with an even one. Mixture and worth of the
    prior are those under which what was seen is likeliest (empirical Bayes for the Dirichlet-multinomial law; Minka,
    Estimating a Dirichlet distribution, 2000). The mean share is the shape over the sum of shapes, and its relative
    variance one over the shape.
    """
    places = len(seen)
    others = seen.sum(axis=1, keepdims=True) - seen + HALF
    others /= others.sum(axis=0)
    best, likeliest = seen, np.full(seen.shape[1], -np.inf)
    for even in EVEN:
        share = (1.0 - even) * others + even / places
        for worth in WORTH:
            prior = places * worth * share
            likelihood = _likelihood(seen, prior)
            best = np.where(likelihood > likeliest, seen + prior, best)
            likeliest = np.maximum(likelihood, likeliest)
    return best


def _likelihood(seen: Float64, prior: Float64) -> Float64:
    """(streams,) the logarithm of the Dirichlet-multinomial probability of what was seen, up to a constant."""
    some = seen > 0.0  # the others add nothing
    each = np.where(some, gammaln(seen + prior) - gammaln(prior), 0.0).sum(axis=0)
    whole = prior.sum(axis=0)
    return np.asarray(each + gammaln(whole) - gammaln(seen.sum(axis=0) + whole))
