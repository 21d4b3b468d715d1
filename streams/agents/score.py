"""Agent *score*: readings of a shard through its engine; detections and partials out, the picture kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from config import contract
from config.site import Site
from models import batch as batches
from models import partials
from models.batch import Batch, Malformed
from models.engine import COUNTS, Engine, Step
from models.values import to_json
from streams.app import LogBounds, guarded, raw
from streams.current import current
from streams.dead_letters import bury
from streams.kept import Kept
from streams.outbox import Outbox
from streams.picture import Picture

TOGETHER = 128  # at most so many messages are scored in one go
LAGGING = 4  # so many messages behind, a worker gathers more before it scores
GATHER_S = 0.03  # but not for longer than this

SCORED = Counter("citybrain_readings_scored_total", contract.METRICS["citybrain_readings_scored_total"], ["shard"])
LAG = Gauge("citybrain_lag_messages", contract.METRICS["citybrain_lag_messages"], ["shard"])
STEP = Histogram("citybrain_batch_seconds", contract.METRICS["citybrain_batch_seconds"])
DETECTIONS = Counter("citybrain_detections_total", contract.METRICS["citybrain_detections_total"], ["pack", "rule"])


class Poisoned(RuntimeError):
    """The engine failed on a message; the worker starts again and steps over it."""


class Shard(Kept[Engine]):
    """One shard in this worker: its kept engine, what waits to be scored and what to step over."""

    def __init__(
        self, site: Site, number: int, bounds: LogBounds, outbox: Outbox, saves: asyncio.Lock | None = None
    ) -> None:
        folder = site.settings.state / f"shard-{number}"
        every_s = site.settings.snapshot_s
        super().__init__(f"shard {number}", folder, outbox, lambda: site.layouts.engine(number), bounds, every_s, saves)
        self.number = number
        self.waiting: list[Any] = []  # events read, not yet scored
        self._poison_file = folder / "poison.json"
        poison = json.loads(self._poison_file.read_text()) if self._poison_file.exists() else {}
        self.skip: set[int] = set(poison.get("skip", []))
        self.careful_until: int = poison.get("careful_until", -1)

    def judge_by_site(self, site: Site) -> None:
        """Judge by the rules of ``site`` from the next message on; what was learned and is under way stays."""
        self.judge_by(lambda: site.layouts.engine(self.number))

    def suspect(self, first: int, last: int) -> None:
        """The engine failed on messages ``first`` to ``last``: next time one by one; a single one is stepped over."""
        if first == last:
            self.skip.add(first)
        self.careful_until = max(last, self.careful_until)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._poison_file.write_text(json.dumps({"skip": sorted(self.skip), "careful_until": self.careful_until}))


class ScoreAgent:
    """Owns the shards assigned to this worker."""

    def __init__(self, app: Any, site: Site, picture: Picture, settled: asyncio.Event) -> None:
        self.app = app
        self.settled = settled
        self.site = site
        self.city = site.city.id
        self.picture = picture
        self.shards: dict[int, Shard] = {}
        self._saves = asyncio.Lock()
        self._waiting = 0  # messages read and not yet scored
        self._soon: asyncio.Task[None] | None = None
        self.topic = contract.READINGS.of(self.city)
        app.agent(raw(app, self.topic), name="score", concurrency=1)(self._loop)

    # --- partitions -------------------------------------------------------------------------------------------

    def assigned(self, shards: dict[int, LogBounds]) -> None:
        """Take over these shards (number → the log's bounds)."""
        for number, bounds in sorted(shards.items()):
            shard = self.shards[number] = Shard(self.site, number, bounds, Outbox(self.app), self._saves)
            self._show(shard)

    def _show(self, shard: Shard) -> None:
        engine = shard.engine
        self.picture.show_shard(shard.number, engine.value, engine.score, engine.time, _counter(engine))

    async def reload(self, site: Site) -> None:
        """Judge by the rules of ``site``, whose layout is as it was."""
        self.site = site
        for shard in list(self.shards.values()):
            async with shard.turn:
                await guarded(asyncio.to_thread(shard.judge_by_site, site))
                if self.shards.get(shard.number) is shard:
                    self._show(shard)

    async def revoked(self, shards: set[int]) -> None:
        """Let go of these shards, saving their state so that the next worker need not repeat much."""
        for number in sorted(shards & set(self.shards)):
            shard = self.shards.pop(number)
            self.picture.hide_shard(number)
            await shard.save()

    async def save_all(self) -> None:
        """Save every shard, as before leaving."""
        for shard in self.shards.values():
            await shard.save()

    # --- the loop -----------------------------------------------------------------------------------------------

    async def _loop(self, stream: Any) -> None:
        """Gather what has come, and score it together: at once while it keeps up, else in larger steps."""
        stream = stream.noack()
        async for event in current(self.app, stream, self.settled):
            self.shards[event.message.partition].waiting.append(event)
            self._waiting += 1
            if self._waiting >= TOGETHER or (stream.channel.empty() and not self._lags(event.message)):
                await self._score_all()
            elif stream.channel.empty() and self._soon is None:
                self._soon = asyncio.create_task(self._score_soon())

    def _lags(self, message: Any) -> bool:
        """Whether the log holds more of this shard than was read: what is next comes within milliseconds."""
        end = int(self.app.consumer.highwater(message.tp) or 0)
        return end - int(message.offset) > LAGGING

    async def _score_soon(self) -> None:
        await asyncio.sleep(GATHER_S)
        self._soon = None
        await self._score_all()

    async def _score_all(self) -> None:
        self._waiting = 0
        for shard in list(self.shards.values()):
            if shard.waiting:
                async with shard.turn:
                    await guarded(self._score(shard))

    async def _score(self, shard: Shard) -> None:
        events = [event for event in shard.waiting if shard.inbox.take(event)]
        shard.waiting.clear()
        if not events:
            return
        good, letters = self._read(shard, events)
        careful = events[0].message.offset <= shard.careful_until
        steps = [self._step(shard, run) for run in ([[one] for one in good] if careful else [good]) if run]
        for event, reason in letters:
            source = f"{self.topic}-{shard.number}@{event.message.offset}"
            await bury(shard.outbox, self.city, source, reason, event.message.value or b"", "application/msgpack")
        shard.inbox.lighten()
        for batch, step in steps:
            await self._tell(shard, batch, step)
        end = self.app.consumer.highwater(events[-1].message.tp) or 0
        LAG.labels(shard.number).set(max(0, end - shard.inbox.next))
        shard.save_when_due()

    async def keep(self) -> None:
        """Save what is due for ever, also when no more readings come."""
        while True:
            await asyncio.sleep(self.site.settings.snapshot_s)
            for shard in list(self.shards.values()):
                shard.save_when_due()

    def _read(self, shard: Shard, events: list[Any]) -> tuple[list[tuple[int, Batch]], list[tuple[Any, str]]]:
        """The batches of the messages with their offsets, and the messages that are none, with why."""
        good: list[tuple[int, Batch]] = []
        letters: list[tuple[Any, str]] = []
        for event in events:
            offset = event.message.offset
            if offset in shard.skip:
                letters.append((event, "the engine failed on this message; it was stepped over"))
                continue
            try:
                good.append((offset, batches.decode(event.message.value or b"")))
            except Malformed as error:
                letters.append((event, str(error)))
        return good, letters

    def _step(self, shard: Shard, run: list[tuple[int, Batch]]) -> tuple[Batch, Step]:
        batch = batches.concat([one for _, one in run])
        try:
            with STEP.time():
                step = shard.engine.step(batch)
        except Exception as error:
            shard.suspect(run[0][0], run[-1][0])
            raise Poisoned(f"shard {shard.number}, messages {run[0][0]} to {run[-1][0]}: {error!r}") from error
        SCORED.labels(shard.number).inc(len(batch) - len(step.rejects))
        return batch, step

    async def _tell(self, shard: Shard, batch: Batch, step: Step) -> None:
        self.picture.moved(shard.number, step.touched, batch.accepted)
        for detection in step.detections:
            DETECTIONS.labels(detection.pack, detection.rule).inc()
            await shard.outbox.send(contract.DETECTIONS.of(self.city), detection.id.encode(), to_json(detection))
        for partial in step.partials:
            key = str(shard.number).encode()
            await shard.outbox.send(contract.PARTIALS.of(self.city), key, partials.encode(partial), 0)
        for reject in step.rejects:
            body = msgspec.json.encode(
                {
                    "datastream": int(batch.datastream[reject.row]),
                    "time": int(batch.time[reject.row]),
                    "value": float(batch.value[reject.row]),
                }
            )
            await bury(shard.outbox, self.city, batch.source, reject.reason, body)


def _counter(engine: Engine) -> Callable[[], dict[str, int]]:
    return lambda: dict(zip(COUNTS, engine.counts.tolist(), strict=True))
