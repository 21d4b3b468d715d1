"""The whole of Chengdu, simulated: what every sensor would say at any moment.

``City.values`` is a pure function of (seed, datastream, time): the same reading whatever was asked before, in
whatever order and batch. Counts follow ``crowd``, water and weather ``weather``; sensors fail as in ``faults``;
what is injected is in ``incidents``, and ``truth`` writes it down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from config import packs_reload
from config.city import City as Pack
from config.pack import Pack as Scenario
from config.pack_simulate import Model, Reading
from config.register import Register
from models.batch import Batch, batch
from models.calendar import Calendar
from sensors.simulate import estate, pack_assets
from sensors.simulate.crowd import crowd
from sensors.simulate.faults import DAILY_SHARE, SILENT, SPIKES, STUCK, ZERO, Windows, faults
from sensors.simulate.incidents import CROWDED, Incident, Timetable, demo
from sensors.simulate.pack_values import Sensors
from sensors.simulate.places import Places, metres_between, places
from sensors.simulate.schedule import phases
from sensors.simulate.weather import weather

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNKNOWN, PEOPLE, LEVEL, RAIN, WIND, DUST, DECLARED = range(7)  # from DECLARED on: one for each reading of a pack
MODELS: Final[dict[Model, int]] = {
    "crowd": PEOPLE, "standing-water": LEVEL, "rain": RAIN, "wind": WIND, "dust": DUST,
}  # fmt: skip
KNOWN: Final = {
    ("camera", "people"): PEOPLE,
    ("gate", "visitors"): PEOPLE,
    ("gauge", "water_level"): LEVEL,
    ("rain", "rainfall"): RAIN,
    ("wind", "wind_speed"): WIND,
    ("air", "pm25"): DUST,
}
_SPIKE: Final = {PEOPLE: 400.0, LEVEL: 1.2, RAIN: 120.0, WIND: 38.0, DUST: 600.0}  # what a failing sensor shows
_FEEL: Final = {"ponding": (LEVEL, RAIN), "gale": (WIND,)}  # which sensors feel an incident of the weather
_CLOUDBURST_MM_H: Final = 60.0  # over a ponding incident
_CHUNK: Final = 32_768  # values at a time: what fits the cache
_EDGE: Final = 0.25  # outer share of an incident's radius over which it fades


class City:
    """What the sensors of a registered city say.

    ``gateway``: (datastreams,) number of the gateway behind which each stands, for incidents of kind
    silent-gateway; None when no gateway falls silent. ``fault_share``: of the datastreams that fail on a day.
    ``declared``: what the sensors say that packs bring along; ``start_ms``: from when on packs count what they show
    first, None where they show nothing first; ``since`` tells it for single readings.
    """

    def __init__(
        self,
        register: Register,
        places: Places,
        calendar: Calendar,
        seed: int,
        timetable: Timetable | None = None,
        gateway: NDArray[np.integer[Any]] | None = None,
        fault_share: float = DAILY_SHARE,
        declared: Sequence[Reading] = (),
        start_ms: int | None = None,
        since: Mapping[Reading, int] | None = None,
    ) -> None:
        frame = register.frame
        self.register = register
        self.places = places
        self.calendar = calendar
        self.seed = seed
        self.timetable = timetable or Timetable()
        self.gateway = gateway
        self.lon, self.lat = frame["lon"].to_numpy(), frame["lat"].to_numpy()
        self.declared = tuple(declared)
        pairs, known = zip(frame["kind"], frame["property"], strict=True), _parts(self.declared)
        self.part = np.array([known.get(pair, UNKNOWN) for pair in pairs], np.uint8)
        self.faults = faults(seed, len(register), fault_share)
        is_people, is_weather = self.part == PEOPLE, (self.part > PEOPLE) & (self.part < DECLARED)
        self._place = np.where(is_people, np.cumsum(is_people), np.cumsum(is_weather)) - 1
        moments = [(since or {}).get(one, start_ms) for one in self.declared]
        self._sensors = [self._brought(number, moment) for number, moment in enumerate(moments)]
        gate = (frame["kind"] == "gate").to_numpy()[is_people]
        _names, district = np.unique(frame["district"].to_numpy().astype(str), return_inverse=True)
        self.crowd = crowd(seed, calendar, places, gate, self.lon[is_people], self.lat[is_people], district[is_people])
        self.weather = weather(seed, calendar, places.centre, self.lon[is_weather], self.lat[is_weather])
        self._reached: dict[Incident, Floats] = {}
        self._failures: dict[int, Windows] = {}

    def _brought(self, number: int, start_ms: int | None) -> Sensors:
        """The sensors of one reading of a pack; each takes its number among them."""
        rows = np.flatnonzero(self.part == DECLARED + number)
        self._place[rows] = np.arange(len(rows))
        of, centre = self.declared[number], self.places.centre
        return Sensors(of, self.seed, self.calendar, centre, self.lon[rows], self.lat[rows], start_ms)

    def values(self, rows: NDArray[np.integer[Any]], time_ms: NDArray[np.integer[Any]] | int) -> Floats:
        """The value of each datastream in ``rows`` at each time; NaN where the sensor is silent or unknown."""
        asked: Ints = np.asarray(rows, np.int64)
        times = np.broadcast_to(np.asarray(time_ms, np.int64), asked.shape)
        out = np.empty(len(asked))
        for first in range(0, len(asked), _CHUNK):
            part = slice(first, first + _CHUNK)
            out[part] = self._reported(asked[part], times[part])
        return out

    def reach(self, incident: Incident) -> Floats:
        """(datastreams,): how much of ``incident`` each datastream feels, 0 to 1, by place and kind."""
        known = self._reached.get(incident)
        if known is None:
            if len(self._reached) > 64:
                self._reached.clear()
            known = self._reached[incident] = self._felt(incident)
        return known

    @property
    def known(self) -> NDArray[np.bool_]:
        """(datastreams,): which of them the simulator has values for."""
        return np.asarray(self.part != UNKNOWN)

    def states(self, from_ms: int, to_ms: int) -> list[tuple[int, int, int]]:
        """Which sensors of packs come into their state in [from_ms, to_ms): datastream, begin and end (ms)."""
        found = []
        for number, sensors in enumerate(self._sensors):
            rows = np.flatnonzero(self.part == DECLARED + number)
            found += [(int(rows[point]), start, end) for point, start, end in sensors.states(from_ms, to_ms)]
        return found

    def failures(self, day: int) -> Windows:
        """The fault of every datastream on a day since 1970 (UTC), one row each."""
        if day not in self._failures:
            rows = np.arange(len(self.part))
            self._failures = {day: self.faults.windows(rows, np.full(len(rows), day))}
        return self._failures[day]

    def _felt(self, incident: Incident) -> Floats:
        if incident.kind == "silent-gateway":
            none = np.zeros(len(self.part))
            return none if self.gateway is None else (self.gateway == incident.gateway).astype(np.float64)
        kinds = _FEEL.get(incident.kind, (PEOPLE,))
        felt = np.zeros(len(self.part))
        for kind in kinds:
            felt += self._near(incident, kind)
        return (felt > 0).astype(np.float64) if incident.kind == "stuck-cameras" else felt

    def _near(self, incident: Incident, kind: int) -> Floats:
        """How much of the incident each datastream of one kind feels; the nearest one always feels it whole."""
        felt = np.zeros(len(self.part))
        rows = np.flatnonzero(self.part == kind)
        if not len(rows):
            return felt
        apart = metres_between(self.lon[rows], self.lat[rows], incident.lon, incident.lat)
        if incident.radius_m > 0:
            felt[rows] = np.clip((1.0 - apart / incident.radius_m) / _EDGE, 0.0, 1.0)
        felt[rows[apart.argmin()]] = 1.0
        return felt

    def _reported(self, rows: Ints, times: Ints) -> Floats:
        """What the sensors send: the true value, or what their faults make of it."""
        active = self.timetable.between(int(times.min()), int(times.max()) + 1)
        out = self._true(rows, times, active)
        for incident in active:
            if incident.kind in ("stuck-cameras", "silent-gateway"):
                self._broken(out, rows, times, incident)
        self._failed(out, rows, times)
        return out

    def _true(self, rows: Ints, times: Ints, active: tuple[Incident, ...]) -> Floats:
        """What happens in the city at each place, as a sound sensor would measure it."""
        out = np.full(len(rows), np.nan)
        part = self.part[rows]
        crowded = [one for one in active if one.kind in CROWDED]
        weather = [one for one in active if one.kind in _FEEL]
        for kind in np.unique(part[part != UNKNOWN]):
            at = slice(None) if len(part) and (part == kind).all() else np.flatnonzero(part == kind)
            row, time = rows[at], times[at]
            if kind == PEOPLE:
                out[at] = self._people(row, time, crowded)
            else:
                out[at] = self._measured(int(kind), row, time, weather)
        return out

    def _people(self, rows: Ints, times: Ints, crowded: list[Incident]) -> Floats:
        place = self._place[rows]
        rate = self.crowd.rate(place, times)
        if crowded:
            extra = sum(self.reach(one)[rows] * one.strength(times) * (one.factor - 1.0) for one in crowded)
            rate = self.crowd.surged(place, rate, np.asarray(extra))
        return self.crowd.count(place, times, rate)

    def _measured(self, kind: int, rows: Ints, times: Ints, weather: list[Incident]) -> Floats:
        place = self._place[rows]
        if kind >= DECLARED:
            return self._sensors[kind - DECLARED].values(place, times)
        mine = [one for one in weather if kind in _FEEL[one.kind]]
        felt = [self.reach(one)[rows] * one.strength(times) for one in mine]
        extra = sum((part * one.factor for part, one in zip(felt, mine, strict=True)), np.zeros(len(rows)))
        if kind == LEVEL:
            return self.weather.level(place, times, extra)
        if kind == RAIN:
            poured = sum((part * one.share for part, one in zip(felt, mine, strict=True)), np.zeros(len(rows)))
            return np.round(self.weather.rain(place, times) + _CLOUDBURST_MM_H * poured, 1)
        if kind == WIND:
            return np.round(self.weather.wind(place, times) + extra, 1)
        return self.weather.dust(place, times)

    def _broken(self, out: Floats, rows: Ints, times: Ints, incident: Incident) -> None:
        """Readings under a stuck or silent incident, in place."""
        hit = np.flatnonzero((self.reach(incident)[rows] > 0) & (incident.strength(times) > 0))
        if incident.kind == "silent-gateway":
            out[hit] = np.nan
        elif len(hit):
            out[hit] = self._at(rows[hit], np.full(len(hit), incident.start_ms))

    def _failed(self, out: Floats, rows: Ints, times: Ints) -> None:
        """Readings of sensors with a fault, in place."""
        suspect = self.faults.suspects(rows, times)
        if not len(suspect):
            return
        row, time = rows[suspect], times[suspect]
        window = self.faults.windows(row, time // 86_400_000)
        kind = window.at(time)
        out[suspect[kind == SILENT]] = np.nan
        out[suspect[kind == ZERO]] *= 0.0  # a silent gateway stays silent
        spikes = (kind == SPIKES) & self.faults.spiking(row, time)
        out[suspect[spikes]] = np.where(np.isnan(out[suspect[spikes]]), np.nan, self._spike(row[spikes]))
        stuck = np.flatnonzero((kind == STUCK) & ~np.isnan(out[suspect]))
        if len(stuck):
            out[suspect[stuck]] = self._at(row[stuck], window.start_ms[stuck])

    def _at(self, rows: Ints, times: Ints) -> Floats:
        """The true values at other times than those asked for: what a stuck sensor repeats."""
        return self._true(rows, times, self.timetable.between(int(times.min()), int(times.max()) + 1))

    def _spike(self, rows: Ints) -> Floats:
        """A value far off, but within what the register takes."""
        shown = np.array([_SPIKE.get(int(kind), np.nan) for kind in self.part[rows]], np.float64)
        return np.minimum(shown, self.register.high[rows])


def _parts(declared: Sequence[Reading]) -> dict[tuple[str, str], int]:
    """The part that says the values of each kind and property."""
    brought = {
        (kind, one.property): DECLARED + number if one.model is None else MODELS[one.model]
        for number, one in enumerate(declared)
        for kind in one.kinds
    }
    return brought | KNOWN  # what the city itself knows comes first


def readings(packs: Sequence[Scenario] | None = None) -> tuple[Reading, ...]:
    """What the sensors say that ``packs`` bring along; None: those that can be loaded."""
    return tuple(one for pack in _given(packs) for one in pack.simulated.readings)


def assets(pack: Pack, seed: int | None = None, packs: Sequence[Scenario] | None = None) -> pl.DataFrame:
    """All assets of the simulated city: asset, kind, name_en, name_zh, lon, lat; ``seed`` None: the declared one.

    Those that ``packs`` ask for (None: those that can be loaded) come after its own.
    """
    found = places(pack)
    seed = found.seed if seed is None else seed
    own = estate.assets(found, seed)
    return pl.concat([own, pack_assets.assets(pack, found, _given(packs), own["kind"].unique(), seed)])


def _given(packs: Sequence[Scenario] | None) -> Sequence[Scenario]:
    return packs_reload.sound() if packs is None else packs


def simulated(
    pack: Pack,
    register: Register,
    start_ms: int,
    gateway: NDArray[np.integer[Any]] | None = None,
    seed: int | None = None,
    declared: Sequence[Reading] | None = None,
    since: Mapping[Reading, int] | None = None,
) -> City:
    """The city of ``pack`` with the incidents of its ``feed.yaml``, counted from ``start_ms``.

    ``gateway`` (datastreams,): the number of the gateway behind which each stands, -1 where nobody sends it; None: no
    gateway falls silent. ``declared``: what packs bring along (None: ``readings()``); ``since`` as in ``City``.
    """
    found = places(pack)
    seed = found.seed if seed is None else seed
    gateways = 0 if gateway is None else int(gateway.max()) + 1
    said = readings() if declared is None else declared
    return City(
        register, found, pack.calendar, seed, demo(found, seed, start_ms, gateways), gateway, declared=said,
        start_ms=start_ms, since=since,
    )  # fmt: skip


def history(city: City, end_ms: int, days: float = 7, step_s: int = 3600) -> Iterator[Batch]:
    """Readings of the last ``days`` before ``end_ms``, each datastream once a step: to warm up detectors.

    One batch a step and shard, in time order per shard; silent sensors are left out.
    """
    register = city.register
    cadence = np.maximum(register.frame["cadence_s"].to_numpy() * 1000, 1).astype(np.int64)
    phase = phases(np.arange(len(register)), cadence)
    shards = [
        members[np.argsort(phase[members], kind="stable")] for members in map(register.members, range(register.shards))
    ]
    steps = int(days * 86_400 // step_s)
    for start in range(end_ms - steps * step_s * 1000, end_ms, step_s * 1000):
        for rows in shards:
            times = start + phase[rows]
            value = city.values(rows, times)
            known = ~np.isnan(value)
            yield batch(rows[known], times[known], value[known], source="history", accepted=start)


def recent(city: City, end_ms: int, seconds: int, step_s: int = 5) -> Iterator[Batch]:
    """Readings of the last ``seconds`` before ``end_ms`` as the sensors send them, each at its own cadence.

    One batch for each ``step_s`` and shard, in time order per shard; silent sensors are left out.
    """
    register = city.register
    cadence = np.maximum(register.frame["cadence_s"].to_numpy() * 1000, 1).astype(np.int64)
    phase = phases(np.arange(len(register)), cadence)
    for start in range(end_ms - seconds * 1000, end_ms, step_s * 1000):
        first = start + (phase - start) % cadence  # the first reading of each datastream from start on
        for shard in range(register.shards):
            rows = register.members(shard)
            rows = rows[first[rows] < start + step_s * 1000]
            rows = rows[np.argsort(first[rows], kind="stable")]
            value = city.values(rows, first[rows])
            known = ~np.isnan(value)
            if known.any():
                yield batch(rows[known], first[rows[known]], value[known], source="history", accepted=start)
