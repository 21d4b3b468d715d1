"""The detectors measured: time for a reading, honesty of the scores on quiet data, recall of incidents, NAB.

The city is simulated with what makes counts hard: over-dispersion, a rhythm of the day, slow factors that all
cameras of a district share. Every incident is known, so recall is counted against the truth. The peer in the same run
is a bare exponentially weighted mean and variance per datastream with a line at a number of standard deviations.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bench import nab
from models import detectors, univariate
from models.detectors import Detector, State

N = 100_000
HOUR = 3_600_000
START = 1_767_225_600_000 + 4 * 24 * HOUR  # a Monday
DISTRICTS = 100
CADENCE = HOUR // 12
FALSE_PER_HOUR = 6.0


@dataclass(frozen=True)
class Quiet:
    """A city without incidents; ``base`` (datastreams,) people at an average hour."""

    rng: np.random.Generator
    base: NDArray[np.float64]
    district: NDArray[np.int64]
    factor: NDArray[np.float64]

    def counts(self, time_ms: int, scale: NDArray[np.float64] | float = 1.0) -> NDArray[np.float64]:
        """People at every datastream, (datastreams,); the districts' factors wander on."""
        self.factor[:] = 0.98 * self.factor + self.rng.normal(0.0, 0.01, DISTRICTS)
        rhythm = 1.15 + np.sin((time_ms / HOUR % 24 - 8) / 24 * 2 * np.pi)
        mean = self.base * rhythm * np.exp(self.factor[self.district]) * scale
        drawn: NDArray[np.int64] = self.rng.poisson(mean * self.rng.standard_gamma(8.0, len(mean)) / 8.0)
        return drawn.astype(np.float64)


