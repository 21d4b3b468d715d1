"""A recorded span of whole Chengdu replayed: how fast, with the very alerts of live, and how long a seek takes.

The simulator's readings (all 97,000 datastreams at their own cadence) go through the engines and the room, and the
archive's own writers put everything on disk as the archive role does; ``compact`` then makes files and pictures. What
is measured is a session's recording on that archive. ``HOURS`` bounds the making, at about 40 times real time on two
cores; CITYBRAIN_BENCH_HOURS=24 makes a day.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.machine import tell
from citybrain import prepare
from citybrain.archive.compact import compact
from citybrain.archive.pictures import Pictures
from citybrain.archive.reader import Archive
from citybrain.replay.changes import Changes
from citybrain.replay.recording import Span
from citybrain.replay.rerun import rerun
from config import contract, rooms
from config import site as sites
from config.settings import Settings
from config.site import Site
from models import partials, ticks
from models.batch import Batch
from models.outcome import Outcome
from models.room import Room
from models.values import to_json
from sensors.simulate import chengdu
from streams import snapshots
from streams.archive import Message, MessagesWriter, ReadingsWriter

HOURS = float(os.environ.get("CITYBRAIN_BENCH_HOURS", "0.5"))
PIECE_S = 60  # of simulated time are made and flushed at once
FRAME_MS = 60_000  # of recorded time between two pictures of the walk: 3,600 times real time at 60 a second
SEEKS = 100
CHANNELS = (contract.ALERTS, contract.INCIDENTS, contract.UNITS, contract.ROOM)


def main(as_json: bool) -> int:  # the result is always JSON
    """Run the benchmark; one JSON object on the last line."""
    with tempfile.TemporaryDirectory(prefix="citybrain-bench-") as folder:
        return tell(measure(Path(folder), HOURS))


def measure(folder: Path, hours: float) -> dict[str, Any]:
    """Record ``hours`` below ``folder`` and replay them."""
    settings = Settings(city="chengdu", data=folder)
    prepare.make_register(settings)
    site = sites.load(settings)
    prepare.warm_up(site, lambda what, share: None)
    began = time.perf_counter()
    live = _Live(site)
    start = live.now
    alerts = [body for body in live.run(int(hours * 3600))]
    made_s = time.perf_counter() - began
    began = time.perf_counter()
    compact(settings.archive)
    archive = Archive(settings.archive)
    members = [site.register.members(shard) for shard in range(site.register.shards)]
    pictures = Pictures(settings.home / "pictures", archive, members, site.city.tick_ms).make()
    tidied_s = time.perf_counter() - began
    there = archive.reaches()
    assert there is not None
    span = Span(Archive(settings.archive), settings.home, site.city, site.register, start, there[1])
    replayed, walked_s = _walk(span)
    seeks = _seeks(span)
    began = time.perf_counter()
    again = rerun(settings, span.start, span.end, Changes(budget=12.0), site=site)
    recorded_s = (span.end - span.start) / 1000
    return {
        "speed": round(recorded_s / walked_s),
        "alerts_equal": replayed == alerts,
        "seek_p50_s": round(float(np.percentile(seeks, 50)), 3),
        "seek_p99_s": round(float(np.percentile(seeks, 99)), 3),
        "recorded_s": round(recorded_s),
        "readings": live.readings,
        "alert_messages": len(alerts),
        "pictures": pictures,
        "rerun_s": round(time.perf_counter() - began, 2),
        "rerun_as_recorded": again.as_recorded,
        "made_s": round(made_s, 1),
        "tidied_s": round(tidied_s, 1),
    }


def _walk(span: Span) -> tuple[list[bytes], float]:
    """Play the whole span, a picture each minute of it and every alert message in its turn; and how long it took."""
    began, told = time.perf_counter(), []
    before = span.clock.doing(span.start) - 1
    for moment in range(span.start, span.end + FRAME_MS, FRAME_MS):
        at = min(moment, span.end)
        shot = span.shot(at, coarse=True)
        told += [one.value or b"" for one in span.alerts.between(before, shot.doing)]
        before = shot.doing
    took = time.perf_counter() - began
    told += [one.value or b"" for one in span.alerts.between(before, before + 3_600_000)]
    return told, took


def _seeks(span: Span) -> list[float]:
    """Seconds of ``SEEKS`` seeks to anywhere, each as exact as a paused session shows."""
    chance, took = random.Random(1), []  # the same places every time
    for _ in range(SEEKS):
        at = chance.randint(span.start, span.end)
        began = time.perf_counter()
        span.shot(at)
        took.append(time.perf_counter() - began)
    return took


class _Live:
    """The city run without a broker: the same engines, room and writers, with offsets of our own."""

    def __init__(self, site: Site) -> None:
        self.site, self.archive = site, site.settings.archive
        layouts = site.layouts
        self.engines = [layouts.engine(shard) for shard in range(site.register.shards)]
        for shard, engine in enumerate(self.engines):
            saved = snapshots.newest(site.settings.state / f"shard-{shard}")
            assert saved is not None  # warmed up
            engine.restore(saved[1])
        self.city = layouts.city_engine(site.settings.alerts_per_hour)
        saved = snapshots.newest(site.settings.state / "city")
        assert saved is not None  # warmed up
        self.city.restore(saved[1])
        self.room = Room(rooms.setup(site))
        self.now = int(max(engine.time.max() for engine in self.engines)) // 5_000 * 5_000 + 5_000
        self.readings = 0
        self.messages = {
            topic.name: MessagesWriter(self._folder(topic.name), 0)
            for topic in (*CHANNELS, contract.DETECTIONS, contract.TICKS, contract.AUDIT)
        }
        self.noted: list[ticks.Note] = []

    def _folder(self, topic: str) -> Path:
        folder = self.archive / topic
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def run(self, seconds: int) -> Iterator[bytes]:
        """Live through ``seconds``; each message of the topic alerts as it is made."""
        for batches in said(self.site.settings, self.now, seconds):
            yield from self.piece(batches)
            for messages in self.messages.values():
                messages.flush()

    def piece(self, batches: Sequence[Batch]) -> Iterator[bytes]:
        """Live through some batches, each of one shard."""
        for batch in batches:
            shard = int(self.site.register.shard[batch.datastream[0]])
            at = int(batch.time[-1])
            self.readings += len(batch)
            step = self.engines[shard].step(batch)
            out = Outcome()
            for detection in step.detections:
                self._say(contract.DETECTIONS.name, at + 400, detection.id, to_json(detection))
                out.merge(self.room.take(detection, at + 500))
            for partial in step.partials:
                self._city(partial, at, out)
            out.merge(self.room.tick(at + 600))
            yield from self._tell(out, at + 700)

    def _city(self, partial: partials.Partial, at: int, out: Outcome) -> None:
        if partial.notes is not None:
            self.noted.append(ticks.note(partial.tick, partial.shard, partial.notes))
        for tick in self.city.step(partial):
            rows, totals = ticks.rows(tick, self.site.layouts.series)
            keeper = self.city.keeper
            assert keeper is not None  # as config/layouts.py makes it
            notes, self.noted = tuple(self.noted), []
            end = tick.start + self.site.layouts.tick_ms
            told = ticks.Ticked(
                tick=end, rows=rows, totals=totals, watch=tick.watch, notes=notes, per_hour=keeper.per_hour
            )
            self._say(contract.TICKS.name, at + 400, str(end), to_json(told))
            for detection in tick.detections:
                self._say(contract.DETECTIONS.name, at + 400, detection.id, to_json(detection))
                out.merge(self.room.take(detection, at + 500))

    def _tell(self, out: Outcome, at: int) -> Iterator[bytes]:
        changed: list[dict[str, Any]] = [out.alerts, out.incidents, out.units, out.items]
        for topic, values in zip(CHANNELS, changed, strict=True):
            for key, value in values.items():
                body = to_json(value) if isinstance(value, msgspec.Struct) else value
                self._say(topic.name, at, key, body)
                if topic is contract.ALERTS:
                    yield body or b""

    def _say(self, topic: str, at: int, key: str, body: bytes | None) -> None:
        writer = self.messages[topic]
        offset = writer.next + len(writer.waiting)
        writer.take(Message(offset, at, key, None if body is None else body.decode()))


def said(settings: Settings, start: int, seconds: int) -> Iterator[Sequence[Batch]]:
    """What the city says from ``start`` (ms) on, a piece at a time; a process of its own makes and archives it."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_say, args=(settings, start, seconds, there))
    process.start()
    there.close()  # so that its end is heard
    while (piece := here.recv()) is not None:
        yield piece
    process.join()


