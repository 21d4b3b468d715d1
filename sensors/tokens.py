"""Bearer tokens of the gateways: who may speak, and for what.

The file is a JSON list of ``{"name", "sha256", "created", "expires"?, "scopes"?}``. Only the SHA-256 of a token is
kept; the token itself is shown once, when it is issued. A name may have several tokens, so that one can be replaced
without a gap.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

READINGS = "readings"  # may push readings; what a token has when its entry names no scopes
DISPATCH = "dispatch"  # may read alerts and act on them
RECHECK_S = 1.0  # how often the file is looked at; a change counts within this time

log = logging.getLogger(__name__)


class TokensError(ValueError):
    """The file of tokens cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Whom a token belongs to; ``expires`` is in seconds since 1970, ``None`` never."""

    name: str
    scopes: frozenset[str] = frozenset({READINGS})
    expires: float | None = None

    def may(self, scope: str) -> bool:
        """Whether this gateway has ``scope``."""
        return scope in self.scopes


class _Entry(msgspec.Struct, omit_defaults=True):
    name: str
    sha256: str
    created: dt.datetime
    expires: dt.datetime | None = None
    scopes: list[str] | None = None

    def gateway(self) -> Gateway:
        scopes = frozenset(self.scopes) if self.scopes is not None else frozenset({READINGS})
        return Gateway(self.name, scopes, self.expires.timestamp() if self.expires else None)


def digest(token: str) -> str:
    """The SHA-256 of the token in hexadecimal: what the file keeps."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue(path: Path, name: str, scopes: tuple[str, ...] = (READINGS,), expires: dt.datetime | None = None) -> str:
    """Add a new token of ``name`` to the file and return it; this is the only time it is seen."""
    token = f"cb_{secrets.token_urlsafe(32)}"
    entry = _Entry(name, digest(token), dt.datetime.now(dt.UTC).replace(microsecond=0), expires, list(scopes))
    with _locked(path):
        _write(path, [*_read(path), entry])
    return token


def revoke(path: Path, name: str) -> int:
    """Take every token of ``name`` out of the file; returns how many there were."""
    with _locked(path):
        entries = _read(path)
        kept = [entry for entry in entries if entry.name != name]
        _write(path, kept)
    return len(entries) - len(kept)


class Tokens:
    """The tokens in ``path``, read again when the file changes. A file that cannot be read keeps the last ones."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._known: dict[str, Gateway] = {}
        self._stamp: tuple[int, ...] | None = ()
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

    def _refresh(self) -> None:
        self._checked = time.monotonic()
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._known = {entry.sha256.lower(): entry.gateway() for entry in _read(self._path)}
        except TokensError as error:
            log.error("%s; the %d tokens read before stay valid", error, len(self._known))
        else:
            log.info("%d gateway tokens in %s", len(self._known), self._path)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> list[_Entry]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise TokensError(f"{path} cannot be read: {error}; mend it, or remove it and issue the tokens anew") from error


def _write(path: Path, entries: list[_Entry]) -> None:
    part = path.with_suffix(".part")
    body = msgspec.json.format(msgspec.json.encode(entries), indent=2)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(body + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
