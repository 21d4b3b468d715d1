"""A city as declared in its pack, ``config/cities/<city>/``: time, shards, view, zones, depots.

A new city is a folder with a ``city.yaml`` and the files it names; docs/cities.md lists every key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
import polars as pl
import yaml

from config.city_assets import read_assets
from config.city_calendar import CalendarError, calendar
from config.city_layers import CityError, Line, Zone, number, read_layer, read_lines, read_rows
from config.pack import Name, PlanKey
from config.plan_shape import Declared
from config.settings import Settings
from geo.crs import Crs, CrsError, Metric, convert
from geo.repair import Repair
from geo.zones import Zones, zones
from models.calendar import Calendar
from models.values import Text

__all__ = ["Box", "City", "CityError", "Depot", "View", "Zone", "cities", "duration_ms", "folders", "load", "read"]

FOLDER = Path(__file__).parent / "cities"
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rectangle in WGS-84 degrees."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, lon: Any, lat: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which points lie in it, edges included."""
        x, y = np.asarray(lon), np.asarray(lat)
        return np.asarray((x >= self.west) & (x <= self.east) & (y >= self.south) & (y <= self.north))


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the wall shows: the ``core`` of the city by default, the ``whole`` when it zooms out."""

    centre: tuple[float, float]  # lon/lat
    core: Box
    whole: Box


@dataclass(frozen=True)
class Depot:
    """Where units wait: ``units`` of one kind with the same skills."""

    id: str
    name: Text
    kind: str  # pump, patrol, ambulance …
    lon: float
    lat: float
    units: int
    skills: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class City:
    """A city pack, loaded and checked. Zones are in a fixed order, districts first: a zone's row is its integer."""

    id: str
    folder: Path
    name: Text
    language: Literal["zh", "en"]  # what its people read: which name of a zone comes first
    timezone: str
    calendar: Calendar
    metric: Metric
    shards: int
    tick_ms: int
    lateness_ms: int
    view: View
    zones: tuple[Zone, ...]
    depots: tuple[Depot, ...]
    repairs: tuple[Repair, ...]  # what was wrong with zones as given; for `citybrain doctor`
    asset_file: Path | None = None
    asset_crs: Crs = "wgs84"
    place_file: Path | None = None  # registered places that warnings reach (config/places.py)
    place_crs: Crs = "wgs84"
    plans: tuple[Declared, ...] = ()  # response plans of its own; they come before the packs' (config/plans.py)
    lines: tuple[Line, ...] = ()  # roads, rivers and railways, drawn on the map and used for nothing else

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each zone id."""
        return {zone.id: row for row, zone in enumerate(self.zones)}

    @property
    def districts(self) -> tuple[Zone, ...]:
        """The zones of kind district, which together are the city."""
        return tuple(zone for zone in self.zones if zone.kind == "district")

    @cached_property
    def geo(self) -> Zones:
        """The zones as geometry; rows as in ``zones``."""
        shapes = [zone.polygon for zone in self.zones]
        return zones([zone.id for zone in self.zones], shapes, [zone.kind == "district" for zone in self.zones])

    def assets(self) -> pl.DataFrame:
        """The pack's own asset register (docs/cities.md), WGS-84; empty when the pack has none."""
        return read_assets(self.asset_file, self.asset_crs)


def folders() -> list[Path]:
    """Where city packs lie: the folder of ``CITYBRAIN_CITIES`` if set, then the shipped ones."""
    own = Settings().cities
    return [own, FOLDER] if own else [FOLDER]


def cities(folder: Path | None = None) -> list[str]:
    """Ids of the cities that have a pack, in ``folder`` or wherever packs lie."""
    where = folders() if folder is None else [folder]
    return sorted({path.parent.name for one in where for path in one.glob("*/city.yaml")})


def load(name: str, folder: Path | None = None) -> City:
    """The city ``name``; raises ``CityError`` naming file and key of what is missing or wrong."""
    where = folders() if folder is None else [folder]
    for one in where:
        if name in cities(one):
            return read(one / name)
    listed, known = " and ".join(map(str, where)), ", ".join(cities(folder)) or "none"
    raise CityError(f"city {name!r} has no pack in {listed}; there are: {known}")


def read(folder: Path) -> City:
    """The city pack in ``folder``, wherever it lies."""
    path = folder / "city.yaml"
    declared = _read(path)
    metric = _metric(path, declared.metric_epsg)
    found, repairs = _zones(folder, declared, metric)
    try:
        ZoneInfo(declared.timezone)
        days = calendar(declared.timezone, _calendar_file(folder, declared.calendar))
    except (ZoneInfoNotFoundError, ValueError) as error:
        key = "calendar" if isinstance(error, CalendarError) else "timezone"
        raise CityError(f"{path}: {key}: {error}") from error
    return City(
        id=folder.name,
        folder=folder,
        name=declared.name,
        language=declared.language,
        timezone=declared.timezone,
        calendar=days,
        metric=metric,
        shards=declared.shards,
        tick_ms=duration_ms(declared.tick, f"{path}: tick"),
        lateness_ms=duration_ms(declared.lateness, f"{path}: lateness"),
        view=declared.view,
        zones=found,
        depots=_depots(folder, declared.depots),
        repairs=repairs,
        asset_file=folder / declared.assets.file if declared.assets else None,
        asset_crs=declared.assets.crs if declared.assets else "wgs84",
        place_file=folder / declared.places.file if declared.places else None,
        place_crs=declared.places.crs if declared.places else "wgs84",
        plans=_plans(folder, declared.plans, [zone.id for zone in found]),
        lines=tuple(line for one in declared.lines for line in read_lines(folder / one.file, one.crs)),
    )


