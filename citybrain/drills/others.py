"""What a drill injects beside sensors: warnings (CAP status Exercise), citizens' appeals, units that break down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from citybrain.drills.timetable import where
from config.city import City
from config.drills import AppealsBurst, CapWarning, Drill, UnitBreakdown, span_ms, start_ms
from config.register import Register
from geo.distance import great_circle_m
from models.units import BOUND
from models.values import Area, Incident, Order, ServiceRequest, Unit, Warning

METRES_A_DEGREE = 111_195.0
WHY = "车辆故障 / vehicle broken down"
Given = Warning | ServiceRequest | Order


class Others:
    """The injections of ``drill`` that are no readings; ``name`` is the exercise's id."""

    def __init__(self, drill: Drill, city: City, register: Register, name: str, begin_ms: int) -> None:
        self._drill = drill
        self._city = city
        self._register = register
        self._name = name
        self._begin = begin_ms
        self._until = begin_ms
        self.warned: dict[str, str] = {}  # injection → id of its warning
        self._sent: list[Warning] = []

    def due(self, now: int, units: Sequence[Unit], incidents: Sequence[Incident]) -> list[Given]:
        """What is to be sent for the time since the last call."""
        since, self._until = self._until, now
        found: list[Given] = []
        for number, one in enumerate(self._drill.inject):
            at = self._begin + start_ms(one)
            begins = since <= at < now or (at == self._begin == since and at < now)
            match one:
                case CapWarning() if begins:
                    found.append(self._warning(one, at))
                case AppealsBurst() if since < at + span_ms(one) and at < now:
                    found += self._appeals(number, one, since, now)
                case UnitBreakdown() if begins:
                    found += self._breakdown(one, units, incidents, now)
        return found

    def ended(self, now: int) -> list[Warning]:
        """What takes back the warnings that went out."""
        return [
            Warning(
                id=f"{one.id}-over",
                sender=one.sender,
                sent=now,
                status="Exercise",
                message="Cancel",
                references=(one.id,),
                event=one.event,
                headline=one.headline,
                severity=one.severity,
                source=self._name,
            )
            for one in self._sent
        ]

    def _warning(self, one: CapWarning, at: int) -> Warning:
        zones = [self._city.zones[self._city.index[name]] for name in one.areas]
        areas = tuple(
            Area(
                name=zone.name.zh,
                polygons=tuple(tuple(map(tuple, part.exterior.coords)) for part in _parts(zone.polygon)),
            )
            for zone in zones
        )
        made = Warning(
            id=f"{self._name}-{one.name}",
            sender="citybrain",
            sent=at,
            status="Exercise",
            event=one.event,
            headline=one.headline,
            instruction=one.instruction,
            category="Met",
            severity=one.severity,
            urgency="Expected",
            certainty="Likely",
            colour=one.colour,
            onset=at,
            expires=at + span_ms(one),
            areas=areas,
            source=self._name,
        )
        self.warned[one.name] = made.id
        self._sent.append(made)
        return made

    def _appeals(self, number: int, one: AppealsBurst, since: int, now: int) -> list[Given]:
        """Those whose moment has come, spread evenly in time and by chance, always the same, around the place."""
        place = where(one.place, self._city, self._register)
        at = self._begin + start_ms(one) + np.arange(one.count) * span_ms(one) // one.count
        rng = np.random.default_rng([number, one.count])
        apart, turn = one.radius_m * np.sqrt(rng.random(one.count)), 2 * np.pi * rng.random(one.count)
        lon = place.lon + apart * np.cos(turn) / (METRES_A_DEGREE * np.cos(np.radians(place.lat)))
        lat = place.lat + apart * np.sin(turn) / METRES_A_DEGREE
        return [
            ServiceRequest(
                id=f"{self._name}-{one.name}-{row}",
                code=one.code,
                category=one.code,
                description=f"{one.text.zh} / {one.text.en}",
                requested=int(at[row]),
                lon=round(float(lon[row]), 6),
                lat=round(float(lat[row]), 6),
                source=self._name,
                exercise=True,
            )
            for row in np.flatnonzero((at >= since) & (at < now))
        ]

    def _breakdown(
        self, one: UnitBreakdown, units: Sequence[Unit], incidents: Sequence[Incident], now: int
    ) -> list[Given]:
        """The orders that take the unit out of work; none where no unit fits."""
        unit = self._unit(one, units, incidents)
        if unit is None or unit.status == "off":
            return []
        orders = []
        if unit.status in BOUND:
            orders.append(self._order(unit, "release", now))
        return [*orders, self._order(unit, "off", now)]

    def _unit(self, one: UnitBreakdown, units: Sequence[Unit], incidents: Sequence[Incident]) -> Unit | None:
        """The unit that is named; else of the kind one that works at the exercise, or the nearest free one."""
        if one.unit:
            return next((unit for unit in units if unit.id == one.unit), None)
        mine = {incident.id: incident for incident in incidents if incident.exercise}
        kind = [unit for unit in units if unit.kind == one.kind]
        at_work = [unit for unit in kind if unit.incident in mine]
        if at_work:
            return min(at_work, key=lambda unit: unit.id)
        free = [unit for unit in kind if unit.status == "free"]
        middle = next(iter(mine.values()), None)
        if middle is None:
            return min(free, key=lambda unit: unit.id, default=None)
        return min(
            free, key=lambda unit: float(great_circle_m(unit.lon, unit.lat, middle.lon, middle.lat)), default=None
        )

    def _order(self, unit: Unit, do: str, now: int) -> Order:
        """``models/drills.py`` makes the unit whole again when the exercise is over: it knows it by the order's id."""
        return Order(
            id=f"{self._name}-{do}-{unit.id}", about="unit", subject=unit.id, do=do, by="", at=now, role="system",
            comment=WHY,
        )  # fmt: skip


def _parts(shape: Any) -> list[Any]:
    """The polygons of a polygon or of several."""
    return list(getattr(shape, "geoms", [shape]))
