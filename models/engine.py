"""The engine of one shard: readings in; scores, detections and zone sums out.

Pure: the same ``step`` runs under Faust, in replay, in drills, in benchmarks and in tests. Whatever way a shard's
readings are cut into batches, state and results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from models import admission, trust
from models.batch import Batch
from models.both import compiled
from models.calendar import Calendar
from models.claims import Claims
from models.detections import from_change
from models.detectors import CHANNELS, SEASONS, Neighbourly, State
from models.forecast.shard import Path, ShardForecasts, foretold
from models.growth import follows, grown, sizes
from models.layout import ShardLayout
from models.notes import ClaimNote
from models.partials import FIELDS, Partial
from models.placement import Placement
from models.rules import Change, Conditions, Rule
from models.soundness import SOUND
from models.sums import ZoneSums
from models.upkeep import Upkeep
from models.values import Detection, Why

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
    """The usable readings of a batch as columns (readings,); ``rows`` are those of the layout. ``told`` is what the
    detectors say of them (models/detectors/base.py Scores), NaN or 0 until it is known: score, expected, low, high,
    channel, season."""

    __slots__ = ("flags", "path", "rows", "time", "told", "value")

    def __init__(
        self,
        rows: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
        flags: NDArray[np.uint8],
        told: tuple[NDArray[Any], ...] | None = None,
    ) -> None:
        self.rows, self.time, self.value, self.flags = rows, time, value, flags
        n = len(rows)
        self.told = told or (
            *(np.full(n, np.nan, np.float32) for _ in range(4)),
            np.zeros(n, np.uint8),
            np.zeros(n, np.uint8),
        )
        self.path: Path | None = None  # where they lead, for those that a rule looks ahead for

    @property
    def score(self) -> NDArray[np.float32]:
        """(readings,): the surprise, NaN for what was not scored."""
        return self.told[0]

    @property
    def expected(self) -> NDArray[np.float32]:
        """(readings,): what was expected, NaN where nothing was."""
        return self.told[1]

    def take(self, at: NDArray[np.int64]) -> _Taken:
        """The readings at these positions."""
        told = tuple(column[at] for column in self.told)
        part = _Taken(self.rows[at], self.time[at], self.value[at], self.flags[at], told)
        if self.path is not None:
            part.path = self.path[0][at], self.path[1][at]
        return part

    def between(self, first: int, end: int) -> _Taken:
        """A stretch of the readings; what is told of it is told of them."""
        part = slice(first, end)
        told = tuple(column[part] for column in self.told)
        return _Taken(self.rows[part], self.time[part], self.value[part], self.flags[part], told)


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
            self._detector_states.append(self._among(number, group.detector.start(len(rows))))
        self._watching = [  # rules of each group
            [i for i, rule in enumerate(self.conditions.rules) if (rule.pack, rule.property) == (g.pack, g.property)]
            for g in layout.groups
        ]
        self._active = np.zeros((len(self.conditions.rules), n), np.bool_)
        self._budgeted = [i for i, rule in enumerate(self.conditions.rules) if rule.budgeted]
        self.recent = admission.start(n)
        self.value = np.full(n, np.nan, np.float32)
        self.score = np.full(n, np.nan, np.float32)
        self.expected = np.full(n, np.nan, np.float32)
        self.time = np.zeros(n, np.int64)
        self.counts = np.zeros(len(COUNTS), np.int64)
        self._sums = ZoneSums(layout)
        self.forecasts = ShardForecasts(layout, rules, calendar)
        self.upkeep = Upkeep(layout)
        self.claims = Claims({})
        self._events: list[Detection] = []  # told without the budget since the last tick
        self._keeping = self.upkeep.watching or bool(self._budgeted)

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
        detections: list[Detection] = []
        partials: list[Partial] = []
        sources = _sources(batch, kept)
        for first, end, tick in self._sums.stretches(taken.time, status):
            if tick is not None:
                partials += self._turn(tick, batch.accepted)
            detections += self._stretch(taken.between(first, end), status[first:end], sources, first)
        counts = np.bincount(status, minlength=4).tolist()
        self.counts += (
            len(status) - counts[admission.DUPLICATE],
            counts[admission.DUPLICATE],
            counts[admission.LATE],
            len(rejects),
        )
        score = taken.score
        if kept is not None:
            score = np.full(len(batch), np.nan, np.float32)
            score[kept] = taken.score
        touched = _distinct(taken.rows[status == admission.FRESH])
        return Step(score, touched, tuple(detections), tuple(partials), rejects)

    def _stretch(
        self, taken: _Taken, status: NDArray[np.uint8], sources: Sequence[tuple[int, int, str]], offset: int
    ) -> list[Detection]:
        """Readings within which the watermark passes no tick; ``offset`` is their place in the batch."""
        whole = bool((status == admission.FRESH).all())
        fresh = None if whole else np.flatnonzero(status == admission.FRESH)
        if self._keeping:
            for first, end, source in sources:
                a, b = max(first - offset, 0), min(end - offset, len(taken.rows))
                if a < b:
                    self.upkeep.hear(source, taken.rows[a:b], taken.time[a:b])
        detections = self._detect(taken, fresh)
        self._sums.add(taken.rows, taken.time, taken.value, taken.expected, (taken.told[2], taken.told[3]), status)
        last = taken if fresh is None else taken.take(fresh)
        _keep(
            self.value,
            self.score,
            self.expected,
            self.time,
            last.rows,
            last.value,
            last.score,
            last.expected,
            last.time,
        )
        return detections

    def _turn(self, tick: int, accepted: int) -> list[Partial]:
        """The watermark passes the start of ``tick``, ms: the ticks before it are told, with what there is to note."""
        closed = self._sums.closed(tick, accepted)
        if not self._keeping:
            return closed
        notes = self.upkeep.turn(tick, self.value, self.score, self.expected, self.time)
        for rule, row in self.claims.broken(self.upkeep.fault):
            self.conditions.drop(rule, row)
            self._active[rule, row] = False
        notes = replace(notes, claims=self._claimed(tick), events=tuple(self._events))
        self._events = []
        last = closed.pop() if closed else self._sums.nothing(tick, accepted)
        return [*closed, last.noted(notes)]

    def _claimed(self, tick: int) -> tuple[ClaimNote, ...]:
        """The open claims as they stand."""
        layout, near = self.layout, {}
        for claim in self.claims.held.values():
            found = claim.detection
            up = found.expected is None or found.value is None or found.value >= found.expected
            near[claim.row] = self.upkeep.neighbours(claim.row, up)
        return tuple(
            ClaimNote(
                claim.detection,
                int(layout.members[claim.row]),
                claim.peak,
                int(self.upkeep.source[claim.row]),
                tuple(layout.indices[layout.indptr[claim.row] : layout.indptr[claim.row + 1]].tolist()),
            )
            for claim in self.claims.told(tick, self.score, near)
        )

    def _rejects(self, batch: Batch, rows: NDArray[np.int32]) -> tuple[Reject, ...]:
        return tuple(
            Reject(
                row, self._placement.reason(int(batch.datastream[row]), int(batch.time[row]), float(batch.value[row]))
            )
            for row in np.flatnonzero(rows < 0).tolist()
        )

    def _detect(self, taken: _Taken, fresh: NDArray[np.int64] | None) -> list[Detection]:
        """Score the fresh readings (None: all of them) and apply the rules to them; what was detected, in order."""
        group_of = self.layout.group[taken.rows if fresh is None else taken.rows[fresh]]
        if not len(group_of):
            return []
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
        detections = [detection for _, _, detection in found]
        if self._keeping:
            self._events += detections
        return detections

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
        said = (scores.score, scores.expected, scores.low, scores.high, scores.channel, scores.season)
        for column, of_mine, of_all in zip(said, mine.told, taken.told, strict=True):
            of_mine[:] = column
            if at is not None:
                of_all[at] = column
        self.upkeep.learn(number, self._row[mine.rows], mine.time, mine.value)
        mine.path = self.forecasts.step(number, self._row[mine.rows], mine.time, mine.value, day_kind, local_ms)
        found = []
        for rule in self._watching[number]:
            for row, detection in self._judge(rule, number, mine):
                if self.conditions.rules[rule].budgeted:
                    self.claims.note(rule, int(mine.rows[row]), detection)
                else:
                    found.append((row if at is None else int(at[row]), rule, detection))
        return found

    def _judge(self, rule: int, number: int, taken: _Taken) -> list[tuple[int, Detection]]:
        """Apply one rule to the readings that are worth a look; its detections with the rows that made them."""
        declared = self.conditions.rules[rule]
        active = self._active[rule]
        look = None
        if declared.budgeted and self.upkeep.fault[taken.rows].any():  # its own anomalies are not believed
            look = np.flatnonzero(self.upkeep.fault[taken.rows] == SOUND)
            return [(int(look[row]), found) for row, found in self._judge(rule, number, taken.take(look))]
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
        if declared.follows_trend() and taken.path is not None:
            frame = foretold(frame, declared, taken.path)
        places = taken.rows.tolist()
        changes = self.conditions.step(rule, places, taken.time.tolist(), frame)
        for place in set(places):
            active[place] = self.conditions.holds(rule, place)
        return [
            (
                change.row if look is None else int(look[change.row]),
                self._detection(declared, number, change, frame, taken),
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

    def _detection(self, rule: Rule, number: int, change: Change, frame: pl.DataFrame, taken: _Taken) -> Detection:
        columns = frame.row(change.row, named=True)
        return from_change(
            rule,
            change,
            self.layout.places[change.place],
            "asset",
            columns,
            self.layout.groups[number].unit,
            exercise=bool(taken.flags[change.row] & 1),
            why=self._why(rule, change, columns, taken),
        )

    def _why(self, rule: Rule, change: Change, columns: Mapping[str, Any], taken: _Taken) -> Why:
        """What the detector compared the reading with; the neighbours are those of the last tick."""
        _, _, low, high, channel, season = (column[change.row] for column in taken.told)
        near = strange = 0
        lasted_ms = change.time - change.onset
        if self._keeping:
            value, expected = columns["value"], columns["expected"]
            near, strange = self.upkeep.neighbours(change.place, expected is None or value >= expected)
        return Why(
            channel=CHANNELS[channel] if rule.is_scored() and channel else "",
            low=round(float(low), 3) if np.isfinite(low) else None,
            high=round(float(high), 3) if np.isfinite(high) else None,
            season=SEASONS[season] if season else "",
            hour=int(columns["hour"]),
            neighbours=near,
            strange=strange,
            lasted_ms=lasted_ms,
            corroborated=trust.witnesses(strange, lasted_ms, self.layout.tick_ms),
        )

    # --- saving ---------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The whole state as copies of plain arrays."""
        arrays: dict[str, NDArray[np.generic]] = {
            "members": self.layout.members.copy(),
            "recent": self.recent.copy(),
            "value": self.value.copy(),
            "score": self.score.copy(),
            "expected": self.expected.copy(),
            "time": self.time.copy(),
            "claims": self.claims.snapshot(),
            "events": np.frombuffer(msgspec.json.encode(self._events), np.uint8).copy(),
            "counts": self.counts.copy(),
            **self._sums.snapshot(),
            "conditions": np.frombuffer(msgspec.json.encode(self.conditions.snapshot()), np.uint8).copy(),
        }
        arrays |= {f"upkeep/{name}": array for name, array in self.upkeep.snapshot().items()}
        arrays |= {f"forecasts/{name}": array for name, array in self.forecasts.snapshot().items()}
        for group, state in zip(self.layout.groups, self._detector_states, strict=True):
            for name, array in group.detector.snapshot(state).items():  # copies already
                arrays[f"{group.pack}/{group.property}/{name}"] = array
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what ``snapshot`` gave, also where the register has grown since (models/growth.py).

        Where zones were added or taken away, what was learned stays, and the few ticks that are open are summed up
        anew. Raises ``ValueError`` when it is of other datastreams.
        """
        if "members" in arrays and follows(arrays["members"], self.layout.members):
            rows = sizes(len(arrays["members"]), self.layout.group)
            arrays = grown(arrays, self.snapshot(), rows)
        if len(arrays["value"]) != len(self.layout):
            raise ValueError(
                f"the saved state has {len(arrays['value'])} datastreams, shard {self.layout.shard} has "
                f"{len(self.layout)}; the register has changed"
            )
        if arrays["sums"].shape[1:] != (len(FIELDS), self.layout.series):
            arrays = {**arrays, **self._sums.snapshot(), "newest": arrays["newest"]}
        if "upkeep/fault" not in arrays:
            raise ValueError("the saved state knows nothing of data quality; it was saved by an earlier release")
        self.recent = np.array(arrays["recent"], np.int64)
        self.value = np.array(arrays["value"], np.float32)
        self.score = np.array(arrays["score"], np.float32)
        self.expected = np.array(arrays["expected"], np.float32)
        self.time = np.array(arrays["time"], np.int64)
        self.counts = np.array(arrays["counts"], np.int64)
        self.claims.restore(np.asarray(arrays["claims"], np.uint8), self.conditions.rules)
        self._events = msgspec.json.decode(np.asarray(arrays["events"], np.uint8).tobytes(), type=list[Detection])
        self.upkeep.restore(
            {name.removeprefix("upkeep/"): array for name, array in arrays.items() if name.startswith("upkeep/")}
        )
        if not any(name.startswith("forecasts/") for name in arrays) and self.layout.groups:
            raise ValueError("the saved state has no forecasts; it was saved by an earlier release")
        self._sums.restore(arrays)
        self.conditions.restore(msgspec.json.decode(np.asarray(arrays["conditions"], np.uint8).tobytes()))
        self._active[:] = False
        for rule in range(len(self.conditions.rules)):
            self._active[rule, list(self.conditions.active(rule))] = True
        for number, group in enumerate(self.layout.groups):
            prefix = f"{group.pack}/{group.property}/"
            mine = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
            state, size = group.detector.restore(mine), int((self.layout.group == number).sum())
            fresh = self._among(number, group.detector.start(size))
            if any(array.shape != fresh[name].shape for name, array in state.items()):
                raise ValueError(
                    f"the saved state of {prefix[:-1]} is not of {size} datastreams; the register has changed"
                )
            self._detector_states[number] = self._among(number, state)
        self.forecasts.restore(
            {name.removeprefix("forecasts/"): array for name, array in arrays.items() if name.startswith("forecasts/")}
        )

    def _among(self, number: int, state: State) -> State:
        """The state of a group's detector, told which datastreams are neighbours: those of one district."""
        detector, districts = self.layout.groups[number].detector, self.layout.neighbours
        if districts is None or not isinstance(detector, Neighbourly):
            return state
        mine = districts[self.layout.group == number]
        groups = np.full(len(mine), -1, np.int32)
        groups[mine >= 0] = np.unique(mine[mine >= 0], return_inverse=True)[1]
        return detector.among(state, groups)

    def graduate(self) -> None:
        """What was learned so far is history: counts begin at 0, and the gateways are those of the readings to come."""
        self.counts[:] = 0
        self.upkeep.graduate()
        self._events = []


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
    expectations: NDArray[np.float32],
    times: NDArray[np.int64],
    rows: NDArray[np.int32],
    value: NDArray[np.float64],
    score: NDArray[np.float32],
    expected: NDArray[np.float32],
    time: NDArray[np.int64],
) -> None:
    """Write the readings into the picture in order, so that the last of a row stays."""
    for k in range(len(rows)):
        row = rows[k]
        values[row], scores[row], expectations[row], times[row] = value[k], score[k], expected[k], time[k]


def _distinct(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """The rows, each once, ascending; quick where they ascend already."""
    if not (rows[1:] > rows[:-1]).all():
        rows = np.sort(rows)
        first = np.ones(len(rows), np.bool_)
        first[1:] = rows[1:] != rows[:-1]
        rows = rows[first]
    return rows


def _sources(batch: Batch, kept: NDArray[np.int64] | None) -> list[tuple[int, int, str]]:
    """The stretches (first, end, gateway) of the usable readings that came through one gateway."""
    edges = np.cumsum([0, *(count for _, count in batch.origins)])
    if kept is not None:
        edges = np.searchsorted(kept, edges)
    return [(int(a), int(b), name) for a, b, (name, _) in zip(edges, edges[1:], batch.origins, strict=False) if a < b]
