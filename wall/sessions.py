"""Sessions: who is asking, in a signed cookie, with an end that is fixed and one that comes when nobody is there.

A session ends after ``hours``; after ``idle_min`` without anything sent by the person (looking does not count, nor does
the stream); when the person logs out, for copies of the cookie too; and when the account, the display or the
configuration of the identity provider is not what it was.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec.structs import replace

from models.roster import may
from wall.accounts import COMMANDING, Book
from wall.displays import Screens
from wall.kept import Kept, changing
from wall.rights import DISPLAY

SESSION_H = 12.0  # a long shift
IDLE_MIN = 240.0  # a desk must not fall silent in a quiet night
KEYS_IDLE_MIN = 30.0  # for those who could change accounts, plans or tables
DISPLAY_S = 400 * 86_400  # the longest a browser keeps a cookie; ends at once when the display is revoked
TOUCH_S = 60  # how exactly it is known when somebody was last there

Origin = Literal["local", "oidc", "display"]


class Session(msgspec.Struct, frozen=True):
    """Who is asking: a person, a unit, or a display. ``until`` and ``seen`` are s since 1970; ``stamp`` see Account."""

    user: str
    role: str
    until: int
    stamp: str
    id: str = ""
    seen: int = 0
    origin: Origin = "local"
    unit: str = ""  # that a session of the role unit speaks for

    @property
    def commands(self) -> bool:
        """Whether this one may acknowledge."""
        return self.role in COMMANDING


class Sessions:
    """Makes, reads and ends sessions; ``key`` is 32 secret bytes, ``provider`` the stamp of the identity provider."""

    def __init__(
        self, key: bytes, book: Book, hours: float = SESSION_H, idle_min: float = IDLE_MIN, provider: str = ""
    ) -> None:
        self._key = key
        self.book = book
        self.screens = Screens(book.path.parent)
        self._length_s, self._idle_s, self._provider = int(hours * 3600), idle_min * 60, provider
        self._ended_path = book.path.with_name("ended.json")
        self._ended = Kept(self._ended_path, _load_ended)
        self._seen: dict[str, int] = {}  # newer than the cookie that a stream was opened with

    @property
    def length_s(self) -> int:
        """How long a person's session lasts at most, s."""
        return self._length_s

    def login(self, user: str, now: float) -> str | None:
        """A cookie for a person whose password, and second factor, were right."""
        account = self.book.account(user)
        return self._person(user, account.role, account.stamp, now, "local", account.unit) if account else None

    def vouched(self, user: str, role: str, unit: str, now: float) -> str:
        """A cookie for a person whom the identity provider vouches for."""
        return self._person(user, role, self._provider, now, "oidc", unit)

    def display(self, token: str, now: float, before: Session | None = None) -> str | None:
        """A cookie for the display that holds ``token``; None when none does, or another browser is it.

        ``before`` is the session this browser has already: it stays the same display.
        """
        name = self.screens.holder(token)
        same = before is not None and before.role == DISPLAY and before.user == name
        browser = before.id if before is not None and same else secrets.token_urlsafe(16)
        if name is None or not self.screens.bind(name, browser):
            return None
        stamp = self.screens.stamp(name, browser) or ""
        until = int(now) + DISPLAY_S
        return self._sign(Session(name, DISPLAY, until, stamp, browser, int(now), "display"))

    def read(self, cookie: str | None, now: float) -> Session | None:
        """The session in a cookie when it is ours, not over, and its account is as it was."""
        session = self._signed(cookie)
        if session is None or session.until <= now or session.stamp != self._stamp(session):
            return None
        if now - max(session.seen, self._seen.get(session.id, 0)) > self._patience_s(session):
            return None
        return None if session.id in self._ended.now() else session

    def touched(self, session: Session, now: float) -> str | None:
        """The cookie that says somebody was there now; None while the present one says it well enough."""
        if session.origin == "display" or now - session.seen < TOUCH_S:
            return None
        self._seen = {key: seen for key, seen in self._seen.items() if now - seen < self._length_s}
        self._seen[session.id] = int(now)
        return self._sign(replace(session, seen=int(now)))

    def end(self, session: Session, now: float) -> None:
        """End a session, and every copy of its cookie."""
        with changing(self._ended_path, _load_ended) as ended:
            for key in [key for key, until in ended.items() if until <= now]:
                del ended[key]
            ended[session.id] = session.until

    def seal(self, purpose: str, told: bytes) -> str:
        """``told`` in words that only this server can have written for ``purpose``."""
        payload = base64.urlsafe_b64encode(told).decode()
        return f"{payload}.{self._signature(purpose + ':' + payload).decode()}"

    def unseal(self, purpose: str, text: str | None) -> bytes | None:
        """What ``seal`` was told; None when it was not this server, or for another purpose."""
        payload, dot, signature = (text or "").partition(".")
        if not dot or not hmac.compare_digest(signature.encode(), self._signature(purpose + ":" + payload)):
            return None
        try:
            return base64.urlsafe_b64decode(payload)
        except binascii.Error:
            return None

    def _person(self, user: str, role: str, stamp: str, now: float, origin: Origin, unit: str) -> str:
        until = int(now) + self._length_s
        return self._sign(Session(user, role, until, stamp, secrets.token_urlsafe(16), int(now), origin, unit))

    def _patience_s(self, session: Session) -> float:
        """How long nobody needs to be there, s."""
        if session.origin == "display" or may(session.role, "serve"):
            return float("inf")  # a display has nobody; a phone in a pocket must ring
        strict = may(session.role, "plan") or may(session.role, "administer")
        return min(self._idle_s, KEYS_IDLE_MIN * 60) if strict else self._idle_s

    def _stamp(self, session: Session) -> str | None:
        if session.origin == "display":
            return self.screens.stamp(session.user, session.id)
        if session.origin == "oidc":
            return self._provider or None
        account = self.book.account(session.user)
        return account.stamp if account else None

    def _signed(self, cookie: str | None) -> Session | None:
        told = self.unseal("session", cookie)
        if told is None:
            return None
        try:
            return msgspec.json.decode(told, type=Session)
        except msgspec.MsgspecError:  # of an earlier release
            return None

    def _sign(self, session: Session) -> str:
        return self.seal("session", msgspec.json.encode(session))

    def _signature(self, payload: str) -> bytes:
        return base64.urlsafe_b64encode(hmac.new(self._key, payload.encode(), sha256).digest())


def _load_ended(data: bytes) -> dict[str, int]:
    """The sessions that people ended, with when they would have ended by themselves (s since 1970)."""
    return msgspec.json.decode(data, type=dict[str, int])
