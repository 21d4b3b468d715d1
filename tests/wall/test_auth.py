"""Who may come in, and how far."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from config.register import Register
from config.settings import Settings
from tests.wall.conftest import PASSWORD, city_of
from wall import rights
from wall.accounts import FAILURES, LOCK_S, ROLES, AccountError, Book, Lock, add_display, add_user, read_users
from wall.app import Wall, create
from wall.auth import COOKIE, Guard, Sessions
from wall.displays import Screens, free_display
from wall.kept import digest
from wall.login import local

HOST = "http://wall.test"
FROM_HERE = {"origin": HOST}


@pytest.fixture
def wall(settings: Settings) -> Wall:
    return create(settings)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, rows: Register) -> Wall:
    """A wall for tests that leave it as it was: to make one takes a while."""
    return create(city_of(tmp_path_factory.mktemp("house"), rows))


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
            found += [(method, re.sub(r"\{[^}]*\}", "a", path)) for method in route.methods or ()]
        elif isinstance(route, Mount):
            found += [("GET", f"{route.path}/wall.css"), ("GET", f"{route.path}/main.mjs")]
    return [it for it in found if it[1] not in NOT_SERVED] + [("GET", path) for path in ("/", "/wall", "/desk")]


def cookie_of(wall: Wall, role: str) -> dict[str, str]:
    """The cookie of somebody with this role, without a login."""
    sessions = wall.asgi._sessions  # type: ignore[attr-defined]  # the guard's own
    folder = sessions.book.path.parent
    if role == "display":
        made = sessions.display(add_display(folder / "displays.json", "hall"), time.time())
    else:
        add_user(folder / "users.json", f"a {role}", role, PASSWORD, "P-1" if role == "unit" else "")
        made = sessions.login(f"a {role}", time.time())
    assert made is not None
    return {COOKIE: made}


async def reached(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands behind the guard in place of the product: it tells that a request came through."""
    await Response("through", REACHED_IT)(scope, receive, send)


def walked(wall: Wall, cookies: dict[str, str]) -> dict[str, int]:
    """The status of the guard's answer to a session at every route of the product."""
    guard = Guard(reached, wall.asgi._sessions, "")  # type: ignore[attr-defined]  # the guard's own

    async def run() -> dict[str, int]:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url=HOST, cookies=cookies) as client:
            return {
                f"{method} {path}": (await client.request(method, path, headers=FROM_HERE)).status_code
                for method, path in paths(wall)
            }

    return asyncio.run(run())


REACHED_IT = 299
NOT_SERVED = ("/_dash-ws-callback",)  # a web socket's; refused in test_a_web_socket_is_refused
STRANGERS = {"POST /login", "POST /login/code", "GET /login", "GET /healthz", "GET /metrics", "GET /pocket/worker.mjs"}


def test_every_route_has_a_rule(house: Wall) -> None:
    """No route of the server is without a line that says who may reach it."""
    without = [(method, path) for method, path in paths(house) if rights.rule(method, path) is None]
    assert without == []


def test_every_callback_has_a_rule(house: Wall) -> None:
    """No Dash callback is without one either."""
    assert house.dash.callback_map.keys() - rights.CALLBACKS.keys() == set()


def test_a_stranger_reaches_the_door_alone(house: Wall) -> None:
    """Nothing but the login page, its looks and the machine's two routes answers without a session."""
    answers = walked(house, {})
    assert "POST /_dash-update-component" in answers
    assert "GET /stream" in answers
    assert {route for route, found in answers.items() if found == REACHED_IT} == STRANGERS
    assert set(answers.values()) == {REACHED_IT, 401, 303}


@pytest.mark.parametrize("role", ["display", *ROLES])
def test_every_role_reaches_what_its_rules_allow_and_no_more(house: Wall, role: str) -> None:
    """Each route is asked by a session of the role; who has no right is refused before the product sees it."""
    through = {route for route, found in walked(house, cookie_of(house, role)).items() if found == REACHED_IT}
    rules = {route: rights.rule(*route.split(" ", 1)) for route in walked(house, {})}
    allowed = {route for route, rule in rules.items() if rule is not None and rights.meets(role, rule.needs)}
    assert through == allowed - {"POST /_dash-update-component"}  # which has no callback in it here


REACHED = {
    "display": {"GET /wall", "GET /stream", "GET /boot.json", "GET /points.bin", "GET /session", "POST /session"},
    "unit": {"GET /session", "POST /session", "POST /logout"},
    "viewer": {"GET /desk", "GET /wall", "GET /stream", "GET /alert/a", "GET /incident/a"},
    "dispatcher": {"POST /command", "POST /order", "POST /budget", "GET /desk"},
}
REFUSED = {
    "display": {"POST /command", "POST /order", "POST /budget", "GET /alert/a", "GET /desk", "GET /planner/rules"},
    "unit": {"GET /wall", "GET /desk", "GET /stream", "GET /boot.json", "POST /command", "POST /order", "GET /alert/a"},
    "viewer": {"POST /command", "POST /order", "POST /budget", "POST /planner/jobs"},
    "dispatcher": {"POST /planner/jobs"},
}


