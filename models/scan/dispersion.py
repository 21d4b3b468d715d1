"""Overdispersion: how much more counts vary from period to period than Poisson's law allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.scan.circles import Float64

ROUNDS, CLOSE = 20, 1e-3  # until k moves by less than this share
FAR = 16.0  # squared deviations count up to this (4 sigma): a real cluster in the past is no noise
SURE = 2.0  # standard errors; a k that is less sure is 0, so that Poisson counts are scanned as such
LEAST = 3  # periods; fewer show nothing of how counts vary


def margins(counts: Float64) -> Float64:
    """What is expected of counts (..., places, periods) of which only the sums by place and by period are known."""
    place, period = counts.sum(axis=-1, keepdims=True), counts.sum(axis=-2, keepdims=True)
    return np.asarray(place * period / np.maximum(counts.sum(axis=(-2, -1), keepdims=True), 1.0))


def dispersion(counts: NDArray[np.generic]) -> Float64:
    """(streams,) k of the variance mu (1 + k mu) of counts (places, streams, periods) about their margins; 0 or more.

    By moments, each cell weighted by what it tells of k (its mean squared over the variance of its squared deviation,
    2 + 1/mu). 0 where there are fewer than LEAST periods, or where k is within SURE standard errors of 0.
    """
    cells = np.moveaxis(np.asarray(counts, np.float64), 1, 0)
    return np.array([_one(stream) if stream.shape[-1] >= LEAST else 0.0 for stream in cells])


def _one(counts: Float64) -> float:
    """k of one stream (places, periods)."""
    total = counts.sum()
    mean = margins(counts)
    left = (1.0 - counts.sum(axis=1, keepdims=True) / max(total, 1.0)) * (1.0 - counts.sum(axis=0) / max(total, 1.0))
    known = (mean > 0.0) & (left > 0.0)
    if not known.any():
        return 0.0
    mean, square = mean[known], ((counts - mean) ** 2)[known] / (mean * left)[known]
    weight = mean / (2.0 + 1.0 / mean)
    tells = float((weight * mean).sum())
    k = 0.0
    for _ in range(ROUNDS):
        before = k
        k = max(float((weight * (np.minimum(square, FAR * (1.0 + k * mean)) - 1.0)).sum()) / tells, 0.0)
        if abs(k - before) <= CLOSE * k:
            break
    return k if k > SURE / np.sqrt(tells) else 0.0


def alike(counts: NDArray[np.generic], k: Float64) -> float:
    """How far the overdispersion of the streams is one and the same, 0..1: their wobbles' mean correlation.

    ``counts`` (places, streams, periods), ``k`` (streams,). Of two streams that share theirs, the product of deviations
    has the mean sqrt(k k') mu mu'. 0 where fewer than two streams are overdispersed.
    """
    spread = np.flatnonzero(k > 0.0)
    if len(spread) < 2:
        return 0.0
    cells = np.moveaxis(np.asarray(counts, np.float64), 1, 0)[spread]
    mean = margins(cells)
    phi = np.sqrt(np.maximum(mean * (1.0 + k[spread, None, None] * mean), 1e-300))
    left = np.clip((cells - mean) / phi, -(FAR**0.5), FAR**0.5)
    wobble = np.sqrt(k[spread, None, None]) * mean / phi
    together = (left.sum(axis=0) ** 2 - (left**2).sum(axis=0)).sum()
    most = (wobble.sum(axis=0) ** 2 - (wobble**2).sum(axis=0)).sum()
    return float(np.clip(together / max(most, 1e-300), 0.0, 1.0))
