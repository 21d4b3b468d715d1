"""Which MQTT topics carry what: a filter, a codec, and where in the topic the source and the asset stand.

A city's routes stand in ``mqtt.yaml`` in its folder; without one the routes here hold.

    routes:
      - filter: plant/+/senml/+
        format: senml
        source: "{2}"          # second level of the topic
        asset: "{4}"
      - filter: gateways/+/status
        format: status         # "online" and "offline": birth and last will
        source: "{2}"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import yaml

from sensors.codecs.register import CODECS

STATUS = "status"  # the format of birth and last-will messages
FILE = "mqtt.yaml"
MOST_TOPICS = 100_000
_LEVEL = re.compile(r"\{(\d+)\}")


class RouteError(ValueError):
    """The routes cannot be used; the message names the file, the key, the value and the remedy."""


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One topic filter. ``source`` and ``asset`` are texts in which ``{n}`` is the n-th level of the topic."""

    filter: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    format: str
    source: str = "{1}"
    asset: str = ""
    datastream: str = ""
    mapping: dict[str, Any] | None = None
    qos: Annotated[int, msgspec.Meta(ge=0, le=1)] = 1

    def matches(self, topic: str) -> bool:
        """Whether a message on ``topic`` belongs here (MQTT 5, 4.7: + is one level, # is all that follow)."""
        return _matches(self.filter.split("/"), topic.split("/"))

    def named(self, text: str, topic: str) -> str:
        """``text`` with the levels of ``topic``."""
        levels = topic.split("/")
        return _LEVEL.sub(lambda found: levels[int(found[1]) - 1] if int(found[1]) <= len(levels) else "", text)


class Way(NamedTuple):
    """What a topic tells: its route, and the names in its levels."""

    route: Route
    source: str
    asset: str
    datastream: str


class Ways:
    """The way of each topic, found once; remembers the last ``MOST_TOPICS``."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.of = lru_cache(MOST_TOPICS)(partial(_way, routes))


def _way(routes: tuple[Route, ...], topic: str) -> Way | None:
    route = found(routes, topic)
    if route is None:
        return None
    named = (route.named(text, topic) for text in (route.source, route.asset, route.datastream))
    return Way(route, *named)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    routes: Annotated[list[Route], msgspec.Meta(min_length=1)]


DEFAULT: tuple[Route, ...] = (
    Route("citybrain/+/readings", "json", "{2}"),
    Route("citybrain/+/status", STATUS, "{2}"),
    Route("citybrain/+/senml", "senml", "{2}"),
    Route("citybrain/+/cap", "cap", "{2}"),
    Route("citybrain/+/onvif/+", "onvif", "{2}", "{4}"),
    Route("citybrain/+/axis/+", "axis", "{2}", "{4}"),
    Route("citybrain/+/sensorthings", "sensorthings", "{2}"),
    Route("citybrain/+/ngsi-ld", "ngsi-ld", "{2}"),
    Route("spBv1.0/+/+/+", "sparkplug", "{2}/{4}"),
    Route("spBv1.0/+/+/+/+", "sparkplug", "{2}/{4}"),
)


def load(folder: Path) -> tuple[Route, ...]:
    """The routes in ``mqtt.yaml`` of a city's ``folder``, or the default ones; raises ``RouteError``."""
    path = folder / FILE
    if not path.exists():
        return tuple(route for route in DEFAULT if route.format == STATUS or route.format in CODECS)
    try:
        routes = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), _File).routes
    except (msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise RouteError(f"{path}: {error}") from error
    for number, route in enumerate(routes):
        _check(route, f"{path}: routes[{number}]")
    return tuple(routes)


def found(routes: tuple[Route, ...], topic: str) -> Route | None:
    """The first route for a message on ``topic``."""
    return next((route for route in routes if route.matches(topic)), None)


def shared(route: Route, group: str) -> str:
    """The filter as a subscription that several doors of ``group`` share; empty group: of this door alone."""
    return f"$share/{group}/{route.filter}" if group else route.filter


def _check(route: Route, where: str) -> None:
    known = [*CODECS, STATUS]
    if route.format not in known:
        raise RouteError(f"{where}.format: {route.format!r} is not known; use one of {', '.join(known)}")
    levels = route.filter.split("/")
    for place, level in enumerate(levels):
        wild = "#" in level or "+" in level
        if wild and (len(level) > 1 or (level == "#" and place + 1 < len(levels))):
            raise RouteError(
                f"{where}.filter: {route.filter!r} is no topic filter; + stands for one level, # for all at the end"
            )
    bare: Mapping[str, str] = {"source": route.source, "asset": route.asset, "datastream": route.datastream}
    for key, text in bare.items():
        for number in _LEVEL.findall(text):
            if not 1 <= int(number) <= (len(levels) if levels[-1] != "#" else 100):
                raise RouteError(f"{where}.{key}: {text!r} names level {number}, and {route.filter} has {len(levels)}")


def _matches(pattern: list[str], levels: list[str]) -> bool:
    if levels[0].startswith("$") and pattern[0] in ("+", "#"):
        return False
    for place, want in enumerate(pattern):
        if want == "#":
            return True
        if place >= len(levels) or want not in ("+", levels[place]):
            return False
    return len(levels) == len(pattern)
