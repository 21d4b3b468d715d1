"""The engine of one shard: readings in; scores, detections and zone sums out.

Pure: the same ``step`` runs under Faust, in replay, in drills, in benchmarks and in tests. Whatever way a shard's
readings are cut into batches, state and results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models import admission
from models.batch import Batch
from models.both import compiled
from models.calendar import Calendar
from models.detections import from_change
from models.layout import ShardLayout
from models.partials import Partial
from models.placement import Placement
from models.rules import Change, Conditions, Rule
from models.sums import ZoneSums
from models.values import Detection

COUNTS = ("scored", "duplicates", "late", "rejected")


@dataclass(frozen=True, slots=True)
class Reject:
    """A reading the engine cannot use: its row in the batch and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch gave. ``score`` (readings,) float32 is NaN for what was not scored; ``touched`` are the rows of
    the layout whose last value moved, ascending."""

    score: NDArray[np.float32]
    touched: NDArray[np.int32]
    detections: tuple[Detection, ...]
    partials: tuple[Partial, ...]
    rejects: tuple[Reject, ...]


class _Taken:
    """The usable readings of a batch as columns (readings,); ``rows`` are those of the layout. ``score`` and
    ``expected`` are NaN until they are known."""

    __slots__ = ("expected", "flags", "rows", "score", "time", "value")

    def __init__(
        self,
        rows: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        flags: NDArray[np.uint8],
        score: NDArray[np.float32] | None = None,
        expected: NDArray[np.float32] | None = None,
    ) -> None:
        self.rows, self.time, self.value, self.flags = rows, time, value, flags
        self.score = np.full(len(rows), np.nan, np.float32) if score is None else score
        self.expected = np.full(len(rows), np.nan, np.float32) if expected is None else expected

    def take(self, at: NDArray[np.int64]) -> _Taken:
        """The readings at these positions."""
        return _Taken(self.rows[at], self.time[at], self.value[at], self.flags[at], self.score[at], self.expected[at])


class Engine:
    """Scores one shard. Its state can be saved (``snapshot``) and restored bit for bit.

    ``value``, ``score`` (n,) float32 and ``time`` (n,) int64 ms are the live picture of the shard.
    """

    def __init__(self, layout: ShardLayout, rules: Sequence[Rule], calendar: Calendar) -> None:
        self.layout = layout
        self.calendar = calendar
        self.conditions = Conditions([rule for rule in rules if rule.reads == "datastreams"])
        n = len(layout)
        self._placement = Placement(layout)
        self._row = np.zeros(n, np.int32)  # row within its group
        self._detector_states = []
        for number, group in enumerate(layout.groups):
            rows = np.flatnonzero(layout.group == number)
            self._row[rows] = np.arange(len(rows), dtype=np.int32)
            self._detector_states.append(group.detector.start(len(rows)))
        self._watching = [  # rules of each group
            [i for i, rule in enumerate(self.conditions.rules) if (rule.pack, rule.property) == (g.pack, g.property)]
            for g in layout.groups
        ]
        self._active = np.zeros((len(self.conditions.rules), n), np.bool_)
        self.recent = admission.start(n)
        self.value = np.full(n, np.nan, np.float32)
        self.score = np.full(n, np.nan, np.float32)
        self.time = np.zeros(n, np.int64)
        self.counts = np.zeros(len(COUNTS), np.int64)
        self._sums = ZoneSums(layout)

    # --- one batch ------------------------------------------------------------------------------------------

    def step(self, batch: Batch) -> Step:
        """Take a batch of this shard's readings, in order; what it gave."""
        rows, usable = self._placement.rows(batch)
        taken, kept = _Taken(rows, batch.time, batch.value, batch.flags), None
        rejects: tuple[Reject, ...] = ()
        if usable < len(rows):
            kept = np.flatnonzero(rows >= 0)
            taken, rejects = taken.take(kept), self._rejects(batch, rows)
        status = admission.admit(self.recent, taken.rows, taken.time)
        counts = np.bincount(status, minlength=4).tolist()
        fresh = None if counts[admission.FRESH] == len(status) else np.flatnonzero(status == admission.FRESH)
        detections = self._detect(taken, fresh)
        self._sums.add(taken.rows, taken.time, taken.value, taken.expected, status)
        partials = self._sums.closed(batch.accepted)
        self.counts += (
            len(status) - counts[admission.DUPLICATE],
            counts[admission.DUPLICATE],
            counts[admission.LATE],
            len(rejects),
        )
        touched = self._remember(taken if fresh is None else taken.take(fresh))
        score = taken.score
        if kept is not None:
            score = np.full(len(batch), np.nan, np.float32)
            score[kept] = taken.score
        return Step(score, touched, detections, tuple(partials), rejects)

    def _rejects(self, batch: Batch, rows: NDArray[np.int32]) -> tuple[Reject, ...]:
        return tuple(
            Reject(
                row, self._placement.reason(int(batch.datastream[row]), int(batch.time[row]), float(batch.value[row]))
            )
            for row in np.flatnonzero(rows < 0).tolist()
        )

    def _detect(self, taken: _Taken, fresh: NDArray[np.int64] | None) -> tuple[Detection, ...]:
        """Score the fresh readings (None: all of them) and apply the rules to them; what was detected, in order."""
        group_of = self.layout.group[taken.rows if fresh is None else taken.rows[fresh]]
        if not len(group_of):
            return ()
        found: list[tuple[int, int, Detection]] = []
        low, high = int(group_of.min()), int(group_of.max())
        for number in range(max(low, 0), high + 1):
            if low == high:
                at = fresh
            else:
                mine = np.flatnonzero(group_of == number)
                at = mine if fresh is None else fresh[mine]
            if at is None or len(at):
                found += self._detect_group(number, taken, at)
        found.sort(key=_order)  # as the readings came, so that the cut of batches changes nothing
        return tuple(detection for _, _, detection in found)

    def _detect_group(
        self, number: int, taken: _Taken, at: NDArray[np.int64] | None
    ) -> list[tuple[int, int, Detection]]:
        mine = taken if at is None else taken.take(at)
        local_ms = self.calendar.local(mine.time)
        day_kind = self.calendar.day_kind(local_ms)
        detector = self.layout.groups[number].detector
        self._detector_states[number], scores = detector.step(
            self._detector_states[number], self._row[mine.rows], mine.time, mine.value, day_kind, local_ms
        )
        mine.score[:], mine.expected[:] = scores.score, scores.expected
        if at is not None:
            taken.score[at], taken.expected[at] = scores.score, scores.expected
        found = []
        for rule in self._watching[number]:
            for row, detection in self._judge(rule, number, mine):
                found.append((row if at is None else int(at[row]), rule, detection))
        return found

    def _judge(self, rule: int, number: int, taken: _Taken) -> list[tuple[int, Detection]]:
        """Apply one rule to the readings that are worth a look; its detections with the rows that made them."""
        declared = self.conditions.rules[rule]
        active = self._active[rule]
        look = None
        if declared.watch > 0:
            hot, held = _worth(taken.rows, taken.score, active, declared.watch)
            if not hot and not held:
                return []
            warm = taken.score >= declared.watch
            look = warm | active[taken.rows]
            if hot:  # all readings of a place that became hot, so that the cut of batches changes nothing
                look |= np.isin(taken.rows, taken.rows[warm])
            look = np.flatnonzero(look)
            taken = taken.take(look)
        frame = self._frame(taken)
        places = taken.rows.tolist()
        changes = self.conditions.step(rule, places, taken.time.tolist(), frame)
        for place in set(places):
            active[place] = self.conditions.holds(rule, place)
        return [
            (
                change.row if look is None else int(look[change.row]),
                self._detection(declared, number, change, frame, int(taken.flags[change.row])),
            )
            for change in changes
        ]

    def _frame(self, taken: _Taken) -> pl.DataFrame:
        local_ms = self.calendar.local(taken.time)
        return pl.DataFrame(
            {
                "value": taken.value,
                "expected": taken.expected.astype(np.float64),
                "score": taken.score.astype(np.float64),
                "hour": (local_ms % 86_400_000) / 3_600_000,
                "day_kind": self.calendar.day_kind(local_ms).astype(np.float64),
            },
            nan_to_null=True,
        )

    def _detection(self, rule: Rule, number: int, change: Change, frame: pl.DataFrame, flags: int) -> Detection:
        return from_change(
            rule,
            change,
            self.layout.places[change.place],
            "asset",
            frame.row(change.row, named=True),
            self.layout.groups[number].unit,
            exercise=bool(flags & 1),
        )

    # --- the picture ----------------------------------------------------------------------------------------

    def _remember(self, taken: _Taken) -> NDArray[np.int32]:
        """Keep the last of each datastream; which rows these are, ascending."""
        rows = taken.rows
        if _keep(self.value, self.score, self.time, rows, taken.value, taken.score, taken.time):
            return rows.copy()
        ordered = np.sort(rows)
        first = np.ones(len(rows), np.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        return ordered[first]

    # --- saving ---------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The whole state as copies of plain arrays."""
        arrays: dict[str, NDArray[np.generic]] = {
            "recent": self.recent.copy(),
            "value": self.value.copy(),
            "score": self.score.copy(),
            "time": self.time.copy(),
            "counts": self.counts.copy(),
            **self._sums.snapshot(),
            "conditions": np.frombuffer(msgspec.json.encode(self.conditions.snapshot()), np.uint8).copy(),
        }
        for group, state in zip(self.layout.groups, self._detector_states, strict=True):
            for name, array in group.detector.snapshot(state).items():
                arrays[f"{group.pack}/{group.property}/{name}"] = array.copy()
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what ``snapshot`` gave. Raises ``ValueError`` when it is of another layout."""
        if len(arrays["value"]) != len(self.layout) or arrays["sums"].shape[2] != self.layout.series:
            raise ValueError(
                f"the saved state has {len(arrays['value'])} datastreams and {arrays['sums'].shape[2]} series, shard "
                f"{self.layout.shard} has {len(self.layout)} and {self.layout.series}; the register has changed"
            )
        self.recent = np.array(arrays["recent"], np.int64)
        self.value = np.array(arrays["value"], np.float32)
        self.score = np.array(arrays["score"], np.float32)
        self.time = np.array(arrays["time"], np.int64)
        self.counts = np.array(arrays["counts"], np.int64)
        self._sums.restore(arrays)
        self.conditions.restore(msgspec.json.decode(np.asarray(arrays["conditions"], np.uint8).tobytes()))
        self._active[:] = False
        for rule in range(len(self.conditions.rules)):
            self._active[rule, list(self.conditions.active(rule))] = True
        for number, group in enumerate(self.layout.groups):
            prefix = f"{group.pack}/{group.property}/"
            mine = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
            state, size = group.detector.restore(mine), int((self.layout.group == number).sum())
            fresh = group.detector.start(size)
            if any(array.shape != fresh[name].shape for name, array in state.items()):
                raise ValueError(
                    f"the saved state of {prefix[:-1]} is not of {size} datastreams; the register has changed"
                )
            self._detector_states[number] = state


def _order(found: tuple[int, int, Detection]) -> tuple[int, int]:
    """By the reading that made it, then by rule."""
    return found[:2]


@compiled
def _worth(
    rows: NDArray[np.int32], score: NDArray[np.float32], active: NDArray[np.bool_], watch: float
) -> tuple[bool, bool]:
    """Is there a score of at least ``watch``, and is there a place at which the rule is pending or firing?"""
    hot = held = False
    for k in range(len(rows)):
        hot |= score[k] >= watch
        held |= active[rows[k]]
    return hot, held


@compiled
def _keep(
    values: NDArray[np.float32],
    scores: NDArray[np.float32],
    times: NDArray[np.int64],
    rows: NDArray[np.int32],
    value: NDArray[np.float64],
    score: NDArray[np.float32],
    time: NDArray[np.int64],
) -> bool:
    """Write the readings into the picture in order, so that the last of a row stays; do the rows ascend?"""
    ascending, before = True, -1
    for k in range(len(rows)):
        row = rows[k]
        values[row], scores[row], times[row] = value[k], score[k], time[k]
        ascending &= row > before
        before = row
    return ascending
