"""Agent *events*: citizens' appeals and warnings through the engine of events; detections out, appeals to the picture.

The topic is read beside the agent *alerts*, which takes positions and warnings from it for the room. The state is saved
with its offset as those of the other agents are; what came of it is confirmed by the broker before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import msgspec

from config import contract, event_setup
from config.site import Site
from models import appeals_picture, events
from models.appeals_picture import Appeals
from models.event_engine import EventEngine
from models.values import Detection, to_json
from streams import snapshots
from streams.agents.score import DETECTIONS
from streams.app import guarded, raw
from streams.appeals_board import AppealsBoard
from streams.current import current
from streams.inbox import Inbox
from streams.outbox import Outbox

log = logging.getLogger(__name__)
SAVED_S = 120.0  # the state is large and the events are few: what came since the last save is soon taken again
SHOWN_S = 5.0


class EventsAgent:
    """Owns the one partition of events when it is assigned to this worker."""

    def __init__(self, app: Any, site: Site, board: AppealsBoard, settled: asyncio.Event) -> None:
        self.app = app
        self.settled = settled
        self.site = site
        self.city = site.city.id
        self.board = board
        self.outbox = Outbox(app)
        self.setup = event_setup.setup(site)
        self.topic = contract.EVENTS.of(self.city)
        self.folder = site.settings.state / "events"
        self.owned = False
        self.inbox = Inbox()
        self.turn = asyncio.Lock()  # a snapshot is taken between messages
        app.agent(raw(app, self.topic), name="events", concurrency=1)(self._loop)

    def assigned(self, log_first: int, log_end: int) -> None:
        """Take over the events; the engine starts from its newest snapshot."""
        self.owned = True
        self.engine = EventEngine(self.setup)
        self.inbox = Inbox()
        self.saved_at = time.monotonic()
        saved = snapshots.newest(self.folder, below=log_end)
        if saved is not None:
            try:
                self.engine.restore(saved[1])
            except (ValueError, KeyError, msgspec.DecodeError) as error:  # other subjects, places or an older shape
                log.error("the events begin anew: %s", error)
                self.engine = EventEngine(self.setup)
            self.inbox.next = self.inbox.safe = saved[0]
            log.info("events continue at offset %d", saved[0])
        if lost := self.inbox.begin(log_first):
            log.error("events: %d messages left the log before they were taken; raise its retention", lost)

    async def reload(self, site: Site) -> None:
        """Judge by the rules of ``site``; what was counted and is under way stays."""
        setup = await asyncio.to_thread(event_setup.setup, site)
        async with self.turn:
            self.site, self.setup = site, setup
            if self.owned:
                engine = EventEngine(setup)
                engine.restore(await asyncio.to_thread(self.engine.snapshot))
                self.engine = engine

    async def revoked(self) -> None:
        """Let go of the events, saving the state."""
        if self.owned:
            self.owned = False
            await self.save()

    async def save(self) -> None:
        """Save the state with its offset, then acknowledge what it includes."""
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
            if time.monotonic() - self.saved_at >= SAVED_S:
                await guarded(self.save())

    async def _take(self, event: Any) -> None:
        if not self.inbox.take(event):
            return
        try:
            given = events.decode(event.message.value or b"")
        except msgspec.DecodeError:
            return  # the agent alerts reads the same message and buries it
        for one in self.engine.take(given, int(event.message.timestamp * 1000)):
            await self._tell(one)

    async def _tell(self, detection: Detection) -> None:
        DETECTIONS.labels(detection.pack, detection.rule).inc()
        await self.outbox.send(contract.DETECTIONS.of(self.city), detection.id.encode(), to_json(detection), 0)

    # --- the picture ------------------------------------------------------------------------------------------------

    async def show(self) -> None:
        """Write how appeals and warnings stand every few seconds while this worker has them, for ever."""
        while True:
            await asyncio.sleep(SHOWN_S)
            if self.owned:
                await self.board.show(await self._told() if self.setup.subjects else None)

    async def _told(self) -> Appeals:
        alerts = await self.board.alerts()
        async with self.turn:
            return appeals_picture.told(self.engine, alerts)
