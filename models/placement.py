"""Placement: which of a batch's readings belong to a shard and are in range. One answer for engine and archive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.batch import Batch
from models.layout import ShardLayout


class Placement:
    """Looks up the readings of a batch in one shard's layout."""

    def __init__(self, layout: ShardLayout) -> None:
        self.layout = layout
        self._local = np.full(int(layout.members[-1]) + 1 if len(layout) else 1, -1, np.int32)
        self._local[layout.members] = np.arange(len(layout), dtype=np.int32)

    def rows(self, batch: Batch) -> NDArray[np.int32]:
        """The layout's row of each reading (readings,), -1 for those that cannot be used."""
        ds = batch.datastream
        inside = (ds >= 0) & (ds < len(self._local))
        local = self._local[np.where(inside, ds, 0)]
        sound = inside & (local >= 0)
        safe = np.where(sound, local, 0)
        if not len(self.layout):
            return np.full(len(ds), -1, np.int32)
        with np.errstate(invalid="ignore"):  # NaN is out of range
            valid = sound & (batch.value >= self.layout.low[safe]) & (batch.value <= self.layout.high[safe])
        return local if valid.all() else np.where(valid, local, -1).astype(np.int32)

    def reason(self, datastream: int, value: float) -> str:
        """Why such a reading cannot be used."""
        row = int(self._local[datastream]) if 0 <= datastream < len(self._local) else -1
        if row < 0:
            return f"datastream {datastream} is not in shard {self.layout.shard}; send it through the gateway"
        low, high = self.layout.low[row], self.layout.high[row]
        return f"value {value} of datastream {datastream} is outside its range {low:g} to {high:g}"
