"""Where appeals emerge: the prospective scan on its schedule, and clusters followed from scan to scan.

A cluster of one scan that shares a place with one of the scan before, in the same view, is the same cluster: it keeps
its name and its onset while its size and its edge move. What one category explains is told of that category alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from geo.distance import great_circle_m
from models.layout import Place
from models.scan.chance import replicates
from models.scan.circles import Circles
from models.scan.clusters import Cluster, Scan
from models.scan.naming import words
from models.scan.prospective import Prospective, Settings

Int64 = NDArray[np.int64]
NOWHERE_M = 20_000.0  # an appeal so far from every place of the scan is not of this city
MIXED = 0  # the view of all streams together


class Recent(msgspec.Struct, array_like=True, frozen=True):
    """An appeal of the last hours; ``place`` is the row of the scan's place, ``subject`` that of the book's."""

    id: str
    time: int
    place: int
    subject: int
    stream: int
    lon: float
    lat: float
    said: str
    exercise: bool = False


class Track(msgspec.Struct, array_like=True, frozen=True):
    """A cluster that is followed: ``view`` 0 is all streams together, else 1 + the stream; times in ms."""

    key: str  # stays while it is followed
    view: int
    centre: int
    places: tuple[int, ...]
    radius_m: float
    onset: int  # when the cluster of the scan that found it began
    since: int  # begin of the cluster as the last scan saw it
    until: int  # end of the last period it holds
    cases: int
    expected: float
    p: float


@dataclass(frozen=True, slots=True)
class Ground:
    """Where is scanned: the places with their circles, and how long a period is (ms)."""

    places: Sequence[Place]
    circles: Circles
    period_ms: int
    streams: int
    settings: Settings
    likely: float = 0.05  # what a cluster's p must be below to be followed
    draws: int = 0  # replicates of a scan while too few past scans are there to judge by; 0: nothing is told till then
    grace_ms: int = 15_000  # a period is scanned so long after its end

    @property
    def reach_ms(self) -> int:
        """The longest a cluster may have lasted."""
        return self.settings.longest * self.period_ms


class Emerging:
    """The scan of one city's appeals as a state that can be saved and restored bit for bit."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.scanned = -1  # the period that was scanned last
        self.tracks: tuple[Track, ...] = ()
        self.recent: deque[Recent] = deque()
        self._scan = Prospective(ground.circles, ground.streams, ground.settings)

    def places(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """(n,) the row of the place that each position (n, 2) belongs to; -1 for one that is far from all."""
        rows = self.ground.circles.nearest(points).astype(np.int64)
        middles = self.ground.circles.points[rows]
        apart = great_circle_m(points[:, 0], points[:, 1], middles[:, 0], middles[:, 1])
        return np.where(apart <= NOWHERE_M, rows, -1)

    def add(self, appeals: Sequence[Recent], now: int) -> None:
        """Count appeals in their periods; those of long before ``now`` (ms) make no cluster any more."""
        if not appeals:
            return
        columns = np.array([(one.place, one.time // self.ground.period_ms, one.stream) for one in appeals], np.int64)
        self._scan.add(columns[:, 0].copy(), columns[:, 1].copy(), None, columns[:, 2].copy())
        self.recent.extend(one for one in appeals if one.time > now - self.ground.reach_ms)

    def due(self, now: int) -> bool:
        """Whether a period has ended that was not scanned yet."""
        return self._ended(now) > self.scanned

    def scan(self, now: int) -> bool:
        """Scan the period that ended last; False where too little is known yet."""
        self.scanned = self._ended(now)
        self._forget(now)
        told = self._scan.scan(self.scanned)
        if told is None:
            self.tracks = ()
            return False
        if self._scan.laws() is None and self.ground.draws:
            told = self._by_chance(told)
        self.tracks = self._followed(told)
        return True

    def members(self, track: Track) -> list[Recent]:
        """The appeals that make the cluster, of its category where it has one."""
        places = set(track.places)
        return [
            one
            for one in self.recent
            if track.since <= one.time < track.until
            and one.place in places
            and (track.view == MIXED or one.stream == track.view - 1)
        ]

    def subjects(self, track: Track) -> list[tuple[int, int]]:
        """What its appeals are about: (subject, appeals), the most first."""
        counted = Counter(one.subject for one in self.members(track))
        return sorted(counted.items(), key=lambda one: (-one[1], one[0]))

    def words(self, track: Track, most: int = 5) -> list[str]:
        """What people say there more than elsewhere."""
        inside = {one.id for one in self.members(track)}
        here = [one.said for one in self.recent if one.id in inside]
        there = [one.said for one in self.recent if one.id not in inside]
        return words(here, there, most)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _ended(self, now: int) -> int:
        return (now - self.ground.grace_ms) // self.ground.period_ms - 1

    def _forget(self, now: int) -> None:
        kept_from = now - self.ground.reach_ms - self.ground.period_ms
        while self.recent and self.recent[0].time < kept_from:
            self.recent.popleft()

    def _by_chance(self, told: Scan) -> Scan:
        """With p-values by replicates, whose chance is of the period alone: a scan again gives the same."""
        rng = np.random.default_rng(told.latest)
        drawn = replicates(self.ground.circles, told.expected, told.durations, self.ground.draws, rng)
        return told.ranked(np.array(list(drawn)))

    def _followed(self, told: Scan) -> tuple[Track, ...]:
        before = list(self.tracks)
        made: list[Track] = []
        for view in range(len(told.found) - 1, -1, -1):  # each category before all together
            for cluster in told.found[view]:
                p = cluster.p_past if cluster.p_past is not None else cluster.p_gumbel
                if p is None or p >= self.ground.likely or (view == MIXED and _explained(cluster, made)):
                    continue
                made.append(self._track(view, cluster, p, before))
        return tuple(made)

    def _track(self, view: int, cluster: Cluster, p: float, before: list[Track]) -> Track:
        places = tuple(cluster.places.tolist())
        same = next((one for one in before if one.view == view and not set(one.places).isdisjoint(places)), None)
        if same is not None:
            before.remove(same)
        period = self.ground.period_ms
        since = cluster.first * period
        centre = self.ground.places[cluster.centre].id
        return Track(
            key=same.key if same else f"{centre}/{view}/{since}",
            view=view,
            centre=cluster.centre,
            places=places,
            radius_m=cluster.radius,
            onset=same.onset if same else since,
            since=since,
            until=(cluster.last + 1) * period,
            cases=cluster.cases,
            expected=cluster.expected,
            p=p,
        )

    # --- saving ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The state as plain arrays; counts in as few bytes as hold them."""
        arrays = {f"scan.{name}": array for name, array in self._scan.snapshot().items()}
        ring = arrays["scan.ring"]
        arrays["scan.ring"] = ring.astype(np.min_scalar_type(int(ring.max(initial=0))))
        kept = msgspec.msgpack.encode((self.scanned, self.tracks, list(self.recent)))
        return {**arrays, "emerging": np.frombuffer(kept, np.uint8).copy()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``ValueError`` where it is of other places or streams."""
        if "emerging" not in arrays:
            raise ValueError("the saved state has no scan of appeals; it begins anew")
        self._scan.restore({name.removeprefix("scan."): array for name, array in arrays.items() if name[:5] == "scan."})
        kept = msgspec.msgpack.decode(arrays["emerging"].tobytes(), type=tuple[int, tuple[Track, ...], list[Recent]])
        self.scanned, self.tracks, self.recent = kept[0], kept[1], deque(kept[2])


def _explained(mixed: Cluster, made: Sequence[Track]) -> bool:
    """Whether the category that makes most of a cluster of all is told of already, at some of its places."""
    places = set(mixed.places.tolist())
    leading = mixed.parts[0].stream + 1 if mixed.parts else MIXED
    return any(one.view == leading and not places.isdisjoint(one.places) for one in made)
