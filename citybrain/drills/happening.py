"""Events in a drill at speed: appeals and warnings through the engine of events, on the day that the drill has."""

from __future__ import annotations

from collections.abc import Iterable

from config import event_setup
from config.drills import AppealsBurst, Drill
from config.site import Site
from models.values import Detection, ServiceRequest, Warning
from sensors.simulate import appeals

DAY_MS = 86_400_000
BEFORE_MS = 120_000  # so long before the begin it is judged: what lasts already is nobody's
DAYS, BACK_DAYS = 2, 12  # appeals of so many days are known at the begin; so old ones may be answered in them


class Happenings:
    """The events of one run; with appeals to inject it knows those of the days before, and those of the city go on."""

    def __init__(self, drill: Drill, site: Site, begin_ms: int) -> None:
        self._engine = event_setup.engine(site)
        self._line = None
        self._until = begin_ms
        if appeals.declares(site.city) and any(isinstance(one, AppealsBurst) for one in drill.inject):
            self._line = appeals.hotline(site.city)
            self._until = begin_ms - BEFORE_MS
            self._engine.learn(self._line.between(begin_ms - DAYS * DAY_MS, self._until, BACK_DAYS))
            self.step(begin_ms, ())

    def step(self, now: int, given: Iterable[object]) -> list[Detection]:
        """What the rules on events tell up to ``now``; ``given`` are the drill's own events since the last call."""
        since, self._until = self._until, now
        own = [one for one in given if isinstance(one, ServiceRequest | Warning)]
        city = self._line.between(since, now, BACK_DAYS) if self._line else []
        return [told for one in sorted([*own, *city], key=_at) for told in self._engine.take(one, now)]


def _at(event: ServiceRequest | Warning) -> int:
    return event.sent if isinstance(event, Warning) else max(event.requested, event.updated or 0)
