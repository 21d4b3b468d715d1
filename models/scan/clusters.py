"""Clusters: what one scan found, and what makes each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.scan.chance import Gumbel, gumbel, rank, views
from models.scan.circles import Circles, Float64
from models.scan.expected import Counts, Durations, Expected
from models.scan.likelihood import surplus
from models.scan.search import Zone, best


@dataclass(frozen=True, slots=True)
class Part:
    """What one stream (category) adds to a cluster: its cases there, those expected, and their ratio as if Poisson."""

    stream: int
    cases: int
    expected: float
    llr: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """Places around a centre with more cases than expected from period ``first`` to ``last``.

    ``places`` (n,) int32 from the centre outwards; ``radius`` in metres or the units of the coordinates; ``llr`` the
    log-likelihood ratio, of counts weighted by their dispersion where there is one. ``p_past`` is how often quiet past
    scans came as high, ``p_chance`` how often replicates did, ``p_gumbel`` that by Gumbel's law; None where unknown.
    """

    centre: int
    places: NDArray[np.int32]
    radius: float
    first: int
    last: int
    cases: int
    expected: float
    llr: float
    parts: tuple[Part, ...]
    p_past: float | None = None
    p_chance: float | None = None
    p_gumbel: float | None = None

    @property
    def p(self) -> float | None:
        """The p-value: a cluster has to be rarer than chance makes it and rarer than the past had it, where known."""
        known = [p for p in (self.p_past, self.p_chance) if p is not None]
        return max(known) if known else None


@dataclass(frozen=True, eq=False)
class Scan:
    """One scan. ``found`` (views) of clusters, the highest first, none sharing a place with another of its view:
    all streams together, then, where there are several, each alone. ``maxima`` (views,): the highest ratio of each."""

    latest: int
    expected: Expected
    durations: Durations
    found: tuple[tuple[Cluster, ...], ...]
    maxima: Float64

    def ranked(self, replicates: Float64) -> Scan:
        """The same with p-values among the maxima (n, views) of replicates, n >= 2."""
        laws = [gumbel(column) for column in replicates.T]
        found = tuple(
            tuple(
                replace(
                    one,
                    p_chance=several(rank(one.llr, replicates[:, view]), view, len(self.found)),
                    p_gumbel=several(laws[view].p(one.llr), view, len(self.found)),
                )
                for one in clusters
            )
            for view, clusters in enumerate(self.found)
        )
        return replace(self, found=found)

    def remembered(self, laws: list[Gumbel]) -> Scan:
        """The same with p-values by the laws (views) of the square roots of past scans' ratios."""
        found = tuple(
            tuple(replace(one, p_past=several(laws[view].p(one.llr**0.5), view, len(self.found))) for one in clusters)
            for view, clusters in enumerate(self.found)
        )
        return replace(self, found=found)


def several(p: float, view: int, count: int) -> float:
    """``p`` of the first view as it is; of another corrected for looking at ``count - 1`` streams (Šidák)."""
    return p if view == 0 else float(-np.expm1((count - 1) * np.log1p(-min(p, 1.0 - 1e-16))))


def scan(
    circles: Circles,
    expected: Expected,
    counts: Counts,
    durations: Durations,
    latest: int,
    most: int = 10,
) -> Scan:
    """Scan counts (places, streams, periods) up to the period ``latest`` for up to ``most`` clusters in each view."""
    table = expected.table(counts, durations)
    found, maxima = [], []
    for view, seen in enumerate(views(table)):
        streams = range(counts.shape[1]) if view == 0 else range(view - 1, view)
        zones = best(circles, seen, most)
        found.append(
            tuple(_cluster(zone, expected, counts, int(durations[zone.duration]), latest, streams) for zone in zones)
        )
        maxima.append(zones[0].score if zones else 0.0)
    return Scan(latest, expected, durations, tuple(found), np.array(maxima))


def _cluster(zone: Zone, expected: Expected, counts: Counts, duration: int, latest: int, streams: range) -> Cluster:
    cases = counts[zone.places, :, -duration:].sum(axis=(0, 2))
    mean = expected.mean[zone.places, :, -duration:].sum(axis=(0, 2))
    ratio = np.asarray(surplus(cases.astype(np.float64), mean))
    parts = [Part(m, int(cases[m]), float(mean[m]), float(ratio[m])) for m in streams]
    parts.sort(key=lambda part: (-part.llr, part.stream))
    return Cluster(
        centre=zone.centre,
        places=zone.places,
        radius=zone.radius,
        first=latest - duration + 1,
        last=latest,
        cases=sum(part.cases for part in parts),
        expected=sum(part.expected for part in parts),
        llr=zone.score,
        parts=tuple(part for part in parts if part.llr > 0.0 or len(parts) == 1),
    )
