"""Units as the desk shows them: who is at an incident, and who could go, the soonest first."""

from __future__ import annotations

from collections.abc import Sequence

from models import units
from models.units import BOUND, Nearest
from models.values import Incident, Unit, UnitNeed
from wall.view import Row, text

EACH = 3  # of a kind that nothing asks for


def board(found: Sequence[Unit], incident: Incident, now: int) -> Row:
    """{"assigned": [rows], "nearest": [rows], "lacking": [{"kind", "count"}]} of an incident.

    ``nearest`` has what the plan, proposed or in force, lacks first (``needed``), then the nearest few of every kind.
    """
    mine = [unit for unit in found if unit.incident == incident.id and unit.status in BOUND]
    wanted = incident.proposal or incident.plan
    lacking = units.lacking(wanted.units, mine) if wanted else ()
    known = {unit.id: unit for unit in found}
    needed = units.propose(found, incident.lon, incident.lat, lacking, now)
    taken = {near.unit for near in needed}
    others = [
        near
        for kind in sorted({unit.kind for unit in found})
        for near in units.nearest(found, incident.lon, incident.lat, UnitNeed(kind=kind), now)[:EACH]
        if near.unit not in taken
    ]
    others.sort(key=lambda near: (not near.reporting, near.eta.p50_s))
    return {
        "assigned": [_assigned(unit, now) for unit in sorted(mine, key=lambda unit: unit.since)],
        "nearest": [
            *(_proposed(known[near.unit], near, needed=True) for near in needed),
            *(_proposed(known[near.unit], near, needed=False) for near in others),
        ],
        "lacking": [{"kind": need.kind, "count": need.count} for need in lacking],
    }


def _assigned(unit: Unit, now: int) -> Row:
    return {
        "unit": unit.id,
        "name": text(unit.name),
        "kind": unit.kind,
        "status": unit.status,
        "since": unit.since,
        "phone": unit.phone,
        "reporting": units.reporting(unit, now),
    }


def _proposed(unit: Unit, near: Nearest, *, needed: bool) -> Row:
    return {
        "unit": unit.id,
        "name": text(unit.name),
        "kind": unit.kind,
        "metres": round(near.metres),
        "eta_s": round(near.eta.p50_s),
        "first_s": round(near.eta.p10_s),
        "last_s": round(near.eta.p90_s),
        "reporting": near.reporting,
        "needed": needed,
    }
