"""``citybrain replay``: ask the wall for a replay session and print its address; without a wall, serve it here."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing

from citybrain.archive.reader import Archive, shown
from citybrain.moments import moment
from citybrain.replay.making import Making
from citybrain.replay.neighbour import own_wall
from citybrain.replay.opener import Opener
from citybrain.replay.recording import span
from config import city as cities
from config.city import City
from config.settings import Settings
from wall.replay.recording import Ask, ReplayError
from wall.replay.session import speed_within
from wall.replay.sessions import declare


def run(
    settings: Settings,
    start: str | None,
    end: str | None,
    incident: str | None,
    speed: float,
    as_json: bool,
    no_serve: bool,
) -> int:
    """Make the session; the exit code. Serves it until told to stop where no wall answers, unless ``no_serve``."""
    city, archive = cities.load(settings.city), Archive.of(settings)
    ask = _asked(archive, city, start, end, incident, speed)
    first, last = span(archive, ask)
    wall = own_wall(settings)
    name = declare(settings.home / "replays", ask)
    url = f"http://{settings.host}:{settings.wall_port}/replay/{name}/wall"
    _say(f"replay of {shown(first)} to {shown(last)} at {speed:g} times real time")
    notices = archive.notices.words("en")
    for line in notices:
        _say(f"  {line}")
    if wall is not None:
        _say(
            "  the wall that runs here shows it; log in as you do there" + (f" ({wall.notice})" if wall.notice else "")
        )
    elif not no_serve:
        _say("  no wall answers here, so this command serves it until Ctrl-C; `citybrain user add` makes a login")
    told = {"session": name, "url": url, "start": first, "end": last, "notices": notices}
    print(json.dumps(told) if as_json else url, flush=True)
    with closing(Making(settings, city, last, _say)) as making:
        if wall is not None or no_serve:
            making.wait()
        else:
            from wall.replay.alone import serve

            serve(settings, Opener(settings))
    return 0


def _asked(archive: Archive, city: City, start: str | None, end: str | None, incident: str | None, speed: float) -> Ask:
    speed_within(speed)
    if incident is None and (start is None or end is None):
        there = archive.reaches()
        reach = f"; the archive has {shown(there[0])} to {shown(there[1])}" if there else ""
        raise ReplayError(f"say which span: --from and --to, or --incident{reach}")
    return Ask(
        start=moment(start, city.timezone) if start else 0,
        end=moment(end, city.timezone) if end else 0,
        speed=speed,
        incident=incident or "",
        made=int(time.time() * 1000),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
