"""Agent *city*: the shards' partials through the city's engine; zone detections out, zones to the picture."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from config import contract
from config.site import Site
from models import partials, ticks
from models.batch import Malformed
from models.city import CityEngine, Tick
from models.keeper import Keeper
from models.partials import Turn
from models.ticks import Ticked
from models.values import to_json
from streams.agents.score import DETECTIONS
from streams.app import LogBounds, raw
from streams.dead_letters import bury
from streams.kept import Kept, Sole
from streams.outbox import Outbox
from streams.outlook import Outlooks
from streams.picture import Picture

log = logging.getLogger(__name__)


class CityAgent(Sole[CityEngine]):
    """Owns the one partition of partials when it is assigned to this worker."""

    def __init__(self, app: Any, site: Site, picture: Picture, settled: asyncio.Event) -> None:
        super().__init__(app, settled)
        self.site = site
        self.city = site.city.id
        self.picture = picture
        self.outlooks = Outlooks(site)
        self.topic = contract.PARTIALS.of(self.city)
        self.noted: list[ticks.Note] = []  # notes that no tick has carried to the archive yet
        app.agent(raw(app, self.topic), name="city", concurrency=1)(self._loop)

    def assigned(self, bounds: LogBounds) -> None:
        """Take over the partials; the engine starts from its newest snapshot."""
        settings = self.site.settings
        self.kept = Kept("city", settings.state / "city", Outbox(self.app), self._anew, bounds, settings.snapshot_s)
        self._show_budget(self.kept.engine)

    def _anew(self) -> CityEngine:
        return self.site.layouts.city_engine(self.site.settings.alerts_per_hour)

    async def reload(self, site: Site) -> None:
        """Judge the zones by the rules of ``site``, whose layout is as it was; what was learned stays."""
        self.site = site
        await self.judge_by(self._anew)

    async def _loop(self, stream: Any) -> None:
        await self.each(stream, self._take)

    async def _take(self, kept: Kept[CityEngine], event: Any) -> None:
        try:
            message = partials.read(event.message.value or b"")
            if isinstance(message, Turn):
                self._turned(kept.engine, message)
                return
            if message.notes is not None:
                self.noted.append(ticks.note(message.tick, message.shard, message.notes))
            closed = kept.engine.step(message)
        except Malformed as error:
            source = f"{self.topic}-0@{event.message.offset}"
            body = event.message.value or b""
            await bury(kept.outbox, self.city, source, str(error), body, "application/msgpack")
            return
        for tick in closed:
            ticked = self._show(tick, kept.engine.keeper)
            await kept.outbox.send(contract.TICKS.of(self.city), str(ticked.tick).encode(), to_json(ticked), 0)
            for detection in tick.detections:
                DETECTIONS.labels(detection.pack, detection.rule).inc()
                await kept.outbox.send(contract.DETECTIONS.of(self.city), detection.id.encode(), to_json(detection))

    def _turned(self, engine: CityEngine, turn: Turn) -> None:
        """The dial of the alert budget was turned: show it at once, judge by it from the next tick on."""
        engine.turn(turn)
        self._show_budget(engine)
        log.info("the alert budget is %g alerts an hour now, set by %s", turn.per_hour, turn.by)

    def _show_budget(self, engine: CityEngine) -> None:
        if engine.keeper is not None:
            self.picture.watch(engine.keeper.watch())

    def _show(self, tick: Tick, keeper: Keeper | None) -> Ticked:
        """The tick's zones to the picture, and the whole city's totals to the trend; what the archive is to keep."""
        rows, totals = ticks.rows(tick, self.site.layouts.series)
        if tick.watch is not None:
            self.picture.watch(tick.watch)
        end = tick.start + self.site.layouts.tick_ms
        ahead = self.outlooks.told(end, tick.ahead) if tick.ahead else None
        if ahead is not None:
            self.picture.forecasts(ahead)
        self.picture.zones(end, rows, totals)
        per_hour = None if keeper is None else keeper.per_hour
        notes, self.noted = tuple(self.noted), []
        return Ticked(tick=end, rows=rows, totals=totals, ahead=ahead, watch=tick.watch, notes=notes, per_hour=per_hour)
