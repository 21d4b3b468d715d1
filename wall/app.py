"""The wall's web server: pages by Dash, one stream of server-sent events, commands, behind one guard."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dash
import uvicorn
from dash import Dash, Input, Output, dcc, html
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.types import ASGIApp, Receive, Scope, Send

from config import city as cities
from config import packs_reload, playlist
from config import register as registers
from config.register_watch import end_when_grown
from config.scenes import Scene
from config.settings import Settings
from wall import oidc, scenes
from wall.accounts import Book, session_key
from wall.auth import LANGUAGE_COOKIE, Guard, Sessions
from wall.commands import Commands
from wall.console import Console
from wall.curve import Curves, looked_at
from wall.ground import ground
from wall.holding import Holding
from wall.hub import Hub, now_ms
from wall.identity import mark
from wall.login import Login
from wall.planner.routes import Planner
from wall.pocket.routes import Pocket
from wall.replay.recording import Open
from wall.replay.routes import ReplayRoutes
from wall.replay.sessions import Sessions as Replays
from wall.reports import Reports
from wall.routes import Routes, Stage
from wall.scenery import Shows
from wall.scenes import replay
from wall.scenes import wall as big_screen
from wall.view import text
from wall.views import Views
from wall.words import LANGUAGES, Language, language, word

log = logging.getLogger(__name__)

STORE_TIMEOUT_S = 5.0
INDEX = """<!DOCTYPE html>
<html><head>{%metas%}<title>{%title%}</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">{%css%}</head>
<body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"""


@dataclass(frozen=True)
class Wall:
    """The ASGI application with what runs it: ``hub`` follows the store while the application's lifespan lasts."""

    asgi: ASGIApp
    hub: Hub
    dash: Dash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        await self.asgi(scope, receive, send)


def create(settings: Settings, look_back: Open | None = None) -> Wall:
    """The wall of ``settings.city``; raises ``CityError`` or ``RegisterError`` when the city cannot be loaded.

    ``look_back`` opens what was recorded; without it there are no replays.

    ``settings.redis`` and ``settings.kafka`` must be set: this role starts no servers of its own.
    """
    if settings.redis is None or settings.kafka is None:
        raise ValueError("the wall needs CITYBRAIN_REDIS and CITYBRAIN_KAFKA; `citybrain demo` starts both itself")
    city = cities.load(settings.city)
    register = registers.load(settings.register)
    redis = Redis.from_url(
        settings.redis.get_secret_value(),
        socket_timeout=STORE_TIMEOUT_S,
        socket_connect_timeout=STORE_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # the hub itself tries again, and says so on the wall
    )
    metrics = CollectorRegistry()
    loaded = packs_reload.in_force(settings)
    live = [pack.name for pack in loaded if pack.status == "live"]
    program = playlist.load(city.folder, live)
    shows = Shows(loaded, program.takeover)
    hub = Hub(redis, settings.city, register, metrics, shows)
    commands = Commands(settings.kafka, settings.city, hub.answered, hub.hold_ms)
    commands.holding = holding = Holding(redis, settings.city, commands.deliver, now_ms)
    book = Book(settings.secrets)
    provider = oidc.load(settings.secrets / "oidc.yaml")
    stamp = provider.stamp if provider else ""
    key = session_key(settings.secrets / "session.key")
    sessions = Sessions(key, book, settings.session_h, settings.session_idle_min, stamp)
    titles = {lang: word("title", lang).format(city=text(city.name)[lang]) for lang in LANGUAGES}
    base, stage = ground(city, register, hub.properties), Stage(program, shows.scenes, shows.titles, shows.subjects)
    routes = Routes(hub, commands, base, register, metrics, build(), stage, mark(settings))
    replays = None
    if look_back is not None:
        replays = Replays(settings.home / "replays", city.id, register, hub.properties, look_back)

    planner = Planner(settings, city, register, hub.store, commands, build())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(hub.run(), name="hub")
        routes.following = following
        holding.start()
        try:
            yield
        finally:
            hub.close()
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await holding.close()
            await planner.close()
            if replays is not None:
                await replays.close()
            await commands.close()
            await redis.aclose()

    server = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    routes.add(server)
    curves = Curves(settings.archive, register, hub.past, looked_at(loaded))
    reports = Reports(settings, (sys.executable, "-m", "citybrain"))
    Console(hub, commands, holding, city, Views(settings.home), reports, curves).add(server)
    planner.add(server)
    Pocket(city, hub.store, commands, build()).add(server)
    if replays is not None:
        ReplayRoutes(replays, base, build(), stage.told("")).add(server)
    login = Login(book, sessions, titles, provider.elsewhere() if provider else None)
    server.add_api_route("/login", login.page, methods=["GET"])
    server.add_api_route("/login", login.enter, methods=["POST"])
    server.add_api_route("/login/code", login.code, methods=["POST"])
    if provider is not None:
        elsewhere = oidc.Oidc(provider, sessions, book)
        server.add_api_route("/login/oidc", elsewhere.go, methods=["GET"])
        server.add_api_route("/login/oidc/back", elsewhere.back, methods=["GET"])
    server.add_api_route("/logout", login.leave, methods=["POST"])
    pages = dash_pages(server, titles, shows.scenes)
    return Wall(Guard(Addresses(server), sessions, policy(pages)), hub, pages)


