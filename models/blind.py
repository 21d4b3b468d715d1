"""Blind drills: what is told of them while they run is as if it were real.

Inside everything stays marked as exercise; only what is shown to those who must not know is made plain. When the drill
is over, its alerts and incidents are shown as what they were.
"""

from __future__ import annotations

from msgspec.structs import replace

from models.drills import LABEL, Exercise
from models.values import Alert, Incident, from_json
from models.warnings import Raised


def is_blind(kept: bytes | None) -> bool:
    """Whether the room's drill (JSON) runs and must not be told."""
    if kept is None:
        return False
    it = from_json(kept, Exercise)
    return it.blind and it.state == "running"


def alert(it: Alert) -> Alert:
    """The alert without the marks of an exercise."""
    labels = {key: value for key, value in it.detection.labels.items() if key != LABEL}
    return replace(it, detection=replace(it.detection, exercise=False, labels=labels))


def incident(it: Incident) -> Incident:
    """The incident without the mark of an exercise."""
    return replace(it, exercise=False)


def warning(it: Raised) -> Raised:
    """The warning as one that is meant; a test or a draft stays what it is."""
    return replace(it, warning=replace(it.warning, status="Actual")) if it.warning.status == "Exercise" else it
