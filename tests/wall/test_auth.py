"""Who may come in, and how far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from config.settings import Settings
from tests.wall.conftest import PASSWORD
from wall.accounts import FAILURES, LOCK_S, AccountError, Book, Lock, add_display, add_user, read_users
from wall.app import Wall, create
from wall.auth import COOKIE, Sessions
from wall.login import local

HOST = "http://wall.test"
FROM_HERE = {"origin": HOST}


@pytest.fixture
def wall(settings: Settings) -> Wall:
    return create(settings)


def ask(wall: Wall, work: Callable[[httpx.AsyncClient], Any]) -> Any:
    """Run some requests of one browser against the wall, without a network."""

    async def run() -> Any:
        transport = httpx.ASGITransport(wall, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            return await work(client)

    return asyncio.run(run())


async def login(client: httpx.AsyncClient, user: str = "chen", password: str = PASSWORD) -> httpx.Response:
    return await client.post("/login", data={"user": user, "password": password}, headers=FROM_HERE)


def paths(wall: Wall) -> list[tuple[str, str]]:
    """Every method and path that the server knows."""
    server = wall.dash.server
    assert isinstance(server, FastAPI)
    found = []
    for route in server.routes:
        if isinstance(route, Route | APIRoute):
            path = route.path.replace("{package_name}", "dash").replace("{fingerprinted_path:path}", "x.js")
            found += [(method, path.replace("{key}", "a")) for method in route.methods or ()]
        elif isinstance(route, Mount):
            found += [("GET", f"{route.path}/wall.css"), ("GET", f"{route.path}/main.mjs")]
    return found + [("GET", path) for path in ("/", "/wall", "/desk", "/nothing")]


def test_every_route_needs_a_session(wall: Wall) -> None:
    """Nothing but the login page, its looks and the machine's two routes answers a stranger."""

    async def run(client: httpx.AsyncClient) -> dict[str, int]:
        return {
            f"{method} {path}": (await client.request(method, path, headers=FROM_HERE)).status_code
            for method, path in paths(wall)
        }

    answers = ask(wall, run)
    assert any("/_dash-update-component" in route for route in answers)
    assert "GET /stream" in answers
    opened = {route for route, status in answers.items() if status not in (303, 401)}
    assert opened == {"GET /login", "GET /healthz", "GET /metrics"}


def test_a_web_socket_is_refused(wall: Wall) -> None:
    """The way around HTTP is shut."""

    async def run() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/_dash-ws-callback", "headers": [], "query_string": b""}
        await wall(scope, receive, send)
        return sent

    assert asyncio.run(run()) == [{"type": "websocket.close", "code": 1008}]


def test_a_page_leads_to_the_login_and_back(wall: Wall) -> None:
    """Who asks for the desk gets it after the login."""

    async def run(client: httpx.AsyncClient) -> tuple[str, str, int]:
        first = await client.get("/desk")
        form = {"user": "chen", "password": PASSWORD, "next": "/desk"}
        second = await client.post("/login", data=form, headers=FROM_HERE)
        third = await client.get("/desk")
        return first.headers["location"], second.headers["location"], third.status_code

    assert ask(wall, run) == ("/login?next=%2Fdesk", "/desk", 200)


def test_a_wrong_password_is_refused(wall: Wall) -> None:
    """A wrong password and an unknown name get the same answer, and no session."""

    async def run(client: httpx.AsyncClient) -> list[Any]:
        wrong, nobody = await login(client, password="wrong"), await login(client, user="nobody")
        return [wrong.status_code, nobody.status_code, wrong.text == nobody.text, dict(client.cookies)]

    assert ask(wall, run) == [401, 401, True, {}]


