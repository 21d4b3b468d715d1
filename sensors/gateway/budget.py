"""``/v1/budget``: the alert budget's dial, the line it comes to, and the watch list below that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from models.budget import MOST_AN_HOUR
from models.dial import ITEM
from models.trust import Watch
from models.values import Order, to_json
from sensors.gateway import asking
from sensors.gateway.asking import JSON, Asking, By, Comment
from sensors.problems import Problem
from sensors.tokens import DISPATCH, LOOK, PLAN, Gateway

IN_FORCE_S = 3.0  # how long to wait until the city judges by the new setting
POLL_S = 0.05


class Dial(msgspec.Struct, forbid_unknown_fields=True):
    """What the dial is turned to: alerts an hour for the whole city."""

    per_hour: Annotated[float, msgspec.Meta(ge=0, le=MOST_AN_HOUR)]
    by: By
    comment: Comment = ""


@dataclass(frozen=True)
class Budget:
    """Reads and turns the dial."""

    asking: Asking

    async def now(self) -> Watch:
        """The dial, the line and the watch list; raises ``Problem`` 503 while no worker has told them."""
        watch = await self.asking.seen(self.asking.store().watch())
        if watch is None:
            raise asking.unavailable("no worker has told the watch list yet", 5)
        return watch

    async def turn(self, dial: Dial, key: str, who: Gateway) -> Watch:
        """Turn the dial; how it stands once the city judges by it. Raises ``Problem``."""
        order = Order(
            id=key, about="budget", subject=ITEM, do="set", by=dial.by, at=self.asking.now(), role=who.role,
            comment=dial.comment, args={"per_hour": dial.per_hour},
        )  # fmt: skip
        await self.asking.ask(order)
        end = asyncio.get_running_loop().time() + IN_FORCE_S
        while (watch := await self.now()).per_hour != dial.per_hour:
            if asyncio.get_running_loop().time() > end:
                raise Problem(
                    status=504,
                    kind="no-answer",
                    detail=f"the order was taken, but the city does not judge by it after {IN_FORCE_S:g} s",
                    limit=IN_FORCE_S,
                    remedy="read /v1/budget again; it is in force once per_hour says so",
                )
            await asyncio.sleep(POLL_S)
        return watch


def router(budget: Budget) -> APIRouter:
    """The routes; reading needs a token with the scope ``look``, turning one with ``dispatch`` or ``plan``."""
    routes = APIRouter(tags=["budget"])
    bodies = asking.small_bodies()

    def admit(request: Request) -> Gateway:
        return budget.asking.access.admit(dict(request.scope["headers"]), LOOK)

    @routes.get("/v1/budget", summary="The alert budget: the dial, its line, and the watch list below it")
    async def read(request: Request) -> Response:
        admit(request)
        return Response(to_json(await budget.now()), media_type=JSON)

    @routes.post("/v1/budget", summary="Turn the dial of the alert budget: so many alerts an hour")
    async def turn(request: Request) -> Response:
        who = admit(request)
        if not (who.may(DISPATCH) or who.may(PLAN)):
            budget.asking.asker(request)  # refuses, and says what is lacking
        key = asking.key(request)
        dial = await asking.body(request, bodies, Dial, 'send {"per_hour": 6, "by": "who", "comment": "why"}')
        return Response(to_json(await budget.turn(dial, key, who)), media_type=JSON)

    return routes
