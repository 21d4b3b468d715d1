"""The same recorded input through other rules, other detectors or another alert budget, beside what these give as they
are.

What the question needs is judged again and no more (citybrain/replay/kinds.py): zones from the recorded ticks, the
budget from the shards' recorded notes, single datastreams from their recorded readings, events from the recorded ones;
scores of claims, squares and other detectors by running the city's engines over all readings once more. All else stays
as it was recorded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from citybrain.archive.reader import Archive, shown
from citybrain.replay import happened, lines, states
from citybrain.replay import rules as judging
from citybrain.replay.changes import Changes, Name, Otherwise, otherwise
from citybrain.replay.difference import Difference, difference, within
from citybrain.replay.kinds import Kinds, kinds
from citybrain.replay.notices import never, noted
from citybrain.replay.refusal import Refused
from citybrain.replay.rescoring import LEAD_MS, Rescoring
from citybrain.replay.rules import Judged, Noted
from citybrain.replay.ticks import Ticks
from config import site as sites
from config.settings import Settings
from config.site import Site
from models.departures import WIDE
from models.keeper import Keeper
from models.notes import Notes
from models.rules import Rule
from models.values import Detection, from_json

HOUR_MS = 3_600_000
LONGEST_MS = 31 * 86_400_000  # a longer span is asked for piece by piece
Progress = Callable[[float, str], None]
T = TypeVar("T", Judged, Noted)
Sides = tuple[list[Detection], list[Detection]]  # as it was, and as it is to be


def rerun(
    settings: Settings,
    start: int,
    end: int,
    changes: Changes,
    progress: Progress | None = None,
    site: Site | None = None,
) -> Difference:
    """Judge ``start`` to ``end`` (ms of phenomenon time) as it is and with ``changes``; raises ``Refused``, which is an
    ``ArchiveError``."""
    began = time.monotonic()
    site = site or sites.load(settings)
    made = _Rerun(site, Archive.of(settings), (start, end), changes, progress or (lambda share, what: None))
    return msgspec.structs.replace(made.result(), took_s=round(time.monotonic() - began, 1))


def readings(settings: Settings, start: int, end: int, changes: Changes) -> int:
    """How many recorded readings a re-run has to score again; 0 where the recorded ticks are enough."""
    site = sites.load(settings)
    rescoring = _Rerun(site, Archive.of(settings), (start, end), changes, lambda share, what: None).rescoring
    return 0 if rescoring is None else rescoring.readings.rows


class _Rerun:
    """One re-run; raises ``Refused`` where it cannot be made."""

    def __init__(self, site: Site, archive: Archive, span: tuple[int, int], changes: Changes, tell: Progress) -> None:
        _need(archive, *span)
        self.site, self.archive, self.span, self.changes = site, archive, span, changes
        self._tell, self._share = tell, 0.0
        self.other: Otherwise = otherwise(site, changes)
        self.kinds: Kinds = kinds(site, self.other)
        self.state = states.before(site.settings, span[0])
        self.rescoring = self._rescoring()
        self.clock = archive.clock(*span)
        self.told: list[dict[str, str]] = []

    def tell(self, share: float, what: str) -> None:
        """What is being done, and how much of all is done (0-1); parts may begin anew, the whole does not."""
        self._share = max(self._share, share)
        self._tell(self._share, what)

    def _rescoring(self) -> Rescoring | None:
        if not self.kinds.whole and not self.kinds.properties:
            return None
        some = None if self.kinds.whole else self.kinds.properties
        return Rescoring(self.site, self.other, self.archive, self.span, self.state, some)

    def result(self) -> Difference:
        """Both sides judged and compared."""
        detections = self._recorded()
        recorded = within(detections, self.span)
        before, after = self._whole(detections) if self.kinds.whole else self._some(detections)
        self.tell(0.97, "comparing")
        sides = within(before, self.span), within(self._relabelled(after), self.span)
        notices = [*self.told, *never(self.other, sides[1]), *map(noted, self.archive.notices.told)]
        return difference(self.span, recorded, *sides, notices)

    def _recorded(self) -> list[Detection]:
        """What was told live, from an hour before the span on."""
        first, last = self.clock.doing(self.span[0] - LEAD_MS) - HOUR_MS, self.clock.doing(self.span[1]) + HOUR_MS
        messages = self.archive.messages("detections", first, last)
        found = (from_json(one.value, Detection) for one in messages if one.value is not None)
        return list({(one.id, one.state): one for one in found}.values())

    def _relabelled(self, after: Iterable[Detection]) -> Iterator[Detection]:
        """What only bears another severity now."""
        severity = {(rule.pack, rule.name): rule.severity for rule in self.other.site.layouts.rules}
        for one in after:
            name = one.pack, one.rule
            yield msgspec.structs.replace(one, severity=severity[name]) if name in self.kinds.relabelled else one

    # --- all of it again --------------------------------------------------------------------------------------------

    def _whole(self, detections: Sequence[Detection]) -> Sides:
        """Shards, zones and budget run again; events as they were recorded, or taken again."""
        assert self.rescoring is not None  # as it was asked
        turns = [(tick.tick, tick.per_hour) for tick in self._read(self.rescoring.first, Noted, HOUR_MS)]
        at, per_hour = np.array([tick for tick, _ in turns], np.int64), [dialled for _, dialled in turns]

        def dial(start: int) -> float | None:
            row = int(np.searchsorted(at, start + self.site.city.tick_ms, "right")) - 1
            return per_hour[row] if row >= 0 else None

        before, after = self.rescoring.run(dial, self.changes.budget, self._from(0.05, 0.9))
        told = [one for one in detections if (one.pack, one.rule) in self._of_events(self.site)]
        events = self._events(told)
        return before + events[0], after + events[1]

    # --- what is needed ---------------------------------------------------------------------------------------------

    def _some(self, detections: Sequence[Detection]) -> Sides:
        """The changed rules judged again, and the budget where they bear on it; the rest as it was recorded."""
        more, anew = self._again()
        kept = self._notes() if self._bears_on_budget() else None
        rest = [one for one in detections if (one.pack, one.rule) not in anew and not (kept and self._keepers(one))]
        before = rest + more[0]
        after = [one for one in rest if (one.pack, one.rule) not in self.kinds.removed] + more[1]
        if kept is not None:
            self.tell(0.85, "judging them as it was")
            before += self._kept(kept, before, more[0], None, self.kinds.readings)
            self.tell(0.9, "judging them otherwise")
            gone = self.kinds.readings | self.kinds.removed
            after += self._kept(kept, after, more[1], self.changes.budget, gone)
        return before, after

    def _bears_on_budget(self) -> bool:
        """Whether what is changed can change what the budget lets through."""
        known = self.kinds
        return self.changes.budget is not None or bool(known.zones or known.lines or known.readings or known.removed)

    def _notes(self) -> list[Noted]:
        """The ticks with the shards' notes, from an hour before the span on; raises ``Refused`` without any."""
        ticks = list(self._read(self.span[0] - LEAD_MS, Noted, HOUR_MS))
        if not any(self.span[0] <= tick.tick <= self.span[1] for tick in ticks):
            raise self._no_ticks()
        return ticks

    def _no_ticks(self) -> Refused:
        return Refused("no-ticks", start=shown(self.span[0]), end=shown(self.span[1]))

    def _again(self) -> tuple[Sides, set[Name]]:
        """The changed rules judged from what they read; and which rules these are."""
        before: list[Detection] = []
        after: list[Detection] = []
        names = {*self.kinds.zones, *self.kinds.lines, *self.kinds.readings}
        parts: list[Sides] = []
        if self.kinds.zones:
            parts.append(self._zones())
        if self.rescoring is not None:
            parts.append(self.rescoring.run(lambda at: None, None, self._from(0.4, 0.4)))
        if self.kinds.lines:
            parts.append(self._lines())
        for was, now in parts:
            before += [one for one in was if (one.pack, one.rule) in names]
            after += [one for one in now if (one.pack, one.rule) in names]
        if self.kinds.events:
            events = self._events([])
            names |= {*self._of_events(self.site), *self._of_events(self.other.site)}
            return (before + events[0], after + events[1]), names
        return (before, after), names

    def _zones(self) -> Sides:
        """Rules of zones as they are, over the recorded ticks."""
        frame = judging.frame(self._read(self.span[0] - LEAD_MS, Judged), self.site.layouts, self.site.city.calendar)
        if frame.table.is_empty():
            raise self._no_ticks()
        self.tell(0.4, "judging the zones")
        before, after = (judging.judge(some, frame, self.site.layouts) for some in self._changed(self.kinds.zones))
        return before, after

    def _changed(self, names: frozenset[Name]) -> list[list[Rule]]:
        """The rules of these names as they were, and as they are to be."""
        layouts = self.site.layouts, self.other.site.layouts
        return [[rule for rule in one.rules if (rule.pack, rule.name) in names] for one in layouts]

    def _lines(self) -> Sides:
        """Rules of zones that look ahead, from what the zones' forecasts had learned before the span."""
        if self.state is None:
            there = self.archive.reaches()
            raise Refused("no-forecast", start=shown(self.span[0]), first=shown(there[0] if there else 0))
        since = self.state.time - LEAD_MS
        frame = judging.frame(self._read(since, Judged), self.site.layouts, self.site.city.calendar)
        rules = self._changed(self.kinds.lines)
        before, after = lines.judge(rules, frame, self.site.layouts, self.state, self._from(0.4, 0.4))
        return before, after

    def _events(self, otherwise: Sequence[Detection]) -> Sides:
        """Rules about events, taken again where one of them is otherwise; else what was told."""
        if not self.kinds.events:
            return list(otherwise), [one for one in otherwise if (one.pack, one.rule) not in self.kinds.removed]
        self.tell(0.86, "taking the events again")
        span = self.clock.doing(self.span[0]), self.clock.doing(self.span[1]) + HOUR_MS
        return happened.judge(self.site, self.other.site, self.archive, span, self.state)

    @staticmethod
    def _of_events(site: Site) -> set[Name]:
        return {(rule.pack, rule.name) for rule in site.layouts.rules if rule.reads == "events"}

    # --- the recorded ticks -----------------------------------------------------------------------------------------

    def _read(self, since: int, what: type[T], after: int = 0) -> Iterator[T]:
        """The ticks from ``since`` (ms) to the end of the span and ``after`` it: a claim may become an alert later."""
        first, last = self.clock.doing(since), self.clock.doing(self.span[1] + after) + HOUR_MS
        ticks = Ticks(self.archive, first - HOUR_MS, last)
        a, b = np.searchsorted(ticks.times, (since, self.span[1] + after + self.site.city.tick_ms + 1))
        decoder = msgspec.json.Decoder(what)
        for number in range(int(a), int(b)):
            body = ticks.body(number)
            if body is not None:
                yield decoder.decode(body)
            if number % 500 == 0:
                self.tell(0.02 + 0.36 * (number - a) / max(1, b - a), "reading the recorded ticks")

    def _from(self, begun: float, share: float) -> Progress:
        """Progress of a part that is so much of the whole."""
        return lambda done, what: self.tell(begun + share * done, what)

    # --- the budget -------------------------------------------------------------------------------------------------

    def _keepers(self, one: Detection) -> bool:
        """Whether the city's keeper told it: faults, gateways, and claims that the budget judged."""
        budgeted = {(rule.pack, rule.name) for rule in self.site.layouts.rules if rule.budgeted}
        return one.kind == "data-quality" or (one.pack, one.rule) in budgeted

    def _kept(
        self,
        ticks: Sequence[Noted],
        told: Sequence[Detection],
        more: Sequence[Detection],
        budget: float | None,
        gone: frozenset[Name],
    ) -> list[Detection]:
        """What the keeper makes of the notes, at the recorded budget or another; what the rules ``gone`` told in them
        is left out, and ``more`` is what some of them tell now."""
        layouts = self.site.layouts
        keeper = Keeper(layouts.directory, layouts.tick_ms)
        firing = _Firing([one for one in told if one.place_kind == "zone"], self.site, self.other.site)
        events = deque(sorted((one for one in more if one.place_kind == "asset"), key=lambda one: one.time))
        late_ms = self.site.city.lateness_ms + layouts.tick_ms  # a note tells what is so much newer than its mark
        waiting: list[tuple[int, int, Notes]] = []
        noted = dict.fromkeys(range(len(layouts.shards)), -1)
        found: list[Detection] = []
        for tick in ticks:
            for note in tick.notes:
                read = note.read()
                if read.at > noted.get(note.shard, -1):
                    noted[note.shard] = read.at
                    heard = _before(events, read.at + late_ms)
                    waiting.append((note.tick, note.shard, _without(read, gone, heard)))
            start = tick.tick - layouts.tick_ms
            due = sorted((one for one in waiting if one[0] <= start), key=lambda one: one[:2])
            waiting = [one for one in waiting if one[0] > start]
            per_hour = budget if budget is not None else tick.per_hour
            if per_hour is not None and per_hour != keeper.per_hour:
                keeper.ask(per_hour)
            found += keeper.step(tick.tick, [(shard, read) for _, shard, read in due], firing.at(start)).detections
        return found


