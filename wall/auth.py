"""The guard: one ASGI middleware in front of every route, with signed session cookies.

A person logs in by name and password; a wall comes with a display token and may only look. What is open to all
is listed in ``OPEN``; everything else, Dash's own routes and the stream included, needs a session. A request
that changes something must come from a page of this very server (Origin).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlencode

import msgspec
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wall.accounts import COMMANDING, Book, add_display, add_user

__all__ = ["Guard", "Session", "Sessions", "add_display", "add_user", "cookie_header", "cookies"]

COOKIE = "citybrain_session"
LANGUAGE_COOKIE = "citybrain_lang"
SESSION_S = 12 * 3600  # a long shift
DISPLAY_S = 400 * 86_400  # the longest a browser keeps a cookie; ends at once when the display is revoked
OPEN = frozenset({"/login", "/healthz", "/metrics", "/assets/theme.css", "/assets/login.css", "/assets/favicon.svg"})
OPEN_FONTS = "/assets/fonts/"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PAGES = frozenset({"/", "/wall", "/desk"})  # answered by the login page when nobody is logged in
# What a wall's display may reach; it looks and commands nothing.
DISPLAY_PATHS = ("/wall", "/_dash-", "/assets/", "/stream", "/boot.json", "/points.bin", "/session")


class Session(msgspec.Struct, frozen=True):
    """Who is asking: a person, or a display (role "display"). ``until`` is s since 1970; ``stamp`` see Account."""

    user: str
    role: str
    until: int
    stamp: str

    @property
    def commands(self) -> bool:
        """Whether this one may acknowledge."""
        return self.role in COMMANDING


class Sessions:
    """Makes and reads the signed cookies; ``key`` is 32 secret bytes."""

    def __init__(self, key: bytes, book: Book) -> None:
        self._key = key
        self._book = book

    def login(self, user: str, now: float) -> str | None:
        """A cookie for a person whose password was right."""
        account = self._book.account(user)
        return self._sign(Session(user, account.role, int(now + SESSION_S), account.stamp)) if account else None

    def display(self, token: str, now: float) -> str | None:
        """A cookie for the wall that holds ``token``; None when no wall does."""
        name = self._book.display(token)
        stamp = self._book.display_stamp(name) if name else None
        return self._sign(Session(name, "display", int(now + DISPLAY_S), stamp)) if name and stamp else None

    def read(self, cookie: str | None, now: float) -> Session | None:
        """The session in a cookie when it is ours, not over, and its account is as it was."""
        payload, dot, signature = (cookie or "").partition(".")
        if not dot or not hmac.compare_digest(signature.encode(), self._signature(payload)):
            return None
        try:
            session = msgspec.json.decode(base64.urlsafe_b64decode(payload), type=Session)
        except (msgspec.MsgspecError, binascii.Error):
            return None
        if session.until <= now or session.stamp != self._stamp(session):
            return None
        return session

    def _stamp(self, session: Session) -> str | None:
        if session.role == "display":
            return self._book.display_stamp(session.user)
        account = self._book.account(session.user)
        return account.stamp if account else None

    def _sign(self, session: Session) -> str:
        payload = base64.urlsafe_b64encode(msgspec.json.encode(session)).decode()
        return f"{payload}.{self._signature(payload).decode()}"

    def _signature(self, payload: str) -> bytes:
        return base64.urlsafe_b64encode(hmac.new(self._key, payload.encode(), sha256).digest())


class Guard:
    """Lets through what has a session; ``policy`` is the Content-Security-Policy of every answer."""

    def __init__(self, app: ASGIApp, sessions: Sessions, policy: str) -> None:
        self._app = app
        self._sessions = sessions
        self._headers = security_headers(policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, self._hardened(scope, send))
        else:  # the product has no web socket
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = header_map(scope)
        path: str = scope["path"]
        session = self._sessions.read(cookies(headers).get(COOKIE), time.time())
        if scope["method"] not in SAFE and not same_origin(scope, headers):
            answer: Response | None = problem(403, "the request does not come from a page of this server (Origin)")
        elif path in OPEN or path.startswith(OPEN_FONTS):
            answer = None
        elif path == "/wall" and (token := query(scope).get("display")):
            answer = self._admit(token, scope)
        else:
            answer = refusal(session, path, scope)
        if answer is None:
            scope["session"] = session
            scope["still"] = lambda: self._sessions.read(cookies(headers).get(COOKIE), time.time()) is not None
            await self._app(scope, receive, send)
        else:
            await answer(scope, receive, send)

    def _admit(self, token: str, scope: Scope) -> Response:
        """A wall's first visit: trade its token for a cookie and take it out of the address."""
        cookie = self._sessions.display(token, time.time())
        if cookie is None:
            return problem(401, "this display token is unknown or was revoked")
        rest = {name: value for name, value in query(scope).items() if name != "display"}
        answer = RedirectResponse("/wall" + (f"?{urlencode(rest)}" if rest else ""), 303)
        answer.headers.append("set-cookie", cookie_header(COOKIE, cookie, DISPLAY_S, scope))
        return answer

    def _hardened(self, scope: Scope, send: Send) -> Send:
        lang = query(scope).get("lang") if scope["path"] in PAGES | {"/login"} else None
        extra = list(self._headers)
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


def refusal(session: Session | None, path: str, scope: Scope) -> Response | None:
    """Why this session may not have this path; None when it may."""
    if session is None:
        if path in PAGES:
            wanted = path + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
            return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        return problem(401, "log in first")
    if session.role == "display" and not path.startswith(DISPLAY_PATHS):
        return RedirectResponse("/wall", 303) if path in PAGES else problem(403, "a display may only look")
    return None


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
    """Whether a request that changes something names this server as its origin; browsers always name one."""
    return headers.get("origin") == f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"


def security_headers(policy: str) -> list[tuple[bytes, bytes]]:
    """What every answer carries."""
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]
