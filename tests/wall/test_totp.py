"""The second factor: who must have one, what counts, and that it counts once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest

from tests.wall.conftest import PASSWORD
from wall import totp
from wall.accounts import FAILURES, AccountError, add_user, enrol, read_users, second_factor, unenrol
from wall.app import Wall, create

HOST = "http://wall.test"
FROM_HERE = {"origin": HOST}
NOW = 1_790_000_000.0


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    add_user(path, "boss", "admin", PASSWORD)
    return path


def browsed(wall: Wall, work: Callable[[httpx.AsyncClient], Any]) -> Any:
    """Some requests of one browser."""

    async def run() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(wall), base_url=HOST, headers=FROM_HERE) as client:
            return await work(client)

    return asyncio.run(run())


async def password(client: httpx.AsyncClient, name: str = "boss") -> httpx.Response:
    return await client.post("/login", data={"user": name, "password": PASSWORD, "next": "/desk"})


async def code(client: httpx.AsyncClient, page: httpx.Response, given: str) -> httpx.Response:
    half = re.search(r'name="half" value="([^"]+)"', page.text)
    form = {"half": half[1] if half else "", "code": given, "next": "/desk"}
    return await client.post("/login/code", data=form)


def test_an_enrolment_is_what_authenticators_read(book: Path) -> None:
    """otpauth with issuer and name; ten codes; neither codes nor their like are kept in the clear."""
    made = enrol(book, "boss")
    parts = urlsplit(made.uri)
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/citybrain:boss")
    assert parse_qs(parts.query) == {"secret": [made.secret], "issuer": ["citybrain"]}
    assert len(set(made.codes)) == totp.CODES
    assert not any(it in book.read_text() for it in made.codes)


def test_the_reference_of_rfc_6238_holds() -> None:
    """Appendix B, SHA-1, by its last six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
    assert totp.step(secret, "287082", 59) == 1
    assert totp.step(secret, "081804", 1_111_111_109) == 37_037_036
    assert totp.step(secret, "005924", 1_234_567_890) == 41_152_263


@pytest.mark.parametrize(("off_s", "counts"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_a_phones_clock_may_be_off_by_half_a_minute(book: Path, off_s: int, counts: bool) -> None:
    """One step before and after, no more."""
    secret = enrol(book, "boss").secret
    assert (
        second_factor(book, "boss", pyotp.TOTP(secret).at(int(NOW) // 30 * 30 + off_s), int(NOW) // 30 * 30) == counts
    )


def test_a_one_time_password_counts_once(book: Path) -> None:
    """Whoever reads it over a shoulder is late; one of an earlier step is too."""
    one_time = pyotp.TOTP(enrol(book, "boss").secret)
    assert second_factor(book, "boss", one_time.at(int(NOW)), NOW)
    assert not second_factor(book, "boss", one_time.at(int(NOW)), NOW + 1)
    assert not second_factor(book, "boss", one_time.at(int(NOW) - 30), NOW + 1)
    assert second_factor(book, "boss", one_time.at(int(NOW) + 30), NOW + 30)


def test_a_recovery_code_counts_once_however_it_is_typed(book: Path) -> None:
    """In groups, in capitals, with spaces."""
    first = enrol(book, "boss").codes[0]
    assert second_factor(book, "boss", f" {totp.shown(first).upper()} ", NOW)
    assert not second_factor(book, "boss", first, NOW)
    assert len(read_users(book)["boss"].recovery) == totp.CODES - 1


@pytest.mark.parametrize("given", ["", "0", "000000", "ⅷ23456", "١٢٣٤٥٦", "a" * 10_000, "\x00"])
def test_what_is_no_code_is_refused(book: Path, given: str) -> None:
    """Whatever somebody types."""
    enrol(book, "boss")
    assert not second_factor(book, "boss", given, NOW)


def test_a_new_password_keeps_the_second_factor(book: Path) -> None:
    """It is taken away only on purpose."""
    secret = enrol(book, "boss").secret
    add_user(book, "boss", "admin", "another password")
    assert read_users(book)["boss"].totp == secret
    unenrol(book, "boss")
    assert read_users(book)["boss"].must_enrol


def test_nobody_is_enrolled_without_an_account(book: Path) -> None:
    """The message says where to look."""
    with pytest.raises(AccountError, match=r"'ghost' has no account in .*; `citybrain user list` shows who has"):
        enrol(book, "ghost")


@pytest.fixture
def wall(settings: Any) -> Wall:
    add_user(settings.secrets / "users.json", "boss", "admin", PASSWORD)
    return create(settings)


def test_an_admin_without_a_second_factor_stays_out(wall: Wall) -> None:
    """A password is not enough for those who may do everything."""

    async def run(client: httpx.AsyncClient) -> tuple[int, bool, int]:
        answer = await password(client)
        return answer.status_code, "citybrain user totp" in answer.text, (await client.get("/session")).status_code

    assert browsed(wall, run) == (403, True, 401)


def test_the_password_then_the_code(wall: Wall, settings: Any) -> None:
    """The password alone gives no session; the code gives it, and leads to the page that was wanted."""
    secret = enrol(settings.secrets / "users.json", "boss").secret

    async def run(client: httpx.AsyncClient) -> list[Any]:
        first = await password(client)
        between = (await client.get("/session")).status_code
        second = await code(client, first, pyotp.TOTP(secret).now())
        return [first.status_code, between, second.status_code, second.headers["location"],
                (await client.get("/session")).status_code]  # fmt: skip

    assert browsed(wall, run) == [200, 401, 303, "/desk", 200]


def test_a_dispatcher_may_have_one_too(wall: Wall, settings: Any) -> None:
    """Who is enrolled is asked, whatever the role."""
    codes = enrol(settings.secrets / "users.json", "chen").codes

    async def run(client: httpx.AsyncClient) -> list[int]:
        first = await password(client, "chen")
        return [(await client.get("/session")).status_code, (await code(client, first, codes[0])).status_code]

    assert browsed(wall, run) == [401, 303]


def test_wrong_codes_lock_the_second_factor(wall: Wall, settings: Any) -> None:
    """Six digits cannot be tried one after the other, from wherever: then even the right one must wait."""
    secret = enrol(settings.secrets / "users.json", "boss").secret

    async def run(client: httpx.AsyncClient) -> list[int]:
        first = await password(client)
        wrong = [(await code(client, first, "wrong")).status_code for _ in range(FAILURES)]
        return [*wrong, (await code(client, first, pyotp.TOTP(secret).now())).status_code]

    assert browsed(wall, run) == [401] * FAILURES + [429]


def test_the_second_form_counts_for_whom_it_was_made(wall: Wall, settings: Any) -> None:
    """Without a password before it, with a forged one, or after the password changed, a right code is worth nothing."""
    users = settings.secrets / "users.json"
    secret = enrol(users, "boss").secret

    async def run(client: httpx.AsyncClient) -> list[int]:
        right = pyotp.TOTP(secret).now()
        statuses = [
            (await client.post("/login/code", data={"half": half, "code": right})).status_code
            for half in ("", "x.y", client.cookies.get("citybrain_session") or "none")
        ]
        first = await password(client)
        add_user(users, "boss", "admin", "another password")
        return [*statuses, (await code(client, first, right)).status_code]

    assert browsed(wall, run) == [401, 401, 401, 401]
