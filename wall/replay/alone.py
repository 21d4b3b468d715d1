"""Replays without a live wall: a server that has the archive, the pages and the login, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from config import city as cities
from config import packs_reload
from config import register as registers
from config.settings import Settings
from wall.accounts import Book, session_key
from wall.app import Addresses, build, dash_pages, policy
from wall.asked import session_of
from wall.auth import Guard
from wall.auth import Sessions as Logins
from wall.ground import Ground, ground
from wall.identity import mark
from wall.login import Login
from wall.replay.recording import Open
from wall.replay.routes import ReplayRoutes
from wall.replay.sessions import Sessions
from wall.view import text
from wall.words import LANGUAGES, word


def create(settings: Settings, look_back: Open) -> ASGIApp:
    """The server; raises ``CityError`` or ``RegisterError`` when the city cannot be loaded."""
    city, register = cities.load(settings.city), registers.load(settings.register)
    properties = sorted(register.frame["property"].unique().to_list())
    base, made = ground(city, register, properties), build()
    sessions = Sessions(settings.home / "replays", city.id, register, properties, look_back)
    shown = [pack.scene for pack in packs_reload.sound() if pack.status == "live" and pack.scene is not None]
    titles = {lang: word("title", lang).format(city=text(city.name)[lang]) for lang in LANGUAGES}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await sessions.close()

    server = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    ReplayRoutes(sessions, base, made, {"scenes": {one.pack: msgspec.to_builtins(one) for one in shown}}).add(server)
    _Common(base, made, mark(settings)).add(server)
    book = Book(settings.secrets)
    key = session_key(settings.secrets / "session.key")
    logins = Logins(key, book, settings.session_h, settings.session_idle_min)
    login = Login(book, logins, titles)
    server.add_api_route("/login", login.page, methods=["GET"])
    server.add_api_route("/login", login.enter, methods=["POST"])
    server.add_api_route("/login/code", login.code, methods=["POST"])
    server.add_api_route("/logout", login.leave, methods=["POST"])
    pages = dash_pages(server, titles, shown)
    return Guard(Addresses(server), logins, policy(pages))


class _Common:
    """What every page asks for besides."""

    def __init__(self, base: Ground, build: str, mark: str) -> None:
        self._base, self._build = base, f"{build}.{base.version}"
        self._about = {"replays": True, "wall": mark, "build": build}

    def add(self, server: FastAPI) -> None:
        """Register the routes."""
        server.add_api_route("/points.bin", self.points, methods=["GET"], response_model=None)
        server.add_api_route("/session", self.session, methods=["GET", "POST"], response_model=None)
        server.add_api_route("/home", self.home, methods=["GET"], response_model=None)
        server.add_api_route("/healthz", self.healthz, methods=["GET"], response_model=None)

    async def points(self) -> Response:
        """Where every datastream is (wall/ground.py)."""
        headers = {"cache-control": "private, max-age=31536000, immutable"}
        return Response(self._base.points, media_type="application/octet-stream", headers=headers)

    async def session(self, request: Request) -> Response:
        """Whether the session still holds (401 otherwise), and which build answers."""
        body = {"user": session_of(request).user, "build": self._build}
        return Response(msgspec.json.encode(body), media_type="application/json", headers={"cache-control": "no-store"})

    async def home(self) -> Response:
        """There is no live page here."""
        return RedirectResponse("/login", 303)

    async def healthz(self) -> Response:
        """200 while it serves, and which wall it is."""
        return Response(msgspec.json.encode(self._about), media_type="application/json")


def serve(settings: Settings, look_back: Open) -> None:
    """Serve on ``settings.host``:``settings.wall_port`` until SIGTERM or SIGINT."""
    uvicorn.run(
        create(settings, look_back), host=settings.host, port=settings.wall_port, log_level="warning", access_log=False,
        server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
