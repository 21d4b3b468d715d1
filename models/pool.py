"""Pooled calibration: what a score is worth, learned from all datastreams of a kind together.

One datastream sees too little to know how often it passes a one-in-100,000 score; 100,000 of them know it in an hour.
The scores of quiet readings are counted in steps of 1/STEPS; the share at or above a score is its p-value (split
conformal prediction, Vovk et al. 2005, pooled and streaming), and beyond what was seen often enough the line through
the last decade goes on. Until some hundred thousand readings were seen, the score itself is mixed in.

The table moves only after every REFRESH readings, so that results do not depend on how a stream is cut into batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.both import Number, formula, within_loops
from models.tails import CAP

STEPS = 20  # a unit of score
SIZE = int(CAP) * STEPS + 2
REFRESH = 65_536  # readings between two tables
TRUST = 200_000.0  # readings after which the pool weighs as much as the score itself
MOST = 1.0e7  # readings after which older ones fade
ENOUGH, DECADE = 20.0, 200.0  # readings at or above a score that make it known; and those that give the slope beyond
FLATTEST, STEEPEST = 0.5, 4.0


def counts(tables: int = 1) -> NDArray[np.float64]:
    """(tables, SIZE + 1): how many scores fell into each step; behind those of the first, how many readings there were.

    The first is of what is told in the end; the others may count what lies far out alone, of the same readings.
    """
    return np.zeros((tables, SIZE + 1))


def table(tables: int = 1) -> NDArray[np.float64]:
    """(tables, SIZE): the calibrated score at the start of each step; at first the score itself."""
    return np.tile(np.arange(SIZE) / STEPS, (tables, 1))


@formula
def refresh(seen: NDArray[np.float64], worth: NDArray[np.float64]) -> None:
    """Write the calibrated scores of what was ``seen`` into the tables ``worth``."""
    total = 0.0
    for i in range(SIZE):
        total += seen[0, i]
    if total < ENOUGH:
        return
    for k in range(len(seen)):
        _rank(seen[k], worth[k], total)
    if total > MOST:
        for k in range(len(seen)):
            for i in range(SIZE):
                seen[k, i] = math.floor(0.5 * seen[k, i])


@formula
def _rank(seen: NDArray[np.float64], worth: NDArray[np.float64], total: float) -> None:
    """The shares of ``total`` at or above each step, and the line through their last decade beyond."""
    above, known, decade = 0.0, -1, -1
    for i in range(SIZE - 1, -1, -1):
        above += seen[i]
        if above >= ENOUGH and known < 0:
            known = i
        if above >= DECADE and decade < 0:
            decade = i
        worth[i] = -math.log10(above / total) if above > 0.0 else 0.0
    if known < 0:  # too little lies far out to say anything
        for i in range(SIZE):
            worth[i] = i / STEPS
        return
    slope = 1.0
    if 0 <= decade < known:
        slope = min(max((worth[known] - worth[decade]) * STEPS / (known - decade), FLATTEST), STEEPEST)
    trust, last = total / (total + TRUST), worth[known]
    for i in range(SIZE):
        beyond = last + slope * (i - known) / STEPS
        told = worth[i] if i <= known else min(beyond, CAP)
        worth[i] = trust * told + (1.0 - trust) * i / STEPS


def whole(at: Number) -> Number:
    """The whole numbers below, as positions."""
    return at.astype(np.int64)


@within_loops(whole)
def _whole(at: Number) -> Callable[[Number], Number]:
    def position(at: Number) -> Number:
        return int(at)

    return position


@formula
def told(raw: Number, worth: NDArray[np.float64]) -> Number:
    """What a score ``raw`` is worth by its table (SIZE,): a float in a compiled loop, an array (readings,) else."""
    at = raw * STEPS
    step = whole(at)
    return worth[step] + (at - step) * (worth[step + 1] - worth[step])


@formula
def count(seen: NDArray[np.float64], worth: NDArray[np.float64]) -> None:
    """One more reading; after every REFRESH of them the tables ``worth`` are written anew."""
    seen[0, SIZE] += 1.0
    if seen[0, SIZE] == REFRESH:
        seen[0, SIZE] = 0.0
        refresh(seen, worth)


def left(seen: NDArray[np.float64]) -> int:
    """How many readings until the tables are written anew."""
    return int(REFRESH - seen[0, SIZE])
