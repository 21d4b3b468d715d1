"""``/v1/incidents`` and ``/v1/silences``: what people own and what they keep quiet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response

from models import blind
from models.incidents import DOABLE
from models.silences import MATCHERS, Silence
from models.values import Incident, IncidentState, Order, Severity, to_json
from sensors.gateway import asking
from sensors.gateway.asking import JSON, Asking, By, Comment, Id, Moment
from sensors.tokens import LEAD, LOOK, Gateway

Argument = str | int | float | bool | list[str] | None


class Ordered(msgspec.Struct, forbid_unknown_fields=True):
    """What a dispatcher sends with an order about an incident; what ``args`` may hold depends on it."""

    by: By
    comment: Comment = ""
    args: dict[str, Argument] = {}


class NewSilence(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from"}):
    """Alerts that fit all of these are kept quiet from ``from`` (now) to ``until``."""

    by: By
    comment: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    until: Moment
    start: Moment | None = None
    pack: str = ""
    rule: str = ""
    place: str = ""
    district: str = ""
    kind: Literal["event", "data-quality"] | None = None

    def args(self) -> dict[str, Argument]:
        """As an order carries them."""
        matchers: dict[str, Argument] = {name: getattr(self, name) for name in MATCHERS if getattr(self, name)}
        start, end = asking.milliseconds(self.start), asking.milliseconds(self.until)
        return matchers | {"until": end} | ({} if start is None else {"from": start})


@dataclass(frozen=True)
class Office:
    """Reads incidents and silences from the picture and sends orders to the workers."""

    asking: Asking

    async def listed(self, state: IncidentState | None, severity: Severity | None) -> list[Incident]:
        """The incidents with this state and severity, where given, the newest first."""
        found = await self.asking.seen(self.asking.store().incidents())
        return [one for one in found if state in (None, one.state) and severity in (None, one.severity)]

    async def one(self, number: str) -> Incident:
        """The incident with this id; raises ``Problem`` 404."""
        incident = await self.asking.seen(self.asking.store().incident(number))
        if incident is None:
            raise asking.unknown("incident", number)
        return incident

    async def order(self, number: str, do: str, ordered: Ordered, key: str, who: Gateway) -> Incident:
        """Give the order; the incident that it led to, as it became. Raises ``Problem``."""
        order = Order(
            id=key, about="incident", subject=number, do=do, by=ordered.by, at=self.asking.now(), role=who.role,
            comment=ordered.comment, args=ordered.args,
        )  # fmt: skip
        answer = await self.asking.ask(order)
        return await self.one(answer.alert)

    async def silences(self) -> list[Silence]:
        """All silences, also those to come and those that ended within a day."""
        found = await self.asking.seen(self.asking.store().items("silence"))
        return [msgspec.json.decode(body, type=Silence) for body in found]

    async def silence(self, asked: NewSilence, key: str, who: Gateway) -> Silence:
        """Make a silence; raises ``Problem``."""
        return await self._silenced(
            Order(
                id=key, about="silence", subject="", do="add", by=asked.by, at=self.asking.now(), role=who.role,
                comment=asked.comment, args=asked.args(),
            )
        )  # fmt: skip

    async def end(self, number: str, by: str, key: str, who: Gateway) -> Silence:
        """End a silence before its time; raises ``Problem``."""
        return await self._silenced(
            Order(id=key, about="silence", subject=number, do="end", by=by, at=self.asking.now(), role=who.role)
        )

    async def _silenced(self, order: Order) -> Silence:
        answer = await self.asking.ask(order)
        found = [one for one in await self.silences() if one.id == answer.alert]
        if not found:
            raise asking.unknown("silence", answer.alert)
        return found[0]


def router(office: Office) -> APIRouter:
    """The routes; reading needs a token with the scope ``look``, acting ``dispatch``, silencing ``lead``."""
    routes = APIRouter(tags=["incidents"])
    bodies = asking.small_bodies()

    def admit(request: Request) -> None:
        office.asking.access.admit(dict(request.scope["headers"]), LOOK)

    @routes.get("/v1/incidents", summary="The incidents in the live picture, the newest first")
    async def incidents(
        request: Request, state: IncidentState | None = None, severity: Severity | None = None
    ) -> Response:
        admit(request)
        found = await office.asking.told(request, await office.listed(state, severity), blind.incident)
        return Response(msgspec.json.encode({"incidents": found}), media_type=JSON)

    @routes.get("/v1/incidents/{id}", summary="One incident with its alerts, tasks, units and timeline")
    async def incident(request: Request, number: Id) -> Response:
        admit(request)
        (found,) = await office.asking.told(request, [await office.one(number)], blind.incident)
        return Response(to_json(found), media_type=JSON)

    @routes.post("/v1/incidents/{id}/{do}", summary="Act on an incident: assign it, resolve it, tick a task …")
    async def order(request: Request, number: Id, do: str) -> Response:
        who = office.asking.asker(request)
        if do not in DOABLE:
            raise asking.nothing_to_do(do, "nothing to do with an incident", DOABLE)
        key = asking.key(request)
        ordered = await asking.body(request, bodies, Ordered, 'send {"by": "who", "comment": "why", "args": {…}}')
        became = await office.order(number, do, ordered, key, who)
        (told,) = await office.asking.told(request, [became], blind.incident)
        return Response(to_json(told), media_type=JSON)

    @routes.get("/v1/silences", summary="What is kept quiet, by whom and until when")
    async def silences(request: Request) -> Response:
        admit(request)
        return Response(msgspec.json.encode({"silences": await office.silences()}), media_type=JSON)

    @routes.post("/v1/silences", summary="Keep alerts quiet for a time")
    async def silence(request: Request) -> Response:
        who, key = office.asking.asker(request, LEAD), asking.key(request)
        remedy = 'send {"by": "who", "comment": "why", "until": "2026-12-24T18:00:00+08:00", "place": "…"}'
        asked = await asking.body(request, bodies, NewSilence, remedy)
        return Response(to_json(await office.silence(asked, key, who)), 201, media_type=JSON)

    @routes.delete("/v1/silences/{id}", summary="End a silence before its time")
    async def end(request: Request, number: Id, by: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
        who, key = office.asking.asker(request, LEAD), asking.key(request)
        return Response(to_json(await office.end(number, by, key, who)), media_type=JSON)

    return routes
