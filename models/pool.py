"""Pooled calibration: what a score is worth, learned from all datastreams of a kind together.

One datastream sees too little to know how often it passes a one-in-100,000 score; 100,000 of them know it in an hour.
The scores of quiet readings are counted in steps of 1/STEPS; the share at or above a score is its p-value (split
conformal prediction, Vovk et al. 2005, pooled and streaming), and beyond what was seen often enough the line through
the last decade goes on. Until some hundred thousand readings were seen, the score itself is mixed in.

The table moves only after every REFRESH readings, so that results do not depend on how a stream is cut into batches.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.both import formula
from models.tails import CAP

STEPS = 20  # a unit of score
SIZE = int(CAP) * STEPS + 2
REFRESH = 65_536  # readings between two tables
TRUST = 200_000.0  # readings after which the pool weighs as much as the score itself
MOST = 2.0e7  # readings after which older ones fade
ENOUGH, DECADE = 20.0, 200.0  # readings at or above a score that make it known; and those that give the slope beyond
FLATTEST, STEEPEST = 0.5, 4.0


def counts() -> NDArray[np.float64]:
    """(SIZE + 1,): how many scores fell into each step, and behind them how many readings there were."""
    return np.zeros(SIZE + 1)


def table() -> NDArray[np.float64]:
    """(SIZE,): the calibrated score at the start of each step; at first the score itself."""
    return np.arange(SIZE) / STEPS


@formula
def refresh(seen: NDArray[np.float64], worth: NDArray[np.float64]) -> None:
    """Write the calibrated scores of what was ``seen`` into the table ``worth``."""
    total = 0.0
    for i in range(SIZE):
        total += seen[i]
    if total < ENOUGH:
        return
    above, known, decade = 0.0, -1, -1
    for i in range(SIZE - 1, -1, -1):
        above += seen[i]
        if above >= ENOUGH and known < 0:
            known = i
        if above >= DECADE and decade < 0:
            decade = i
        worth[i] = -math.log10(above / total) if above > 0.0 else 0.0
    slope = 1.0
    if 0 <= decade < known:
        slope = min(max((worth[known] - worth[decade]) * STEPS / (known - decade), FLATTEST), STEEPEST)
    trust, last = total / (total + TRUST), worth[known]
    for i in range(SIZE):
        beyond = last + slope * (i - known) / STEPS
        told = worth[i] if i <= known else min(beyond, CAP)
        worth[i] = trust * told + (1.0 - trust) * i / STEPS
    if total > MOST:
        for i in range(SIZE):
            seen[i] = math.floor(0.5 * seen[i])
