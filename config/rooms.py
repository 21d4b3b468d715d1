"""From what is declared about a city to what its room works by (models/room.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import polars as pl
import shapely
from scipy.spatial import cKDTree

from config import notifications, places, roster, units
from config.city import City
from config.duty_files import own_or_common
from config.plans import Plans
from config.register import Register
from config.site import Site
from models.grouping import METRES_A_DEGREE, Ground
from models.room import Setup
from models.values import Detection

CAMERAS, CAMERAS_M = 4, 400.0  # so many cameras of an incident, at most so far away
REMEMBERED = 20_000  # places whose zones are remembered


def setup(site: Site) -> Setup:
    """What the room of ``site`` works by; raises ``DutyError`` or ``CityError`` when roster, routes or places are off.

    A response plan that is refused stops nothing: it is told when the plans are read again.
    """
    folder = site.city.folder
    ways = notifications.load(folder) if own_or_common(folder, notifications.FILE).exists() else {}
    has_roster = own_or_common(folder, roster.FILE).exists()
    return Setup(
        demands={(pack.name, rule): demands for pack in site.packs for rule, demands in pack.demands},
        inhibitions=tuple(one for pack in site.packs for one in pack.inhibitions),
        groupings={pack.name: pack.grouping for pack in site.packs},
        ground=ground(site.city, site.register),
        roster=roster.load(folder, frozenset(ways)) if has_roster else None,
        routes=tuple(way.route for way in ways.values()),
        calendar=site.city.calendar,
        units=units.of_city(site.city),
        tables=Plans.of_city(site.city, site.packs, site.settings.state / "plans"),
        sites=places.load(site.city, site.settings.home),
        rules=frozenset((rule.pack, rule.name) for pack in site.packs for rule in pack.rules),
    )


def ground(city: City, register: Register) -> Ground:
    """How places lie in one another, and where cameras are."""
    wide = frozenset({city.id, *(zone.id for zone in city.districts)})
    return Ground(within=_within(city), wide=wide, cameras=_cameras(city, register))


def _within(city: City) -> Callable[[Detection], frozenset[str]]:
    """The zones that a place lies in: of an asset by its position, of a zone those larger ones that hold its label."""
    area = dict(zip(city.geo.ids, city.geo.area_m2.tolist(), strict=True))

    def holding(lon: float, lat: float) -> frozenset[str]:
        rows = city.geo.tree.query(shapely.Point(lon, lat), predicate="intersects")
        return frozenset(city.geo.ids[row] for row in rows)

    @lru_cache(REMEMBERED)
    def of(place: str, lon: float, lat: float) -> frozenset[str]:
        if place == city.id:
            return frozenset({city.id})
        own = area.get(place)
        zones = holding(lon, lat)
        larger = zones if own is None else {zone for zone in zones if area[zone] >= own}
        return frozenset({place, city.id, *larger})

    return lambda detection: of(detection.place, detection.lon, detection.lat)


def _cameras(city: City, register: Register) -> Callable[[float, float], tuple[str, ...]]:
    """The cameras that are nearest to a position, the nearest first."""
    cameras = register.frame.filter(pl.col("kind") == "camera").unique("asset", keep="first", maintain_order=True)
    if not len(cameras):
        return lambda lon, lat: ()
    names = cameras["asset"]
    scale = METRES_A_DEGREE * np.array([np.cos(np.radians(city.view.centre[1])), 1.0])
    tree = cKDTree(cameras.select("lon", "lat").to_numpy() * scale)

    def near(lon: float, lat: float) -> tuple[str, ...]:
        _, rows = tree.query(np.array([lon, lat]) * scale, k=CAMERAS, distance_upper_bound=CAMERAS_M)
        return tuple(names[int(row)] for row in np.atleast_1d(rows) if row < len(names))

    return near
