"""The gateway: HTTP in, readings confirmed by the broker (or on disk) out."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.routing import Route

from config.register import Register, RegisterError, load
from config.settings import Settings
from sensors.digest import Digests
from sensors.gateway import (
    alerts,
    appeals,
    budget,
    doors,
    duty,
    incidents,
    openapi,
    plans,
    positions,
    requests,
    sources,
    units,
    viid,
    warnings,
)
from sensors.gateway import register as registry
from sensors.gateway.access import Access
from sensors.gateway.asking import Asking
from sensors.gateway.body import Bodies, Gone
from sensors.gateway.checks import Checks
from sensors.gateway.following import follow
from sensors.gateway.metrics import Metrics
from sensors.gateway.outlet import Outlet
from sensors.gateway.parts import parts
from sensors.gateway.place import NOWHERE, Place
from sensors.gateway.readings import PATH, Readings
from sensors.mqtt.asyncapi import describe
from sensors.mqtt.routes import DEFAULT
from sensors.problems import TYPE, Problem
from sensors.tokens import Tokens

TOKENS = "gateways.json"
BODIES_AT_ONCE = 16  # bodies of the largest size that are read at the same time
KEEP_ALIVE_S = 75
GRACE_S = 15  # for requests in flight when the gateway is told to stop
WAIT_S = 1.0

log = logging.getLogger(__name__)


class Gateway(FastAPI):
    """The application with its parts; described by what it answers, not only by its routes."""

    def openapi(self) -> dict[str, Any]:
        """The description at /openapi.json."""
        return openapi.describe(self)


def create(
    settings: Settings,
    register: Register,
    clock: Callable[[], float] = time.time,
    place: Place = NOWHERE,
) -> FastAPI:
    """The application for the city of ``settings``, its ``register`` and its ``place``; ``clock`` gives seconds since
    1970.

    Raises ``SettingsError`` without ``settings.kafka``, and ``LogError`` when another gateway has the spool.
    """
    made = parts(settings, register, settings.spool, place.zone, clock)
    outlet, metrics, picture = made.outlet, made.metrics, made.picture
    known = Tokens(settings.secrets / TOKENS, clock)
    access = Access(known, settings.certificate_header or "")

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await outlet.start()
        aside = [asyncio.create_task(follow(settings.register, made.use))]
        if picture:
            aside.append(
                asyncio.create_task(picture.publish(metrics.tallies, metrics.quarantine, made.reception.health))
            )
        yield
        for task in aside:
            task.cancel()
        await asyncio.wait(aside)
        if picture:
            await picture.close(metrics.tallies)
        await outlet.stop()

    app = Gateway(
        title="citybrain gateway",
        version="1",
        description="How the city speaks: readings in, alerts and incidents out.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # /metrics tells what there is to tell
    )
    bodies = Bodies(settings.body_limit_bytes, BODIES_AT_ONCE * settings.body_limit_bytes)
    door = Readings(access, bodies, made.reception)
    app.router.routes.insert(0, Route(PATH, door, methods=["POST"]))
    asking = Asking(settings.city, access, outlet, picture, clock)
    app.include_router(alerts.router(alerts.Desk(asking)))
    app.include_router(incidents.router(incidents.Office(asking)))
    app.include_router(budget.router(budget.Budget(asking)))
    app.include_router(plans.router(plans.Shelf(asking)))
    app.include_router(units.router(units.Fleet(asking)))
    app.include_router(appeals.router(appeals.Hotline(asking)))
    app.include_router(warnings.router(warnings.Bulletin(asking)))
    tolerance_ms = settings.future_tolerance_s * 1000
    app.include_router(positions.router(positions.Positions(access, bodies, made.reception, place.fleet, tolerance_ms)))
    app.include_router(duty.router(duty.Desk(settings, asking)))
    app.include_router(sources.router(sources.Sources(access, picture)))
    app.include_router(registry.router(registry.Registry(access, bodies, place.registrar, picture, made.checks.knows)))
    app.include_router(viid.router(viid.Viid(access, known, Digests(), bodies, made.reception)))
    app.include_router(doors.router(doors.Doors(access, bodies, made.reception)))
    app.include_router(
        requests.router(requests.Requests(access, bodies, made.reception, made.gatherer, picture, place.services))
    )
    _add_health(app, outlet, made.checks, metrics)
    _add_problems(app)
    app.add_middleware(_Timed, metrics=metrics)
    return app


def run(settings: Settings, place: Place = NOWHERE) -> None:
    """Serve on ``settings.host`` and ``settings.gateway_port`` until SIGTERM or SIGINT.

    Waits for the register. What is in flight when the signal comes is answered first.
    """
    signal.signal(signal.SIGTERM, _leave)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells every try; the outlet tells when one matters
    app = create(settings, registered(settings), place=place)
    gc.collect()
    gc.freeze()  # the register stays for ever; looking through it again would only cost time
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.gateway_port,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run()


def _leave(*_: object) -> NoReturn:
    """Ordered to stop: end with 0. The server answers what is in flight first, then raises the signal again."""
    sys.exit(0)


def registered(settings: Settings) -> Register:
    """The register, waited for."""
    told = ""
    while True:
        try:
            return load(settings.register)
        except RegisterError as error:
            if str(error) != told:
                log.warning("waiting for the register: %s", error)
            told = str(error)
        time.sleep(WAIT_S)


def _add_health(app: FastAPI, outlet: Outlet, checks: Checks, metrics: Metrics) -> None:
    @app.get("/healthz", tags=["health"], summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"], summary="Ready to take readings; 503 tells why not")
    async def readyz() -> Response:
        reasons = [outlet.trouble] if outlet.trouble else []
        if not len(checks):
            reasons.append("the register is empty; every reading would be refused")
        body = {"ready": not reasons, "broker": outlet.open, "datastreams": len(checks), "reasons": reasons}
        return Response(msgspec.json.encode(body), 503 if reasons else 200, media_type="application/json")

    @app.get("/asyncapi.json", tags=["health"], summary="The MQTT door described (AsyncAPI 3)")
    async def asyncapi() -> Response:
        return Response(msgspec.json.encode(describe(DEFAULT)), media_type="application/json")

    @app.get("/metrics", tags=["health"], summary="Prometheus metrics")
    async def page() -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE_LATEST)


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return Response(error.body(), error.status, dict(error.headers), TYPE)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        kind = {404: "unknown-path", 405: "method"}.get(error.status_code, "http")
        remedy = "see /openapi.json for what there is"
        detail = f"{request.method} {request.url.path}: {error.detail}"
        headers = dict(error.headers or {})
        return await problem(
            request, Problem(status=error.status_code, kind=kind, detail=detail, remedy=remedy, headers=headers)
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field, detail = str(first["loc"][-1]), str(first["msg"])
        value, remedy = str(first.get("input", ""))[:100], "see this path in /openapi.json"
        return await problem(
            request, Problem(status=422, kind="invalid", detail=detail, field=field, value=value, remedy=remedy)
        )

    @app.exception_handler(Gone)
    async def gone(_: Request, __: Gone) -> Response:
        return Response(status_code=400)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        remedy = "send it again; if it stays, tell the city's operator the time of this answer"
        return await problem(
            request, Problem(status=500, kind="fault", detail="the gateway is at fault, not the request", remedy=remedy)
        )


class _Timed:
    """Measures every answer by its route."""

    def __init__(self, app: Callable[..., Awaitable[None]], metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            self.metrics.answered(_route(scope), time.perf_counter() - began)


def _route(scope: MutableMapping[str, Any]) -> str:
    """The route's template, so that ids in a path make no new series."""
    if scope["path"] == PATH:
        return PATH
    return getattr(scope.get("route"), "path", "other")
