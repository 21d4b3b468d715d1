"""Which incident an alert belongs to: by place and time, for the same pack or packs that were declared related.

Two alerts are about one thing when one's place lies in the other's (a venue in its district), when both lie in one
small zone, or when they are near each other. In a flood the circle is drawn wider: first the district, then the whole
city is one incident a pack, so that people can read the queue. Alerts about data quality group by their source.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.values import Alert, Detection

Scope = Literal["near", "district", "city"]
METRES_A_DEGREE = 111_320.0
SPAN = 4  # an incident's alerts are at most so many times ``near_m`` from its first one, so that it does not creep
CELL_M = 2_000.0  # of the grid in which points are looked up; no pack's ``near_m`` is larger


@dataclass(frozen=True, slots=True)
class Grouping:
    """How a pack's alerts come together: ``near_m`` metres (at most CELL_M) and ``window_ms`` between their onsets.

    That is phenomenon time, so that a recording that is replayed at speed makes the incidents that it made.
    """

    near_m: float = 500.0
    window_ms: int = 1_800_000
    related: frozenset[str] = frozenset()  # other packs whose alerts are about the same thing


DEFAULT = Grouping()


@dataclass(frozen=True)
class Ground:
    """How places lie in one another.

    ``within`` gives the zones that a detection's place lies in (its own id too); ``wide`` are zones too large to make
    two alerts in them one thing, districts and the city; ``cameras`` the assets to look through at (lon, lat).
    """

    within: Callable[[Detection], frozenset[str]] = lambda detection: frozenset({detection.place, detection.district})
    wide: frozenset[str] = frozenset()
    cameras: Callable[[float, float], tuple[str, ...]] = lambda lon, lat: ()

    def small(self, detection: Detection) -> frozenset[str]:
        """The zones it lies in that are small enough to be one place."""
        return self.within(detection) - self.wide - {detection.district}


@dataclass(slots=True)
class _Footprint:
    """What of an incident is in the indexes."""

    packs: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)  # zones that places lie in
    cells: set[tuple[int, int]] = field(default_factory=set)
    districts: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    first: tuple[float, float] = (math.nan, math.nan)
    kind: str = "event"
    last: int = 0  # phenomenon time at which its last alert began


class Groups:
    """The open incidents by where their alerts are; each lookup touches only those near by."""

    def __init__(self, declared: Mapping[str, Grouping], ground: Ground) -> None:
        self._declared = declared
        self._ground = ground
        self._footprints: dict[str, _Footprint] = {}
        self._at: dict[str, dict[str, None]] = defaultdict(dict)  # place → incidents with an alert there
        self._in: dict[str, dict[str, None]] = defaultdict(dict)  # zone → incidents with an alert in it
        self._points: dict[tuple[int, int], dict[tuple[str, str], tuple[float, float]]] = defaultdict(dict)
        self._by_source: dict[str, dict[str, None]] = defaultdict(dict)

    def add(self, alert: Alert, incident: str) -> None:
        """``alert`` is part of ``incident``, which is open."""
        detection = alert.detection
        print_ = self._footprints.setdefault(incident, _Footprint(kind=detection.kind))
        print_.packs.add(detection.pack)
        print_.districts.add(detection.district)
        print_.last = max(print_.last, detection.onset)
        if detection.kind == "data-quality":
            key = source_key(detection)
            print_.sources.add(key)
            self._by_source[key][incident] = None
        if detection.place in print_.places:
            return
        print_.places.add(detection.place)
        self._at[detection.place][incident] = None
        for zone in self._ground.within(detection):
            print_.inside.add(zone)
            self._in[zone][incident] = None
        if detection.place not in self._ground.wide:
            cell = _cell(detection.lon, detection.lat)
            print_.cells.add(cell)
            self._points[cell][incident, detection.place] = (detection.lon, detection.lat)
            if math.isnan(print_.first[0]):
                print_.first = (detection.lon, detection.lat)

    def drop(self, incident: str) -> None:
        """The incident is closed or part of another."""
        print_ = self._footprints.pop(incident, None)
        if print_ is None:
            return
        for index, keys in ((self._at, print_.places), (self._in, print_.inside), (self._by_source, print_.sources)):
            for key in keys:
                index[key].pop(incident, None)
                if not index[key]:
                    del index[key]
        for cell in print_.cells:
            points = self._points[cell]
            for name in [name for name in points if name[0] == incident]:
                del points[name]
            if not points:
                del self._points[cell]

    def related(self, detection: Detection, scope: Scope = "near") -> tuple[list[str], list[str]]:
        """The open incidents that the detection is about, and those of them whose places it contains.

        Time and order are for the caller to judge.
        """
        if detection.kind == "data-quality":
            return self._same_source(detection, scope), []
        if scope != "near":
            return [name for name in self._footprints if self._widely(name, detection, scope)], []
        inside = dict(self._in.get(detection.place, {}))  # those that it contains
        found = dict(inside)
        for place in self._ground.within(detection):  # those at a place that contains it
            found |= self._at.get(place, {})
        for zone in self._ground.small(detection):
            found |= self._in.get(zone, {})
        found |= dict.fromkeys(self._near(detection))
        mine = [name for name in found if self._fits(name, detection)]
        return mine, [name for name in mine if name in inside]

    def last(self, incident: str) -> int:
        """When, in phenomenon time, its last alert began."""
        return self._footprints[incident].last

    def packs(self, incident: str) -> set[str]:
        """The packs of its alerts."""
        return self._footprints[incident].packs

    def grouping(self, pack: str) -> Grouping:
        """How a pack's alerts come together."""
        return self._declared.get(pack, DEFAULT)

    def _same_source(self, detection: Detection, scope: Scope) -> list[str]:
        if scope == "near":
            return list(self._by_source.get(source_key(detection), {}))
        return [
            name
            for name, one in self._footprints.items()
            if one.kind == "data-quality" and (scope == "city" or detection.district in one.districts)
        ]

    def _widely(self, name: str, detection: Detection, scope: Scope) -> bool:
        one = self._footprints[name]
        return self._fits(name, detection) and (scope == "city" or detection.district in one.districts)

    def _fits(self, name: str, detection: Detection) -> bool:
        one = self._footprints[name]
        if one.kind != detection.kind:
            return False
        others = self.grouping(detection.pack).related
        return any(
            pack == detection.pack or pack in others or detection.pack in self.grouping(pack).related
            for pack in one.packs
        )

    def _near(self, detection: Detection) -> Iterable[str]:
        if detection.place in self._ground.wide:
            return
        near_m = min(self.grouping(detection.pack).near_m, CELL_M)
        column, row = _cell(detection.lon, detection.lat)
        for x in (column - 1, column, column + 1):
            for y in (row - 1, row, row + 1):
                for (name, _), point in self._points.get((x, y), {}).items():
                    if metres(point, detection) <= near_m and self._within_span(name, detection, near_m):
                        yield name

    def _within_span(self, name: str, detection: Detection, near_m: float) -> bool:
        return metres(self._footprints[name].first, detection) <= SPAN * near_m


def source_key(detection: Detection) -> str:
    """What a data-quality alert is about: the gateway or device that it names, else its place."""
    return detection.labels.get("source") or detection.labels.get("gateway") or detection.place


def metres(point: tuple[float, float], detection: Detection) -> float:
    """Metres from a (lon, lat) to a detection; good to a few per mille over a city."""
    lon, lat = point
    x = (detection.lon - lon) * math.cos(math.radians(lat))
    return METRES_A_DEGREE * math.hypot(x, detection.lat - lat)


def _cell(lon: float, lat: float) -> tuple[int, int]:
    """The cell of the grid; its sides are CELL_M or more at every latitude below 75°."""
    return math.floor(lon * METRES_A_DEGREE / (4 * CELL_M)), math.floor(lat * METRES_A_DEGREE / CELL_M)
