"""A room played by a timetable: detections at minutes and places, orders by name, and what is open then."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec.structs import replace

from models.outcome import Outcome
from models.room import Room, Setup
from models.values import Action, Alert, Answer, Command, Detection, Incident, Order, Severity, Text, alert_id

T = TypeVar("T")
START = 1_790_000_000_000
MINUTE = 60_000
DISTRICT_KM = 20.0  # districts lie apart, each 20 km east of the one before


def detection(
    place: str = "bridge",
    at: float = 0.0,
    *,
    district: str = "d1",
    km: float = 0.0,
    rule: str = "crowded",
    pack: str = "crowd",
    severity: Severity = "Severe",
    state: Any = "firing",
    kind: Any = "event",
    exercise: bool = False,
    labels: dict[str, str] | None = None,
) -> Detection:
    """A rule that fired at ``place``, which lies ``km`` kilometres north of its district's corner, ``at`` minutes."""
    onset = START + round(at * MINUTE)
    east = (int(district[1:]) if district[1:].isdecimal() else 0) * DISTRICT_KM
    return Detection(
        id=alert_id(pack, rule, place, onset),
        pack=pack,
        rule=rule,
        place=place,
        place_kind="zone" if place == district or place == "city" else "asset",
        place_name=Text(place, place),
        lon=103.0 + east / 95.0,
        lat=30.0 + km / 111.32,
        district=district,
        state=state,
        kind=kind,
        severity=severity,
        onset=onset,
        time=onset,
        value=9.0,
        expected=3.0,
        score=8.0,
        unit="1",
        headline=Text(f"{rule} at {place}", f"{place}：{rule}"),
        labels=labels or {},
        exercise=exercise,
    )


class Table:
    """A room and its clock. Times are minutes since START; ticks come each second when ``until`` is called."""

    def __init__(self, setup: Setup | None = None) -> None:
        self.setup = setup or Setup()
        self.room = Room(self.setup)
        self.now = START
        self.said = Outcome()
        self._orders = 0

    def until(self, minutes: float) -> Table:
        """Let time pass to this minute."""
        end = START + round(minutes * MINUTE)
        step = max(1_000, (end - self.now) // 200)
        while self.now < end:
            self.now = min(self.now + step, end)
            self.note(self.room.tick(self.now))
        return self

    def note(self, out: Outcome) -> Outcome:
        """Keep what was said."""
        self.said.merge(out)
        return out

    def fires(self, place: str = "bridge", at: float | None = None, **more: Any) -> Alert:
        """A condition begins now, or ``at`` a minute; its alert."""
        if at is not None:
            self.until(at)
        one = detection(place, (self.now - START) / MINUTE, **more)
        self.note(self.room.take(one, self.now))
        return self.room.alerts[one.id]

    def clears(self, alert: Alert, at: float | None = None) -> Alert:
        """Its condition is over now, or ``at`` a minute."""
        if at is not None:
            self.until(at)
        over = replace(alert.detection, state="cleared", time=self.now)
        self.note(self.room.take(over, self.now))
        return self.room.alerts[alert.id]

    def command(self, alert: str, action: Action, by: str = "li", comment: str = "why", **more: Any) -> Answer:
        """Somebody asks something of an alert."""
        self._orders += 1
        command = Command(
            id=f"c{self._orders}", alert=alert, action=action, by=by, at=self.now, comment=comment, **more
        )  # fmt: skip
        return self.note(self.room.take(command, self.now)).answers[-1]

    def order(
        self, do: str, subject: str = "", by: str = "li", comment: str = "", about: Any = "incident", key: str = "",
        role: Any = "dispatcher", **args: Any,
    ) -> Answer:  # fmt: skip
        """Somebody gives an order."""
        self._orders += 1
        order = Order(
            id=key or f"o{self._orders}", about=about, subject=subject, do=do, by=by, at=self.now, role=role,
            comment=comment, args=args,
        )  # fmt: skip
        return self.note(self.room.take(order, self.now)).answers[-1]

    def state(self, alert: Alert) -> str:
        """The state that the alert is in now."""
        return self.room.alerts[alert.id].state

    def incident(self, alert: Alert) -> Incident:
        """The incident that the alert belongs to now."""
        return self.room.incidents[self.room.alerts[alert.id].incident]

    def open(self) -> list[Incident]:
        """The open incidents, the oldest first."""
        return [one for one in self.room.incidents.values() if one.closed is None]

    def again(self) -> Table:
        """Another room that starts from what this one made safe, at the same time."""
        other = Table(self.setup)
        other.now, other._orders = self.now, self._orders
        said = self.said
        out = other.room.restore(
            _there(said.alerts), _there(said.incidents), _there(said.units), _there(said.items), self.now
        )
        other.note(out)
        return other


def told(incident: Incident) -> list[str]:
    """What its timeline says was done, in order."""
    return [line.action for line in incident.timeline]


def _there(kept: dict[str, T | None]) -> dict[str, T]:
    """What a compacted topic holds."""
    return {name: value for name, value in kept.items() if value is not None}
