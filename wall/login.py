"""The login page: an ordinary form, answered before anything else of the product is loaded."""

from __future__ import annotations

import asyncio
import html
import logging
import time
from urllib.parse import parse_qs, quote

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from wall.accounts import Book, Lock, second_factor
from wall.asked import TooLong, limited
from wall.auth import COOKIE, LANGUAGE_COOKIE, Session, Sessions, cookie_header, header_map, problem
from wall.words import Language, language, word

log = logging.getLogger(__name__)

BODY_LIMIT = 8 * 1024
HALF_S = 300  # how long the second factor may take after the password
HALF = "half"  # what a right password is sealed as
HEAD = """<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
<link rel="stylesheet" href="/assets/theme.css"><link rel="stylesheet" href="/assets/login.css"></head>
<body class="login"><main>
<h1>{title}</h1><p class="sub">{sub}</p>
"""
NAMED = """<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<label for="user">{user}</label>
<input id="user" name="user" autocomplete="username" autocapitalize="none" required autofocus maxlength="64">
<label for="password">{password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256">
<p class="error" role="alert">{error}</p>
<button type="submit">{enter}</button>
</form>
"""
CODE = """<form method="post" action="/login/code">
<input type="hidden" name="next" value="{next}"><input type="hidden" name="half" value="{half}">
<label for="code">{code}</label>
<input id="code" name="code" inputmode="text" autocomplete="one-time-code" autocapitalize="none" required autofocus
 maxlength="40">
<p class="hint">{hint}</p>
<p class="error" role="alert">{error}</p>
<button type="submit">{enter}</button>
</form>
"""
ELSEWHERE = """<p class="elsewhere"><a href="/login/oidc?next={way}">{label}</a></p>
"""
FOOT = """<nav><a href="/login?lang=zh" lang="zh">{chinese}</a><a href="/login?lang=en" lang="en">{english}</a></nav>
</main></body></html>"""


