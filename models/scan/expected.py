"""What a quiet city would show: expected counts, how far they may stray, and chance counts of the same kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.scan.circles import Float64
from models.scan.dispersion import dispersion, margins
from models.scan.search import Table
from models.scan.shares import learned
from models.scan.tally import durations_of, shared_out

Counts = NDArray[np.int64]
Durations = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Expected:
    """The null hypothesis of a scan of ``periods`` periods, the latest last.

    ``mean`` (places, streams, periods): expected cases. ``k`` (streams,): a cell's variance is mean (1 + k mean).
    ``known`` (places, streams): from how many cases a place's mean was learned, infinite where it is given.
    ``conditioned``: the totals of each stream and period are those that were seen, whatever they are, so that only the
    place can be strange. ``relative``: zones are judged against the rest (Kulldorff 1997), not against their own mean.
    """

    mean: Float64
    k: Float64
    known: Float64
    conditioned: bool
    relative: bool = False

    @cached_property
    def worth(self) -> Float64:
        """(places, streams, periods) one over each cell's phi = 1 + k mean: its cases and mean are taken times that.

        Weighted so, both have the same variance as Poisson counts would (the efficient score of the negative binomial;
        Tango, Takahashi and Kohriyama, International Journal of Health Geographics 2011).
        """
        return np.asarray(1.0 / (1.0 + self.k[:, None] * self.mean))

    def uncertain(self, durations: Durations) -> Float64:
        """(streams, durations) by how much the variance grows because the means are learned: 1 + expected / known."""
        sums = np.cumsum(self.mean.sum(axis=0)[:, ::-1], axis=-1)[:, durations - 1]
        return np.asarray(1.0 + sums / self.known.sum(axis=0)[:, None])

    def sums(self, counts: Counts | Float64, durations: Durations) -> Float64:
        """(places, streams, durations) weighted sums of counts (places, streams, periods) up to the latest period."""
        return durations_of(counts, self.worth, self.uncertain(durations), durations)

    def table(self, counts: Counts | Float64, durations: Durations) -> Table:
        """What is scanned when ``counts`` (places, streams, periods) are seen."""
        places, streams, _ = self.mean.shape
        cells = np.empty((places, streams, 2, len(durations)))
        cells[:, :, 0], cells[:, :, 1] = self.sums(counts, durations), self.sums(self.mean, durations)
        totals = counts.sum(axis=(0, 2)).astype(np.float64) if self.relative else np.full(streams, np.inf)
        return Table(cells, totals)

    def draw(self, rng: np.random.Generator) -> Counts:
        """Counts (places, streams, periods) as chance would have them."""
        mean = self.mean
        if np.isfinite(self.known).all():  # the means themselves may be wrong
            mean = mean * (rng.standard_gamma(self.known) / self.known)[:, :, None]
        for stream in np.flatnonzero(self.k > 0.0):
            k = self.k[stream]
            wobble = rng.standard_gamma(1.0 / k, (len(mean), mean.shape[2])) * k
            mean = mean.copy() if mean is self.mean else mean
            mean[:, stream] *= wobble
        return self._shared(mean, rng) if self.conditioned else rng.poisson(mean)

    def _shared(self, mean: Float64, rng: np.random.Generator) -> Counts:
        """The totals of each stream and period shared out in proportion to ``mean``."""
        places, streams, periods = mean.shape
        totals = np.rint(self.mean.sum(axis=0)).astype(np.int64).ravel()
        return shared_out(totals, mean.reshape(places, streams * periods), rng).reshape(mean.shape)


def at_large(counts: Counts, weight: Float64) -> Expected:
    """The purely spatial Poisson scan: cases (places, streams, 1) in proportion to ``weight`` (places,)."""
    totals = counts.sum(axis=0).astype(np.float64)
    mean = (weight / weight.sum())[:, None, None] * totals
    streams = counts.shape[1]
    return Expected(mean, np.zeros(streams), np.full(counts.shape[:2], np.inf), conditioned=True, relative=True)


def given(baseline: Float64, k: Float64 | None = None) -> Expected:
    """Means (places, streams, periods) as given, of independent Poisson counts unless ``k`` (streams,) says more."""
    places, streams, _ = baseline.shape
    return Expected(baseline, np.zeros(streams) if k is None else k, np.full((places, streams), np.inf), False)


def by_weight(window: Counts, weight: Float64, k: Float64) -> Expected:
    """The totals of each stream and period in proportion to ``weight`` (places,), such as the population."""
    mean = (weight / weight.sum())[:, None, None] * window.sum(axis=0).astype(np.float64)
    return Expected(mean, k, np.full(window.shape[:2], np.inf), conditioned=True)


def by_past(past: Counts, window: Counts, k: Float64 | None = None) -> Expected:
    """The totals of each stream and period shared out as they were in the ``past`` (places, streams, periods).

    A place where a stream was little seen leans on the other streams, as far as these tell (``shares.learned``).
    """
    known = learned(past.sum(axis=2).astype(np.float64))
    mean = (known / known.sum(axis=0))[:, :, None] * window.sum(axis=0).astype(np.float64)
    return Expected(mean, dispersion(past) if k is None else k, known, conditioned=True)


def by_margins(window: Counts, k: Float64 | None = None) -> Expected:
    """Without a past: place and period are independent (the space-time permutation model, Kulldorff et al. 2005)."""
    mean = np.moveaxis(margins(np.moveaxis(np.asarray(window, np.float64), 1, 0)), 0, 1)
    return Expected(mean, dispersion(window) if k is None else k, np.full(window.shape[:2], np.inf), conditioned=True)
