"""The walls' own browsers: each has a token that stands in for a login, may look, and can do nothing.

A token is kept as its SHA-256 in ``displays.json``. It belongs to one display: the first browser that shows it is the
only one, until somebody frees or renews it. A display that many browsers may show is made ``shared``.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec
from msgspec.structs import replace

from wall.kept import Kept, changing, digest


class Display(msgspec.Struct, frozen=True, omit_defaults=True):
    """One display. ``browser`` is the session it is bound to, "" while nobody has opened it."""

    token: str  # SHA-256
    shared: bool = False
    browser: str = ""
    made: int = 0  # s since 1970

    @property
    def stamp(self) -> str:
        """Changes when the token is renewed: sessions made before are over."""
        return self.token[:16]


Displays = dict[str, Display]


def load(data: bytes) -> Displays:
    """The displays of a file; those of the first release, a bare digest each, could be opened by any browser."""
    rows = msgspec.json.decode(data, type=dict[str, Display | str])
    return {name: Display(row, shared=True) if isinstance(row, str) else row for name, row in rows.items()}


class DisplayError(ValueError):
    """There is no such display; the message says where to look."""


def add_display(path: Path, name: str, *, shared: bool = False, now: int = 0) -> str:
    """Add a display to ``path`` (displays.json) or renew its token; the token, which is shown only now."""
    token = secrets.token_urlsafe(32)
    with changing(path, load) as displays:
        displays[name] = Display(digest(token), shared, made=now)
    return token


def free_display(path: Path, name: str) -> None:
    """Let the next browser that shows the token be the display."""
    with changing(path, load) as displays:
        displays[name] = replace(_known(displays, name, path), browser="")


def revoke_display(path: Path, name: str) -> None:
    """Take a display away; its screen loses the stream within a heartbeat."""
    with changing(path, load) as displays:
        _known(displays, name, path)
        del displays[name]


def read_displays(path: Path) -> Displays:
    """The displays by name."""
    return Kept(path, load).now()


def _known(displays: Displays, name: str, path: Path) -> Display:
    if name not in displays:
        raise DisplayError(f"{name!r} is no display of {path}; `citybrain display list` shows them")
    return displays[name]


class Screens:
    """The displays as the wall knows them, read again when the file changes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "displays.json"
        self._displays = Kept(self.path, load)

    def stamp(self, name: str, browser: str) -> str | None:
        """The stamp while ``browser`` may be this display; None when it was revoked or given to another."""
        display = self._displays.now().get(name)
        if display is None or not (display.shared or display.browser == browser):
            return None
        return display.stamp

    def holder(self, token: str) -> str | None:
        """The name of the display that has this token."""
        wanted = digest(token)
        for name, display in self._displays.now().items():
            if secrets.compare_digest(display.token, wanted):
                return name
        return None

    def bind(self, name: str, browser: str) -> bool:
        """Whether ``browser`` is the display ``name`` from now on: nobody is yet, or it was before."""
        with changing(self.path, load) as displays:
            display = displays.get(name)
            if display is None:
                return False
            if display.shared or display.browser == browser:
                return True
            if display.browser:
                return False
            displays[name] = replace(display, browser=browser)
            return True
