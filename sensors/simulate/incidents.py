"""Injected incidents: what happens in the simulated city, where, when and how strongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sensors.simulate import chance
from sensors.simulate.places import HUBS, STATIONS, TOWNS, Hub

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
IncidentKind = Literal["venue-surge", "metro-crowd", "camera-spike", "stuck-cameras", "silent-gateway", "ponding"]

CROWDED: Final = ("venue-surge", "metro-crowd", "camera-spike")  # more people than the rhythm has
SURGE_S: Final = 20  # the first surge begins so long after the start
_FIRST_ROUND_S: Final = 600
_EVERY_S: Final = 240  # afterwards one incident so often
_ROUND: Final[tuple[IncidentKind, ...]] = (
    "venue-surge", "stuck-cameras", "metro-crowd", "camera-spike", "venue-surge", "ponding", "silent-gateway",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incident:
    """One injected incident.

    ``factor`` is what it multiplies people by; for ``ponding`` the metres of water at its middle. ``radius_m``
    bounds it (``camera-spike``: the one camera nearest to the middle; ``silent-gateway``: not used, ``gateway`` is
    the number of the gateway). It grows for ``ramp_s``, holds, and goes in the last ``ramp_s`` of ``duration_s``.
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

    @property
    def end_ms(self) -> int:
        """The first moment at which it is over."""
        return self.start_ms + int(self.duration_s * 1000)

    def strength(self, time_ms: Ints) -> Floats:
        """0 before and after, 1 in the middle, straight ramps between; shape as given."""
        since, left = (time_ms - self.start_ms) / 1000.0, (self.end_ms - time_ms) / 1000.0
        if self.ramp_s <= 0:
            return ((since >= 0) & (left > 0)).astype(np.float64)
        return np.clip(np.minimum(since, left) / self.ramp_s, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Which incidents there are between two moments."""

    fixed: tuple[Incident, ...] = ()
    seed: int = 0
    rounds_from_ms: int | None = None  # from here one incident each four minutes, without end; None: only the fixed
    gateways: int = 0

    def between(self, from_ms: int, to_ms: int) -> tuple[Incident, ...]:
        """The incidents that touch [from_ms, to_ms), by start."""
        found = [one for one in (*self.fixed, *self._rounds(from_ms, to_ms)) if one.start_ms < to_ms]
        return tuple(sorted((one for one in found if one.end_ms > from_ms), key=lambda one: one.start_ms))

    def _rounds(self, from_ms: int, to_ms: int) -> list[Incident]:
        if self.rounds_from_ms is None:
            return []
        step = _EVERY_S * 1000
        first = max(0, (from_ms - self.rounds_from_ms - _LONGEST_S * 1000) // step)
        last = (to_ms - self.rounds_from_ms) // step
        return [self._one(number, self.rounds_from_ms + number * step) for number in range(first, last + 1)]

    def _one(self, number: int, start_ms: int) -> Incident:
        """The incident with this number: its kind by turns, its place by chance."""
        kind = _ROUND[number % len(_ROUND)]
        pick = int(chance.keys(self.seed, "round", np.array([number]))[0] >> np.uint64(20))
        if kind == "silent-gateway":
            return silent_gateway(pick % max(self.gateways, 1), start_ms)
        if kind == "ponding":
            codes = tuple(TOWNS)
            return ponding(codes[pick % len(codes)], start_ms)
        if kind == "metro-crowd":
            return at_hub(kind, _hub(STATIONS[pick % len(STATIONS)]), start_ms)
        return at_hub(kind, HUBS[pick % len(HUBS)], start_ms)


def demo(start_ms: int, seed: int, gateways: int) -> Timetable:
    """The show: a surge at Chunxi Road after 20 s, one incident of each kind in ten minutes, then one in four."""

    def at(second: float) -> int:
        return start_ms + int(second * 1000)

    first = (
        at_hub("venue-surge", _hub("chunxi-road"), at(SURGE_S)),
        at_hub("stuck-cameras", _hub("east-station"), at(75)),
        at_hub("camera-spike", _hub("global-center"), at(120)),
        ponding("510106", at(160)),
        at_hub("metro-crowd", _hub("south-station"), at(270)),
        silent_gateway(gateways // 2, at(420)),
    )
    return Timetable(first, seed, at(_FIRST_ROUND_S), gateways)


_SHAPES: Final[dict[IncidentKind, tuple[float, float, float, float]]] = {
    # radius m, ramp s, duration s, factor
    "venue-surge": (600.0, 10.0, 240.0, 3.5),
    "metro-crowd": (280.0, 30.0, 200.0, 3.0),
    "camera-spike": (0.0, 0.0, 45.0, 8.0),
    "stuck-cameras": (300.0, 0.0, 360.0, 1.0),
    "ponding": (2_500.0, 150.0, 900.0, 0.45),
    "silent-gateway": (0.0, 0.0, 150.0, 1.0),
}
_LONGEST_S: Final = int(max(shape[2] for shape in _SHAPES.values()))


def at_hub(kind: IncidentKind, hub: Hub, start_ms: int) -> Incident:
    """An incident of this kind at a hub, of the kind's usual size."""
    return Incident(kind, hub.id, hub.name_en, hub.name_zh, hub.lon, hub.lat, *_timed(kind, start_ms))


def ponding(code: str, start_ms: int) -> Incident:
    """Water that rises in the underpasses of a district's town, under heavy rain."""
    town = TOWNS[code]
    return Incident("ponding", code, code, code, town.lon, town.lat, *_timed("ponding", start_ms))


def silent_gateway(gateway: int, start_ms: int) -> Incident:
    """A gateway that stops sending: everything behind it falls silent at once."""
    name = f"gateway {gateway + 1}"
    return Incident(
        "silent-gateway", name, name, f"网关{gateway + 1}", 0.0, 0.0, *_timed("silent-gateway", start_ms), gateway
    )


def _timed(kind: IncidentKind, start_ms: int) -> tuple[float, int, float, float, float]:
    radius, ramp, duration, factor = _SHAPES[kind]
    return radius, start_ms, ramp, duration, factor


def _hub(name: str) -> Hub:
    return next(hub for hub in HUBS if hub.id == name)
