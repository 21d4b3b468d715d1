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
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from models import alarm, audit, casework, deployment, dial, drills, escalation, notices, silences
from models import roster as rosters
from models.alarm import Demands
from models.calendar import UTC, Calendar
from models.flood import Flooded
from models.grouping import Ground, Grouping
from models.notices import Route
from models.orders import Refused
from models.outcome import Outcome
from models.pipeline import Inhibition
from models.places import Sites
from models.plan_inputs import Inputs
from models.planning import NoTables, Planning, Tables
from models.roster import ROTA, Roster, Rota
from models.ruleless import Ruleless
from models.triage import Triage
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
from models.warned import Warned

Input = Detection | Command | Order | Position | Warning
FORGET_MS = 24 * 3_600_000  # what is closed leaves the compacted topics after so long; the archive keeps it
LINGER_MS = 600_000  # what is closed leaves the picture, and an alert the room's memory, after so long
LINGERING = 1_000  # so many closed alerts stay at most; in a flood the older ones leave earlier


@dataclass(frozen=True)
class Setup:
    """What is declared about the city that the room works by (config/rooms.py makes it)."""

    demands: Mapping[tuple[str, str], Demands] = field(default_factory=dict)  # by pack and rule, where not the default
    inhibitions: tuple[Inhibition, ...] = ()
    groupings: Mapping[str, Grouping] = field(default_factory=dict)  # by pack, where not the default
    ground: Ground = field(default_factory=Ground)  # how places lie in one another
    roster: Roster | None = None  # without one nothing is escalated
    routes: tuple[Route, ...] = ()  # the ways out that hear of new incidents
    calendar: Calendar = UTC  # local time
    units: Mapping[str, Unit] = field(default_factory=dict)  # the city's, by id, as declared
    tables: Tables = field(default_factory=NoTables)  # of the response plans
    sites: Sites = field(default_factory=Sites)  # registered places that warnings reach
    rules: frozenset[tuple[str, str]] | None = None  # pack and rule of all there are; None: nobody knows


