"""Registered places that warnings reach: construction sites, schools, scenic spots, each with somebody who answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

from geo.fence import circle
from geo.repair import repair
from models.values import Area, Text

Float64 = NDArray[np.float64]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A registered place, WGS-84, and who answers for it; ``route`` is how they are reached (notifications.yaml)."""

    id: str
    kind: str  # construction-site, school, scenic-spot …
    name: Text
    lon: float
    lat: float
    contact: str = ""
    phone: str = ""
    route: str = "journal"


@dataclass(frozen=True, eq=False)
class Sites:
    """All places of a city; ``shapes`` are its zones by id and by code, for areas that are told by code."""

    sites: tuple[Site, ...] = ()
    shapes: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sites)

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each place by its id."""
        return {site.id: row for row, site in enumerate(self.sites)}

    @cached_property
    def _xy(self) -> tuple[Float64, Float64]:
        """Lon and lat, (places,) each."""
        lon, lat = np.array([(site.lon, site.lat) for site in self.sites], np.float64).reshape(-1, 2).T
        return lon, lat

    def inside(self, areas: Iterable[Area]) -> tuple[list[int], list[str]]:
        """The rows of the places within any of ``areas``, borders included; and the codes that name no zone here."""
        shapes, unknown = self._shapes(areas)
        if not shapes or not len(self):
            return [], unknown
        whole = shapely.union_all(shapes)
        shapely.prepare(whole)
        lon, lat = self._xy
        return np.flatnonzero(shapely.intersects_xy(whole, lon, lat)).tolist(), unknown

    def _shapes(self, areas: Iterable[Area]) -> tuple[list[Any], list[str]]:
        shapes: list[Any] = []
        unknown: list[str] = []
        for area in areas:
            shapes += [shape for ring in area.polygons if (shape := _polygon(ring)) is not None]
            shapes += [circle(lon, lat, metres) for lon, lat, metres in area.circles if metres > 0]
            for code in area.codes:
                zones = self._coded(code)
                shapes += zones
                unknown += [code] * (not zones)
        return shapes, unknown

    def _coded(self, code: str) -> list[Any]:
        """The zones that a code means: ``[scheme:]value``, a zone's id or its GB/T 2260 code.

        A code of a whole city or province (ending in 00 or 0000) means all districts that begin like it.
        """
        value = code.rpartition(":")[2].strip()
        if value in self.shapes:
            return [self.shapes[value]]
        if len(value) == 6 and value.isdigit() and value.endswith("00"):
            start = value[:2] if value.endswith("0000") else value[:4]
            return [shape for name, shape in self.shapes.items() if name.isdigit() and name.startswith(start)]
        return []


def _polygon(ring: Sequence[tuple[float, float]]) -> Any | None:
    """The polygon of a ring of (lon, lat); a ring that crosses itself is repaired, one of a line is nothing."""
    if len(set(ring)) < 3:
        return None
    shape, _ = repair("polygon", shapely.Polygon(ring))
    return shape