@pytest.mark.parametrize("role", REACHED)
def test_the_rules_say_what_they_should(role: str) -> None:
    """The table itself, by what each role's day needs and must not do."""
    rules = {route: rights.rule(*route.split(" ", 1)) for route in REACHED[role] | REFUSED[role]}
    assert {route for route, rule in rules.items() if rule and rights.meets(role, rule.needs)} == REACHED[role]


def callback(output: str, pathname: str = "/wall") -> bytes:
    """What Dash's browser side sends for a callback of this output."""
    inputs = [{"id": "address", "property": "pathname", "value": pathname}]
    told = {"output": output, "outputs": {"id": "scene", "property": "children"}, "inputs": inputs,
            "changedPropIds": ["address.pathname"], "state": []}  # fmt: skip
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    ("role", "body", "expected"),
    [
        ("display", callback("scene.children", "/wall"), 200),
        ("display", callback("scene.children", "/desk"), 403),
        ("viewer", callback("scene.children", "/desk"), 200),
        ("display", callback("scene.children", "/planner"), 403),
        ("unit", callback("scene.children", "/wall"), 403),
        ("dispatcher", callback("other.children"), 403),
        ("dispatcher", b"[]", 422),
        ("dispatcher", b"{" * 100_000, 422),
        ("dispatcher", b"x" * 300_000, 413),
    ],
)
def test_a_callback_is_checked_by_what_it_would_do(house: Wall, role: str, body: bytes, expected: int) -> None:
    """Called past the page, a callback gives each role what its pages give it."""

    async def run(client: httpx.AsyncClient) -> int:
        client.cookies.update(cookie_of(house, role))
        headers = {**FROM_HERE, "content-type": "application/json"}
        return (await client.post("/_dash-update-component", content=body, headers=headers)).status_code

    assert ask(house, run) == expected


def test_a_web_socket_is_refused(house: Wall) -> None:
    """The way around HTTP is shut."""

    async def run() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/_dash-ws-callback", "headers": [], "query_string": b""}
        await house(scope, receive, send)
        return sent

    assert asyncio.run(run()) == [{"type": "websocket.close", "code": 1008}]


def test_a_page_leads_to_the_login_and_back(house: Wall) -> None:
    """Who asks for the desk gets it after the login."""

    async def run(client: httpx.AsyncClient) -> tuple[str, str, int]:
        first = await client.get("/desk")
        form = {"user": "chen", "password": PASSWORD, "next": "/desk"}
        second = await client.post("/login", data=form, headers=FROM_HERE)
        third = await client.get("/desk")
        return first.headers["location"], second.headers["location"], third.status_code

    assert ask(house, run) == ("/login?next=%2Fdesk", "/desk", 200)


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
def test_a_change_must_come_from_this_server(house: Wall, origin: str | None) -> None:
    """Another site cannot make a dispatcher's browser acknowledge."""

    async def run(client: httpx.AsyncClient) -> int:
        await login(client)
        headers = {} if origin is None else {"origin": origin}
        body = {"alert": "a", "action": "acknowledge"}
        return (await client.post("/command", json=body, headers=headers)).status_code

    assert ask(house, run) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_change_that_the_browser_says_comes_from_elsewhere_is_refused(house: Wall, site: str) -> None:
    """Whatever its Origin says."""

    async def run(client: httpx.AsyncClient) -> int:
        await login(client)
        return (await client.post("/session", headers={**FROM_HERE, "sec-fetch-site": site})).status_code

    assert ask(house, run) == 403


def test_a_viewer_cannot_command(house: Wall) -> None:
    """The role decides on the server, whatever the page shows."""

    async def run(client: httpx.AsyncClient) -> list[int]:
        await login(client, user="guest")
        body = {"alert": "a", "action": "acknowledge"}
        command = await client.post("/command", json=body, headers=FROM_HERE)
        return [(await client.get("/boot.json")).status_code, command.status_code]

    assert ask(house, run) == [200, 403]


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


def test_a_display_token_belongs_to_one_browser(wall: Wall, settings: Settings) -> None:
    """The first browser keeps it, also when it opens the address again; another is refused until it is freed."""
    path = settings.secrets / "displays.json"
    token = add_display(path, "hall")

    async def opened(client: httpx.AsyncClient) -> int:
        return (await client.get(f"/wall?display={token}")).status_code

    async def first(client: httpx.AsyncClient) -> list[int]:
        statuses = [await opened(client), await opened(client)]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(wall), base_url=HOST) as other:
            statuses.append(await opened(other))
            statuses.append((await other.get("/session")).status_code)
            free_display(path, "hall")
            statuses += [await opened(other), (await client.get("/session")).status_code]
        return statuses

    assert ask(wall, first) == [303, 303, 403, 401, 303, 401]


def test_a_shared_display_is_for_every_browser(wall: Wall, settings: Settings) -> None:
    """As for a demonstration."""
    token = add_display(settings.secrets / "displays.json", "hall", shared=True)

    async def opened(client: httpx.AsyncClient) -> int:
        return (await client.get(f"/wall?display={token}", follow_redirects=True)).status_code

    assert [ask(wall, opened), ask(wall, opened)] == [200, 200]


