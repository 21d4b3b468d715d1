"""Placement: which of a batch's readings belong to a shard and are in range. One answer for engine and archive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.batch import Batch
from models.both import compiled
from models.layout import ShardLayout

EARLIEST, LATEST = 0, 4_102_444_800_000  # ms: 1970 to 2100, or it is no time in ms


class Placement:
    """Looks up the readings of a batch in one shard's layout."""

    def __init__(self, layout: ShardLayout) -> None:
        self.layout = layout
        self._local = np.full(int(layout.members[-1]) + 1 if len(layout) else 1, -1, np.int32)
        self._local[layout.members] = np.arange(len(layout), dtype=np.int32)

    def rows(self, batch: Batch) -> tuple[NDArray[np.int32], int]:
        """The layout's row of each reading (readings,), -1 for those that cannot be used; and how many can be."""
        return _rows(batch.datastream, batch.time, batch.value, self._local, self.layout.low, self.layout.high)

    def reason(self, datastream: int, time: int, value: float) -> str:
        """Why such a reading cannot be used."""
        row = int(self._local[datastream]) if 0 <= datastream < len(self._local) else -1
        if row < 0:
            return f"datastream {datastream} is not in shard {self.layout.shard}; send it through the gateway"
        if not EARLIEST <= time < LATEST:
            return f"time {time} of datastream {datastream} is not in 1970 to 2100; send milliseconds since 1970 UTC"
        low, high = self.layout.low[row], self.layout.high[row]
        return f"value {value} of datastream {datastream} is outside its range {low:g} to {high:g}"


@compiled
def _rows(
    datastream: NDArray[np.int32],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    local: NDArray[np.int32],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[NDArray[np.int32], int]:
    rows = np.full(len(datastream), -1, np.int32)
    usable = 0
    for k in range(len(datastream)):
        if 0 <= datastream[k] < len(local):
            row = local[datastream[k]]
            if row >= 0 and EARLIEST <= time[k] < LATEST and low[row] <= value[k] <= high[row]:  # NaN is out of range
                rows[k] = row
                usable += 1
    return rows, usable
