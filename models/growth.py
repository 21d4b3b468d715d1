"""A saved state carried over to a register that has grown: what was learned stays, what is new begins fresh.

Datastreams are appended and never move (config/register.py), so a shard's rows, and those of each of its groups, keep
their places; the new ones follow. Every saved array with a row for each datastream is laid over the start of a fresh
one; the others are taken as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]


def follows(saved: NDArray[np.generic], members: NDArray[np.int32]) -> bool:
    """Whether ``members`` (n,) of a shard are those of the ``saved`` state, and more."""
    return len(saved) < len(members) and bool(np.array_equal(saved, members[: len(saved)]))


def sizes(before: int, group: NDArray[np.int16]) -> set[tuple[int, int]]:
    """How many rows the shard and each of its groups had and have; ``group`` (n,) is of all rows, ``before`` of them
    were there."""
    numbers = np.unique(group)
    pairs = {(int((group[:before] == number).sum()), int((group == number).sum())) for number in numbers.tolist()}
    return {(had, has) for had, has in pairs | {(before, len(group))} if had != has}


def grown(saved: Arrays, fresh: Arrays, rows: Collection[tuple[int, int]]) -> dict[str, NDArray[np.generic]]:
    """``saved`` in the shapes of ``fresh`` along each axis whose lengths are one of the pairs ``rows``."""
    return {name: _over(saved[name], like, rows) if name in saved else like for name, like in fresh.items()}


def _over(
    saved: NDArray[np.generic], like: NDArray[np.generic], rows: Collection[tuple[int, int]]
) -> NDArray[np.generic]:
    if saved.ndim != like.ndim or not any(pair in rows for pair in zip(saved.shape, like.shape, strict=True)):
        return saved
    other = [had for had, has in zip(saved.shape, like.shape, strict=True) if had != has and (had, has) not in rows]
    if other:
        return saved
    made = like.copy()
    made[tuple(slice(0, size) for size in saved.shape)] = saved
    return made
