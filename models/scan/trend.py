"""A baseline from populations and a past: Poisson regression of cases on the population with a trend in time."""

from __future__ import annotations

import numpy as np

from models.scan.circles import Float64
from models.scan.expected import Counts

ROUNDS = 100
CLOSE = 1e-12


def trend(past: Counts, population: Float64, ahead: Float64) -> Float64:
    """(places, periods ahead) expected cases: population times exp(a + b t), a and b fitted to the past.

    ``past`` (places, periods) cases and ``population`` (places, periods) of the same periods, ``ahead`` (places,
    periods) the population of the periods that follow. Newton's method for the generalised linear model with a
    logarithmic link (McCullagh and Nelder, Generalized Linear Models, 1989). With fewer than two periods, or none with
    cases, there is no trend: b is 0.
    """
    periods = past.shape[1]
    when = np.arange(periods + ahead.shape[1], dtype=np.float64) - (periods - 1)
    cases, exposed = past.sum(axis=0).astype(np.float64), population.sum(axis=0)
    if exposed.sum() <= 0.0 or cases.sum() <= 0.0:
        raise ValueError(f"{cases.sum():g} cases among {exposed.sum():g} people before the scan give no rate")
    a, b = float(np.log(cases.sum() / exposed.sum())), 0.0
    design = np.stack([np.ones(periods), when[:periods]])
    for _ in range(ROUNDS if periods > 1 else 0):
        mean = exposed * np.exp(a + b * when[:periods])
        step = np.linalg.lstsq((design * mean) @ design.T, design @ (cases - mean), rcond=None)[0]
        a, b = a + float(step[0]), b + float(step[1])
        if np.abs(step).max() < CLOSE:
            break
    return np.asarray(ahead * np.exp(a + b * when[periods:]))
