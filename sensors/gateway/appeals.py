"""``GET /v1/appeals``: clusters of citizens' appeals, how departments answer, the month's top ten, what is late."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, Request, Response

from models.appeals_picture import Appeals
from models.values import from_json
from sensors.gateway.asking import JSON, Asking
from sensors.problems import Problem
from sensors.tokens import LOOK


@dataclass(frozen=True)
class Hotline:
    """Reads how appeals stand from the picture."""

    asking: Asking

    async def now(self) -> Appeals:
        """How they stand; raises ``Problem`` 404 where nobody counts them, 503 while the store is away."""
        body = await self.asking.seen(self.asking.store().appeals())
        if body is None:
            raise Problem(
                status=404,
                kind="no-appeals",
                detail="nobody counts appeals in this city",
                remedy="declare services.yaml in the city's folder, and let a worker run",
            )
        return from_json(body, Appeals)


def router(hotline: Hotline) -> APIRouter:
    """The route; it needs a token with the scope ``look``."""
    routes = APIRouter(tags=["appeals"])

    @routes.get("/v1/appeals", summary="Clusters of appeals, departments, the month's top ten, what is late")
    async def now(request: Request) -> Response:
        hotline.asking.access.admit(dict(request.scope["headers"]), LOOK)
        return Response(msgspec.json.encode(await hotline.now()), media_type=JSON)

    return routes
