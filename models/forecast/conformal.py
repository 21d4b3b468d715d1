"""Bands that cover what they say: each edge moves away after a miss and back while there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.forecast.values import LEVELS

ADAPT: Final = 0.05  # how far an edge moves after a miss, in the unit of the scores
MOST: Final = 12.0  # an edge is moved by at most so much

Edges = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Adapter:
    """Adaptive conformal inference by tracking the quantile of each edge.

    ``below`` and ``above`` (n, horizons, levels) say how far the low edges are put down and the high ones up, in the
    unit of the scores (here: deviations of the profile's forecast). After each outcome x an edge moves by

        below += η · (1{x < low} - α/2),     above += η · (1{x > high} - α/2)

    so that over time each edge is missed α/2 of the time whatever the trees or the city do (Gibbs and Candès, 2021;
    the quantile tracker of conformal PID control, Angelopoulos, Candès and Tibshirani, 2023).
    """

    below: Edges
    above: Edges

    def edges(self, low: Edges, middle: NDArray[np.float64], high: Edges) -> tuple[Edges, Edges]:
        """The moved edges (n, horizons, levels); they never cross ``middle`` (n, horizons)."""
        return np.minimum(low - self.below, middle[..., None]), np.maximum(high + self.above, middle[..., None])

    def after(self, low: Edges, high: Edges, x: NDArray[np.float64]) -> Adapter:
        """The adapter after the outcomes ``x`` (n, horizons) of bands that ``edges`` gave; NaN changes nothing."""
        known = np.isfinite(x)[..., None] & np.isfinite(low) & np.isfinite(high)
        miss = (1.0 - np.array(LEVELS)) / 2.0
        below = self.below + np.where(known, ADAPT * ((x[..., None] < low) - miss), 0.0)
        above = self.above + np.where(known, ADAPT * ((x[..., None] > high) - miss), 0.0)
        return Adapter(np.clip(below, -MOST, MOST), np.clip(above, -MOST, MOST))


def start(n: int, horizons: int) -> Adapter:
    """An adapter that moves nothing yet."""
    shape = (n, horizons, len(LEVELS))
    return Adapter(np.zeros(shape), np.zeros(shape))
