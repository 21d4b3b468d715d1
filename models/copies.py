"""Datastreams that say what another one says: copies, found by the fingerprints of what they sent.

The readings of a datastream are fingerprinted by spans of time (FNV-1a over the bits of its values). Two datastreams
with the same fingerprint over ``STREAK`` spans in a row are copies of one another; a span with fewer than ``CHANGES``
changes says nothing, for quiet places resemble each other. One pass, constant state; copies whose times differ so that
they fall into different spans are not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.both import compiled

State = dict[str, NDArray[Any]]
READINGS = 48  # cadences in a span
CHANGES = 6  # of the value within a span, or it says nothing
STREAK = 3  # spans in a row with the same twin
NEVER = np.iinfo(np.int64).min
NOBODY = -1
BASIS, PRIME = -3750763034362895579, 1099511628211  # FNV-1a, 64 bits, as signed numbers
# columns of the cells, all in one line of the processor's cache: of the span that goes on its number, fingerprint, last
# value (its bits) and changes; of the last whole one its number, fingerprint and changes
SPAN, PRINT, LAST, MOVED, WHOLE, WHOLE_PRINT, WHOLE_MOVED = range(7)


@dataclass(frozen=True, slots=True)
class Copies:
    """Looks for copies among datastreams that report every ``cadence_ms``."""

    cadence_ms: int

    @property
    def span_ms(self) -> int:
        """How long a span is."""
        return READINGS * self.cadence_ms

    def start(self, n: int) -> State:
        """The state of ``n`` datastreams: ``cells`` (n, 7) int64, the ``twin`` in the last whole span and for how many
        spans it has been (``streak``), (n,) int32; ``compared`` (1,) is the last span that was compared."""
        cells = np.zeros((n, 7), np.int64)
        cells[:, [SPAN, WHOLE]] = NEVER
        return {
            "cells": cells,
            "twin": np.full(n, NOBODY, np.int32),
            "streak": np.zeros(n, np.int32),
            "compared": np.full(1, NEVER, np.int64),
        }

    def learn(
        self, state: State, rows: NDArray[np.int32], time_ms: NDArray[np.int64], value: NDArray[np.float64]
    ) -> None:
        """Fingerprint the readings (readings,) in their order; ``state`` is updated in place."""
        _learn(state["cells"], rows, time_ms, value.view(np.int64), self.span_ms)

    def compare(self, state: State, now_ms: int) -> None:
        """Compare the newest span that all have left at ``now_ms``; nothing is done twice."""
        span = (now_ms - 2 * self.cadence_ms) // self.span_ms - 1
        if span <= int(state["compared"][0]):
            return
        in_a_row = span == int(state["compared"][0]) + 1
        state["compared"][0] = span
        twin = self._twins(state, span)
        same = in_a_row & (twin == state["twin"])
        state["streak"] = np.where(twin == NOBODY, 0, np.where(same, state["streak"] + 1, 1)).astype(np.int32)
        state["twin"] = twin

    @staticmethod
    def _twins(state: State, span: int) -> NDArray[np.int32]:
        """(datastreams,): the first one with the same fingerprint, NOBODY where there is none or it is itself."""
        cells = state["cells"]
        twin = np.full(len(cells), NOBODY, np.int32)
        rows = np.flatnonzero((cells[:, WHOLE] == span) & (cells[:, WHOLE_MOVED] >= CHANGES))
        _, first, number = np.unique(cells[rows, WHOLE_PRINT], return_index=True, return_inverse=True)
        original = rows[first][number]
        copy = original != rows
        twin[rows[copy]] = original[copy]
        return twin

    @staticmethod
    def found(state: State) -> NDArray[np.bool_]:
        """(datastreams,): which have been copies of their twin long enough."""
        return np.asarray(state["streak"] >= STREAK)


@compiled
def _learn(
    cells: NDArray[np.int64],
    rows: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    bits: NDArray[np.int64],
    span_ms: int,
) -> None:
    """One reading after the other, as the ``bits`` of its value: into its span's fingerprint, or the first of a new."""
    for k in range(len(rows)):
        c = cells[rows[k]]
        now = time_ms[k] // span_ms
        if now != c[SPAN]:
            c[WHOLE], c[WHOLE_PRINT], c[WHOLE_MOVED] = c[SPAN], c[PRINT], c[MOVED]
            c[SPAN], c[PRINT], c[MOVED] = now, BASIS, 0
        c[PRINT] = (c[PRINT] ^ bits[k]) * PRIME
        if bits[k] != c[LAST]:
            c[MOVED] += 1
            c[LAST] = bits[k]
