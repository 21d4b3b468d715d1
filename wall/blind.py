"""Blind drills: while one runs no screen tells that it is one; every read of the store goes through here.

What is kept and sent on stays marked as exercise (models/blind.py): only what browsers are shown is not.
"""

from __future__ import annotations

from models import blind
from models.drills import Exercise
from models.values import Alert, Incident, from_json, to_json
from models.warnings import Raised
from wall.view import Row, text

MARKED, EXERCISE = b'"exercise":true', b'"status":"Exercise"'  # as models.values.to_json writes them
TOLD_MS = 600_000  # so long after its end a drill is spoken of


def alert(data: bytes) -> bytes:
    """The alert (JSON) without the marks of an exercise."""
    return to_json(blind.alert(from_json(data, Alert)))


def incident(data: bytes) -> bytes:
    """The incident (JSON) without the mark of an exercise."""
    return to_json(blind.incident(from_json(data, Incident)))


def warning(data: bytes) -> bytes:
    """The warning (JSON) as one that is meant."""
    return to_json(blind.warning(from_json(data, Raised)))


def told(kept: bytes | None, now: int) -> dict[str, Row]:
    """The drill as every screen tells of it, under "now"; nothing of a blind one that runs, or of one long over."""
    if kept is None or blind.is_blind(kept):
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
