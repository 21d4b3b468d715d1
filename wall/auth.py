"""The guard: one ASGI middleware in front of every route, with signed session cookies.

A person logs in by name and password, or at the city's identity provider; a wall comes with a display token and may
only look. What each role may reach stands in ``wall/rights.py``; an address or a callback without a rule is refused.
A request that changes something must come from a page of this very server (Origin).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import msgspec
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wall import rights
from wall.accounts import add_display, add_user
from wall.sessions import DISPLAY_S, Session, Sessions

__all__ = ["Guard", "Session", "Sessions", "add_display", "add_user", "cookie_header", "cookies"]

COOKIE = "citybrain_session"
LANGUAGE_COOKIE = "citybrain_lang"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CALLBACK = "/_dash-update-component"
CALLBACK_LIMIT = 256 * 1024


class Guard:
    """Lets through what the session's role may reach; ``policy`` is the Content-Security-Policy of every answer."""

    def __init__(self, app: ASGIApp, sessions: Sessions, policy: str) -> None:
        self._app = app
        self._sessions = sessions
        self._headers = security_headers(policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # the product has no web socket
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path, now = header_map(scope), scope["path"], time.time()
        cookie = cookies(headers).get(COOKIE)
        session = self._sessions.read(cookie, now)
        more: list[tuple[bytes, bytes]] = []
        answer: Response | None
        if scope["method"] not in SAFE and not same_origin(scope, headers):
            answer = problem(403, "the request does not come from a page of this server (Origin)")
        elif path == "/wall" and (token := query(scope).get("display")):
            answer = self._admit(token, session, scope)
        else:
            answer = refusal(session, scope)
            if answer is None and path == CALLBACK:
                receive, answer = await _called(session, receive)
        if answer is None:
            if session is not None and scope["method"] not in SAFE and path != "/logout":
                more = self._touch(session, scope, now)
            scope["session"] = session
            scope["still"] = lambda: self._sessions.read(cookie, time.time()) is not None
            await self._app(scope, receive, self._hardened(scope, send, more))
        else:
            await answer(scope, receive, self._hardened(scope, send, more))

    def _touch(self, session: Session, scope: Scope, now: float) -> list[tuple[bytes, bytes]]:
        """Somebody is there: the idle time begins anew."""
        fresh = self._sessions.touched(session, now)
        if fresh is None:
            return []
        return [(b"set-cookie", cookie_header(COOKIE, fresh, session.until - int(now), scope).encode())]

    def _admit(self, token: str, session: Session | None, scope: Scope) -> Response:
        """A wall's first visit: trade its token for a cookie and take it out of the address."""
        if self._sessions.screens.holder(token) is None:
            return problem(401, "this display token is unknown or was revoked")
        cookie = self._sessions.display(token, time.time(), session)
        if cookie is None:
            return problem(
                403,
                "this display token belongs to another browser; let this one take its place with "
                "`citybrain display free NAME`, or make a token of its own with `citybrain display new NAME`",
            )
        rest = {name: value for name, value in query(scope).items() if name != "display"}
        answer = RedirectResponse("/wall" + (f"?{urlencode(rest)}" if rest else ""), 303)
        answer.headers.append("set-cookie", cookie_header(COOKIE, cookie, DISPLAY_S, scope))
        return answer

    def _hardened(self, scope: Scope, send: Send, more: list[tuple[bytes, bytes]]) -> Send:
        found = rights.rule(scope["method"], scope["path"])
        spoken = found is not None and (found.page or found.path == "/login")
        lang = query(scope).get("lang") if spoken else None
        extra = [*self._headers, *more]
        if scope["path"].startswith("/assets/"):
            extra.append((b"cache-control", b"no-cache"))  # ask each time, so that an update is whole

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
                if lang in ("zh", "en"):
                    remember = cookie_header(LANGUAGE_COOKIE, lang, DISPLAY_S, scope)
                    message["headers"].append((b"set-cookie", remember.encode()))
            await send(message)

        return hardened


def refusal(session: Session | None, scope: Scope) -> Response | None:
    """Why this session may not have this request; None when it may."""
    method, path = scope["method"], scope["path"]
    found = rights.rule(method, path)
    role = session.role if session else None
    if found is not None and rights.meets(role, found.needs):
        return None
    if role is None:
        if found is not None and found.page:
            wanted = path + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
            return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        return problem(401, "log in first")
    if found is None:
        return problem(404 if method in SAFE else 403, f"{method} {path} is nothing this server offers")
    if found.page and role in (rights.DISPLAY, "unit"):  # nobody is there to read why
        return RedirectResponse("/wall" if role == rights.DISPLAY else "/pocket", 303)
    return problem(403, f"the role {role} may not do this; it needs one of {rights.able(found.needs)}")


async def _called(session: Session | None, receive: Receive) -> tuple[Receive, Response | None]:
    """A Dash callback: the request again for Dash to read, and why it is refused; None when it may run."""
    body = await _whole(receive)
    if body is None:
        return receive, problem(413, f"a callback is longer than {CALLBACK_LIMIT} bytes")
    return _again(body, receive), denied(session, body)


def denied(session: Session | None, body: bytes) -> Response | None:
    """Why this session may not run the Dash callback of ``body``; None when it may.

    The callback's output must have a rule; a page that it would lay out must be one that the session may open.
    """
    try:
        asked = msgspec.json.decode(body, type=_Callback)
    except msgspec.DecodeError as error:
        return problem(422, f"this is no callback of Dash: {error}")
    role = session.role if session else None
    needs = rights.CALLBACKS.get(asked.output)
    if needs is None:
        return problem(403, f"the callback {asked.output!r} is nothing this server offers")
    if not rights.meets(role, needs):
        return problem(403, f"the role {role} may not call this; it needs one of {rights.able(needs)}")
    for given in (*asked.inputs, *asked.state):
        if isinstance(given, _Given) and given.property == "pathname":
            page = rights.rule("GET", given.value) if isinstance(given.value, str) else None
            if page is not None and not rights.meets(role, page.needs):
                return problem(403, f"the role {role} may not open {given.value}")
    return None


class _Given(msgspec.Struct):
    """An input or a state of a callback."""

    property: str = ""
    value: Any = None


class _Callback(msgspec.Struct):
    """What Dash's browser side sends; everything else in it is Dash's own affair."""

    output: str
    inputs: list[_Given | list[Any]] = []
    state: list[_Given | list[Any]] = []


async def _whole(receive: Receive) -> bytes | None:
    """The body of a request; None when it is longer than a callback is."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if sum(map(len, parts)) > CALLBACK_LIMIT:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes after it."""
    first = True

    async def again() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def problem(status: int, detail: str) -> Response:
    """An error as problem+json (RFC 9457)."""
    return JSONResponse({"status": status, "detail": detail}, status, media_type="application/problem+json")


def header_map(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The request's cookies by name; a header that is none gives none."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def query(scope: Scope) -> dict[str, str]:
    """The last value of each query parameter."""
    return {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}


def cookie_header(name: str, value: str, age_s: int, scope: Scope) -> str:
    """A cookie that scripts cannot read and other sites cannot send with a form."""
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{name}={value}; Max-Age={age_s}; Path=/; HttpOnly; SameSite=Lax{secure}"


def same_origin(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something comes from this server's own page; browsers always say from where."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    return headers.get("origin") == f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"


def security_headers(policy: str) -> list[tuple[bytes, bytes]]:
    """What every answer carries."""
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
