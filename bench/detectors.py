"""The detectors measured: time for a reading, honesty of the scores on quiet data, recall of incidents, NAB.

The simulated week (bench/week.py) has 100,000 datastreams of three kinds at 5 minutes, heavy tails and factors that
districts and the whole city share; every incident in it is known, so recall and delay are counted against the truth.
Peers in the same run: a bare exponentially weighted mean and variance per datastream with a line at a number of
standard deviations, and river's GaussianScorer and HalfSpaceTrees for the time of a reading.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from river import anomaly

from bench import nab, recall, week
from models import detectors
from models.detectors import Detector, Neighbourly, State

N = 100_000
HOUR = 3_600_000
START = week.MONDAY
CADENCE = 5_000
TICKS = 24  # two minutes at 5 s: what begins with every minute is in the mean
CITY_RATE = 19_000  # readings a second of the default city


def main(as_json: bool = False, n: int = N, days: int = 7) -> int:
    """Measure; prints a table, or one JSON object as the last line."""
    result = {"speed": speed(), "week": recall.measure(n, days), "nab": nab.measure()}
    if as_json:
        print(json.dumps(result))
        return 0
    for part, figures in result.items():
        print(part, *(f"  {name}: {figure}" for name, figure in figures.items()), sep="\n")
    return 0


# --- time for a reading --------------------------------------------------------------------------------------------


def columns(rows: NDArray[np.int32], value: NDArray[np.float64], now: int) -> tuple[Any, ...]:
    """A batch of one moment for ``Detector.step``."""
    when = np.full(len(rows), now, np.int64)
    return rows, when, value, np.zeros(len(rows), np.uint8), when + 8 * HOUR


def people(rng: np.random.Generator, base: NDArray[np.float64], now: int) -> NDArray[np.float64]:
    """People at every camera, over-dispersed, (cameras,)."""
    rhythm = 1.15 + np.sin((now / HOUR % 24 - 8) / 24 * 2 * np.pi)
    drawn: NDArray[np.int64] = rng.poisson(base * rhythm * rng.standard_gamma(8.0, len(base)) / 8.0)
    return drawn.astype(np.float64)


def speed() -> dict[str, float]:
    """ns of a core for a reading at 100,000 datastreams in 100 districts, each 5 s: mean of two minutes, best of 3."""
    rng = np.random.default_rng(1)
    base, rows = rng.lognormal(1.5, 1.0, N), np.arange(N, dtype=np.int32)
    figures: dict[str, float] = {}
    for name, cell in (("numba", {}), ("numpy", {"compiled": False})):
        detector = detectors.get("seasonal-baseline", cell)
        before = time.process_time()
        detector.step(detector.start(1), *columns(np.zeros(1, np.int32), np.ones(1), START))
        figures[f"{name}_first_call_s"] = round(time.process_time() - before, 3)
        state = _started(detector)
        for hour in range(24 * 7) if name == "numba" else ():
            now = START - (24 * 7 - hour) * HOUR
            state, _ = detector.step(state, *columns(rows, people(rng, base, now), now))
        clock, turns = _clock(START), (3, TICKS) if name == "numba" else (1, 2)
        for size in (1_000, 10_000, 100_000):
            figures[f"{name}_{size}_ns"] = _best(detector, state, rng, base, size, rows, clock, turns)
        figures[f"{name}_random_1000_ns"] = _best(
            detector, state, rng, base, 1_000, rng.permutation(N).astype(np.int32), clock, turns
        )
        if name == "numba":
            figures["bytes_per_datastream"] = round(sum(array.nbytes for array in state.values()) / N, 1)
            hourly = _clock(START + HOUR, 300_000)
            figures["numba_each_5_min_ns"] = _best(detector, state, rng, base, 10_000, rows, hourly, (3, 3))
    share = figures["numba_1000_ns"] * CITY_RATE / 1e9
    figures["share_of_a_core_at_19000_readings_s"] = round(share, 5)
    return figures | peers(people(rng, base, START))


def _started(detector: Detector) -> State:
    state = detector.start(N)
    assert isinstance(detector, Neighbourly)
    return detector.among(state, (np.arange(N) * 100 // N).astype(np.int32))


def _clock(start: int, step: int = CADENCE) -> Iterator[int]:
    """Moments ``step`` ms apart."""
    while True:
        yield start
        start += step


def _best(
    detector: Detector,
    state: State,
    rng: np.random.Generator,
    base: NDArray[np.float64],
    size: int,
    order: NDArray[np.int32],
    clock: Iterator[int],
    turns: tuple[int, int],
) -> float:
    """The least mean over some ticks, in batches of ``size`` readings."""
    best = np.inf
    for _ in range(turns[0]):
        took = 0.0
        for _ in range(turns[1]):
            now = next(clock)
            value = people(rng, base, now)
            batches = [columns(order[at : at + size], value[order[at : at + size]], now) for at in range(0, N, size)]
            before = time.process_time()
            for batch in batches:
                detector.step(state, *batch)
            took += time.process_time() - before
        best = min(best, took / turns[1] / N * 1e9)
    return round(best, 1)


def peers(values: NDArray[np.float64]) -> dict[str, float]:
    """ns for a reading of the bare minimum and of river's scorers, which score and learn one reading at a time."""
    state, rows = np.zeros((N, 2), np.float32), np.arange(N, dtype=np.int32)
    ewma(state, rows, values)
    figures = {"peer_ewma_numba_ns": _timed(lambda: ewma(state, rows, values), N)}
    gaussian: Any = anomaly.GaussianScorer()  # type: ignore[no-untyped-call]  # river has no types
    trees: Any = anomaly.HalfSpaceTrees(seed=1)
    some = values[:5_000].tolist()

    def gauss() -> None:
        for y in some:
            gaussian.score_one(None, y)
            gaussian.learn_one(None, y)

    def half_space() -> None:
        for y in some[:500]:
            trees.score_one({"y": y})
            trees.learn_one({"y": y})

    figures["river_gaussian_scorer_ns"] = _timed(gauss, len(some))
    figures["river_half_space_trees_ns"] = _timed(half_space, 500)
    return figures


def _timed(run: Callable[[], object], readings: int) -> float:
    took = []
    for _ in range(3):
        before = time.process_time()
        run()
        took.append(time.process_time() - before)
    return round(min(took) / readings * 1e9, 1)


@njit(cache=True)
def ewma(state: NDArray[np.float32], rows: NDArray[np.int32], value: NDArray[np.float64]) -> NDArray[np.float32]:
    """Deviations from an exponentially weighted mean, in standard deviations; the bare minimum. NaN scores NaN."""
    z = np.empty(len(rows), np.float32)
    for k in range(len(rows)):
        mean, variance = state[rows[k], 0], state[rows[k], 1]
        gap = value[k] - mean
        z[k] = gap / np.sqrt(variance + 1e-6)
        if gap == gap:
            state[rows[k], 0] = mean + 0.02 * gap
            state[rows[k], 1] = 0.98 * (variance + 0.02 * gap * gap)
    return z


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datastreams", type=int, default=N)
    parser.add_argument("--days", type=int, default=7)
    chosen = parser.parse_args()
    main(True, chosen.datastreams, chosen.days)