def quiet(seed: int, n: int = N) -> Quiet:
    """A city of ``n`` datastreams, its register sorted by district."""
    rng = np.random.default_rng(seed)
    return Quiet(rng, rng.lognormal(1.5, 1.0, n), np.arange(n) * DISTRICTS // n, np.zeros(DISTRICTS))


def main(as_json: bool = False) -> int:
    """Measure; prints a table, or one JSON object as the last line."""
    result = {"speed": speed(), "calibration": calibration(), "nab": numenta()}
    if as_json:
        print(json.dumps(result))
        return 0
    for part, figures in result.items():
        print(part, *(f"  {name}: {figure}" for name, figure in figures.items()), sep="\n")
    return 0


def columns(rows: NDArray[np.int32], value: NDArray[np.float64], now: int) -> tuple[Any, ...]:
    """A batch of one moment for ``Detector.step``."""
    when = np.full(len(rows), now, np.int64)
    return rows, when, value, np.zeros(len(rows), np.uint8), when + 8 * HOUR


def warmed(detector: Detector, city: Quiet) -> State:
    """The detector's state after a week of hourly samples."""
    state, rows = detector.start(len(city.base)), np.arange(len(city.base), dtype=np.int32)
    for hour in range(24 * 7):
        now = START - (24 * 7 - hour) * HOUR
        state, _ = detector.step(state, *columns(rows, city.counts(now), now))
    return state


def speed() -> dict[str, float]:
    """ns of a core for a reading at 100,000 datastreams, best of 5: in register order, at random, numpy, the peer."""
    city = quiet(1)
    figures = {}
    for name, cell in (("numba", {}), ("numpy", {"compiled": False})):
        detector = detectors.get("seasonal-baseline", cell)
        before = time.process_time()
        detector.step(detector.start(1), *columns(np.zeros(1, np.int32), np.ones(1), START))
        figures[f"{name}_first_call_s"] = round(time.process_time() - before, 3)
        state = warmed(detector, city) if name == "numba" else detector.start(N)
        for size in (1_000, 10_000, 100_000):
            figures[f"{name}_{size}_ns"] = _best(detector, state, city, size, np.arange(N, dtype=np.int32))
        shuffled = city.rng.permutation(N).astype(np.int32)
        figures[f"{name}_random_1000_ns"] = _best(detector, state, city, 1_000, shuffled)
        figures["bytes_per_datastream"] = sum(array.nbytes for array in state.values()) / N
    state_peer = np.zeros((N, 2), np.float32)
    values = city.counts(START)
    rows = np.arange(N, dtype=np.int32)
    _peer(state_peer, rows, values)
    took = []
    for _ in range(5):
        before = time.process_time()
        _peer(state_peer, rows, values)
        took.append(time.process_time() - before)
    figures["peer_ewma_numba_ns"] = round(min(took) / N * 1e9, 1)
    return figures


def _best(detector: Detector, state: State, city: Quiet, size: int, order: NDArray[np.int32]) -> float:
    took = []
    for turn in range(5):
        now = START + turn * 5_000
        value = city.counts(now)
        batches = [columns(order[at : at + size], value[order[at : at + size]], now) for at in range(0, N, size)]
        before = time.process_time()
        for batch in batches:
            detector.step(state, *batch)
        took.append(time.process_time() - before)
    return round(min(took) / N * 1e9, 1)


@njit(cache=True)
def _peer(state: NDArray[np.float32], rows: NDArray[np.int32], value: NDArray[np.float64]) -> NDArray[np.float32]:
    """Deviations from an exponentially weighted mean, in standard deviations; the bare minimum."""
    z = np.empty(len(rows), np.float32)
    for k in range(len(rows)):
        mean, variance = state[rows[k], 0], state[rows[k], 1]
        gap = value[k] - mean
        z[k] = gap / np.sqrt(variance + 1e-6)
        state[rows[k], 0] = mean + 0.02 * gap
        state[rows[k], 1] = 0.98 * (variance + 0.02 * gap * gap)
    return z


@dataclass(frozen=True)
class Incident:
    """What is done to some datastreams: ``rows``, for ``ticks`` from ``start`` on, counts times ``scale``."""

    kind: str
    rows: NDArray[np.int64]
    start: int
    ticks: int
    scale: float


def incidents(rng: np.random.Generator, first: int, last: int, n: int) -> list[Incident]:
    """300 incidents at distinct datastreams: spikes of one reading, shifts of an hour, losses of an hour."""
    rows = rng.choice(n, 300, replace=False)
    when = rng.integers(first, last - 12, 300)
    kinds = [("spike", 1, 6.0), ("shift", 12, 3.0), ("loss", 12, 0.0)] * 100
    return [Incident(kind, rows[i : i + 1], int(when[i]), ticks, scale) for i, (kind, ticks, scale) in enumerate(kinds)]


def calibration() -> dict[str, Any]:
    """Null exceedance over nominal, and recall at FALSE_PER_HOUR false alerts in the whole city, beside the peer's."""
    city = quiet(2)
    detector = detectors.get("seasonal-baseline")
    state = warmed(detector, city)
    peer = np.zeros((N, 2), np.float32)
    ticks, settle = 288, 36
    truth = incidents(np.random.default_rng(3), settle, ticks, N)
    clean = np.ones(N, bool)
    for incident in truth:
        clean[incident.rows] = False
    top: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    hits: dict[int, list[tuple[int, float, float]]] = {number: [] for number in range(len(truth))}
    over = {level: 0 for level in (2, 3, 4, 5)}
    rows = np.arange(N, dtype=np.int32)
    for tick, scale in _ticks(truth, ticks):
        now = START + tick * CADENCE
        value = city.counts(now, scale)
        state, told = detector.step(state, *columns(rows, value, now))
        z = np.abs(_peer(peer, rows, value))
        if tick < settle:
            continue
        quiet_scores = told.score[clean]
        for level in over:
            over[level] += int((quiet_scores >= level).sum())
        top.append((np.sort(quiet_scores)[-200:], np.sort(z[clean])[-200:]))
        for number, incident in enumerate(truth):
            if incident.start <= tick < incident.start + incident.ticks:
                row = int(incident.rows[0])
                hits[number].append((tick - incident.start, float(told.score[row]), float(z[row])))
    seen = (ticks - settle) * int(clean.sum())
    allowed = int(FALSE_PER_HOUR * (ticks - settle) / 12)
    lines = [float(np.sort(np.concatenate([pair[which] for pair in top]))[-allowed]) for which in (0, 1)]
    figures: dict[str, Any] = {f"null_over_nominal_1e-{k}": round(c / seen * 10**k, 2) for k, c in over.items()}
    figures["line_at_6_false_per_hour"] = round(lines[0], 2)
    for kind in ("spike", "shift", "loss"):
        mine = [number for number, incident in enumerate(truth) if incident.kind == kind]
        for which, who in ((1, "recall"), (2, "peer_recall")):
            found = [any(hit[which] >= lines[which - 1] for hit in hits[number]) for number in mine]
            figures[f"{kind}_{who}"] = round(float(np.mean(found)), 2)
    return figures


def _ticks(truth: list[Incident], ticks: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Each tick with what the incidents do to every datastream."""
    for tick in range(ticks):
        scale = np.ones(N)
        for incident in truth:
            if incident.start <= tick < incident.start + incident.ticks:
                scale[incident.rows] = incident.scale
        yield tick, scale


def numenta() -> dict[str, Any]:
    """NAB's scores of ``citybrain score`` on the corpora at hand, whole and each, and the time for a reading."""
    if not nab.CORPUS.exists():
        return {"corpora": "not on this machine"}
    files = nab.corpus()
    univariate.step(univariate.start(), np.zeros(1, np.int64), np.zeros(1))  # compile
    before = time.process_time()
    scores = nab.run(nab.univariate, files)
    took = time.process_time() - before
    figures: dict[str, Any] = {profile: round(nab.sweep(scores, files, profile)[0], 1) for profile in nab.PROFILES}
    for folder in sorted({series.name.partition("/")[0] for series in files}):
        part = [series for series in files if series.name.startswith(folder)]
        if any(len(series.windows) for series in part):
            figures[folder] = round(nab.at(scores, part, univariate.ALERT), 1)
    figures["standard_at_the_fixed_line"] = round(nab.at(scores, files, univariate.ALERT), 1)
    figures["us_per_reading"] = round(took / sum(len(series.value) for series in files) * 1e6, 2)
    return figures


if __name__ == "__main__":
    main(as_json=True)
