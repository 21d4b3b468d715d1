"""The search: of all circles and durations the one with the highest ratio, then the next that does not touch it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.both import compiled, formula
from models.scan.circles import Circles
from models.scan.likelihood import ceiling, contrast, surplus

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """What is scanned. ``cells`` (places, streams, 2, durations) float64: cases and expected cases of each place and
    stream over each duration; ``totals`` (streams,): all cases where the ratio is taken given them (Kulldorff), else
    infinite (expectation-based). With several streams a zone's ratio is the sum over the streams."""

    cells: Float64
    totals: Float64


@dataclass(frozen=True, slots=True)
class Zone:
    """A circle and a duration: ``places`` (n,) int32 from the centre outwards, ``duration`` the column of the table,
    ``score`` its log-likelihood ratio."""

    centre: int
    places: NDArray[np.int32]
    radius: float
    duration: int
    score: float


def best(circles: Circles, table: Table, most: int = 1) -> list[Zone]:
    """The zone with the highest ratio, the highest that shares no place with it, and so on; up to ``most``, above 0.

    Of equal ones the earlier place's smallest circle, or with several asked for the smallest circle.
    """
    size = circles.size.copy()
    score, width, duration = (np.zeros(len(circles), kind) for kind in (np.float64, np.int64, np.int64))
    rows = np.arange(len(circles))
    found: list[Zone] = []
    taken = np.zeros(len(circles), np.bool_)
    while len(found) < most:
        only = most == 1  # then a centre need not be looked at further than the best before it
        _loop()(*_args(circles, table), size, rows, only, score, width, duration)
        top = int(np.lexsort((np.arange(len(circles)), width, -score))[0])
        if score[top] <= 0.0:
            break
        places = circles.order[top, : width[top]].copy()
        radius = float(circles.radius[top, width[top] - 1])
        found.append(Zone(top, places, radius, int(duration[top]), float(score[top])))
        taken[places] = True
        size = np.minimum(size, _free(circles, taken))
        rows = np.flatnonzero(width > size)
    return found


def highest(circles: Circles, table: Table) -> float:
    """The highest ratio alone, 0 where no zone has more cases than expected; quicker, for replicates."""
    score, width, duration = (np.zeros(len(circles), kind) for kind in (np.float64, np.int64, np.int64))
    _loop()(*_args(circles, table), circles.size, np.arange(len(circles)), True, score, width, duration)
    return float(score.max(initial=0.0))


def _args(circles: Circles, table: Table) -> tuple[Any, ...]:
    return circles.order, circles.closed, np.ascontiguousarray(table.cells), table.totals


def _free(circles: Circles, taken: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(places,) how many neighbours come before the first that is taken."""
    hit = taken[circles.order]
    return np.asarray(np.where(hit.any(axis=1), hit.argmax(axis=1), hit.shape[1]), np.int64)


@formula
def _add_one(sums: Float64, cell: Float64, line: float) -> int:
    """Add a place to a circle's sums (1, 2, durations), expectation-based; how many durations may beat ``line``.

    Without quotients, so that it runs several durations at a time: the ceiling d²/2b times 2b.
    """
    cases, expected, hits = sums[0, 0], sums[0, 1], 0
    for d in range(len(cases)):
        more, base = cases[d] + cell[0, 0, d], expected[d] + cell[0, 1, d]
        cases[d], expected[d] = more, base
        over = max(more - base, 0.0)
        hits += over * over > 2.0 * line * base
    return hits


@formula
def _add_all(sums: Float64, cell: Float64, totals: Float64, line: float) -> int:
    """The same for several streams, or given totals."""
    hits = 0
    for d in range(sums.shape[2]):
        most = 0.0
        for m in range(sums.shape[0]):
            sums[m, 0, d] += cell[m, 0, d]
            sums[m, 1, d] += cell[m, 1, d]
            most += ceiling(sums[m, 0, d], sums[m, 1, d], totals[m])
        hits += most > line
    return hits


@formula
def _ratio(sums: Float64, totals: Float64, d: int, line: float) -> float:
    """The log-likelihood ratio of a circle over one duration, all streams together; 0 where it cannot beat ``line``."""
    most, ratio = 0.0, 0.0
    for m in range(len(totals)):
        most += ceiling(sums[m, 0, d], sums[m, 1, d], totals[m])
    if most <= line:
        return 0.0
    for m in range(len(totals)):
        cases, expected = sums[m, 0, d], sums[m, 1, d]
        if cases > expected:
            ratio += surplus(cases, expected) if np.isinf(totals[m]) else contrast(cases, expected, totals[m])
    return ratio


def _search(
    order: NDArray[np.int32],
    closed: NDArray[np.bool_],
    cells: Float64,
    totals: Float64,
    size: NDArray[np.int64],
    rows: NDArray[np.int64],
    carry: bool,
    score: Float64,
    width: NDArray[np.int64],
    duration: NDArray[np.int64],
) -> None:
    """For each centre in ``rows`` the best score, circle and duration; compiled.

    With ``carry`` a centre must beat the centres before it, so that most need no logarithm; its score is 0 else.
    """
    sums = np.empty((cells.shape[1], 2, cells.shape[3]))
    one = len(totals) == 1 and np.isinf(totals[0])
    line = 0.0
    for i in rows:
        sums[:] = 0.0
        score[i], width[i], duration[i] = 0.0, 0, 0
        line = line if carry else 0.0
        for k in range(size[i]):
            cell = cells[order[i, k]]
            hits = _add_one(sums, cell, line) if one else _add_all(sums, cell, totals, line)
            if hits == 0 or not closed[i, k]:
                continue
            for d in range(sums.shape[2]):
                ratio = _ratio(sums, totals, d, line)
                if ratio > line:
                    line = ratio
                    score[i], width[i], duration[i] = ratio, k + 1, d


@cache
def _loop() -> Any:
    """The search as machine code, made when it is first asked for; it runs beside others in threads."""
    return compiled(_search, nogil=True)
