"""Where people gather: the hubs and towns of a city's ``feed.yaml``, with the shapes of its pack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

from config.city import City
from config.city_layers import Zone
from sensors.simulate.declared import FeedError, read
from sensors.simulate.rhythm import PROFILES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
METRES_A_DEGREE: Final = 111_195.0


class Scripted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An incident of the demo: so long after the start, of this kind, at a venue, district or gateway.

    ``factor`` and ``radius_m`` where it is larger or smaller than its kind.
    """

    at: str
    kind: str
    place: str
    factor: Annotated[float, msgspec.Meta(gt=0)] | None = None
    radius_m: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Rounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The incidents after the scripted ones: kinds by turns, one ``every`` so often."""

    from_: str
    every: str
    kinds: tuple[str, ...]


class _Hub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    venue: str
    rhythm: str
    cameras: int
    gates: int
    boost: float


class Town(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The built-up middle of a district: residents (10,000), middle and spread of the buildings.

    ``built``: the share of the cameras in the town; the rest stands in the countryside of the district.
    """

    district: str
    residents: float
    lon: float
    lat: float
    spread_m: float
    built: float


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``feed.yaml`` of a simulated city as written."""

    seed: int
    incidents: tuple[Scripted, ...]
    rounds: Rounds
    hubs: tuple[_Hub, ...]
    towns: tuple[Town, ...]


@dataclass(frozen=True, eq=False)
class Hub:
    """A venue that draws people: its shape, middle and radius (of the circle with its area), and its rhythm."""

    zone: Zone
    lon: float
    lat: float
    radius_m: float
    profile: int
    cameras: int
    gates: int
    boost: float


@dataclass(frozen=True, eq=False)
class Places:
    """The places of one city; ``districts`` by id. ``centre``: lon/lat where the rings of the city meet."""

    seed: int
    hubs: tuple[Hub, ...]
    towns: tuple[Town, ...]
    districts: dict[str, Zone]
    centre: tuple[float, float]
    incidents: tuple[Scripted, ...]
    rounds: Rounds

    def nearest_hub(self, lon: Floats, lat: Floats) -> tuple[Ints, Floats]:
        """For each point: the nearest hub by its middle, and the distance in radii of that hub; -1 beyond 1.3."""
        hub = np.full(len(lon), -1, np.int64)
        radii = np.full(len(lon), 1.3)
        for number, place in enumerate(self.hubs):
            apart = metres_between(lon, lat, place.lon, place.lat) / place.radius_m
            nearer = apart < radii
            hub[nearer] = number
            radii[nearer] = apart[nearer]
        return hub, radii


def metres_between(lon: Floats, lat: Floats, lon0: float, lat0: float) -> Floats:
    """Distances to one point in metres, on a plane: right to 0.1 % within the city."""
    east = (lon - lon0) * np.cos(np.radians(lat0)) * METRES_A_DEGREE
    return np.asarray(np.hypot(east, (lat - lat0) * METRES_A_DEGREE))


def places(city: City) -> Places:
    """The places of ``city``; raises ``FeedError`` when ``feed.yaml`` names what its pack does not have."""
    path = city.folder / "feed.yaml"
    written = read(path, _File)
    zones = {zone.id: zone for zone in city.zones}
    for key, names in (
        ("hubs.venue", [hub.venue for hub in written.hubs]),
        ("towns.district", [town.district for town in written.towns]),
    ):
        unknown = [name for name in names if name not in zones]
        if unknown:
            raise FeedError(f"{path}: {key}: the city has no zone {', '.join(unknown)}")
    return Places(
        seed=written.seed,
        hubs=tuple(_hub(path, hub, zones[hub.venue]) for hub in written.hubs),
        towns=written.towns,
        districts={zone.id: zone for zone in city.districts},
        centre=city.view.centre,
        incidents=written.incidents,
        rounds=written.rounds,
    )


def _hub(path: Path, written: _Hub, zone: Zone) -> Hub:
    if written.rhythm not in PROFILES:
        raise FeedError(f"{path}: hubs.rhythm: {written.rhythm!r} is unknown; use one of {', '.join(PROFILES)}")
    middle = shapely.centroid(zone.polygon)
    square_m = _area_m2(zone.polygon, float(middle.y))
    return Hub(
        zone,
        float(middle.x),
        float(middle.y),
        float(np.sqrt(square_m / np.pi)),
        PROFILES.index(written.rhythm),
        written.cameras,
        written.gates,
        written.boost,
    )


def _area_m2(polygon: Any, lat: float) -> float:
    return float(shapely.area(polygon)) * METRES_A_DEGREE**2 * float(np.cos(np.radians(lat)))
