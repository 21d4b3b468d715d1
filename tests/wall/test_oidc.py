"""Login at an identity provider: what counts, and everything that must not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from joserfc.jwk import OctKey

from config.register import Register
from config.settings import Settings
from tests.wall.conftest import city_of
from tests.wall.provider import CLIENT, SECRET, Claims, IdentityProvider
from wall.app import Wall, create
from wall.oidc import OidcError, inside, load

HOST = "http://wall.test"
FROM_HERE = {"origin": HOST}


@pytest.fixture(scope="module")
def standing() -> Iterator[IdentityProvider]:
    with IdentityProvider() as made:
        yield made


@pytest.fixture
def provider(standing: IdentityProvider) -> IdentityProvider:
    """The provider as it is when nothing is spoiled."""
    standing.reset()
    return standing


def written(settings: Settings, provider: IdentityProvider, **more: Any) -> Path:
    """oidc.yaml as an administrator writes it."""
    path = settings.secrets / "oidc.yaml"
    known = {
        "issuer": provider.issuer,
        "client": CLIENT,
        "secret": SECRET,
        "label": {"en": "City account", "zh": "市级统一身份认证"},
        "roles": {"claim": "groups", "values": {"dispatcher": ["duty"], "admin": ["root"], "unit": ["crew"]}},
    }
    path.write_text(yaml.safe_dump({**known, **more}), "utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, rows: Register, standing: IdentityProvider) -> Wall:
    settings = city_of(tmp_path_factory.mktemp("oidc"), rows)
    written(settings, standing)
    return create(settings)


@pytest.fixture
def wall(made: Wall, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> Wall:
    """A wall that asks a provider anew, whose answers are as they should be."""
    monkeypatch.setattr("wall.oidc.KNOWN_S", 0.0)
    return made


Browser = httpx.AsyncClient
Work = Callable[[Browser, Browser], Awaitable[Any]]


def browsed(wall: Wall, work: Work) -> Any:
    """One browser: ``work(at the wall, at the provider)``."""

    async def run() -> Any:
        transport = httpx.ASGITransport(wall)
        async with (
            httpx.AsyncClient(transport=transport, base_url=HOST, headers=FROM_HERE) as here,
            httpx.AsyncClient() as there,
        ):
            return await work(here, there)

    return asyncio.run(run())


async def log_in(here: Browser, there: Browser, wanted: str = "/desk") -> httpx.Response:
    """The whole way: to the provider, back with a code, and what the wall makes of it."""
    sent = await here.get("/login/oidc", params={"next": wanted})
    back = await there.get(sent.headers["location"])
    return await here.get(back.headers["location"])


async def who(here: Browser, there: Browser) -> dict[str, Any] | None:
    """Who the wall says that this browser is after the login; None when it is nobody."""
    await log_in(here, there)
    answer = await here.get("/boot.json")
    return answer.json()["user"] if answer.status_code == 200 else None


def test_a_person_comes_in_with_the_role_of_their_groups(wall: Wall) -> None:
    """The name is the provider's, the role the mapping's."""
    assert browsed(wall, who) == {"name": "李敏", "role": "dispatcher", "commands": True}


def test_the_login_leads_to_the_page_that_was_wanted(wall: Wall) -> None:
    """And the cookie that held state and nonce is gone."""

    async def run(here: Browser, there: Browser) -> tuple[str, bool]:
        answer = await log_in(here, there, "/desk?x=1")
        return answer.headers["location"], "citybrain_oidc" in here.cookies

    assert browsed(wall, run) == ("/desk?x=1", False)


def test_the_login_page_offers_the_provider(wall: Wall) -> None:
    """By its name in the reader's language."""

    async def run(here: Browser, _: Browser) -> list[bool]:
        pages = [(await here.get(f"/login?lang={lang}&next=/desk")).text for lang in ("zh", "en")]
        return [
            "市级统一身份认证" in pages[0],
            "City account" in pages[1],
            'href="/login/oidc?next=%2Fdesk"' in pages[1],
        ]

    assert browsed(wall, run) == [True, True, True]


def test_a_wall_without_a_provider_offers_none(settings: Settings) -> None:
    """No link, no route."""

    async def run(here: Browser, _: Browser) -> tuple[bool, int]:
        return "/login/oidc" in (await here.get("/login")).text, (await here.get("/login/oidc")).status_code

    assert browsed(create(settings), run) == (False, 404)


