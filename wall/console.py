"""The routes of the desk alone: taking back, who looks at what, saved views, units, duty, reports, curves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from config.city import City
from models.roster import ROTA
from models.values import Alert, Incident, Unit, from_json
from wall import duty, fleet, presence
from wall.asked import TooLong, limited, session_of
from wall.auth import problem
from wall.commands import BODY_LIMIT, Commands
from wall.curve import Curves
from wall.holding import Holding
from wall.hub import Hub
from wall.presence import Looking
from wall.reports import FORMS, WORD, NoReport, Reports
from wall.routes import JSON
from wall.views import Forgotten, TooMany, View, Views
from wall.words import LANGUAGES

log = logging.getLogger(__name__)
T = TypeVar("T")
SWEEP_S = 60.0


class Console:
    """Answers to desks; who may ask what is in wall/rights.py, and the guard has seen to it."""

    def __init__(
        self, hub: Hub, commands: Commands, holding: Holding, city: City, views: Views, reports: Reports, curves: Curves
    ) -> None:
        self._hub = hub
        self._commands = commands
        self._holding = holding
        self._city = city
        self._views = views
        self._reports = reports
        self._curves = curves
        self._roster = duty.declared(city.folder)
        self._swept = 0.0

    def add(self, server: FastAPI) -> None:
        """Register all routes."""
        for path, method, answer in (
            ("/presence", "POST", self.presence),
            ("/command/{key}", "GET", self.became),
            ("/command/{key}/undo", "POST", self.undo),
            ("/views", "GET", self.views),
            ("/views", "POST", self.keep_view),
            ("/views/delete", "POST", self.forget_view),
            ("/units", "GET", self.units),
            ("/duty", "GET", self.duty),
            ("/report/shift.{form}", "GET", self.report),
            ("/report/after-action/{incident}.{form}", "GET", self.after_action),
            ("/curve/{key}", "GET", self.curve),
        ):
            server.add_api_route(path, self._careful(answer), methods=[method], response_model=None)

    async def presence(self, request: Request) -> Response:
        """What the asker's page shows now."""
        looking = await _body(request, Looking)
        redis, now = self._hub.store.redis, _now()
        await presence.tell(redis, self._hub.city, looking, session_of(request).user, now)
        if time.monotonic() - self._swept > SWEEP_S:
            self._swept = time.monotonic()
            await presence.sweep(redis, self._hub.city, await self._hub.store.present(), now)
        return Response(status_code=204)

    async def became(self, request: Request) -> Response:
        """What became of a command: as it was answered, 202 while it waits, 410 when nobody knows of it."""
        key = request.path_params["key"]
        held = await self._holding.find(key)
        if held is not None and held.command.by == session_of(request).user and held.until > _now():
            return _json({"command": key, "status": "held", "until": held.until}, 202)
        found = await self._commands.became(key)
        if found is not None:
            return Response(found[1], found[0], media_type=JSON)
        if await self._holding.find(key) is not None:
            return _json({"command": key, "status": "pending"}, 202)
        return _json({"command": key, "status": "gone"}, 410)

    async def undo(self, request: Request) -> Response:
        """Take back one's own acknowledgement while its time lasts; 409 afterwards."""
        session, key = session_of(request), request.path_params["key"]
        if not await self._holding.take_back(key, session.user):
            return problem(409, f"the command {key} cannot be taken back any more")
        return _json({"command": key, "status": "undone"})

    async def views(self, request: Request) -> Response:
        """The asker's saved views."""
        return _json(self._views.of(session_of(request).user))

    async def keep_view(self, request: Request) -> Response:
        """Save a view under its name."""
        view = await _body(request, View)
        try:
            return _json(self._views.keep(session_of(request).user, view))
        except TooMany as error:
            return problem(409, str(error))

    async def forget_view(self, request: Request) -> Response:
        """Delete a view."""
        return _json(self._views.forget(session_of(request).user, (await _body(request, Forgotten)).name))

    async def units(self, request: Request) -> Response:
        """Who is at an incident and who could go."""
        key = request.query_params.get("incident", "")
        data = await self._hub.store.incident(key)
        if data is None:
            return problem(404, f"there is no incident {key}")
        found = [from_json(one, Unit) for one in (await self._hub.store.units()).values()]
        return _json(await asyncio.to_thread(fleet.board, found, from_json(data, Incident), _now()))

    async def duty(self, request: Request) -> Response:
        """The shift, its seats and to whom the room can be handed."""
        kept = await self._hub.store.item(ROTA)
        return _json(duty.board(self._roster, self._city, kept, session_of(request).user, _now()))

    async def report(self, request: Request) -> Response:
        """The shift report as a file; ``lang`` zh or en."""
        form, lang = request.path_params["form"], request.query_params.get("lang", "zh")
        chosen = next((one for one in LANGUAGES if one == lang), None)
        if form not in FORMS or chosen is None:
            return problem(404, f"a report comes as .{' or .'.join(FORMS)}?lang={' or lang='.join(LANGUAGES)}")
        try:
            made = await self._reports.shift(form, chosen)
        except NoReport as error:
            log.error("no shift report: %s", error)
            return problem(503, f"the report could not be made: {error}")
        name = f"shift-{self._hub.city}-{chosen}.{form}"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(made, media_type=FORMS[form], headers=headers)

    async def after_action(self, request: Request) -> Response:
        """The report on one incident as a file; ``lang`` zh or en."""
        given, lang = request.path_params, request.query_params.get("lang", "zh")
        incident, form, forms = given["incident"], given["form"], FORMS | {"docx": WORD}
        chosen = next((one for one in LANGUAGES if one == lang), None)
        if form not in forms or chosen is None:
            return problem(404, f"a report comes as .{' or .'.join(forms)}?lang={' or lang='.join(LANGUAGES)}")
        try:
            made = await self._reports.after_action(incident, form, chosen)
        except NoReport as error:
            return problem(503, f"the report could not be made: {error}")
        headers = {"content-disposition": f'attachment; filename="after-action-{incident}.{form}"'}
        return Response(made, media_type=forms[form], headers=headers | {"cache-control": "no-store"})

    async def curve(self, request: Request) -> Response:
        """What the alert's place showed before and since."""
        key = request.path_params["key"]
        data = await self._hub.store.alert(key)
        if data is None:
            return problem(404, f"there is no alert {key}")
        return _json(await asyncio.to_thread(self._curves.of, from_json(data, Alert), self._hub.board.time))

    def _careful(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The route with its errors told as problem+json."""

        async def careful(request: Request) -> Response:
            try:
                return await answer(request)
            except msgspec.DecodeError as error:
                return problem(422, str(error))
            except TooLong:
                return problem(413, f"a request of the desk is longer than {BODY_LIMIT} bytes")
            except (RedisError, OSError) as error:
                return problem(503, f"the store is away: {error}")

        return careful


async def _body(request: Request, kind: type[T]) -> T:
    return msgspec.json.decode(await limited(request, BODY_LIMIT), type=kind)


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON, headers={"cache-control": "no-store"})


def _now() -> int:
    return int(time.time() * 1000)