def test_repeated_failures_lock_the_name(wall: Wall) -> None:
    """After five wrong passwords even the right one must wait."""

    async def run(client: httpx.AsyncClient) -> tuple[list[int], httpx.Response]:
        statuses = [(await login(client, password=f"wrong{k}")).status_code for k in range(FAILURES)]
        return statuses, await login(client)

    statuses, last = ask(wall, run)
    assert statuses == [401] * FAILURES
    assert last.status_code == 429
    assert 0 < int(last.headers["retry-after"]) <= LOCK_S + 1


def test_the_lock_opens_again() -> None:
    """A lock lasts five minutes, and a right password clears the count."""
    lock = Lock()
    for k in range(FAILURES):
        assert lock.wait("chen", k) == 0
        lock.failed("chen", k)
    assert lock.wait("chen", 10.0) == FAILURES - 1 + LOCK_S - 10
    assert lock.wait("chen", 10.0 + LOCK_S) == 0
    assert lock.wait("wang", 10.0) == 0
    lock.passed("chen")
    assert lock.wait("chen", 10.0) == 0


@pytest.mark.parametrize("origin", [None, "http://evil.test", "null", "https://wall.test", "http://wall.test:81"])
def test_a_change_must_come_from_this_server(wall: Wall, origin: str | None) -> None:
    """Another site cannot make a dispatcher's browser acknowledge."""

    async def run(client: httpx.AsyncClient) -> int:
        await login(client)
        headers = {} if origin is None else {"origin": origin}
        body = {"alert": "a", "action": "acknowledge"}
        return (await client.post("/command", json=body, headers=headers)).status_code

    assert ask(wall, run) == 403


def test_a_viewer_cannot_command(wall: Wall) -> None:
    """The role decides on the server, whatever the page shows."""

    async def run(client: httpx.AsyncClient) -> list[int]:
        await login(client, user="guest")
        body = {"alert": "a", "action": "acknowledge"}
        command = await client.post("/command", json=body, headers=FROM_HERE)
        return [(await client.get("/boot.json")).status_code, command.status_code]

    assert ask(wall, run) == [200, 403]


def test_a_display_looks_and_does_nothing_else(wall: Wall, settings: Settings) -> None:
    """A wall needs no login, loses its token from the address, and can neither command nor read the desk."""
    token = add_display(settings.secrets / "displays.json", "hall")

    async def run(client: httpx.AsyncClient) -> list[Any]:
        first = await client.get(f"/wall?display={token}&lang=en")
        command = await client.post("/command", json={"alert": "a", "action": "acknowledge"}, headers=FROM_HERE)
        looks = [(await client.get(path)).status_code for path in ("/wall", "/boot.json", "/points.bin", "/session")]
        return [first.headers["location"], looks, command.status_code, (await client.get("/alert/a")).status_code,
                (await client.get("/desk")).headers["location"]]  # fmt: skip

    assert ask(wall, run) == ["/wall?lang=en", [200, 200, 200, 200], 403, 403, "/wall"]


def test_a_revoked_display_is_out_at_once(wall: Wall, settings: Settings) -> None:
    """Taking a display out of the file, or renewing its token, ends its session."""
    path = settings.secrets / "displays.json"
    token = add_display(path, "hall")

    async def run(client: httpx.AsyncClient) -> list[int]:
        await client.get(f"/wall?display={token}")
        before = (await client.get("/session")).status_code
        add_display(path, "hall")
        return [
            before,
            (await client.get("/session")).status_code,
            (await client.get(f"/wall?display={token}")).status_code,
        ]

    assert ask(wall, run) == [200, 401, 401]


def test_a_new_password_ends_old_sessions(wall: Wall, settings: Settings) -> None:
    """So does another role, and removing the account."""

    async def run(client: httpx.AsyncClient) -> list[int]:
        await login(client)
        before = (await client.get("/session")).status_code
        add_user(settings.secrets / "users.json", "chen", "viewer", "another password")
        return [before, (await client.get("/session")).status_code]

    assert ask(wall, run) == [200, 401]


