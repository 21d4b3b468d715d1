"""How many people a camera sees or a gate counts: rhythm, district moods, over-dispersion, capacity.

The rate of a place is ``base x fullness(local time, day kind) x mood(district) x habit(place)``; a count is Poisson
around that rate times a log-normal number, hence over-dispersed (variance about rate + 0.06 rate^2 from one
reading to the next, more over hours), and never more than the capacity of the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calendar import Calendar
from sensors.simulate import chance, rhythm
from sensors.simulate.places import Places, metres_between

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOOD_SPREAD: Final = 0.05  # of the logarithm, all places of a district together
MOOD_KNOT_MS: Final = 45 * 60_000
HABIT_SPREAD: Final = 0.20  # each place by itself, over tens of minutes
HABIT_KNOT_MS: Final = 20 * 60_000
FLUTTER_SPREAD: Final = 0.24  # from one reading to the next
QUIET_SHARE: Final = 0.35  # a surge at night brings at least this share of a place's daytime people, times factor - 1
_CAMERA_PEOPLE: Final = 6.0  # seen at a busy time by the median camera
_GATE_PEOPLE: Final = 18.0  # counted in a minute at a busy time by the median gate


@dataclass(frozen=True, slots=True)
class Crowd:
    """The people at ``places`` cameras and gates; all columns (places,).

    ``base``: people at the peak of a working day; ``capacity``: the most that can be counted; ``profile``: rhythm;
    ``mood``, ``habit``, ``flutter``: keys of chance.
    """

    calendar: Calendar
    base: Floats
    capacity: Floats
    profile: Ints
    mood: chance.Bits
    habit: chance.Bits
    flutter: chance.Bits

    def rate(self, place: Ints, time_ms: Ints) -> Floats:
        """The people to expect at each place and time, moods and habits included."""
        noise = MOOD_SPREAD * chance.wander(self.mood[place], time_ms, MOOD_KNOT_MS)
        noise += HABIT_SPREAD * chance.wander(self.habit[place], time_ms, HABIT_KNOT_MS)
        full = rhythm.fullness(self.calendar, self.profile[place], time_ms)
        return np.asarray(self.base[place] * full * np.exp(noise))

    def surged(self, place: Ints, rate: Floats, extra: Floats) -> Floats:
        """The rate with ``extra`` times the people more; at quiet hours measured by the daytime's."""
        daytime = QUIET_SHARE * self.base[place] * rhythm.DAYTIME[self.profile[place]]
        return np.asarray(rate + extra * np.maximum(rate, daytime))

    def count(self, place: Ints, time_ms: Ints, rate: Floats) -> Floats:
        """Whole people at each place and time, about ``rate``."""
        bits = chance.drawn(self.flutter[place], time_ms)
        z, flutter = chance.normal_pair(bits)
        mixed = rate * np.exp(FLUTTER_SPREAD * flutter - 0.5 * FLUTTER_SPREAD**2)
        return np.minimum(chance.poisson(mixed, z, bits), self.capacity[place])


def crowd(
    seed: int, calendar: Calendar, places: Places, gate: NDArray[np.bool_], lon: Floats, lat: Floats, district: Ints
) -> Crowd:
    """The crowd at cameras and gates (``gate``) at these points; ``district`` numbers each point's district."""
    place = np.arange(len(lon))
    hub, radii = places.nearest_hub(lon, lat)
    near = hub >= 0
    apart = metres_between(lon, lat, *places.centre)
    boost = np.ones(len(lon))
    hub_boost = np.array([h.boost for h in places.hubs])[hub]
    boost[near] = 1 + (hub_boost[near] - 1) * np.clip(1.6 - radii[near], 0.4, 1)
    size, room = chance.normal_pair(chance.keys(seed, "size", place))
    typical = np.where(gate, _GATE_PEOPLE, _CAMERA_PEOPLE) * np.exp(0.55 * size)
    base = typical * np.where(gate, 1.0, boost) * _centrality(apart)
    capacity = np.ceil(np.maximum(25.0, base * (9.0 + 2.0 * np.abs(room))))
    profile = np.where(near, np.array([h.profile for h in places.hubs])[hub], _ordinary(seed, apart))
    return Crowd(
        calendar,
        base,
        capacity,
        profile,
        mood=chance.keys(seed, "mood", district),
        habit=chance.keys(seed, "habit", place),
        flutter=chance.keys(seed, "flutter", place),
    )


def _centrality(apart_m: Floats) -> Floats:
    """1.6 in the middle of the city, 0.6 far out: streets are fuller inside the rings."""
    return np.asarray(0.6 + np.exp(-apart_m / 9_000.0))


def _ordinary(seed: int, apart_m: Floats) -> Ints:
    """The rhythm of places at no hub: homes and roads, and more offices, shops and bars inside the rings."""
    inner = np.exp(-apart_m / 7_000.0)
    u = chance.uniform(chance.keys(seed, "rhythm", np.arange(len(apart_m))))
    office, leisure, night = 0.10 + 0.15 * inner, 0.06 + 0.14 * inner, 0.02 + 0.06 * inner
    edges = np.cumsum([office, leisure, night, np.full(len(apart_m), 0.32)], axis=0)
    kinds = np.array([rhythm.OFFICE, rhythm.LEISURE, rhythm.NIGHT, rhythm.ROAD, rhythm.HOME])
    return np.asarray(kinds[(u >= edges).sum(axis=0)])
