"""Blind drills: while one runs no screen tells that it is one; every read of the store goes through here.

What is kept and sent on stays marked as exercise: only what browsers are shown is not. When the drill is over, its
alerts and incidents are shown as what they were.
"""

from __future__ import annotations

from msgspec.structs import replace

from models.drills import LABEL, Exercise
from models.values import Alert, Incident, from_json, to_json
from models.warnings import Raised
from wall.view import Row, text

MARKED, EXERCISE = b'"exercise":true', b'"status":"Exercise"'  # as models.values.to_json writes them
TOLD_MS = 600_000  # so long after its end a drill is spoken of


def is_blind(kept: bytes | None) -> bool:
    """Whether the room's drill (JSON) runs and must not be told."""
    if kept is None:
        return False
    it = from_json(kept, Exercise)
    return it.blind and it.state == "running"


def alert(data: bytes) -> bytes:
    """The alert (JSON) without the marks of an exercise."""
    it = from_json(data, Alert)
    labels = {key: value for key, value in it.detection.labels.items() if key != LABEL}
    return to_json(replace(it, detection=replace(it.detection, exercise=False, labels=labels)))


def incident(data: bytes) -> bytes:
    """The incident (JSON) without the mark of an exercise."""
    return to_json(replace(from_json(data, Incident), exercise=False))


def warning(data: bytes) -> bytes:
    """The warning (JSON) as one that is meant."""
    it = from_json(data, Raised)
    return to_json(replace(it, warning=replace(it.warning, status="Actual")))


def told(kept: bytes | None, now: int) -> dict[str, Row]:
    """The drill as every screen tells of it, under "now"; nothing of a blind one that runs, or of one long over."""
    if kept is None or is_blind(kept):
        return {}
    it = from_json(kept, Exercise)
    if it.ended is not None and now - it.ended > TOLD_MS:
        return {}
    row = {
        "title": text(it.title),
        "state": it.state,
        "began": it.began,
        "ends": it.ends,
        "ended": it.ended,
        "by": it.by,
        "emergency": text(it.emergency),
    }
    return {"now": row}
