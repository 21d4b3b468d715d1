"""``/v1/units``: the city's units, who is nearest to an incident, and orders to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from models import units
from models.units import DOES, Nearest
from models.values import Order, Unit, UnitNeed, UnitStatus
from sensors.gateway import asking
from sensors.gateway.asking import JSON, Asking, Id
from sensors.gateway.incidents import Ordered
from sensors.tokens import LOOK, Gateway

MOST = 50  # units proposed for one incident


@dataclass(frozen=True)
class Fleet:
    """Reads units from the picture and sends orders to the workers."""

    asking: Asking

    async def listed(self, status: UnitStatus | None, kind: str) -> list[dict[str, Any]]:
        """The units with this status and of this kind, where given, by id; each with whether it reports."""
        found = await self.asking.seen(self.asking.store().units())
        return [self._row(one) for one in found if status in (None, one.status) and kind in ("", one.kind)]

    async def one(self, number: str) -> dict[str, Any]:
        """The unit with this id; raises ``Problem`` 404."""
        unit = await self.asking.seen(self.asking.store().unit(number))
        if unit is None:
            raise asking.unknown("unit", number)
        return self._row(unit)

    async def nearest(self, number: str, kind: str, skills: str, count: int) -> list[Nearest]:
        """Free units for the incident, the soonest first: of ``kind``, or what its plan lacks. Raises ``Problem``."""
        store = self.asking.store()
        incident = await self.asking.seen(store.incident(number))
        if incident is None:
            raise asking.unknown("incident", number)
        found = await self.asking.seen(store.units())
        wanted = incident.proposal or incident.plan
        mine = [unit for unit in found if unit.incident == incident.id]
        needs = units.lacking(wanted.units, mine) if wanted else ()
        if kind:
            needs = (UnitNeed(kind=kind, count=count, skills=tuple(skills.split())),)
        return units.propose(found, incident.lon, incident.lat, needs, self.asking.now())

    async def order(self, number: str, do: str, ordered: Ordered, key: str, who: Gateway) -> dict[str, Any]:
        """Give the order; the unit as it became. Raises ``Problem``."""
        order = Order(
            id=key, about="unit", subject=number, do=do, by=ordered.by, at=self.asking.now(), role=who.role,
            comment=ordered.comment, args=ordered.args,
        )  # fmt: skip
        answer = await self.asking.ask(order)
        return await self.one(answer.alert)

    def _row(self, unit: Unit) -> dict[str, Any]:
        reporting = units.reporting(unit, self.asking.now())
        return msgspec.to_builtins(unit) | {"reporting": reporting}  # type: ignore[no-any-return]  # a struct is a dict


def router(fleet: Fleet) -> APIRouter:
    """The routes; reading needs a token with the scope ``look``, acting one with ``dispatch``."""
    routes = APIRouter(tags=["units"])
    bodies = asking.small_bodies()

    def admit(request: Request) -> None:
        fleet.asking.access.admit(dict(request.scope["headers"]), LOOK)

    @routes.get("/v1/units", summary="The city's units: where they are, what they do, whether they report")
    async def listed(request: Request, status: UnitStatus | None = None, kind: str = "") -> Response:
        admit(request)
        return Response(msgspec.json.encode({"units": await fleet.listed(status, kind)}), media_type=JSON)

    @routes.get("/v1/units/nearest", summary="Who could go to an incident, the soonest first")
    async def nearest(
        request: Request,
        incident: Annotated[str, Query(max_length=128)],
        kind: Annotated[str, Query(max_length=100)] = "",
        skills: Annotated[str, Query(max_length=400, description="separated by spaces")] = "",
        count: Annotated[int, Query(ge=1, le=MOST)] = 5,
    ) -> Response:
        admit(request)
        found = await fleet.nearest(incident, kind, skills, count)
        return Response(msgspec.json.encode({"units": found}), media_type=JSON)

    @routes.get("/v1/units/{id}", summary="One unit with its last steps")
    async def one(request: Request, number: Id) -> Response:
        admit(request)
        return Response(msgspec.json.encode(await fleet.one(number)), media_type=JSON)

    @routes.post("/v1/units/{id}/{do}", summary="Send a unit; it accepts, arrives, is released …")
    async def order(request: Request, number: Id, do: str) -> Response:
        who = fleet.asking.asker(request)
        if do not in DOES:
            raise asking.nothing_to_do(do, "nothing that a unit does", DOES)
        key = asking.key(request)
        ordered = await asking.body(request, bodies, Ordered, 'send {"by": "who", "args": {"incident": "…"}}')
        return Response(msgspec.json.encode(await fleet.order(number, do, ordered, key, who)), media_type=JSON)

    return routes
