"""Places whose numbers make more sense in another coordinate system than the declared one.

A camera that is known to stand on a road but lies in the river, and would stand on the road if its numbers were
GCJ-02, was most likely given in GCJ-02.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.crs import NAMES, Crs, convert, named
from geo.neighbours import Neighbours

LEAST_M = 50.0  # less than this off its place is within what positions are good for
RATIO = 4.0  # how much nearer another system must bring it


@dataclass(frozen=True)
class Misfit:
    """A place declared in one system that another fits better. ``row`` counts from 0 in the given places."""

    row: int
    declared: Crs
    better: Crs
    declared_m: float  # metres from where it should be
    better_m: float


def misfits(lon: Any, lat: Any, crs: Sequence[str], expected: NDArray[np.int32], reference: Neighbours) -> list[Misfit]:
    """The places that lie off their expected zone as declared and much nearer to it in another system.

    ``lon``, ``lat`` (places,) are the numbers as given, in the systems ``crs``; ``expected`` (places,) is the row of
    the zone (a road, a venue, a district) that each is known to be in, -1 where that is not known.
    """
    x, y = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    asked = np.flatnonzero((expected >= 0) & np.isfinite(x) & np.isfinite(y) & (np.abs(y) <= 90) & (np.abs(x) <= 180))
    away = {name: _metres(x[asked], y[asked], name, expected[asked], reference) for name in NAMES}
    found = []
    for at, row in enumerate(asked.tolist()):
        declared = named(crs[row])
        better = min(NAMES, key=lambda name: float(away[name][at]))
        off, less = float(away[declared][at]), float(away[better][at])
        if off >= LEAST_M and less * RATIO <= off:
            found.append(Misfit(row, declared, better, off, less))
    return found


def told(found: Sequence[Misfit], names: Sequence[str], limit: int = 3) -> list[str]:
    """One line for each pair of systems: how many places, and the first of them by ``names``."""
    lines = []
    for (declared, better), count in Counter((one.declared, one.better) for one in found).most_common():
        first = [one for one in found if (one.declared, one.better) == (declared, better)][:limit]
        shown = ", ".join(f"{names[one.row]} ({one.declared_m:.0f} m off, {one.better_m:.0f} m)" for one in first)
        lines.append(f"{count} places declared {declared} fit {better} much better: {shown}")
    return lines


def _metres(
    lon: NDArray[np.float64], lat: NDArray[np.float64], crs: Crs, zone: NDArray[np.int32], reference: Neighbours
) -> NDArray[np.float64]:
    """(places,) metres from each place, read in ``crs``, to its zone."""
    plane = reference.metric.forward(*convert(lon, lat, crs, "wgs84"))
    return np.asarray(shapely.distance(reference.flat[zone], shapely.points(*plane)), np.float64)
