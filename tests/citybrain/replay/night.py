"""Auckland's weeks up to New Year's Day 2020 through the real engines, archived as the archive role does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from citybrain import prepare
from config import site as sites
from config.settings import Settings
from config.site import Site
from models import ticks
from models.batch import Batch
from models.values import Detection, to_json
from sensors.simulate import auckland
from streams.archive import Message, MessagesWriter, ReadingsWriter

HOUR_MS = 3_600_000
END = 1_577_880_000_000  # 2020-01-02 01:00 in Auckland
WEEKS = 4


def town(folder: Path) -> Site:
    """The city with its register below ``folder``."""
    settings = Settings(city="auckland", data=folder)
    prepare.make_register(settings)
    return sites.load(settings)


def batches(site: Site) -> Iterator[Batch]:
    """Each hour's counts of one shard, in order."""
    rows, time, value = auckland.replay(site.register).columns
    for at in range(END - WEEKS * 7 * 24 * HOUR_MS, END, HOUR_MS):
        a, b = np.searchsorted(time, (at, at + HOUR_MS))
        for shard in range(site.register.shards):
            mine = np.flatnonzero(site.register.shard[rows[a:b]] == shard) + a
            order = mine[np.argsort(rows[mine], kind="stable")]
            if len(order):
                flags = np.zeros(len(order), np.uint8)
                yield Batch(rows[order].astype(np.int32), time[order], value[order], flags, "counts", at + HOUR_MS)


def live(site: Site, counts: Sequence[Batch], per_hour: float, archive: Path | None = None) -> list[Detection]:
    """Every detection at a budget of ``per_hour`` alerts, written into ``archive`` where one is given."""
    layouts = site.layouts
    engines = [layouts.engine(shard) for shard in range(site.register.shards)]
    city = layouts.city_engine(per_hour)
    noted: list[ticks.Note] = []
    found: list[Detection] = []
    said: dict[str, list[tuple[int, str, bytes]]] = {"ticks": [], "detections": []}
    taken: list[list[Batch]] = [[] for _ in engines]

    def tell(some: tuple[Detection, ...] | list[Detection], at: int) -> None:
        found.extend(some)
        said["detections"] += [(at, one.id, to_json(one)) for one in some]

    for batch in counts:
        shard = int(site.register.shard[batch.datastream[0]])
        taken[shard].append(batch)
        step = engines[shard].step(batch)
        tell(step.detections, batch.accepted)
        for partial in step.partials:
            if partial.notes is not None:
                noted.append(ticks.note(partial.tick, partial.shard, partial.notes))
            for tick in city.step(partial):
                assert city.keeper is not None
                end = tick.start + layouts.tick_ms
                rows, totals = ticks.rows(tick, layouts.series)
                told = ticks.Ticked(
                    tick=end, rows=rows, totals=totals, notes=tuple(noted), per_hour=city.keeper.per_hour
                )
                noted = []
                said["ticks"].append((batch.accepted, str(end), to_json(told)))
                tell(tick.detections, batch.accepted)
    if archive is not None:
        _write(site, archive, taken, said)
    return found


def _write(site: Site, archive: Path, taken: list[list[Batch]], said: dict[str, list[tuple[int, str, bytes]]]) -> None:
    (archive / "readings").mkdir(parents=True)
    for layout, some in zip(site.layouts.shards, taken, strict=True):
        if some:
            readings = ReadingsWriter(archive / "readings", layout)
            for offset, batch in enumerate(some):
                readings.take(offset, batch)
            readings.flush()
    for topic, messages in said.items():
        writer = MessagesWriter(archive / topic, 0)
        for offset, (at, key, body) in enumerate(messages):
            writer.take(Message(offset, at, key, body.decode()))
        writer.flush()
