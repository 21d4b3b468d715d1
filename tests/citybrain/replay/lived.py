"""A small town lived through by the engines themselves and archived as the roles do: what live would have told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from config import city as cities
from config import event_setup
from config import register as registers
from config import site as sites
from config.register import Register
from config.settings import Settings
from config.site import Site
from models import events, ticks
from models.batch import Batch, batch
from models.city import CityEngine
from models.engine import Engine
from models.ticks import Note, Ticked
from models.values import Area, Detection, Position, ServiceRequest, Text, Warning, to_json
from streams import snapshots
from streams.archive import ReadingsWriter
from tests.citybrain.archive.rig import say
from tests.wall import feed

START = 1_790_035_200_000  # 2026-09-22 00:00 UTC
WARM_MS = 8 * 60_000  # learned from before the archive begins
MINUTES = 8
STEP_MS = 5_000
GAUGE_MS = 60_000
CROWD_MS = 3 * 60_000
CROWDED = 40  # cameras, the first of the register
CORNER = 104.14, 30.60  # of streets in no venue
MINUTE_MS = 60_000
APPEALS = {"0101": START - 64 * MINUTE_MS, "0202": START - 58 * MINUTE_MS}  # asked, to be answered within the hour
WARNED = START + 2 * MINUTE_MS


@dataclass
class Told:
    """What a run told: detections in order, and the ticks."""

    detections: list[Detection]
    ticks: list[Ticked]


def town(folder: Path) -> Settings:
    """Three hundred cameras and some gauges: learned from eight minutes, then ``MINUTES`` archived."""
    made = Settings(city="chengdu", data=folder)
    city = cities.load("chengdu")
    registers.save(registers.rezone(Register(_placed(feed.register(city, cameras=300).frame)), city), made.register)
    site = sites.load(made)
    past = run(site, spoken(site, START - WARM_MS, START), None, None)
    for shard, engine in enumerate(past[0]):
        snapshots.write(made.state / f"shard-{shard}", 0, engine.snapshot())
    snapshots.write(made.state / "city", 0, past[1].snapshot())
    rooms = event_setup.engine(site)
    early = [one for one in happenings() if one[0] < START]
    for at, event in early:
        rooms.take(event, at)
    snapshots.write(made.state / "events", len(early), rooms.snapshot())
    say(made.archive, "events", [(at, "", events.encode(event).decode()) for at, event in happenings()], each=20)
    told = live(site)
    say(made.archive, "ticks", [(one.tick + 500, str(one.tick), to_json(one).decode()) for one in told.ticks], each=24)
    found = [(one.time + 500, one.id, to_json(one).decode()) for one in told.detections]
    say(made.archive, "detections", found, each=20)
    _archive(site)
    return made


def _placed(frame: pl.DataFrame) -> pl.DataFrame:
    """The gauges watch for floods, and the cameras of the crowd stand in the streets around one corner."""
    flooded = pl.when(pl.col("property") == "water_level").then(pl.lit("flood")).otherwise(pl.col("pack"))
    number = pl.int_range(pl.len())
    lon = pl.when(number < CROWDED).then(CORNER[0] + 0.001 * (number % 8)).otherwise(pl.col("lon"))
    lat = pl.when(number < CROWDED).then(CORNER[1] + 0.001 * (number // 8)).otherwise(pl.col("lat"))
    return frame.with_columns(pack=flooded, lon=lon, lat=lat)


def live(site: Site) -> Told:
    """The archived minutes lived through with the rules of ``site``, from what was learned before."""
    engines = [site.layouts.engine(shard) for shard in range(site.register.shards)]
    for shard, engine in enumerate(engines):
        saved = snapshots.newest(site.settings.state / f"shard-{shard}")
        assert saved is not None
        engine.restore(saved[1])
    city = site.layouts.city_engine(site.settings.alerts_per_hour)
    saved = snapshots.newest(site.settings.state / "city")
    assert saved is not None
    city.restore(saved[1])
    told = run(site, spoken(site, START, START + MINUTES * 60_000), engines, city)[2]
    rooms = event_setup.engine(site)
    saved = snapshots.newest(site.settings.state / "events")
    assert saved is not None
    rooms.restore(saved[1])
    for at, event in happenings()[saved[0] :]:
        told.detections += rooms.take(event, at)
    return told


def run(
    site: Site, batches: Sequence[Batch], engines: list[Engine] | None, city: CityEngine | None
) -> tuple[list[Engine], CityEngine, Told]:
    """Batches, each of one shard, through the engines one after the other."""
    engines = engines or [site.layouts.engine(shard) for shard in range(site.register.shards)]
    city = city or site.layouts.city_engine(site.settings.alerts_per_hour)
    told, noted = Told([], []), list[Note]()
    for one in batches:
        shard = int(site.register.shard[one.datastream[0]])
        step = engines[shard].step(one)
        told.detections += step.detections
        for partial in step.partials:
            if partial.notes is not None:
                noted.append(ticks.note(partial.tick, shard, partial.notes))
            for tick in city.step(partial):
                assert city.keeper is not None
                rows, totals = ticks.rows(tick, site.layouts.series)
                notes, noted = tuple(noted), []
                end, per_hour = tick.start + site.layouts.tick_ms, city.keeper.per_hour
                told.ticks.append(Ticked(tick=end, rows=rows, totals=totals, notes=notes, per_hour=per_hour))
                told.detections += tick.detections
    return engines, city, told


def happenings() -> list[tuple[int, Position | ServiceRequest | Warning]]:
    """What happened, and when (ms): two urgent appeals that nobody answers, a yellow warning, a unit that reports."""
    asked = [
        (at, ServiceRequest(id=f"appeal-{code}", code=code, category="", requested=at)) for code, at in APPEALS.items()
    ]
    rain, around = Text("Heavy rain", "暴雨"), Area(name="corner", circles=((*CORNER, 2_000.0),))
    warned = Warning(
        id="rain-1", sender="weather-office", sent=WARNED, event=rain, headline=rain, severity="Moderate",
        colour="yellow", areas=(around,),
    )  # fmt: skip
    reports = range(START - 2 * MINUTE_MS, START + MINUTES * MINUTE_MS, 30_000)
    heard = [(at, Position(unit="patrol-1", time=at, lon=CORNER[0], lat=CORNER[1])) for at in reports]
    return sorted([*asked, (WARNED, warned), *heard], key=lambda one: one[0])


def spoken(site: Site, start: int, end: int) -> list[Batch]:
    """What the sensors say from ``start`` to ``end`` (ms): cameras with a crowd at a few from the third minute on,
    gauges that rise and fall."""
    frame = site.register.frame
    gauge = (frame["property"] == "water_level").to_numpy()
    fast = (frame["property"] == "people").to_numpy()
    crowd = np.flatnonzero(fast)[:CROWDED]
    said = []
    for at in range(start, end, STEP_MS):
        chance = np.random.default_rng(at // STEP_MS)
        value = chance.poisson(40, len(frame)).astype(np.float64)
        since = at - START
        if since >= CROWD_MS:
            value[crowd] *= 1.0 + 0.6 * min((since - CROWD_MS) / 60_000, 4.0)
        value[gauge] = np.clip(0.3 * np.sin(max(since, 0) / 160_000) + 0.002 * np.arange(gauge.sum()), 0, None)
        speaks = fast | (at % GAUGE_MS == 0)
        for shard in range(site.register.shards):
            members = site.register.members(shard)
            mine = members[speaks[members]]
            if len(mine):
                said.append(batch(mine, np.full(len(mine), at), value[mine], source=f"gateway-{shard}", accepted=at))
    return said


def _archive(site: Site) -> None:
    folder = site.settings.archive / "readings"
    folder.mkdir(parents=True, exist_ok=True)
    writers = [ReadingsWriter(folder, one) for one in site.layouts.shards]
    offsets = [0] * len(writers)
    for one in spoken(site, START, START + MINUTES * 60_000):
        shard = int(site.register.shard[one.datastream[0]])
        writers[shard].take(offsets[shard], one)
        offsets[shard] += 1
        if offsets[shard] % 50 == 0:
            writers[shard].flush()
    for writer in writers:
        writer.flush()
