"""``POST /v1/readings``: the door for readings, and the gateway's busiest path."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from sensors.codecs.columns import Columns, Fault, Misshapen, TooMany, Undecodable
from sensors.codecs.readings import decode_json, decode_ndjson
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies, Gone, Receive, discard
from sensors.gateway.checks import Checked, Checks
from sensors.gateway.gather import Gatherer, Intake, letter
from sensors.gateway.metrics import Metrics
from sensors.gateway.outlet import Backpressure
from sensors.limits import Rate
from sensors.problems import TYPE, Problem
from sensors.tokens import READINGS, Gateway

PATH = "/v1/readings"
ERRORS = 100  # rows whose reason is told in the answer
SMALL = 64 * 1024  # bytes of a refused body that the server may read and forget
FORMATS: dict[str, Callable[[bytes, int], Columns]] = {
    "application/json": decode_json,
    "application/x-ndjson": decode_ndjson,
}
ROW = "application/json"  # what one row is, in whatever format the batch came
NOTHING = Checked(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), [])
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Readings:
    """The ASGI endpoint. ``clock`` gives the time in seconds since 1970."""

    access: Access
    rate: Rate
    bodies: Bodies
    checks: Checks
    gatherer: Gatherer
    metrics: Metrics
    batch_limit: int
    clock: Callable[[], float] = time.time

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        body = _Once(receive)
        try:
            status, content, more = 202, await self._take(headers, body), {}
        except Problem as problem:
            status, content, more = problem.status, problem.body(), dict(problem.headers)
        except Gone:
            return
        await _answer(send, status, content, more, body, unread=not body.read and _large(headers))

    async def _take(self, headers: Mapping[bytes, bytes], body: _Once) -> bytes:
        gateway = self.access.admit(headers, READINGS)
        form = _form(headers)
        self._within_rate(self.rate.wait(gateway.name, 1, time.monotonic(), gateway.rate), gateway)
        data = await self.bodies.read(body.receive, headers)
        now = int(self.clock() * 1000)
        self.access.signed(gateway, headers, data, now / 1000)
        columns = await self._decode(gateway, form, data, now)
        self._within_rate(self.rate.take(gateway.name, columns.count, time.monotonic(), gateway.rate), gateway)
        checked = self.checks.check(columns, now, gateway)
        letters = [
            letter(gateway.name, now, fault.reason, fault.field, columns.text(fault.index), ROW)
            for fault in checked.faults
        ]
        spooled = await self._keep(Intake(gateway.name, now, checked, letters))
        newest = int(checked.time.max()) if len(checked) else None
        self.metrics.took(gateway.name, len(checked), checked.faults, now, newest)
        return _receipt(checked, spooled)

    async def _decode(self, gateway: Gateway, form: str, data: bytes, now: int) -> Columns:
        try:
            return FORMATS[form](data, self.batch_limit)
        except TooMany as error:
            raise _too_many(error) from error
        except (Undecodable, Misshapen) as error:
            dead = letter(gateway.name, now, str(error), "", data, form)
            await self._keep(Intake(gateway.name, now, NOTHING, [dead]))
            self.metrics.took(gateway.name, 0, [Fault(0, "undecodable", "", None, None, str(error))], now, None)
            raise _undecodable(error, form) from error

    async def _keep(self, intake: Intake) -> bool:
        try:
            return await self.gatherer.add(intake)
        except Backpressure as error:
            raise unavailable(error) from error

    def _within_rate(self, wait: float, gateway: Gateway) -> None:
        if wait:
            limit = gateway.rate or self.rate.rate
            raise Problem(
                status=429,
                kind="rate",
                detail=f"this gateway sends more than {limit:g} readings a second",
                field="readings",
                limit=limit,
                remedy="send again after Retry-After, or ask the city's operator for a higher rate of this token",
                headers={"retry-after": str(math.ceil(wait))},
            )


class _Once:
    """The sender's side of a request, remembering whether the body was read to its end."""

    __slots__ = ("_receive", "read")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.read = False

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self.read = not message.get("more_body")
        return message


async def _answer(send: Send, status: int, content: bytes, more: dict[str, str], body: _Once, unread: bool) -> None:
    """Send the answer; a large body that was not read ends the connection, so that it need not be."""
    headers = [(b"content-length", b"%d" % len(content))]
    headers.append((b"content-type", b"application/json" if status < 400 else TYPE.encode()))
    headers.extend((name.encode(), value.encode("latin-1", "replace")) for name, value in more.items())
    if unread and "connection" not in more:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": unread})
    if unread:
        await discard(body.receive)
        await send({"type": "http.response.body"})


def _large(headers: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or int(headers.get(b"content-length", b"0")) > SMALL


def _form(headers: Mapping[bytes, bytes]) -> str:
    sent = headers.get(b"content-type", b"").decode("latin-1")
    form = sent.partition(";")[0].strip().lower()
    if form not in FORMATS:
        raise Problem(
            status=415,
            kind="content-type",
            detail="readings in this format are not understood",
            field="Content-Type",
            value=sent,
            limit=", ".join(FORMATS),
            remedy="send one of these formats and name it in Content-Type",
        )
    return form


def _receipt(checked: Checked, spooled: bool) -> bytes:
    """The body of the 202; raises ``Problem`` 422 when there were rows and none could be taken."""
    counts = {"accepted": len(checked), "rejected": len(checked.faults)}
    errors = checked.faults[:ERRORS]
    if checked.faults and not len(checked):
        first = checked.faults[0]
        raise Problem(
            status=422,
            kind="none-accepted",
            detail=f"none of the {len(checked.faults)} readings could be taken; the first: {first.reason}",
            field=first.field,
            value=first.value,
            limit=first.limit,
            remedy="mend the readings as each reason says and send them again",
            extra=counts | {"errors": errors},
        )
    return _encode(counts | {"errors": errors, "spooled": spooled})


def _too_many(error: TooMany) -> Problem:
    return Problem(
        status=413,
        kind="too-many",
        detail=str(error),
        field="readings",
        value=error.rows,
        limit=error.limit,
        remedy="send the readings in several requests",
    )


def _undecodable(error: Undecodable | Misshapen, form: str) -> Problem:
    if isinstance(error, Undecodable):
        where = {"position": error.position}
        remedy = f"mend the body at byte {error.position}"
        return Problem(
            status=422, kind="undecodable", detail=str(error), field="body", limit=form, remedy=remedy, extra=where
        )
    return Problem(
        status=422,
        kind="misshapen",
        detail=str(error),
        field=error.field,
        value=error.value,
        limit=error.limit,
        remedy="see the request body of this path in /openapi.json",
    )


def unavailable(error: Backpressure) -> Problem:
    """The answer while nothing can be kept."""
    return Problem(
        status=503,
        kind="unavailable",
        detail=str(error),
        remedy="keep the readings and send them again after Retry-After",
        headers={"retry-after": str(error.retry_after)},
    )
