"""Repair of zone polygons: what is wrong with a shape, what was done, and what cannot be saved.

Nothing is dropped silently: every change and every refusal is a ``Repair`` in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True)
class Repair:
    """What was found at one zone: ``lost`` is the share of its area that the repair changed; 1 = refused."""

    id: str
    found: str
    lost: float

    @property
    def refused(self) -> bool:
        """Whether the shape could not be used at all."""
        return self.lost >= 1.0


def repaired(ids: Sequence[str], shapes: Sequence[Any]) -> tuple[NDArray[np.object_], list[Repair]]:
    """Valid polygons for ``shapes`` (None where refused), and a report of all that was not valid as given."""
    good = np.full(len(ids), None, object)
    report: list[Repair] = []
    for row, (name, shape) in enumerate(zip(ids, shapes, strict=True)):
        good[row], note = repair(name, shape)
        if note is not None:
            report.append(note)
    return good, report


def repair(name: str, shape: Any) -> tuple[Any, Repair | None]:
    """The shape as a valid polygon or multi-polygon, or None; and what was wrong, or None."""
    refusal = _refusal(shape)
    if refusal:
        return None, Repair(name, refusal, 1.0)
    if shapely.is_valid(shape):
        return shape, None
    why = str(shapely.is_valid_reason(shape))
    mended = polygons_of(shapely.make_valid(shape, method="structure", keep_collapsed=False))
    if shapely.is_empty(mended):
        return None, Repair(name, f"{why}; no area is left after repair", 1.0)
    before, after = _area_as_drawn(shape), float(shapely.area(mended))
    lost = min(abs(before - after) / before, 0.99) if before > 0 else 0.0
    return mended, Repair(name, f"{why}; repaired", lost)


def polygons_of(shape: Any) -> Any:
    """The polygonal part of ``shape``: lines and points that a repair leaves over have no area."""
    if shapely.get_type_id(shape) in POLYGONAL:
        return shape
    parts = [part for part in shapely.get_parts(shape) if shapely.get_type_id(part) in POLYGONAL]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _refusal(shape: Any) -> str:
    """Why the shape cannot be a zone at all; empty when it can."""
    if shape is None or shapely.is_empty(shape):
        return "empty polygon; draw its ring or remove the zone"
    if shapely.get_type_id(shape) not in POLYGONAL:
        return f"{shape.geom_type} is no area; use a Polygon or MultiPolygon"
    xy = shapely.get_coordinates(shape)
    if not np.isfinite(xy).all():
        return "a coordinate is not a finite number"
    worst = float(np.abs(xy[:, 1]).max())
    if worst > 90:
        return f"latitude {worst:g} is outside -90..90; are lon and lat swapped?"
    if float(np.abs(xy[:, 0]).max()) > 180:
        return f"longitude {float(np.abs(xy[:, 0]).max()):g} is outside -180..180; zones are lon/lat in degrees"
    return ""


def _area_as_drawn(shape: Any) -> float:
    """The rings' own areas, outer less holes, as the author drew them."""
    total = 0.0
    for part in shapely.get_parts(shape):
        rings = [shapely.Polygon(ring) for ring in shapely.get_rings(part)]
        total += float(rings[0].area) - sum(float(hole.area) for hole in rings[1:])
    return total
