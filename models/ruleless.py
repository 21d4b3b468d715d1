"""Alerts whose rule was taken out of its pack: nothing will ever clear them, so the room does.

An engine that takes over changed packs forgets what fired by a rule that is gone, and says nothing of it. The room
waits a little before it clears such an alert, for the parts of a city take over changed packs one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models import alarm
from models.gateways import PACK as GATEWAYS
from models.outcome import Outcome
from models.values import Alert, Detection

if TYPE_CHECKING:
    from models.room import Room

WAIT_MS = 30_000  # all parts of a city have taken over changed packs by then
WHY = "rule removed / 规则已删除"


class Ruleless:
    """Which open alerts of ``room`` have no rule; what is found about sensors and gateways needs none."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._names: set[str] = set()

    def note(self, alert: Alert) -> None:
        """Take note of an alert that is new or changed."""
        if alert.cleared is None and self._lacks_rule(alert.detection):
            self._names.add(alert.id)
        else:
            self._names.discard(alert.id)

    def tick(self, now: int, out: Outcome) -> None:
        """Clear those that were opened long enough ago."""
        for name in sorted(self._names):
            alert = self._room.alerts.get(name)
            if alert is None:
                self._names.discard(name)
            elif now - alert.opened >= WAIT_MS:
                self._room.keep_alert(alarm.orphaned(alert, now, WHY), out)

    def _lacks_rule(self, detection: Detection) -> bool:
        rules = self._room.setup.rules
        if rules is None or detection.exercise or detection.pack == GATEWAYS:
            return False
        if detection.kind == "data-quality" and detection.pack in {pack for pack, _ in rules}:
            return False
        return (detection.pack, detection.rule) not in rules
