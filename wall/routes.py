"""The wall's own routes: the stream, what a browser loads once, one alert in full, commands, and the machine's two."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis.exceptions import RedisError
from scipy.spatial import cKDTree
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from config.playlist import Program
from config.register import Register
from config.scenes import Scene
from models.appeals_picture import OWN
from models.values import Text
from wall import view
from wall.asked import TooLong, limited, session_of
from wall.auth import Session, problem
from wall.commands import BODY_LIMIT, Commands, NotAllowed, Unavailable
from wall.ground import METRES_A_DEGREE, Ground
from wall.hub import Hub
from wall.login import spoken
from wall.words import catalogue

NEARBY = 8  # datastreams named beside an alert
RECHECK_S = 2.0
RETRY_MS = 1000  # how soon a browser calls again after the stream broke
JSON = "application/json"


@dataclass(frozen=True)
class Stage:
    """What a wall's page is told once of its scenes: their declarations, and the playlist of whoever asks."""

    program: Program
    scenes: Sequence[Scene]
    titles: Mapping[str, Text] = field(default_factory=dict)  # of rules, by "pack.Rule"
    subjects: Mapping[str, str] = field(default_factory=dict)  # properties that rules are about, by "pack.Rule"

    def told(self, display: str) -> view.Row:
        """For the browser of ``display``."""
        return {
            "playlist": [msgspec.to_builtins(turn) for turn in self.program.of(display)],
            "reload_hour": self.program.reload_hour,
            "rules": {name: view.text(title) for name, title in self.titles.items()},
            "subjects": dict(self.subjects),
            "scenes": {
                scene.pack: {**msgspec.to_builtins(scene), "clusters": scene.pack == OWN} for scene in self.scenes
            },
        }


