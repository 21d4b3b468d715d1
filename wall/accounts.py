"""Who may come in: local accounts, and the lock after repeated failures.

The accounts lie in the city's secrets folder, readable by their owner alone. Passwords are kept as argon2id hashes,
recovery codes (80 random bits) as SHA-256; the secret of the second factor must be kept as it is.
"""

from __future__ import annotations

import secrets
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec.structs import replace

from models.roster import may
from wall import totp
from wall.displays import add_display
from wall.kept import Kept, changing, digest, session_key

__all__ = [
    "COMMANDING",
    "ROLES",
    "Account",
    "AccountError",
    "Book",
    "Lock",
    "Role",
    "add_display",
    "add_user",
    "session_key",
]

Role = Literal["viewer", "dispatcher", "supervisor", "planner", "auditor", "admin", "unit"]
ROLES: tuple[Role, ...] = get_args(Role)
COMMANDING: frozenset[str] = frozenset(role for role in ROLES if may(role, "act"))  # who may acknowledge
PASSWORD_MIN = 8

FAILURES, WINDOW_S, LOCK_S = 5, 900, 300  # so many failures of one name from one address in the window lock it

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe())  # so that an unknown name takes as long as a wrong password


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's account; ``name`` is what colleagues read, ``unit`` the one that a role ``unit`` speaks for."""

    name: str
    role: Role
    hash: str
    unit: str = ""
    totp: str = ""  # the secret of the second factor in base32; none: a password is enough
    recovery: tuple[str, ...] = ()  # digests of the codes that are left
    step: int = 0  # of the last one-time password that was taken: each counts once

    @property
    def stamp(self) -> str:
        """Changes with the password, the role and the second factor: a session made before is over."""
        return digest(f"{self.role}|{self.hash}|{self.unit}|{self.totp}")[:16]

    @property
    def must_enrol(self) -> bool:
        """Whether this account may not log in before it has a second factor."""
        return may(self.role, "administer") and not self.totp


class AccountError(ValueError):
    """An account cannot be made or changed; the message says why."""


Accounts = dict[str, Account]


def load(data: bytes) -> Accounts:
    """The accounts of a file by name."""
    return msgspec.json.decode(data, type=Accounts)


def read_users(path: Path) -> Accounts:
    """The accounts by name; empty without a file."""
    return Kept(path, load).now()


def add_user(path: Path, name: str, role: str, password: str, unit: str = "") -> None:
    """Add a person to ``path`` (users.json), or give them a new role and password; a second factor stays."""
    if role not in ROLES:
        raise AccountError(f"role {role!r} is unknown; use one of {', '.join(ROLES)}")
    if not 1 <= len(name) <= 64 or name != name.strip() or not name.isprintable():
        raise AccountError(f"name {name!r} cannot be used; 1 to 64 printable characters without spaces at the ends")
    if len(password) < PASSWORD_MIN:
        raise AccountError(f"the password has {len(password)} characters; use at least {PASSWORD_MIN}")
    if (role == "unit") != bool(unit):
        raise AccountError(f"role {role} with the unit {unit or '(none)'}; the role unit, and no other, needs one")
    fresh = Account(name, role, _hasher.hash(password), unit)
    with changing(path, load) as users:
        old = users.get(name)
        users[name] = replace(fresh, totp=old.totp, recovery=old.recovery, step=old.step) if old else fresh


def remove_user(path: Path, name: str) -> None:
    """Take an account away; its sessions end at once."""
    with changing(path, load) as users:
        _known(users, name, path)
        del users[name]


def enrol(path: Path, name: str) -> totp.Enrolment:
    """Give a person a second factor, in place of any before; what must be shown to them now and never again."""
    made = totp.enrolment(name)
    with changing(path, load) as users:
        known = _known(users, name, path)
        kept = tuple(digest(code) for code in made.codes)
        users[name] = replace(known, totp=made.secret, recovery=kept, step=0)
    return made


def unenrol(path: Path, name: str) -> None:
    """Take a person's second factor away, as after a lost phone without codes."""
    with changing(path, load) as users:
        users[name] = replace(_known(users, name, path), totp="", recovery=(), step=0)


def second_factor(path: Path, name: str, code: str, now: float) -> bool:
    """Whether ``code`` is a one-time password or a recovery code of ``name`` at ``now`` (s); it never counts again."""
    with changing(path, load) as users:
        account = users.get(name)
        if account is None or not account.totp:
            return False
        after = _taken(account, totp.cleaned(code), now)
        if after is not None:
            users[name] = after
        return after is not None


def _taken(account: Account, code: str, now: float) -> Account | None:
    step = totp.step(account.totp, code, now)
    if step is not None and step > account.step:
        return replace(account, step=step)
    if digest(code) in account.recovery:
        return replace(account, recovery=tuple(it for it in account.recovery if it != digest(code)))
    return None


def _known(users: Accounts, name: str, path: Path) -> Account:
    if name not in users:
        raise AccountError(f"{name!r} has no account in {path}; `citybrain user list` shows who has")
    return users[name]


class Book:
    """The accounts, read again when they change, so that who was taken out is out at once."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "users.json"
        self._users = Kept(self.path, load)

    def account(self, name: str) -> Account | None:
        """The account of a name."""
        return self._users.now().get(name)

    def check(self, name: str, password: str) -> Account | None:
        """The account when the password is right. Takes some 50 ms of a core either way: call it in a thread."""
        account = self.account(name)
        try:
            _hasher.verify(account.hash if account else _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return None
        return account


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
