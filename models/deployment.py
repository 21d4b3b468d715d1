"""Units at incidents: orders to units, what they mean for the incident, and who goes when a plan is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from models import incidents, units
from models.orders import Refused
from models.outcome import Outcome
from models.units import Nearest
from models.values import Incident, Order, Position, Unit, UnitNeed

if TYPE_CHECKING:
    from models.room import Room

_MOVES = {"accept": ("under-way", ("assigned",)), "arrive": ("on-scene", ("assigned", "under-way"))}


def restored(declared: Mapping[str, Unit], saved: Mapping[str, Unit]) -> dict[str, Unit]:
    """The city's units: what they are as declared, where they are and what they do as saved.

    One that is declared no more stays while it belongs to an incident.
    """
    kept = {name: unit for name, unit in saved.items() if name not in declared and unit.status in units.BOUND}
    for name, unit in declared.items():
        known = saved.get(name)
        kept[name] = (
            unit
            if known is None
            else replace(
                known, name=unit.name, kind=unit.kind, skills=unit.skills, capacity=unit.capacity, phone=unit.phone
            )
        )
    return kept


def obey(room: Room, order: Order, now: int, out: Outcome) -> tuple[str, str, str]:
    """Carry out an order to a unit: its id, its status now and for whom; raises ``Refused``."""
    unit = _unit(room, order.subject)
    if any(step.command == order.id for step in unit.history):  # obeyed before; what it was sent to may be over by now
        return unit.id, unit.status, order.by
    before = unit.incident
    near = None
    if order.do == "send" and order.args.get("incident"):
        incident = _open(room, str(order.args["incident"]))
        near = _way(unit, incident, now)
    after = units.obey(unit, order, now)
    room.keep_unit(after, out)
    _tell(room, after, after.incident or before, order, now, out, near)
    return after.id, after.status, order.by


def placed(room: Room, position: Position, now: int, out: Outcome) -> None:
    """A unit said where it is; one on its way that is near enough has arrived. Unknown units are not kept."""
    unit = room.units.get(position.unit)
    if unit is None:
        return
    after = units.placed(unit, position, now)
    if after is unit:
        return
    incident = room.incidents.get(after.incident)
    there = units.arrived(after, incident.lon, incident.lat, now) if incident else after
    if there is after:
        room.units[unit.id] = out.moved[unit.id] = after
        return
    room.keep_unit(there, out)
    order = Order(id=f"arrived-{there.id}-{now}", about="unit", subject=there.id, do="arrive", by="", at=now)
    _tell(room, there, there.incident, order, now, out)


def settle(room: Room, now: int, out: Outcome) -> None:
    """Units of incidents that are over are let go; those of merged ones belong to what they became part of."""
    for unit in [one for one in room.units.values() if one.incident]:
        incident = room.incidents.get(unit.incident)
        if incident is not None and incident.merged_into:
            room.keep_unit(replace(unit, incident=incident.merged_into), out)
        elif incident is None or incident.state == "closed":
            room.keep_unit(units.let_go(unit, now, "the incident is closed"), out)


def with_plan(
    room: Room, incident: Incident, needs: Sequence[UnitNeed], order: Order, now: int
) -> tuple[Incident, list[Unit]]:
    """The incident with the units that the order approves, and those units; nothing of the room is changed.

    Without approval nobody moves. ``nearest`` fills what is lacking with those that arrive first and lets go of what
    is over; a list of ids sends just these. Raises ``Refused`` when one of them cannot go.
    """
    approved = order.args.get("units")
    if not approved:
        return incident, []
    assigned = [room.units[name] for name in incident.units if name in room.units]
    goes, leave = _chosen(room, incident, needs, approved, assigned, now)
    moved = []
    for near in goes:
        sent = _order(order, near.unit, "send", {"incident": incident.id})
        moved.append(units.obey(_unit(room, near.unit), sent, now))
        incident = incidents.step(incident, now, "unit-send", _told(moved[-1], near), order)
    for unit in leave:
        moved.append(units.obey(unit, _order(order, unit.id, "release", {}), now))
        incident = incidents.step(incident, now, "unit-release", _told(unit), order)
    gone = {unit.id for unit in leave}
    staying = [name for name in incident.units if name not in gone]
    return replace(incident, units=tuple(dict.fromkeys((*staying, *(near.unit for near in goes))))), moved


def finish(room: Room, incident: Incident, order: Order, now: int, out: Outcome) -> None:
    """Let the units of an order follow that the incident has obeyed already: a crash came between the two."""
    for line in incident.timeline:
        if line.command != order.id or line.action not in ("unit-send", "unit-release"):
            continue
        unit = room.units.get(line.comment.partition(" ")[0])
        do = line.action.removeprefix("unit-")
        if unit is not None and (unit.status == "free") == (do == "send"):
            args = {"incident": incident.id} if do == "send" else {}
            room.keep_unit(units.obey(unit, _order(order, unit.id, do, args), now), out)


def proposed(room: Room, incident: Incident, now: int) -> list[Nearest]:
    """Who would go: the nearest free units for what the incident's proposal, or its plan, lacks."""
    wanted = incident.proposal or incident.plan
    if wanted is None:
        return []
    assigned = [room.units[name] for name in incident.units if name in room.units]
    return units.propose(room.units.values(), incident.lon, incident.lat, units.lacking(wanted.units, assigned), now)