def changed(**claims: Any) -> Callable[[Claims], Claims]:
    """The claims with some changed; None takes one out."""
    return lambda given: {name: it for name, it in {**given, **claims}.items() if it is not None}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (changed(nonce="another"), "nonce"),
        (changed(nonce=None), "nonce"),
        (changed(aud="another"), "aud"),
        (changed(aud=[]), "aud"),
        (changed(aud=None), "aud"),
        (changed(aud=[CLIENT, "another"]), "azp"),
        (changed(iss="https://id.evil.test"), "iss"),
        (changed(exp=int(time.time()) - 61), "expired"),
        (changed(exp=None), "exp"),
        (changed(iat=int(time.time()) + 86_400), "future"),
        (changed(nbf=int(time.time()) + 86_400), "not yet valid"),
        (changed(sub=None), "sub"),
        (changed(groups=["other"]), "has no role"),
        (changed(groups=None), "has no role"),
        (changed(groups={"duty": True}), "has no role"),
        (changed(preferred_username=None), "holds no name"),
        (changed(preferred_username="x\ny"), "holds no name"),
        (changed(preferred_username="chen"), "has a local account"),
        (changed(groups=["crew"]), "names none"),
    ],
)
def test_a_token_that_does_not_hold_is_refused(
    wall: Wall, provider: IdentityProvider, caplog: pytest.LogCaptureFixture, spoil: Any, why: str
) -> None:
    """Nobody comes in; the log says why, the page does not."""
    provider.spoil = spoil
    with caplog.at_level(logging.WARNING, "wall.oidc"):
        assert browsed(wall, who) is None
    assert why in caplog.text


def test_a_token_of_another_key_is_refused(wall: Wall, provider: IdentityProvider) -> None:
    """Signed under the name of a key that the provider has, by one that it has not."""
    provider.signer = IdentityProvider.key("first")
    assert browsed(wall, who) is None


@pytest.mark.parametrize("alg", ["none", "HS256"])
def test_a_token_that_needs_no_private_key_is_refused(wall: Wall, provider: IdentityProvider, alg: str) -> None:
    """Unsigned, or signed with a secret that two share."""
    provider.header = {"alg": alg, "kid": "first"}
    if alg == "HS256":
        provider.signer = OctKey.import_key(SECRET * 2)  # type: ignore[assignment]  # a key of another kind
    assert browsed(wall, who) is None


