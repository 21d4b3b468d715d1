"""``/v1/warnings``: what the city was warned of, which places were told, and their confirmations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from models import blind
from models.values import Order, from_json
from models.warned import ASKED, WARNING
from models.warnings import Raised, RaisedState, Told
from sensors.gateway import asking
from sensors.gateway.asking import JSON, Asking, By, Comment, Id
from sensors.tokens import LOOK, Gateway


class Confirmed(msgspec.Struct, forbid_unknown_fields=True):
    """What a place sends that has understood a warning."""

    place: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    by: By
    comment: Comment = ""


@dataclass(frozen=True)
class Bulletin:
    """Reads warnings from the picture and sends confirmations to the workers."""

    asking: Asking

    async def listed(self, state: RaisedState | None) -> list[Raised]:
        """The warnings in this state, where given, the newest first."""
        found = await self.asking.seen(self.asking.store().items(WARNING.rstrip("/")))
        raised = [from_json(body, Raised) for body in found]
        return sorted((one for one in raised if state in (None, one.state)), key=lambda one: -one.at)

    async def one(self, number: str) -> tuple[Raised, list[Told]]:
        """The warning with this id and what each place answered; raises ``Problem`` 404."""
        body = await self.asking.seen(self.asking.store().item(WARNING + number))
        if body is None:
            raise asking.unknown("warning", number)
        parts = await self.asking.seen(self.asking.store().items(f"{ASKED}{number}"))
        told = [one for part in parts for one in msgspec.json.decode(part, type=list[Told])]
        return from_json(body, Raised), told

    async def confirm(self, number: str, confirmed: Confirmed, key: str, who: Gateway) -> Raised:
        """The place has understood; the warning as it became. Raises ``Problem``."""
        order = Order(
            id=key, about="warning", subject=number, do="confirm", by=confirmed.by, at=self.asking.now(), role=who.role,
            comment=confirmed.comment, args={"place": confirmed.place},
        )  # fmt: skip
        answer = await self.asking.ask(order)
        body = await self.asking.seen(self.asking.store().item(WARNING + answer.alert))
        if body is None:
            raise asking.unknown("warning", number)
        return from_json(body, Raised)


def router(bulletin: Bulletin) -> APIRouter:
    """The routes; reading needs a token with the scope ``look``, confirming one with ``dispatch``."""
    routes = APIRouter(tags=["warnings"])
    bodies = asking.small_bodies()

    def admit(request: Request) -> None:
        bulletin.asking.access.admit(dict(request.scope["headers"]), LOOK)

    @routes.get("/v1/warnings", summary="Warnings with how many places were told, have confirmed, do not answer")
    async def listed(request: Request, state: RaisedState | None = None) -> Response:
        admit(request)
        found = await bulletin.asking.told(request, await bulletin.listed(state), blind.warning)
        return Response(msgspec.json.encode({"warnings": found}), media_type=JSON)

    @routes.get("/v1/warnings/{id}", summary="One warning and what each place answered")
    async def one(request: Request, number: Id) -> Response:
        admit(request)
        raised, answers = await bulletin.one(number)
        (found,) = await bulletin.asking.told(request, [raised], blind.warning)
        return Response(msgspec.json.encode(msgspec.to_builtins(found) | {"told": answers}), media_type=JSON)

    @routes.post("/v1/warnings/{id}/confirm", summary="A place has understood the warning")
    async def confirm(request: Request, number: Id) -> Response:
        who, key = bulletin.asking.asker(request), asking.key(request)
        confirmed = await asking.body(request, bodies, Confirmed, 'send {"place": "its id", "by": "who"}')
        became = await bulletin.confirm(number, confirmed, key, who)
        (told,) = await bulletin.asking.told(request, [became], blind.warning)
        return Response(msgspec.json.encode(told), media_type=JSON)

    return routes
