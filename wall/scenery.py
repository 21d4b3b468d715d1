"""What the scenes beyond the queue show: packs' numbers, units, warned areas, emergencies, alarm quality, weather.

The hub reads values, alerts and incidents; this reads the rest of the store and puts rows on the board.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from config import contract
from config.pack import Pack
from config.register import Register
from config.scenes import Scene
from models.alarm_quality import measure
from models.appeals_picture import OWN
from models.takeover import SHOWN, Claim, Emergency, emergencies
from models.values import Alert, Incident, Text, Unit, from_json
from models.warnings import Raised
from wall import emergency, measures, view
from wall.board import Board
from wall.emergency import Around, Camera
from wall.ground import METRES_A_DEGREE
from wall.past import ZonePast
from wall.store import Store
from wall.view import Row, number

log = logging.getLogger(__name__)

UNITS_S, WARNINGS_S, QUALITY_S, CLUSTERS_S = 2.0, 5.0, 10.0, 5.0
IDLE_UNITS_S = 10.0  # where units without an incident are is told this often
SPAN_MS = 8 * 3_600_000  # the alarm quality is of the alerts of so long, as far as this wall has seen them
KEPT = 20_000  # alerts kept for it
TREND = 240  # points of a trend that this keeps: the last two hours
CURVE_S, CURVE = 30.0, 120  # an emergency's curve has a point every so often, so many of them: the last hour


@dataclass(frozen=True)
class Shows:
    """What a city's walls show, from its packs and its wall.yaml."""

    packs: tuple[Pack, ...] = ()
    claims: tuple[Claim, ...] = ()

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The scenes of the live packs."""
        return tuple(pack.scene for pack in self.packs if pack.status == "live" and pack.scene is not None)

    @property
    def titles(self) -> dict[str, Text]:
        """What the rules are called that have a title, by "pack.Rule"."""
        return {f"{pack.name}.{rule.name}": rule.title for pack in self.packs for rule in pack.rules if rule.title}

    @property
    def subjects(self) -> dict[str, str]:
        """Which property a rule is about, by "pack.Rule"."""
        return {f"{pack}.{rule}": about for (pack, rule), about in self.subject.items() if about}

    @cached_property
    def subject(self) -> dict[tuple[str, str], str]:
        """Which property a rule is about, by (pack, rule)."""
        return {(pack.name, rule.name): rule.property for pack in self.packs for rule in pack.rules}


@dataclass
class _Spot:
    """What of an emergency's surroundings does not change while it stays where it is."""

    where: tuple[float, float]
    cameras: list[Camera]
    subject: str
    zone: str  # key of its zone's curve, "" where it is a single datastream's
    row: int | None
    unit: str
    curve: deque[list[Any]] = field(default_factory=lambda: deque(maxlen=CURVE))
    drawn: int = 0  # ms, when the curve was last brought up to date


