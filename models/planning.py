"""Response plans in the room: tables asked for open incidents, proposals launched and declined by people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from models import deployment, incidents, plans
from models.escalation import notification_id
from models.outcome import Outcome
from models.plan_inputs import Inputs
from models.plans import Changes, Table, Watch
from models.values import Incident, Notification, Order, Proposal

if TYPE_CHECKING:
    from models.room import Room


class Tables(Protocol):
    """The tables in force (config/plans.py); they may change while the room is open."""

    def of(self, pack: str, place: str) -> Table | None:
        """The table for incidents of ``pack`` at ``place``; None where there is none."""
        ...


class NoTables:
    """A city without response plans."""

    def of(self, pack: str, place: str) -> Table | None:
        """None."""
        return None


class Planning:
    """Which incidents have a table, and what is remembered of asking it."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._watches: dict[str, Watch] = {}

    def open(self) -> list[tuple[Incident, str]]:
        """The incidents that a table is asked for, events that are not over, each with the place it is asked about."""
        return [(one, self.place(one)) for one in self._room.incidents.values() if self._table(one) is not None]

    @staticmethod
    def place(incident: Incident) -> str:
        """What a table is asked about: the plan's place while one is in force, else the incident's own."""
        return incident.plan.place if incident.plan is not None and incident.plan.place else incident.place

    def look(self, seen: Mapping[str, Inputs], now: int, out: Outcome) -> None:
        """Ask the tables for the incidents in ``seen`` with their inputs; carry what they propose."""
        self._watches = {name: kept for name, kept in self._watches.items() if name in self._room.incidents}
        for name, inputs in seen.items():
            incident = self._room.incidents.get(name)
            table = self._table(incident) if incident else None
            if incident is None or table is None:
                continue
            watch = self._watches.get(name, Watch())
            place = self.place(incident)
            proposal, self._watches[name] = plans.look(table, incident, place, inputs, watch, now)
            self._room.keep_incident(plans.propose(incident, proposal, now), out)

    def launch(self, incident: Incident, order: Order, now: int, out: Outcome) -> None:
        """Put the proposal in force: tasks, zones, messages, and the units that were approved with it.

        args ``units``: ids of units to send, or ``nearest`` for those that arrive first; without it nobody is sent.
        """
        if incidents.seen(incident, order):
            deployment.finish(self._room, incident, order, now, out)
            return
        after, change = plans.launch(incident, order, now)
        plan = after.plan
        assert plan is not None  # the one that was launched
        after, moved = deployment.with_plan(self._room, after, plan.units, order, now)
        self._room.keep_incident(after, out)
        for unit in moved:
            self._room.keep_unit(unit, out)
        out.notify(_messages(after, plan, change, order, now))

    def decline(self, incident: Incident, order: Order, now: int, out: Outcome) -> None:
        """Take the proposal away; its stage is not proposed again until the situation has changed."""
        if incidents.seen(incident, order):
            return
        after = plans.decline(incident, order, now)
        assert incident.proposal is not None
        self._watches[incident.id] = Watch(declined=incident.proposal.stage)
        self._room.keep_incident(after, out)

    def _table(self, incident: Incident) -> Table | None:
        over = incident.kind != "event" or incident.state in ("resolved", "closed") or bool(incident.merged_into)
        return None if over else self._room.setup.tables.of(incident.pack, self.place(incident))


def _messages(incident: Incident, plan: Proposal, change: Changes, order: Order, now: int) -> tuple[Notification, ...]:
    """What the plan's routes are told: the measures that begin and end, and what is to be done."""
    lines = [f"{incident.place_name.zh} / {incident.place_name.en}"]
    lines += [f"+ {plans.measure(name)}" for name in change.begun]
    lines += [f"- {plans.measure(name)}" for name in change.lifted]
    lines += [f"{task.who}: {task.what.zh} / {task.what.en}" for task in change.tasks]
    return tuple(
        Notification(
            id=notification_id("plan", incident.id, order.id, route),
            route=route,
            at=now,
            title=plans.stage_name(plan),
            body="\n".join(lines),
            severity=incident.severity,
            urgent=incident.severity in ("Extreme", "Severe"),
            incident=incident.id,
            exercise=incident.exercise,
        )
        for route in change.notify
    )
