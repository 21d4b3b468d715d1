"""The addresses of replays, all below /replay/<session>/: what a live page asks for, answered from the archive."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec
import numpy as np
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from wall import view
from wall.asked import TooLong, limited, session_of
from wall.auth import problem
from wall.ground import Ground
from wall.login import spoken
from wall.replay.recording import Ask, ReplayError
from wall.replay.session import Control, Session, speed_within
from wall.replay.sessions import Sessions, declare
from wall.words import catalogue

JSON = "application/json"
RETRY_MS = 1000
BODY_LIMIT = 4_096
FRESH = {"cache-control": "no-store"}
MOST_MARKS = 2_000


class ReplayRoutes:
    """Answers for all sessions of one wall."""

    def __init__(self, sessions: Sessions, ground: Ground, build: str, stage: view.Row) -> None:
        """``stage`` is what the wall's page is told of its scenes; no playlist turns them in a replay."""
        self._sessions = sessions
        self._stage = {**stage, "playlist": []}
        self._ground = ground
        self._build = f"{build}.{ground.version}"

    def add(self, server: FastAPI) -> None:
        """Register all routes."""
        for path, method, answer in (
            ("/replay", "POST", self.ask),
            ("/replay/{name}", "GET", self.first),
            ("/replay/{name}/stream", "GET", self.stream),
            ("/replay/{name}/boot.json", "GET", self.boot),
            ("/replay/{name}/marks.json", "GET", self.marks),
            ("/replay/{name}/control", "POST", self.control),
            ("/replay/{name}/alert/{key}", "GET", self.alert),
            ("/replay/{name}/incident/{key}", "GET", self.incident),
        ):
            server.add_api_route(path, answer, methods=[method], response_model=None)

    async def ask(self, request: Request) -> Response:
        """Ask for a session: {"start", "end", "speed"?, "incident"?}; its address."""
        try:
            ask = msgspec.json.decode(await limited(request, BODY_LIMIT), type=Ask)
            speed_within(ask.speed)
        except TooLong:
            return problem(413, f"the request is longer than {BODY_LIMIT} bytes")
        except (msgspec.DecodeError, ReplayError) as error:
            return problem(422, str(error))
        mine = msgspec.structs.replace(ask, by=session_of(request).user, made=time.time_ns() // 1_000_000)
        name = declare(self._sessions.folder, mine)
        return _json({"session": name, "url": f"/replay/{name}/wall"}, 201)

    async def first(self, name: str) -> Response:
        """A session's address leads to its wall."""
        return RedirectResponse(f"/replay/{name}/wall", 303)

    async def stream(self, name: str, request: Request) -> Response:
        """Server-sent events as those of the live stream, with the session's clock in each heartbeat."""
        try:
            session = await self._sessions.get(name)
        except ReplayError as error:
            return problem(404, str(error))
        headers = {**FRESH, "x-accel-buffering": "no"}
        return StreamingResponse(self._frames(session), media_type="text/event-stream", headers=headers)

    async def _frames(self, session: Session) -> AsyncIterator[bytes]:
        viewer = session.join()
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            async for data in viewer.frames():
                yield data
        finally:
            session.leave(viewer)

    async def boot(self, name: str, request: Request) -> Response:
        """What a page needs once; nobody commands in a replay."""
        try:
            session = await self._sessions.get(name)
        except ReplayError as error:
            return problem(404, str(error))
        asking, lang = session_of(request), spoken(request)
        body = {
            "build": self._build,
            "lang": lang,
            "user": {"name": asking.user, "role": asking.role, "commands": False},
            "words": catalogue(lang),
            "points": f"/points.bin?{self._ground.version}",
            "ground": msgspec.Raw(self._ground.body),
            "stage": self._stage,
            "replay": {**msgspec.to_builtins(session.ask), "start": session.clock.start, "end": session.clock.end},
        }
        return _json(body)

    async def marks(self, name: str) -> Response:
        """What happened, for the slider: [[at, kind, level, subject, title, did], …] by time."""
        try:
            session = await self._sessions.get(name)
        except ReplayError as error:
            return problem(404, str(error))
        rows = [
            [it.at, it.kind, it.level, it.subject, view.text(it.title), it.did] for it in session.marks[:MOST_MARKS]
        ]
        return _json({"marks": rows, "more": max(0, len(session.marks) - MOST_MARKS)})

    async def control(self, name: str, request: Request) -> Response:
        """Turn the session's clock, as ``Control`` says; where it stands then."""
        try:
            session = await self._sessions.get(name)
            control = msgspec.json.decode(await limited(request, BODY_LIMIT), type=Control)
            clock = session.turn(control)
        except TooLong:
            return problem(413, f"the request is longer than {BODY_LIMIT} bytes")
        except (msgspec.DecodeError, ReplayError) as error:
            return problem(422, str(error))
        return _json(msgspec.to_builtins(clock))

    async def alert(self, name: str, key: str) -> Response:
        """One alert as it was at the session's moment."""
        try:
            session = await self._sessions.get(name)
        except ReplayError as error:
            return problem(404, str(error))
        data = session.recording.alert(key, int(session.clock.at))
        if data is None:
            return problem(404, f"there was no alert {key} at this moment")
        return _json({**view.detail(data), "nearby": []})

    async def incident(self, name: str, key: str) -> Response:
        """One incident as it was at the session's moment."""
        try:
            session = await self._sessions.get(name)
        except ReplayError as error:
            return problem(404, str(error))
        data = session.recording.incident(key, int(session.clock.at))
        return problem(404, f"there was no incident {key} at this moment") if data is None else _json(view.case(data))


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body, enc_hook=_plain), status, media_type=JSON, headers=FRESH)


def _plain(value: object) -> object:
    """Numbers of numpy as plain ones."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON")
