"""The planner: reads the response plans again when their files change, and looks at the open incidents by them."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from config.plans import PlanError, Plans
from config.site import Site
from models.outcome import Outcome
from models.plan_inputs import Value
from models.plans import InForce
from models.values import Incident
from streams.agents.alerts import AlertsAgent
from streams.situation import Situations

log = logging.getLogger(__name__)
EVERY_S = 2.0
AT_ONCE = 40  # incidents that are looked at in one turn; with more open, each has its turn later
ITEM = "plan/"  # among the room's items: what is in force, and why a file is not


class Planner:
    """Works beside the agent *alerts*, on the room that it owns."""

    def __init__(self, agent: AlertsAgent, site: Site, redis: str) -> None:
        assert isinstance(agent.setup.tables, Plans)  # as config/rooms.py makes it
        self.agent = agent
        self.plans = agent.setup.tables
        self.situations = Situations(site, redis)
        self._turn = 0

    async def run(self) -> None:
        """Look, for ever."""
        for plan, why in self.plans.refused.items():
            version = self.plans.loaded[plan].version if plan in self.plans.loaded else "none"
            log.error("plan %s is refused: %s; version in force: %s", plan, why, version)
        while True:
            await asyncio.sleep(EVERY_S)
            if self.agent.owned:
                await self.turn()

    async def reload(self, site: Site) -> None:
        """Ask the plans of the packs of ``site``; the agent *alerts* has them already."""
        assert isinstance(self.agent.setup.tables, Plans)
        self.plans = self.agent.setup.tables
        self.situations.measure(site)

    async def turn(self) -> None:
        """Read what has changed on disk, then look at the incidents whose turn it is."""
        for line in await asyncio.to_thread(self.plans.refresh):
            log.warning("%s", line)
        await self.agent.between(self._tell)
        await self._look()

    async def close(self) -> None:
        """Let go of the store."""
        await self.situations.close()

    def _tell(self, _: int) -> Outcome:
        """Put what is in force among the room's items, where it has changed."""
        out, room = Outcome(), self.agent.room
        for plan in {*self.plans.loaded, *self.plans.refused}:
            version = self.plans.loaded[plan].version if plan in self.plans.loaded else ""
            body = msgspec.json.encode(InForce(plan, version, self.plans.refused.get(plan, "")))
            if room.items.get(ITEM + plan) != body:
                room.keep_item(ITEM + plan, body, out)
        return out

    async def _look(self) -> None:
        room = self.agent.room
        incidents = self._next(room.planning.open())
        seen = await self.situations.of(incidents, room.alerts)
        if seen:
            await self.agent.between(lambda now: self._asked(seen, now))

    def _next(self, incidents: list[tuple[Incident, str]]) -> list[tuple[Incident, str]]:
        """Whose turn it is: all, or the next ``AT_ONCE`` of many."""
        if len(incidents) <= AT_ONCE:
            return incidents
        self._turn = (self._turn + AT_ONCE) % len(incidents)
        return (incidents + incidents)[self._turn : self._turn + AT_ONCE]

    def _asked(self, seen: dict[str, dict[str, Value]], now: int) -> Outcome:
        """What the tables say, incident by incident: one that fails stops none of the others."""
        out = Outcome()
        for name, inputs in seen.items():
            try:
                out.merge(self.agent.room.look({name: inputs}, now))
            except PlanError as error:
                log.error("incident %s: %s", name, error)
        return out
