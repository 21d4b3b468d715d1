"""Injected incidents: what happens in the simulated city, where, when and how strongly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from config.city import duration_ms
from sensors.simulate import chance
from sensors.simulate.declared import FeedError
from sensors.simulate.places import Places, Rounds, Scripted
from sensors.simulate.rhythm import STATION

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
IncidentKind = Literal[
    "venue-surge", "metro-crowd", "camera-spike", "stuck-cameras", "silent-gateway", "ponding", "gale"
]
KINDS: Final[tuple[IncidentKind, ...]] = get_args(IncidentKind)
ANY: Final = "any"  # in feed.yaml: a place by chance
CROWDED: Final = ("venue-surge", "metro-crowd", "camera-spike")  # more people than the rhythm has

TOWNS: Final = ("ponding", "gale")  # at the middle of a district's town


@dataclass(frozen=True, slots=True)
class Size:
    """How large, fast, long and strong the incidents of one kind are; see ``Incident``."""

    radius_m: float
    ramp_s: float
    duration_s: float
    factor: float


SIZES: Final[dict[IncidentKind, Size]] = {
    "venue-surge": Size(600.0, 10.0, 240.0, 3.5),
    "metro-crowd": Size(280.0, 30.0, 200.0, 3.0),
    "camera-spike": Size(0.0, 0.0, 90.0, 15.0),
    "stuck-cameras": Size(300.0, 0.0, 360.0, 1.0),
    "ponding": Size(900.0, 150.0, 900.0, 0.45),
    "silent-gateway": Size(0.0, 0.0, 150.0, 1.0),
    "gale": Size(3_000.0, 60.0, 900.0, 22.0),
}
_LONGEST_MS: Final = int(max(size.duration_s for size in SIZES.values()) * 1000)


@dataclass(frozen=True, slots=True)
class Incident:
    """One injected incident.

    ``factor`` is what it multiplies people by; for ``ponding`` the metres of water at its middle, for ``gale`` the m/s
    that it adds to the wind there. ``radius_m``
    bounds it (0: the one sensor nearest to the middle); ``silent-gateway`` has no place but the number of a
    ``gateway``. It grows for ``ramp_s``, holds, and goes in the last ``ramp_s`` of ``duration_s``.
    """

    kind: IncidentKind
    place: str
    name_en: str
    name_zh: str
    lon: float
    lat: float
    radius_m: float
    start_ms: int
    ramp_s: float
    duration_s: float
    factor: float = 1.0
    gateway: int = -1
    share: float = 1.0  # of what comes with it: the rain over rising water, the people who call

    @property
    def end_ms(self) -> int:
        """The first moment at which it is over."""
        return self.start_ms + int(self.duration_s * 1000)

    def strength(self, time_ms: Ints) -> Floats:
        """0 before and after, 1 in the middle, straight ramps between; shape as given."""
        since, left = (time_ms - self.start_ms) / 1000.0, (self.end_ms - time_ms) / 1000.0
        if self.ramp_s <= 0:
            return np.asarray((since >= 0) & (left > 0), np.float64)
        return np.clip(np.minimum(since, left) / self.ramp_s, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Sites:
    """Where incidents of each kind can be, in a city with so many ``gateways``."""

    places: Places
    gateways: int

    def incident(self, kind: IncidentKind, place: str, start_ms: int) -> Incident:
        """The incident of this kind at ``place``: a venue, a district or the number of a gateway, from 1."""
        if kind == "silent-gateway":
            number = int(place)
            return self._sized(kind, place, f"gateway {number}", f"网关{number}", 0.0, 0.0, start_ms, number - 1)
        if kind in TOWNS:
            town = next(town for town in self.places.towns if town.district == place)
            name = self.places.districts[place].name
            return self._sized(kind, place, name.en, name.zh, town.lon, town.lat, start_ms)
        hub = next(hub for hub in self.places.hubs if hub.zone.id == place)
        return self._sized(kind, place, hub.zone.name.en, hub.zone.name.zh, hub.lon, hub.lat, start_ms)

    def choices(self, kind: IncidentKind) -> list[str]:
        """The places at which incidents of this kind can be."""
        if kind == "silent-gateway":
            return [str(number + 1) for number in range(self.gateways)]
        if kind in TOWNS:
            return [town.district for town in self.places.towns]
        return [hub.zone.id for hub in self.places.hubs if kind != "metro-crowd" or hub.profile == STATION]

    def _sized(
        self, kind: IncidentKind, place: str, en: str, zh: str, lon: float, lat: float, start_ms: int, gateway: int = -1
    ) -> Incident:
        size = SIZES[kind]
        return Incident(
            kind, place, en, zh, lon, lat, size.radius_m, start_ms, size.ramp_s, size.duration_s, size.factor, gateway
        )


@dataclass(frozen=True, eq=False)
class Timetable:
    """Which incidents there are between two moments: ``fixed`` ones, then the ``rounds`` without end."""

    fixed: tuple[Incident, ...] = ()
    rounds: Turns | None = None

    def between(self, from_ms: int, to_ms: int) -> tuple[Incident, ...]:
        """The incidents that touch [from_ms, to_ms), by start."""
        turns = self.rounds.between(from_ms, to_ms) if self.rounds else []
        found = [one for one in (*self.fixed, *turns) if one.start_ms < to_ms and one.end_ms > from_ms]
        return tuple(sorted(found, key=lambda one: one.start_ms))


@dataclass(frozen=True, eq=False)
class Turns:
    """Incidents without end: from ``from_ms`` one each ``every_ms``, kinds by turns, places by chance."""

    sites: Sites
    seed: int
    from_ms: int
    every_ms: int
    kinds: tuple[IncidentKind, ...]

    def between(self, from_ms: int, to_ms: int) -> list[Incident]:
        """The incidents that may touch [from_ms, to_ms): those of the longest duration before it, and in it."""
        first = max(0, (from_ms - self.from_ms - _LONGEST_MS) // self.every_ms)
        last = (to_ms - self.from_ms) // self.every_ms
        return [self._one(number) for number in range(first, last + 1)]

    def _one(self, number: int) -> Incident:
        kind = self.kinds[number % len(self.kinds)]
        place = _picked(self.seed, "round", number, self.sites.choices(kind))
        return self.sites.incident(kind, place, self.from_ms + number * self.every_ms)


def demo(places: Places, seed: int, start_ms: int, gateways: int) -> Timetable:
    """The timetable declared in ``feed.yaml``, counted from ``start_ms``."""
    sites = Sites(places, gateways)
    fixed = []
    for number, row in enumerate(places.incidents):
        kind = _kind("incidents.kind", row.kind)
        choices = sites.choices(kind)
        if row.place != ANY and row.place not in choices:
            raise FeedError(f"incidents.place: no {kind} can be at {row.place!r}; use one of {[ANY, *choices]}")
        if choices:
            place = _picked(seed, "script", number, choices) if row.place == ANY else row.place
            made = sites.incident(kind, place, start_ms + duration_ms(row.at, "incidents.at"))
            fixed.append(_resized(made, row))
    return Timetable(tuple(fixed), _turns(places.rounds, sites, seed, start_ms))


def _resized(incident: Incident, row: Scripted) -> Incident:
    """The incident as its line says, else as its kind; a weaker one grows as fast, and is over sooner."""
    share = 1.0 if row.factor is None else row.factor / incident.factor
    return replace(
        incident,
        factor=incident.factor * share,
        radius_m=incident.radius_m if row.radius_m is None else row.radius_m,
        ramp_s=incident.ramp_s * share,
        duration_s=incident.duration_s * share,
        share=share,
    )


def _picked(seed: int, stream: str, number: int, choices: list[str]) -> str:
    return choices[int(chance.keys(seed, stream, np.array([number]))[0]) % len(choices)]


def _turns(rounds: Rounds, sites: Sites, seed: int, start_ms: int) -> Turns:
    kinds = tuple(_kind("rounds.kinds", kind) for kind in rounds.kinds if sites.gateways or kind != "silent-gateway")
    first = start_ms + duration_ms(rounds.from_, "rounds.from")
    return Turns(sites, seed, first, duration_ms(rounds.every, "rounds.every"), kinds)


def _kind(key: str, kind: str) -> IncidentKind:
    if kind not in KINDS:
        raise FeedError(f"{key}: {kind!r} is no kind of incident; use one of {', '.join(KINDS)}")
    return kind
