"""A sensor that says nothing, longer than it ever did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.both import compiled
from models.detectors.base import CHANNELS, BadParameter, Float32, Float64, Int32, Int64, Scores, State, Uint8, copied
from models.tails import CAP

SPOKEN = CHANNELS.index("silent")
AT_LIMIT = 4.0  # the score at which a silence is as long as its limit
PACE, RECORD, READINGS = 0, 1, 2  # columns of the cells: usual pause, s; the longest in usual ones; how many pauses
PACE_MEMORY = 10.0  # readings over which the usual time is taken
MOST_READINGS = 1.0e6
NEVER = np.iinfo(np.int64).min


def _loop(
    cells: Float32,
    last: Int64,
    rows: Int32,
    time_ms: Int64,
    value: Float64,
    settings: tuple[float, float, float],
    out: Float32,
) -> None:
    """The readings one after the other; compiled."""
    margin, ready, factor = settings
    for k in range(len(rows)):
        row = rows[k]
        if not np.isfinite(value[k]):
            out[k] = np.nan
            continue
        c = cells[row]
        out[k] = 0.0
        gap = 0.0
        if last[row] != NEVER:
            gap = max(np.float64(time_ms[k] - last[row]) / 1000.0, 0.0)
        if gap > 0.0:
            limit = (factor * np.float64(c[RECORD]) + margin) * np.float64(c[PACE])
            if c[READINGS] >= ready:
                share = gap / max(limit, 0.001)
                out[k] = min(AT_LIMIT * share * share, CAP)
                gap = min(gap, limit)  # a failure teaches its limit at most
                c[RECORD] = max(np.float64(c[RECORD]), gap / max(np.float64(c[PACE]), 0.001))
            c[READINGS] = min(c[READINGS] + 1.0, MOST_READINGS)
            weight = 1.0 / min(np.float64(c[READINGS]), PACE_MEMORY)
            c[PACE] = c[PACE] + weight * (gap - np.float64(c[PACE]))
        last[row] = max(last[row], time_ms[k])


@cache
def _compiled() -> Callable[..., None]:
    """The loop as machine code, made when it is first asked for."""
    return compiled(_loop)


@dataclass(frozen=True)
class Silent:
    """Times between readings against the longest there was, one pass, constant state. A matter of data quality.

    A datastream is silent when nothing came for longer than ``factor`` times its longest pause and ``margin`` on top,
    both in pauses as they are usual now, so that a past by the hour prepares for readings by the second. A reading
    tells how strange the pause was that it ends; ``overdue`` tells it of all datastreams while they are silent. The
    score is 4 · (pause / limit)², so 4 says silent; it is an order, no tail probability. A failure raises the record to
    its limit at most. Nothing is expected of the next value; a gap is no reading.

    Parameters: ``margin`` in usual pauses; ``ready`` pauses before the first score; ``factor`` times the record.

    >>> detector = Silent()
    >>> time = np.arange(100, dtype=np.int64) * 5_000
    >>> one, day = np.zeros(100, np.int32), np.zeros(100, np.uint8)
    >>> state, told = detector.step(detector.start(1), one, time, np.ones(100), day, time)
    >>> bool(told.score.max() < 1)
    True
    >>> bool(detector.overdue(state, int(time[-1]) + 5_000)[0] < 1 < 4 < detector.overdue(state, 600_000)[0])
    True
    """

    name: ClassVar[str] = "silent"

    margin: float = 3.0
    ready: int = 12
    factor: float = 2.0

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        for parameter, least in (("margin", 0.5), ("ready", 1), ("factor", 1.0)):
            if not getattr(self, parameter) >= least:
                raise BadParameter(f"{parameter} is {getattr(self, parameter)}; use at least {least}")

    def start(self, n: int) -> State:
        """``cells`` (n, 3) float32 and ``last`` (n,) int64, the time of the last reading in ms."""
        return {"cells": np.zeros((n, 3), np.float32), "last": np.full(n, NEVER, np.int64)}

    def learn(self, state: State, rows: Int32, time_ms: Int64, value: Float64) -> Float32:
        """Take the readings (readings,) in their order; their scores. ``state`` is updated in place."""
        score = np.empty(len(rows), np.float32)
        settings = (float(self.margin), float(self.ready), float(self.factor))
        _compiled()(state["cells"], state["last"], rows, time_ms, value, settings, score)
        return score

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64, day_kind: Uint8, local_ms: Int64
    ) -> tuple[State, Scores]:
        """Score and learn the pauses in their order; see ``Detector.step``."""
        score = self.learn(state, rows, time_ms, value)
        nothing = np.full(len(rows), np.nan, np.float32)
        channel = np.where(score > 0.0, SPOKEN, 0).astype(np.uint8)
        return state, Scores(score, nothing, nothing, nothing, channel, np.zeros(len(rows), np.uint8))

    def overdue(self, state: State, now_ms: int) -> Float32:
        """The score of each datastream's silence at ``now_ms``, (datastreams,); 0 for those that never spoke enough."""
        cells, last = state["cells"].astype(np.float64), state["last"]
        limit = np.maximum((self.factor * cells[:, RECORD] + self.margin) * cells[:, PACE], 0.001)
        spoke = cells[:, READINGS] >= self.ready
        silence = np.where(spoke, np.maximum(now_ms - np.where(spoke, last, now_ms), 0) / 1000.0, 0.0)
        share = np.minimum(silence / limit, CAP)
        return np.minimum(AT_LIMIT * share * share, CAP).astype(np.float32)

    def snapshot(self, state: State) -> State:
        """A copy of the state."""
        return {name: array.copy() for name, array in state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in ``arrays``; raises ``BadState``."""
        return copied(arrays, self.start(0), self.name)
