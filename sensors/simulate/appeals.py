"""Appeals to the 12345 hotline, simulated: 15,000 a day by district, kind and hour, and how they are answered.

What is asked on a day is a pure function of (seed, day): the same appeals whatever was asked before. Incidents that are
injected make people call, as ``appeals.yaml`` of the city declares. No text, place or person is real.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from config import services
from config.city import City, duration_ms
from models.calendar import DAY_MS, HOLIDAY, WEEKEND, Calendar
from models.values import ServiceRequest
from sensors.simulate import chance
from sensors.simulate.declared import FeedError, read
from sensors.simulate.incidents import Incident, Timetable, demo
from sensors.simulate.places import METRES_A_DEGREE, Places, places
from sensors.simulate.rhythm import PROFILES, SLOT_MS, TABLE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FILE: Final = "appeals.yaml"
SOURCE: Final = "hotline"
DAYS: Final = 40  # nothing waits longer for its answer
RATED: Final = 0.5  # of those that are answered: called back
AFTER_MS: Final = 120_000  # people call so long after an incident is over
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Appeals of one code: how many, when, how soon they are answered, and what people say of the answer."""

    code: str
    share: Annotated[float, msgspec.Meta(ge=0)]
    rhythm: str
    answered_after: str
    spread: Annotated[float, msgspec.Meta(ge=0, le=3)]
    solved: Share
    satisfied: Share
    says: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class Burst(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Appeals that an injected incident of this kind makes."""

    incident: str
    code: str
    count: Annotated[int, msgspec.Meta(ge=1)]
    radius_m: Annotated[float, msgspec.Meta(gt=0)]


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``appeals.yaml`` of a simulated city."""

    a_day: Annotated[int, msgspec.Meta(ge=0)]
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(min_length=1)]
    weekend: Share = 1.0
    holiday: Share = 1.0
    bursts: tuple[Burst, ...] = ()


@dataclass(frozen=True, eq=False)
class _Asked:
    """Appeals of a day or of a burst, by the time they are made; ``order`` (n,) is that by their answers."""

    name: str  # how their ids begin
    time: Ints
    kind: Ints
    lon: Floats
    lat: Floats
    answered: Ints
    says: Ints  # random, to choose the words by
    rated: NDArray[np.bool_]
    solved: NDArray[np.bool_]
    satisfied: NDArray[np.bool_]
    order: Ints
    answers: Ints  # the answers in that order