def test_displays_of_the_first_release_are_read(tmp_path: Path) -> None:
    """A bare digest was a display that any browser could open."""
    path = tmp_path / "displays.json"
    path.write_text(json.dumps({"hall": digest("token")}))
    screens = Screens(tmp_path)
    assert screens.holder("token") == "hall"
    assert screens.bind("hall", "any")


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


def test_logging_out_forgets_the_session(house: Wall) -> None:
    """The browser has no session any more."""

    async def run(client: httpx.AsyncClient) -> int:
        await login(client)
        await client.post("/logout", headers=FROM_HERE)
        return (await client.get("/session")).status_code

    assert ask(house, run) == 401


def test_logging_out_ends_copies_of_the_cookie_too(house: Wall) -> None:
    """A cookie that was taken from the browser before is worth nothing after."""

    async def run(client: httpx.AsyncClient) -> list[int]:
        await login(client)
        copy = dict(client.cookies)
        before = (await client.get("/session", cookies=copy)).status_code
        await client.post("/logout", headers=FROM_HERE)
        client.cookies.update(copy)
        return [before, (await client.get("/session")).status_code]

    assert ask(house, run) == [200, 401]


def test_a_session_ends_when_nobody_is_there(settings: Settings) -> None:
    """After four hours without a touch, half an hour for those who may change plans or accounts; a display stays."""
    add_user(settings.secrets / "users.json", "li", "planner", PASSWORD)
    sessions = Sessions(b"k" * 32, Book(settings.secrets))
    chen, li = sessions.login("chen", 0.0), sessions.login("li", 0.0)
    hall = sessions.display(add_display(settings.secrets / "displays.json", "hall"), 0.0)
    still = {
        minutes: [sessions.read(it, minutes * 60.0) is not None for it in (chen, li, hall)] for minutes in (29, 31, 241)
    }
    assert still == {29: [True, True, True], 31: [True, False, True], 241: [False, False, True]}


def test_being_there_keeps_a_session_until_its_end(settings: Settings) -> None:
    """A touch gives a new cookie at most once a minute; the old one counts on, and twelve hours are the end of both."""
    sessions = Sessions(b"k" * 32, Book(settings.secrets))
    cookie = sessions.login("chen", 0.0)
    session = sessions.read(cookie, 0.0)
    assert session is not None
    assert sessions.touched(session, 59.0) is None
    fresh = sessions.touched(session, 200 * 60.0)
    assert sessions.read(fresh, 300 * 60.0) is not None
    assert sessions.read(cookie, 300 * 60.0) is not None  # as a stream has it that was opened before the touch
    assert sessions.read(fresh, 441 * 60.0) is None
    last = sessions.read(fresh, 400 * 60.0)
    assert last is not None
    assert sessions.read(sessions.touched(last, 719 * 60.0), 721 * 60.0) is None


def test_a_touch_is_told_by_the_page(house: Wall) -> None:
    """POST /session answers 204; within the first minute it brings no new cookie."""

    async def run(client: httpx.AsyncClient) -> tuple[int, bool]:
        await login(client)
        answer = await client.post("/session", headers=FROM_HERE)
        return answer.status_code, "set-cookie" in answer.headers

    assert ask(house, run) == (204, False)


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


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(house: Wall) -> None:
    """HttpOnly, SameSite and an end."""
    answer = ask(house, login)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Max-Age=43200" in cookie


def test_pages_forbid_other_hosts_and_frames(house: Wall) -> None:
    """The policy allows this server alone, and no inline script but Dash's one line by its hash."""

    async def run(client: httpx.AsyncClient) -> httpx.Response:
        await login(client)
        return await client.get("/desk")

    answer = ask(house, run)
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


def test_a_long_form_is_refused(house: Wall) -> None:
    """Nobody fills the memory through the login."""

    async def run(client: httpx.AsyncClient) -> int:
        return (await client.post("/login", content=b"x" * 20_000, headers=FROM_HERE)).status_code

    assert ask(house, run) == 413


def test_the_language_is_remembered(house: Wall) -> None:
    """Asked for once, it stays."""

    async def run(client: httpx.AsyncClient) -> list[str]:
        await login(client)
        await client.get("/desk?lang=en")
        english = (await client.get("/boot.json")).json()["lang"]
        await client.get("/desk?lang=zh")
        return [english, (await client.get("/boot.json")).json()["lang"]]

    assert ask(house, run) == ["en", "zh"]


@pytest.mark.parametrize(
    ("name", "role", "password", "why"),
    [
        (
            "li",
            "king",
            PASSWORD,
            "role 'king' is unknown; use one of viewer, dispatcher, supervisor, planner, auditor, admin, unit",
        ),
        (" li", "viewer", PASSWORD, "cannot be used"),
        ("li", "viewer", "short", "has 5 characters; use at least 8"),
        ("li", "unit", PASSWORD, "the role unit, and no other, needs one"),
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