def build() -> str:
    """Which pages and scripts this server hands out; a browser that has others loads itself anew."""
    files = sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".css", ".mjs", ".svg"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def policy(pages: Dash) -> str:
    """The Content-Security-Policy: nothing from other hosts, no inline script but Dash's own one line.

    Dash's own components bring their styles as inline style elements, which is why those are let through.
    """
    scripts = " ".join(pages.csp_hashes())
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def dash_pages(server: FastAPI, titles: dict[Language, str], shown: Sequence[Scene]) -> Dash:
    """Every page of ``server``, by its address; ``shown`` are the packs' scenes of the wall."""
    pages = Dash(
        __name__,
        server=server,  # type: ignore[arg-type]  # typed as bool or callable, documented as a server
        index_string=INDEX,
        title=titles["zh"],
        update_title="",
        serve_locally=True,
        assets_ignore=r"^(login|pocket)\.css$",
        assets_path_ignore=["js", "fonts"],  # modules that main.mjs imports itself
        suppress_callback_exceptions=True,
        add_log_handler=False,
    )
    pages.backend.websocket_capability = False  # the guard refuses web sockets; browsers need not try
    pages.layout = html.Div([dcc.Location(id="address", refresh=False), html.Div(id="scene")])

    @pages.callback(Output("scene", "children"), Input("address", "pathname"))
    def scene(path: str) -> Any:
        lang = language(dash.ctx.cookies.get(LANGUAGE_COOKIE), dash.ctx.headers.get("accept-language", ""))
        found = scenes.at(path)
        if found is None:
            return html.P(word("notfound", lang), className="note")
        if found is replay:
            return replay.layout(path, titles[lang], lang, shown)
        return big_screen.layout(titles[lang], lang, shown) if found is big_screen else found.layout(titles[lang], lang)

    return pages


class Addresses:
    """Serves Dash's page, which lives at "/", at the address of every scene, and sends "/" to one of them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "http" and scenes.at(scope["path"]) is not None:
            scope = {**scope, "path": "/", "raw_path": b"/", "scene": scope["path"]}
        elif scope["type"] == "http" and scope["path"] == "/":
            scope = {**scope, "path": "/home", "raw_path": b"/home"}
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """uvicorn that ends the open streams first, and whose exit is quiet after SIGTERM and SIGINT."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A signal asks to stop; a second one insists."""
        self.force_exit, self.should_exit = self.should_exit, True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving; browsers come back by themselves."""
        self._hub.close()
        await super().shutdown(sockets)


def run(settings: Settings, look_back: Open | None = None) -> None:
    """Serve the wall on ``settings.host``:``settings.wall_port`` until SIGTERM or SIGINT; ``look_back`` as above."""
    wall = create(settings, look_back)
    end_when_grown(settings.register, len(wall.hub.register))
    config = uvicorn.Config(
        wall, host=settings.host, port=settings.wall_port, log_level="warning", access_log=False,
        server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    _Server(config, wall.hub).run()
