"""The rhythm of a city: how full a kind of place is by local time and kind of day, holidays included."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calendar import DAY_MS, HOLIDAY, WEEKEND, WORKDAY, Calendar

Floats = NDArray[np.float64]

SLOTS: Final = 96  # a quarter of an hour each
SLOT_MS: Final = DAY_MS // SLOTS
PROFILES: Final = ("home", "office", "road", "leisure", "night", "scenic", "station", "airport")
HOME, OFFICE, ROAD, LEISURE, NIGHT, SCENIC, STATION, AIRPORT = range(len(PROFILES))

# Each hump: (hour of its middle, width in hours, height); the floor is what is left at four in the morning.
_Humps = tuple[tuple[float, float, float], ...]
_WORKDAY: dict[int, tuple[float, _Humps]] = {
    HOME: (0.06, ((7.6, 1.1, 0.55), (12.2, 1.2, 0.35), (18.8, 1.8, 0.75), (21.0, 1.6, 0.40))),
    OFFICE: (0.04, ((8.7, 0.9, 0.95), (12.4, 1.0, 0.85), (15.0, 2.0, 0.45), (18.2, 1.0, 0.90))),
    ROAD: (0.08, ((8.2, 1.2, 0.80), (13.0, 3.0, 0.40), (18.2, 1.5, 0.85), (21.5, 1.5, 0.30))),
    LEISURE: (0.04, ((12.6, 1.6, 0.45), (16.0, 2.5, 0.45), (19.8, 1.7, 0.80))),
    NIGHT: (0.10, ((13.0, 2.0, 0.25), (19.5, 1.8, 0.55), (22.6, 1.9, 0.75))),
    SCENIC: (0.02, ((10.5, 1.6, 0.55), (14.8, 1.9, 0.50))),
    STATION: (0.08, ((8.4, 1.6, 0.70), (13.0, 2.6, 0.50), (18.0, 1.9, 0.80))),
    AIRPORT: (0.14, ((8.0, 2.0, 0.60), (14.0, 3.2, 0.55), (20.0, 2.2, 0.55))),
}
_REST: dict[int, tuple[float, _Humps]] = {
    HOME: (0.06, ((9.6, 1.6, 0.45), (12.4, 1.4, 0.40), (17.5, 2.2, 0.60), (20.5, 1.7, 0.50))),
    OFFICE: (0.04, ((12.5, 2.5, 0.25), (18.0, 2.0, 0.25))),
    ROAD: (0.08, ((10.8, 2.0, 0.60), (15.5, 2.8, 0.55), (19.0, 2.0, 0.60), (21.8, 1.5, 0.30))),
    LEISURE: (0.05, ((12.8, 1.8, 0.70), (16.0, 2.3, 0.90), (19.6, 1.9, 1.15))),
    NIGHT: (0.16, ((13.5, 2.2, 0.35), (19.8, 2.0, 0.80), (23.0, 2.0, 1.05))),
    SCENIC: (0.02, ((10.6, 1.8, 1.20), (14.6, 2.0, 1.10))),
    STATION: (0.09, ((9.5, 2.0, 0.75), (14.5, 2.8, 0.70), (18.8, 2.2, 0.85))),
    AIRPORT: (0.15, ((9.0, 2.2, 0.65), (14.5, 3.2, 0.60), (20.0, 2.2, 0.65))),
}
# What a public holiday makes of a weekend day.
_HOLIDAY: dict[int, float] = {
    HOME: 0.9, OFFICE: 0.6, ROAD: 1.1, LEISURE: 1.6, NIGHT: 1.5, SCENIC: 2.2, STATION: 1.6, AIRPORT: 1.4,
}  # fmt: skip


def _curve(floor: float, humps: _Humps) -> Floats:
    """Fullness at the start of each slot, (SLOTS,); humps wrap around midnight."""
    hour = np.arange(SLOTS) * 24.0 / SLOTS
    curve = np.full(SLOTS, floor)
    for middle, width, height in humps:
        apart = (hour - middle + 12.0) % 24.0 - 12.0
        curve += height * np.exp(-0.5 * (apart / width) ** 2)
    return curve


def _table() -> Floats:
    """Fullness by (day kind, profile, slot), 1 about the peak of a working day."""
    table = np.empty((3, len(PROFILES), SLOTS))
    for profile in range(len(PROFILES)):
        table[WORKDAY, profile] = _curve(*_WORKDAY[profile])
        table[WEEKEND, profile] = _curve(*_REST[profile])
        table[HOLIDAY, profile] = table[WEEKEND, profile] * _HOLIDAY[profile]
    return table


TABLE: Final = _table()
DAYTIME: Final = TABLE[WORKDAY].mean(axis=1)  # (profiles,): the mean of a working day


def fullness(calendar: Calendar, profile: NDArray[np.integer[Any]], time_ms: NDArray[np.int64]) -> Floats:
    """How full places of these profiles are, 1 about the peak of a working day; shapes broadcast.

    Linear between slots; the last slot of a day leads to the first of the next with that day's own kind.
    """
    local = calendar.local(time_ms)
    slot = local // SLOT_MS
    part = (local - slot * SLOT_MS) / SLOT_MS
    nearest = TABLE[calendar.day_kind(local), profile, slot % SLOTS]
    following = TABLE[calendar.day_kind(local + SLOT_MS), profile, (slot + 1) % SLOTS]
    return np.asarray(nearest + part * (following - nearest))