class Hotline:
    """The hotline of one city; ``timetable`` are the incidents that make people call."""

    def __init__(
        self, declared: Declared, known: Places, calendar: Calendar, seed: int, timetable: Timetable | None = None
    ) -> None:
        self.declared = declared
        self.timetable = timetable or Timetable()
        self._calendar = calendar
        self._seed = seed
        self._towns = known.towns
        self._share = np.cumsum([one.share for one in declared.kinds]) / sum(one.share for one in declared.kinds)
        self._people = np.cumsum([town.residents for town in known.towns]) / sum(t.residents for t in known.towns)
        self._row = {one.code: row for row, one in enumerate(declared.kinds)}
        self._days: OrderedDict[int, _Asked] = OrderedDict()
        self._bursts: OrderedDict[tuple[Incident, int], _Asked] = OrderedDict()

    def between(self, from_ms: int, to_ms: int, back_days: int = DAYS) -> list[ServiceRequest]:
        """What comes in [from_ms, to_ms), in order: new appeals, and those that are answered then, once more.

        Answers are those to appeals of the last ``back_days`` and of bursts that touch the span.
        """
        found: list[tuple[int, ServiceRequest]] = []
        for asked in self._asked(from_ms, to_ms, back_days):
            first, last = np.searchsorted(asked.time, (from_ms, to_ms))
            found += [(int(asked.time[row]), self._request(asked, row)) for row in range(int(first), int(last))]
            first, last = np.searchsorted(asked.answers, (from_ms, to_ms))
            for row in asked.order[first:last].tolist():
                found.append((int(asked.answered[row]), self._answer(asked, row)))
        found.sort(key=lambda one: (one[0], one[1].id))
        return [request for _, request in found]

    def _asked(self, from_ms: int, to_ms: int, back_days: int) -> Iterator[_Asked]:
        first, last = (int(one) // DAY_MS for one in self._calendar.local(np.array([from_ms, to_ms - 1], np.int64)))
        for day in range(first - back_days, last + 1):
            yield self._day(day)
        # an appeal of a burst is answered within a few hours of it
        for incident in self.timetable.between(from_ms - DAY_MS // 4, to_ms):
            for number, burst in enumerate(self.declared.bursts):
                if burst.incident == incident.kind:
                    yield self._burst(incident, number)

    def _day(self, day: int) -> _Asked:
        """The appeals of the local ``day`` since 1970."""
        if day not in self._days:
            self._days[day] = self._drawn_day(day)
            while len(self._days) > DAYS + 3:
                self._days.popitem(last=False)
        return self._days[day]

    def _drawn_day(self, day: int) -> _Asked:
        midday = np.array([day * DAY_MS + DAY_MS // 2], np.int64)
        day_kind = int(self._calendar.day_kind(midday)[0])
        factor = {WEEKEND: self.declared.weekend, HOLIDAY: self.declared.holiday}.get(day_kind, 1.0)
        count = int(self.declared.a_day * factor)
        key = chance.keys(self._seed, f"appeals {day}", np.arange(count))
        kind = np.searchsorted(self._share, self._uniform(key, 1), side="right").clip(max=len(self._row) - 1)
        local = day * DAY_MS + self._moments(kind, day_kind, self._uniform(key, 2))
        offset = int(self._calendar.local(midday)[0]) - int(midday[0])
        lon, lat = self._spots(key)
        name = (dt.date(1970, 1, 1) + dt.timedelta(days=day)).strftime("%Y%m%d")
        return self._made(name, key, np.sort(local) - offset, kind[np.argsort(local, kind="stable")], lon, lat)

    def _moments(self, kind: Ints, day_kind: int, uniform: Floats) -> Ints:
        """(n,) ms since local midnight, by the rhythm of each kind."""
        out = np.empty(len(kind), np.int64)
        for row, one in enumerate(self.declared.kinds):
            mine = kind == row
            curve = np.concatenate([[0.0], np.cumsum(TABLE[day_kind, PROFILES.index(one.rhythm)])])
            out[mine] = np.interp(uniform[mine], curve / curve[-1], np.arange(len(curve)) * SLOT_MS)
        return np.minimum(out, DAY_MS - 1)

    def _spots(self, key: chance.Bits) -> tuple[Floats, Floats]:
        """A place for each appeal: around the middle of a town, as many as it has residents."""
        town = np.searchsorted(self._people, self._uniform(key, 3), side="right").clip(max=len(self._towns) - 1)
        middle = np.array([(one.lon, one.lat, one.spread_m) for one in self._towns])[town]
        return _scattered(key, middle[:, 0], middle[:, 1], middle[:, 2])

    def _burst(self, incident: Incident, number: int) -> _Asked:
        if (incident, number) not in self._bursts:
            burst = self.declared.bursts[number]
            stream = f"burst {incident.kind} {incident.place} {incident.start_ms} {number}"
            count = max(1, round(burst.count * incident.share))
            key = chance.keys(self._seed, stream, np.arange(count))
            lasts = incident.end_ms - incident.start_ms + AFTER_MS
            time = np.sort(incident.start_ms + (self._uniform(key, 1) * lasts).astype(np.int64))
            here = [np.full(count, each) for each in (incident.lon, incident.lat, burst.radius_m / 2)]
            lon, lat = _scattered(key, *here)
            kind = np.full(count, self._row[burst.code])
            name = f"{incident.kind}-{incident.start_ms // 1000}-{incident.place}"
            self._bursts[incident, number] = self._made(name, key, time, kind, lon, lat)
            while len(self._bursts) > 200:
                self._bursts.popitem(last=False)
        return self._bursts[incident, number]

    def _made(self, name: str, key: chance.Bits, time: Ints, kind: Ints, lon: Floats, lat: Floats) -> _Asked:
        kinds = self.declared.kinds
        median = np.array([duration_ms(one.answered_after, "answered_after") for one in kinds], np.float64)[kind]
        spread = np.array([one.spread for one in kinds])[kind]
        normal, _ = chance.normal_pair(chance.drawn(key, np.array(7)))
        waits = np.minimum(median * np.exp(spread * normal), (DAYS - 1) * DAY_MS)
        answered = time + waits.astype(np.int64)
        opinion = self._uniform(key, 8)
        return _Asked(
            name=name,
            time=time,
            kind=kind,
            lon=np.round(lon, 6),
            lat=np.round(lat, 6),
            answered=answered,
            says=(self._uniform(key, 9) * 1_000_000).astype(np.int64),
            rated=self._uniform(key, 10) < RATED,
            solved=opinion < np.array([one.solved for one in kinds])[kind],
            satisfied=opinion < np.array([one.satisfied for one in kinds])[kind],
            order=np.argsort(answered, kind="stable"),
            answers=np.sort(answered),
        )

    def _uniform(self, key: chance.Bits, number: int) -> Floats:
        return chance.uniform(chance.drawn(key, np.array(number)))

    def _request(self, asked: _Asked, row: int) -> ServiceRequest:
        kind = self.declared.kinds[int(asked.kind[row])]
        return ServiceRequest(
            id=f"{asked.name}-{row:05d}",
            code=kind.code,
            category=kind.code,
            description=kind.says[int(asked.says[row]) % len(kind.says)],
            requested=int(asked.time[row]),
            lon=float(asked.lon[row]),
            lat=float(asked.lat[row]),
            source=SOURCE,
        )

    def _answer(self, asked: _Asked, row: int) -> ServiceRequest:
        rated = bool(asked.rated[row])
        return replace(
            self._request(asked, row),
            status="closed",
            updated=int(asked.answered[row]),
            solved=bool(asked.solved[row]) if rated else None,
            satisfied=bool(asked.satisfied[row]) if rated else None,
        )


def declares(city: City) -> bool:
    """Whether the city simulates its hotline."""
    return (city.folder / FILE).exists()


def hotline(city: City, start_ms: int | None = None, gateways: int = 0, seed: int | None = None) -> Hotline:
    """The hotline of ``city``; with ``start_ms`` also what the incidents of its feed, counted from then, make of it.

    Raises ``FeedError`` where ``appeals.yaml`` names what the city has not.
    """
    path = city.folder / FILE
    declared = read(path, Declared)
    _check(path, declared, {one.code for one in services.load(city.folder)})
    known = places(city)
    seed = known.seed if seed is None else seed
    timetable = Timetable() if start_ms is None else demo(known, seed, start_ms, gateways)
    return Hotline(declared, known, city.calendar, seed, timetable)


def _check(path: Path, declared: Declared, codes: set[str]) -> None:
    for number, one in enumerate(declared.kinds):
        if one.code not in codes:
            raise FeedError(f"{path}: kinds[{number}].code: {one.code!r} is not in services.yaml; use one of its codes")
        if one.rhythm not in PROFILES:
            known = ", ".join(PROFILES)
            raise FeedError(f"{path}: kinds[{number}].rhythm: {one.rhythm!r} is unknown; use one of {known}")
        duration_ms(one.answered_after, f"{path}: kinds[{number}].answered_after")
    for number, burst in enumerate(declared.bursts):
        if burst.code not in {one.code for one in declared.kinds}:
            raise FeedError(f"{path}: bursts[{number}].code: {burst.code!r} is none of the kinds; add it to them")


def _scattered(key: chance.Bits, lon: Floats, lat: Floats, spread_m: Floats) -> tuple[Floats, Floats]:
    """Points that are normal around others."""
    east, north = chance.normal_pair(chance.drawn(key, np.array(5)))
    x = lon + east * spread_m / (METRES_A_DEGREE * np.cos(np.radians(lat)))
    return x, lat + north * spread_m / METRES_A_DEGREE


def georeport(one: ServiceRequest) -> dict[str, Any]:
    """The appeal as a hotline's system sends it: GeoReport v2, and what the citizen said when called back."""
    row: dict[str, Any] = {
        "service_request_id": one.id,
        "service_code": one.code,
        "status": one.status,
        "description": one.description,
        "requested_datetime": _moment(one.requested),
        "lat": one.lat,
        "long": one.lon,
    }
    told = {"solved": one.solved, "satisfied": one.satisfied}
    row |= {"updated_datetime": _moment(one.updated)} if one.updated is not None else {}
    return row | {name: said for name, said in told.items() if said is not None}


def _moment(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