class _Firing:
    """At which series a rule fires, tick by tick in order, as the keeper asks."""

    def __init__(self, zones: Sequence[Detection], site: Site, other: Site) -> None:
        series = site.layouts.series
        number = {(one.place.id, one.property): row for row, one in enumerate(series)}
        of = {(rule.pack, rule.name): rule.property for one in (other, site) for rule in one.layouts.rules}
        self._told = {row: one.zone_kind not in WIDE for row, one in enumerate(series)}
        self._moves = sorted(
            (one.time, one.state == "firing", row, one.id)
            for one in zones
            if (row := number.get((one.place, of.get((one.pack, one.rule), "")))) is not None
        )
        self._next = 0
        self._held: dict[str, int] = {}

    def at(self, start: int) -> dict[int, bool]:
        """The series at which something fires after the tick that started at ``start``."""
        while self._next < len(self._moves) and self._moves[self._next][0] <= start:
            _, begins, row, name = self._moves[self._next]
            if begins:
                self._held[name] = row
            else:
                self._held.pop(name, None)
            self._next += 1
        return {row: self._told[row] for row in self._held.values()}


def _before(events: deque[Detection], moment: int) -> tuple[Detection, ...]:
    """The events up to ``moment`` (ms), which are taken out."""
    found = []
    while events and events[0].time <= moment:
        found.append(events.popleft())
    return tuple(found)


def _without(notes: Notes, gone: frozenset[Name], heard: tuple[Detection, ...]) -> Notes:
    """The notes without what some rules told, and with what was ``heard`` otherwise."""
    if not gone and not heard:
        return notes
    claims = tuple(one for one in notes.claims if (one.detection.pack, one.detection.rule) not in gone)
    events = tuple(one for one in notes.events if (one.pack, one.rule) not in gone)
    return msgspec.structs.replace(notes, claims=claims, events=events + heard)


def _need(archive: Archive, start: int, end: int) -> None:
    """Raise ``Refused`` where ``start`` to ``end`` (ms) is no span that can be judged again."""
    if end <= start:
        raise Refused("span", start=shown(start), end=shown(end))
    if end - start > LONGEST_MS:
        raise Refused("too-long", days=f"{(end - start) / 86_400_000:.0f}", most=f"{LONGEST_MS // 86_400_000}")
    there = archive.reaches()
    if there is None:
        raise Refused("no-readings", folder=str(archive.folder))
    if end < there[0] or start > there[1]:
        raise Refused(
            "elsewhere", start=shown(start), end=shown(end), first=shown(there[0]), last=shown(there[1])
        )  # fmt: skip