def test_a_new_key_of_the_provider_is_learned(
    settings: Settings, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token signed by a key that we do not know makes us ask once more, and not again for every token."""
    written(settings, provider)

    async def run(here: Browser, there: Browser) -> list[Any]:
        first = await who(here, there)
        provider.signer = IdentityProvider.key("second")
        provider.header = {"alg": "ES256", "kid": "second"}
        early = (await log_in(here, there)).headers["location"]
        monkeypatch.setattr("wall.oidc.AGAIN_S", 0.0)
        provider.published.append(provider.signer)
        await here.post("/logout")
        return [first is not None, early.startswith("/login?failed"), (await who(here, there)) is not None,
                provider.asked.count("/keys")]  # fmt: skip

    assert browsed(create(settings), run) == [True, True, True, 2]


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(wall: Wall) -> None:
    """A code brought by a link, without the cookie or with another state, gives nobody a session."""

    async def run(here: Browser, there: Browser) -> list[str]:
        sent = await here.get("/login/oidc")
        back = (await there.get(sent.headers["location"])).headers["location"]
        state = httpx.URL(back).params["state"]
        other = back.replace(state, "another")
        answers = [await here.get(other)]
        here.cookies.clear()
        answers.append(await here.get(back))
        return [answer.headers["location"].partition("&")[0] for answer in answers]

    assert browsed(wall, run) == ["/login?failed=1"] * 2


@pytest.mark.parametrize("query", ["", "error=access_denied", "code=made-up", "code=x&iss=https://id.evil.test"])
def test_an_answer_without_a_good_code_is_refused(wall: Wall, query: str) -> None:
    """The person said no, the code is made up, or another issuer answers."""

    async def run(here: Browser, _: Browser) -> str:
        sent = await here.get("/login/oidc")
        state = httpx.URL(sent.headers["location"]).params["state"]
        answer = await here.get(f"/login/oidc/back?state={state}&{query}")
        return str(answer.headers["location"]).partition("&")[0]

    assert browsed(wall, run) == "/login?failed=1"


def test_a_code_counts_once(wall: Wall) -> None:
    """The address with the code, seen in a history, lets nobody in again."""

    async def run(here: Browser, there: Browser) -> list[str]:
        sent = await here.get("/login/oidc")
        sealed = dict(here.cookies)
        back = (await there.get(sent.headers["location"])).headers["location"]
        first = await here.get(back)
        here.cookies.update(sealed)
        return [first.headers["location"], (await here.get(back)).headers["location"].partition("&")[0]]

    assert browsed(wall, run) == ["/", "/login?failed=1"]


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://id.evil.test"},
        {"token_endpoint": "http://127.0.0.2:9/token"},
        {"jwks_uri": "http://elsewhere.test/keys"},
        {"authorization_endpoint": None},
    ],
)
def test_a_provider_that_points_elsewhere_is_not_followed(
    wall: Wall, provider: IdentityProvider, described: dict[str, Any]
) -> None:
    """The server asks the configured host, and no other that an answer names."""
    provider.described |= described

    async def run(here: Browser, there: Browser) -> str:
        sent = await here.get("/login/oidc")
        if sent.headers["location"].startswith("/login?failed"):
            return "failed"
        back = (await there.get(sent.headers["location"])).headers["location"]
        return "failed" if "failed" in (await here.get(back)).headers["location"] else "came in"

    assert browsed(wall, run) == "failed"


def test_a_provider_that_is_away_is_told(settings: Settings, provider: IdentityProvider) -> None:
    """The person is back at the login page, where local accounts still work."""
    written(settings, provider, issuer="http://127.0.0.1:9")

    async def run(here: Browser, _: Browser) -> tuple[str, bool]:
        answer = await here.get("/login/oidc", follow_redirects=True)
        return str(answer.url.path), "统一身份认证未成功" in answer.text

    assert browsed(create(settings), run) == ("/login", True)


@pytest.mark.parametrize(("amr", "expected"), [(["pwd"], None), (["pwd", "otp"], "admin"), (None, None)])
def test_an_admin_needs_a_second_factor_there_too(
    settings: Settings, provider: IdentityProvider, amr: Any, expected: str | None
) -> None:
    """Where the configuration names the methods that count."""
    written(settings, provider, second_factor=["otp", "hwk"])
    provider.spoil = changed(groups=["root"], amr=amr)
    found = browsed(create(settings), who)
    assert (found["role"] if found else None) == expected


def test_a_unit_speaks_for_the_unit_that_the_provider_names(wall: Wall, provider: IdentityProvider) -> None:
    """And reaches the pocket alone."""
    provider.person |= {"groups": ["crew"], "unit": "P-12"}

    async def run(here: Browser, there: Browser) -> list[int]:
        await log_in(here, there)
        return [(await here.get(path)).status_code for path in ("/session", "/desk", "/boot.json")]

    assert browsed(wall, run) == [200, 303, 403]


def test_another_configuration_ends_the_sessions(settings: Settings, provider: IdentityProvider) -> None:
    """Who was let in by an old mapping is not still in."""
    written(settings, provider)

    async def first(here: Browser, there: Browser) -> dict[str, str]:
        await log_in(here, there)
        return dict(here.cookies)

    cookies = browsed(create(settings), first)
    written(settings, provider, roles={"claim": "groups", "values": {"viewer": ["duty"]}})

    async def then(here: Browser, _: Browser) -> int:
        here.cookies.update(cookies)
        return (await here.get("/session")).status_code

    assert browsed(create(settings), then) == 401


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"roles": {"claim": "groups", "values": {"king": ["x"]}}}, "'king' is no role; use one of viewer"),
        ({"issuer": "http://id.example.org"}, "must be https"),
        ({"label": {"en": "x"}}, "label: zh is missing"),
        ({"scopes": ["profile"]}, "without openid"),
        ({"isuer": "x"}, "unknown field `isuer`"),
        ({"client": 3}, "Expected `str`"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    settings: Settings, provider: IdentityProvider, more: dict[str, Any], why: str
) -> None:
    """At start, with the file and the place in it."""
    path = written(settings, provider, **more)
    with pytest.raises(OidcError, match=why) as told:
        load(path)
    assert str(told.value).startswith(str(path))


def test_a_claim_may_lie_inside_another() -> None:
    """As realm_access.roles does; a name with dots of its own is found first."""
    assert inside({"realm_access": {"roles": ["a"]}}, "realm_access.roles") == ["a"]
    assert inside({"https://city.example/roles": "a"}, "https://city.example/roles") == "a"
    assert inside({"realm_access": "a"}, "realm_access.roles") is None
