"""From what is declared about a city to what its events are judged by (models/event_engine.py)."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from config import places, services
from config.city import City
from config.event_detectors import SpaceTimeScan
from config.pack import milliseconds
from config.services import Service
from config.site import Site
from geo.distance import great_circle_m
from geo.patches import patches
from models.appeals import Department, Subject
from models.emerging import Ground
from models.event_engine import EventEngine, Setup
from models.layout import Place
from models.scan.circles import circles
from models.scan.prospective import Settings
from models.values import Text

SCAN = "space-time-scan"
MOST = 5  # clusters of each category that one scan tells
LATTICE = 80  # points along each side of a city without assets
READY = 36  # periods that must have passed before the first scan
NEAR_M = 1_500.0  # a patch is called by a venue so near


def engine(site: Site) -> EventEngine:
    """A new engine for the events of ``site``, nothing seen."""
    return EventEngine(setup(site))


def setup(site: Site) -> Setup:
    """What the events of ``site`` are judged by; raises ``ServicesError`` or ``CityError`` where files are off."""
    declared = services.load(site.city.folder)
    departments = tuple(dict.fromkeys(one.department for one in declared))
    streams = tuple(dict.fromkeys(one.group for one in declared))
    lon, lat = site.city.view.centre
    return Setup(
        rules=tuple(rule for pack in site.packs for rule in pack.rules if rule.reads == "events"),
        subjects=tuple(_subject(one, departments, streams) for one in declared),
        departments=tuple(Department(f"department-{_slug(name.en)}", name) for name in departments),
        streams=streams,
        ground=ground(site, len(streams)) if declared else None,
        sites=places.load(site.city, site.settings.home),
        calendar=site.city.calendar,
        centre=Place(site.city.id, site.city.name, lon, lat, ""),
    )


def ground(site: Site, streams: int) -> Ground | None:
    """Where appeals are scanned, by the pack that declares it: small patches where the city is dense; None: nowhere.

    Density is that of the city's assets; a city without any is cut evenly.
    """
    found = next((source for pack in site.packs for source in pack.events if source.detector == SCAN), None)
    where = site.register.frame.unique("asset", keep="first", maintain_order=True).select("lon", "lat").to_numpy()
    if found is None:
        return None
    where = where if len(where) else _lattice(site.city)
    known = found.parameters
    assert isinstance(known, SpaceTimeScan)  # as config/event_detectors.py declares it
    period_ms = milliseconds(known.period)
    names, middles = patches(where[:, 0], where[:, 1], known.places)
    settings = Settings(durations=known.durations, history=milliseconds(known.history) // period_ms, most=MOST)
    settings = replace(settings, ready=min(READY, settings.history))
    named = [_patch(site.city, name, lon, lat) for name, (lon, lat) in zip(names, middles.tolist(), strict=True)]
    drawn = circles(middles, known.neighbours, "great-circle")
    return Ground(named, drawn, period_ms, streams, settings, known.p)


def _lattice(city: City) -> NDArray[np.float64]:
    """Points (n, 2) spread evenly over the districts."""
    west, south, east, north = city.view.whole.west, city.view.whole.south, city.view.whole.east, city.view.whole.north
    lon, lat = (
        axis.ravel() for axis in np.meshgrid(np.linspace(west, east, LATTICE), np.linspace(south, north, LATTICE))
    )
    inside = np.logical_or.reduce([shapely.contains_xy(zone.polygon, lon, lat) for zone in city.districts])
    return np.column_stack([lon[inside], lat[inside]])


def _subject(one: Service, departments: tuple[Text, ...], streams: tuple[Text, ...]) -> Subject:
    return Subject(one.code, one.name, departments.index(one.department), one.answer_within, streams.index(one.group))


def _patch(city: City, name: str, lon: float, lat: float) -> Place:
    """A patch as a place: called by the venue that is near, else by its district and where it is."""
    district = next((zone for zone in city.districts if shapely.contains_xy(zone.polygon, lon, lat)), None)
    venues = [zone for zone in city.zones if zone.kind in ("venue", "station")]
    apart = [float(great_circle_m(lon, lat, zone.lon, zone.lat)) for zone in venues]
    nearest = min(range(len(venues)), key=apart.__getitem__, default=None)
    if nearest is not None and apart[nearest] <= NEAR_M:
        called = venues[nearest].name
    else:
        near = district.name if district else city.name
        called = Text(en=f"{near.en} {lat:.3f}, {lon:.3f}", zh=f"{near.zh}（{lat:.3f}, {lon:.3f}）")
    return Place(name, called, lon, lat, district.id if district else "")


def _slug(name: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
