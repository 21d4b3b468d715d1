"""What a quiet city would show: expected counts, how far they may stray, and chance counts of the same kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.scan.circles import Float64
from models.scan.dispersion import LEAST, alike, dispersion, margins
from models.scan.search import Table
from models.scan.shares import learned
from models.scan.tally import durations_of, shared_out

Counts = NDArray[np.int64]
Durations = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Expected:
    """The null hypothesis of a scan of ``periods`` periods, the latest last.

    ``mean`` (places, streams, periods): expected cases. ``k`` (streams,): a cell's variance is mean (1 + k mean);
    ``alike`` 0..1: how far streams have that in common, so that a busy place is busy in all of them.
    ``known`` (places, streams): from how many cases a place's mean was learned, infinite where it is given, and
    ``mean_k`` (streams,) what their overdispersion adds to its relative variance 1 / known.
    ``conditioned``: the totals of each stream and period are those that were seen, whatever they are, so that only the
    place can be strange. ``relative``: zones are judged against the rest (Kulldorff 1997), not against their own mean.
    """

    mean: Float64
    k: Float64
    known: Float64
    conditioned: bool
    relative: bool = False
    alike: float = 0.0
    mean_k: Float64 | None = None

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
        known = self.known if self.mean_k is None else self.known / (1.0 + self.known * self.mean_k)
        return np.asarray(1.0 + sums / known.sum(axis=0)[:, None])

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

    def along(self, rank: NDArray[np.intp]) -> Expected:
        """The same with the places in the order of ``rank``."""
        return replace(self, mean=self.mean[rank], known=self.known[rank])

    def draw(self, rng: np.random.Generator) -> Counts:
        """Counts (places, streams, periods) as chance would have them."""
        mean = self.mean
        if np.isfinite(self.known).all():  # the means themselves may be wrong
            mean = mean * (rng.standard_gamma(self.known) / self.known)[:, :, None]
        if self.mean_k is not None and (self.mean_k > 0.0).any():
            mean = mean * self._wobbles(rng, self.mean_k, 1)
        if (self.k > 0.0).any():
            mean = mean * self._wobbles(rng, self.k, mean.shape[2])
        return self._shared(mean, rng) if self.conditioned else rng.poisson(mean)

    def _wobbles(self, rng: np.random.Generator, k: Float64, periods: int) -> Float64:
        """(places, streams, periods) gamma factors of mean 1 and variance k (streams,), in common as far as alike."""
        places = len(self.mean)
        wobbles = np.ones((places, len(k), periods))
        common = rng.standard_normal((places, periods)) if self.alike > 0.0 else 0.0
        for stream in np.flatnonzero(k > 0.0).tolist():
            spread = k[stream]
            if self.alike <= 0.0:
                wobbles[:, stream] = rng.standard_gamma(1.0 / spread, (places, periods)) * spread
                continue
            own = rng.standard_normal((places, periods))
            z = np.sqrt(self.alike) * common + np.sqrt(1.0 - self.alike) * own
            root = np.maximum(1.0 - spread / 9.0 + z * np.sqrt(spread) / 3.0, 0.0)  # Wilson and Hilferty 1931
            wobbles[:, stream] = root**3
        return wobbles

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


def given(baseline: Float64, k: Float64 | None = None, past: Counts | None = None) -> Expected:
    """Means (places, streams, periods) as given, of independent Poisson counts.

    Unless ``k`` (streams,) says more, or the ``past`` (places, streams, periods) does, if there is one.
    """
    places, streams, _ = baseline.shape
    before = np.zeros((places, streams, 0)) if past is None else past
    k = dispersion(before) if k is None else k
    known = np.full((places, streams), np.inf)
    return Expected(baseline, k, known, conditioned=False, alike=alike(before, k))


def by_weight(past: Counts, window: Counts, weight: Float64, k: Float64 | None = None) -> Expected:
    """The totals of each stream and period in proportion to ``weight`` (places,), such as the population.

    Overdispersion is that of the past, or where this is short of the window itself.
    """
    mean = (weight / weight.sum())[:, None, None] * window.sum(axis=0).astype(np.float64)
    before = past if past.shape[2] >= LEAST else window
    k = dispersion(before) if k is None else k
    return Expected(mean, k, np.full(window.shape[:2], np.inf), conditioned=True, alike=alike(before, k))


def by_past(past: Counts, window: Counts, k: Float64 | None = None) -> Expected:
    """The totals of each stream and period shared out as they were in the ``past`` (places, streams, periods).

    A place where a stream was little seen leans on the other streams, as far as these tell (``shares.learned``).
    """
    known = learned(past.sum(axis=2).astype(np.float64))
    mean = (known / known.sum(axis=0))[:, :, None] * window.sum(axis=0).astype(np.float64)
    k = dispersion(past) if k is None else k
    totals = past.sum(axis=0).astype(np.float64)
    periods = np.maximum(totals.sum(axis=1) ** 2 / np.maximum((totals**2).sum(axis=1), 1.0), 1.0)
    return Expected(mean, k, known, conditioned=True, alike=alike(past, k), mean_k=k / periods)


def by_margins(window: Counts, k: Float64 | None = None) -> Expected:
    """Without a past: place and period are independent (the space-time permutation model, Kulldorff et al. 2005)."""
    mean = np.moveaxis(margins(np.moveaxis(np.asarray(window, np.float64), 1, 0)), 0, 1)
    k = dispersion(window) if k is None else k
    return Expected(mean, k, np.full(window.shape[:2], np.inf), conditioned=True, alike=alike(window, k))
