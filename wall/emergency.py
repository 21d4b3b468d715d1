"""What a takeover shows of one emergency: the alert, its incident's plan, units with arrival, cameras, curve, timeline.

Pure: values of the store in, one row of the board out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from geo.travel import GreatCircle, Travel
from models import explain
from models.takeover import Emergency
from models.values import SEVERITIES, Alert, Incident, Unit
from wall.view import Row, number, text

CAMERAS = 12  # named beside the map
TIMELINE = 14  # steps shown
UNITS = 12
COMING = ("sent", "accepted", "under-way")
ROUND_MS = 10_000  # arrivals are told to ten seconds, so that a moving unit does not fill the line


@dataclass(frozen=True)
class Camera:
    """A camera near the emergency: its name in both languages, where it is, how far, its row in the register."""

    name: Row
    lon: float
    lat: float
    metres: int
    row: int


@dataclass(frozen=True)
class Around:
    """What is known around an emergency; ``past`` is [ms, value, expected], ``ahead`` [minutes, middle, low, high]."""

    cameras: Sequence[Camera]
    seen: Sequence[float]  # what each camera counts now, NaN unknown
    past: Sequence[Sequence[float | int | None]]
    ahead: Row | None
    unit: str
    subject: str  # the property of the curve


def row(
    one: Emergency,
    rank: int,
    alert: Alert | None,
    incident: Incident | None,
    units: Mapping[str, Unit],
    around: Around,
    now: int,
) -> Row:
    """The whole of one emergency as the browsers are sent it; ``rank`` 0 and 1 are shown, the others are counted."""
    lon, lat, head = _place(alert, incident)
    return {
        "rank": rank,
        "level": SEVERITIES.index(one.severity) + 1,
        "since": one.since,
        "alert": one.alert,
        "incident": one.incident,
        "lon": round(lon, 6),
        "lat": round(lat, 6),
        **head,
        **_alert(alert),
        **_incident(incident),
        "units": _units(incident, units, lon, lat, now),
        "cameras": [msgspec.to_builtins(camera) for camera in around.cameras],
        "seen": [number(value) for value in around.seen],
        "past": list(around.past),
        "ahead": around.ahead,
        "subject": around.subject,
        "subject_unit": around.unit,
    }


def arrivals(units: Sequence[Unit], lon: float, lat: float, now: int, travel: Travel | None = None) -> list[int | None]:
    """When each unit that is on its way will be there, ms; None for those that are not coming."""
    way = travel or GreatCircle()
    if not units:
        return []
    where = np.array([(unit.lon, unit.lat) for unit in units])
    seconds = way.seconds(where[:, 0], where[:, 1], np.array([lon]), np.array([lat]))[:, 0]
    return [
        round((now + 1000 * float(s)) / ROUND_MS) * ROUND_MS if unit.status in COMING and np.isfinite(s) else None
        for unit, s in zip(units, seconds, strict=True)
    ]


def _place(alert: Alert | None, incident: Incident | None) -> tuple[float, float, Row]:
    """Where it is, and how it is headed: the incident's words, for they follow what is gravest."""
    if incident is not None:
        head = {"headline": text(incident.title), "place": text(incident.place_name), "district": incident.district}
        return incident.lon, incident.lat, head
    if alert is None:
        raise ValueError("an emergency needs its alert or its incident; neither is in the store")
    it = alert.detection
    return it.lon, it.lat, {"headline": text(it.headline), "place": text(it.place_name), "district": it.district}


def _alert(alert: Alert | None) -> Row:
    if alert is None:
        return {"state": "", "pack": "", "rule": "", "value": None, "expected": None, "unit": "", "why": None, "by": ""}
    it = alert.detection
    return {
        "state": alert.state,
        "pack": it.pack,
        "rule": it.rule,
        "value": number(it.value),
        "expected": number(it.expected),
        "unit": it.unit,
        "why": text(explain.sentence(it)),
        "by": alert.acknowledged_by,
        "acknowledged": alert.acknowledged_at,
        "deadline": alert.deadline,
        "exercise": it.exercise,
        "steps": [_step(step) for step in alert.history[-TIMELINE:]],
    }


def _incident(incident: Incident | None) -> Row:
    """Owner, plan, tasks and timeline; empty before there is an incident."""
    if incident is None:
        return {"owner": "", "progress": "", "alerts": 1, "plan": None, "tasks": [], "timeline": []}
    plan = incident.plan or incident.proposal
    tasks = incident.tasks or (incident.proposal.tasks if incident.proposal else ())
    return {
        "owner": incident.owner,
        "progress": incident.state,
        "alerts": incident.active,
        "plan": None if plan is None else {"title": text(plan.title), "launched": incident.plan is not None},
        "tasks": [
            {
                "id": task.id,
                "what": text(task.what),
                "who": task.who,
                "state": task.state,
                "by": task.by,
                "at": task.at,
                "deadline": task.deadline,
            }
            for task in tasks
        ],
        "timeline": [_step(step) for step in incident.timeline[-TIMELINE:]],
    }


def _step(step: object) -> Row:
    built: Row = msgspec.to_builtins(step)
    return {name: built[name] for name in ("at", "action", "by", "comment")}


def _units(incident: Incident | None, units: Mapping[str, Unit], lon: float, lat: float, now: int) -> list[Row]:
    """The incident's units, those that arrive first on top; who is there already before all."""
    if incident is None:
        return []
    names = dict.fromkeys(incident.units)
    ours = [unit for unit in units.values() if unit.id in names or unit.incident == incident.id]
    due = arrivals(ours, lon, lat, now)
    rows = [
        {"id": unit.id, "name": text(unit.name), "kind": unit.kind, "status": unit.status, "due": at}
        for unit, at in zip(ours, due, strict=True)
    ]
    return sorted(rows, key=lambda it: (it["status"] != "on-scene", it["due"] or now * 2, it["id"]))[:UNITS]
