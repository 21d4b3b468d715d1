"""``citybrain display``: screens that show the wall without a login."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path

from config.settings import Settings
from wall import displays


def book(settings: Settings) -> Path:
    """The file of the city's displays."""
    return settings.secrets / "displays.json"


def new(settings: Settings, name: str, *, shared: bool) -> int:
    """Let a screen show the wall, and print the address to open there; one that exists gets a new token."""
    token = displays.add_display(book(settings), name, shared=shared, now=int(time.time()))
    print(f"http://{settings.host}:{settings.wall_port}/wall?display={token}")
    return 0


def free(settings: Settings, name: str) -> int:
    """Let the next browser that opens the address be the display; raises ``DisplayError``."""
    displays.free_display(book(settings), name)
    print(f"{name} is whichever browser opens its address next")
    return 0


def revoke(settings: Settings, name: str) -> int:
    """Take a display away; raises ``DisplayError``."""
    displays.revoke_display(book(settings), name)
    print(f"{name} is no display any more; its screen goes dark within seconds")
    return 0


def show(settings: Settings, as_json: bool) -> int:
    """The displays: since when, and whether a browser has taken the place; never the tokens."""
    rows = [
        {"name": name, "made": _day(one.made), "shared": one.shared, "bound": bool(one.browser)}
        for name, one in displays.read_displays(book(settings)).items()
    ]
    if as_json:
        print(json.dumps({"displays": rows}, ensure_ascii=False))
        return 0
    if not rows:
        print(f"no displays in {book(settings)}; make one: citybrain display new NAME")
    for row in rows:
        state = "any browser" if row["shared"] else "bound to its browser" if row["bound"] else "not opened yet"
        print(f"{row['name']}  made {row['made'] or 'long ago'}  {state}")
    return 0


def _day(seconds: int) -> str | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat() if seconds else None
