"""A running level: what this datastream has shown of late, for signals without a season."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models import tails
from models.both import Number, choose, compiled, formula
from models.detectors.base import CHANNELS, BadParameter, Float32, Float64, Int32, Int64, Scores, State, Uint8, copied
from models.tails import moved_moments, moved_threshold, surprise

# columns of the state's cells; of each side: threshold, mean excess, mean square excess, excesses; of the run of
# readings beyond a threshold that lasts now: how many, and the first one's z
READINGS, LEVEL, SPREAD, UP, DOWN, RUN, FIRST = 0, 1, 2, 3, 7, 11, 12
WIDTH = 13

SPIKE = CHANNELS.index("spike")
MAD = 1.2533141373155001  # standard deviation of a normal over its mean absolute deviation
BAND = 1.6448536269514722  # of a 90 % band, both sides
LEARN = 3.0  # residuals are learned up to so many standard deviations
LEAST_WEIGHT = 0.125  # what a reading far out still weighs, so that a lasting change is learned in the end
UNSURE = 5.0  # a spread of n readings is taken wider by so many n-ths, as Student's law has it at 1e-4
LONGEST_RUN = 6.0  # what lasts longer beyond a threshold is one event, and moves the threshold no more
MOST_READINGS = 1.0e6
LARGEST = 1.0e15  # what lies beyond is taken as this, so that squares fit 32 bits
RELATIVE_FLOOR = 1.0e-3  # a spread is at least this share of the level
TINY = 1.0e-9


@formula
def _update(
    y: Number, head: tuple[Number, ...], settings: tuple[float, ...]
) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """Score the value ``y`` and learn it; ``head`` is the state's cells. Returns (score, wide) and the new cells."""
    readings, level, spread = head[0], head[1], head[2]
    up, up_excess, up_square, up_count = head[3], head[4], head[5], head[6]
    down, down_excess, down_square, down_count = head[7], head[8], head[9], head[10]
    run, first = head[11], head[12]
    memory, floor, ready = settings

    level = choose(readings > 0.0, level, y)
    wide = np.maximum(MAD * spread, np.maximum(floor, RELATIVE_FLOOR * np.abs(level)))
    wide = np.maximum(wide * (1.0 + UNSURE / np.maximum(readings, 1.0)), TINY)
    residual = y - level
    z = residual / wide
    far = np.abs(z)
    high = residual > 0.0
    told = readings >= ready
    score = surprise(
        far, choose(high, up, down), choose(high, up_excess, down_excess), choose(high, up_square, down_square)
    )
    score = choose(told, score, 0.0)

    # what lies far out is clipped and weighs less, so that an incident does not teach itself
    doubt = LEARN / np.maximum(far, LEARN)
    weight = choose(told, np.maximum(doubt * doubt, LEAST_WEIGHT), 1.0)
    learned = choose(told, np.minimum(np.maximum(residual, -LEARN * wide), LEARN * wide), residual)
    # the first residual is nought by itself and says nothing of the spread
    rate = weight / np.minimum(np.maximum(readings, 1.0), memory)
    spread = spread + choose(readings > 0.0, rate, 0.0) * (np.abs(learned) - spread)
    readings = np.minimum(readings + 1.0, MOST_READINGS)
    level = level + weight / np.minimum(readings, memory) * learned

    # a run of excesses counts as one, once it is over: while an incident lasts, its own tail stays as it was
    beyond = choose(told, far, 0.0) > choose(high, up, down)
    ended = choose(beyond, 0.0, run) > 0.0
    side_up = choose(ended, first, -1.0)  # -1 is under every threshold: nothing is learned
    side_down = choose(ended, -first, -1.0)
    up_excess, up_square, up_count = moved_moments(side_up, up, up_excess, up_square, up_count)
    down_excess, down_square, down_count = moved_moments(side_down, down, down_excess, down_square, down_count)
    first = choose(run > 0.0, first, z)
    run = choose(beyond, np.minimum(run + 1.0, MOST_READINGS), 0.0)
    teaches = choose(told, choose(run > LONGEST_RUN, 0.0, 1.0), 0.0) > 0.0
    up = choose(teaches, moved_threshold(z, up, readings), up)
    down = choose(teaches, moved_threshold(-z, down, readings), down)
    sides = (up, up_excess, up_square, up_count, down, down_excess, down_square, down_count)
    return (score, wide), (readings, level, spread, *sides, run, choose(run > 0.0, first, 0.0))


