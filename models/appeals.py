"""The book of citizens' appeals: what is open, until when it must be answered, and how each department answers.

Requests and their updates come in any order and more than once; what was counted is not counted again. Rates are of
the calendar month in which the request was made, local time: solved and satisfied as the citizens say when they are
called back.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from models.calendar import DAY_MS, Calendar
from models.deadlines import Deadlines, Within
from models.values import ServiceRequest, Text

HOUR_MS = 3_600_000
QUARTER_MS = 900_000
CLOSED = frozenset({"closed", "cancelled", "completed", "resolved", "referred out"})
ENDED = 50_000  # answered requests that are remembered, for what is told of them later
MONTHS = 3  # months whose figures are kept
RATED = 30  # call-backs from which on a department is named
NAMED_BELOW = 0.85  # satisfied share below which it is


@dataclass(frozen=True, slots=True)
class Subject:
    """What appeals are about: a service of the city, who answers it, how soon, and the row of the scan's stream."""

    code: str
    name: Text
    department: int  # row in the departments
    within: Within
    stream: int = 0

    @property
    def is_safety(self) -> bool:
        """Whether public safety is at stake: an answer within the hour."""
        return self.within == "1h"


@dataclass(frozen=True, slots=True)
class Department:
    """Who answers appeals; ``id`` stays."""

    id: str
    name: Text


class Open(msgspec.Struct, array_like=True, frozen=True):
    """An appeal that nobody has answered yet; times in ms, ``lon`` and ``lat`` None where it has no place."""

    requested: int
    since: int  # when it was opened, again where an answer was none
    due: int
    subject: int
    lon: float | None
    lat: float | None


class Tally(msgspec.Struct, array_like=True):
    """How a department answered the requests of one month."""

    received: int = 0
    answered: int = 0
    in_time: int = 0
    rated: int = 0  # asked whether they are satisfied
    satisfied: int = 0
    told: int = 0  # asked whether it is solved
    solved: int = 0


class _Ended(msgspec.Struct, array_like=True):
    """An answered request: what may still be told of it."""

    requested: int
    answered: int
    subject: int
    in_time: bool
    satisfied: bool | None = None
    solved: bool | None = None


