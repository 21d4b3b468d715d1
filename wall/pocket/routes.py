"""The pocket's routes: the page, its service worker, the task of the unit that is logged in, and what it presses."""

from __future__ import annotations

import time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from fastapi import FastAPI
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from config.city import City
from models.values import Incident, Unit, from_json
from wall import view
from wall.asked import TooLong, limited, session_of
from wall.auth import problem
from wall.commands import BODY_LIMIT, Commands, Unavailable
from wall.login import spoken
from wall.pocket import task
from wall.pocket.page import SHELL, page
from wall.pocket.task import Pressed
from wall.store import Store
from wall.words import catalogue

JSON = "application/json"
WORKER = Path(__file__).parent.parent / "assets" / "js" / "pocket" / "worker.mjs"
WORDS = ("pocket.", "state.", "head.", "time.", "severity.", "unit.", "who.")  # the families that the page says


class Pocket:
    """Answers for one city's crews; ``build`` changes with every update, and the phones' copy with it."""

    def __init__(self, city: City, store: Store, commands: Commands, build: str) -> None:
        self._city = city
        self._zone = ZoneInfo(city.timezone)
        self._store = store
        self._commands = commands
        self._build = build

    def add(self, server: FastAPI) -> None:
        """Register all routes."""
        for path, method, answer in (
            ("/pocket", "GET", self.page),
            ("/pocket/worker.mjs", "GET", self.worker),
            ("/pocket/boot.json", "GET", self.boot),
            ("/pocket/task", "GET", self.task),
            ("/pocket/command", "POST", self.command),
        ):
            server.add_api_route(path, answer, methods=[method], response_model=None)

    async def page(self, request: Request) -> Response:
        """The page, the same for every unit."""
        return HTMLResponse(page(spoken(request)), headers={"cache-control": "no-cache"})

    async def worker(self) -> Response:
        """The service worker with what it keeps; another build is another worker, which keeps anew."""
        shell = msgspec.json.encode(SHELL).decode()
        body = WORKER.read_text("utf-8").replace('"@build"', f'"{self._build}"').replace('"@shell"', shell)
        headers = {"cache-control": "no-cache", "service-worker-allowed": "/pocket"}
        return Response(body, media_type="text/javascript", headers=headers)

    async def boot(self, request: Request) -> Response:
        """What the page needs once: whose it is, and the words."""
        session, lang = session_of(request), spoken(request)
        body = {
            "build": self._build,
            "lang": lang,
            "user": session.user,
            "unit": session.unit,
            "city": {"name": view.text(self._city.name), "timezone": self._city.timezone},
            "words": {key: text for key, text in catalogue(lang).items() if key.startswith(WORDS)},
        }
        return Response(msgspec.json.encode(body), media_type=JSON, headers={"cache-control": "no-store"})

    async def task(self, request: Request) -> Response:
        """The unit and the incident that it is at."""
        name = session_of(request).unit
        try:
            data = await self._store.unit(name)
            if data is None:
                return problem(404, f"there is no unit {name}; give this login another one: citybrain user add --unit")
            unit = from_json(data, Unit)
            incident = await self._incident(unit.incident) if unit.incident else None
        except (RedisError, OSError) as error:
            return _away(f"the store is away: {error}")
        body = {**task.seen(unit, incident), "at": _now()}
        return Response(msgspec.json.encode(body), media_type=JSON, headers={"cache-control": "no-store"})

    async def command(self, request: Request) -> Response:
        """Carry out what was pressed; 200 done, 202 safe in the broker but not answered yet."""
        session = session_of(request)
        try:
            pressed = msgspec.json.decode(await limited(request, BODY_LIMIT), type=Pressed)
            if pressed.unit != session.unit:
                return problem(403, f"this was pressed as {pressed.unit}, and {session.unit} is logged in")
            if pressed.do not in task.UNIT_DOES:
                found = await self._incident(pressed.incident)
                if found is None:
                    return problem(404, f"there is no incident {pressed.incident}")
                if not task.was_sent(session.unit, found):
                    return problem(409, f"{session.unit} was not sent to incident {pressed.incident}")
            order = task.order(pressed, session.user, _now(), self._zone)
            status, answer = await self._commands.give(order)
        except msgspec.DecodeError as error:
            return problem(422, str(error))
        except TooLong:
            return problem(413, f"a command is longer than {BODY_LIMIT} bytes")
        except ClientDisconnect:
            return Response(status_code=499)
        except Unavailable as error:
            return _away(str(error))
        except (RedisError, OSError) as error:
            return _away(f"the store is away: {error}")
        return Response(answer, status, media_type=JSON)

    async def _incident(self, name: str) -> Incident | None:
        data = await self._store.incident(name)
        return from_json(data, Incident) if data is not None else None


def _away(detail: str) -> Response:
    gone = problem(503, detail)
    gone.headers["retry-after"] = "2"
    return gone


def _now() -> int:
    return time.time_ns() // 1_000_000
