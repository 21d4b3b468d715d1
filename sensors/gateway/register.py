"""``/v1/register``: assets in, what would change, and the unknown datastreams with their adoption; scope ``plan``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
import polars as pl
from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError

from config.city_assets import COLUMNS
from config.register import RegisterError
from config.register_changes import Change
from config.registrar import AdoptError, Registrar
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies
from sensors.gateway.picture import Picture
from sensors.problems import Problem
from sensors.tokens import PLAN

TOLD = 1_000  # changes in one answer
MOST = 50_000  # assets in one request
JSON = "application/json"
T = TypeVar("T")
Degrees = Annotated[float, msgspec.Meta(ge=-180, le=180)]


class Asset(msgspec.Struct, forbid_unknown_fields=True):
    """One asset as it is sent; ``crs`` is wgs84, gcj02 or bd09."""

    asset: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    lon: Degrees
    lat: Degrees
    name_en: str = ""
    name_zh: str = ""
    crs: str = "wgs84"


class Adoption(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says of an unknown datastream."""

    datastream: Annotated[str, msgspec.Meta(min_length=3, max_length=400)]
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    lon: Degrees
    lat: Degrees
    name_en: str = ""
    name_zh: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """The routes' hands; without a registrar (a gateway that was started without its city) nothing can be changed."""

    access: Access
    bodies: Bodies
    registrar: Registrar | None
    picture: Picture | None
    knows: Callable[[str], bool]  # whether a datastream is registered by now

    async def assets(self, request: Request, dry_run: bool) -> list[Change]:
        """What the assets change, or would; raises ``Problem``."""
        self.access.admit(dict(request.scope["headers"]), PLAN)
        sent = _decoded(await self.bodies.read(request.receive, dict(request.scope["headers"])), list[Asset])
        if len(sent) > MOST:
            raise Problem(
                status=413,
                kind="too-many",
                detail=f"{len(sent)} assets in one request, at most {MOST} are taken",
                value=len(sent),
                limit=MOST,
                remedy="send them in several requests, or use citybrain register import",
            )
        rows = [
            (a.asset, a.kind, a.name_en or a.name_zh, a.name_zh or a.name_en, a.lon, a.lat, a.crs, "") for a in sent
        ]
        frame = pl.DataFrame(rows, schema=COLUMNS, orient="row")
        keeper = self._keeper()
        try:
            if dry_run:
                return (await asyncio.to_thread(keeper.preview, frame))[1]
            return await asyncio.to_thread(keeper.take, frame)
        except RegisterError as error:
            raise _unregistered(str(error)) from error

    async def adopt(self, request: Request) -> Change:
        """Register an unknown datastream; raises ``Problem``."""
        self.access.admit(dict(request.scope["headers"]), PLAN)
        told = _decoded(await self.bodies.read(request.receive, dict(request.scope["headers"])), Adoption)
        given = (told.datastream, told.kind, told.lon, told.lat, told.name_en, told.name_zh)
        try:
            change = await asyncio.to_thread(self._keeper().adopt, *given)
        except AdoptError as error:
            remedy = "mend what the reason names"
            raise Problem(status=422, kind="adopt", detail=str(error), field="datastream", remedy=remedy) from error
        except RegisterError as error:
            raise _unregistered(str(error)) from error
        if self.picture is not None:
            await self.picture.forget_unknown(told.datastream)
        return change

    def _keeper(self) -> Registrar:
        if self.registrar is None:
            raise _unregistered("this gateway was started without its city; start it with citybrain run gateway")
        return self.registrar


def _unregistered(detail: str) -> Problem:
    return Problem(
        status=503, kind="register", detail=detail, remedy="see the gateway's log", headers={"retry-after": "5"}
    )


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        remedy = "see this path in /openapi.json"
        raise Problem(status=422, kind="undecodable", detail=str(error), field="body", remedy=remedy) from error


def router(registry: Registry) -> APIRouter:
    """The routes; changing needs a token with the scope ``plan``."""
    routes = APIRouter(prefix="/v1/register", tags=["register"])

    @routes.post("/assets", summary="Register assets; with dry_run only told what would change")
    async def assets(request: Request, dry_run: bool = False) -> Response:
        changes = await registry.assets(request, dry_run)
        counts = {what: sum(one.what == what for one in changes) for what in ("new", "moved", "renamed", "refused")}
        shown = [one for one in changes if one.what != "absent"][:TOLD]
        return Response(msgspec.json.encode(counts | {"changes": shown}), media_type=JSON)

    @routes.get("/unknown", summary="Datastreams that came and are not registered, the newest first")
    async def unknown(request: Request) -> Response:
        registry.access.admit(dict(request.scope["headers"]), PLAN)
        if registry.picture is None:
            raise _unregistered("this gateway has no store; set CITYBRAIN_REDIS")
        try:
            found = await registry.picture.unknown()
        except (RedisError, OSError) as error:
            raise _unregistered(f"the store is away: {error}") from error
        return Response(
            msgspec.json.encode({"unknown": [one for one in found if not registry.knows(one.datastream)]}),
            media_type=JSON,
        )

    @routes.post("/adopt", summary="Register an unknown datastream")
    async def adopt(request: Request) -> Response:
        return Response(msgspec.json.encode(await registry.adopt(request)), media_type=JSON)

    return routes
