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


@dataclass(frozen=True, slots=True)
class Copies:
    """Looks for copies among datastreams that report every ``cadence_ms``."""

    cadence_ms: int

    @property
    def span_ms(self) -> int:
        """How long a span is."""
        return READINGS * self.cadence_ms

    def start(self, n: int) -> State:
        """The state of ``n`` datastreams: the span that goes on, the last whole one, and the twin in it, all (n,);
        ``compared`` (1,) is the last span that was compared."""
        return {
            "span": np.full(n, NEVER, np.int64),
            "print": np.zeros(n, np.uint64),
            "last": np.full(n, np.nan),
            "changes": np.zeros(n, np.int32),
            "whole": np.full(n, NEVER, np.int64),
            "whole_print": np.zeros(n, np.uint64),
            "whole_changes": np.zeros(n, np.int32),
            "twin": np.full(n, NOBODY, np.int32),
            "streak": np.zeros(n, np.int32),
            "compared": np.full(1, NEVER, np.int64),
        }

    def learn(
        self, state: State, rows: NDArray[np.int32], time_ms: NDArray[np.int64], value: NDArray[np.float64]
    ) -> None:
        """Fingerprint the readings (readings,) in their order; ``state`` is updated in place."""
        _learn(
            state["span"], state["print"], state["last"], state["changes"],
            state["whole"], state["whole_print"], state["whole_changes"],
            rows, time_ms, value, value.view(np.uint64), self.span_ms,
        )  # fmt: skip

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
        twin = np.full(len(state["span"]), NOBODY, np.int32)
        rows = np.flatnonzero((state["whole"] == span) & (state["whole_changes"] >= CHANGES))
        _, first, number = np.unique(state["whole_print"][rows], return_index=True, return_inverse=True)
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
    span: NDArray[np.int64],
    mark: NDArray[np.uint64],
    last: NDArray[np.float64],
    changes: NDArray[np.int32],
    whole: NDArray[np.int64],
    whole_mark: NDArray[np.uint64],
    whole_changes: NDArray[np.int32],
    rows: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    bits: NDArray[np.uint64],
    span_ms: int,
) -> None:
    """One reading after the other: into its span's fingerprint, or the first of a new span."""
    for k in range(len(rows)):
        row = rows[k]
        now = time_ms[k] // span_ms
        if now != span[row]:
            whole[row], whole_mark[row], whole_changes[row] = span[row], mark[row], changes[row]
            span[row], mark[row], changes[row] = now, np.uint64(14695981039346656037), 0
        mark[row] = (mark[row] ^ bits[k]) * np.uint64(1099511628211)
        if value[k] != last[row]:
            changes[row] += 1
            last[row] = value[k]
