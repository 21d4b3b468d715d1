"""The shadow: the engines of a city over its simulated sensors, beside the real ones and touching nothing of theirs.

A drill's readings go through engines of their own, the same code as a worker's, in this process. What they detect is
marked as exercise. So the real detectors learn nothing from a drill, and the live picture shows what is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from msgspec.structs import replace
from numpy.typing import NDArray

from citybrain import prepare
from citybrain.drills.timetable import Happens, districts, happens
from config import packs_reload
from config import places as registered
from config import register as registers
from config.city import City as Pack
from config.drills import Change, Drill, DrillError, GatewaySilent
from config.layouts import layouts
from config.pack import Pack as Loaded
from config.register import Register
from config.settings import Settings
from config.site import Site
from models import batch as batches
from models.batch import Batch, batch
from models.city import CityEngine
from models.drills import LABEL
from models.engine import Engine
from models.grading import EVENTS, Happening
from models.values import Detection
from sensors.simulate import chengdu
from sensors.simulate.chengdu import City
from sensors.simulate.declared import FeedError
from sensors.simulate.injected import Injected
from sensors.simulate.places import places
from sensors.simulate.schedule import Schedule
from sensors.simulate.sites import sites

GATEWAYS = 22  # through which a simulated city speaks
OTHERS = 5_000  # datastreams elsewhere that take part, so that zones have a city to be judged against
RECENT_S = 180
STATES_MS = 6 * 3_600_000  # no state of a simulated sensor lasts so long


class Shadow:
    """The part of a city that a drill touches, taught and ready at ``begin_ms``."""

    def __init__(self, site: Site, city: City, begin_ms: int) -> None:
        self.site = site
        self.happened = Happens((), (), ())
        self._quiet = city
        self._injected = Injected(city, (), ())
        self._now = begin_ms
        self._gateway = city.gateway
        known = np.arange(len(site.register))
        self._schedule = Schedule(known, site.register.frame["cadence_s"].to_numpy())
        self._engines, self._city = _taught(site, city, begin_ms)

    def inject(self, drill: Drill, begin_ms: int) -> None:
        """Let the injections of ``drill`` happen from ``begin_ms`` on; raises ``DrillError``."""
        names = [gateway(one) for one in range(GATEWAYS)]
        happened = happens(drill, self.site.city, self._quiet, names, begin_ms)
        read = {one.kind for pack in self.site.packs for one in pack.events}
        truth = [one for one in happened.truth if EVENTS.get(one.kind, "") in {"", *read}]
        truth += self._states(begin_ms, begin_ms + drill.lasts_ms)
        self.happened = dataclasses.replace(happened, truth=tuple(truth))
        self._injected = Injected(self._quiet, self.happened.incidents, self.happened.overlays)

    def _states(self, begin_ms: int, end_ms: int) -> list[Happening]:
        """The states that sensors of packs come into by themselves: true, and no part of the drill."""
        frame = self.site.register.frame.select("asset", "property", "lon", "lat")
        found = []
        for row, start, end in self._quiet.states(begin_ms - STATES_MS, end_ms):
            asset, property_, lon, lat = frame.row(row)
            found.append(
                Happening(
                    kind="state",
                    place=asset,
                    start=start,
                    end=end,
                    lon=lon,
                    lat=lat,
                    properties=(property_,),
                    aside=True,
                )
            )
        return found

    def catch_up(self, until_ms: int) -> None:
        """Live through the quiet time up to ``until_ms``, tick by tick; what is detected in it is nobody's."""
        while self._now < until_ms:
            self.step(min(self._now + self.site.city.tick_ms, until_ms))

    def step(self, until_ms: int) -> list[Detection]:
        """What is detected in the readings up to ``until_ms``."""
        rows, times = self._schedule.due(self._now, until_ms)
        self._now = until_ms
        values = self._injected.values(rows, times)
        said = ~np.isnan(values)
        rows, times, values = rows[said], times[said], values[said]
        found: list[Detection] = []
        shard = self.site.register.shard[rows]
        for number, engine in enumerate(self._engines):
            mine = np.flatnonzero(shard == number)
            if not len(mine):
                continue
            step = engine.step(self._batch(rows[mine], times[mine], values[mine], until_ms))
            found += step.detections
            for partial in step.partials:
                for tick in self._city.step(partial):
                    found += tick.detections
        return found

    def _batch(self, rows: NDArray[np.int64], times: NDArray[np.int64], values: NDArray[np.float64], now: int) -> Batch:
        """The readings as their gateways send them."""
        assert self._gateway is not None  # made with gateways
        who = self._gateway[rows]
        order = np.argsort(who, kind="stable")
        edges = np.flatnonzero(np.diff(who[order], prepend=-1, append=GATEWAYS))
        parts = [
            batch(rows[part], times[part], values[part], source=gateway(int(who[part[0]])), accepted=now)
            for part in (order[first:last] for first, last in itertools.pairwise(edges))
        ]
        return batches.concat(parts)


def gateway(number: int) -> str:
    """The name of the simulated gateway ``number``, from 0."""
    return f"gateway-{number + 1:02d}"


def exercise_id(drill: str, begin_ms: int) -> str:
    """The id of a run of a drill: it is part of what it sends, and tells nobody what it is."""
    return hashlib.blake2b(f"drill|{drill}|{begin_ms}".encode(), digest_size=8).hexdigest()


