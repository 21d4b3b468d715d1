"""What a request brings with it: who asks, and a body of bounded length."""

from __future__ import annotations

from starlette.requests import Request

from wall.auth import Session


class TooLong(Exception):
    """The body is over the limit."""


async def limited(request: Request, limit: int) -> bytes:
    """The body of a request, at most ``limit`` bytes; raises ``TooLong``."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooLong
    return body


def session_of(request: Request) -> Session:
    """The session that the guard found; a route behind it always has one."""
    found = request.scope["session"]
    assert isinstance(found, Session)  # the guard lets nobody else through
    return found
