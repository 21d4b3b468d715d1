"""Soundness: is a datastream's sensor to be trusted? Stuck, dead zeros, silent, a copy of another one.

Readings are learned as they come; what is unsound is decided when the watermark passes a tick (``sweep``), so that the
cut of batches changes nothing and a replay gives the same. Silence is counted only while the shard hears anything: when
nothing at all came for a while the city was cut off, and its sensors have their usual time to speak again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.copies import Copies
from models.detectors.base import BadState
from models.detectors.silent import AT_LIMIT as SILENT_AT
from models.detectors.silent import NEVER, Silent
from models.detectors.stuck import AT_LIMIT as STUCK_AT
from models.detectors.stuck import LASTED, RUN, Stuck

FaultKind = Literal["sound", "stuck", "zeros", "silent", "copy"]
KINDS: tuple[FaultKind, ...] = ("sound", "stuck", "zeros", "silent", "copy")
SOUND, STUCK, ZEROS, SILENT, COPY = range(len(KINDS))
State = dict[str, NDArray[Any]]
Asked = Callable[[NDArray[np.intp]], NDArray[np.float32]]
"""Of these rows of the group: which share of their neighbours shows nothing but zero, (rows,)."""

RESTS_S = 6 * 3600.0  # a level may always rest for so long
EMPTY_S = 3600.0  # and a place may always be empty for so long, where not more is known of it
LEAST_CADENCES = 4  # of the declared cadence: whoever speaks more often than it must may pause for as long
EXPECTING = 3.0  # zeros are worth a look where at least so many are expected
MISSED = 60.0  # and are dead once so many expected people-minutes were not seen
NEIGHBOURS_AT_ZERO = 0.5  # unless as many of the neighbours are at zero too: then the place is empty


@dataclass(frozen=True, slots=True)
class Checks:
    """Which faults are looked for among the datastreams of a group, one reading each ``cadence_ms``; None: not that.

    ``zeros``: a zero that stays is a fault too, as where people are counted; a rain gauge may rest at it for months.
    """

    cadence_ms: int
    stuck: Stuck | None = None
    silent: Silent | None = None
    copies: Copies | None = None
    zeros: bool = False


def checks(cadence_ms: int, counts: bool) -> Checks:
    """The checks a property gets without a word in its pack; ``counts`` are whole numbers that seldom rest."""
    margin_s = max(24 * cadence_ms / 1000, 60.0)
    stuck = Stuck(margin_s=margin_s, timed=not counts, rest_s=EMPTY_S if counts else RESTS_S)
    return Checks(cadence_ms, stuck, Silent(), Copies(cadence_ms), zeros=counts)


class Soundness:
    """The faults of ``n`` datastreams of one group.

    ``fault`` (n,) uint8 indexes ``KINDS``, ``since`` (n,) ms is when it began, ``twin`` (n,) int32 the row it copies.
    """

    def __init__(self, checks: Checks, n: int) -> None:
        self.checks = checks
        self.fault = np.zeros(n, np.uint8)
        self.since = np.zeros(n, np.int64)
        self.twin = np.full(n, -1, np.int32)
        self._stuck = checks.stuck.start(n) if checks.stuck else {}
        self._silent = checks.silent.start(n) if checks.silent else {}
        self._copies = checks.copies.start(n) if checks.copies else {}

    def learn(self, rows: NDArray[np.int32], time_ms: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Take fresh readings (readings,) in their order; ``rows`` are those of the group."""
        if self.checks.stuck:
            self.checks.stuck.learn(self._stuck, rows, time_ms, value)
        if self.checks.silent:
            self.checks.silent.learn(self._silent, rows, time_ms, value)
        if self.checks.copies:
            self.checks.copies.learn(self._copies, rows, time_ms, value)

    def pause(self, idle_ms: int) -> None:
        """Nothing at all was heard for ``idle_ms``: nobody's silence or run counts for that long."""
        if self.checks.silent:
            last = self._silent["last"]
            last[last != NEVER] += idle_ms
        if self.checks.stuck:
            self._stuck["since"] += idle_ms

    def sweep(self, now_ms: int, expected: NDArray[np.float32], empty: Asked) -> NDArray[np.intp]:
        """Decide anew at the watermark ``now_ms``; the rows whose fault changed.

        ``expected`` (n,) is what was last expected of each; ``empty`` is asked of the few that may be dead.
        """
        fault = np.zeros(len(self.fault), np.uint8)
        if self.checks.copies:
            self.checks.copies.compare(self._copies, now_ms)
            copy = Copies.found(self._copies)
            fault[copy] = COPY
            self.twin = np.where(copy, self._copies["twin"], np.int32(-1)).astype(np.int32)
        if self.checks.stuck:
            stuck, nought = self.checks.stuck.standing(self._stuck) >= STUCK_AT, self._stuck["value"] == 0.0
            fault[stuck & ~nought] = STUCK
            if self.checks.zeros:
                fault[stuck & nought] = ZEROS
                fault[self._dead(fault, expected, empty)] = ZEROS
        if self.checks.silent:
            overdue = self.checks.silent.overdue(self._silent, now_ms) >= SILENT_AT
            fault[overdue & (now_ms - self._silent["last"] >= LEAST_CADENCES * self.checks.cadence_ms)] = SILENT
        changed = np.flatnonzero(fault != self.fault)
        self.since[changed] = self._began(changed, fault[changed], now_ms)
        self.fault = fault
        return changed

    def _dead(self, fault: NDArray[np.uint8], expected: NDArray[np.float32], empty: Asked) -> NDArray[np.intp]:
        """The rows at zero for so long that people should have been seen, among neighbours that see them."""
        assert self.checks.stuck is not None
        cells = self._stuck["cells"]
        lasted = cells[:, LASTED]
        with np.errstate(invalid="ignore"):
            missed = (expected >= EXPECTING) & (lasted * expected >= 60.0 * MISSED)
        rows = np.flatnonzero(
            missed
            & (fault == SOUND)
            & (self._stuck["value"] == 0.0)
            & (cells[:, RUN] >= self.checks.stuck.least)
            & (lasted >= self.checks.stuck.margin_s)
        )
        held = self.fault[rows] == ZEROS  # dead already: what its neighbours do now changes nothing
        rows = rows[held | (empty(rows) < NEIGHBOURS_AT_ZERO)] if len(rows) else rows
        return np.asarray(rows)

    def _began(self, rows: NDArray[np.intp], fault: NDArray[np.uint8], now_ms: int) -> NDArray[np.int64]:
        """When the fault of each of these rows began, ms; where it is sound again: now."""
        began = np.full(len(rows), now_ms, np.int64)
        stands = (fault == STUCK) | (fault == ZEROS)
        if self.checks.stuck:
            began[stands] = self._stuck["since"][rows[stands]]
        if self.checks.silent:
            began[fault == SILENT] = self._silent["last"][rows[fault == SILENT]]
        return np.minimum(began, now_ms)

    def snapshot(self) -> State:
        """The whole state as copies of plain arrays."""
        arrays: State = {"fault": self.fault, "since": self.since, "twin": self.twin}
        for part, state in self._parts():
            arrays |= {f"{part}/{name}": array for name, array in state.items()}
        return {name: array.copy() for name, array in arrays.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``BadState`` when it is of other checks or another number."""
        mine = self.snapshot()
        if set(arrays) != set(mine) or any(arrays[name].shape != array.shape for name, array in mine.items()):
            raise BadState(f"the saved soundness is not of {len(self.fault)} datastreams and these checks; start anew")
        self.fault, self.since, self.twin = (np.array(arrays[name]) for name in ("fault", "since", "twin"))
        for part, state in self._parts():
            for name in state:
                state[name] = np.array(arrays[f"{part}/{name}"])

    def _parts(self) -> list[tuple[str, State]]:
        return [("stuck", self._stuck), ("silent", self._silent), ("copies", self._copies)]