def exercise(detection: Detection, drill: str) -> Detection:
    """The detection as one of the exercise ``drill``: marked, with an id of its own."""
    name = hashlib.blake2b(f"{drill}|{detection.id}".encode(), digest_size=8).hexdigest()
    return replace(detection, id=name, exercise=True, labels={**detection.labels, LABEL: drill})


def make(drill: Drill, pack: Pack, register: Register, home: Settings, begin_ms: int, whole: bool = False) -> Shadow:
    """A shadow for ``drill``, quiet, ready at ``begin_ms``: of the part of the city it touches, or the ``whole``.

    Raises ``DrillError`` where the city has no simulator.
    """
    try:
        found = places(pack)
    except FeedError as error:
        raise DrillError(f"city {pack.id} has no simulated sensors to drill with: {error}") from error
    number = np.arange(len(register)) * GATEWAYS // max(len(register), 1)
    known = packs_reload.sound() if whole else _asked(drill)
    touched = np.ones(len(register), np.bool_) if whole else _touched(drill, pack, register)
    watched = register.frame["pack"].is_in([one.name for one in known]).to_numpy()
    chosen = np.flatnonzero((touched | _beside(drill, number)) & watched)
    part = Register(_zoned(register.frame[chosen], touched[chosen]))
    city = City(part, found, pack.calendar, found.seed, None, number[chosen], 0.0, chengdu.readings())
    site = Site(home, pack, part, known, layouts(pack, part, known))
    return Shadow(site, city, begin_ms)


def built(pack: Pack) -> Register:
    """The register of a simulated city, made from its simulator; raises ``DrillError`` where there is none."""
    watched = [one for loaded in packs_reload.sound() for one in loaded.watched]
    try:
        assets = chengdu.assets(pack)
    except FeedError as error:
        raise DrillError(f"city {pack.id} has no simulated sensors to drill with: {error}") from error
    made, _ = registers.build(pack, assets, watched)
    return made


@contextmanager
def away(pack: Pack) -> Iterator[Settings]:
    """Settings of a stack of its own, in a folder that goes away, with the places that warnings reach."""
    with tempfile.TemporaryDirectory(prefix="citybrain-drill-") as folder:
        settings = Settings(city=pack.id, data=Path(folder))
        settings.home.mkdir(parents=True)
        if pack.place_file is None:
            sites(pack).write_csv(settings.home / registered.FILE)
        yield settings


def _asked(drill: Drill) -> tuple[Loaded, ...]:
    """The packs whose alerts are expected, and those that watch what is changed; all others do not take part."""
    names = {one.alert.partition("/")[0] for one in drill.expect if one.alert}
    moved = {one.property for one in drill.inject if isinstance(one, Change)}
    return tuple(
        pack
        for pack in packs_reload.sound()
        if pack.name in names or moved & {watched.property for watched in pack.watched}
    )


def _touched(drill: Drill, pack: Pack, register: Register) -> NDArray[np.bool_]:
    """(datastreams,): which are in the districts that the drill touches."""
    mine: NDArray[np.bool_] = register.frame["district"].is_in(list(districts(drill, pack, register))).to_numpy()
    return mine


def _beside(drill: Drill, number: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(datastreams,): those of the gateways that fall silent, and a sample of all."""
    silent = [one.gateway - 1 for one in drill.inject if isinstance(one, GatewaySilent)]
    every = max(1, len(number) // OTHERS)
    part: NDArray[np.bool_] = np.isin(number, silent) | (np.arange(len(number)) % every == 0)
    return part


def _zoned(frame: pl.DataFrame, touched: NDArray[np.bool_]) -> pl.DataFrame:
    """The register with zones where all of their datastreams take part: the others count for the city alone."""
    zones = pl.when(pl.Series(touched)).then("zones").otherwise(pl.lit([], pl.List(pl.Int32)))
    return frame.with_columns(zones=zones)


def _taught(site: Site, city: City, now: int) -> tuple[list[Engine], CityEngine]:
    """Engines that know the days and the minutes before ``now``, with nothing open."""
    learners = site.layouts.silent()
    engines = [learners.engine(shard) for shard in range(site.register.shards)]
    whole = learners.city_engine()
    hour = now // prepare.HOUR_MS * prepare.HOUR_MS
    shard = site.register.shard
    for end in prepare.days(site.city, hour - prepare.HOUR_MS):
        for one in _hours(city, end):
            engines[int(shard[one.datastream[0]])].step(one)
    for one in chengdu.recent(city, now, RECENT_S):
        for partial in engines[int(shard[one.datastream[0]])].step(one).partials:
            whole.step(partial)
    ready = [site.layouts.engine(number) for number in range(len(engines))]
    for engine, learner in zip(ready, engines, strict=True):
        learner.graduate()
        engine.restore(learner.snapshot())
    whole.graduate()
    judge = site.layouts.city_engine()
    judge.restore(whole.snapshot())
    return ready, judge


def _hours(city: City, end: int) -> Iterator[Batch]:
    """What all datastreams said at each full hour of the day before ``end``, one batch a shard: it closes one tick."""
    for start in range(end - 24 * prepare.HOUR_MS, end, prepare.HOUR_MS):
        for shard in range(city.register.shards):
            rows = city.register.members(shard)
            value = city.values(rows, start)
            known = ~np.isnan(value)
            if known.any():
                yield batch(
                    rows[known], np.full(int(known.sum()), start), value[known], source="history", accepted=start
                )