def _plans(folder: Path, declared: Sequence[_Plan], zones: Sequence[str]) -> tuple[Declared, ...]:
    """The plans as declared; their tables are checked where they are used (config/plans.py)."""
    where = folder / "city.yaml"
    _once(folder, "plans: plan", [one.plan for one in declared])
    for one in declared:
        for place in one.places:
            if place not in zones:
                raise CityError(f"{where}: plans: {one.plan}: place {place!r} is no zone of the city; see its layers")
    return tuple(
        Declared(
            plan=one.plan,
            pack=one.pack,
            path=folder / one.table,
            reads=tuple(one.reads),
            places=one.places,
            calm_ms=duration_ms(one.calm, f"{where}: plans: {one.plan}: calm"),
            margin=one.margin,
        )
        for one in declared
    )


def duration_ms(text: str, key: str) -> int:
    """A duration such as ``250ms``, ``5s``, ``2m``, ``1h`` in milliseconds; above zero."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", text.strip())
    value = round(float(match[1]) * UNITS_MS[match[2]]) if match else 0
    if value <= 0:
        raise CityError(f"{key}: {text!r} is no duration above zero; write it as 250ms, 5s, 2m, 1h or 1d")
    return value


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the pack and the coordinate system its positions are in."""

    file: str
    crs: Crs


class _Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: str
    kind: str
    crs: Crs


class _Plan(PlanKey, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A response plan of the city's own, for incidents of ``pack`` at ``places`` (all, where none is named)."""

    plan: Name
    pack: str
    places: tuple[str, ...] = ()


class _Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``city.yaml`` as written."""

    name: Text
    timezone: str
    metric_epsg: int
    shards: int
    tick: str
    lateness: str
    view: View
    layers: list[_Layer]
    language: Literal["zh", "en"] = "zh"
    calendar: str | None = None
    depots: _File | None = None
    assets: _File | None = None
    places: _File | None = None
    plans: list[_Plan] = []
    lines: list[_File] = []


def _read(path: Path) -> _Pack:
    try:
        pack = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), _Pack)
    except FileNotFoundError as error:
        raise CityError(f"{path}: the file is missing; a city pack begins with it (docs/cities.md)") from error
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise CityError(f"{path}: {error}") from error
    if not 1 <= pack.shards <= 1024:
        raise CityError(f"{path}: shards: {pack.shards} is outside 1..1024")
    for key, box in (("core", pack.view.core), ("whole", pack.view.whole)):
        if not (-180 <= box.west < box.east <= 180 and -90 <= box.south < box.north <= 90):
            raise CityError(f"{path}: view.{key}: {box} is no box in degrees with west < east and south < north")
    return pack


def _metric(path: Path, epsg: int) -> Metric:
    try:
        return Metric(epsg).check()
    except CrsError as error:
        raise CityError(f"{path}: metric_epsg: {error}") from error


def _calendar_file(folder: Path, name: str | None) -> Path | None:
    """A calendar of the pack's own, or the shared one of that name."""
    if name is None:
        return None
    own = folder / f"{name}.yaml"
    return own if own.exists() else FOLDER / "calendars" / f"{name}.yaml"


def _zones(folder: Path, declared: _Pack, metric: Metric) -> tuple[tuple[Zone, ...], tuple[Repair, ...]]:
    found: list[Zone] = []
    report: list[Repair] = []
    for layer in declared.layers:
        more, notes = read_layer(folder / layer.file, layer.kind, layer.crs, metric)
        found += more
        report += notes
    found.sort(key=lambda zone: zone.kind != "district")  # stable: districts first, else as written
    _once(folder, "layers: id", [zone.id for zone in found])
    _once(folder, "layers: adcode", [zone.adcode for zone in found if zone.kind == "district" and zone.adcode])
    if not any(zone.kind == "district" for zone in found):
        raise CityError(f"{folder / 'city.yaml'}: layers: no zone of kind district; a city needs at least one")
    return _in_districts(found), tuple(report)


def _in_districts(found: Sequence[Zone]) -> tuple[Zone, ...]:
    """The zones with the district of each label."""
    districts = [zone for zone in found if zone.kind == "district"]
    where = zones([zone.id for zone in districts], [zone.polygon for zone in districts])
    labels = where.containing_few([zone.lon for zone in found], [zone.lat for zone in found])
    rows = where.districts_of(labels, len(found))
    return tuple(
        replace(zone, district=where.ids[row] if row >= 0 else "") for zone, row in zip(found, rows, strict=True)
    )


def _once(folder: Path, key: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise CityError(f"{folder / 'city.yaml'}: {key} {', '.join(twice)} occurs more than once")


def _depots(folder: Path, declared: _File | None) -> tuple[Depot, ...]:
    if declared is None:
        return ()
    path = folder / declared.file
    found = []
    for key, row in read_rows(path, ("id", "name_en", "name_zh", "kind", "lon", "lat", "units", "skills")):
        lon, lat, units = (number(path, key, row, name) for name in ("lon", "lat", "units"))
        if lon is None or lat is None or units is None or units < 1:
            raise CityError(f"{path}: {key}: lon, lat and units (at least 1) must be given")
        if not -90 <= lat <= 90 or not -180 <= lon <= 180:
            raise CityError(f"{path}: {key}: lon {lon:g}, lat {lat:g} is no place on earth; are they swapped?")
        x, y = convert(lon, lat, declared.crs, "wgs84")
        name = Text(en=row["name_en"], zh=row["name_zh"])
        skills = tuple(row["skills"].split())
        found.append(Depot(row["id"], name, row["kind"], float(x), float(y), int(units), skills))
    return tuple(found)
