"""How strange sums of many datastreams are: by how many of them are off together, or by their size.

In unison: the mean of what each is off by in its own deviations, clipped, times the root of their number (Stouffer's
method). A crowd that adds one deviation to each of a hundred cameras is ten deviations of that mean, while the burst of
one camera or the error of a large one is hardly seen. What the surroundings are off by is taken away first.
By size: the logarithm of the sum over what was expected of it, less that of the whole city. A few large datastreams
decide it, so it judges places that have only a few.

Each place is judged on its own past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detectors import BadState, Detector
from models.layout import Series
from models.sums import BAND

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]

WIDE = ("city", "district", "functional")  # zones in which much else may happen at the same time
MANY = 30  # datastreams of a zone that is judged in unison; fewer by size
ENOUGH = 200  # datastreams that show the mood of a district
WIDER = 4  # times the datastreams of a zone: less would be the zone itself
NOWHERE = -1


class Departures:
    """The judge of the places (n,) of one property; ``members`` (n,) are their datastreams, from ``many`` on they are
    judged in unison. Its state can be saved and restored bit for bit."""

    def __init__(self, detector: Detector, members: Float64, many: int = MANY) -> None:
        self.detector, self.many = detector, members >= many
        self._state = detector.start(len(members))

    def step(
        self, clock: tuple[int, int, int], sums: tuple[Float64, Float64, Float64, Float64], whole: Float64
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The surprise of a tick and by how many of its own deviations each place is off (negative: fewer than usual),
        both (n,) float32, NaN where nothing is known; the second also until enough was seen.

        ``clock``: the tick's start in ms, the same in local time, the kind of day. ``sums``, each (n,): how many
        datastreams are known, their sum, what was expected of them, and by how many deviations they are off in all
        without their surroundings (``alone``). ``whole`` (n,): the departure of the whole city by size.
        """
        score, deviation = (np.full(len(self.many), np.nan, np.float32) for _ in range(2))
        rows = np.flatnonzero(sums[0] > 0.5).astype(np.int32)
        if not len(rows):
            return score, deviation
        known, value, expected, off = (column[rows] for column in sums)
        by_size = np.log((np.maximum(value, 0.0) + 1.0) / (np.maximum(expected, 0.0) + 1.0)) - whole[rows]
        judged = np.where(self.many[rows], off / np.sqrt(known), by_size)
        time, local = (np.full(len(rows), ms, np.int64) for ms in clock[:2])
        kind = np.full(len(rows), clock[2], np.uint8)
        self._state, told = self.detector.step(self._state, rows, time, judged, kind, local)
        score[rows] = told.score
        deviation[rows] = BAND * (judged - told.expected) / (told.high - told.expected)
        return score, deviation

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The state as copies of plain arrays."""
        return self.detector.snapshot(self._state)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``BadState`` when it is of other places or another detector."""
        fresh = self.detector.start(len(self.many))
        if set(arrays) != set(fresh) or any(arrays[name].shape != array.shape for name, array in fresh.items()):
            raise BadState(f"the saved state of sums is not of these {len(self.many)} places; learn anew")
        self._state = self.detector.restore(arrays)


def whole_city(series: Sequence[Series], property: str) -> int:
    """The row of the whole city's series of a property, NOWHERE where there is none."""
    found = (row for row, one in enumerate(series) if one.property == property and one.zone_kind == "city")
    return next(found, NOWHERE)


def surroundings(series: Sequence[Series], property: str, districts: Sequence[str], members: NDArray[Any]) -> Int32:
    """(places,): the row of the series whose mood each place shares: that of its district where it is much wider than
    the place, else the whole city's; NOWHERE where there is neither.

    ``districts`` (places,) are the ids of their districts, "" for none; ``members`` (places,) their datastreams.
    """
    rows = {one.place.id: row for row, one in enumerate(series) if one.property == property and one.zone_kind in WIDE}
    city = whole_city(series, property)

    def around(district: str, count: float) -> int:
        row = rows.get(district, NOWHERE)
        return row if row != NOWHERE and series[row].members >= max(ENOUGH, WIDER * count) else city

    return np.array([around(*one) for one in zip(districts, members.tolist(), strict=True)], np.int32)


def alone(off: Float64, known: Float64, around: Int32, wide: tuple[Float64, Float64]) -> Float64:
    """(places,): by how many deviations the datastreams of places are off in all, without what each of those in their
    surroundings is off by. ``around`` (places,) are rows of ``wide``: ``off`` and ``known`` of the series (series,)."""
    mood = np.append(wide[0] / np.maximum(wide[1], 1.0), 0.0)  # NOWHERE is the last
    return np.asarray(off - known * mood[around])
