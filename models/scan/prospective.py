"""The space-time scan as a stream: counts go in as they come, and each period it tells where something is emerging.

Expectation-based Poisson over circles of nearest neighbours and durations that end now (Neill 2009). Real counts are
more spread than Poisson's law: raw ratios fire at every scan. So the totals of each period are taken as given, cells
are weighted by their dispersion (``expected``), and p-values come from past scans, refitted as they grow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.scan.chance import Gumbel, gumbel
from models.scan.circles import Circles
from models.scan.clusters import Scan, scan
from models.scan.expected import Counts, Expected, by_past

Int64 = NDArray[np.int64]
Expectation = Callable[[Counts, Counts, int], Expected]
"""(past, window, latest): what is expected in the window's cells; both (places, streams, periods)."""

NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Settings:
    """How a stream is scanned; all times in periods, such as hours or days.

    ``durations`` that a cluster may have lasted; ``history`` before them from which is learned, ``ready`` of which must
    have passed before the first scan. Past scans give p-values from ``trusted`` of them on, and the newest ``memory``
    are kept. What has a p below ``alarm`` is remembered as if it had that p: an incident does not make itself normal.
    """

    durations: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    history: int = 28
    ready: int = 7
    most: int = 10
    trusted: int = 20
    memory: int = 200
    alarm: float = 0.01

    def __post_init__(self) -> None:
        if not self.durations or self.durations[0] < 1 or list(self.durations) != sorted(set(self.durations)):
            raise ValueError(f"durations {self.durations} must be 1 period or more, ascending")
        if not 0 <= self.ready <= self.history:
            raise ValueError(f"ready after {self.ready} periods, of {self.history} kept; use 0 to {self.history}")
        if not 2 <= self.trusted <= self.memory:
            raise ValueError(f"{self.trusted} past scans are trusted, {self.memory} kept; use 2 to {self.memory}")

    @property
    def longest(self) -> int:
        """The longest duration."""
        return max(self.durations)

    @property
    def kept(self) -> int:
        """Periods that are kept."""
        return self.longest + self.history


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of counts that were pushed: ``placed`` in their periods, ``late`` for all that is kept, ``unknown``
    of place or stream."""

    placed: int
    late: int
    unknown: int


class Prospective:
    """The scan of one kind of events in one city. Its state can be saved and restored bit for bit.

    Periods are whole numbers, such as hours since 1970 (``time_ms // 3_600_000``).

    >>> from models.scan.circles import circles
    >>> rng = np.random.default_rng(7)
    >>> points = rng.uniform(0.0, 1.0, (50, 2))
    >>> monitor = Prospective(circles(points, 10))
    >>> for day in range(60):
    ...     counts = rng.poisson(2.0, 50)
    ...     counts[[3, 9]] += 12 * (day == 59)
    ...     taken = monitor.add(np.arange(50), np.full(50, day), counts)
    ...     told = monitor.scan(day)
    >>> told is not None and {3, 9} & set(told.found[0][0].places.tolist()) != set()
    True
    """

    def __init__(
        self,
        circles: Circles,
        streams: int = 1,
        settings: Settings | None = None,
        expectation: Expectation | None = None,
    ) -> None:
        """``streams`` are categories that are counted apart and scanned together and each alone."""
        self.circles = circles
        self.streams = streams
        self.settings = settings or Settings()
        self._expect = expectation or (lambda past, window, latest: by_past(past, window))
        views = 1 + (streams if streams > 1 else 0)
        self.newest = NEVER
        self.began = NEVER
        self.scanned = NEVER
        self._ring = np.zeros((len(circles), streams, self.settings.kept), np.int64)
        self._maxima = np.zeros((0, views))

    def add(self, place: Int64, period: Int64, count: Int64 | None = None, stream: Int64 | None = None) -> Taken:
        """Count cases (n,) at places (rows of the circles) in periods; ``count`` 1 and ``stream`` 0 unless told.

        What is older than all that is kept is told as late, a negative place or stream as unknown; neither counts.
        """
        count = np.ones(len(place), np.int64) if count is None else count
        stream = np.zeros(len(place), np.int64) if stream is None else stream
        known = (place >= 0) & (place < len(self.circles)) & (stream >= 0) & (stream < self.streams)
        if known.any():
            self._advance(int(period[known].max()))
        held = known & (period > self.newest - self.settings.kept)
        np.add.at(self._ring, (place[held], stream[held], period[held] % self.settings.kept), count[held])
        if held.any():
            first = int(period[held].min())
            self.began = first if self.began == NEVER else min(self.began, first)
        placed = int(held.sum())
        return Taken(placed, int(known.sum()) - placed, len(place) - int(known.sum()))

    def scan(self, latest: int) -> Scan | None:
        """The clusters alive at the end of the period ``latest``; None while too little is known.

        How high it came is remembered, each period once, and gives later scans their p-values.
        """
        if self.began == NEVER or latest <= self.newest - self.settings.kept:
            return None
        self._advance(latest)
        there = min(latest - self.began + 1, self.settings.kept - (self.newest - latest))
        longest = min(self.settings.longest, there - self.settings.ready)
        durations = np.array([one for one in self.settings.durations if one <= longest], np.int64)
        if not len(durations):
            return None
        window = self._periods(latest - int(durations.max()) + 1, latest)
        past = self._periods(latest - there + 1, latest - int(durations.max()))
        expected = self._expect(past, window, latest)
        told = scan(self.circles, expected, window, durations, latest, self.settings.most)
        laws = self.laws()
        if longest == self.settings.longest:  # a scan of fewer durations is no measure for later ones
            self._remember(told, laws)
        return told if laws is None else told.remembered(laws)

    def laws(self) -> list[Gumbel] | None:
        """What past scans say of the square root of a quiet scan's highest ratio (views); None before enough were made.

        The root, for it is the ratio in standard deviations: noise that nothing accounts for, such as places that are
        busy together, makes it larger by a factor, and the law of the ratio itself would have too thin a tail.
        """
        if len(self._maxima) < self.settings.trusted:
            return None
        return [gumbel(column) for column in np.sqrt(self._maxima.T)]

    @property
    def past_scans(self) -> int:
        """How many past scans are remembered."""
        return len(self._maxima)

    def _remember(self, told: Scan, laws: list[Gumbel] | None) -> None:
        if told.latest <= self.scanned:
            return
        self.scanned = told.latest
        maxima = told.maxima
        if laws is not None:
            maxima = np.minimum(maxima, [max(law.score(self.settings.alarm), 0.0) ** 2 for law in laws])
        self._maxima = np.vstack([self._maxima, maxima])[-self.settings.memory :]

    def _advance(self, period: int) -> None:
        """Make room for ``period``; what is no longer kept is forgotten."""
        if period <= self.newest:
            return
        kept = self.settings.kept
        if self.newest != NEVER:
            gone = np.arange(max(self.newest + 1, period - kept + 1), period + 1) % kept
            self._ring[:, :, gone] = 0
        self.newest = period

    def _periods(self, first: int, last: int) -> Counts:
        """(places, streams, periods) the counts from ``first`` to ``last``."""
        return self._ring[:, :, np.arange(first, last + 1) % self.settings.kept]

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The state as plain arrays, for ``np.savez``."""
        return {
            "ring": self._ring.copy(),
            "maxima": self._maxima.copy(),
            "periods": np.array([self.newest, self.began, self.scanned], np.int64),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``ValueError`` naming what does not fit."""
        for name, like in self.snapshot().items():
            if name not in arrays:
                raise ValueError(f"array {name} of the scan's state is missing; start anew")
            want = (len(arrays[name]), *like.shape[1:]) if name == "maxima" else like.shape
            if arrays[name].shape != want:
                raise ValueError(f"array {name} of the scan's state is {arrays[name].shape}, not {want}; start anew")
        self._ring = np.array(arrays["ring"], np.int64)
        self._maxima = np.array(arrays["maxima"], np.float64)
        self.newest, self.began, self.scanned = (int(one) for one in arrays["periods"])
