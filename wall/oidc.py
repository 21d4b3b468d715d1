"""Login at the city's identity provider: OpenID Connect 1.0, the code flow with PKCE, state and nonce.

``secrets/oidc.yaml`` says which provider, and what of a person's claims makes which role (docs/access.md). The server
talks to the provider's own host and to no other. A token counts when its signature, issuer, audience, times and nonce
do; whoever has no role by the mapping stays out.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
import yaml
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from models.roster import may
from wall.accounts import ROLES, Book
from wall.auth import Sessions, cookie_header
from wall.kept import digest
from wall.login import admitted, local
from wall.words import LANGUAGES, Language

log = logging.getLogger(__name__)

COOKIE = "citybrain_oidc"
PURPOSE = "oidc"
UNDER_WAY_S = 600  # how long a person may take at the provider
LEEWAY_S = 60  # between the provider's clock and ours
KNOWN_S = 3600.0  # how long what the provider said of itself is believed
AGAIN_S = 30.0  # its keys are not asked for more often, whatever tokens come
TIMEOUT_S = 10.0
ANSWER_LIMIT = 1024 * 1024
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
STRONGEST_FIRST = ("admin", "supervisor", "dispatcher", "planner", "auditor", "viewer", "unit")


class OidcError(ValueError):
    """``oidc.yaml`` cannot be used; the message says where and why."""


class Refused(Exception):
    """This login does not count; the message is for the log, not for the person."""


class _Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which claim makes roles, and which of its values makes which. A dot leads into a claim's inside."""

    claim: str
    values: dict[str, tuple[str, ...]]  # role → values of the claim


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``oidc.yaml``: the identity provider and the mapping of its claims."""

    issuer: str
    client: str
    roles: _Roles
    label: dict[str, str]  # of the link on the login page, en and zh
    secret: str = ""  # none: a public client, which PKCE alone protects
    scopes: tuple[str, ...] = ("openid", "profile")
    name: str = "preferred_username"  # the claim that says what colleagues read
    unit: str = "unit"  # the claim with the unit's number, for the role unit
    second_factor: tuple[str, ...] = ()  # one of these must be in amr for the role admin; none: the provider sees to it
    hosts: tuple[str, ...] = ()  # beside the issuer's own, for providers whose addresses lie on several
    redirect: str = ""  # where the provider sends people back to; none: this server as the browser calls it

    @property
    def stamp(self) -> str:
        """Changes with the configuration: sessions made before are over."""
        return digest(msgspec.json.encode(self).decode())[:16]

    def elsewhere(self) -> dict[Language, str]:
        """What the link on the login page says."""
        return {lang: self.label[lang] for lang in LANGUAGES}

    def role(self, claims: Mapping[str, Any]) -> str | None:
        """The strongest role that the claims make; None when they make none."""
        found = inside(claims, self.roles.claim)
        values = {str(it) for it in found} if isinstance(found, list) else {str(found)}
        return next((role for role in STRONGEST_FIRST if values & set(self.roles.values.get(role, ()))), None)


class _Known(msgspec.Struct, frozen=True):
    """What the provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _UnderWay(msgspec.Struct, frozen=True):
    """A login that began here and is going on at the provider; kept in the browser, sealed."""

    state: str
    nonce: str
    verifier: str
    wanted: str
    until: int


