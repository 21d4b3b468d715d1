"""Units: crews, trucks and patrols that can be sent, from call to release.

    free ──send──▶ sent ──take──▶ accepted ──accept──▶ under-way ──arrive──▶ on-scene ──release──▶ free
                     └──decline──▶ free        busy, off: not to be sent; ``free`` brings a unit back

A crew that sets out at once needs no ``take``: ``accept`` and ``arrive`` go from each state before theirs.

Every function takes a unit and returns the new one; the old one is not touched, and every step is in its history. The
nearest are proposed by driving time (geo/dispatch.py). A unit whose positions stop is shown as not reporting: it keeps
its status, and is proposed only when nobody else is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from msgspec.structs import replace

from geo import dispatch
from geo.distance import great_circle_m
from geo.travel import Travel
from models.orders import Refused
from models.values import Order, Position, Transition, Unit, UnitNeed, UnitStatus

Do = Literal["send", "take", "accept", "decline", "arrive", "release", "busy", "free", "off"]
DOES: tuple[Do, ...] = get_args(Do)
SILENT_MS = 5 * 60_000  # without a position for so long a unit is not reporting
STEPS = 20  # of its history that a unit carries; all of them are in the audit
ARRIVED_M = 60.0  # so near to its incident a unit has arrived

_FROM: Mapping[str, tuple[UnitStatus, ...]] = {
    "send": ("free",),
    "take": ("sent",),
    "accept": ("sent", "accepted"),
    "decline": ("sent", "accepted"),
    "arrive": ("sent", "accepted", "under-way"),
    "release": ("sent", "accepted", "under-way", "on-scene"),
    "busy": ("free", "off"),
    "free": ("busy", "off"),
    "off": ("free", "busy"),
}
_TO: Mapping[str, UnitStatus] = {
    "send": "sent",
    "take": "accepted",
    "accept": "under-way",
    "decline": "free",
    "arrive": "on-scene",
    "release": "free",
    "busy": "busy",
    "free": "free",
    "off": "off",
}
BOUND: tuple[UnitStatus, ...] = ("sent", "accepted", "under-way", "on-scene")  # belongs to an incident


@dataclass(frozen=True, slots=True)
class Nearest:
    """A unit that could go: metres as the crow flies, seconds until it arrives (one in ten sooner, later)."""

    unit: str
    kind: str
    metres: float
    eta: dispatch.Eta
    reporting: bool


def obey(unit: Unit, order: Order, now: int) -> Unit:
    """The unit after ``order`` (``do`` is one of ``DOES``; ``send`` takes args ``incident``).

    Any other that names an ``incident`` is about that one alone: what a crew said of an earlier call, and what came
    late over a bad line, changes nothing at the present one. The same object when that order was obeyed before.
    Raises ``Refused``: the state forbids it, or the order is off.
    """
    if any(step.command == order.id for step in unit.history):
        return unit
    if order.do not in DOES:
        raise Refused(f"{order.do} is nothing a unit does; use one of {', '.join(DOES)}", "unknown", unit.status)
    incident = order.args.get("incident", "")
    if order.do == "send" and not (isinstance(incident, str) and incident):
        raise Refused(f"send {unit.id} where? name the incident in args: incident", "invalid", unit.status)
    if unit.status not in _FROM[order.do]:
        raise _refused(unit, order.do)
    if order.do != "send" and incident and incident != unit.incident:
        now_at = unit.incident or "none"
        raise Refused(f"unit {unit.id} is not at incident {incident} any more but at {now_at}", "conflict", unit.status)
    status = _TO[order.do]
    bound = str(incident) if order.do == "send" else unit.incident if status in BOUND else ""
    step = Transition(
        at=now, was=unit.status, now=status, action=order.do, by=order.by, comment=order.comment, command=order.id
    )
    return replace(unit, status=status, incident=bound, since=now, history=(*unit.history, step)[-STEPS:])


def _refused(unit: Unit, do: str) -> Refused:
    held = f" for incident {unit.incident}" if unit.incident else ""
    holder = next((step.by for step in reversed(unit.history) if step.was != step.now and step.by), "")
    by = f", by {holder}" if holder else ""
    possible = ", ".join(name for name in DOES if unit.status in _FROM[name])
    message = f"unit {unit.id} is {unit.status}{held}{by}, so it cannot {do}; it can {possible}"
    return Refused(message, "conflict", unit.status, holder)


def placed(unit: Unit, position: Position, now: int) -> Unit:
    """The unit where ``position`` says it was; the same object when a later position is known already.

    A position from more than a minute ahead of ``now`` is a clock that is off: it is not taken, as it would hide the
    true ones that follow.
    """
    if (unit.seen is not None and position.time <= unit.seen) or position.time > now + 60_000:
        return unit
    return replace(unit, lon=position.lon, lat=position.lat, seen=position.time)


def arrived(unit: Unit, lon: float, lat: float, now: int) -> Unit:
    """The unit on the scene at ``lon``, ``lat`` when it is on its way there and near enough; else the same object."""
    if unit.status not in ("accepted", "under-way") or float(great_circle_m(unit.lon, unit.lat, lon, lat)) > ARRIVED_M:
        return unit
    step = Transition(at=now, was=unit.status, now="on-scene", action="arrive", comment=f"within {ARRIVED_M:g} m")
    return replace(unit, status="on-scene", since=now, history=(*unit.history, step)[-STEPS:])


def let_go(unit: Unit, now: int, why: str) -> Unit:
    """The unit released because its incident is over; the same object when it belongs to none."""
    if unit.status not in BOUND:
        return unit
    step = Transition(at=now, was=unit.status, now="free", action="release", comment=why)
    return replace(unit, status="free", incident="", since=now, history=(*unit.history, step)[-STEPS:])


def reporting(unit: Unit, now: int) -> bool:
    """Has the unit said lately where it is? One that never did stands at its depot, and counts as reporting."""
    return unit.seen is None or now - unit.seen <= SILENT_MS


def propose(
    units: Iterable[Unit],
    lon: float,
    lat: float,
    needs: Sequence[UnitNeed],
    now: int,
    travel: Travel | None = None,
) -> list[Nearest]:
    """Free units for ``needs`` at a place, need by need, the soonest first; no unit twice.

    Those that report come before those that do not. A need that cannot be met in full gets what there is.
    """
    left = [unit for unit in units if unit.status == "free"]
    found: list[Nearest] = []
    for need in needs:
        for near in nearest(left, lon, lat, need, now, travel)[: need.count]:
            found.append(near)
            left = [unit for unit in left if unit.id != near.unit]
    return found


def nearest(
    units: Iterable[Unit], lon: float, lat: float, need: UnitNeed, now: int, travel: Travel | None = None
) -> list[Nearest]:
    """All free units that suit ``need``, reporting ones first, then by driving time."""
    able = {unit.id: unit for unit in units if suits(unit, need) and unit.status == "free"}
    place = dispatch.Incident("here", lon, lat)
    sent = dispatch.nearest(place, [_candidate(unit) for unit in able.values()], len(able), travel)
    rows = [_row(able[one.unit], one.eta, lon, lat, now) for one in sent]
    return sorted(rows, key=lambda row: not row.reporting)  # stable: within each the soonest first


def suits(unit: Unit, need: UnitNeed) -> bool:
    """Is the unit of the kind, and does it have all the skills?"""
    return unit.kind == need.kind and set(need.skills) <= set(unit.skills)


def lacking(needs: Sequence[UnitNeed], assigned: Iterable[Unit]) -> tuple[UnitNeed, ...]:
    """What of ``needs`` the units that are assigned already do not meet."""
    left = list(assigned)
    short = []
    for need in needs:
        have = [unit for unit in left if suits(unit, need)][: need.count]
        left = [unit for unit in left if unit not in have]
        if len(have) < need.count:
            short.append(replace(need, count=need.count - len(have)))
    return tuple(short)


def surplus(needs: Sequence[UnitNeed], assigned: Sequence[Unit]) -> tuple[Unit, ...]:
    """The assigned units that ``needs`` do not ask for any more, those not yet on the scene first."""
    order = sorted(assigned, key=lambda unit: (unit.status != "on-scene", unit.since))
    wanted = Counter[str]()
    for need in needs:
        wanted[need.kind] += need.count
    over = []
    for unit in order:  # who is on the scene stays first
        if wanted[unit.kind]:
            wanted[unit.kind] -= 1
        else:
            over.append(unit)
    return tuple(reversed(over))


def _candidate(unit: Unit) -> dispatch.Unit:
    return dispatch.Unit(unit.id, unit.lon, unit.lat, frozenset(unit.skills), unit.capacity)


def _row(unit: Unit, eta: dispatch.Eta, lon: float, lat: float, now: int) -> Nearest:
    metres = float(great_circle_m(unit.lon, unit.lat, lon, lat))
    return Nearest(unit.id, unit.kind, round(metres, 1), eta, reporting(unit, now))
