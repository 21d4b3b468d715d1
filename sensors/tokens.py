"""Bearer tokens of the gateways: who may speak, and for what.

The file is a JSON list of ``{"name", "sha256", "created", "expires"?, "scopes"?, "assets"?, "kinds"?, "rate"?,
"signing_key"?, "certificate"?, "digest"?}``. Only the SHA-256 of a token is kept; the token itself is shown once, when
it is issued. A name may have several tokens, so that one can be replaced without a gap (``rotate``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from config.durable import write_secret
from config.locks import alone
from config.stamps import Stamp, stamp
from models.values import Role
from sensors import digest as digests

READINGS = "readings"  # may push readings; what a token has when its entry names no scopes
LOOK = "look"  # may read alerts, incidents, quality …
DISPATCH = "dispatch"  # may act on them too, as a dispatcher
LEAD = "lead"  # may do what a supervisor does, and read the audit
PLAN = "plan"  # may read, and change plans
AUDIT = "audit"  # may read, the audit as well
IMPLIED = {DISPATCH: {LOOK}, LEAD: {LOOK, DISPATCH, AUDIT}, PLAN: {LOOK}, AUDIT: {LOOK}}
ROLES: dict[str, Role] = {LEAD: "supervisor", DISPATCH: "dispatcher", PLAN: "planner", AUDIT: "auditor", LOOK: "viewer"}
SCOPES = (READINGS, LOOK, DISPATCH, LEAD, PLAN, AUDIT)
SIGNED_WITHIN_S = 300  # how far the time of a signature may be from the gateway's
RECHECK_S = 1.0  # how often the file is looked at; a change counts within this time

log = logging.getLogger(__name__)


class TokensError(ValueError):
    """The file of tokens cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Whom a token belongs to, and what it may.

    ``expires`` is in seconds since 1970, ``None`` never. Readings are taken of assets whose id begins with one of
    ``assets`` and whose kind is one of ``kinds``; empty: of all. ``rate`` is in readings a second, ``None`` the
    setting's. With a ``signing_key`` every body must be signed with it; with a ``certificate`` (SHA-256 of the
    client's certificate in hexadecimal) the proxy in front must have seen that one.
    """

    name: str
    scopes: frozenset[str] = frozenset({READINGS})
    expires: float | None = None
    assets: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    rate: int | None = None
    signing_key: str = ""
    certificate: str = ""
    digest: str = ""  # HA1 of sensors/digest.py, where the token may be shown by digest

    def may(self, scope: str) -> bool:
        """Whether this gateway has ``scope``, or one that implies it."""
        return scope in self.scopes or any(scope in IMPLIED.get(own, ()) for own in self.scopes)

    @property
    def role(self) -> Role:
        """The role in which it gives orders: that of the strongest of its scopes."""
        return next((role for scope, role in ROLES.items() if scope in self.scopes), "viewer")

    @property
    def limited(self) -> bool:
        """Whether it may speak for a part of the assets only."""
        return bool(self.assets or self.kinds)

    def speaks_for(self, asset: str, kind: str) -> bool:
        """Whether readings of this asset may come from this gateway."""
        return (not self.assets or asset.startswith(self.assets)) and (not self.kinds or kind in self.kinds)


class Entry(msgspec.Struct, omit_defaults=True):
    """One token as the file keeps it."""

    name: str
    sha256: str
    created: dt.datetime
    expires: dt.datetime | None = None
    scopes: list[str] | None = None
    assets: list[str] = []
    kinds: list[str] = []
    rate: Annotated[int, msgspec.Meta(gt=0)] | None = None
    signing_key: str = ""
    certificate: str = ""
    digest: str = ""

    def gateway(self) -> Gateway:
        """What the gateway that holds it may do."""
        return Gateway(
            self.name,
            frozenset(self.scopes) if self.scopes is not None else frozenset({READINGS}),
            self.expires.timestamp() if self.expires else None,
            tuple(self.assets),
            tuple(self.kinds),
            self.rate,
            self.signing_key,
            self.certificate.lower().replace(":", ""),
            self.digest,
        )


def digest(token: str) -> str:
    """The SHA-256 of the token in hexadecimal: what the file keeps."""
    return hashlib.sha256(token.encode()).hexdigest()


def signing_key(token: str) -> str:
    """The key with which the holder of ``token`` signs bodies, in hexadecimal: HMAC-SHA-256 of "citybrain body"."""
    return hmac.new(token.encode(), b"citybrain body", hashlib.sha256).hexdigest()


def signature(key: str, at: int, body: bytes) -> str:
    """The value of the header ``X-Signature`` for ``body`` (before compression) at ``at`` (seconds since 1970).

    ``t=<at>,v1=<HMAC-SHA-256 of "<at>." and the body in hexadecimal>``, with the hexadecimal ``key`` as ASCII.
    """
    told = hmac.new(key.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={told}"


def issue(
    path: Path,
    name: str,
    scopes: tuple[str, ...] = (READINGS,),
    expires: dt.datetime | None = None,
    assets: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    rate: int | None = None,
    signed: bool = False,
    certificate: str = "",
    by_digest: bool = False,
) -> str:
    """Add a new token of ``name`` to the file and return it; this is the only time it is seen."""
    token = f"cb_{secrets.token_urlsafe(32)}"
    entry = Entry(
        name,
        digest(token),
        dt.datetime.now(dt.UTC).replace(microsecond=0),
        expires,
        list(scopes),
        list(assets),
        list(kinds),
        rate,
        signing_key(token) if signed else "",
        certificate,
        digests.secret(name, token) if by_digest else "",
    )
    with _locked(path):
        _write(path, [*_read(path), entry])
    return token


def rotate(path: Path, name: str, overlap: dt.timedelta) -> str:
    """Issue a new token of ``name`` with the rights of its newest one; the old ones end after ``overlap``.

    Raises ``TokensError`` when ``name`` has none that is still valid.
    """
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    with _locked(path):
        held = _read(path)
        own = [entry for entry in held if entry.name == name and (entry.expires is None or entry.expires > now)]
        if not own:
            raise TokensError(f"{name} has no valid token to replace; issue one: citybrain token new {name}")
        token = f"cb_{secrets.token_urlsafe(32)}"
        newest = own[-1]
        for entry in own:
            entry.expires = min(entry.expires or now + overlap, now + overlap)
        made = msgspec.structs.replace(
            newest,
            sha256=digest(token),
            created=now,
            expires=None,
            signing_key=signing_key(token) if newest.signing_key else "",
            digest=digests.secret(name, token) if newest.digest else "",
        )
        _write(path, [*held, made])
    return token


def entries(path: Path) -> list[Entry]:
    """The tokens in the file, without the tokens; raises ``TokensError``."""
    return _read(path)


def revoke(path: Path, name: str) -> int:
    """Take every token of ``name`` out of the file; returns how many there were."""
    with _locked(path):
        held = _read(path)
        kept = [entry for entry in held if entry.name != name]
        _write(path, kept)
    return len(held) - len(kept)


class Tokens:
    """The tokens in ``path``, read again when the file changes. A file that cannot be read keeps the last ones."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._known: dict[str, Gateway] = {}
        self._stamp: Stamp | tuple[()] | None = ()  # not read yet
        self._checked = float("-inf")
        self._refresh()

    def __len__(self) -> int:
        return len(self._known)

    def verify(self, token: str) -> Gateway | None:
        """The gateway whose token this is; ``None`` for an unknown or expired one.

        What is looked up is the token's SHA-256, which a guesser cannot steer, so the time it takes tells nothing
        about any token.
        """
        if time.monotonic() - self._checked >= RECHECK_S:
            self._refresh()
        found = digest(token)
        gateway = self._known.get(found)
        if gateway is None or (gateway.expires is not None and gateway.expires <= self._clock()):
            return None
        return gateway

    def named(self, name: str) -> list[Gateway]:
        """What the valid tokens of ``name`` may."""
        if time.monotonic() - self._checked >= RECHECK_S:
            self._refresh()
        valid = (one for one in self._known.values() if one.expires is None or one.expires > self._clock())
        return [one for one in valid if one.name == name]

    def _refresh(self) -> None:
        self._checked = time.monotonic()
        now = stamp(self._path)
        if now == self._stamp:
            return
        self._stamp = now
        try:
            self._known = {entry.sha256.lower(): entry.gateway() for entry in _read(self._path)}
        except TokensError as error:
            log.error("%s; the %d tokens read before stay valid", error, len(self._known))
        else:
            log.info("%d gateway tokens in %s", len(self._known), self._path)


def _read(path: Path) -> list[Entry]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Entry])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise TokensError(f"{path} cannot be read: {error}; mend it, or remove it and issue the tokens anew") from error


def _write(path: Path, entries: list[Entry]) -> None:
    write_secret(path, msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(path.with_suffix(".lock")):
        yield
