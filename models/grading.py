"""Detection against the truth: what was injected and found, how soon, and what was told of nothing.

Pure: ``grade`` takes what happened and what was told, both as values. An alert tells of a happening when it is of the
right sort (a property that the happening moves, a kind of events that it causes, or the fault of a sensor), at its
place and in its time. What follows from a happening, as people call where water stands, is not its detection, and not
false either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from geo.distance import great_circle_m
from models.values import Kind

AFTER_MS = 120_000  # what is told so long after the end tells of it still
NEAR_M = 500.0  # between an alert and the edge of what it tells of
HOUR_MS = 3_600_000
PARTS: dict[str, tuple[str, ...]] = {  # what moves under each kind of happening; none: the fault of a sensor
    "venue-surge": ("people", "visitors"),
    "metro-crowd": ("people", "visitors"),
    "camera-spike": ("people",),
    "surge": ("people", "visitors"),
    "ponding": ("water_level", "rainfall"),
    "pond-rising": ("water_level", "rainfall"),
    "gale": ("wind_speed",),
    "warning": ("warning",),
    "appeals-burst": ("cluster",),
}
EVENTS = {"warning": "warning", "appeals-burst": "cluster"}  # happenings that are events, and what tells of them
FOLLOWS: dict[str, tuple[str, ...]] = {  # kinds of events that follow from a kind of happening
    "venue-surge": ("cluster",),
    "metro-crowd": ("cluster",),
    "ponding": ("cluster",),
    "pond-rising": ("cluster",),
    "gale": ("warning",),
}
FOLLOWS_MS = 20 * 60_000  # the scan of appeals looks each 10 minutes, and once more at what has just ended
FOLLOWS_M = 3_000.0  # a circle of the scan may have its middle so far from the appeals in it


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was injected; ``end`` is the first moment at which it is over. No radius: one sensor."""

    kind: str
    place: str
    start: int  # ms
    end: int
    lon: float
    lat: float
    radius_m: float = 0.0
    gateway: str = ""  # of a gateway that falls silent: it has no place
    datastreams: tuple[str, ...] = ()  # of a sensor that fails
    properties: tuple[str, ...] = ()  # that it moves, where PARTS does not say
    inside: tuple[str, ...] = ()  # the zones that hold its middle
    aside: bool = False  # nobody asks whether it was found; what tells of it is not false

    @property
    def parts(self) -> tuple[str, ...]:
        """The properties that it moves; none where it is sensors that fail."""
        return self.properties or PARTS.get(self.kind, ())

    @property
    def follows(self) -> tuple[str, ...]:
        """The kinds of events that follow from it."""
        return FOLLOWS.get(self.kind, ())


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it was told. ``reach_m``: how far its place reaches from its middle; 0 for an asset."""

    id: str
    rule: str  # <pack>/<rule>
    kind: Kind
    place: str
    property: str  # that its rule looks at
    at: int  # ms: when it was told
    lon: float
    lat: float
    reach_m: float = 0.0
    gateway: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The happenings of one kind; delays in seconds, None where none was found."""

    happened: int
    found: int
    recall: float | None
    delay_p50_s: float | None
    delay_p90_s: float | None
    delay_max_s: float | None


class Graded(msgspec.Struct, frozen=True, kw_only=True):
    """Recall and delay by kind of happening, false alerts by rule; ``hits``: which alert was the first."""

    hours: float
    kinds: dict[str, Found]
    alerts: int
    false: int
    false_per_hour: float
    false_by_rule: dict[str, float]  # an hour
    hits: tuple[tuple[int, str], ...]  # number of the happening, id of the alert
    strays: tuple[Told, ...]  # told of nothing


def tells(told: Told, of: Happening) -> bool:
    """Whether the alert tells of what happened: sort, time and place."""
    if not of.start <= told.at < of.end + (FOLLOWS_MS if of.kind in EVENTS else AFTER_MS):
        return False
    if of.parts:
        near_m = FOLLOWS_M if of.kind in EVENTS else NEAR_M
        return told.kind == "event" and told.property in of.parts and _is_at(told, of, near_m)
    if told.kind != "data-quality":
        return False
    if of.gateway or (told.gateway and not told.property):
        return told.gateway == of.gateway
    spread = told.reach_m > 0 or of.radius_m > 0
    return f"{told.place}/{told.property}" in of.datastreams or (spread and _is_at(told, of))


def follows(told: Told, of: Happening) -> bool:
    """Whether the alert tells of what follows from what happened."""
    in_time = of.start <= told.at < of.end + FOLLOWS_MS
    return in_time and told.kind == "event" and told.property in of.follows and _is_at(told, of, FOLLOWS_M)


def grade(happenings: Sequence[Happening], told: Iterable[Told], span_ms: int) -> Graded:
    """Grade what was told in ``span_ms`` against what happened in it; raises ``ValueError`` for an empty span."""
    if span_ms <= 0:
        raise ValueError(f"a span of {span_ms} ms is empty; give an end after the start")
    known = sorted(told, key=lambda one: (one.at, one.id))
    first: dict[int, Told] = {}
    strays = []
    for one in known:
        mine = [number for number, happening in enumerate(happenings) if tells(one, happening)]
        for number in mine:
            first.setdefault(number, one)
        if not mine and not any(follows(one, happening) for happening in happenings):
            strays.append(one)
    hours = span_ms / HOUR_MS
    by_rule = Counter(one.rule for one in strays)
    return Graded(
        hours=round(hours, 4),
        kinds={
            kind: _found(kind, happenings, first) for kind in sorted({one.kind for one in happenings if not one.aside})
        },
        alerts=len(known),
        false=len(strays),
        false_per_hour=round(len(strays) / hours, 3),
        false_by_rule={rule: round(count / hours, 3) for rule, count in sorted(by_rule.items())},
        hits=tuple((number, one.id) for number, one in sorted(first.items())),
        strays=tuple(strays),
    )


def _found(kind: str, happenings: Sequence[Happening], first: dict[int, Told]) -> Found:
    mine = [number for number, one in enumerate(happenings) if one.kind == kind and not one.aside]
    delays = [(first[number].at - happenings[number].start) / 1000 for number in mine if number in first]
    p50, p90, most = (
        (round(float(one), 1) for one in np.percentile(delays, [50, 90, 100])) if delays else (None, None, None)
    )
    return Found(
        happened=len(mine),
        found=len(delays),
        recall=round(len(delays) / len(mine), 4) if mine else None,
        delay_p50_s=p50,
        delay_p90_s=p90,
        delay_max_s=most,
    )


def _is_at(told: Told, of: Happening, near_m: float = NEAR_M) -> bool:
    apart = float(great_circle_m(told.lon, told.lat, of.lon, of.lat))
    return told.place == of.place or told.place in of.inside or apart <= told.reach_m + of.radius_m + near_m
