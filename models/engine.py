"""The engine of one shard: readings in; scores, detections and zone sums out.

Pure: the same ``step`` runs under Faust, in replay, in drills, in benchmarks and in tests. Whatever way a shard's
readings are cut into batches, state and results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models import admission
from models.batch import Batch
from models.calendar import Calendar
from models.detections import from_change
from models.layout import ShardLayout
from models.partials import FIELDS, Partial
from models.placement import Placement
from models.rules import Change, Conditions, Rule
from models.values import Detection

COUNTS = ("scored", "duplicates", "late", "rejected")
_NEVER = admission.NEVER


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
        self.newest = _NEVER
        self.counts = np.zeros(len(COUNTS), np.int64)
        self._ticks: dict[int, NDArray[np.float64]] = {}

    # --- one batch ------------------------------------------------------------------------------------------

    def step(self, batch: Batch) -> Step:
        """Take a batch of this shard's readings, in order; what it gave."""
        rows, time, value, flags = self._placement.rows(batch), batch.time, batch.value, batch.flags
        kept, rejects = None, self._rejects(batch, rows)
        if rejects:
            kept = np.flatnonzero(rows >= 0)
            rows, time, value, flags = rows[kept], time[kept], value[kept], flags[kept]
        status = admission.admit(self.recent, rows, time)
        fresh = np.flatnonzero(status == admission.FRESH)
        score = np.full(len(rows), np.nan, np.float32)
        expected = np.full(len(rows), np.nan, np.float32)
        detections: list[Detection] = []
        if len(fresh):
            self._detect(rows, time, value, flags, fresh, score, expected, detections)
        partials = self._sum(rows, time, value, expected, status, batch.accepted)
        self._count(status, len(rejects))
        touched = self._remember(rows[fresh], time[fresh], value[fresh], score[fresh])
        if kept is not None:
            whole = np.full(len(batch), np.nan, np.float32)
            whole[kept] = score
            score = whole
        return Step(score, touched, tuple(detections), tuple(partials), tuple(rejects))

    def _rejects(self, batch: Batch, rows: NDArray[np.int32]) -> list[Reject]:
        if not len(rows) or rows.min() >= 0:
            return []
        return [
            Reject(row, self._placement.reason(int(batch.datastream[row]), float(batch.value[row])))
            for row in np.flatnonzero(rows < 0).tolist()
        ]

    def _detect(
        self,
        rows: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        flags: NDArray[np.uint8],
        fresh: NDArray[np.int64],
        score: NDArray[np.float32],
        expected: NDArray[np.float32],
        detections: list[Detection],
    ) -> None:
        group_of = self.layout.group[rows[fresh]]
        groups = range(len(self.layout.groups))
        if len(fresh) and group_of[0] >= 0 and (group_of == group_of[0]).all():
            groups = range(int(group_of[0]), int(group_of[0]) + 1)
        for number in groups:
            at = fresh[group_of == number]
            if not len(at):
                continue
            local_ms = self.calendar.local(time[at])
            day_kind = self.calendar.day_kind(local_ms)
            detector = self.layout.groups[number].detector
            self._detector_states[number], scores = detector.step(
                self._detector_states[number], self._row[rows[at]], time[at], value[at], day_kind, local_ms
            )
            score[at] = scores.score
            expected[at] = scores.expected
            for rule in self._watching[number]:
                detections += self._judge(rule, number, at, rows, time, value, flags, score, expected)

    def _judge(
        self,
        rule: int,
        number: int,
        at: NDArray[np.int64],
        rows: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        flags: NDArray[np.uint8],
        score: NDArray[np.float32],
        expected: NDArray[np.float32],
    ) -> list[Detection]:
        """Apply one rule to the readings at ``at`` that are worth a look."""
        declared = self.conditions.rules[rule]
        active = self._active[rule]
        if declared.watch > 0:
            with np.errstate(invalid="ignore"):
                hot = score[at] >= declared.watch
            look = hot | active[rows[at]]
            if not look.any():
                return []
            if hot.any():  # all readings of a place that became hot, so that the cut of batches changes nothing
                look |= np.isin(rows[at], rows[at][hot])
            at = at[look]
        frame = self._frame(at, time, value, score, expected)
        places = rows[at]
        changes = self.conditions.step(rule, places.tolist(), time[at].tolist(), frame)
        held = self.conditions.active(rule)
        for place in set(places.tolist()):
            active[place] = place in held
        return [self._detection(declared, number, change, frame, int(flags[at[change.row]])) for change in changes]

    def _frame(
        self,
        at: NDArray[np.int64],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        score: NDArray[np.float32],
        expected: NDArray[np.float32],
    ) -> pl.DataFrame:
        local_ms = self.calendar.local(time[at])
        return pl.DataFrame(
            {
                "value": value[at],
                "expected": expected[at].astype(np.float64),
                "score": score[at].astype(np.float64),
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

    # --- zone sums ------------------------------------------------------------------------------------------

    def _sum(
        self,
        rows: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        expected: NDArray[np.float32],
        status: NDArray[np.uint8],
        accepted: int,
    ) -> list[Partial]:
        """Add the readings to their ticks; the ticks that the watermark has passed, in order."""
        admitted = status <= admission.PLACED
        if not admitted.any():
            return []
        tick_ms = self.layout.tick_ms
        newest = np.maximum.accumulate(np.maximum(np.where(admitted, time, _NEVER), self.newest))
        self.newest = int(newest[-1])
        tick = time // tick_ms * tick_ms
        # what is open is told reading by reading, so that the cut of batches changes nothing
        in_time = admitted & (tick + tick_ms > newest - self.layout.lateness_ms)
        for start in np.unique(tick[in_time]).tolist():
            sums = self._ticks.get(start)
            if sums is None:
                sums = self._ticks[start] = np.zeros((len(FIELDS), self.layout.series))
            at = np.flatnonzero(in_time & (tick == start))
            _add(sums, rows[at], value[at], expected[at], self.layout.indptr, self.layout.indices)
        mark = self.newest - self.layout.lateness_ms
        over = sorted(start for start in self._ticks if start + tick_ms <= mark)
        return [Partial(self.layout.shard, start, accepted, *self._ticks.pop(start)) for start in over]

    # --- the picture ----------------------------------------------------------------------------------------

    def _count(self, status: NDArray[np.uint8], rejects: int) -> None:
        late = int((status == admission.LATE).sum())
        duplicates = int((status == admission.DUPLICATE).sum())
        self.counts += (len(status) - duplicates, duplicates, late, rejects)

    def _remember(
        self,
        rows: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        score: NDArray[np.float32],
    ) -> NDArray[np.int32]:
        self.value[rows] = value  # of a repeated row the last one stays
        self.score[rows] = score
        self.time[rows] = time
        return np.unique(rows)

    # --- saving ---------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The whole state as copies of plain arrays."""
        arrays: dict[str, NDArray[np.generic]] = {
            "recent": self.recent.copy(),
            "value": self.value.copy(),
            "score": self.score.copy(),
            "time": self.time.copy(),
            "newest": np.array([self.newest], np.int64),
            "counts": self.counts.copy(),
            "ticks": np.array(sorted(self._ticks), np.int64),
            "sums": np.array([self._ticks[t] for t in sorted(self._ticks)]).reshape(
                -1, len(FIELDS), self.layout.series
            ),
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
        self.newest = int(arrays["newest"][0])
        self.counts = np.array(arrays["counts"], np.int64)
        self._ticks = {
            int(start): np.array(sums, np.float64) for start, sums in zip(arrays["ticks"], arrays["sums"], strict=True)
        }
        self.conditions.restore(msgspec.json.decode(np.asarray(arrays["conditions"], np.uint8).tobytes()))
        self._active[:] = False
        for rule in range(len(self.conditions.rules)):
            self._active[rule, list(self.conditions.active(rule))] = True
        for number, group in enumerate(self.layout.groups):
            prefix = f"{group.pack}/{group.property}/"
            mine = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
            self._detector_states[number] = group.detector.restore(mine)


@numba.njit(cache=True)
def _add(
    sums: NDArray[np.float64],
    rows: NDArray[np.int32],
    value: NDArray[np.float64],
    expected: NDArray[np.float32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
) -> None:
    """Add readings to their series' sums, one after the other: the same sum however they are cut."""
    for k in range(len(rows)):
        y, e = value[k], expected[k]
        for s in indices[indptr[rows[k]] : indptr[rows[k] + 1]]:
            sums[0, s] += 1
            sums[1, s] += y
            if not np.isnan(e):
                sums[2, s] += 1
                sums[3, s] += y
                sums[4, s] += e
