"""``POST /v1/readings``: the door for readings, and the gateway's busiest path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sensors.codecs.base import Codec
from sensors.codecs.readings_codec import JSON
from sensors.codecs.register import of_media
from sensors.codecs.table import NDJSON
from sensors.gateway.access import Access
from sensors.gateway.body import Bodies, Gone, Receive, discard
from sensors.gateway.reception import Receipt, Reception
from sensors.problems import TYPE, Problem
from sensors.tokens import READINGS

PATH = "/v1/readings"
ERRORS = 100  # rows whose reason is told in the answer
SMALL = 64 * 1024  # bytes of a refused body that the server may read and forget
OTHERS = ("application/senml+json", "application/senml+cbor", "application/vnd.apache.arrow.stream")
FORMATS: dict[str, Codec] = {
    "application/json": JSON,
    "application/x-ndjson": NDJSON,
    **{media: codec for media in OTHERS for codec in of_media(media)[:1]},
}
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Readings:
    """The ASGI endpoint."""

    access: Access
    bodies: Bodies
    reception: Reception

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
        self.reception.admit(gateway)
        data = await self.bodies.read(body.receive, headers)
        envelope = self.reception.envelope(gateway)
        self.access.signed(gateway, headers, data, envelope.now / 1000)
        return told(await self.reception.take(gateway, FORMATS[form], form, data, envelope))


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


def told(receipt: Receipt, what: str = "readings") -> bytes:
    """The body of the 202, about ``what``; raises ``Problem`` 422 when there were records and none could be taken."""
    counts = {"accepted": receipt.accepted, "rejected": len(receipt.faults)}
    if receipt.events:
        counts["events"] = receipt.events
    errors = receipt.faults[:ERRORS]
    if receipt.faults and not receipt.accepted and not receipt.events:
        first = receipt.faults[0]
        raise Problem(
            status=422,
            kind="none-accepted",
            detail=f"none of the {len(receipt.faults)} {what} could be taken; the first: {first.reason}",
            field=first.field,
            value=first.value,
            limit=first.limit,
            remedy=f"mend the {what} as each reason says and send them again",
            extra=counts | {"errors": errors},
        )
    return _encode(counts | {"errors": errors, "spooled": receipt.spooled})
