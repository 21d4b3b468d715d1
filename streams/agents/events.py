"""Agent *events*: citizens' appeals and warnings through the engine of events; detections out, appeals to the picture.

The topic is read beside the agent *alerts*, which takes positions and warnings from it for the room. The state is saved
with its offset as those of the other agents are; what came of it is confirmed by the broker before.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from config import contract, event_setup
from config.site import Site
from models import appeals_picture, events
from models.appeals_picture import Appeals
from models.event_engine import EventEngine
from models.values import Detection, to_json
from streams.agents.score import DETECTIONS
from streams.app import LogBounds, raw
from streams.appeals_board import AppealsBoard
from streams.kept import Kept, Sole
from streams.outbox import Outbox

SAVED_S = 120.0  # the state is large and the events are few: what came since the last save is soon taken again
SHOWN_S = 5.0


class EventsAgent(Sole[EventEngine]):
    """Owns the one partition of events when it is assigned to this worker."""

    def __init__(self, app: Any, site: Site, board: AppealsBoard, settled: asyncio.Event) -> None:
        super().__init__(app, settled)
        self.site = site
        self.city = site.city.id
        self.board = board
        self.setup = event_setup.setup(site)
        self.topic = contract.EVENTS.of(self.city)
        app.agent(raw(app, self.topic), name="events", concurrency=1)(self._loop)

    def assigned(self, bounds: LogBounds) -> None:
        """Take over the events; the engine starts from its newest snapshot."""
        folder = self.site.settings.state / "events"
        self.kept = Kept("events", folder, Outbox(self.app), self._anew, bounds, SAVED_S)

    def _anew(self) -> EventEngine:
        return EventEngine(self.setup)

    async def reload(self, site: Site) -> None:
        """Judge by the rules of ``site``; what was counted and is under way stays."""
        self.site, self.setup = site, await asyncio.to_thread(event_setup.setup, site)
        await self.judge_by(self._anew)

    async def _loop(self, stream: Any) -> None:
        await self.each(stream, self._take)

    async def _take(self, kept: Kept[EventEngine], event: Any) -> None:
        try:
            given = events.decode(event.message.value or b"")
        except msgspec.DecodeError:
            return  # the agent alerts reads the same message and buries it
        for one in kept.engine.take(given, int(event.message.timestamp * 1000)):
            await self._tell(kept.outbox, one)

    async def _tell(self, outbox: Outbox, detection: Detection) -> None:
        DETECTIONS.labels(detection.pack, detection.rule).inc()
        await outbox.send(contract.DETECTIONS.of(self.city), detection.id.encode(), to_json(detection), 0)

    # --- the picture ------------------------------------------------------------------------------------------------

    async def show(self) -> None:
        """Write how appeals and warnings stand every few seconds while this worker has them, for ever."""
        while True:
            await asyncio.sleep(SHOWN_S)
            if self.kept is not None:
                await self.board.show(await self._told(self.kept) if self.setup.subjects else None)

    async def _told(self, kept: Kept[EventEngine]) -> Appeals:
        alerts = await self.board.alerts()
        async with kept.turn:
            return appeals_picture.told(kept.engine, alerts)
