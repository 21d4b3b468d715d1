"""Tails: how improbable a standardised residual is, learned per datastream while the stream flows.

Peaks over threshold, streaming (Siffer et al., Anomaly Detection in Streams with Extreme Value Theory, KDD 2017): the
2 % quantile of each side is tracked by stochastic approximation (Robbins and Monro, 1951), the excesses over it are
taken as generalised Pareto with their first two moments (Hosking and Wallis, Technometrics 1987), so that a tail is
three numbers. Both start at a prior and move away from it as excesses are seen.

Functions here work on floats inside compiled loops and on arrays (readings,) float64 alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.both import Number, choose, formula, lower, upper, within_loops

EXCEED = 0.02  # the share of readings over the threshold of one side
THRESHOLD, EXCESS, SQUARE = 2.2, 0.55, 0.75  # the prior: a little heavier than normal, shape 0.16
PRIOR = 25.0  # excesses the prior counts for
MEMORY = 400.0  # excesses after which older ones fade
QUANTILE_PRIOR, QUANTILE_MEMORY = 300.0, 6_000.0  # the same in readings, for the threshold
SHAPE_LOW, SHAPE_HIGH = 0.02, 0.45  # a tail with an end, or without a variance, is not believed
LEARNED = 8.0  # an excess is learned up to so many means: what lies beyond is news, not noise
CAP = 30.0  # the largest score


@formula
def surprise(z: Number, threshold: Number, excess: Number, square: Number) -> Number:
    """-log10 of the two-sided tail probability of ``z`` >= 0, 0..CAP, increasing in ``z``.

    Under the threshold the one-sided probability runs from 1/2 at 0 to EXCEED as exp(-z^1.5), close to the normal
    law; over it the generalised Pareto of the excesses goes on.
    """
    share = lower(z / threshold, 1.0)
    bulk = share * np.sqrt(share) * 3.2188758248682006  # log(0.5 / EXCEED)
    return lower((bulk + beyond(z - threshold, excess, square)) * 0.4342944819032518, CAP)


def beyond(over: Number, excess: Number, square: Number) -> Number:
    """-log of the probability that an excess is at least ``over``, by the generalised Pareto law of those moments."""
    return _pareto(upper(over, 0.0), excess, square)


@formula
def _pareto(over: Number, excess: Number, square: Number) -> Number:
    ratio = excess * excess / upper(square - excess * excess, 1e-6 * excess * excess + 1e-12)
    shape = lower(upper(0.5 * (1.0 - ratio), SHAPE_LOW), SHAPE_HIGH)
    scale = upper(excess * (1.0 - shape), 1e-6)
    return np.log1p(shape * over / scale) / shape


@within_loops(beyond)
def _beyond(over: Number, excess: Number, square: Number) -> Callable[[Number, Number, Number], Number]:
    def seldom(over: Number, excess: Number, square: Number) -> Number:
        return _pareto(over, excess, square) if over > 0.0 else 0.0  # the logarithm is dear, and few need it

    return seldom


@formula
def stride(readings: Number) -> Number:
    """How far a threshold moves at the ``readings``-th reading of its datastream."""
    return 20.0 / lower(readings + QUANTILE_PRIOR, QUANTILE_MEMORY)  # 20: one over a normal's density there


@formula
def moved(over: Number, threshold: Number, step: Number, exceed: float) -> Number:
    """The threshold that a share ``exceed`` passes after a reading that is ``over`` it or not, by a ``step``."""
    return upper(threshold + step * (choose(over, 1.0, 0.0) - exceed), 0.5)


@formula
def moved_threshold(z: Number, threshold: Number, readings: Number) -> Number:
    """The threshold after a reading ``z`` of this side (negative: the other side), the ``readings``-th one."""
    return moved(z > threshold, threshold, stride(readings), EXCEED)


@formula
def moved_moments(
    z: Number, threshold: Number, excess: Number, square: Number, count: Number
) -> tuple[Number, Number, Number]:
    """Mean, mean square and number of the excesses after ``z``; an excess is learned up to LEARNED means."""
    over = lower(z - threshold, LEARNED * excess)
    here = choose(over > 0.0, 1.0, 0.0)
    count = lower(count + here, MEMORY)
    rate = here / (count + PRIOR)
    return excess + rate * (over - excess), square + rate * (over * over - square), count
