"""From the register, the city and its packs to the layouts that the engines work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import polars as pl

from config.city import City
from config.pack import Pack
from config.register import Register
from models import boxes as boxing
from models.boxes import Boxes
from models.calendar import Calendar
from models.city import CityEngine, of_boxes
from models.detectors import Detector
from models.engine import Engine
from models.forecast.profile import ProfileForecaster
from models.forecast.shard import forecaster
from models.keeper import PER_HOUR, Keeper
from models.layout import Group, Place, Series, ShardLayout
from models.rules import Rule
from models.values import Text

GRACE_TICKS = 3  # a silent shard holds up the others for so many ticks


@dataclass(frozen=True, eq=False, slots=True)
class Layouts:
    """Everything the engines of a city are made of."""

    shards: tuple[ShardLayout, ...]
    series: tuple[Series, ...]
    rules: tuple[Rule, ...]
    zone_detectors: dict[str, Detector]
    calendar: Calendar
    tick_ms: int
    directory: Directory
    boxes: tuple[Boxes, ...] = ()

    def silent(self) -> Layouts:
        """The same without rules: engines that learn and tell nothing."""
        return replace(self, rules=())

    def engine(self, shard: int) -> Engine:
        """A new engine for one shard, nothing seen."""
        return Engine(self.shards[shard], self.rules, self.calendar)

    def city_engine(self, per_hour: float = PER_HOUR) -> CityEngine:
        """A new engine for the city, nothing seen; ``per_hour`` is the alert budget until somebody turns its dial."""
        return CityEngine(
            self.series,
            self.rules,
            self.zone_detectors,
            self.calendar,
            len(self.shards),
            self.tick_ms,
            GRACE_TICKS * self.tick_ms,
            Keeper(self.directory, self.tick_ms, per_hour),
            self.zone_forecasters(),
            self.boxes,
        )

    def zone_forecasters(self) -> dict[str, ProfileForecaster]:
        """What forecasts the sums of each property over zones: as its datastreams, but a tick at a time."""
        groups = self.shards[0].groups if self.shards else ()
        return {
            group.property: replace(forecaster(group), cadence_s=max(group.cadence_s, self.tick_ms / 1000))
            for group in groups
            if group.property in self.zone_detectors
        }


def layouts(city: City, register: Register, packs: Sequence[Pack]) -> Layouts:
    """The layouts of all shards and of the city's series."""
    groups, number = _groups(packs)
    frame = register.frame
    keys = list(zip(frame["pack"].to_list(), frame["property"].to_list(), strict=True))
    group = np.fromiter((number.get(key, -1) for key in keys), np.int16, len(keys))
    zone_detectors = {name: detector for pack in packs for name, detector in pack.zones.items()}
    pairs: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]] = []
    series = _series(city, register, zone_detectors, pairs)
    boxed = [name for name in zone_detectors if any(of_boxes(rule, name) for pack in packs for rule in pack.rules)]
    boxes, width = _boxes(city, register, boxed, len(series), pairs)
    indptr, indices = _rows(pairs, len(register))
    places = frame.select("asset", "name_en", "name_zh", "lon", "lat", "district")
    known, number_of = np.unique(frame["district"].to_numpy(), return_inverse=True)
    districts = np.where(known[number_of] == "", -1, number_of).astype(np.int32)
    shards = []
    for shard in range(register.shards):
        members = register.members(shard)
        starts, ends = indptr[members], indptr[members + 1]
        lengths = ends - starts
        own = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        take = np.repeat(starts - own[:-1], lengths) + np.arange(own[-1])
        shards.append(
            ShardLayout(
                shard=shard,
                members=members,
                group=group[members],
                groups=groups,
                low=register.low[members],
                high=register.high[members],
                indptr=own,
                indices=indices[take],
                series=width,
                places=_Places(places[members]),
                tick_ms=city.tick_ms,
                lateness_ms=city.lateness_ms,
                lon=frame["lon"].to_numpy()[members],
                lat=frame["lat"].to_numpy()[members],
                neighbours=districts[members],
            )
        )
    rules = tuple(rule for pack in packs for rule in pack.rules)
    directory = Directory(city, register)
    return Layouts(tuple(shards), series, rules, zone_detectors, city.calendar, city.tick_ms, directory, boxes)


def _groups(packs: Sequence[Pack]) -> tuple[tuple[Group, ...], dict[tuple[str, str], int]]:
    groups = [
        Group(w.pack, w.property, w.unit, w.detector, w.checks, w.cadence_s) for pack in packs for w in pack.watched
    ]
    return tuple(groups), {(g.pack, g.property): i for i, g in enumerate(groups)}


