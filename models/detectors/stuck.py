"""A sensor that says the same again and again, longer than it ever did."""

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

SPOKEN = CHANNELS.index("stuck")
AT_LIMIT = 4.0  # the score at which a run is as long as its limit
# columns of the cells: readings in the run that goes on and how long it has lasted; the longest runs there were, of
# noughts (or of all values, where ``timed``) in seconds, of other values in readings
RUN, LASTED, NOUGHTS, OTHERS = 0, 1, 2, 3
MOST_READINGS = 1.0e6


def _loop(
    cells: Float32,
    value: Float64,
    since: Int64,
    rows: Int32,
    time_ms: Int64,
    now: Float64,
    settings: tuple[float, float, float, float, float],
    out: Float32,
) -> None:
    """The readings one after the other; compiled."""
    margin_s, least, factor, timed, rest_s = settings
    for k in range(len(rows)):
        row = rows[k]
        if not np.isfinite(now[k]):
            out[k] = np.nan
            continue
        c = cells[row]
        nought = timed > 0.0 or value[row] == 0.0
        limit = (
            factor * np.float64(c[NOUGHTS]) + margin_s + rest_s if nought else factor * np.float64(c[OTHERS]) + least
        )
        if c[RUN] > 0.0 and now[k] == value[row]:
            c[RUN] = min(c[RUN] + 1.0, MOST_READINGS)
            c[LASTED] = max(np.float64(time_ms[k] - since[row]) / 1000.0, np.float64(c[LASTED]))
            lasted, run = np.float64(c[LASTED]), np.float64(c[RUN])
            share = min(lasted / limit, run / least) if nought else min(lasted / margin_s, run / limit)
            out[k] = min(AT_LIMIT * share * share, CAP)
        else:  # what was stuck teaches its limit at most
            if nought:
                c[NOUGHTS] = max(np.float64(c[NOUGHTS]), min(np.float64(c[LASTED]), limit))
            else:
                c[OTHERS] = max(np.float64(c[OTHERS]), min(np.float64(c[RUN]), limit))
            value[row], since[row], c[RUN], c[LASTED] = now[k], time_ms[k], 1.0, 0.0
            out[k] = 0.0


@cache
def _compiled() -> Callable[..., None]:
    """The loop as machine code, made when it is first asked for."""
    return compiled(_loop)


@dataclass(frozen=True)
class Stuck:
    """Runs of one value against the longest run there was, one pass, constant state. A matter of data quality.

    A run of noughts is stuck when it has lasted longer than ``factor`` times their record and ``margin_s`` on top, and
    has at least ``least`` readings. A run of another value is stuck when it has more readings than ``factor`` times
    their record and ``least`` on top, and has lasted ``margin_s``. A street at night shows nobody for hours, but never
    twelve people for hours; and a past by the hour prepares for readings by the second. The score is 4 · (run /
    limit)², so 4 says stuck; it is an order, no tail probability. What was stuck raises the record to its limit at
    most. Nothing is expected of the next value.

    Parameters: ``margin_s`` seconds and ``least`` readings that a run may have at any time; ``factor`` times the
    record; ``rest_s`` more seconds that noughts may always last; ``timed`` judges every value as noughts are, for
    levels that rest.

    >>> detector = Stuck(margin_s=60)
    >>> time = np.arange(100, dtype=np.int64) * 5_000
    >>> one, day, values = np.zeros(100, np.int32), np.zeros(100, np.uint8), np.arange(100) % 7.0
    >>> values[50:] = 3.0
    >>> state, told = detector.step(detector.start(1), one, time, values, day, time)
    >>> bool(told.score[60] < 4), bool(told.score[70] >= 4)
    (True, True)
    """

    name: ClassVar[str] = "stuck"

    margin_s: float = 600.0
    least: int = 12
    factor: float = 2.0
    timed: bool = False
    rest_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        for parameter, least in (("margin_s", 1.0), ("least", 2), ("factor", 1.0), ("rest_s", 0.0)):
            if not getattr(self, parameter) >= least:
                raise BadParameter(f"{parameter} is {getattr(self, parameter)}; use at least {least}")

    def start(self, n: int) -> State:
        """``cells`` (n, 4) float32; of the run ``value`` (n,) float64 and ``since`` (n,) int64, its first time, ms."""
        return {"cells": np.zeros((n, 4), np.float32), "value": np.zeros(n), "since": np.zeros(n, np.int64)}

    def learn(self, state: State, rows: Int32, time_ms: Int64, value: Float64) -> Float32:
        """Take the readings (readings,) in their order; their scores. ``state`` is updated in place."""
        score = np.empty(len(rows), np.float32)
        settings = (float(self.margin_s), float(self.least), float(self.factor), float(self.timed), float(self.rest_s))
        _compiled()(state["cells"], state["value"], state["since"], rows, time_ms, value, settings, score)
        return score

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64, day_kind: Uint8, local_ms: Int64
    ) -> tuple[State, Scores]:
        """Score and learn the readings in their order; see ``Detector.step``."""
        score = self.learn(state, rows, time_ms, value)
        nothing = np.full(len(rows), np.nan, np.float32)
        channel = np.where(score > 0.0, SPOKEN, 0).astype(np.uint8)
        return state, Scores(score, nothing, nothing, nothing, channel, np.zeros(len(rows), np.uint8))

    def standing(self, state: State) -> Float32:
        """The score of each datastream's run as it stands, (datastreams,); that of its last reading."""
        cells, noughts = state["cells"].astype(np.float64), (state["value"] == 0.0) | self.timed
        lasted, run = cells[:, LASTED], cells[:, RUN]
        limit_s = self.factor * cells[:, NOUGHTS] + self.margin_s + self.rest_s
        by_time = np.minimum(lasted / limit_s, run / self.least)
        by_count = np.minimum(lasted / self.margin_s, run / (self.factor * cells[:, OTHERS] + self.least))
        share = np.where(run > 1.0, np.where(noughts, by_time, by_count), 0.0)
        return np.minimum(AT_LIMIT * share * share, CAP).astype(np.float32)

    def snapshot(self, state: State) -> State:
        """A copy of the state."""
        return {name: array.copy() for name, array in state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in ``arrays``; raises ``BadState``."""
        return copied(arrays, self.start(0), self.name)