def test_logging_out_forgets_the_session(wall: Wall) -> None:
    """The browser has no session any more."""

    async def run(client: httpx.AsyncClient) -> int:
        await login(client)
        await client.post("/logout", headers=FROM_HERE)
        return (await client.get("/session")).status_code

    assert ask(wall, run) == 401


def test_a_session_cannot_be_forged_or_outlived(settings: Settings) -> None:
    """A changed role, another key, and a later day are all refused."""
    book = Book(settings.secrets)
    sessions = Sessions(b"k" * 32, book)
    cookie = sessions.login("chen", time.time())
    assert cookie is not None
    payload, _, signature = cookie.partition(".")
    assert (found := sessions.read(cookie, time.time())) is not None
    assert found.role == "dispatcher"
    assert sessions.read(payload[:-2] + "AA" + "." + signature, time.time()) is None
    assert Sessions(b"x" * 32, book).read(cookie, time.time()) is None
    assert sessions.read(cookie, time.time() + 13 * 3600) is None
    assert sessions.read(None, 0.0) is None
    assert sessions.read("…", 0.0) is None


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(wall: Wall) -> None:
    """HttpOnly, SameSite and an end."""
    answer = ask(wall, login)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Max-Age=43200" in cookie


def test_pages_forbid_other_hosts_and_frames(wall: Wall) -> None:
    """The policy allows this server alone, and no inline script but Dash's one line by its hash."""

    async def run(client: httpx.AsyncClient) -> httpx.Response:
        await login(client)
        return await client.get("/desk")

    answer = ask(wall, run)
    policy = answer.headers["content-security-policy"]
    scripts = policy.split("script-src ")[1].split(";")[0].split()
    assert scripts[0] == "'self'"
    assert all(part.startswith("'sha256-") for part in scripts[1:])
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/login", "/a\nb"]
)
def test_nobody_is_sent_elsewhere_after_the_login(path: str) -> None:
    """``next`` is a path of this server or nothing."""
    assert local(path) == "/"
    assert local("/desk?x=1") == "/desk?x=1"


def test_a_long_form_is_refused(wall: Wall) -> None:
    """Nobody fills the memory through the login."""

    async def run(client: httpx.AsyncClient) -> int:
        return (await client.post("/login", content=b"x" * 20_000, headers=FROM_HERE)).status_code

    assert ask(wall, run) == 413


def test_the_language_is_remembered(wall: Wall) -> None:
    """Asked for once, it stays."""

    async def run(client: httpx.AsyncClient) -> list[str]:
        await login(client)
        await client.get("/desk?lang=en")
        english = (await client.get("/boot.json")).json()["lang"]
        await client.get("/desk?lang=zh")
        return [english, (await client.get("/boot.json")).json()["lang"]]

    assert ask(wall, run) == ["en", "zh"]


@pytest.mark.parametrize(
    ("name", "role", "password", "why"),
    [
        (
            "li",
            "king",
            PASSWORD,
            "role 'king' is unknown; use one of viewer, dispatcher, supervisor, planner, auditor, admin",
        ),
        (" li", "viewer", PASSWORD, "cannot be used"),
        ("li", "viewer", "short", "has 5 characters; use at least 8"),
    ],
)
def test_an_account_that_cannot_be_is_refused(tmp_path: Path, name: str, role: str, password: str, why: str) -> None:
    """The message says what to do, and nothing is written."""
    path = tmp_path / "users.json"
    with pytest.raises(AccountError, match=why):
        add_user(path, name, role, password)
    assert not path.exists()


def test_passwords_are_kept_as_argon2_for_the_owner_alone(tmp_path: Path) -> None:
    """Neither the password nor the file can be read by others."""
    path = tmp_path / "secrets" / "users.json"
    add_user(path, "李敏", "dispatcher", PASSWORD)
    account = read_users(path)["李敏"]
    assert account.hash.startswith("$argon2id$")
    assert PASSWORD not in path.read_text()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
