"""The two files of a city that say who is told what: how they are read, and how their mistakes are told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from config.city_calendar import calendar
from config.settings import Settings
from models.calendar import Calendar

T = TypeVar("T")
COMMON = Path(__file__).parent / "cities"
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class DutyError(ValueError):
    """A roster or a list of routes cannot be used; the message names file, key, value and remedy."""


def read(path: Path, kind: type[T]) -> T:
    """The file as ``kind``; raises ``DutyError``."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text("utf-8")), kind)
    except FileNotFoundError as error:
        raise DutyError(f"{path}: the file is missing; copy that of config/cities/chengdu") from error
    except UnicodeDecodeError as error:
        raise DutyError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise DutyError(f"{path}: {error}") from error


def folder(settings: Settings) -> Path:
    """The folder of the settings' city, found without reading it; raises ``DutyError``."""
    places = [place for place in (settings.cities, COMMON) if place is not None]
    for place in places:
        if (place / settings.city / "city.yaml").exists():
            return place / settings.city
    raise DutyError(
        f"city {settings.city!r} has no pack in {' and '.join(map(str, places))}; see `citybrain city list`"
    )


def own_or_common(folder: Path, file: str) -> Path:
    """The city's own file, or the one for all cities that have none."""
    own = folder / file
    return own if own.exists() else COMMON / file


def minute(text: str, where: str) -> int:
    """``"08:30"`` as minutes since midnight; ``"24:00"`` is midnight."""
    if text == "24:00":
        return 0
    match = _TIME.fullmatch(text)
    if match is None:
        raise DutyError(f'{where}: {text!r} is no time of day; write it in quotes as "08:30"')
    return int(match[1]) * 60 + int(match[2])


def once(names: list[str], where: str) -> None:
    """Raises ``DutyError`` where a name occurs twice."""
    for name in names:
        if names.count(name) > 1:
            raise DutyError(f"{where}: {name!r} occurs {names.count(name)} times; keep one")


def local_time(folder: Path) -> Calendar:
    """The local time of the city in ``folder``, without its zones and holidays: a small process needs no more."""

    class _City(msgspec.Struct):
        timezone: str

    declared: Any = read(folder / "city.yaml", _City)
    return calendar(declared.timezone, None)