class Login:
    """GET and POST of /login, POST of /login/code and /logout, for the city of the given names.

    ``elsewhere`` is what the link to the identity provider says; None: there is none.
    """

    def __init__(
        self,
        book: Book,
        sessions: Sessions,
        title: dict[Language, str],
        elsewhere: dict[Language, str] | None = None,
    ) -> None:
        self._book = book
        self._sessions = sessions
        self._title = title
        self._elsewhere = elsewhere
        self._lock = Lock()
        self._hashing = asyncio.Semaphore(2)  # argon2 takes 64 MB a try

    async def page(self, request: Request) -> Response:
        """The empty form; ``failed`` says why the identity provider's answer was no use."""
        failed = "login.refused" if "failed" in request.query_params else ""
        return self._page(request, request.query_params.get("next", "/"), error=failed)

    async def enter(self, request: Request) -> Response:
        """A name and a password: a session, the second form, or the form again with what is wrong."""
        form = await _form(request)
        if isinstance(form, Response):
            return form
        user, wanted = form.get("user", ""), form.get("next", "/")
        key = f"{user}@{_from(request)}"
        if wait := self._lock.wait(key, time.monotonic()):
            return self._locked(request, wanted, wait)
        async with self._hashing:
            account = await asyncio.to_thread(self._book.check, user, form.get("password", ""))
        if account is None:
            self._lock.failed(key, time.monotonic())
            log.warning("login of %r from %s refused: wrong name or password", user, _from(request))
            return self._page(request, wanted, 401, "login.wrong")
        self._lock.passed(key)
        if account.must_enrol:
            log.warning(
                "login of %r from %s refused: the role %s needs a second factor", user, _from(request), account.role
            )
            return self._page(request, wanted, 403, "login.enrol")
        if account.totp:
            half = _Half(account.name, account.stamp, int(time.time()) + HALF_S)
            return self._page(request, wanted, half=self._sessions.seal(HALF, msgspec.json.encode(half)))
        return self._in(request, account.name, wanted)

    async def code(self, request: Request) -> Response:
        """The second factor of somebody whose password was right."""
        form = await _form(request)
        if isinstance(form, Response):
            return form
        wanted, half = form.get("next", "/"), self._half(form.get("half"))
        if half is None:
            return self._page(request, wanted, 401, "login.late")
        key = f"second factor of {half.user}"  # from anywhere: six digits are soon tried
        if wait := self._lock.wait(key, time.monotonic()):
            return self._locked(request, wanted, wait)
        if not await asyncio.to_thread(second_factor, self._book.path, half.user, form.get("code", ""), time.time()):
            self._lock.failed(key, time.monotonic())
            log.warning("login of %r from %s refused: wrong second factor", half.user, _from(request))
            return self._page(request, wanted, 401, "login.code.wrong", half=form["half"])
        self._lock.passed(key)
        return self._in(request, half.user, wanted)

    async def leave(self, request: Request) -> Response:
        """End the session, and every copy of its cookie."""
        session = request.scope["session"]
        assert isinstance(session, Session)  # the guard lets nobody else through
        self._sessions.end(session, time.time())
        answer = RedirectResponse("/login", 303)
        answer.headers.append("set-cookie", cookie_header(COOKIE, "", 0, request.scope))
        return answer

    def _in(self, request: Request, user: str, wanted: str) -> Response:
        cookie = self._sessions.login(user, time.time())
        if cookie is None:  # the account went away between the two
            return self._page(request, wanted, 401, "login.wrong")
        log.info("login of %r from %s", user, _from(request))
        return admitted(request, cookie, self._sessions.length_s, wanted)

    def _half(self, sealed: str | None) -> _Half | None:
        told = self._sessions.unseal(HALF, sealed)
        half = msgspec.json.decode(told, type=_Half) if told is not None else None
        if half is None or half.until <= time.time():
            return None
        account = self._book.account(half.user)
        return half if account is not None and account.stamp == half.stamp else None

    def _locked(self, request: Request, wanted: str, wait: float) -> Response:
        answer = self._page(request, wanted, 429, "login.locked", minutes=int(wait // 60) + 1)
        answer.headers["retry-after"] = str(int(wait) + 1)
        return answer

    def _page(
        self, request: Request, wanted: str, status: int = 200, error: str = "", half: str = "", minutes: int = 0
    ) -> Response:
        lang = spoken(request)
        sub = "login.sub.code" if half else "login.sub"
        body = (HEAD + (CODE if half else NAMED) + (ELSEWHERE if self._elsewhere and not half else "") + FOOT).format(
            lang=lang,
            title=html.escape(self._title[lang]),
            sub=word(sub, lang),
            user=word("login.user", lang),
            password=word("login.password", lang),
            code=word("login.code", lang),
            hint=word("login.code.hint", lang),
            enter=word("login.enter", lang),
            error=word(error, lang, minutes).format(n=minutes) if error else "",
            next=html.escape(local(wanted), quote=True),
            half=half,
            way=quote(local(wanted), safe=""),
            label=html.escape(self._elsewhere[lang]) if self._elsewhere else "",
            chinese=word("head.lang", "en"),
            english=word("head.lang", "zh"),
        )
        return HTMLResponse(body, status, headers={"cache-control": "no-store"})


class _Half(msgspec.Struct, frozen=True):
    """Somebody whose password was right and whose second factor is awaited, until s since 1970."""

    user: str
    stamp: str
    until: int


def admitted(request: Request, cookie: str, age_s: int, wanted: str) -> Response:
    """To the page that was wanted, with a session."""
    answer = RedirectResponse(local(wanted), 303)
    answer.headers.append("set-cookie", cookie_header(COOKIE, cookie, age_s, request.scope))
    return answer


async def _form(request: Request) -> dict[str, str] | Response:
    """The fields of a form, or why it is not read."""
    try:
        body = await limited(request, BODY_LIMIT)
    except TooLong:
        return problem(413, f"the form is longer than {BODY_LIMIT} bytes")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _from(request: Request) -> str:
    return request.client.host if request.client else ""


def local(path: str) -> str:
    """The path when it lies on this server, "/" otherwise: nobody is sent elsewhere after a login."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\", "/login")) and path.isprintable()
    return path if fine and "\\" not in path else "/"


def spoken(request: Request) -> Language:
    """The reader's language: asked for, remembered, or the browser's."""
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return language(asked, header_map(request.scope).get("accept-language", ""))
