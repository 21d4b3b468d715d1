"""``/v1/alerts``: the alerts in the live picture, and what dispatchers do with them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar, get_args

import msgspec
from fastapi import APIRouter, Path, Request, Response
from redis.exceptions import RedisError

from config import contract
from models.values import Action, Alert, Answer, Command, Severity, State, to_json
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies
from sensors.gateway.outlet import Backpressure, Outlet
from sensors.gateway.picture import Picture
from sensors.problems import Problem
from sensors.tokens import DISPATCH, LOOK

ANSWER_S = 3.0  # how long the worker may take to say what became of a command
COMMAND_BYTES = 64 * 1024
JSON = "application/json"
AlertId = Annotated[str, Path(alias="id", max_length=64, description="the alert's id")]
KEY_LENGTH = 128


T = TypeVar("T")


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """What a dispatcher sends with an action."""

    by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    comment: Annotated[str, msgspec.Meta(max_length=4000)] = ""


@dataclass(frozen=True)
class Desk:
    """Reads alerts from the picture and sends commands to the workers. ``clock`` gives seconds since 1970."""

    city: str
    access: Access
    outlet: Outlet
    picture: Picture | None
    clock: Callable[[], float] = time.time

    async def listed(self, state: State | None, severity: Severity | None) -> list[Alert]:
        """The alerts with this state and severity, where given."""
        alerts = await self._seen(self._picture().alerts())
        return [a for a in alerts if state in (None, a.state) and severity in (None, a.severity)]

    async def one(self, number: str) -> Alert:
        """The alert with this id; raises ``Problem`` 404."""
        alert = await self._seen(self._picture().alert(number))
        if alert is None:
            raise _no_alert(number)
        return alert

    async def act(self, number: str, action: str, ask: Ask, key: str) -> Alert:
        """Send the command and return the alert as it became; raises ``Problem`` 404, 409, 503 or 504."""
        if action not in get_args(Action):
            raise _no_action(action)
        picture = self._picture()
        now = int(self.clock() * 1000)
        command = Command(id=key, alert=number, action=action, by=ask.by, at=now, comment=ask.comment)  # type: ignore[arg-type]  # checked above
        topic = contract.COMMANDS.of(self.city)
        try:
            await self.outlet.confirm(self.outlet.message(topic, 0, [(number.encode(), to_json(command))]))
        except Backpressure as error:
            raise _unavailable(str(error), error.retry_after) from error
        answer = await self._seen(picture.answer(key, ANSWER_S))
        return await self._answered(number, answer)

    async def _answered(self, number: str, answer: Answer | None) -> Alert:
        if answer is None:
            raise Problem(
                status=504,
                kind="no-answer",
                detail=f"the command was sent, but no worker answered within {ANSWER_S:g} s",
                limit=ANSWER_S,
                remedy="look at the alert before sending it again; the same Idempotency-Key does it only once",
            )
        if answer.status == "unknown":
            raise _no_alert(number)
        if answer.status == "conflict":
            raise Problem(
                status=409,
                kind="conflict",
                detail=answer.message or f"the alert is {answer.state}, by {answer.by}",
                field="state",
                value=answer.state,
                remedy="read the alert again and decide anew",
                extra={"state": answer.state, "by": answer.by},
            )
        return await self.one(number)

    def _picture(self) -> Picture:
        if self.picture is None:
            raise _unavailable("this gateway has no store; set CITYBRAIN_REDIS", 60)
        return self.picture

    @staticmethod
    async def _seen(reading: Awaitable[T]) -> T:
        try:
            return await reading
        except (RedisError, OSError) as error:
            raise _unavailable(f"the store is away: {error}", 5) from error


def _no_alert(number: str) -> Problem:
    return Problem(
        status=404,
        kind="unknown-alert",
        detail=f"there is no alert {number}",
        field="id",
        value=number,
        remedy="closed alerts leave the picture; look in the archive",
    )


def _no_action(action: str) -> Problem:
    known = ", ".join(get_args(Action))
    return Problem(
        status=404,
        kind="unknown-action",
        detail=f"{action} is no action on an alert",
        field="action",
        value=action[:100],
        limit=known,
        remedy="use one of these",
    )


def _unavailable(detail: str, retry_after: int) -> Problem:
    headers = {"retry-after": str(retry_after)}
    return Problem(status=503, kind="unavailable", detail=detail, remedy="try again after Retry-After", headers=headers)


def _ask(body: bytes) -> Ask:
    try:
        return msgspec.json.decode(body, type=Ask)
    except msgspec.DecodeError as error:
        detail = f"the body is not what an action needs: {error}"
        remedy = 'send {"by": "who", "comment": "why"}'
        raise Problem(status=422, kind="undecodable", detail=detail, field="body", remedy=remedy) from error


def _key(sent: str) -> str:
    if len(sent) > KEY_LENGTH:
        detail = f"the key has {len(sent)} characters, at most {KEY_LENGTH} are taken"
        raise Problem(
            status=422, kind="key", detail=detail, field="Idempotency-Key", limit=KEY_LENGTH, remedy="send a UUID"
        )
    return sent or uuid.uuid4().hex


def router(desk: Desk) -> APIRouter:
    """The routes of the desk; reading needs a token with the scope ``look``, acting one with ``dispatch``."""
    routes = APIRouter(tags=["alerts"])
    bodies = Bodies(COMMAND_BYTES, 64 * COMMAND_BYTES)

    def admit(request: Request, scope: str = LOOK) -> None:
        desk.access.gateway(request.headers.get("authorization", ""), scope)

    @routes.get("/v1/alerts", summary="The alerts in the live picture, the newest first")
    async def alerts(request: Request, state: State | None = None, severity: Severity | None = None) -> Response:
        admit(request)
        return Response(msgspec.json.encode({"alerts": await desk.listed(state, severity)}), media_type=JSON)

    @routes.get("/v1/alerts/{id}", summary="One alert with its history")
    async def alert(request: Request, number: AlertId) -> Response:
        admit(request)
        return Response(to_json(await desk.one(number)), media_type=JSON)

    @routes.post("/v1/alerts/{id}/{action}", summary="Act on an alert: acknowledge it, comment on it …")
    async def act(request: Request, number: AlertId, action: str) -> Response:
        admit(request, DISPATCH)
        key = _key(request.headers.get("idempotency-key", ""))
        ask = _ask(await bodies.read(request.receive, dict(request.scope["headers"])))
        return Response(to_json(await desk.act(number, action, ask, key)), media_type=JSON)

    return routes
