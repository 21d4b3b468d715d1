"""The Numenta Anomaly Benchmark's own scoring of anomaly scores (Lavin and Ahmad, ICMLA 2015), rewritten.

A detection inside a window earns more the earlier it is, only the best of each window counts; one outside costs more
the farther behind the last window it is. The first 15 % of a file (at most 750 rows) are not judged. One threshold, the
best, holds for all files. 0 is a detector that says nothing, 100 one that meets each window at its first row.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.machine import tell
from models import univariate as scorer

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "nab"
PROFILES = {
    "standard": (1.0, 0.11, 1.0),
    "reward_low_FP_rate": (1.0, 0.22, 1.0),
    "reward_low_FN_rate": (1.0, 0.11, 2.0),
}
"""Weights of a hit, of a false alarm and of a miss."""


@dataclass(frozen=True)
class Series:
    """One file: times (rows,) datetime64[s], values (rows,), and the first and last row of each window (windows, 2)."""

    name: str
    time: NDArray[np.datetime64]
    value: NDArray[np.float64]
    windows: NDArray[np.int64]

    @property
    def probation(self) -> int:
        """Rows at the start that are not judged."""
        return int(0.15 * min(len(self.value), 5000))


def corpus(folder: Path = CORPUS) -> list[Series]:
    """Every file of the corpus that is there, by name."""
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())
    return [read(path, windows[name]) for name, path in _files(folder) if name in windows]


def _files(folder: Path) -> list[tuple[str, Path]]:
    paths = sorted((folder / "data").glob("*/*.csv"))
    return [(f"{path.parent.name}/{path.name}", path) for path in paths]


def read(path: Path, windows: list[list[str]]) -> Series:
    """The file with its windows, each given by its first and last time."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    time = np.array([row["timestamp"] for row in rows], "datetime64[s]")
    value = np.array([float(row["value"]) for row in rows])
    edges = [[int(np.flatnonzero(time == np.datetime64(edge[:19], "s"))[0]) for edge in window] for window in windows]
    return Series(f"{path.parent.name}/{path.name}", time, value, np.array(edges, np.int64).reshape(-1, 2))


def worth(series: Series, profile: str = "standard") -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What a detection at each row earns (rows,), and the window it is in (rows,): -1 none, -2 not judged."""
    hit, alarm, _ = PROFILES[profile]
    earned = np.full(len(series.value), -alarm)
    inside = np.full(len(series.value), -1)
    for number, (first, last) in enumerate(series.windows):
        width = last - first + 1
        rows = np.arange(first, last + 1)
        earned[rows] = _sigmoid(-(last - rows + 1) / width) * hit / _sigmoid(np.array(-1.0))
        inside[rows] = number
        until = series.windows[number + 1, 0] if number + 1 < len(series.windows) else len(earned)
        rows = np.arange(last + 1, until)
        earned[rows] = _sigmoid((rows - last) / max(width - 1, 1)) * alarm
    inside[: series.probation] = -2
    return earned, inside


def _sigmoid(position: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(position > 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 3.0))) - 1.0)


def raw(series: Series, score: NDArray[np.float64], threshold: float, profile: str = "standard") -> float:
    """The points of one file at ``threshold``."""
    earned, inside = worth(series, profile)
    alarm = score >= threshold
    points = float(earned[alarm & (inside == -1)].sum())
    for number in range(len(series.windows)):
        rows = alarm & (inside == number)
        if rows.any():
            points += float(earned[rows].max())
        elif (inside == number).any():
            points -= PROFILES[profile][2]
    return points


def sweep(
    scores: Mapping[str, NDArray[np.float64]], files: list[Series], profile: str = "standard"
) -> tuple[float, float]:
    """The normalised score, 100 at most, at the best threshold for all files, and that threshold."""
    _, _, miss = PROFILES[profile]
    steps: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    windows = 0
    for series in files:
        earned, inside = worth(series, profile)
        score = scores[series.name]
        out = inside == -1
        steps.append((score[out], earned[out]))
        for number in range(len(series.windows)):
            rows = np.flatnonzero(inside == number)
            if not len(rows):
                continue
            windows += 1
            steps.append(_stairs(score[rows], earned[rows], miss))
    level = np.concatenate([step[0] for step in steps])
    gain = np.concatenate([step[1] for step in steps])
    order = np.argsort(-level, kind="stable")
    level, total = level[order], np.cumsum(gain[order])
    last = np.append(level[1:] != level[:-1], True)  # equal scores fall together
    best = int(np.argmax(np.where(last, total, -np.inf)))
    points, threshold = (float(total[best]), float(level[best])) if total[best] > 0 else (0.0, np.inf)
    perfect = windows * (PROFILES[profile][0] + miss)
    return 100.0 * points / perfect, threshold


def _stairs(
    score: NDArray[np.float64], earned: NDArray[np.float64], miss: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rises of a window's worth above a miss, as the threshold falls."""
    order = np.argsort(-score, kind="stable")
    best = np.maximum.accumulate(np.append(-miss, earned[order]))
    return score[order], np.diff(best)


def at(scores: Mapping[str, NDArray[np.float64]], files: list[Series], threshold: float) -> float:
    """The normalised standard score of the files at one threshold."""
    hit, _, miss = PROFILES["standard"]
    windows = sum(int((worth(series)[1] == number).any()) for series in files for number in range(len(series.windows)))
    points = sum(raw(series, scores[series.name], threshold) for series in files)
    return 100.0 * (points + miss * windows) / ((hit + miss) * windows)


def run(detector: Callable[[Series], NDArray[np.float64]], files: list[Series]) -> dict[str, NDArray[np.float64]]:
    """The detector's scores of every file."""
    return {series.name: detector(series) for series in files}


def univariate(series: Series) -> NDArray[np.float64]:
    """The scores of ``citybrain score`` (models/univariate.py)."""
    return scorer.step(scorer.start(), series.time.astype(np.int64), series.value)[1]


def measure() -> dict[str, Any]:
    """The scores of ``citybrain score`` on the corpora at hand, whole and each, and the time for a reading."""
    if not CORPUS.exists():
        return {"corpora": "not on this machine"}
    files = corpus()
    scorer.step(scorer.start(), np.zeros(1, np.int64), np.zeros(1))  # compile
    before = time.process_time()
    scores = run(univariate, files)
    took = time.process_time() - before
    figures: dict[str, Any] = {profile: round(sweep(scores, files, profile)[0], 1) for profile in PROFILES}
    for folder in sorted({series.name.partition("/")[0] for series in files}):
        part = [series for series in files if series.name.startswith(folder)]
        if any(len(series.windows) for series in part):
            figures[folder] = round(at(scores, part, scorer.ALERT), 1)
        else:
            told = sum(int((scores[one.name] >= scorer.ALERT)[one.probation :].sum()) for one in part)
            figures[f"{folder}, alerts"] = told
    figures["standard_at_the_fixed_line"] = round(at(scores, files, scorer.ALERT), 1)
    figures["us_per_reading"] = round(took / sum(len(series.value) for series in files) * 1e6, 2)
    return figures


def main(as_json: bool = False) -> int:
    """Measure; prints one JSON object."""
    del as_json  # there is no other form
    return tell(measure())


if __name__ == "__main__":
    main()