def _loop(cells: Float32, rows: Int32, value: Float64, settings: tuple[float, ...], out: Float32) -> None:
    """The readings one after the other; compiled."""
    for k in range(len(rows)):
        if not np.isfinite(value[k]):
            out[:, k] = np.nan
            continue
        c = cells[rows[k]]
        head = (
            np.float64(c[0]), np.float64(c[1]), np.float64(c[2]), np.float64(c[3]), np.float64(c[4]),
            np.float64(c[5]), np.float64(c[6]), np.float64(c[7]), np.float64(c[8]), np.float64(c[9]),
            np.float64(c[10]), np.float64(c[11]), np.float64(c[12]),
        )  # fmt: skip
        y = min(max(value[k], -LARGEST), LARGEST)
        told, new = _update(y, head, settings)
        for h in range(WIDTH):
            c[h] = new[h]
        score, wide = told
        out[0, k] = score
        if head[0] >= settings[2]:
            out[1, k] = head[1]
            out[2, k] = head[1] - BAND * wide
            out[3, k] = head[1] + BAND * wide
        else:
            out[1:, k] = np.nan


@cache
def _compiled() -> Callable[..., None]:
    """The loop as machine code, made when it is first asked for."""
    return compiled(_loop)


@dataclass(frozen=True)
class RunningLevel:
    """Slow level and robust spread with learned tails, one pass, constant state.

    The level is the mean of the last ``memory`` readings or so, by exponential weights (plain means until so many were
    seen); the spread is the mean absolute deviation from it, taken the same way. z is the residual over the spread,
    and the datastream's own tails turn it into the score (models/tails.py). Residuals are learned up to 3 deviations
    (Huber's clipping) and weigh (3 / z)², at least an eighth, beyond: ten minutes of an incident at a reading each
    5 s move the level by about a tenth of a deviation, a lasting change is followed within a few memories. A run of
    readings beyond a threshold is one event: its first excess teaches the tails, once the run is over.

    Parameters: ``memory`` readings after which older ones fade; ``floor`` least standard deviation in the value's
    unit; ``ready`` readings before the first score.

    >>> detector = RunningLevel()
    >>> values = np.array([5.0, 5.2, 4.9, 5.1, 4.8] * 20 + [9.0])
    >>> one, day, time = np.zeros(101, np.int32), np.zeros(101, np.uint8), np.arange(101, dtype=np.int64) * 5_000
    >>> state, told = detector.step(detector.start(1), one, time, values, day, time)
    >>> bool(told.score[-1] > 6 > 2 > told.score[:-1].max())
    True
    """

    name: ClassVar[str] = "running-level"

    memory: float = 500.0
    floor: float = 0.0
    ready: int = 12

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        for parameter, least in (("memory", 2.0), ("floor", 0.0), ("ready", 2)):
            if not getattr(self, parameter) >= least:
                raise BadParameter(f"{parameter} is {getattr(self, parameter)}; use at least {least}")

    def start(self, n: int) -> State:
        """``cells`` (n, 13) float32."""
        cells = np.zeros((n, WIDTH), np.float32)
        cells[:, UP : UP + 3] = cells[:, DOWN : DOWN + 3] = (tails.THRESHOLD, tails.EXCESS, tails.SQUARE)
        return {"cells": cells}

    def step(
        self, state: State, rows: Int32, time_ms: Int64, value: Float64, day_kind: Uint8, local_ms: Int64
    ) -> tuple[State, Scores]:
        """Score and learn the readings in their order, whatever the time; see ``Detector.step``."""
        out = np.empty((4, len(rows)), np.float32)
        _compiled()(state["cells"], rows, value, (float(self.memory), float(self.floor), float(self.ready)), out)
        channel = np.where(out[0] > 0.0, SPIKE, 0).astype(np.uint8)
        return state, Scores(out[0], out[1], out[2], out[3], channel, np.zeros(len(rows), np.uint8))

    def snapshot(self, state: State) -> State:
        """A copy of the state."""
        return {name: array.copy() for name, array in state.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """The state in ``arrays``; raises ``BadState``."""
        return copied(arrays, self.start(0), self.name)