class Directory:
    """Where every datastream of the register is, what it observes, and which zones hold it (models/faults.py)."""

    def __init__(self, city: City, register: Register) -> None:
        self._city = city
        self._frame = register.frame
        self._places = _Places(register.frame.select("asset", "name_en", "name_zh", "lon", "lat", "district"))

    def place(self, datastream: int) -> Place:
        """The place of its asset."""
        return self._places[datastream]

    def watched(self, datastream: int) -> tuple[str, str, str]:
        """The pack that watches it, its property and its unit."""
        row = self._frame.row(datastream, named=True)
        return str(row["pack"]), str(row["property"]), str(row["unit"])

    def smallest(self, datastreams: Collection[int], share: float) -> Place | None:
        """The smallest zone that holds at least ``share`` of them; None where none does."""
        held = Counter(zone for row in self._frame["zones"].gather(list(datastreams)) for zone in row)
        zones = self._city.zones
        enough = [number for number, count in held.items() if count >= share * len(datastreams)]
        if not enough:
            return None
        zone = zones[min(enough, key=lambda number: zones[number].area_m2)]
        district = zone.id if zone.kind == "district" else zone.district
        return Place(zone.id, zone.name, zone.lon, zone.lat, district)


class _Places(Sequence[Place]):
    """The places of some of the register's assets, made when they are asked for: a city has 100,000."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __len__(self) -> int:
        return self._frame.height

    @overload
    def __getitem__(self, row: int) -> Place: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Place]: ...
    def __getitem__(self, row: int | slice) -> Place | Sequence[Place]:
        if isinstance(row, slice):
            return _Places(self._frame[row])
        if not -len(self) <= row < len(self):
            raise IndexError(f"place {row} of {len(self)}")
        asset, en, zh, lon, lat, district = self._frame.row(row)
        return Place(asset, Text(en, zh), lon, lat, district)


def _series(
    city: City,
    register: Register,
    properties: dict[str, Detector],
    pairs: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]],
) -> tuple[Series, ...]:
    """All series with members, the whole city's first; ``pairs`` of datastream and series are added."""
    centre_lon, centre_lat = city.view.centre
    membership = register.membership(len(city.zones)).tocsc()
    property_of = np.array(register.frame["property"].to_list())
    units = dict(zip(register.frame["property"].to_list(), register.units, strict=True))
    series: list[Series] = []
    for name in properties:
        mine = np.flatnonzero(property_of == name)
        if not len(mine):
            continue
        whole = Place(city.id, city.name, centre_lon, centre_lat, "")
        _append(series, pairs, Series(whole, "city", name, units[name], len(mine), np.nan, np.nan), mine)
        by_zone = membership[:, mine].tocsr()
        for row, zone in enumerate(city.zones):
            members = mine[by_zone.indices[by_zone.indptr[row] : by_zone.indptr[row + 1]]]
            if not len(members):
                continue
            district = zone.id if zone.kind == "district" else zone.district
            place = Place(zone.id, zone.name, zone.lon, zone.lat, district)
            capacity = np.nan if zone.capacity is None else float(zone.capacity)
            _append(
                series,
                pairs,
                Series(place, zone.kind, name, units[name], len(members), capacity, zone.area_m2),
                members,
            )
    return tuple(series)


def _boxes(
    city: City,
    register: Register,
    properties: Sequence[str],
    first: int,
    pairs: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]],
) -> tuple[tuple[Boxes, ...], int]:
    """The boxes of each property, whose cells' sums stand behind those of the ``first`` series; and how many there are
    then. The ``pairs`` of datastream and cell are added."""
    frame = register.frame
    property_of, lon, lat = (frame[name].to_numpy() for name in ("property", "lon", "lat"))
    district_of, where = frame["district"].to_list(), {zone.id: zone for zone in city.zones}
    units = dict(zip(frame["property"].to_list(), register.units, strict=True))
    boxes = []
    for name in properties:
        mine = np.flatnonzero(property_of == name)
        over = boxing.grid(lon[mine], lat[mine])
        cell = over.cell(lon[mine], lat[mine])
        mine, cell = mine[cell >= 0], cell[cell >= 0]
        cells, one, column, members = np.unique(cell, return_index=True, return_inverse=True, return_counts=True)
        zones = [where.get(district_of[row]) for row in mine[one].tolist()]
        districts = [None if at is None else Place(at.id, at.name, at.lon, at.lat, at.id) for at in zones]
        numbers = np.arange(first, first + len(cells), dtype=np.int32)
        boxes.append(Boxes(name, units.get(name, "1"), over, numbers, cells, members, districts))
        pairs.append(np.stack([mine, first + column], axis=1).astype(np.int64))
        first += len(cells)
    return tuple(boxes), first


def _rows(
    pairs: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]], datastreams: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int32]]]:
    """Of each datastream its series and cells, as CSR arrays."""
    if not pairs:
        return np.zeros(datastreams + 1, np.int64), np.zeros(0, np.int32)
    flat = np.concatenate(pairs)
    order = np.lexsort((flat[:, 1], flat[:, 0]))
    counts = np.bincount(flat[:, 0], minlength=datastreams)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), flat[order, 1].astype(np.int32)


def _append(
    series: list[Series],
    pairs: list[np.ndarray[tuple[int, int], np.dtype[np.int64]]],
    one: Series,
    members: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> None:
    pairs.append(np.stack([members, np.full(len(members), len(series))], axis=1).astype(np.int64))
    series.append(one)
