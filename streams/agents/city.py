"""Agent *city*: the shards' partials through the city's engine; zone detections out, zones to the picture."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from config import contract
from config.site import Site
from models import partials, ticks
from models.batch import Malformed
from models.city import Tick
from models.partials import Turn
from models.ticks import Ticked
from models.values import to_json
from streams import snapshots
from streams.agents.score import DETECTIONS
from streams.app import guarded, raw
from streams.current import current
from streams.dead_letters import bury
from streams.inbox import Inbox
from streams.outbox import Outbox
from streams.outlook import Outlooks
from streams.picture import Picture

log = logging.getLogger(__name__)


class CityAgent:
    """Owns the one partition of partials when it is assigned to this worker."""

    def __init__(self, app: Any, site: Site, picture: Picture, settled: asyncio.Event) -> None:
        self.app = app
        self.settled = settled
        self.site = site
        self.city = site.city.id
        self.picture = picture
        self.outbox = Outbox(app)
        self.outlooks = Outlooks(site)
        self.topic = contract.PARTIALS.of(self.city)
        self.folder = site.settings.state / "city"
        self.owned = False
        self.inbox = Inbox()
        self.saving: asyncio.Task[None] | None = None
        self.noted: list[ticks.Note] = []  # notes that no tick has carried to the archive yet
        self.turn = asyncio.Lock()  # a snapshot is taken between messages, never while one is being told
        app.agent(raw(app, self.topic), name="city", concurrency=1)(self._loop)

    def assigned(self, log_first: int, log_end: int) -> None:
        """Take over the partials; the engine starts from its newest snapshot."""
        self.owned = True
        self.engine = self.site.layouts.city_engine(self.site.settings.alerts_per_hour)
        self.inbox = Inbox()
        self.saved_at = time.monotonic()
        saved = snapshots.newest(self.folder, below=log_end)
        if saved is not None:
            try:
                self.engine.restore(saved[1])
            except ValueError as error:  # another register or pack: what was learned does not fit any more
                log.error("the zones learn anew: %s", error)
                self.engine = self.site.layouts.city_engine(self.site.settings.alerts_per_hour)
            self.inbox.next = self.inbox.safe = saved[0]
            log.info("city continues at offset %d", saved[0])
        if self.engine.keeper is not None:
            self.picture.watch(self.engine.keeper.watch())
        if lost := self.inbox.begin(log_first):
            log.error("city: %d partials left the log before they were summed up; raise its retention", lost)

    async def reload(self, site: Site) -> None:
        """Judge the zones by the rules of ``site``, whose layout is as it was; what was learned stays."""
        self.site = site
        async with self.turn:
            if self.owned:
                engine = site.layouts.city_engine(site.settings.alerts_per_hour)
                engine.restore(await asyncio.to_thread(self.engine.snapshot))
                self.engine = engine

    async def revoked(self) -> None:
        """Let go of the partials, saving the state."""
        if self.owned:
            self.owned = False
            await self.save()

    async def save(self) -> None:
        """Save the state with its offset, then acknowledge what it includes; one save at a time."""
        if self.saving is not None and self.saving is not asyncio.current_task():
            await self.saving
        async with self.turn:
            offset = self.inbox.next
            self.saved_at = time.monotonic()
            if offset <= self.inbox.safe:
                return
            arrays = self.engine.snapshot()
            await self.outbox.confirmed()
        await asyncio.to_thread(snapshots.write, self.folder, offset, arrays)
        self.inbox.saved(offset)

    async def _loop(self, stream: Any) -> None:
        stream = stream.noack()
        async for event in current(self.app, stream, self.settled):
            async with self.turn:
                await guarded(self._take(event))

    async def _take(self, event: Any) -> None:
        if not self.inbox.take(event):
            return
        try:
            message = partials.read(event.message.value or b"")
            if isinstance(message, Turn):
                self._turned(message)
                return
            if message.notes is not None:
                self.noted.append(ticks.note(message.tick, message.shard, message.notes))
            closed = self.engine.step(message)
        except Malformed as error:
            source = f"{self.topic}-0@{event.message.offset}"
            body = event.message.value or b""
            await bury(self.outbox, self.city, source, str(error), body, "application/msgpack")
            return
        for tick in closed:
            await self._keep(self._show(tick))
            for detection in tick.detections:
                DETECTIONS.labels(detection.pack, detection.rule).inc()
                await self.outbox.send(contract.DETECTIONS.of(self.city), detection.id.encode(), to_json(detection))
        self._save_when_due()

    async def keep(self) -> None:
        """Save what is due for ever, also when no more partials come."""
        while True:
            await asyncio.sleep(self.site.settings.snapshot_s)
            if self.owned:
                self._save_when_due()

    def _save_when_due(self) -> None:
        if time.monotonic() - self.saved_at >= self.site.settings.snapshot_s and self.saving is None:
            self.saving = asyncio.create_task(self._save_beside())

    def _turned(self, turn: Turn) -> None:
        """The dial of the alert budget was turned: show it at once, judge by it from the next tick on."""
        self.engine.turn(turn)
        if self.engine.keeper is not None:
            self.picture.watch(self.engine.keeper.watch())
        log.info("the alert budget is %g alerts an hour now, set by %s", turn.per_hour, turn.by)

    async def _save_beside(self) -> None:
        await guarded(self.save())
        self.saving = None

    def _show(self, tick: Tick) -> Ticked:
        """The tick's zones to the picture, and the whole city's totals to the trend; what the archive is to keep."""
        rows, totals = ticks.rows(tick, self.site.layouts.series)
        if tick.watch is not None:
            self.picture.watch(tick.watch)
        end = tick.start + self.site.layouts.tick_ms
        ahead = self.outlooks.told(end, tick.ahead) if tick.ahead else None
        if ahead is not None:
            self.picture.forecasts(ahead)
        self.picture.zones(end, rows, totals)
        keeper = self.engine.keeper
        per_hour = None if keeper is None else keeper.per_hour
        notes, self.noted = tuple(self.noted), []
        return Ticked(tick=end, rows=rows, totals=totals, ahead=ahead, watch=tick.watch, notes=notes, per_hour=per_hour)

    async def _keep(self, ticked: Ticked) -> None:
        """Send the tick on its way to the archive."""
        await self.outbox.send(contract.TICKS.of(self.city), str(ticked.tick).encode(), to_json(ticked), 0)
