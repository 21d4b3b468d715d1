"""The common mode: what all neighbours of a kind show together, so that it can be taken from each of them.

A rise of a whole district is one event, not one of every camera in it. For each group of neighbours (a district's
datastreams of one kind) the state holds the shared departure c: a datastream whose load is u is expected to be u·c
standard deviations off. The load of a count is what is expected of it over its spread, so that c is a share of the
usual; the load of a level is 1. After every ``every`` readings of the group c moves by the weighted least-squares mean
of what was left of them, each cut at LEARN deviations (Huber, 1964), so that one crowd does not move its district.

Folding by count of readings, in their order, gives the same bits however a stream is cut into batches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.both import Number, choose, formula, lower, upper

LEVEL, PULL, WEIGHT, COUNT, EVERY = 0, 1, 2, 3, 4  # columns of the groups
LEAST = 30  # members of a group that has a common mode; the mean of fewer is too rough to be taken away
ROUNDS = 4  # a group's level moves so many times while all its members report once
LEARN = 5.0  # residuals count up to so many deviations


def groups(neighbours: NDArray[np.int32]) -> NDArray[np.float64]:
    """(groups, 5): the state of the groups that ``neighbours`` (n,) numbers; -1 is no group."""
    members = np.bincount(neighbours[neighbours >= 0])
    state = np.zeros((len(members), EVERY + 1))
    state[:, EVERY] = np.where(members >= LEAST, np.maximum(members // ROUNDS, LEAST), 0)
    return state


def gathered(neighbours: NDArray[np.int32]) -> NDArray[np.int32]:
    """``neighbours`` with -1 for those in groups too small for a common mode, (n,)."""
    members = np.bincount(neighbours[neighbours >= 0], minlength=1)
    return np.where((neighbours >= 0) & (members[np.maximum(neighbours, 0)] >= LEAST), neighbours, -1).astype(np.int32)


@formula
def pulls(z: Number, load: Number, shared: Number, told: Number) -> tuple[Number, Number]:
    """What a reading ``z`` deviations off says of its group's level: pull and weight, 0 when nothing can be told."""
    left = lower(upper(z - shared * load, -LEARN), LEARN)
    return choose(told, load * left, 0.0), choose(told, load * load, 0.0)


@formula
def fold(group: NDArray[np.float64]) -> None:
    """Move the level of one ``group`` (5,) and begin anew."""
    if group[WEIGHT] > 0.0:
        group[LEVEL] += group[PULL] / group[WEIGHT]
    group[PULL] = group[WEIGHT] = group[COUNT] = 0.0


@formula
def add(group: NDArray[np.float64], pull: float, weight: float) -> None:
    """Add one reading to its ``group`` (5,), whose level moves when enough are in."""
    group[PULL] += pull
    group[WEIGHT] += weight
    group[COUNT] += 1.0
    if group[COUNT] >= group[EVERY]:
        fold(group)


def add_all(
    state: NDArray[np.float64], near: NDArray[np.int32], pull: NDArray[np.float64], weight: NDArray[np.float64]
) -> None:
    """The same for readings (readings,) in their order, at most as many as are ``left``."""
    at = np.flatnonzero(near >= 0)
    for column, what in ((PULL, pull[at]), (WEIGHT, weight[at]), (COUNT, np.ones(len(at)))):
        np.add.at(state[:, column], near[at], what)
    for group in np.flatnonzero((state[:, COUNT] >= state[:, EVERY]) & (state[:, EVERY] > 0)).tolist():
        fold(state[group])


def left(state: NDArray[np.float64], near: NDArray[np.int32]) -> int:
    """How many of the coming readings, of the groups ``near`` (readings,), until a group's level moves."""
    until = len(near)
    for group in np.unique(near[near >= 0]).tolist():
        at = np.flatnonzero(near == group)
        missing = int(state[group, EVERY] - state[group, COUNT])
        if missing <= len(at):
            until = min(until, int(at[missing - 1]) + 1)
    return until
