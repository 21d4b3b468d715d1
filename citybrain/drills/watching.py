"""Watches a drill: what of its expectations has come, when, and through which alert.

``Watching.look`` is shown the exercise's alerts, incidents, units and warnings as they are, as often as need be; it
keeps the first moment at which each expectation was met. It neither knows nor cares whether a room in this process or
a whole city shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import shapely

from config.city import City
from config.drills import AT_SPEED, NEAR_M, Drill, Expectation, chain, start_ms
from geo.distance import great_circle_m
from models.values import Alert, Incident, Unit
from models.warnings import Raised

Mark = Literal["met", "late", "missed", "waiting", "not-graded"]


@dataclass(slots=True)
class Seen:
    """What is known of an expectation: when what it hangs on came, and when it came itself (ms)."""

    due_from: int | None = None
    at: int | None = None
    by: str = ""  # who did it
    alert: str = ""  # id of the alert it is about
    detail: str = ""


@dataclass(slots=True)
class View:
    """The exercise as it is shown: its alerts and incidents, and the city's units and warnings."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    units: Iterable[Unit] = ()
    warnings: Mapping[str, Raised] = field(default_factory=dict)


class Watching:
    """The expectations of ``drill``, begun at ``begin_ms``; ``people``: somebody is there to answer."""

    def __init__(self, drill: Drill, city: City, begin_ms: int, people: bool) -> None:
        self.drill = drill
        self.begin_ms = begin_ms
        self.people = people
        self._city = city
        self.seen = [Seen() for _ in drill.expect]
        self.began = {one.name: begin_ms + start_ms(one) for one in drill.inject}
        self.warned: Mapping[str, str] = {}  # injection → the id under which its warning went out

    def look(self, view: View, now: int) -> None:
        """Take note of what has come by ``now``."""
        for number, one in enumerate(self.drill.expect):
            seen = self.seen[number]
            seen.due_from = self._from(one)
            if seen.due_from is not None and seen.at is None:
                self._met(one, seen, view, now)

    def mark(self, number: int, over: bool = False) -> Mark:
        """How an expectation stands; ``over``: nothing more will come."""
        one, seen = self.drill.expect[number], self.seen[number]
        if not self.people and one.what not in AT_SPEED:
            return "not-graded"
        if seen.at is None or seen.due_from is None:
            return "missed" if over else "waiting"
        return "met" if seen.at - seen.due_from <= one.within_ms else "late"

    def decided(self, now: int) -> bool:
        """Whether nothing that may still come changes a mark: all has come, or its time is over."""
        return all(self._is_decided(number, now) for number in range(len(self.seen)))

    def _is_decided(self, number: int, now: int) -> bool:
        one, seen = self.drill.expect[number], self.seen[number]
        if self.mark(number) != "waiting":
            return True
        if seen.due_from is not None:
            return now > seen.due_from + one.within_ms
        before = next((n for n, other in enumerate(self.drill.expect) if other.name == one.after), None)
        return before is not None and self._is_decided(before, now) and self.seen[before].at is None

    def _from(self, one: Expectation) -> int | None:
        if one.after in self.began:
            return self.began[one.after]
        number = next(n for n, other in enumerate(self.drill.expect) if other.name == one.after)
        return self.seen[number].at

    def _met(self, one: Expectation, seen: Seen, view: View, now: int) -> None:
        match one.what:
            case "alert":
                self._alert(one, seen, view)
            case "told":
                raised = view.warnings.get(self.warned.get(one.after, ""))
                if raised is not None and raised.places >= one.told:
                    seen.at, seen.detail = raised.at, str(raised.places)
            case "acknowledged":
                self._acknowledged(one, seen, view)
            case "plan":
                self._plan(one, seen, view, now)
            case _:
                self._unit(one, seen, view)

    def _alert(self, one: Expectation, seen: Seen, view: View) -> None:
        assert seen.due_from is not None  # looked at only then
        fits = [
            alert
            for alert in view.alerts.values()
            if f"{alert.detection.pack}/{alert.detection.rule}" == one.alert
            and alert.opened >= seen.due_from
            and self._is_at(alert, one.place)
        ]
        if fits:
            first = min(fits, key=lambda alert: (alert.opened, alert.id))
            seen.at, seen.alert, seen.detail = first.opened, first.id, first.detection.place

    def _is_at(self, alert: Alert, place: str) -> bool:
        """At the place itself, in it, or near enough to its middle."""
        it = alert.detection
        if place in ("", it.place):
            return True
        row = self._city.index.get(place)
        if row is None:
            return False
        zone = self._city.zones[row]
        inside = bool(shapely.contains_xy(zone.polygon, it.lon, it.lat))
        return inside or float(great_circle_m(it.lon, it.lat, zone.lon, zone.lat)) <= NEAR_M

    def _mine(self, one: Expectation, view: View) -> tuple[Alert | None, Incident | None]:
        """The alert that this is about, and its incident."""
        first = chain(self.drill, one)
        number = next((n for n, other in enumerate(self.drill.expect) if other is first), None)
        alert = view.alerts.get(self.seen[number].alert) if number is not None else None
        return alert, view.incidents.get(alert.incident) if alert is not None else None

    def _acknowledged(self, one: Expectation, seen: Seen, view: View) -> None:
        alert, incident = self._mine(one, view)
        if alert is None:
            return
        family = [alert] if incident is None else [a for a in view.alerts.values() if a.incident == incident.id]
        done = [a for a in family if (a.acknowledged_at is not None and a.opened >= alert.opened) or a.id == alert.id]
        answered = [(a.acknowledged_at, a.acknowledged_by, a.id) for a in done if a.acknowledged_at is not None]
        if answered:
            seen.at, seen.by, seen.alert = min(answered)

    def _plan(self, one: Expectation, seen: Seen, view: View, now: int) -> None:
        _, incident = self._mine(one, view)
        if incident is None:
            return
        plan = incident.plan if one.plan == "launched" else incident.plan or incident.proposal
        if plan is not None:
            line = next((step for step in incident.timeline if step.action == "launch"), None)
            launched = one.plan == "launched" and line is not None
            seen.at = line.at if launched and line is not None else now
            seen.by, seen.detail = line.by if launched and line is not None else "", plan.stage

    def _unit(self, one: Expectation, seen: Seen, view: View) -> None:
        _, incident = self._mine(one, view)
        if incident is None:
            return
        there = [unit for unit in view.units if unit.incident == incident.id and unit.status == "on-scene"]
        if there:
            first = min(there, key=lambda unit: unit.since)
            seen.at, seen.detail = first.since, first.id
