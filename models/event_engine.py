"""What appeals and warnings come to: the engine of the agent *events*, one pure state.

``EventEngine.take`` takes one event of the topic ``events``. The rules of packs with ``reads: events`` are judged over
rows that are made of what is known (models/rules.py EVENT_COLUMNS), one kind of rows after the other:

cluster       appeals that emerge at a place (models/emerging.py), after each scan
overdue       a department with appeals that are late, each minute
satisfaction  a department with enough call-backs this month, each minute
warning       a CAP warning in force, when one comes and each minute

Time is phenomenon time, never ahead of the log's own: an event from the future moves no deadline. Whatever comes twice
is known by its id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from models import detections
from models.appeals import RATED, Book, Department, Standing, Subject
from models.calendar import DAY_MS, UTC, Calendar
from models.emerging import MIXED, Emerging, Ground, Recent, Track
from models.layout import Place
from models.places import Sites
from models.rules import EVENT_COLUMNS, TEXT_COLUMNS, Conditions, Rule
from models.values import Detection, Position, ServiceRequest, Text, Warning, alert_id

MINUTE_MS = 60_000
AHEAD_MS = 60_000  # so far an event may be ahead of the log
SAFETY = 0.5  # of a cluster's appeals from which on safety is at stake
NOBODY = Text(en="", zh="")
NOWHERE = Place("", NOBODY, 0.0, 0.0, "")
MIXED_NAME = Text(en="appeals of several kinds", zh="多类诉求")
FULL_CENT = 100.0
SAID = 200  # characters of a description that are remembered
_SCHEMA = {name: pl.String() if name in TEXT_COLUMNS else pl.Float64() for name in EVENT_COLUMNS}


@dataclass(frozen=True, eq=False)
class Setup:
    """What is declared about a city's events (config/event_setup.py makes it)."""

    rules: tuple[Rule, ...] = ()  # those that read events
    subjects: tuple[Subject, ...] = ()
    departments: tuple[Department, ...] = ()
    streams: tuple[Text, ...] = ()  # what the scan counts apart: groups of subjects
    ground: Ground | None = None  # None: nothing to scan
    sites: Sites = field(default_factory=Sites)
    calendar: Calendar = UTC
    centre: Place = NOWHERE  # the city, for what has no place


@dataclass(frozen=True, slots=True)
class _Row:
    """One row that rules are judged over, and how to tell it."""

    key: str
    place: Place
    columns: Mapping[str, Any]
    unit: str = "1"
    category: Text = NOBODY
    exercise: bool = False
    onset: int | None = None  # when it began, where that is known better than by when it was first judged


class _Firing(msgspec.Struct, array_like=True):
    """A detection that has not ended, by what it was made."""

    rule: str
    key: str
    detection: Detection


class _Saved(msgspec.Struct):
    now: int
    minute: int
    firing: list[_Firing]
    warnings: dict[str, Warning]
    conditions: list[tuple[str, int, int | None, int | None, int | None]]