def _chosen(
    room: Room, incident: Incident, needs: Sequence[UnitNeed], approved: object, assigned: Sequence[Unit], now: int
) -> tuple[list[Nearest], tuple[Unit, ...]]:
    if isinstance(approved, list):
        return [_way(_unit(room, str(name)), incident, now) for name in dict.fromkeys(approved)], ()
    if approved != "nearest":
        raise Refused(f"units {approved!r}: give a list of unit ids, or nearest", "invalid", incident.state)
    near = units.propose(room.units.values(), incident.lon, incident.lat, units.lacking(needs, assigned), now)
    return near, units.surplus(needs, assigned)


def _way(unit: Unit, incident: Incident, now: int) -> Nearest:
    """How far this very unit has to go, whatever its status."""
    free = replace(unit, status="free")
    need = UnitNeed(kind=unit.kind)
    return units.nearest([free], incident.lon, incident.lat, need, now)[0]


def _order(order: Order, unit: str, do: str, args: dict[str, str]) -> Order:
    """The order to one unit that an order about the incident contains."""
    return replace(order, id=f"{order.id}-{unit}", about="unit", subject=unit, do=do, args={**args})


def _unit(room: Room, name: str) -> Unit:
    unit = room.units.get(name)
    if unit is None:
        raise Refused(f"there is no unit {name}", "unknown")
    return unit


def _open(room: Room, name: str) -> Incident:
    incident = room.incidents.get(name)
    if incident is None:
        raise Refused(f"there is no incident {name} to send a unit to", "unknown")
    if incident.state in ("resolved", "closed"):
        raise Refused(
            f"incident {incident.id} is {incident.state}; reopen it before units are sent", "conflict", incident.state,
            incident.owner,
        )  # fmt: skip
    return incident


def _tell(room: Room, unit: Unit, name: str, order: Order, now: int, out: Outcome, near: Nearest | None = None) -> None:
    """The incident's timeline says what its unit did; the incident moves on with the first unit that does."""
    incident = room.incidents.get(name)
    if incident is None:
        return
    after = incidents.step(incident, now, f"unit-{order.do}", _told(unit, near, order.comment), order)
    bound = unit.status in units.BOUND
    names = (*after.units, unit.id) if bound else tuple(one for one in after.units if one != unit.id)
    after = replace(after, units=tuple(dict.fromkeys(names)))
    state, sources = _MOVES.get(order.do, ("", ()))
    if after.state in sources:
        move = replace(order, id=f"{order.id}-state", about="incident", subject=after.id, do=state, comment=unit.id)
        after = incidents.obey(after, move, now)
    room.keep_incident(after, out)


def _told(unit: Unit, near: Nearest | None = None, comment: str = "") -> str:
    """A unit as a line of the timeline: its id first, its name, how far it has to go."""
    words = f"{unit.id} {unit.name.zh} / {unit.name.en}"
    if near is not None:
        first, last = near.eta.p10_s / 60, near.eta.p90_s / 60
        words += f", {near.metres / 1000:.1f} km, {near.eta.p50_s / 60:.0f} min ({first:.0f}-{last:.0f})"
    return f"{words}: {comment}" if comment else words
