"""Evidence: one reading, its last few, its last hours and the record, each a reason to be surprised.

A spike is one reading far out. A shift is a weighted mean of the last readings: about 11 of them (short) or 79 (long);
it finds what no single reading shows, and its own past variance says how far such means stray here. Each of the three
is judged by its datastream's own tails (models/tails.py); the shifts by both sides together. The record tells what
lies beyond everything seen before: the chance that the n-th reading is the highest or lowest of all is 2 / n, and how
far it lies beyond, as a share of the range, is taken as generalised Pareto with the mean of former records. The
smallest probability speaks; where readings come often, what one alone says must be ten times rarer than what lasts.

Functions here work on floats inside compiled loops and on arrays (readings,) float64 alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.both import Number, choose, formula, lower, upper, within_loops
from models.tails import CAP, EXCEED, surprise

SPIKE, SHIFT, LONG_SHIFT, RECORD = 1, 2, 3, 4  # as in detectors.base.CHANNELS

SHORT_RATE, LONG_RATE = 1.0 / 6.0, 1.0 / 40.0
SHORT_START, LONG_START = 0.2, 0.1  # their variance at first: that of white noise, and of a season not yet known
SCALE_RATE = 1.0 / 500.0  # of their variance
SCALE_CLIP = 9.0  # which learns squares up to so many times itself
CLIP = 4.0  # a shift is made of many readings, not of one
BULK = 1.3979400086720377  # the surprise of what is just at its threshold: log10(0.5 / EXCEED)
PRICE = 0.3  # off the largest of the four, for one of several is large more often: log10(2), as they go together
SINGLE = 1.0  # more off what one reading says alone, where readings come often
CLAIMED = 4.5  # of what scores so much in one excursion,
REPEATS, SEVERAL = 3.0, 4.0  # so many teach the pool what a short shift is worth, and what the smallest of the four is
BOTH = 2.0 * EXCEED  # the share over the threshold of both sides together

SHAPE = 0.25  # of the generalised Pareto law of a record's excess
NEWS, NEWS_PRIOR, NEWS_MOST = 0.1, 10.0, 60.0  # usual excess as a share of the range; records it counts for, at most
NEWS_LEARNED = 8.0  # an excess is learned up to so many usual ones
STRETCHED = 0.25  # a record widens the range by at most this share


@formula
def shifted(z: Number, shift: Number, square: Number, rate: float) -> tuple[Number, Number, Number]:
    """A weighted mean and its variance after a residual of ``z`` deviations, and its square over that variance."""
    shift = shift + rate * (lower(upper(z, -CLIP), CLIP) - shift)
    size = shift * shift
    return shift, square + SCALE_RATE * (lower(size, SCALE_CLIP * square) - square), size / square


@formula
def loudest(spike: Number, shift: Number, long_shift: Number) -> tuple[Number, Number]:
    """The largest of them and whose it is."""
    most = upper(spike, upper(shift, long_shift))
    return most, choose(most == spike, SPIKE, choose(most == shift, SHIFT, LONG_SHIFT))


@formula
def ordinary(share: Number) -> Number:
    """The surprise of what lies under its threshold, at the root of a ``share`` of it."""
    root = np.sqrt(share)
    return (BULK - PRICE) * root * np.sqrt(root)


@formula
def surprises(
    spike: Number,
    shift: Number,
    long_shift: Number,
    sides: tuple[Number, Number, Number],
    brief: tuple[Number, Number, Number],
    lasting: tuple[Number, Number, Number],
) -> tuple[Number, Number, Number]:
    """The surprise of each by its own tail: threshold, mean and mean square excess."""
    return (
        surprise(spike, sides[0], sides[1], sides[2]),
        surprise(shift, brief[0], brief[1], brief[2]),
        surprise(long_shift, lasting[0], lasting[1], lasting[2]),
    )


@formula
def doubted(told: Number, pace: Number) -> Number:
    """What one reading alone ``told``, less the doubt in it: none where readings are a bin or more apart.

    ``pace`` is the usual pause in bins, 0..1. What lasts shows itself again; of single readings there are many.
    """
    return told - SINGLE * (1.0 - pace) * lower(upper(0.5 * (told - BULK), 0.0), 1.0)


@formula
def record(over: Number, extent: Number, news: Number, readings: Number) -> Number:
    """The surprise of lying ``over`` beyond everything of ``readings`` before, whose range is ``extent``."""
    rare = np.log(upper(readings, 2.0) * 0.5) + np.log1p(SHAPE * over / ((1.0 - SHAPE) * extent * news)) / SHAPE
    return lower(rare * 0.4342944819032518, CAP)


@formula
def recorded(over: Number, extent: Number, news: Number, records: Number) -> tuple[Number, Number, Number]:
    """What a record teaches: the usual excess, how many there were, and by how much the range grows."""
    records = lower(records + 1.0, NEWS_MOST)
    excess = lower(over / extent, NEWS_LEARNED * news)
    return news + (excess - news) / (records + NEWS_PRIOR), records, lower(over, STRETCHED * extent)


def faded(correlation: Number, passed: Number, pace: Number) -> Number:
    """The correlation with the reading before after an unusual pause: its power in usual ones, ``pace``."""
    ratio = passed / upper(pace, 1e-9)
    return np.where(ratio > 1.5, upper(correlation, 1e-30) ** ratio, correlation)


@within_loops(faded)
def _faded(correlation: Number, passed: Number, pace: Number) -> Callable[[Number, Number, Number], Number]:
    def seldom(correlation: Number, passed: Number, pace: Number) -> Number:
        if passed > 1.5 * upper(pace, 1e-9):  # a power is dear, and few need it
            return upper(correlation, 1e-30) ** (passed / upper(pace, 1e-9))
        return correlation

    return seldom
