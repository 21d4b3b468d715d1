"""Admission: which readings are new, which came before, which are too late.

A repeated (datastream, time) changes nothing; a reading out of order is placed while it is among the last few of its
datastream, later it is late.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.both import compiled

FRESH, PLACED, DUPLICATE, LATE = 0, 1, 2, 3
MEMORY = 4  # how many times of each datastream are remembered
NEVER = np.iinfo(np.int64).min


def start(n: int) -> NDArray[np.int64]:
    """The memory of ``n`` datastreams: (n, MEMORY) int64 times in ms, newest first, NEVER where none."""
    return np.full((n, MEMORY), NEVER, np.int64)


@compiled
def admit(recent: NDArray[np.int64], rows: NDArray[np.int32], time: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Status of each reading (k,) in order: FRESH, PLACED, DUPLICATE or LATE; ``recent`` is updated in place.

    ``rows`` (k,) are datastream rows and may repeat, ``time`` (k,) ms.
    """
    status = np.empty(len(rows), np.uint8)
    for k in range(len(rows)):
        seen = recent[rows[k]]
        t = time[k]
        if t > seen[0]:
            for j in range(MEMORY - 1, 0, -1):
                seen[j] = seen[j - 1]
            seen[0] = t
            status[k] = FRESH
            continue
        status[k] = LATE
        for j in range(MEMORY):
            if t == seen[j]:
                status[k] = DUPLICATE
                break
            if t > seen[j]:
                for i in range(MEMORY - 1, j, -1):
                    seen[i] = seen[i - 1]
                seen[j] = t
                status[k] = PLACED
                break
    return status
