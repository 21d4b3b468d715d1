"""How appeals stand now, as it is shown: clusters with what may be their cause, departments, the month's top ten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from models.appeals import Standing
from models.emerging import Track
from models.event_engine import EventEngine
from models.values import Alert, Text

LATE, POINTS, WORDS, CAUSES = 50, 1_500, 5, 5  # of each at most so many are shown
OWN = "appeals-cluster"  # a cluster is not its own cause
DECIMALS = 3


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Appeals that emerge at a place: a circle in WGS-84, what they are about, and the live alerts inside."""

    id: str
    category: Text
    cases: int
    expected: float
    ratio: float
    p: float
    onset: int  # when it began; ms
    since: int  # the span of which the cases are
    until: int
    place: Text
    lon: float
    lat: float
    radius_m: float
    codes: tuple[tuple[str, int], ...]  # (service code, appeals), the most first
    words: tuple[str, ...]  # what people say there more than elsewhere
    causes: tuple[str, ...]  # ids of live alerts inside that may be the cause, the nearest in time first
    safety: bool


class Office(msgspec.Struct, frozen=True, kw_only=True):
    """A department: what is open and late now, and how it answered this month; rates 0..1, None before anybody was
    asked."""

    id: str
    name: Text
    open: int
    overdue: int
    overdue_safety: int
    received: int
    answered: int
    in_time: int
    rated: int
    satisfied_rate: float | None
    solved_rate: float | None
    named: bool


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """An appeal that nobody answered in time."""

    id: str
    code: str
    category: Text
    department: str
    requested: int
    due: int
    lon: float | None
    lat: float | None


class Wanted(msgspec.Struct, frozen=True):
    """What was asked for most this month."""

    code: str
    name: Text
    count: int


class Appeals(msgspec.Struct, frozen=True, kw_only=True):
    """The picture of appeals of one city (config/contract.py ``appeals``)."""

    at: int
    month: str
    today: int
    open: int
    overdue: int
    overdue_safety: int
    hours: tuple[int, ...]  # requests of today by local hour
    clusters: tuple[Cluster, ...]
    departments: tuple[Office, ...]
    top: tuple[Wanted, ...]
    late: tuple[Late, ...]  # the longest first
    points: tuple[tuple[float, float, str], ...]  # (lon, lat, service code) of the last hours, the newest last


def told(engine: EventEngine, alerts: Sequence[Alert]) -> Appeals:
    """The picture of ``engine``; ``alerts`` are the live ones, of which some may be causes of clusters."""
    book, setup = engine.book, engine.setup
    standings = book.standings(engine.now)
    recent = list(engine.emerging.recent)[-POINTS:] if engine.emerging else []
    return Appeals(
        at=engine.now,
        month=book.month(engine.now),
        today=sum(book.hours),
        open=len(book.open),
        overdue=len(book.overdue),
        overdue_safety=sum(one.overdue_safety for one in standings),
        hours=tuple(book.hours),
        clusters=_clusters(engine, alerts),
        departments=tuple(_office(engine, one) for one in standings),
        top=tuple(Wanted(setup.subjects[row].code, setup.subjects[row].name, n) for row, n in book.top(engine.now)),
        late=tuple(_late(engine, name) for name, _ in book.latest_overdue(LATE)),
        points=tuple((one.lon, one.lat, setup.subjects[one.subject].code) for one in recent),
    )


def figures(appeals: Appeals) -> dict[str, dict[str, Any]]:
    """The numbers of the pack's scene by name (config/contract.py ``figures``)."""
    answered, rated = sum(one.answered for one in appeals.departments), sum(one.rated for one in appeals.departments)
    satisfied = sum((one.satisfied_rate or 0.0) * one.rated for one in appeals.departments)
    in_time = sum(one.in_time for one in appeals.departments)
    rows: dict[str, tuple[float | None, str, int]] = {
        "today": (appeals.today, "1", 0),
        "open": (appeals.open, "1", 0),
        "overdue": (appeals.overdue, "1", 3 if appeals.overdue else 0),
        "overdue_safety": (appeals.overdue_safety, "1", 2 if appeals.overdue_safety else 0),
        "clusters": (len(appeals.clusters), "1", 3 if appeals.clusters else 0),
        "in_time": (100 * in_time / answered if answered else None, "%", 0),
        "satisfied": (100 * satisfied / rated if rated else None, "%", 0),
        "named": (sum(one.named for one in appeals.departments), "1", 0),
    }
    return {
        name: {"value": None if value is None else round(value, 1), "unit": unit}
        | ({"severity": level} if level else {})
        for name, (value, unit, level) in rows.items()
    }