def _say(settings: Settings, start: int, seconds: int, there: Connection) -> None:
    """Send the pieces, then None."""
    for piece in pieces(sites.load(settings), start, seconds):
        there.send(piece)
    there.send(None)


def pieces(site: Site, start: int, seconds: int) -> Iterator[Sequence[Batch]]:
    """The simulator's readings as the gateways send them, ``PIECE_S`` at a time, written into the archive."""
    folder = site.settings.archive / contract.READINGS.name
    folder.mkdir(parents=True, exist_ok=True)
    written = [ReadingsWriter(folder, one) for one in site.layouts.shards]
    town = chengdu.simulated(site.city, site.register, start)
    offsets = [0] * len(written)
    for done in range(0, seconds, PIECE_S):
        until = min(done + PIECE_S, seconds)
        sent = []
        for batch in chengdu.recent(town, start + until * 1000, until - done):
            shard = int(site.register.shard[batch.datastream[0]])
            batch = batch.take(np.argsort(batch.datastream, kind="stable"))
            accepted = int(batch.time[-1]) + 300
            batch = Batch(batch.datastream, batch.time, batch.value, batch.flags, f"gateway-{shard:02d}", accepted)
            written[shard].take(offsets[shard], batch)
            offsets[shard] += 1
            sent.append(batch)
        for one in written:
            one.flush()
        yield sent


if __name__ == "__main__":
    sys.exit(main(True))
