"""Between detection and people: deduplicate → group → inhibit → silence → route.

Each stage takes alerts and gives alerts (or what to do with them) and knows nothing of the others; models/room.py
calls them in this order. Grouping is in models/grouping.py, silences in models/silences.py, routing to the seats of
the room in models/flood.py. Here are the first and the third: one open alert a source, and what hides what by design.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from geo.distance import great_circle_m
from models import alarm
from models.values import Alert, Detection

CHATTER_CHANGES, CHATTER_MS = 3, 60_000  # so many changes of a source within a minute are chattering (ISA-18.2)
Source = tuple[str, str, str, bool]  # pack, rule, place, exercise: what fires again and again
Where = Literal["same-place", "same-zone", "near"]


def source(detection: Detection) -> Source:
    """What the detection is of; an alert is one occurrence of it."""
    return detection.pack, detection.rule, detection.place, detection.exercise


def lasts(alert: Alert) -> bool:
    """Whether its condition lasts, so that it explains others: also while it is hidden, not out of service."""
    return alert.cleared is None and alert.state not in ("normal", "out-of-service")


class Sources:
    """Deduplication: which alert of each source is open, and which sources chatter."""

    def __init__(self) -> None:
        self._open: dict[Source, str] = {}
        self._changes: dict[Source, deque[int]] = {}

    def note(self, alert: Alert) -> None:
        """An alert was opened, closed or restored."""
        key = source(alert.detection)
        if alert.state != "normal":
            self._open[key] = alert.id
        elif self._open.get(key) == alert.id:
            del self._open[key]

    def before(self, detection: Detection) -> str:
        """The id of the source's open alert when that is another one than the detection's; else empty."""
        name = self._open.get(source(detection), "")
        return "" if name == detection.id else name

    def chatters(self, detection: Detection, now: int) -> bool:
        """Count a change of the source; whether it has changed too often."""
        times = self._changes.setdefault(source(detection), deque(maxlen=CHATTER_CHANGES))
        times.append(now)
        return len(times) == CHATTER_CHANGES and now - times[0] < CHATTER_MS

    def forget(self, now: int) -> None:
        """Let go of changes that are too long ago to count."""
        old = [key for key, times in self._changes.items() if now - times[-1] >= CHATTER_MS]
        for key in old:
            del self._changes[key]


@dataclass(frozen=True, slots=True)
class Match:
    """Which alerts are meant; what is empty fits all."""

    pack: str = ""
    rule: str = ""
    kind: str = ""

    def fits(self, detection: Detection) -> bool:
        """Whether the detection is meant."""
        return (
            self.pack in ("", detection.pack)
            and self.rule in ("", detection.rule)
            and self.kind in ("", detection.kind)
        )


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert of ``source`` lasts, those of ``target`` follow from it and are suppressed by design.

    ``where``: at the same place, in a zone that both are in (districts do not count), or within ``near_m`` metres.
    """

    source: Match
    target: Match
    where: Where = "same-place"
    near_m: float = 0.0

    def reaches(self, cause: Detection, other: Detection, within: Callable[[Detection], frozenset[str]]) -> bool:
        """Whether ``other`` is where ``cause`` explains it; an exercise explains nothing real, nor the other way."""
        if cause.exercise != other.exercise:
            return False
        if self.where == "same-place":
            return cause.place == other.place
        if self.where == "same-zone":
            return bool(within(cause) & within(other))
        return float(great_circle_m(cause.lon, cause.lat, other.lon, other.lat)) <= self.near_m


class Inhibitions:
    """Which alerts are there to hide others, and which each of them hides.

    ``within`` gives the zones that a detection is in, without those that are too wide to explain anything.
    """

    def __init__(self, declared: Iterable[Inhibition], within: Callable[[Detection], frozenset[str]]) -> None:
        self._declared = tuple(declared)
        self._within = within
        self._causes: list[dict[str, Detection]] = [{} for _ in self._declared]
        self._at_place: list[dict[str, dict[str, None]]] = [defaultdict(dict) for _ in self._declared]

    def note(self, alert: Alert) -> None:
        """An alert was opened, changed, closed or restored: it explains others while its condition lasts."""
        for number, one in enumerate(self._declared):
            if not one.source.fits(alert.detection):
                continue
            if lasts(alert):
                self._causes[number][alert.id] = alert.detection
                self._at_place[number][alert.detection.place][alert.id] = None
            elif self._causes[number].pop(alert.id, None) is not None:
                self._at_place[number][alert.detection.place].pop(alert.id)

    def cause(self, detection: Detection) -> str:
        """The id of an alert that explains this one; empty without one."""
        for number, one in enumerate(self._declared):
            if one.target.fits(detection):
                for name in self._candidates(number, detection):
                    if name != detection.id and one.reaches(self._causes[number][name], detection, self._within):
                        return name
        return ""

    def explains(self, cause: Detection, alerts: Iterable[Alert]) -> list[Alert]:
        """Those of ``alerts`` that ``cause`` explains and that are not hidden yet."""
        rules = [one for one in self._declared if one.source.fits(cause)]
        shown = (a for a in alerts if a.id != cause.id and a.state not in (*alarm.HIDDEN, "normal"))
        return [alert for alert in shown if any(self._follows(rule, cause, alert.detection) for rule in rules)]

    def _follows(self, rule: Inhibition, cause: Detection, other: Detection) -> bool:
        return rule.target.fits(other) and rule.reaches(cause, other, self._within)

    def is_cause(self, detection: Detection) -> bool:
        """Whether alerts of this kind can explain others."""
        return any(one.source.fits(detection) for one in self._declared)

    def _candidates(self, number: int, detection: Detection) -> Iterable[str]:
        if self._declared[number].where == "same-place":
            return tuple(self._at_place[number].get(detection.place, ()))
        return tuple(self._causes[number])
