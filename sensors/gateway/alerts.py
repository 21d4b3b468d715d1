"""``/v1/alerts``: the alerts in the live picture, and what dispatchers do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import msgspec
from fastapi import APIRouter, Request, Response

from models import blind
from models.values import Action, Alert, Command, Severity, State, to_json
from sensors.gateway import asking
from sensors.gateway.asking import JSON, Asking, By, Comment, Id, Moment
from sensors.problems import Problem, shown
from sensors.tokens import LOOK


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """What a dispatcher sends with an action; ``until`` is of shelve, ``severity`` the new one of severity."""

    by: By
    comment: Comment = ""
    until: Moment | None = None
    severity: Severity | None = None


@dataclass(frozen=True)
class Desk:
    """Reads alerts from the picture and sends commands to the workers."""

    asking: Asking

    async def listed(self, state: State | None, severity: Severity | None) -> list[Alert]:
        """The alerts with this state and severity, where given."""
        alerts = await self.asking.seen(self.asking.store().alerts())
        return [a for a in alerts if state in (None, a.state) and severity in (None, a.severity)]

    async def one(self, number: str) -> Alert:
        """The alert with this id; raises ``Problem`` 404."""
        alert = await self.asking.seen(self.asking.store().alert(number))
        if alert is None:
            raise asking.unknown("alert", number)
        return alert

    async def act(self, number: str, action: str, ask: Ask, key: str) -> Alert:
        """Send the command and return the alert as it became; raises ``Problem`` 404, 409, 422, 503 or 504."""
        command = Command(
            id=key,
            alert=number,
            action=action,  # type: ignore[arg-type]  # checked by the route
            by=ask.by,
            at=self.asking.now(),
            comment=ask.comment,
            until=asking.milliseconds(ask.until),
            severity=ask.severity,
        )
        await self.asking.ask(command)
        return await self.one(number)


def _no_action(action: str) -> Problem:
    return Problem(
        status=404,
        kind="unknown-action",
        detail=f"{shown(action)} is no action on an alert",
        field="action",
        value=shown(action),
        limit=", ".join(get_args(Action)),
        remedy="use one of these",
    )


def router(desk: Desk) -> APIRouter:
    """The routes of the desk; reading needs a token with the scope ``look``, acting one with ``dispatch``."""
    routes = APIRouter(tags=["alerts"])
    bodies = asking.small_bodies()

    def admit(request: Request) -> None:
        desk.asking.access.admit(dict(request.scope["headers"]), LOOK)

    @routes.get("/v1/alerts", summary="The alerts in the live picture, the newest first")
    async def alerts(request: Request, state: State | None = None, severity: Severity | None = None) -> Response:
        admit(request)
        found = await desk.asking.told(request, await desk.listed(state, severity), blind.alert)
        return Response(msgspec.json.encode({"alerts": found}), media_type=JSON)

    @routes.get("/v1/alerts/{id}", summary="One alert with its history")
    async def alert(request: Request, number: Id) -> Response:
        admit(request)
        (found,) = await desk.asking.told(request, [await desk.one(number)], blind.alert)
        return Response(to_json(found), media_type=JSON)

    @routes.post("/v1/alerts/{id}/{action}", summary="Act on an alert: acknowledge it, shelve it, comment on it …")
    async def act(request: Request, number: Id, action: str) -> Response:
        desk.asking.asker(request)
        if action not in get_args(Action):
            raise _no_action(action)
        key = asking.key(request)
        ask = await asking.body(request, bodies, Ask, 'send {"by": "who", "comment": "why"}')
        (became,) = await desk.asking.told(request, [await desk.act(number, action, ask, key)], blind.alert)
        return Response(to_json(became), media_type=JSON)

    return routes
