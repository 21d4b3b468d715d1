"""What a crew sees of its task, and the orders that its buttons mean: plain values, no store, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from models.units import BOUND
from models.values import SEVERITIES, Incident, Order, Unit
from wall.view import Row, text

Do = Literal["take", "accept", "decline", "arrive", "done", "comment", "link", "tick"]
UNIT_DOES: Mapping[str, str] = {
    "take": "take", "accept": "accept", "decline": "decline", "arrive": "arrive", "done": "release",
}  # fmt: skip
LATE_MS = 60_000  # pressed longer ago: the order says when
BELIEVED_MS = 7 * 86_400_000  # a phone whose clock is further off is not believed
NOTES = 8  # of the timeline
TOLD = ("comment", "link", "severity", "raised")  # what of the timeline a crew is told


class Pressed(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /pocket/command: what was pressed, at which ``incident``, and when (``at``, phone's ms).

    The same ``id`` sent again counts once. ``unit`` is who pressed it: a phone that changed hands sends nothing for
    others.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    do: Do
    incident: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    at: int
    text: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    task: Annotated[str, msgspec.Meta(max_length=128)] = ""


def seen(unit: Unit, incident: Incident | None) -> Row:
    """The unit, and the incident that it is at."""
    return {
        "unit": {
            "id": unit.id,
            "name": text(unit.name),
            "kind": unit.kind,
            "status": unit.status,
            "since": unit.since,
        },
        "incident": _incident(incident) if incident is not None and unit.status in BOUND else None,
    }


def _incident(it: Incident) -> Row:
    plan = it.plan or it.proposal
    return {
        "id": it.id,
        "level": SEVERITIES.index(it.severity) + 1,
        "title": text(it.title),
        "place": text(it.place_name),
        "lon": round(it.lon, 6),
        "lat": round(it.lat, 6),
        "opened": it.opened,
        "owner": it.owner,
        "exercise": it.exercise,
        "plan": text(plan.title) if plan else None,
        "tasks": [msgspec.to_builtins(task) for task in it.tasks],
        "links": it.links,
        "notes": [
            {"at": step.at, "by": step.by, "action": step.action, "comment": step.comment}
            for step in it.timeline
            if step.action in TOLD and step.comment
        ][-NOTES:],
    }


def was_sent(unit: str, incident: Incident) -> bool:
    """Whether the unit is at the incident, or was: only then may its crew write there."""
    steps = (step for step in incident.timeline if step.action == "unit-send")
    return unit in incident.units or any(step.comment.partition(" ")[0] == unit for step in steps)


def order(pressed: Pressed, by: str, now: int, zone: ZoneInfo) -> Order:
    """The order that a button means, in the name of the login ``by``; ``now`` in ms, local times in ``zone``."""
    comment = _with_time(pressed.text if pressed.do != "link" else "", pressed.at, now, zone)
    if pressed.do in UNIT_DOES:
        about: Any = "unit"
        subject, do, args = pressed.unit, UNIT_DOES[pressed.do], {"incident": pressed.incident}
    else:
        about, subject, do = "incident", pressed.incident, pressed.do
        args = {"link": {"url": pressed.text}, "tick": {"task": pressed.task}}.get(pressed.do, {})
    return Order(
        id=pressed.id, about=about, subject=subject, do=do, by=by, at=now, role="unit", comment=comment,
        args=dict(args.items()),
    )  # fmt: skip


def _with_time(words: str, at: int, now: int, zone: ZoneInfo) -> str:
    """The words with the time of the button, where it was pressed long before its line came back."""
    if not LATE_MS < now - at < BELIEVED_MS:
        return words
    pressed = f"{datetime.fromtimestamp(at / 1000, zone):%H:%M:%S}"
    return f"{words} ({pressed})" if words else f"({pressed})"
