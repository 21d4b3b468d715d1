"""What ``citybrain scan --model space-time`` takes as expected, by what the files tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citybrain.commands.scan_input import Cases, Float64, Int64, Places, ScanError, few
from models.scan.expected import Expected, by_margins, by_past, by_weight, given
from models.scan.prospective import Expectation
from models.scan.trend import trend

KINDS = ("given", "trend", "past", "population", "margins")
LEAST = 3  # periods of a past that is worth learning from
WEEK = 7  # periods of a past that is enough, however long a cluster may last
PER = ("auto", "period", "file")


@dataclass(frozen=True, eq=False)
class Counts:
    """The cases as a table (places, streams, periods), the first of which is the period ``first``."""

    table: Int64
    first: int

    @property
    def periods(self) -> int:
        """How many periods."""
        return int(self.table.shape[2])


@dataclass(frozen=True, eq=False)
class Baseline:
    """How the expected cases come about: by what ``kind``, from how many past periods on (``ready``), said in ``why``;
    ``scannable`` (periods,) whether the period may be in a window; ``gap`` what is missing in the last that may not."""

    kind: str
    expect: Expectation
    ready: int
    why: str
    scannable: NDArray[np.bool_]
    gap: str = ""


def choose(wanted: str, places: Places, cases: Cases, periods: int, days: int | None) -> str:
    """The kind of baseline: the one that is wanted, if the files have it, else the first that they have.

    given: a column baseline, of the cases or of the places. trend: a column population of the cases. past: periods
    before the longest cluster. population: a column of the places. margins: the sums by place and by period.
    """
    there = {
        "given": cases.baseline is not None or places.baseline is not None,
        "trend": cases.population is not None,
        "past": _long_enough(periods, days),
        "population": places.population is not None,
        "margins": True,
    }
    if wanted == "auto":
        return next(kind for kind in KINDS if there[kind])
    if not there[wanted]:
        needs = {
            "given": "a column baseline in the places or the cases",
            "trend": "a column population in the cases",
            "past": f"at least {LEAST} periods before the longest cluster, and {periods} are there in all",
            "population": "a column population in the places",
        }
        raise ScanError(f"--baseline {wanted} needs {needs[wanted]}")
    return wanted


def longest(kind: str, periods: int, days: int | None) -> int:
    """How many periods a cluster may have lasted: as told, else a week, leaving half of the periods as the past."""
    if days is not None:
        return min(days, periods)
    return min(WEEK, periods if kind in ("given", "population") else max(periods // 2, 1))


def _long_enough(periods: int, days: int | None) -> bool:
    """Whether what comes before the longest cluster is worth learning from."""
    reach = longest("past", periods, days)
    return periods - reach >= max(LEAST, min(reach, WEEK))


def baseline(
    kind: str, places: Places, cases: Cases, counts: Counts, days: int, k: Float64 | None, per: str
) -> Baseline:
    """The baseline of that kind; ``k`` (streams,) overdispersion where it is told, else it is learned from the past."""
    every = np.ones(counts.periods, np.bool_)
    if kind == "past":
        ready = max(LEAST, min(days, WEEK))
        return Baseline(kind, lambda past, window, _: by_past(past, window, k), ready, "learned from the past", every)
    if kind == "margins":
        return Baseline(kind, lambda _, window, __: by_margins(window, k), 0, "place and period independent", every)
    if kind == "population":
        assert places.population is not None
        weight = places.population
        _nobody(counts, weight[:, None, None] > 0.0, places, cases, "population")

        def shared(past: Int64, window: Int64, _: int) -> Expected:
            return by_weight(past, window, weight, k)

        return Baseline(kind, shared, 0, "in proportion to the population", every)
    if kind == "trend":
        return _trend(places, cases, counts, k)
    return _given(places, cases, counts, k, per)


def _given(places: Places, cases: Cases, counts: Counts, k: Float64 | None, per: str) -> Baseline:
    """The column baseline: of the cases, for each place and period; of the places, the same for all periods."""
    why = "as given"
    if cases.baseline is not None:
        table = _cells(cases, counts, cases.baseline, places, "baseline")
    else:
        assert places.baseline is not None
        streams = counts.table.sum(axis=(0, 2)) / max(counts.table.sum(), 1)
        whole = per == "file" or (per == "auto" and _of_file(float(places.baseline.sum()), counts))
        each = places.baseline / (counts.periods if whole else 1)
        why = "as given, for all periods together" if whole else "as given, for each period"
        table = np.repeat((each[:, None] * streams)[:, :, None], counts.periods, axis=2)
    _nobody(counts, ~(table <= 0.0), places, cases, "baseline")

    def told(past: Int64, window: Int64, latest: int) -> Expected:
        last = latest - counts.first + 1
        return given(table[:, :, last - window.shape[2] : last], k, past)

    return Baseline("given", told, 0, why, *_gaps(table, places, cases, counts, "baseline"))


def _of_file(total: float, counts: Counts) -> bool:
    """Whether baselines of this sum are for the whole file: nearer to all its cases than to those of a period."""
    cases = max(float(counts.table.sum()), 1.0)
    return bool(abs(np.log(total / cases)) < abs(np.log(total * counts.periods / cases)))


def _trend(places: Places, cases: Cases, counts: Counts, k: Float64 | None) -> Baseline:
    """Poisson regression on what comes before the window, with the population of each place and period."""
    assert cases.population is not None
    table = _cells(cases, counts, cases.population, places, "population", whole=False)
    people = np.nanmax(np.where(np.isnan(table), -1.0, table), axis=1)
    people = np.where(people < 0.0, np.nan, people)
    _nobody(counts, ~(people[:, None] <= 0.0), places, cases, "population")

    def fitted(past: Int64, window: Int64, latest: int) -> Expected:
        last = latest - counts.first + 1
        reach, before = window.shape[2], past.shape[2]
        ahead = people[:, last - reach : last]
        exposed = people[:, last - reach - before : last - reach]
        try:
            mean = [trend(past[:, m], exposed, ahead) for m in range(past.shape[1])]
        except ValueError as error:
            raise ScanError(f"--baseline trend: {error}") from error
        return given(np.stack(mean, axis=1), k, past)

    why = "Poisson regression on the population before"
    return Baseline("trend", fitted, LEAST, why, *_gaps(people[:, None], places, cases, counts, "population"))


def _gaps(table: Float64, places: Places, cases: Cases, counts: Counts, what: str) -> tuple[NDArray[np.bool_], str]:
    """(periods,) where every cell of the table (places, streams, periods) is known, and words for one that is not."""
    unknown = np.asarray(np.isnan(table).any(axis=1))
    if not unknown.any():
        return np.ones(counts.periods, np.bool_), ""
    period = int(np.flatnonzero(unknown.any(axis=0))[-1])
    names = few([places.ids[place] for place in np.flatnonzero(unknown[:, period]).tolist()])
    gap = f"no {what} in {_period(cases, counts.first + period)} for {names}; add a row with it, and the count 0"
    return np.asarray(~unknown.any(axis=0)), gap


def _cells(cases: Cases, counts: Counts, numbers: Float64, places: Places, what: str, whole: bool = True) -> Float64:
    """(places, streams, periods) a column of the cases, NaN where it has no row; ``whole``: one row a cell."""
    table = np.full(counts.table.shape, np.nan)
    at = cases.place, cases.stream, cases.period - counts.first
    if whole:
        flat = np.ravel_multi_index(at, table.shape)
        if len(np.unique(flat)) < len(flat):
            rows, number = np.unique(flat, return_counts=True)
            row = int(np.flatnonzero(flat == rows[number > 1][0])[0])
            where = f"{places.ids[cases.place[row]]!r}, {_period(cases, int(cases.period[row]))}"
            raise ScanError(f"{where} has several rows with a {what} each; put it in one row")
    table[at] = numbers
    return table


def _nobody(
    counts: Counts,
    possible: NDArray[np.bool_],
    places: Places,
    cases: Cases,
    what: str,
) -> None:
    """Refuse cases where none can be."""
    strange = (counts.table > 0) & ~possible
    if strange.any():
        place, _, period = (int(one) for one in np.argwhere(strange)[0])
        where = f"{places.ids[place]!r} has cases in {_period(cases, counts.first + period)}"
        more = few([places.ids[row] for row in np.flatnonzero(strange.any(axis=(1, 2))).tolist()])
        raise ScanError(f"{where} but {what} 0; no case can be where nothing is expected: mend {more}")


def _period(cases: Cases, number: int) -> str:
    """The period in words."""
    return cases.periods.name(number) if cases.periods else "the file"
