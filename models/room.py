"""The room: everything that is open in the city and who holds it, as one pure state.

``Room.take`` takes what came in (a detection, a command, an order, a position, a warning) and ``Room.tick`` the clock;
both return an ``Outcome``: what changed, who is to be told, what is written down. The room itself only routes: each
subject has its own module, whose functions take values and return values. What is delivered twice changes nothing, for
each subject knows the ids that it has seen.

The agent that owns the room (streams/agents/alerts.py) makes each outcome safe before anybody sees it. After a crash
``Room.restore`` starts from what was safe, and the inputs that were not acknowledged come again.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from models import alarm, audit, escalation, notices
from models import roster as rosters
from models.alarm import Demands
from models.calendar import UTC, Calendar
from models.notices import Route
from models.orders import Refused
from models.outcome import Outcome
from models.roster import Roster, Rota
from models.values import (
    Alert,
    Answer,
    Command,
    Detection,
    Incident,
    Order,
    Position,
    Unit,
    Warning,
    from_json,
    to_json,
)

Input = Detection | Command | Order | Position | Warning
FORGET_MS = 24 * 3_600_000  # what is closed leaves the compacted topics after so long; the archive keeps it
LINGER_MS = 600_000  # what is closed leaves the picture after so long
ROTA = "roster/rota"  # the item that holds what people changed about who is on duty


@dataclass(frozen=True)
class Setup:
    """What is declared about the city that the room works by (config/rooms.py makes it)."""

    demands: Mapping[tuple[str, str], Demands] = field(default_factory=dict)  # by pack and rule, where not the default
    roster: Roster | None = None  # without one nothing is escalated
    routes: tuple[Route, ...] = ()  # the ways out that hear of new incidents
    calendar: Calendar = UTC  # local time


class Room:
    """The state. Everything in it is a value by its id; ``now`` is processing time, ms."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.alerts: dict[str, Alert] = {}
        self.incidents: dict[str, Incident] = {}
        self.units: dict[str, Unit] = {}
        self.items: dict[str, bytes] = {}  # silences, warnings, roster … as JSON, by kind/id
        self._due: list[tuple[int, str]] = []  # heap of when time changes an alert
        self._due_of: dict[str, int] = {}  # the entry of each that counts

    def restore(
        self,
        alerts: Mapping[str, Alert],
        incidents: Mapping[str, Incident],
        units: Mapping[str, Unit],
        items: Mapping[str, bytes],
        now: int,
    ) -> Outcome:
        """Take over what was safe; what was half done by a crash is done to its end."""
        self.alerts, self.incidents, self.units = dict(alerts), dict(incidents), dict(units)
        self.items = dict(items)
        out = Outcome()
        for alert in self.alerts.values():
            self._watch(alert)
        return out

    def take(self, given: Input, now: int) -> Outcome:
        """What comes of one input at ``now``."""
        out = Outcome()
        match given:
            case Detection():
                self._detected(given, now, out)
            case Command():
                self._commanded(given, now, out)
            case Order():
                self._ordered(given, now, out)
            case Position():
                self._placed(given, now, out)
            case Warning():
                self._warned(given, now, out)
        return out

    def tick(self, now: int) -> Outcome:
        """What comes of time having passed; called about once a second."""
        out = Outcome()
        self._elapse(now, out)
        self._escalate(now, out)
        return out

    # --- alerts ---------------------------------------------------------------------------------------------------

    def _detected(self, detection: Detection, now: int, out: Outcome) -> None:
        demands = self.setup.demands.get((detection.pack, detection.rule), alarm.NONE)
        after = alarm.apply(self.alerts.get(detection.id), detection, now, demands)
        if after is not None:
            self.keep_alert(after, out)

    def _commanded(self, command: Command, now: int, out: Outcome) -> None:
        after, answer = alarm.decide(self.alerts.get(command.alert), command, now)
        if after is not None:
            self.keep_alert(after, out)
        out.answers.append(answer)
        out.audit.append(audit.of_command(command, answer, now))

    def _elapse(self, now: int, out: Outcome) -> None:
        """Let time change the alerts that are due."""
        while self._due and self._due[0][0] <= now:
            at, name = heapq.heappop(self._due)
            alert = self.alerts.get(name)
            if self._due_of.get(name) == at and alert is not None:
                del self._due_of[name]
                self.keep_alert(alarm.elapsed(alert, now), out)

    # --- orders ---------------------------------------------------------------------------------------------------

    def _ordered(self, order: Order, now: int, out: Outcome) -> None:
        """Let the subject's owner obey; a refusal is the answer."""
        try:
            subject, state, by = self._obeyed(order, now, out)
        except Refused as refusal:
            answer = Answer(
                command=order.id, alert=order.subject, status=refusal.status, state=refusal.state, by=refusal.by,
                message=str(refusal),
            )  # fmt: skip
        else:
            answer = Answer(command=order.id, alert=subject, status="done", state=state, by=by)
        out.answers.append(answer)
        out.audit.append(audit.of_command(order, answer, now))

    def _obeyed(self, order: Order, now: int, out: Outcome) -> tuple[str, str, str]:
        """Carry out one order: the id of its subject, the state that is in now and who holds it.

        One case a subject, which calls its module; raises ``Refused``.
        """
        match order.about:
            case "roster":
                return self._rostered(order, now, out)
            case _:
                raise Refused(f"nobody here takes orders about {order.about}", "invalid")

    def _rostered(self, order: Order, now: int, out: Outcome) -> tuple[str, str, str]:
        """Seats taken and left, and the handover (models/roster.py)."""
        if self.setup.roster is None:
            raise Refused("this city has no roster; add roster.yaml to its folder", "unknown")
        unfinished = sum(one.closed is None for one in self.incidents.values())
        before = self.rota
        after = rosters.obey(self.setup.roster, self.setup.calendar, before, order, now, unfinished)
        if after is not before:
            self.keep_item(ROTA, to_json(after), out)
        return ROTA, "", order.by

    @property
    def rota(self) -> Rota:
        """What people changed about who is on duty."""
        kept = self.items.get(ROTA)
        return from_json(kept, Rota) if kept else Rota()

    # --- events ---------------------------------------------------------------------------------------------------

    def _placed(self, position: Position, now: int, out: Outcome) -> None:
        """A unit said where it is (models/units.py)."""

    def _warned(self, warning: Warning, now: int, out: Outcome) -> None:
        """A CAP message came (models/warnings.py)."""

    # --- the clock ------------------------------------------------------------------------------------------------

    def _escalate(self, now: int, out: Outcome) -> None:
        """Tell the next of the roster about what nobody answered in time (models/escalation.py)."""
        roster = self.setup.roster
        due = [one for one in self.incidents.values() if escalation.due(one, now)]
        if roster is None or not due:
            return
        duties = rosters.on_duty(roster, self.setup.calendar, self.rota, now)
        for incident in due:
            after, messages = escalation.escalate(incident, roster, duties, now)
            self.keep_incident(after, out)
            out.notify(messages)

    # --- keeping: every change goes through these -------------------------------------------------------------------

    def keep_alert(self, after: Alert, out: Outcome) -> None:
        """The alert as it is now; its new steps are written down. The same object changes nothing."""
        before = self.alerts.get(after.id)
        if after is before:
            return
        self.alerts[after.id] = out.alerts[after.id] = after
        out.steps("alert", after.id, before.history if before else (), after.history)
        self._watch(after)

    def keep_incident(self, after: Incident, out: Outcome) -> None:
        """The incident as it is now, with its deadline; its new steps are written down, a new one is told.

        The same object changes nothing.
        """
        before = self.incidents.get(after.id)
        if after is before:
            return
        after = escalation.armed(after, after.changed)
        if before is None:
            out.notify(notices.opened(after, self.setup.routes, after.changed))
        self.incidents[after.id] = out.incidents[after.id] = after
        out.steps("incident", after.id, before.timeline if before else (), after.timeline)

    def keep_unit(self, after: Unit, out: Outcome) -> None:
        """The unit as it is now; its new steps are written down. The same object changes nothing."""
        before = self.units.get(after.id)
        if after is before:
            return
        self.units[after.id] = out.units[after.id] = after
        out.steps("unit", after.id, before.history if before else (), after.history)

    def keep_item(self, key: str, value: bytes | None, out: Outcome) -> None:
        """A silence, warning, roster … by ``kind/id`` as JSON; None takes it away."""
        if value is None:
            self.items.pop(key, None)
        else:
            self.items[key] = value
        out.items[key] = value

    def _watch(self, alert: Alert) -> None:
        """Remember when time changes this alert next."""
        due = alarm.due(alert)
        if due is None:
            self._due_of.pop(alert.id, None)
        elif self._due_of.get(alert.id) != due:
            self._due_of[alert.id] = due
            heapq.heappush(self._due, (due, alert.id))
