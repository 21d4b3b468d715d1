"""``GET /v1/plans``: the response plans in force, and why a changed file is not."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, Request, Response

from models.plans import InForce
from sensors.gateway.asking import JSON, Asking
from sensors.tokens import LOOK


@dataclass(frozen=True)
class Shelf:
    """Reads the plans from the picture."""

    asking: Asking

    async def listed(self) -> list[InForce]:
        """Every plan by its name."""
        found = await self.asking.seen(self.asking.store().items("plan"))
        return [msgspec.json.decode(body, type=InForce) for body in found]


def router(shelf: Shelf) -> APIRouter:
    """The route; it needs a token with the scope ``look``."""
    routes = APIRouter(tags=["plans"])

    @routes.get("/v1/plans", summary="Response plans in force, and why a changed file is refused")
    async def listed(request: Request) -> Response:
        shelf.asking.access.admit(dict(request.scope["headers"]), LOOK)
        return Response(msgspec.json.encode({"plans": await shelf.listed()}), media_type=JSON)

    return routes