class Room:
    """The state. Everything in it is a value by its id; ``now`` is processing time, ms."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.alerts: dict[str, Alert] = {}
        self.incidents: dict[str, Incident] = {}
        self.units: dict[str, Unit] = dict(setup.units)
        self.items: dict[str, bytes] = {}  # silences, warnings, roster … as JSON, by kind/id
        self.past: dict[str, int] = {}  # alerts that are no longer in memory: id → when they closed
        self._closing: deque[tuple[int, str]] = deque()  # closed alerts in memory, the oldest first
        self._held: dict[str, Incident] = {}  # incidents that wait for the next tick, as they were made known last
        self._shown_incidents: set[str] = set()  # closed ones that are in the picture still
        self.triage = Triage(self)
        self.planning = Planning(self)
        self.warned = Warned(self)
        self.ruleless = Ruleless(self)
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
        left = {name: a.closed for name, a in alerts.items() if a.closed is not None and now - a.closed > LINGER_MS}
        self.past = dict(sorted(left.items(), key=lambda one: one[1]))
        self.alerts = {name: alert for name, alert in alerts.items() if name not in left}
        self.incidents, self.items = dict(incidents), dict(items)
        self.units = deployment.restored(self.setup.units, units)
        ended = [(a.closed, a.id) for a in self.alerts.values() if a.closed is not None]
        self._closing = deque(sorted(ended))
        self._shown_incidents = {i.id for i in incidents.values() if i.closed is not None}
        out = Outcome()
        for alert in self.alerts.values():
            self._watch(alert)
            self.ruleless.note(alert)
        self.warned.restore()
        self.triage.restore(now, out)
        self._let_go(now, out)
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
        self.triage.tick(now, self._seats(now), out)
        self._release(out)
        self._escalate(now, out)
        deployment.settle(self, now, out)
        self.warned.tick(now, out)
        drills.tick(self, now, out)
        self.ruleless.tick(now, out)
        self._let_go(now, out)
        return out

    def look(self, seen: Mapping[str, Inputs], now: int) -> Outcome:
        """What the response plans say to the situation of these incidents; ``planning.open`` lists which to look at."""
        out = Outcome()
        self.planning.look(seen, now, out)
        return out

    def flooded(self) -> Flooded:
        """What the wall is told about the load of the seats."""
        return self.triage.flooded()

    # --- alerts ---------------------------------------------------------------------------------------------------

    def _detected(self, detection: Detection, now: int, out: Outcome) -> None:
        if detection.id not in self.past and drills.admits(self, detection):  # else its alert, or its drill, is over
            self.triage.detected(detection, now, out)
            drills.watch(self, detection, now, out)

    def _commanded(self, command: Command, now: int, out: Outcome) -> None:
        if command.alert in self.past:
            message = f"alert {command.alert} is closed; the archive has it"
            answer = Answer(command=command.id, alert=command.alert, status="conflict", state="normal", message=message)
        else:
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
            case "incident":
                return casework.obey(self, order, now, out)
            case "unit":
                return deployment.obey(self, order, now, out)
            case "warning":
                return self.warned.obey(order, now, out)
            case "silence":
                return self._silenced(order, now, out)
            case "roster":
                return self._rostered(order, now, out)
            case "drill":
                return drills.obey(self, order, now, out)
            case "budget":
                turn = dial.obey(order)
                self.keep_item(dial.ITEM, to_json(turn), out)
                return dial.ITEM, f"{turn.per_hour:g}", turn.by
            case _:
                raise Refused(f"nobody here takes orders about {order.about}", "invalid")

    def _silenced(self, order: Order, now: int, out: Outcome) -> tuple[str, str, str]:
        """Silences made and ended (models/silences.py)."""
        known = self.triage.silences
        after = silences.obey(known, order, now)
        if known.get(after.id) is not after:
            self.triage.silence(after, now, out)
        return after.id, "active" if after.holds(now) else "pending" if now < after.start else "ended", after.by

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
        deployment.placed(self, position, now, out)

    def _warned(self, warning: Warning, now: int, out: Outcome) -> None:
        """A CAP message came (models/warnings.py)."""
        self.warned.received(warning, now, out)
        drills.watch(self, warning, now, out)

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

    def _seats(self, now: int) -> tuple[str, ...]:
        """The dispatchers on duty; none without a roster."""
        roster = self.setup.roster
        if roster is None:
            return ()
        duties = rosters.on_duty(roster, self.setup.calendar, self.rota, now)
        return tuple(dict.fromkeys(duty.user for duty in duties if duty.role == "dispatcher" and duty.user))

    def _let_go(self, now: int, out: Outcome) -> None:
        """What is closed leaves the picture and the memory, and after a day the topics."""
        while self._closing and (now - self._closing[0][0] > LINGER_MS or len(self._closing) > LINGERING):
            closed, name = self._closing.popleft()
            del self.alerts[name]
            self.past[name] = closed
            out.hidden.add(f"alert/{name}")
        while self.past and now - next(iter(self.past.values())) > FORGET_MS:
            name = next(iter(self.past))
            del self.past[name]
            out.alerts[name] = None
        for name in [name for name in self._shown_incidents if self._is_past(name, now, LINGER_MS)]:
            self._shown_incidents.discard(name)
            out.hidden.add(f"incident/{name}")
        for name in [one.id for one in self.incidents.values() if self._is_past(one.id, now, FORGET_MS)]:
            del self.incidents[name]
            out.incidents[name] = None

    def _is_past(self, incident: str, now: int, after_ms: int) -> bool:
        closed = self.incidents[incident].closed
        return closed is not None and now - closed > after_ms

    # --- keeping: every change goes through these -------------------------------------------------------------------

    def keep_alert(self, after: Alert, out: Outcome, told: bool = True) -> None:
        """The alert as it is now; its new steps are written down and what follows from them is done.

        The same object changes nothing. ``told``: its incident's timeline says so.
        """
        before = self.alerts.get(after.id)
        if after is before:
            return
        self.alerts[after.id] = out.alerts[after.id] = after
        out.steps("alert", after.id, before.history if before else (), after.history)
        self._watch(after)
        self.ruleless.note(after)
        if after.closed is not None and (before is None or before.closed is None):
            self._closing.append((after.closed, after.id))
        self.triage.moved(before, after, after.history[-1].at, out, told)

    def keep_incident(self, after: Incident, out: Outcome) -> None:
        """The incident as it is now, with its deadline; its new steps are written down, a new one is told.

        The same object changes nothing.
        """
        before = self.incidents.get(after.id)
        if after is before:
            return
        before = self._held.pop(after.id, before)
        after = escalation.armed(after, after.changed, self._answered(after))
        if before is None:
            out.notify(notices.opened(after, self.setup.routes, after.changed))
        self.incidents[after.id] = out.incidents[after.id] = after
        out.steps("incident", after.id, before.timeline if before else (), after.timeline)
        if after.closed is not None:
            self._shown_incidents.add(after.id)

    def _answered(self, incident: Incident) -> bool:
        """Whether somebody has seen each of its alerts, or something hides them; unknown alerts answer nothing."""
        known = [self.alerts[name] for name in incident.alerts if name in self.alerts]
        return bool(known) and all(alert.state not in alarm.WAITING for alert in known)

    def hold_incident(self, after: Incident) -> None:
        """The incident as it is now, made known with the next tick: in a flood it changes many times a second."""
        self._held.setdefault(after.id, self.incidents[after.id])
        self.incidents[after.id] = after

    def _release(self, out: Outcome) -> None:
        """Make known what was held."""
        for name, before in list(self._held.items()):
            after, self.incidents[name] = self.incidents[name], before
            self.keep_incident(after, out)

    def keep_unit(self, after: Unit, out: Outcome) -> None:
        """The unit as it is now; its new steps are written down. The same object changes nothing."""
        before = self.units.get(after.id)
        if after is before:
            return
        self.units[after.id] = out.units[after.id] = after
        out.moved.pop(after.id, None)
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
            if len(self._due) > 2 * len(self._due_of) + 1_000:  # most are of alerts that are over
                self._due = [(at, name) for name, at in self._due_of.items()]
                heapq.heapify(self._due)
