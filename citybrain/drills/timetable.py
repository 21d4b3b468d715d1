"""From a drill's injections to what happens in the simulated city, and to the truth that detection is graded by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from config.city import City as Pack
from config.drills import (
    AppealsBurst,
    CapWarning,
    Change,
    Drill,
    DrillError,
    GatewaySilent,
    PondRising,
    StuckSensors,
    Surge,
    span_ms,
    start_ms,
)
from config.pack import milliseconds
from config.register import Register
from geo.distance import great_circle_m
from models.grading import Happening
from models.values import Text
from sensors.simulate.chengdu import City
from sensors.simulate.incidents import Incident
from sensors.simulate.injected import Changed, Overlay, Silent, Stuck, near
from sensors.simulate.places import Places

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Where:
    """A place of a drill: its middle, and the district it lies in."""

    id: str
    name: Text
    lon: float
    lat: float
    district: str


def where(name: str, pack: Pack, register: Register) -> Where:
    """The zone or asset ``name``; raises ``DrillError`` where the register has no such asset."""
    row = pack.index.get(name)
    if row is not None:
        zone = pack.zones[row]
        return Where(zone.id, zone.name, zone.lon, zone.lat, zone.id if zone.kind == "district" else zone.district)
    found = register.frame.filter(asset=name)
    if not found.height:
        raise DrillError(f"place: {name!r} is neither a zone of {pack.id} nor an asset of its register")
    one = found.row(0, named=True)
    return Where(name, Text(one["name_en"], one["name_zh"]), one["lon"], one["lat"], one["district"])


def middle(place: Where, places: Places) -> tuple[float, float]:
    """Where something at the place happens: of a district its town, where people and water are."""
    town = next((town for town in places.towns if town.district == place.id), None)
    return (place.lon, place.lat) if town is None else (town.lon, town.lat)


def districts(drill: Drill, pack: Pack, register: Register) -> frozenset[str]:
    """The districts that the drill touches."""
    names = [
        one.place for one in drill.inject if isinstance(one, Surge | StuckSensors | PondRising | Change | AppealsBurst)
    ]
    names += [one.place for one in drill.expect if one.place]
    return frozenset(where(name, pack, register).district for name in names)


@dataclass(frozen=True)
class Happens:
    """What the injections become: incidents of the city, overlays on its sensors, and the truth of all of them."""

    incidents: tuple[Incident, ...]
    overlays: tuple[Overlay, ...]
    truth: tuple[Happening, ...]


def happens(drill: Drill, pack: Pack, city: City, gateways: Sequence[str], begin_ms: int) -> Happens:
    """The injections from ``begin_ms`` on; raises ``DrillError`` for one into sensors that reaches none."""
    incidents: list[Incident] = []
    overlays: list[Overlay] = []
    truth: list[Happening] = []
    for one in drill.inject:
        start = begin_ms + start_ms(one)
        end = start + span_ms(one)
        match one:
            case Surge() | PondRising():
                incident = _incident(one, pack, city, start)
                if not (city.reach(incident) > 0).any():
                    raise DrillError(f"inject {one.name}: no sensor within {one.radius_m:g} m of {one.place}")
                incidents.append(incident)
                truth.append(_happened(one, pack, start, end, incident.lon, incident.lat))
            case GatewaySilent():
                if one.gateway > len(gateways):
                    raise DrillError(
                        f"inject {one.name}: gateway: {one.gateway} is none; there are 1 to {len(gateways)}"
                    )
                assert city.gateway is not None  # a drill's city has them
                overlays.append(Silent(np.flatnonzero(city.gateway == one.gateway - 1), start, end))
                name = gateways[one.gateway - 1]
                truth.append(
                    Happening(kind="gateway-silent", place=name, start=start, end=end, lon=0, lat=0, gateway=name)
                )
            case StuckSensors() | Change():
                rows, lon, lat = _reached(one, pack, city)
                overlays.append(_overlay(one, rows, start, end))
                truth.append(_happened(one, pack, start, end, lon, lat))
            case CapWarning():
                truth.append(_warned(one, pack, start, end))
            case AppealsBurst():
                place = where(one.place, pack, city.register)
                truth.append(
                    Happening(
                        kind="appeals-burst", place=one.place, start=start, end=end, lon=place.lon, lat=place.lat,
                        radius_m=one.radius_m,
                    )
                )  # fmt: skip
    return Happens(tuple(incidents), tuple(overlays), tuple(truth))


def _incident(one: Surge | PondRising, pack: Pack, city: City, start: int) -> Incident:
    place = where(one.place, pack, city.register)
    lon, lat = middle(place, city.places)
    surge = isinstance(one, Surge)
    return Incident(
        kind="venue-surge" if surge else "ponding",
        place=one.place,
        name_en=place.name.en,
        name_zh=place.name.zh,
        lon=lon,
        lat=lat,
        radius_m=one.radius_m,
        start_ms=start,
        ramp_s=milliseconds(one.ramp) / 1000,
        duration_s=span_ms(one) / 1000,
        factor=one.factor if isinstance(one, Surge) else one.metres,
    )


def _reached(one: StuckSensors | Change, pack: Pack, city: City) -> tuple[Rows, float, float]:
    """The datastreams within reach, and the middle of it; the asset itself where the place is one."""
    place = where(one.place, pack, city.register)
    lon, lat = middle(place, city.places)
    frame = city.register.frame
    hit = near(city, lon, lat, one.radius_m)
    if place.id not in pack.index:
        hit = (frame["asset"] == place.id).to_numpy()
    if isinstance(one, Change):
        hit &= (frame["property"] == one.property).to_numpy()
        if one.kinds:
            hit &= frame["kind"].is_in(one.kinds).to_numpy()
    rows = np.flatnonzero(hit)
    if not len(rows):
        what = f" of {one.property}" if isinstance(one, Change) else ""
        raise DrillError(f"inject {one.name}: no sensor{what} within {one.radius_m:g} m of {one.place}; raise radius_m")
    return rows, lon, lat


def _overlay(one: StuckSensors | Change, rows: Rows, start: int, end: int) -> Overlay:
    if isinstance(one, StuckSensors):
        return Stuck(rows, start, end)
    base = float("nan") if one.base is None else one.base
    ramp_s = milliseconds(one.ramp) / 1000
    if one.to is not None:
        return Changed(rows, start, end, "to", one.to, ramp_s, base)
    if one.plus is not None:
        return Changed(rows, start, end, "plus", one.plus, ramp_s, base)
    assert one.times is not None  # one of the three; config/drills.py checks
    return Changed(rows, start, end, "times", one.times, ramp_s, base)


def _warned(one: CapWarning, pack: Pack, start: int, end: int) -> Happening:
    """A warning as the truth: its alert stands among the places inside, so anywhere in the circle around its areas."""
    zones = [pack.zones[pack.index[name]] for name in one.areas]
    middle = shapely.union_all([zone.polygon for zone in zones]).centroid
    corners = shapely.get_coordinates([zone.polygon for zone in zones])
    reach = great_circle_m(corners[:, 0], corners[:, 1], middle.x, middle.y).max()
    return Happening(
        kind="warning", place=one.areas[0], start=start, end=end, lon=middle.x, lat=middle.y, radius_m=float(reach),
        inside=one.areas,
    )  # fmt: skip


def _happened(
    one: Surge | PondRising | StuckSensors | Change, pack: Pack, start: int, end: int, lon: float, lat: float
) -> Happening:
    """What is injected as the truth that detection is graded by."""
    holding = pack.geo.tree.query(shapely.Point(lon, lat), predicate="intersects")
    return Happening(
        kind=str(type(one).__struct_config__.tag),
        place=one.place,
        start=start,
        end=end,
        lon=lon,
        lat=lat,
        radius_m=one.radius_m,
        properties=(one.property,) if isinstance(one, Change) else (),
        inside=tuple(pack.geo.ids[row] for row in holding),
    )