class Scenery:
    """Keeps the board's sections of the scenes; ``read`` is called once a second, ``claim`` when an alert moved."""

    def __init__(
        self, store: Store, board: Board, register: Register, properties: list[str], past: ZonePast, shows: Shows
    ) -> None:
        self.store = store
        self.past = past
        self.board = board
        self.register = register
        self.properties = properties
        self.shows = shows
        self.alerts: dict[str, Alert] = {}
        self.incidents: dict[str, Incident] = {}
        self._units: dict[str, Unit] = {}
        self._idle_at = 0.0
        self._lately: dict[str, Alert] = {}  # for the alarm quality
        self._since = 0
        self._spots: dict[str, _Spot] = {}
        self._tick = 0
        self._zones: Collection[str] = ()
        self._ahead: dict[str, Row] = {}
        self._trends: dict[str, deque[list[Any]]] = {}
        self._drawn = 0
        self._due = {"units": 0.0, "warnings": 0.0, "quality": 0.0, "clusters": 0.0}

    # --- what the hub tells ----------------------------------------------------------------------------------

    def alert(self, key: str, alert: Alert | None) -> None:
        """An alert as it is now; None: it left the store."""
        if alert is None:
            self.alerts.pop(key, None)
            return
        self.alerts[key] = alert
        self._lately[key] = msgspec.structs.replace(alert, history=alert.history[:1])

    def incident(self, key: str, incident: Incident | None) -> None:
        """An incident as it is now; None: it is over."""
        if incident is None or incident.state == "closed":
            self.incidents.pop(key, None)
        else:
            self.incidents[key] = incident

    def zones(self, tick: int, rows: Mapping[str, Row], ahead: bytes | None) -> None:
        """The zones of a tick, and the hour ahead of each."""
        self._tick, self._zones = tick, rows.keys()
        self._ahead = view.ahead_of_zones(ahead)

    # --- reading ---------------------------------------------------------------------------------------------

    async def read(self, value: NDArray[np.float32], now: int, clock_s: float) -> None:
        """Bring the scenes' sections up to date; ``value`` (datastreams,), ``now`` ms, ``clock_s`` monotonic."""
        self._since = self._since or now
        if self._is_due("units", UNITS_S, clock_s):
            await self._read_units(clock_s)
        if self._is_due("warnings", WARNINGS_S, clock_s):
            self.board.put("areas", areas(await self.store.warnings()))
        by_property = self._by_property(value)
        figures = measures.told(await self.store.figures(), now, contract.TOLD_S)
        alerts, units = (list(self.board.sections[name].now.values()) for name in ("alerts", "units"))
        at = measures.Now(by_property, alerts, units, figures)
        self.board.put("figures", measures.figures(self.shows.scenes, at))
        self.board.put("stages", measures.stages(self.shows.scenes, at))
        self.board.put("tables", measures.told(await self.store.tables(), now, contract.TOLD_S))
        self._draw_trends(by_property, now)
        self.board.put("weather", measures.weather(by_property))
        if self._is_due("clusters", CLUSTERS_S, clock_s):
            told = any(key.partition("/")[0] == OWN for key in figures)
            self.board.put("clusters", view.clusters(await self.store.appeals() if told else None))
        if self._is_due("quality", QUALITY_S, clock_s):
            self.board.put("quality", self._quality(now))
        self.claim(value, now)

    def claim(self, value: NDArray[np.float32], now: int) -> None:
        """Which emergencies stand, and all about the two that are shown."""
        standing = emergencies(self.alerts.values(), self.incidents, self.shows.claims)
        rows = {one.id: self._emergency(one, rank, value, now) for rank, one in enumerate(standing)}
        for gone in self._spots.keys() - rows.keys():
            del self._spots[gone]
        self.board.put("takeover", {key: row for key, row in rows.items() if row is not None})

    def _emergency(self, one: Emergency, rank: int, value: NDArray[np.float32], now: int) -> Row | None:
        alert, incident = self.alerts.get(one.alert), self.incidents.get(one.incident)
        if alert is None and incident is None:
            return None
        if rank >= SHOWN:
            return {"rank": rank, "level": view.level(one.severity), "since": one.since}
        spot = self._spot(one, alert, incident)
        seen = [float(value[camera.row]) for camera in spot.cameras]
        if now - spot.drawn >= CURVE_S * 1000 or not spot.curve:
            spot.drawn = now
            self._draw(spot, value, now)
        around = Around(spot.cameras, seen, list(spot.curve), self._ahead.get(spot.zone), spot.unit, spot.subject)
        return emergency.row(one, rank, alert, incident, self._units, around, now)

    def _spot(self, one: Emergency, alert: Alert | None, incident: Incident | None) -> _Spot:
        it = incident if incident is not None else alert.detection if alert is not None else None
        assert it is not None  # the caller has one of the two
        known = self._spots.get(one.id)
        if known is not None and known.where == (it.lon, it.lat):
            return known
        subject = self.shows.subject.get((it.pack, alert.detection.rule), "") if alert else ""
        place = alert.detection.place if alert else it.place
        row = self._row(place, subject)
        zone = "" if row is not None else f"{place}/{subject}"
        if row is None and zone not in self._zones:
            zone = f"{it.district}/{subject}"
        unit = self._unit_of(subject)
        made = _Spot((it.lon, it.lat), self._cameras(it.lon, it.lat), subject, zone, row, unit)
        self._spots[one.id] = made
        return made

    def _draw(self, spot: _Spot, value: NDArray[np.float32], now: int) -> None:
        """The curve of a zone from its past ticks; that of a single datastream grows while it is looked at."""
        if spot.row is not None:
            spot.curve.append([now, number(float(value[spot.row])), None])
        elif self._tick:
            points = self.past.points(spot.zone, self._tick - CURVE * round(CURVE_S * 1000), self._tick)
            step = max(len(points) // CURVE, 1)
            spot.curve = deque([point[:3] for point in points[::-step][::-1]], maxlen=CURVE)

    def _draw_trends(self, by_property: Mapping[str, NDArray[np.float32]], now: int) -> None:
        """The trends of properties that no zone sums: the city has no history of them, so this keeps one."""
        if now - self._drawn < CURVE_S * 1000:
            return
        self._drawn = now
        summed = self.board.history[-1][1] if self.board.history else {}
        for scene in self.shows.scenes:
            for name in (one for one in scene.trend if one not in summed):
                taken = measures.figure_of(scene, name, by_property)
                curve = self._trends.setdefault(f"{scene.pack}/{name}", deque(maxlen=TREND))
                curve.append([now, taken, None])
        self.board.put("curves", {key: {"points": list(curve)} for key, curve in self._trends.items()})

    # --- parts -----------------------------------------------------------------------------------------------

    def _is_due(self, name: str, every_s: float, clock_s: float) -> bool:
        if clock_s < self._due[name]:
            return False
        self._due[name] = clock_s + every_s
        return True

    async def _read_units(self, clock_s: float) -> None:
        found: dict[str, Unit] = {}
        for key, data in (await self.store.units()).items():
            try:
                found[key.decode()] = from_json(data, Unit)
            except msgspec.MsgspecError as error:
                log.error("unit %s in the store cannot be read: %s", key, error)
        self._units = found
        shown = self.board.sections["units"].now
        whole = clock_s - self._idle_at >= IDLE_UNITS_S
        if whole:
            self._idle_at = clock_s
        rows = {}
        for name, unit in found.items():
            row, before = unit_row(unit), shown.get(name)
            if before is not None and not unit.incident and not whole:
                row |= {"lon": before["lon"], "lat": before["lat"]}
            rows[name] = row
        self.board.put("units", rows)

    def _by_property(self, value: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The values of each property that is shown anywhere, of the datastreams that report."""
        known = np.isfinite(value)
        wanted = {f.property for s in self.shows.scenes for f in s.figures} | set(measures.WEATHER)
        wanted |= {name for scene in self.shows.scenes for name in scene.trend}
        wanted |= {s.stages.property for s in self.shows.scenes if s.stages is not None}
        return {
            name: value[known & (self.board.kind == row)] for row, name in enumerate(self.properties) if name in wanted
        }

    def _quality(self, now: int) -> dict[str, Row]:
        start = max(now - SPAN_MS, 0)
        kept = sorted((one for one in self._lately.values() if one.opened >= start), key=lambda one: one.opened)
        self._lately = {one.id: one for one in kept[-KEPT:]}
        flood = self.board.sections["flood"].now.get("now", {})
        operators = max(len(flood.get("seats", {})), 1)
        oldest = min((one.opened for one in self._lately.values()), default=now)
        found = measure(self._lately.values(), max(start, min(oldest, self._since) - 1), now, operators, now)
        row: Row = msgspec.to_builtins(found)
        return {"now": {**row, "flood_share": round(found.flood_share, 3), "end": now // 60_000 * 60_000}}

    def _row(self, asset: str, subject: str) -> int | None:
        """The datastream of an asset that a rule is about; None where the place is a zone."""
        frame = self.register.frame
        found = np.flatnonzero(((frame["asset"] == asset) & (frame["property"] == subject)).to_numpy())
        return int(found[0]) if len(found) else None

    def _unit_of(self, subject: str) -> str:
        frame = self.register.frame.filter(self.register.frame["property"] == subject)
        return str(frame["unit"][0]) if frame.height else ""

    def _cameras(self, lon: float, lat: float) -> list[Camera]:
        rows, tree, scale = self._eyes
        count = min(emergency.CAMERAS, len(rows))
        if not count:
            return []
        metres, found = tree.query(np.array([lon, lat]) * scale, k=count)
        chosen = [int(rows[place]) for place in np.atleast_1d(found)]
        return [
            Camera({"en": it["name_en"], "zh": it["name_zh"]}, it["lon"], it["lat"], round(float(far)), row)
            for row, far, it in zip(chosen, np.atleast_1d(metres), self.register.frame[chosen].to_dicts(), strict=True)
        ]

    @cached_property
    def _eyes(self) -> tuple[NDArray[np.int64], Any, NDArray[np.float64]]:
        """Rows of the cameras, a tree of their places in metres, and metres a degree."""
        frame = self.register.frame
        rows = np.flatnonzero((frame["kind"] == "camera").to_numpy())
        where = frame[rows].select("lon", "lat").to_numpy() if len(rows) else np.zeros((0, 2))
        lat = float(where[:, 1].mean()) if len(rows) else 0.0
        scale = METRES_A_DEGREE * np.array([np.cos(np.radians(lat)), 1.0])
        return rows, cKDTree(where * scale), scale


def unit_row(unit: Unit) -> Row:
    """A unit as a mark of the map and a line of a list."""
    return {
        "name": view.text(unit.name),
        "kind": unit.kind,
        "lon": round(unit.lon, 4),
        "lat": round(unit.lat, 4),
        "status": unit.status,
        "incident": unit.incident,
    }


def areas(rows: Mapping[bytes, bytes]) -> dict[str, Row]:
    """The warnings that hold now, by id, each with its polygons and circles in degrees (lon, lat)."""
    out = {}
    for key, data in rows.items():
        try:
            it = from_json(data, Raised)
        except msgspec.MsgspecError as error:
            log.error("%s in the store cannot be read: %s", key, error)
            continue
        if it.state == "active":
            warning = it.warning
            out[warning.id] = {
                "level": view.level(warning.severity),
                "event": view.text(warning.event),
                "headline": view.text(warning.headline),
                "expires": warning.expires,
                "places": it.places,
                "confirmed": it.confirmed,
                "polygons": [_rounded(ring) for area in warning.areas for ring in area.polygons],
                "circles": [
                    [*_rounded([circle[:2]])[0], circle[2]] for area in warning.areas for circle in area.circles
                ],
                "codes": [code for area in warning.areas for code in area.codes],
            }
    return out


def _rounded(points: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[round(point[0], 4), round(point[1], 4)] for point in points]
