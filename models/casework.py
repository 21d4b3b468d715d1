"""What people do with incidents where it concerns more than the one: their alerts, other incidents, their plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models import alarm, incidents
from models.orders import Refused
from models.outcome import Outcome
from models.values import Alert, Command, Incident, Order

if TYPE_CHECKING:
    from models.room import Room


def obey(room: Room, order: Order, now: int, out: Outcome) -> tuple[str, str, str]:
    """Carry out an order about an incident: its id, its state now and its owner; raises ``Refused``."""
    incident = _incident(room, order.subject)
    match order.do:
        case "acknowledge":
            subject = _acknowledge(room, incident, order, now, out)
        case "assign":
            subject = _assign(room, incident, order, now, out)
        case "merge":
            subject = _merge(room, incident, order, now, out)
        case "split":
            subject = _split(room, incident, order, now, out)
        case "launch":
            room.planning.launch(incident, order, now, out)
            subject = incident.id
        case "decline":
            room.planning.decline(incident, order, now, out)
            subject = incident.id
        case _:
            subject = incident.id
            room.keep_incident(incidents.obey(incident, order, now), out)
    after = room.incidents[subject]
    return after.id, after.state, after.owner


def _incident(room: Room, name: str) -> Incident:
    incident = room.incidents.get(name)
    if incident is None:
        raise Refused(f"there is no incident {name}", "unknown")
    return incident


def _acknowledge(room: Room, incident: Incident, order: Order, now: int, out: Outcome) -> str:
    """All its alerts that wait, with one line in the timeline."""
    again = incidents.seen(incident, order)
    waiting = _waiting(room, incident, order, again)
    if not waiting and not again:
        raise Refused(f"no alert of incident {incident.id} waits", "conflict", incident.state, incident.owner)
    _acknowledge_each(room, waiting, order, now, out)
    if not again:
        after = room.incidents[incident.id]
        comment = ": ".join(part for part in (str(len(waiting)), order.comment) if part)
        room.keep_incident(incidents.step(after, now, "acknowledge", comment, order), out)
    return incident.id


def _assign(room: Room, incident: Incident, order: Order, now: int, out: Outcome) -> str:
    """Who takes an incident has seen its alerts: they are acknowledged with it."""
    again = incidents.seen(incident, order)
    room.keep_incident(incidents.obey(incident, order, now), out)
    _acknowledge_each(room, _waiting(room, incident, order, again), order, now, out)
    return incident.id


def _waiting(room: Room, incident: Incident, order: Order, again: bool) -> list[Alert]:
    """The alerts that the order means: those that wait; of one that comes again, only those it can have meant."""
    alerts = [room.alerts[name] for name in room.triage.members.get(incident.id, ())]
    waiting = [alert for alert in alerts if alert.state in alarm.WAITING]
    return [alert for alert in waiting if alert.opened <= order.at] if again else waiting


def _acknowledge_each(room: Room, waiting: list[Alert], order: Order, now: int, out: Outcome) -> None:
    for alert in waiting:
        command = Command(
            id=f"{order.id}-{alert.id}", alert=alert.id, action="acknowledge", by=order.by, at=order.at,
            comment=order.comment,
        )  # fmt: skip
        room.keep_alert(alarm.obey(alert, command, now), out, told=False)


def _merge(room: Room, incident: Incident, order: Order, now: int, out: Outcome) -> str:
    """The incident becomes part of ``args.into``."""
    if incidents.seen(incident, order):
        return incident.merged_into or incident.id
    into = _incident(room, str(order.args.get("into") or ""))
    for one in (incident, into):
        if one.closed is not None:
            raise Refused(f"incident {one.id} is closed", "conflict", one.state, one.owner)
    if into.id == incident.id:
        raise Refused(f"incident {incident.id} cannot become part of itself; give args.into another one", "invalid")
    if into.exercise != incident.exercise:
        raise Refused("an exercise and a real incident cannot be made one", "conflict", into.state, into.owner)
    after, done = incidents.merged(into, incident, now, order)
    if incidents.seen(into, order):  # a crash came between the two
        after = into
    room.triage.moved_over(after, done, out)
    return into.id


def _split(room: Room, incident: Incident, order: Order, now: int, out: Outcome) -> str:
    """``args.alerts`` become an incident of their own."""
    made = incidents.incident_id(order.id)
    if made in room.incidents:
        return made
    given = order.args.get("alerts")
    names = given if isinstance(given, list) else []
    strangers = [name for name in names if name not in room.triage.members.get(incident.id, {})]
    if strangers:
        raise Refused(
            f"alert {strangers[0]} is no open alert of incident {incident.id}",
            "invalid",
            incident.state,
            incident.owner,
        )
    alerts = [room.alerts[name] for name in dict.fromkeys(names)]
    rest, fresh = incidents.split(incident, alerts, order, now)
    room.triage.split_off(rest, fresh, alerts, out)
    return fresh.id