def load(path: Path) -> Provider | None:
    """The provider of ``path``; None without a file. Raises ``OidcError``."""
    if not path.exists():
        return None
    try:
        made = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), type=Provider)
    except (msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise OidcError(f"{path}: {error}") from error
    if unknown := made.roles.values.keys() - set(ROLES):
        raise OidcError(f"{path}: roles: values: {min(unknown)!r} is no role; use one of {', '.join(ROLES)}")
    if missing := set(LANGUAGES) - made.label.keys():
        raise OidcError(f"{path}: label: {min(missing)} is missing; give the link's text in zh and en")
    if "openid" not in made.scopes:
        raise OidcError(f"{path}: scopes: {made.scopes} are without openid, which OpenID Connect needs")
    if not safe(made.issuer):
        raise OidcError(f"{path}: issuer: {made.issuer} must be https (http only on this very machine)")
    return made


class Oidc:
    """GET /login/oidc and /login/oidc/back for one provider."""

    def __init__(self, provider: Provider, sessions: Sessions, book: Book) -> None:
        self._provider = provider
        self._sessions = sessions
        self._book = book
        self._known: tuple[float, _Known] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._asking = asyncio.Lock()

    async def go(self, request: Request) -> Response:
        """Send the browser to the provider, with what its answer will be held against."""
        wanted = local(request.query_params.get("next", "/"))
        try:
            known = await self._discovered()
        except Refused as error:
            log.warning("the identity provider %s cannot be used: %s", self._provider.issuer, error)
            return failed(wanted)
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        address = prepare_grant_uri(
            known.authorization_endpoint,
            client_id=self._provider.client,
            response_type="code",
            redirect_uri=self._back(request),
            scope=" ".join(self._provider.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        begun = _UnderWay(state, nonce, verifier, wanted, int(time.time()) + UNDER_WAY_S)
        answer = RedirectResponse(address, 303, headers={"cache-control": "no-store"})
        sealed = self._sessions.seal(PURPOSE, msgspec.json.encode(begun))
        answer.headers.append("set-cookie", cookie_header(COOKIE, sealed, UNDER_WAY_S, request.scope))
        return answer

    async def back(self, request: Request) -> Response:
        """The browser comes back with a code: a session when the provider vouches for a person with a role."""
        begun = self._begun(request)
        try:
            user, role, unit = await self._vouched(request, begun)
        except Refused as error:
            log.warning("login at %s refused: %s", self._provider.issuer, error)
            answer = failed(begun.wanted if begun else "/")
        else:
            log.info("login of %r as %s at %s", user, role, self._provider.issuer)
            cookie = self._sessions.vouched(user, role, unit, time.time())
            answer = admitted(request, cookie, self._sessions.length_s, begun.wanted if begun else "/")
        answer.headers.append("set-cookie", cookie_header(COOKIE, "", 0, request.scope))
        return answer

    async def _vouched(self, request: Request, begun: _UnderWay | None) -> tuple[str, str, str]:
        """Name, role and unit of whom the provider vouches for; raises ``Refused``."""
        given = request.query_params
        if begun is None or begun.until <= time.time():
            raise Refused("no login was begun by this browser, or it took too long")
        if not secrets.compare_digest(given.get("state", "").encode(), begun.state.encode()):
            raise Refused("the state is not the one this browser was sent with")
        if given.get("iss", self._provider.issuer) != self._provider.issuer:  # RFC 9207
            raise Refused(f"the answer is of another issuer, {given['iss']!r}")
        if "error" in given or not given.get("code"):
            raise Refused(f"the provider answers {given.get('error', 'without a code')!r}")
        known = await self._discovered()
        token = await self._exchanged(known, given["code"], begun.verifier, self._back(request))
        return self._person(await self._claims(known, token, begun.nonce))

    def _person(self, claims: Mapping[str, Any]) -> tuple[str, str, str]:
        name = inside(claims, self._provider.name)
        if not isinstance(name, str) or not 1 <= len(name) <= 64 or not name.isprintable():
            raise Refused(f"the claim {self._provider.name} holds no name of 1 to 64 printable characters: {name!r}")
        if self._book.account(name) is not None:
            raise Refused(f"{name!r} has a local account; remove it, or log in there")
        role = self._provider.role(claims)
        if role is None:
            raise Refused(f"{name!r} has no role: {self._provider.roles.claim} has none of the mapped values")
        wanted = set(self._provider.second_factor)
        if wanted and may(role, "administer") and not wanted & set(claims.get("amr") or ()):
            raise Refused(f"{name!r} would be admin, but amr has none of {', '.join(sorted(wanted))}")
        unit = inside(claims, self._provider.unit) if may(role, "serve") else ""
        if not isinstance(unit, str) or (may(role, "serve") and not unit):
            raise Refused(f"{name!r} would be a unit, but the claim {self._provider.unit} names none")
        return name, role, unit

    async def _claims(self, known: _Known, token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that holds; raises ``Refused``."""
        claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": known.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._provider.client},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            try:
                found = signed(token, await self._keyset(known))
            except InvalidKeyIdError:  # by a key that is newer than what we know
                found = signed(token, await self._keyset(known, anew=True))
            claims.validate(found)
        except JoseError as error:
            raise Refused(f"the token does not hold: {error}") from error
        audience = found["aud"]
        if isinstance(audience, list) and len(audience) > 1 and found.get("azp") != self._provider.client:
            raise Refused("the token is for several, and not made out to this one (azp)")
        return found

    async def _exchanged(self, known: _Known, code: str, verifier: str, back: str) -> str:
        """The ID token for a code; raises ``Refused``."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        basic = None
        if self._provider.secret:  # RFC 6749 2.3.1: both halves are form-encoded first
            basic = httpx.BasicAuth(quote(self._provider.client, safe=""), quote(self._provider.secret, safe=""))
        else:
            form["client_id"] = self._provider.client
        body = await self._asked("POST", known.token_endpoint, form, basic)
        token = body.get("id_token")
        if not isinstance(token, str):
            raise Refused(f"the provider gave no id_token: {str(body.get('error', ''))[:200]}")
        return token

    async def _discovered(self) -> _Known:
        """What the provider says of itself; raises ``Refused``."""
        async with self._asking:
            if self._known is None or time.monotonic() - self._known[0] > KNOWN_S:
                where = self._provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
                try:
                    known = msgspec.convert(await self._asked("GET", where), type=_Known)
                except msgspec.ValidationError as error:
                    raise Refused(f"{where}: {error}") from error
                if known.issuer != self._provider.issuer:
                    raise Refused(f"{where} is of another issuer, {known.issuer!r}")
                self._known = (time.monotonic(), known)
            return self._known[1]

    async def _keyset(self, known: _Known, *, anew: bool = False) -> KeySet:
        """The provider's keys; ``anew``: asked for again, but not too often."""
        async with self._asking:
            old = self._keys
            patience = AGAIN_S if anew else KNOWN_S
            if old is None or time.monotonic() - old[0] > patience:
                body = await self._asked("GET", known.jwks_uri)
                try:
                    keys = KeySet.import_key_set(cast("Any", body))
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise Refused(f"{known.jwks_uri} holds no keys: {error}") from error
                old = self._keys = (time.monotonic(), keys)
            return old[1]

    async def _asked(
        self, method: str, url: str, form: Mapping[str, str] | None = None, auth: httpx.BasicAuth | None = None
    ) -> dict[str, Any]:
        """A JSON object from the provider's own host; raises ``Refused``."""
        hosts = [urlsplit(self._provider.issuer).netloc, *self._provider.hosts]
        if urlsplit(url).netloc not in hosts or not safe(url):
            raise Refused(f"{url} is not https on {' or '.join(hosts)}; name its host under hosts in oidc.yaml")
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
                answer = await client.request(method, url, data=form, auth=auth)
        except httpx.HTTPError as error:
            raise Refused(f"{url} does not answer: {error!r}") from error
        if len(answer.content) > ANSWER_LIMIT or answer.status_code >= 500:
            raise Refused(f"{url} answers {answer.status_code} with {len(answer.content)} bytes")
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise Refused(f"{url} answers no JSON object: {error}") from error

    def _begun(self, request: Request) -> _UnderWay | None:
        told = self._sessions.unseal(PURPOSE, request.cookies.get(COOKIE))
        return msgspec.json.decode(told, type=_UnderWay) if told is not None else None

    def _back(self, request: Request) -> str:
        """Where the provider is to send the browser: this server as the browser calls it."""
        return self._provider.redirect or f"{request.url.scheme}://{request.url.netloc}/login/oidc/back"


def signed(token: str, keys: KeySet) -> dict[str, Any]:
    """The claims of a token that one of ``keys`` signed; raises ``JoseError``. Without a signature nothing counts."""
    return jwt.decode(token, keys, algorithms=ALGORITHMS).claims


def failed(wanted: str) -> Response:
    """Back to the login page, which says that it did not succeed and nothing more."""
    return RedirectResponse(f"/login?{urlencode({'failed': 1, 'next': wanted})}", 303)


def inside(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of a name, or with dots what lies inside of it; None when it is not there."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def safe(url: str) -> bool:
    """Whether nobody on the way can read or change what goes to ``url``."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))
