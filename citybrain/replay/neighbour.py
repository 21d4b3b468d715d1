"""What answers at the wall's address: our own wall, nothing, or somebody else, whom nobody should ask for a replay."""

from __future__ import annotations

import html
import http.client
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from config.settings import Settings
from wall.app import build
from wall.identity import mark
from wall.replay.recording import ReplayError

WAIT_S = 3
MOST = 65_536  # bytes of a page that are looked at
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # our own address is asked without a proxy


@dataclass(frozen=True, slots=True)
class Own:
    """Our own wall answers; ``live`` where it is the city's and not one of replays alone, ``notice`` what ails it."""

    live: bool
    notice: str = ""


def own_wall(settings: Settings) -> Own | None:
    """The wall of this city and data folder at the address of ``settings``, None where nothing listens there.

    Raises ``ReplayError`` where something else answers, naming what it is and what to do.
    """
    url = f"http://{settings.host}:{settings.wall_port}"
    try:
        said, body = _get(f"{url}/healthz")
    except ConnectionRefusedError:
        return None
    except OSError as error:
        raise _foreign(
            settings, f"something that does not answer as a web server does ({error or 'no reason'})"
        ) from error
    told = _told(body)
    if "wall" not in told:
        older = {"hub", "store", "viewers"} <= told.keys() or told.keys() == {"replays"}
        what = (
            "a wall of an older release, which does not say whose it is" if older else f"another program{_title(url)}"
        )
        raise _foreign(settings, f"{what}, HTTP {said} at /healthz")
    if told["wall"] != mark(settings):
        raise _foreign(settings, f"a wall of another city or data folder{_title(url)}")
    return Own("replays" not in told, _notice(told, said))


def _get(url: str) -> tuple[int, bytes]:
    """Status and body; raises ``OSError`` where nothing or no web server answers."""
    try:
        with _DIRECT.open(url, timeout=WAIT_S) as answer:  # our own http address
            return answer.status, answer.read(MOST)
    except urllib.error.HTTPError as error:
        return error.code, error.read(MOST)
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason)) from error
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from error


def _told(body: bytes) -> dict[str, Any]:
    """What is said at /healthz; nothing where that is not what a wall says."""
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _title(url: str) -> str:
    """How its page calls itself, to know it by."""
    try:
        _, page = _get(f"{url}/login")
    except OSError:
        return ""
    found = _TITLE.search(page.decode(errors="replace"))
    title = " ".join(html.unescape(found[1]).split())[:80] if found else ""
    return f", which calls itself {title!r}" if title else ""


def _notice(told: dict[str, Any], said: int) -> str:
    if told.get("build") != build():
        return "it runs other code than this command: restart it where its pages look wrong"
    return "" if said == 200 else "its live pages have no store now; replays need none"


def _foreign(settings: Settings, what: str) -> ReplayError:
    return ReplayError(
        f"{settings.host}:{settings.wall_port} is held by {what}: not the wall of {settings.city} in {settings.home}. "
        "Stop it, or give its CITYBRAIN_DATA and --city if that is the one you mean, or serve the replay elsewhere: "
        "CITYBRAIN_WALL_PORT=<a free port>"
    )