class EventEngine:
    """The state of one city's events; it can be saved and restored bit for bit."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.book = Book(setup.subjects, setup.departments, setup.calendar)
        self.emerging = Emerging(setup.ground) if setup.ground and setup.subjects else None
        self.warnings: dict[str, Warning] = {}  # in force
        self.now = 0  # how far time has come, ms
        self._minute = 0
        self._conditions = Conditions(setup.rules)
        self._firing: dict[tuple[int, str], Detection] = {}

    def take(self, event: object, logged: int) -> list[Detection]:
        """What comes of one event that the log has since ``logged`` (ms)."""
        told: list[Detection] = []
        at = _moment(event)
        if at is None:
            return told
        match event:
            case ServiceRequest():
                self._appeal(event, logged)
            case Warning():
                told += self._warned(event, min(at, logged + AHEAD_MS))
            case _:
                pass
        self.now = max(self.now, min(at, logged + AHEAD_MS))
        return told + self._elapse()

    def learn(self, appeals: Sequence[ServiceRequest], scans: int = 24) -> None:
        """Take appeals of before, in order, and tell nothing: to begin with a past.

        The last ``scans`` periods are scanned, so that there are past scans to judge by.
        """
        period_ms = self.setup.ground.period_ms if self.setup.ground else 0
        times = [max(one.requested, one.updated or 0) for one in appeals]
        scanned_from = max(times, default=0) - scans * period_ms
        quiet = next((row for row, at in enumerate(times) if at > scanned_from), len(times))
        self._add([one for one in appeals[:quiet] if self.book.take(one)], scanned_from)
        for one, at in zip(appeals[quiet:], times[quiet:], strict=True):
            self._appeal(one, at)
            self.now = max(self.now, at)
            self._scan()
        self.now = max([self.now, *times])
        self.book.advance(self.now)
        self._minute = self.now // MINUTE_MS

    def cause_candidates(self, track: Track, points: NDArray[np.float64]) -> list[int]:
        """Which of the points (n, 2), such as live alerts, lie within the cluster."""
        assert self.emerging is not None  # a track comes from it
        if not len(points):
            return []
        nearest = self.emerging.ground.circles.nearest(points)
        return np.flatnonzero(np.isin(nearest, np.array(track.places))).tolist()

    def firing(self) -> list[Detection]:
        """What fires now."""
        return list(self._firing.values())

    # --- what comes in --------------------------------------------------------------------------------------------

    def _appeal(self, request: ServiceRequest, logged: int) -> None:
        """Book a request and count it in its place; one of an exercise is in no department's figures."""
        is_new = self._is_new(request) if request.exercise else self.book.take(request)
        if is_new and request.requested <= logged + AHEAD_MS:
            self._add([request], self.now)

    def _is_new(self, request: ServiceRequest) -> bool:
        known = self.book.subject(request.code) is not None
        recent = self.emerging.recent if self.emerging else ()
        return known and all(one.id != request.id for one in recent)

    def _add(self, requests: Sequence[ServiceRequest], now: int) -> None:
        """New requests go to the scan, as far as they have a place."""
        placed = [one for one in requests if one.lon is not None and one.lat is not None]
        if self.emerging is None or not placed:
            return
        rows = self.emerging.places(np.array([(one.lon, one.lat) for one in placed], np.float64))
        recent = [self._recent(one, row) for one, row in zip(placed, rows.tolist(), strict=True) if row >= 0]
        self.emerging.add(recent, now)

    def _recent(self, one: ServiceRequest, place: int) -> Recent:
        subject = self.book.subject(one.code)
        assert subject is not None and one.lon is not None and one.lat is not None  # the book took it, and it is placed
        stream = self.setup.subjects[subject].stream
        said = one.description[:SAID]
        return Recent(one.id, one.requested, place, subject, stream, one.lon, one.lat, said, one.exercise)

    def _warned(self, warning: Warning, now: int) -> list[Detection]:
        if warning.message in ("Ack", "Error") or warning.status not in ("Actual", "Exercise"):
            return []
        for name in [name for name in self.warnings if _follows(warning, name)]:
            del self.warnings[name]
        if warning.message != "Cancel" and not _is_over(warning, now):
            self.warnings[warning.id] = warning
        return self._judge("warning", self._warning_rows(now), now)

    # --- the clock ------------------------------------------------------------------------------------------------

    def _elapse(self) -> list[Detection]:
        told: list[Detection] = []
        minute = self.now // MINUTE_MS
        if minute > self._minute:
            self._minute = minute
            at = minute * MINUTE_MS
            self.book.advance(at)
            self.warnings = {name: one for name, one in self.warnings.items() if not _is_over(one, at)}
            told += self._judge("warning", self._warning_rows(at), at)
            standings = self.book.standings(at)
            told += self._judge("overdue", self._overdue_rows(standings, at), at)
            told += self._judge("satisfaction", self._satisfaction_rows(standings), at)
        if self._scan():
            told += self._judge("cluster", self._cluster_rows(self.now), self.now)
        return told

    def _scan(self) -> bool:
        """Scan where a period has ended; whether it did."""
        if self.emerging is None or not self.emerging.due(self.now):
            return False
        self.emerging.scan(self.now)
        return True

    # --- rows -----------------------------------------------------------------------------------------------------

    def _cluster_rows(self, now: int) -> Iterable[_Row]:
        assert self.emerging is not None and self.setup.ground is not None  # they are what was scanned
        for track in self.emerging.tracks:
            about = self.emerging.subjects(track)
            subject = self.setup.subjects[about[0][0]] if about else None
            safety = sum(count for row, count in about if self.setup.subjects[row].is_safety)
            category = self.category(track)
            yield _Row(
                key=track.key,
                place=_around(self.setup.ground.places[track.centre], track),
                category=category,
                exercise=self._is_exercise(track),
                onset=track.onset,
                columns={
                    "kind": "cluster",
                    "code": subject.code if subject else "",
                    "category": category.en,
                    "severity": "Severe" if safety >= SAFETY * max(track.cases, 1) else "Moderate",
                    "agency": self.setup.departments[subject.department].name.en if subject else "",
                    "value": float(track.cases),
                    "expected": track.expected,
                    "score": -float(np.log10(max(track.p, 1e-300))),
                    "ratio": track.cases / max(track.expected, 1e-9),
                    "places": float(len(track.places)),
                    "radius_m": track.radius_m,
                    "age_minutes": (now - track.onset) / MINUTE_MS,
                },
            )

    def _is_exercise(self, track: Track) -> bool:
        """Whether most of a cluster's appeals are of an exercise."""
        assert self.emerging is not None  # a track comes from it
        members = self.emerging.members(track)
        return sum(one.exercise for one in members) * 2 > len(members)

    def category(self, track: Track) -> Text:
        """What the appeals of a cluster are about, in words: the subject of most, else the group."""
        assert self.emerging is not None  # a track comes from it
        about = self.emerging.subjects(track)
        if track.view == MIXED and (not about or about[0][1] < SAFETY * sum(count for _, count in about)):
            return MIXED_NAME
        return self.setup.subjects[about[0][0]].name if about else self.setup.streams[track.view - 1]

    def _overdue_rows(self, standings: Sequence[Standing], now: int) -> Iterable[_Row]:
        for standing in standings:
            department = self.setup.departments[standing.department]
            safety = standing.overdue_safety
            for code, count, late in (
                ("1h", safety, standing.late_safety),
                ("days", standing.overdue - safety, standing.late),
            ):
                if not count:
                    continue
                held = self.book.open[late]
                yield _Row(
                    key=f"{department.id}/{code}",
                    place=self._office(department),
                    columns={
                        "kind": "overdue",
                        "code": code,
                        "agency": department.name.en,
                        "severity": "Severe" if code == "1h" else "Moderate",
                        "value": float(count),
                        "expected": 0.0,
                        "ratio": count / standing.open,
                        "due_minutes": (held.due - now) / MINUTE_MS,
                        "age_minutes": (now - held.requested) / MINUTE_MS,
                    },
                )

    def _satisfaction_rows(self, standings: Sequence[Standing]) -> Iterable[_Row]:
        for standing in standings:
            rate = standing.satisfied_rate
            if rate is None or standing.tally.rated < RATED:
                continue
            department = self.setup.departments[standing.department]
            yield _Row(
                key=department.id,
                place=self._office(department),
                unit="%",
                columns={
                    "kind": "satisfaction",
                    "agency": department.name.en,
                    "value": rate * FULL_CENT,
                    "expected": None,
                    "ratio": rate,
                    "places": float(standing.tally.rated),
                },
            )

    def _warning_rows(self, now: int) -> Iterable[_Row]:
        for warning in self.warnings.values():
            inside, _ = self.setup.sites.inside(warning.areas)
            yield _Row(
                key=warning.id,
                place=self._warned_place(warning, inside),
                category=warning.event,
                exercise=warning.status == "Exercise",
                onset=warning.sent if warning.onset is None else warning.onset,
                columns={
                    "kind": "warning",
                    "category": warning.category,
                    "code": warning.event.en,
                    "status": warning.status,
                    "severity": warning.severity,
                    "colour": warning.colour,
                    "message": warning.message,
                    "agency": warning.sender,
                    "value": float(len(inside)),
                    "places": float(len(inside)),
                    "age_minutes": (now - warning.sent) / MINUTE_MS,
                    "due_minutes": None if warning.expires is None else (warning.expires - now) / MINUTE_MS,
                },
            )

    def _office(self, department: Department) -> Place:
        """A department as a place: it stands for the whole city, at whose middle it is drawn."""
        centre = self.setup.centre
        return Place(department.id, department.name, centre.lon, centre.lat, centre.district)

    def _warned_place(self, warning: Warning, inside: Sequence[int]) -> Place:
        """The middle of the places that a warning reaches, else of the city; named by its areas."""
        centre, sites = self.setup.centre, self.setup.sites.sites
        lon = float(np.mean([sites[row].lon for row in inside])) if inside else centre.lon
        lat = float(np.mean([sites[row].lat for row in inside])) if inside else centre.lat
        names = "; ".join(dict.fromkeys(area.name for area in warning.areas if area.name))[:120]
        name = Text(en=names or centre.name.en, zh=names or centre.name.zh)
        return Place(f"warning-{_number(warning.id):x}", name, lon, lat, "")

    # --- judging --------------------------------------------------------------------------------------------------

    def _judge(self, kind: str, rows: Iterable[_Row], now: int) -> list[Detection]:
        """The rules of one kind of rows: what begins, and what ends, also because its row is gone."""
        mine = [number for number, rule in enumerate(self.setup.rules) if rule.property == kind]
        if not mine:
            return []
        listed = list(rows)
        local = int(self.setup.calendar.local(np.array([now], np.int64))[0])
        clock = {
            "hour": local % DAY_MS / 3_600_000,
            "day_kind": float(self.setup.calendar.day_kind(np.array([local], np.int64))[0]),
        }
        frame = pl.DataFrame([{**dict.fromkeys(_SCHEMA), **row.columns, **clock} for row in listed], schema=_SCHEMA)
        told: list[Detection] = []
        for number in mine:
            told += self._changed(number, listed, frame, now)
        return told

    def _changed(self, number: int, rows: Sequence[_Row], frame: pl.DataFrame, now: int) -> list[Detection]:
        rule = self.setup.rules[number]
        keys = [_number(row.key) for row in rows]
        told: list[Detection] = []
        there = {row.key for row in rows}
        for (rule_number, key), detection in list(self._firing.items()):
            if rule_number == number and key not in there:
                self._conditions.drop(number, _number(key))
                told.append(self._over(number, key, detection, now))
        for change in self._conditions.step(number, keys, [now] * len(rows), frame):
            row = rows[change.row]
            if change.state == "cleared":
                told.append(self._over(number, row.key, self._firing[number, row.key], now))
            else:
                told.append(self._begun(number, rule, row, change))
        for held in self._conditions.active(number) - set(keys):  # it was pending, and its row is gone
            self._conditions.drop(number, held)
        return told

    def _begun(self, number: int, rule: Rule, row: _Row, change: Any) -> Detection:
        columns = {**row.columns, "category": row.category}
        made = detections.from_change(rule, change, row.place, "zone", columns, row.unit, row.exercise)
        onset = change.onset if row.onset is None else row.onset
        made = replace(made, id=alert_id(rule.pack, rule.name, row.key, change.onset), onset=onset)
        self._firing[number, row.key] = made
        return made

    def _over(self, number: int, key: str, detection: Detection, now: int) -> Detection:
        self._firing.pop((number, key), None)
        return replace(detection, state="cleared", time=now)

    # --- saving ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The state as plain arrays, for ``np.savez``."""
        rules = self.setup.rules
        firing = [
            _Firing(f"{rules[number].pack}/{rules[number].name}", key, detection)
            for (number, key), detection in self._firing.items()
        ]
        saved = _Saved(self.now, self._minute, firing, self.warnings, self._conditions.snapshot())
        arrays = self.book.snapshot() | (self.emerging.snapshot() if self.emerging else {})
        return {**arrays, "events": np.frombuffer(msgspec.msgpack.encode(saved), np.uint8).copy()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``ValueError`` where it was of another city or other subjects.

        What fired by a rule that exists no more is let go.
        """
        saved = msgspec.msgpack.decode(arrays["events"].tobytes(), type=_Saved)
        self.book.restore(arrays)
        if self.emerging is not None:
            self.emerging.restore(arrays)
        number = {f"{rule.pack}/{rule.name}": row for row, rule in enumerate(self.setup.rules)}
        self.now, self._minute, self.warnings = saved.now, saved.minute, saved.warnings
        self._conditions.restore(saved.conditions)
        self._firing = {(number[one.rule], one.key): one.detection for one in saved.firing if one.rule in number}


def _moment(event: object) -> int | None:
    """The phenomenon time of an event; None for one that tells none."""
    match event:
        case ServiceRequest():
            return max(event.requested, event.updated or 0)
        case Warning():
            return event.sent
        case Position():
            return event.time
        case _:
            return None


def _is_over(warning: Warning, now: int) -> bool:
    return warning.expires is not None and warning.expires <= now


def _follows(warning: Warning, name: str) -> bool:
    """Whether a message takes the place of the warning ``name``, or ends it, or is the same again.

    A message of several parts is known by its identifier before ``#``, as models/warned.py does.
    """
    if warning.id == name:
        return True
    if warning.message not in ("Update", "Cancel"):
        return False
    base, _, part = name.partition("#")
    return name in warning.references or (base in warning.references and part == warning.id.partition("#")[2])


def _around(place: Place, track: Track) -> Place:
    """The cluster as a place: its middle, and how far it reaches."""
    km = max(track.radius_m / 1000.0, 0.5)
    name = Text(en=f"{km:.1f} km around {place.name.en}", zh=f"{place.name.zh}周边{km:.1f}公里")
    return Place(f"appeals-{place.id}", name, place.lon, place.lat, place.district)


def _number(key: str) -> int:
    """A key as the number by which conditions are held."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest())
