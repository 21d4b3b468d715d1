"""A forecast as all forecasters give it, and the scale that counts are forecast on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HORIZONS_MIN: Final = (15, 30, 60)  # minutes ahead
LEVELS: Final = (0.8, 0.9)  # of the bands
NORMAL: Final = (1.2815515655446004, 1.6448536269514722)  # half of such a band of a normal law, in its deviations

PROFILE: Final = "profile"  # the version without trees


@dataclass(frozen=True, slots=True)
class Forecast:
    """What ``n`` datastreams or zones will show, in their unit; NaN where nothing can be said.

    ``middle`` (n, horizons) float32 is the median; ``low`` and ``high`` (n, horizons, 2) float32 are the edges of the
    80 % and the 90 % band.
    """

    middle: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def even(value: NDArray[np.float64], counts: bool) -> NDArray[np.float64]:
    """Counts on the scale where their noise is even, √(y + 3/8) (Anscombe, 1948); levels as they are. Any shape."""
    return np.asarray(np.sqrt(np.maximum(value, 0.0) + 0.375) if counts else value, np.float64)


def plain(x: NDArray[np.float64], counts: bool) -> NDArray[np.float64]:
    """The value that ``even`` put at ``x``; never below 0 for counts."""
    return np.asarray(np.maximum(np.maximum(x, 0.0) ** 2 - 0.375, 0.0) if counts else x, np.float64)