def tables(appeals: Appeals) -> dict[str, dict[str, Any]]:
    """The tables of the pack's scene by name (config/contract.py ``tables``)."""
    columns = [
        Text(en="Department", zh="承办单位"), Text(en="Open", zh="在办"), Text(en="Late", zh="超期"),
        Text(en="In time %", zh="按时率%"), Text(en="Solved %", zh="解决率%"), Text(en="Satisfied %", zh="满意率%"),
        Text(en="", zh=""),
    ]  # fmt: skip
    order = sorted(appeals.departments, key=lambda one: (not one.named, -one.overdue, -one.received, one.id))
    rows = [
        [
            one.name, one.open, one.overdue, _percent(one.in_time / one.answered if one.answered else None),
            _percent(one.solved_rate), _percent(one.satisfied_rate),
            Text(en="under 85 %", zh="低于85%") if one.named else None,
        ]
        for one in order
    ]  # fmt: skip
    top = [[number + 1, one.name, one.count] for number, one in enumerate(appeals.top)]
    heads = [Text(en="", zh=""), Text(en="Top ten of the month", zh="本月十大热点诉求"), Text(en="Appeals", zh="件数")]
    return {"departments": {"columns": columns, "rows": rows}, "top": {"columns": heads, "rows": top}}


def _percent(rate: float | None) -> float | None:
    return None if rate is None else round(100 * rate, 1)


def _clusters(engine: EventEngine, alerts: Sequence[Alert]) -> tuple[Cluster, ...]:
    if engine.emerging is None:
        return ()
    live = [one for one in alerts if one.closed is None and one.detection.pack != OWN]
    points = np.array([(one.detection.lon, one.detection.lat) for one in live], np.float64).reshape(-1, 2)
    return tuple(_cluster(engine, track, live, points) for track in engine.emerging.tracks)


def _cluster(engine: EventEngine, track: Track, live: Sequence[Alert], points: Any) -> Cluster:
    assert engine.emerging is not None  # the track is its
    place = engine.emerging.ground.places[track.centre]
    about = engine.emerging.subjects(track)
    subjects = engine.setup.subjects
    causes = [live[row] for row in engine.cause_candidates(track, points)]
    causes = [one for one in causes if one.cleared is None or one.cleared >= track.onset]
    causes.sort(key=lambda one: (abs(one.detection.onset - track.onset), one.id))
    return Cluster(
        id=track.key,
        category=engine.category(track),
        cases=track.cases,
        expected=round(track.expected, DECIMALS),
        ratio=round(track.cases / max(track.expected, 1e-9), DECIMALS),
        p=track.p,
        onset=track.onset,
        since=track.since,
        until=track.until,
        place=place.name,
        lon=place.lon,
        lat=place.lat,
        radius_m=round(track.radius_m, 1),
        codes=tuple((subjects[row].code, count) for row, count in about),
        words=tuple(engine.emerging.words(track, WORDS)),
        causes=tuple(one.id for one in causes[:CAUSES]),
        safety=sum(count for row, count in about if subjects[row].is_safety) * 2 >= max(track.cases, 1),
    )


def _office(engine: EventEngine, one: Standing) -> Office:
    department, tally = engine.setup.departments[one.department], one.tally
    return Office(
        id=department.id,
        name=department.name,
        open=one.open,
        overdue=one.overdue,
        overdue_safety=one.overdue_safety,
        received=tally.received,
        answered=tally.answered,
        in_time=tally.in_time,
        rated=tally.rated,
        satisfied_rate=one.satisfied_rate,
        solved_rate=one.solved_rate,
        named=one.is_named,
    )


def _late(engine: EventEngine, name: str) -> Late:
    held = engine.book.open[name]
    subject = engine.setup.subjects[held.subject]
    return Late(
        id=name,
        code=subject.code,
        category=subject.name,
        department=engine.setup.departments[subject.department].id,
        requested=held.requested,
        due=held.due,
        lon=held.lon,
        lat=held.lat,
    )
