"""Time to line: in how many minutes a line will be crossed, and how surely, from any forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def time_to_line(minutes: Floats, middle: Floats, deviation: Floats, line: Floats) -> tuple[Floats, Floats]:
    """Minutes until the ``line`` (n,) is crossed upwards, and the probability that it is within the hour, (n,) each.

    ``middle`` and ``deviation`` (n, k) are what is expected at ``minutes`` (k,) ahead, the first being 0, now. The
    minutes are those after which crossing is likelier than not, on straight lines between the points; NaN where that
    is not within the last point. The probability is the largest over the points, so a little low: a path may cross
    between them and fall back. Over the line already: 0 minutes, probability 1. NaN where now is not known; points
    that are not known are passed over.
    """
    over = middle >= line[:, None]
    first = np.argmax(over, axis=1)
    reached = over.any(axis=1)
    rows = np.arange(len(line))
    before = np.maximum(first - 1, 0)
    for _ in range(middle.shape[1]):  # back over the points that are not known
        gap = np.isnan(middle[rows, before]) & (before > 0)
        if not gap.any():
            break
        before = np.where(gap, before - 1, before)
    low, high = middle[rows, before], middle[rows, first]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, (line - low) / (high - low), 0.0)
        z = (middle - line[:, None]) / np.maximum(deviation, 1.0e-12)
    when = minutes[before] + np.clip(share, 0.0, 1.0) * (minutes[first] - minutes[before])
    chance = np.where(np.isnan(z), 0.0, ndtr(z))
    now = middle[:, 0]
    passed = now >= line
    known = np.isfinite(now) & np.isfinite(line)
    out = np.where(reached, np.where(passed, 0.0, when), np.nan)
    probability = np.where(passed, 1.0, chance[:, 1:].max(axis=1, initial=0.0))
    return np.where(known, out, np.nan), np.where(known, probability, np.nan)
