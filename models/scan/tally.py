"""The two loops that replicates spend their time in: sharing cases out, and adding periods up into durations."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.both import compiled
from models.scan.circles import Float64

Int64 = NDArray[np.int64]
DENSE = 8  # cases a place from which on a draw for each place is quicker than one for each case


def shared_out(totals: Int64, weight: Float64, rng: np.random.Generator) -> Int64:
    """(places, columns) multinomial counts: the ``totals`` (columns,) in proportion to ``weight`` (places, columns)."""
    counts = np.zeros(weight.shape, np.int64)
    for column in np.flatnonzero(totals > 0).tolist():
        total, share = int(totals[column]), weight[:, column]
        if total > DENSE * len(weight):
            counts[:, column] = rng.multinomial(total, share / share.sum())
        else:  # the gaps between sorted uniform numbers are exponential; walk along them and the shares side by side
            _loops()[0](share, rng.standard_exponential(total + 1), counts[:, column])
    return counts


def durations_of(counts: Int64 | Float64, worth: Float64, over: Float64, durations: Int64) -> Float64:
    """(places, streams, durations) the sums of ``counts`` times ``worth`` (places, streams, periods) over the last
    periods of each duration (ascending), divided by ``over`` (streams, durations)."""
    sums = np.empty((*counts.shape[:2], len(durations)))
    whole = np.ascontiguousarray(counts, np.float64), np.ascontiguousarray(worth)  # one layout, compiled once
    _loops()[1](*whole, over, np.ascontiguousarray(durations), sums)
    return sums


def _walk(share: Float64, gaps: Float64, counts: Int64) -> None:
    """Count the cases that fall into each place's share of the whole; compiled."""
    scale = share.sum() / gaps.sum()
    place, edge, at, last = 0, share[0], 0.0, len(share) - 1
    while share[last] == 0.0:  # rounding must not carry a case to where none can be
        last -= 1
    for case in range(len(gaps) - 1):
        at += gaps[case] * scale
        while at > edge and place < last:
            place += 1
            edge += share[place]
        counts[place] += 1


def _add_up(counts: Float64, worth: Float64, over: Float64, durations: Int64, sums: Float64) -> None:
    """Running sums back from the last period; compiled."""
    places, streams, periods = counts.shape
    for i in range(places):
        for m in range(streams):
            total, back = 0.0, 0
            for d in range(len(durations)):
                while back < durations[d]:
                    back += 1
                    total += counts[i, m, periods - back] * worth[i, m, periods - back]
                sums[i, m, d] = total / over[m, d]


@cache
def _loops() -> tuple[Any, Any]:
    """Both as machine code, made when first asked for; they run beside others in threads."""
    return compiled(_walk, nogil=True), compiled(_add_up, nogil=True)
