"""Who may come in: local accounts, the walls' display tokens, and the lock after repeated failures.

Both files lie in the city's secrets folder, readable by their owner alone. Passwords are kept as argon2id hashes,
tokens (256 random bits) as SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models.roster import may

Role = Literal["viewer", "dispatcher", "supervisor", "planner", "auditor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
COMMANDING: frozenset[str] = frozenset(role for role in ROLES if may(role, "act"))  # who may acknowledge
PASSWORD_MIN = 8

FAILURES, WINDOW_S, LOCK_S = 5, 900, 300  # so many failures of one name from one address in the window lock it

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe())  # so that an unknown name takes as long as a wrong password


class Account(msgspec.Struct, frozen=True):
    """A person's account; ``name`` is what colleagues read."""

    name: str
    role: Role
    hash: str

    @property
    def stamp(self) -> str:
        """Changes with the password and the role: a session made before is over."""
        return hashlib.sha256(f"{self.role}|{self.hash}".encode()).hexdigest()[:16]


class AccountError(ValueError):
    """An account or display cannot be made; the message says why."""


def add_user(path: Path, name: str, role: str, password: str) -> None:
    """Add a person to ``path`` (users.json) or give them a new role and password."""
    if role not in ROLES:
        raise AccountError(f"role {role!r} is unknown; use one of {', '.join(ROLES)}")
    if not 1 <= len(name) <= 64 or name != name.strip() or not name.isprintable():
        raise AccountError(f"name {name!r} cannot be used; 1 to 64 printable characters without spaces at the ends")
    if len(password) < PASSWORD_MIN:
        raise AccountError(f"the password has {len(password)} characters; use at least {PASSWORD_MIN}")
    users = read_users(path)
    users[name] = Account(name, role, _hasher.hash(password))
    _write(path, msgspec.json.encode(users))


def add_display(path: Path, name: str) -> str:
    """Add a wall to ``path`` (displays.json) or renew its token; the token, which is shown only now."""
    token = secrets.token_urlsafe(32)
    _write(path, msgspec.json.encode({**read_displays(path), name: _digest(token)}))
    return token


def read_users(path: Path) -> dict[str, Account]:
    """The accounts by name; empty without a file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Account]) if path.exists() else {}


def read_displays(path: Path) -> dict[str, str]:
    """The digests of the tokens by display; empty without a file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}


@dataclass
class Book:
    """The two files, read again when they change, so that a revoked account or display is out at once."""

    folder: Path
    _read: dict[str, tuple[int, dict[str, Account] | dict[str, str]]] = field(default_factory=dict)

    def account(self, name: str) -> Account | None:
        """The account of a name."""
        found = self._fresh("users.json").get(name)
        return found if isinstance(found, Account) else None

    def display(self, token: str) -> str | None:
        """The name of the wall that holds this token."""
        digest = _digest(token)
        for name, known in self._fresh("displays.json").items():
            if isinstance(known, str) and secrets.compare_digest(known, digest):
                return name
        return None

    def display_stamp(self, name: str) -> str | None:
        """Changes when a display's token is renewed; None when it was revoked."""
        known = self._fresh("displays.json").get(name)
        return known[:16] if isinstance(known, str) else None

    def check(self, name: str, password: str) -> Account | None:
        """The account when the password is right. Takes some 50 ms of a core either way: call it in a thread."""
        account = self.account(name)
        try:
            _hasher.verify(account.hash if account else _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return None
        return account

    def _fresh(self, file: str) -> dict[str, Account] | dict[str, str]:
        path = self.folder / file
        changed = path.stat().st_mtime_ns if path.exists() else -1
        if self._read.get(file, (-2, {}))[0] != changed:
            rows = read_users(path) if file == "users.json" else read_displays(path)
            self._read[file] = (changed, rows)
        return self._read[file][1]


@dataclass
class Lock:
    """Counts failures by key; times are seconds of any monotonic clock."""

    _failures: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def wait(self, key: str, now: float) -> float:
        """Seconds until ``key`` may try again; 0 now."""
        times = self._failures.get(key)
        if times is None:
            return 0.0
        while times and times[0] < now - WINDOW_S:
            times.popleft()
        if not times:
            del self._failures[key]
            return 0.0
        return max(times[-1] + LOCK_S - now, 0.0) if len(times) >= FAILURES else 0.0

    def failed(self, key: str, now: float) -> None:
        """One more wrong password."""
        times = self._failures[key]
        times.append(now)
        while len(times) > FAILURES:
            times.popleft()

    def passed(self, key: str) -> None:
        """A right password clears the count."""
        self._failures.pop(key, None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Write a secret whole or not at all, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    part.replace(path)


def session_key(path: Path) -> bytes:
    """The 32 bytes that sign sessions, made at the first start; losing them logs everybody out."""
    if not path.exists():
        _write(path, secrets.token_hex(32).encode())
    return bytes.fromhex(path.read_text().strip())