class _Saved(msgspec.Struct):
    """The book as it is saved."""

    open: dict[str, Open]
    ended: dict[str, _Ended]
    tallies: dict[str, list[Tally]]
    subjects: dict[str, list[int]]
    day: int
    hours: list[int]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a department stands: of what is open, what is late, and of that the part that had an hour."""

    department: int
    open: int
    overdue: int
    overdue_safety: int
    late: str  # the request that is late the longest, of those with days; "" none
    late_safety: str  # and of those that had an hour
    tally: Tally

    @property
    def satisfied_rate(self) -> float | None:
        """Satisfied of those asked, 0..1."""
        return self.tally.satisfied / self.tally.rated if self.tally.rated else None

    @property
    def solved_rate(self) -> float | None:
        """Solved of those asked, 0..1."""
        return self.tally.solved / self.tally.told if self.tally.told else None

    @property
    def is_named(self) -> bool:
        """Whether it satisfies too few: under NAMED_BELOW of at least RATED."""
        rate = self.satisfied_rate
        return rate is not None and self.tally.rated >= RATED and rate < NAMED_BELOW


@dataclass
class Book:
    """The state; ``subjects`` and ``departments`` are referred to by their rows."""

    subjects: Sequence[Subject]
    departments: Sequence[Department]
    calendar: Calendar
    open: dict[str, Open] = field(default_factory=dict)
    overdue: dict[str, None] = field(default_factory=dict)  # open and late, the longest first
    day: int = -1  # the local day since 1970 of ``hours``
    hours: list[int] = field(default_factory=lambda: [0] * 24)
    _ended: dict[str, _Ended] = field(default_factory=dict)
    _tallies: dict[str, list[Tally]] = field(default_factory=dict)  # by month
    _counts: dict[str, list[int]] = field(default_factory=dict)  # requests by subject, by month
    _dues: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._row = {subject.code: row for row, subject in enumerate(self.subjects)}
        self._deadlines = Deadlines(self.calendar)
        self._local = lru_cache(4_096)(self._quarter)

    def subject(self, code: str) -> int | None:
        """The row of the subject with this code; None for one that nobody declared."""
        return self._row.get(code)

    def take(self, request: ServiceRequest) -> bool:
        """Enter a request or its update; True where the request is new. One of an unknown subject is left out.

        What is older than what is known already changes nothing. An open appeal that comes with another code is
        handed on to that subject's department.
        """
        subject = self._row.get(request.code)
        if subject is None:
            return False
        is_new = request.id not in self.open and request.id not in self._ended
        if is_new:
            self._received(request, subject)
        if request.status in CLOSED:
            self._answered(request, subject)
        else:
            self._opened(request, subject)
        self._rated(request)
        return is_new

    def advance(self, now: int) -> None:
        """Let the clock run: what is due becomes overdue."""
        while self._dues and self._dues[0][0] <= now:
            due, name = heapq.heappop(self._dues)
            held = self.open.get(name)
            if held is not None and held.due == due:
                self.overdue[name] = None

    # --- figures --------------------------------------------------------------------------------------------------

    def standings(self, now: int) -> list[Standing]:
        """Every department as it stands, with its figures of the month of ``now``."""
        count = len(self.departments)
        opened, overdue, safety = [0] * count, [0] * count, [0] * count
        late = [["", ""] for _ in range(count)]
        for held in self.open.values():
            opened[self.subjects[held.subject].department] += 1
        for name in self.overdue:
            subject = self.subjects[self.open[name].subject]
            at = subject.department
            overdue[at] += 1
            safety[at] += subject.is_safety
            late[at][subject.is_safety] = late[at][subject.is_safety] or name
        tallies = self._tallies.get(self.month(now), [Tally() for _ in self.departments])
        return [
            Standing(at, opened[at], overdue[at], safety[at], late[at][0], late[at][1], tallies[at])
            for at in range(count)
        ]

    def top(self, now: int, most: int = 10) -> list[tuple[int, int]]:
        """The subjects (row, requests) that were asked for most in the month of ``now``."""
        counts = self._counts.get(self.month(now), [])
        order = sorted(range(len(counts)), key=lambda row: (-counts[row], row))
        return [(row, counts[row]) for row in order[:most] if counts[row]]

    def month(self, at: int) -> str:
        """The local month of a moment, such as 2026-11."""
        return self._local(at // QUARTER_MS)[0]

    def _quarter(self, quarter: int) -> tuple[str, int, int]:
        """Local month, day since 1970 and hour of a quarter of an hour since 1970: offsets are whole quarters."""
        local = int(self.calendar.local(np.array([quarter * QUARTER_MS], np.int64))[0])
        month = str(np.datetime64(local, "ms").astype("datetime64[M]"))
        return month, local // DAY_MS, local % DAY_MS // HOUR_MS

    def latest_overdue(self, most: int) -> Iterator[tuple[str, Open]]:
        """The requests that are late the longest."""
        return ((name, self.open[name]) for name in islice(self.overdue, most))

    # --- parts ----------------------------------------------------------------------------------------------------

    def _received(self, request: ServiceRequest, subject: int) -> None:
        month = self.month(request.requested)
        self._tally(month, subject).received += 1
        self._counts.setdefault(month, [0] * len(self.subjects))[subject] += 1
        _, day, hour = self._local(request.requested // QUARTER_MS)
        if day > self.day:
            self.day, self.hours = day, [0] * 24
        if day == self.day:
            self.hours[hour] += 1

    def _opened(self, request: ServiceRequest, subject: int) -> None:
        """Open; handed on; or open again after an answer that was none."""
        held, before = self.open.get(request.id), self._ended.get(request.id)
        told = request.requested if request.updated is None else request.updated
        if before is not None:
            if told <= before.answered:
                return
            del self._ended[request.id]
            tally = self._tally(self.month(before.requested), before.subject)
            tally.answered -= 1
            tally.in_time -= before.in_time
            tally.rated -= before.satisfied is not None
            tally.satisfied -= bool(before.satisfied)
            tally.told -= before.solved is not None
            tally.solved -= bool(before.solved)
            self._hold(request, before.requested, told, before.subject)
        elif held is None:
            self._hold(request, request.requested, told, subject)
        elif held.subject != subject and told > held.since:
            self._handed_on(held, subject)
            self._hold(request, held.requested, told, subject)

    def _hold(self, request: ServiceRequest, requested: int, since: int, subject: int) -> None:
        due = self._deadlines.due(requested, self.subjects[subject].within)
        self.overdue.pop(request.id, None)
        self.open[request.id] = Open(requested, since, due, subject, request.lon, request.lat)
        heapq.heappush(self._dues, (due, request.id))

    def _handed_on(self, held: Open, subject: int) -> None:
        """Another department has it: the request counts as received there alone."""
        month = self.month(held.requested)
        self._tally(month, held.subject).received -= 1
        self._tally(month, subject).received += 1
        counts = self._counts.setdefault(month, [0] * len(self.subjects))
        counts[held.subject] -= 1
        counts[subject] += 1

    def _answered(self, request: ServiceRequest, subject: int) -> None:
        held = self.open.get(request.id)
        if request.id in self._ended or (held and request.updated is not None and request.updated < held.since):
            return
        self.open.pop(request.id, None)
        self.overdue.pop(request.id, None)
        requested, row = (held.requested, held.subject) if held else (request.requested, subject)
        due = held.due if held else self._deadlines.due(requested, self.subjects[row].within)
        answered = requested if request.updated is None else request.updated
        tally = self._tally(self.month(requested), row)
        tally.answered += 1
        tally.in_time += answered < due
        self._ended[request.id] = _Ended(requested, answered, row, answered < due)
        if len(self._ended) > ENDED:
            del self._ended[next(iter(self._ended))]

    def _rated(self, request: ServiceRequest) -> None:
        """What the citizen says when called back; the last word counts."""
        ended = self._ended.get(request.id)
        if ended is None or (request.satisfied is None and request.solved is None):
            return
        tally = self._tally(self.month(ended.requested), ended.subject)
        if request.satisfied is not None:
            tally.rated += ended.satisfied is None
            tally.satisfied += int(request.satisfied) - int(ended.satisfied or False)
            ended.satisfied = request.satisfied
        if request.solved is not None:
            tally.told += ended.solved is None
            tally.solved += int(request.solved) - int(ended.solved or False)
            ended.solved = request.solved

    def _tally(self, month: str, subject: int) -> Tally:
        tallies = self._tallies.get(month)
        if tallies is None:
            tallies = self._tallies[month] = [Tally() for _ in self.departments]
            for old in sorted(self._tallies)[:-MONTHS]:
                self._tallies.pop(old)
                self._counts.pop(old, None)
        return tallies[self.subjects[subject].department]

    # --- saving ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        """The state as plain arrays."""
        saved = _Saved(self.open, self._ended, self._tallies, self._counts, self.day, self.hours)
        late = msgspec.msgpack.encode(list(self.overdue))
        return {
            "book": np.frombuffer(msgspec.msgpack.encode(saved), np.uint8).copy(),
            "overdue": np.frombuffer(late, np.uint8).copy(),
            "declared": np.frombuffer(self._declared(), np.uint8).copy(),
        }

    def restore(self, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
        """Take over what ``snapshot`` gave; raises ``ValueError`` where other subjects were declared."""
        if "book" not in arrays or bytes(arrays["declared"].tobytes()) != self._declared():
            raise ValueError("the saved book of appeals is of other subjects or departments; it begins anew")
        saved = msgspec.msgpack.decode(arrays["book"].tobytes(), type=_Saved)
        self.open, self._ended, self._tallies = saved.open, saved.ended, saved.tallies
        self._counts, self.day, self.hours = saved.subjects, saved.day, saved.hours
        self.overdue = dict.fromkeys(msgspec.msgpack.decode(arrays["overdue"].tobytes(), type=list[str]))
        self._dues = sorted((held.due, name) for name, held in self.open.items() if name not in self.overdue)

    def _declared(self) -> bytes:
        return msgspec.json.encode(
            [[one.code, one.department, one.within] for one in self.subjects] + [[one.id] for one in self.departments]
        )
