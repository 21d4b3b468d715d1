"""What dispatchers and their systems ask of the room: onto the topic ``commands``, and the answer back."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from fastapi import Path, Request
from redis.exceptions import RedisError

from config import contract
from models.blind import is_blind
from models.drills import ITEM
from models.values import Answer, Command, Order, to_json
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies
from sensors.gateway.outlet import Backpressure, Outlet
from sensors.gateway.picture import Picture
from sensors.problems import Problem, shown
from sensors.tokens import DISPATCH, LEAD, LOOK, PLAN, Gateway

ANSWER_S = 3.0  # how long the worker may take to say what became of a command
COMMAND_BYTES = 64 * 1024
KEY_LENGTH = 128
JSON = "application/json"
Id = Annotated[str, Path(alias="id", max_length=128)]
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)] | int  # RFC 3339 with its offset, or ms since 1970 UTC
By = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Comment = Annotated[str, msgspec.Meta(max_length=4000)]

T = TypeVar("T")


@dataclass(frozen=True)
class Asking:
    """Sends commands and orders of one city and waits for what became of them. ``clock`` gives s since 1970."""

    city: str
    access: Access
    outlet: Outlet
    picture: Picture | None
    clock: Callable[[], float] = time.time

    def store(self) -> Picture:
        """The live picture; raises ``Problem`` 503 where there is none."""
        if self.picture is None:
            raise unavailable("this gateway has no store; set CITYBRAIN_REDIS", 60)
        return self.picture

    @staticmethod
    async def seen(reading: Awaitable[T]) -> T:
        """What a reading of the store gives; raises ``Problem`` 503 while it is away."""
        try:
            return await reading
        except (RedisError, OSError) as error:
            raise unavailable(f"the store is away: {error}", 5) from error

    async def ask(self, what: Command | Order) -> Answer:
        """The answer ``done``; raises ``Problem`` 404, 409, 422, 503 or 504.

        It is sent even when nobody can be told the answer in time; asking again under the same id does it only once.
        """
        picture = self.store()
        subject = what.alert if isinstance(what, Command) else what.subject
        message = self.outlet.message(contract.COMMANDS.of(self.city), 0, [(subject.encode(), to_json(what))])
        try:
            await self.outlet.confirm(message)
        except Backpressure as error:
            raise unavailable(str(error), error.retry_after) from error
        answer = await self.seen(picture.answer(what.id, ANSWER_S))
        if answer is None or answer.status != "done":
            raise _refused(answer, "alert" if isinstance(what, Command) else what.about, subject)
        return answer

    async def told(self, request: Request, found: Sequence[T], plain: Callable[[T], T]) -> list[T]:
        """What was found as the asker may know it: while a blind drill runs, only who plans or leads sees its marks.

        Raises ``Problem`` 401, 403 or 503.
        """
        who = self.access.admit(dict(request.scope["headers"]), LOOK)
        if who.may(PLAN) or who.may(LEAD) or not is_blind(await self.seen(self.store().item(ITEM))):
            return list(found)
        return [plain(one) for one in found]

    def now(self) -> int:
        """Milliseconds since 1970 UTC."""
        return int(self.clock() * 1000)

    def asker(self, request: Request, scope: str = DISPATCH) -> Gateway:
        """Who may act; raises ``Problem`` 401 or 403."""
        return self.access.admit(dict(request.scope["headers"]), scope)


def key(request: Request) -> str:
    """The id of what is asked: the Idempotency-Key, or a new one; raises ``Problem`` 422."""
    sent = request.headers.get("idempotency-key", "")
    if len(sent) > KEY_LENGTH:
        detail = f"the key has {len(sent)} characters, at most {KEY_LENGTH} are taken"
        raise Problem(
            status=422, kind="key", detail=detail, field="Idempotency-Key", limit=KEY_LENGTH, remedy="send a UUID"
        )
    return sent or uuid.uuid4().hex


async def body(request: Request, bodies: Bodies, kind: type[T], remedy: str) -> T:
    """The body as ``kind``; raises ``Problem``, 422 with ``remedy`` where it is something else."""
    data = await bodies.read(request.receive, dict(request.scope["headers"]))
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"the body is not what is needed: {error}"
        raise Problem(status=422, kind="undecodable", detail=detail, field="body", remedy=remedy) from error


def small_bodies() -> Bodies:
    """For bodies that people write."""
    return Bodies(COMMAND_BYTES, 64 * COMMAND_BYTES)


def milliseconds(moment: Moment | None) -> int | None:
    """A moment as ms since 1970 UTC."""
    return round(moment.timestamp() * 1000) if isinstance(moment, dt.datetime) else moment


def unknown(what: str, number: str) -> Problem:
    """404 for an id that is not in the picture."""
    return Problem(
        status=404,
        kind=f"unknown-{what}",
        detail=f"there is no {what} {shown(number)}",
        field="id",
        value=shown(number),
        remedy="what was closed leaves the picture; look in the archive",
    )


def unavailable(detail: str, retry_after: int) -> Problem:
    """503 with Retry-After."""
    headers = {"retry-after": str(retry_after)}
    return Problem(status=503, kind="unavailable", detail=detail, remedy="try again after Retry-After", headers=headers)


def _refused(answer: Answer | None, what: str, subject: str) -> Problem:
    """What stands against it, as a problem."""
    if answer is None:
        return Problem(
            status=504,
            kind="no-answer",
            detail=f"the command was sent, but no worker answered within {ANSWER_S:g} s",
            limit=ANSWER_S,
            remedy=f"look at the {what} before sending it again; the same Idempotency-Key does it only once",
        )
    if answer.status == "unknown":
        found = unknown(what, subject)
        return Problem(
            status=404, kind=found.kind, detail=answer.message or found.detail, field="id", value=found.value,
            remedy=found.remedy,
        )  # fmt: skip
    if answer.status == "invalid":
        remedy = "mend it as the detail says"
        return Problem(status=422, kind="invalid", detail=answer.message, field="body", remedy=remedy)
    return Problem(
        status=409,
        kind="conflict",
        detail=answer.message or f"the {what} is {answer.state}, by {answer.by}",
        field="state",
        value=answer.state,
        remedy=f"read the {what} again and decide anew",
        extra={"state": answer.state, "by": answer.by},
    )


def nothing_to_do(do: str, what: str, known: Sequence[str]) -> Problem:
    """404 for an order that its subject does not know: ``what`` says of whom, ``known`` are those there are."""
    return Problem(
        status=404,
        kind="unknown-order",
        detail=f"{shown(do)} is {what}",
        field="do",
        value=shown(do),
        limit=", ".join(known),
        remedy="use one of these",
    )