class Routes:
    """Answers for one wall; ``build`` changes with every update, so that browsers then reload; ``mark`` says whose wall
    it is (wall/identity.py)."""

    def __init__(
        self,
        hub: Hub,
        commands: Commands,
        ground: Ground,
        register: Register,
        metrics: CollectorRegistry,
        build: str,
        stage: Stage | None = None,
        mark: str = "",
    ) -> None:
        self._hub = hub
        self._about = {"wall": mark, "build": build}
        self._commands = commands
        self._ground = ground
        self._register = register
        self._metrics = metrics
        self._stage = stage
        self._build = f"{build}.{ground.version}"
        self.following: asyncio.Task[None] | None = None  # the hub's task, set when the server starts

    def add(self, server: FastAPI) -> None:
        """Register all routes."""
        for path, method, answer in (
            ("/home", "GET", self.home),
            ("/stream", "GET", self.stream),
            ("/boot.json", "GET", self.boot),
            ("/points.bin", "GET", self.points),
            ("/session", "GET", self.session),
            ("/session", "POST", self.here),
            ("/alert/{key}", "GET", self.alert),
            ("/command", "POST", self.command),
            ("/budget", "POST", self.budget),
            ("/incident/{key}", "GET", self.incident),
            ("/order", "POST", self.order),
            ("/healthz", "GET", self.healthz),
            ("/metrics", "GET", self.metrics),
        ):
            server.add_api_route(path, answer, methods=[method], response_model=None)

    async def home(self, request: Request) -> Response:
        """The desk for those who act, the pocket for a unit, the wall for those who look."""
        session = session_of(request)
        return RedirectResponse("/desk" if session.commands else "/pocket" if session.unit else "/wall", 303)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: a snapshot, then deltas and heartbeats, for as long as the browser stays."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        frames = self._frames(request.scope["still"])
        return StreamingResponse(frames, media_type="text/event-stream", headers=headers)

    async def _frames(self, still: Callable[[], bool]) -> AsyncIterator[bytes]:
        """A new viewer's frames while its session is ``still`` good: one that was revoked sees no more."""
        viewer = self._hub.join()
        asked = time.monotonic()
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            async for data in viewer.frames():
                if time.monotonic() - asked > RECHECK_S:
                    if not still():
                        return
                    asked = time.monotonic()
                yield data
        finally:
            self._hub.leave(viewer)

    async def boot(self, request: Request) -> Response:
        """What a page needs once: who is asking, the words, the ground."""
        session, lang = session_of(request), spoken(request)
        body = {
            "build": self._build,
            "lang": lang,
            "user": {"name": session.user, "role": session.role, "commands": session.commands},
            "words": catalogue(lang),
            "points": f"/points.bin?{self._ground.version}",
            "ground": msgspec.Raw(self._ground.body),
            "stage": self._stage.told(session.user) if self._stage else None,
        }
        return Response(msgspec.json.encode(body), media_type=JSON, headers={"cache-control": "no-store"})

    async def points(self, request: Request) -> Response:
        """Where every datastream is (wall/ground.py)."""
        headers = {"cache-control": "private, max-age=31536000, immutable"}
        return Response(self._ground.points, media_type="application/octet-stream", headers=headers)

    async def session(self, request: Request) -> Response:
        """Whether the session still holds (401 otherwise), and which build answers."""
        body = {"user": session_of(request).user, "build": self._build}
        return Response(msgspec.json.encode(body), media_type=JSON, headers={"cache-control": "no-store"})

    async def here(self, request: Request) -> Response:
        """Somebody touched the page: the guard has set the idle time back."""
        return Response(status_code=204)

    async def alert(self, key: str) -> Response:
        """One alert with its history, and what the datastreams around it say now."""
        try:
            data = await self._hub.store.alert(key)
            if data is None:
                return problem(404, f"there is no alert {key}")
            row = view.detail(data)
            row["nearby"] = await self._nearby(row["lon"], row["lat"])
        except (RedisError, OSError) as error:
            return problem(503, f"the store is away: {error}")
        return Response(msgspec.json.encode(row), media_type=JSON, headers={"cache-control": "no-store"})

    async def incident(self, key: str) -> Response:
        """One incident with its tasks, plan and timeline."""
        try:
            data = await self._hub.store.incident(key)
        except (RedisError, OSError) as error:
            return problem(503, f"the store is away: {error}")
        if data is None:
            return problem(404, f"there is no incident {key}")
        return Response(msgspec.json.encode(view.case(data)), media_type=JSON, headers={"cache-control": "no-store"})

    async def order(self, request: Request) -> Response:
        """Give an order about an incident, a unit, a silence …; each needs its right."""
        return await self._carried(request, self._commands.order)

    async def command(self, request: Request) -> Response:
        """Ask something of an alert; only for those who may."""
        return await self._carried(request, self._commands.ask)

    async def budget(self, request: Request) -> Response:
        """Turn the dial of the alert budget; only for those who may."""
        return await self._carried(request, self._commands.turn)

    async def _carried(
        self, request: Request, carry: Callable[[bytes, Session, int], Awaitable[tuple[int, bytes]]]
    ) -> Response:
        """What became of a person's request, in their own name."""
        session = session_of(request)
        if not session.commands:
            return problem(403, f"the role {session.role} may only look; ask for the role dispatcher")
        try:
            body = await limited(request, BODY_LIMIT)
            status, answer = await carry(body, session, int(time.time() * 1000))
        except msgspec.DecodeError as error:
            return problem(422, str(error))
        except NotAllowed as error:
            return problem(403, str(error))
        except ClientDisconnect:
            return Response(status_code=499)
        except TooLong:
            return problem(413, f"a command is longer than {BODY_LIMIT} bytes")
        except Unavailable as error:
            gone = problem(503, str(error))
            gone.headers["retry-after"] = "2"
            return gone
        return Response(answer, status, media_type=JSON)

    async def healthz(self) -> Response:
        """200 while the hub follows the store, 503 otherwise; and which wall it is."""
        alive = self.following is not None and not self.following.done()
        body = {"hub": alive, "store": self._hub.connected, "viewers": len(self._hub.viewers), **self._about}
        return Response(msgspec.json.encode(body), 200 if alive and self._hub.connected else 503, media_type=JSON)

    async def metrics(self) -> Response:
        """Prometheus text."""
        return Response(generate_latest(self._metrics), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _nearby(self, lon: float, lat: float) -> list[view.Row]:
        count = min(NEARBY, len(self._register))
        if not count:
            return []
        distance, rows = self._tree.query(np.array([lon, lat]) * self._metres, k=count)
        chosen = [int(row) for row in np.atleast_1d(rows)]
        about = [
            {
                "datastream": it["datastream"],
                "property": it["property"],
                "unit": it["unit"],
                "name": {"en": it["name_en"], "zh": it["name_zh"]},
                "metres": round(float(metres)),
                "camera": it["kind"] == "camera",
            }
            for it, metres in zip(self._register.frame[chosen].to_dicts(), np.atleast_1d(distance), strict=True)
        ]
        return view.nearby(about, *await self._hub.store.at(chosen))

    @cached_property
    def _metres(self) -> Any:
        lat = self._register.frame["lat"].to_numpy()
        return METRES_A_DEGREE * np.array([np.cos(np.radians(lat.mean())), 1.0])

    @cached_property
    def _tree(self) -> Any:
        return cKDTree(self._register.frame.select("lon", "lat").to_numpy() * self._metres)
