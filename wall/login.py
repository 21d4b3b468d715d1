"""The login page: an ordinary form, answered before anything else of the product is loaded."""

from __future__ import annotations

import asyncio
import html
import time
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from wall.accounts import Book, Lock
from wall.auth import COOKIE, LANGUAGE_COOKIE, SESSION_S, Sessions, cookie_header, header_map, problem
from wall.words import Language, language, word

BODY_LIMIT = 8 * 1024
PAGE = """<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
<link rel="stylesheet" href="/assets/theme.css"><link rel="stylesheet" href="/assets/login.css"></head>
<body class="login"><main>
<h1>{title}</h1><p class="sub">{sub}</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<label for="user">{user}</label>
<input id="user" name="user" autocomplete="username" autocapitalize="none" required autofocus maxlength="64">
<label for="password">{password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256">
<p class="error" role="alert">{error}</p>
<button type="submit">{enter}</button>
</form>
<nav><a href="/login?lang=zh" lang="zh">{chinese}</a><a href="/login?lang=en" lang="en">{english}</a></nav>
</main></body></html>"""


class Login:
    """GET and POST of /login and POST of /logout, for the city of the given names."""

    def __init__(self, book: Book, sessions: Sessions, title: dict[Language, str]) -> None:
        self._book = book
        self._sessions = sessions
        self._title = title
        self._lock = Lock()
        self._hashing = asyncio.Semaphore(2)  # argon2 takes 64 MB a try

    async def page(self, request: Request) -> Response:
        """The empty form."""
        return self._page(request, request.query_params.get("next", "/"))

    async def enter(self, request: Request) -> Response:
        """A name and a password: a session, or the form again with what is wrong."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > BODY_LIMIT:
                return problem(413, f"the form is longer than {BODY_LIMIT} bytes")
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        user, wanted = form.get("user", ""), form.get("next", "/")
        key = f"{user}@{request.client.host if request.client else ''}"
        wait = self._lock.wait(key, time.monotonic())
        if wait:
            answer = self._page(request, wanted, 429, "login.locked", minutes=str(int(wait // 60) + 1))
            answer.headers["retry-after"] = str(int(wait) + 1)
            return answer
        async with self._hashing:
            account = await asyncio.to_thread(self._book.check, user, form.get("password", ""))
        cookie = self._sessions.login(user, time.time()) if account else None
        if cookie is None:
            self._lock.failed(key, time.monotonic())
            return self._page(request, wanted, 401, "login.wrong")
        self._lock.passed(key)
        answer = RedirectResponse(local(wanted), 303)
        answer.headers.append("set-cookie", cookie_header(COOKIE, cookie, SESSION_S, request.scope))
        return answer

    async def leave(self, request: Request) -> Response:
        """End the session."""
        answer = RedirectResponse("/login", 303)
        answer.headers.append("set-cookie", cookie_header(COOKIE, "", 0, request.scope))
        return answer

    def _page(self, request: Request, wanted: str, status: int = 200, error: str = "", **fill: str) -> Response:
        lang = spoken(request)
        body = PAGE.format(
            lang=lang,
            title=html.escape(self._title[lang]),
            sub=word("login.sub", lang),
            user=word("login.user", lang),
            password=word("login.password", lang),
            enter=word("login.enter", lang),
            error=word(error, lang).format(**fill) if error else "",
            next=html.escape(local(wanted), quote=True),
            chinese=word("head.lang", "en"),
            english=word("head.lang", "zh"),
        )
        return HTMLResponse(body, status, headers={"cache-control": "no-store"})


def local(path: str) -> str:
    """The path when it lies on this server, "/" otherwise: nobody is sent elsewhere after a login."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\", "/login")) and path.isprintable()
    return path if fine and "\\" not in path else "/"


def spoken(request: Request) -> Language:
    """The reader's language: asked for, remembered, or the browser's."""
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return language(asked, header_map(request.scope).get("accept-language", ""))
