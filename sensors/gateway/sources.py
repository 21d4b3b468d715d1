"""``GET /v1/sources``: how well each source does, for those who look after the gateways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError

from sensors.gateway.access import Access
from sensors.gateway.picture import Picture
from sensors.problems import Problem
from sensors.tokens import LOOK


@dataclass(frozen=True, slots=True)
class Sources:
    """Reads what the gateways have told of their sources."""

    access: Access
    picture: Picture | None

    async def told(self, headers: Mapping[bytes, bytes]) -> bytes:
        """Every source with its figures as JSON; raises ``Problem``."""
        self.access.admit(headers, LOOK)
        try:
            if self.picture is None:
                raise ConnectionError("this gateway has no store; set CITYBRAIN_REDIS")
            found = await self.picture.sources()
        except (RedisError, OSError) as error:
            raise Problem(
                status=503,
                kind="unavailable",
                detail=str(error),
                remedy="try again after Retry-After",
                headers={"retry-after": "5"},
            ) from error
        return msgspec.json.encode({"sources": [{"source": name} | row for name, row in found.items()]})


def router(sources: Sources) -> APIRouter:
    """The route; it needs a token with the scope ``look``."""
    routes = APIRouter(tags=["sources"])

    @routes.get("/v1/sources", summary="What is expected of each source, and what comes")
    async def listed(request: Request) -> Response:
        body = await sources.told(dict(request.scope["headers"]))
        return Response(body, media_type="application/json")

    return routes
