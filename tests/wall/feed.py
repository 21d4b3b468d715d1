"""A seeded writer of a realistic live picture of Chengdu into a real store, for the wall's tests and for looking at it.

``python -m tests.wall.feed DIR --port 8050 --mood busy`` starts store, broker, wall and feed until Ctrl-C.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray
from redis import Redis

from config import city as cities
from config import contract
from config.city import City
from config.register import COLUMNS, Register
from config.units import of_city
from models import alarm, appeals_picture, incidents, warnings_picture
from models.flood import Flooded
from models.values import (
    Alert,
    Area,
    Command,
    Detection,
    Incident,
    Proposal,
    Severity,
    Task,
    Text,
    Transition,
    UnitStatus,
    Warning,
    alert_id,
    from_json,
    to_json,
)
from models.warnings import Raised

STEPS = 25  # a camera speaks every 25th step: each 5 s at 5 steps a second
STEP_S = 0.2
SHARDS = 4
RULES: tuple[tuple[Severity, str, str, str], ...] = (
    ("Extreme", "ZoneCrush", "Dangerous crowding at {en}: 3.1 times the usual", "{zh}人流严重超常：达平时 3.1 倍"),
    ("Severe", "ZoneSurge", "Crowd surge at {en}: 1.6 times the usual", "{zh}人流激增：为平时的 1.6 倍"),
    ("Moderate", "StreetCrowd", "Crowd within {en}: 1.7 times the usual", "{zh}人流聚集：为平时的 1.7 倍"),
    ("Minor", "CameraSurge", "Unusual crowd at {en}", "{zh}人数异常"),
)
TASKS = (
    ("Confirm by camera and patrol", "视频与巡逻现场核实"),
    ("Hold back at the metro exits", "地铁出入口限流"),
    ("One-way walking on the main street", "主街单向通行"),
    ("Close the east entrance", "关闭东入口"),
    ("Metro passes through without stopping", "地铁甩站"),
    ("Broadcast to visitors", "现场广播引导"),
)
STEPS_TOLD = (
    (12_000, "plan-proposed", ""),
    (25_000, "assign", "陈刚"),
    (31_000, "plan-launched", "陈刚"),
    (52_000, "under-way", "陈刚"),
    (61_000, "task-done", "陈刚"),
)
CLUSTERS = (
    ("Standing water", "道路积水", 34, 0.035, 0.02, 1400.0, True),
    ("Construction noise", "施工噪声", 18, -0.05, -0.03, 900.0, False),
    ("Water supply", "停水", 27, 0.01, -0.055, 1100.0, False),
)
OFFICES = (
    ("Housing bureau", "住建局"), ("Water bureau", "水务局"), ("Urban management", "城管委"),
    ("Traffic police", "交管局"),
    ("Ecology bureau", "生态环境局"), ("Market regulator", "市场监管局"),
)  # fmt: skip
SOURCES = ("video-01", "video-02", "video-03", "video-04", "metro-afc", "gates-scenic", "drainage", "rain-gauges",
           "bus-gps", "signals", "parking", "water-scada")  # fmt: skip


@dataclass(frozen=True)
class Mood:
    """How many alerts of each severity there are, what is wrong with the sources, and what else stands."""

    alerts: tuple[int, int, int, int]
    late: int = 0
    down: int = 0
    seats: tuple[int, ...] = (2, 4, 1)  # alerts of each seat in ten minutes
    emergencies: int = 0  # incidents with a plan, units on their way and a timeline
    warned: bool = False
    asked: bool = False  # the hotline has clusters of appeals, and departments that are late


MOODS = {
    "calm": Mood((0, 0, 1, 4)),
    "busy": Mood((3, 9, 48, 240), late=2, down=1),
    "empty": Mood((0, 0, 0, 0), seats=()),
    "full": Mood((0, 12, 48, 240), late=2, down=1, asked=True),  # as busy, without what claims the wall
    "flood": Mood((0, 14, 70, 260), late=1, seats=(31, 14, 9), warned=True, asked=True),
    "takeover": Mood((0, 4, 20, 80), emergencies=1, seats=(6, 4, 3), warned=True),
    "two": Mood((0, 4, 20, 80), emergencies=3, seats=(8, 5, 3)),
}


def register(city: City, cameras: int, seed: int = 1) -> Register:
    """``cameras`` cameras around the centres of the city's districts and venues, some gates, gauges and rain gauges."""
    rng = np.random.default_rng(seed)
    frames = [
        _assets(city, rng, cameras, "camera", "people", "1", 5.0, ("Camera", "摄像机")),
        _assets(city, rng, max(cameras // 150, 20), "gate", "visitors", "1", 60.0, ("Gate", "闸机")),
        _assets(city, rng, max(cameras // 135, 20), "gauge", "water_level", "m", 60.0, ("Gauge", "积水点")),
    ]
    table = pl.concat(frames).sort("shard", maintain_order=True)
    return Register(table.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items()))


def _assets(
    city: City, rng: np.random.Generator, count: int, kind: str, what: str, unit: str, cadence: float, names: Any
) -> pl.DataFrame:
    share = np.array([z.area_m2**0.5 / (1 + 4 * _far(city, (z.lon, z.lat))) for z in city.districts])
    each = np.maximum((count * share / share.sum()).astype(int), 1)
    each[each.argmax()] += count - each.sum()
    rows = [
        _scattered(rng, zone, n, row % SHARDS) for row, (zone, n) in enumerate(zip(city.districts, each, strict=True))
    ]
    places = pl.concat(rows)
    number = np.arange(places.height)
    return places.with_columns(
        asset=pl.Series([f"{kind}-{n:06d}" for n in number]),
        datastream=pl.Series([f"{kind}-{n:06d}/{what}" for n in number]),
        kind=pl.lit(kind),
        property=pl.lit(what),
        unit=pl.lit(unit),
        low=pl.lit(0.0),
        high=pl.lit(5000.0),
        cadence_s=pl.lit(cadence),
        name_en=pl.Series([f"{names[0]} {n:06d}" for n in number]),
        name_zh=pl.Series([f"{names[1]} {n:06d}" for n in number]),
        pack=pl.lit("holiday-crowd"),
        zones=pl.Series([[]] * places.height, dtype=pl.List(pl.Int32)),
    )


def _far(city: City, place: tuple[float, float]) -> float:
    return math.dist(place, city.view.centre)


def _scattered(rng: np.random.Generator, zone: Any, count: int, shard: int) -> pl.DataFrame:
    """Places inside a district: most around its middle, the rest anywhere."""
    west, south, east, north = zone.polygon.bounds
    found: list[NDArray[np.float64]] = []
    while sum(map(len, found)) < count:
        near = rng.normal((zone.lon, zone.lat), (0.06, 0.05), (4 * count, 2))
        wide = rng.uniform((west, south), (east, north), (count, 2))
        xy = rng.permutation(np.concatenate((near, wide)))
        found.append(xy[shapely.contains_xy(zone.polygon, xy[:, 0], xy[:, 1])])
    xy = np.concatenate(found)[:count]
    return pl.DataFrame({"lon": xy[:, 0], "lat": xy[:, 1], "district": zone.id, "shard": shard})


@dataclass
class Feed:
    """Writes the picture of ``register`` to ``redis`` and keeps it moving: ``step`` every 0.2 s."""

    redis: Redis
    city: City
    register: Register
    seed: int = 1
    ticks: int = 0
    opened: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        n = len(self.register)
        table = self.register.frame
        self.gauge = (table["property"] == "water_level").to_numpy()
        middle = np.array([_far(self.city, place) for place in table.select("lon", "lat").rows()])
        self.base = self.rng.lognormal(2.2, 0.8, n) * np.exp(-middle * 3.0) + 0.5
        self.phase = self.rng.integers(0, STEPS, n)
        self.value = np.where(self.gauge, 0.02, self.rng.poisson(self.base)).astype(np.float32)
        self.time = np.full(n, int(time.time()), np.uint32)
        self.silent = self.rng.random(n) < 0.006
        self.value[self.silent], self.time[self.silent] = np.nan, 0

    # --- the packed arrays ---

    def write_all(self) -> None:
        """Everything there is, as a worker does after the store was lost."""
        for shard in range(self.register.shards):
            self._write_shard(shard)
        self.write_zones()
        self.redis.hset(contract.counters(self.city.id), "detections", 1234)
        self._say({"what": "all"})

    def step(self) -> None:
        """One fifth of a second of the city."""
        self.ticks += 1
        self.speak((self.phase == self.ticks % STEPS) & ~self.silent)
        if self.ticks % STEPS == 0:
            self.write_zones()

    def speak(self, speaks: NDArray[np.bool_]) -> None:
        """The datastreams (datastreams,) bool have new values."""
        now = time.time()
        level = self.base[speaks] * (1 + 0.15 * math.sin(now / 40))
        self.value[speaks] = self.said(speaks, level)
        self.time[speaks] = int(now)
        for shard in range(self.register.shards):
            members = self.register.members(shard)
            moved = np.flatnonzero(speaks[members])
            if len(moved):
                self._write_shard(shard)
                self.redis.hincrby(contract.counters(self.city.id), f"scored:{shard}", len(moved))
                chunks = np.unique(moved // contract.CHUNK).tolist()
                stamp = int(now * 1000)
                self._say({"what": "values", "shard": shard, "chunks": chunks, "time": stamp, "accepted": stamp - 60})

    def said(self, speaks: NDArray[np.bool_], level: NDArray[np.float64]) -> NDArray[np.float64]:
        """What those that speak say; ``level`` (speaking,) is what counts are drawn around."""
        water = np.abs(self.rng.normal(0.02, 0.01, speaks.sum()))
        return np.where(self.gauge[speaks], water, self.rng.poisson(level))

    def write_zones(self) -> None:
        """The zone sums, the city's totals and the sources."""
        tick = int(time.time() * 1000)
        rows, totals = [], {"people": [0.0, 0.0], "visitors": [0.0, 0.0]}
        district = self.register.frame["district"]
        for zone in self.city.zones:
            inside = (district == zone.id).to_numpy() & ~self.gauge
            value = float(np.nansum(self.value[inside])) if inside.any() else 400 + 60 * self.rng.normal()
            expected = float(self.base[inside].sum()) if inside.any() else 400.0
            score = abs(self.rng.normal(0, 1)) + (4 if "春熙" in zone.name.zh else 0)
            rows.append({"zone": zone.id, "property": "people", "value": round(value * (1.6 if score > 4 else 1)),
                         "expected": round(expected), "score": round(score, 2), "n": int(inside.sum())})  # fmt: skip
        for name, share in (("people", self.register.frame["property"] == "people"),
                            ("visitors", self.register.frame["property"] == "visitors")):  # fmt: skip
            mask = share.to_numpy()
            totals[name] = [float(np.nansum(self.value[mask])), round(float(self.base[mask].sum()), 1)]
        self.redis.set(contract.zones(self.city.id), msgspec.json.encode({"tick": tick, "rows": rows}))
        self.write_history(tick, totals)
        self._say({"what": "zones", "tick": tick})

    def write_history(self, tick: int, totals: dict[str, list[float]]) -> None:
        """One more point of the city's totals."""
        key = contract.history(self.city.id)
        self.redis.lpush(key, msgspec.json.encode({"tick": tick, "totals": totals}))
        self.redis.ltrim(key, 0, contract.HISTORY_LENGTH - 1)

    def write_past(self, hours: float = 18.0, points: int = 300) -> None:
        """A past for the trends: two humps a day, as crowds have."""
        now = time.time()
        kinds = {name: (self.register.frame["property"] == name).to_numpy() for name in ("people", "visitors")}
        usual = {name: float(self.base[mask].sum()) for name, mask in kinds.items()}
        for k in range(points):
            ago = hours * 3600 * (1 - k / points)
            day = 0.8 + 0.2 * math.cos(ago / 43_200 * 2 * math.pi)  # as many as now twelve hours ago
            noise = 1 + 0.02 * self.rng.normal() + 0.03 * math.sin(ago / 2500)
            totals = {name: [total * day * noise, total * day] for name, total in usual.items()}
            self.write_history(int((now - ago) * 1000), totals)

    def write_sources(self, mood: Mood) -> None:
        """The gateways, the last ones late or down."""
        now = int(time.time() * 1000)
        for row, name in enumerate(SOURCES):
            behind = len(SOURCES) - 1 - row
            silent = 95_000 if behind < mood.down else 22_000 if behind < mood.down + mood.late else 300
            body = {"accepted": 1000 * (row + 3) * max(self.ticks, 1), "rejected": 17 if row == 4 else 0,
                    "last": now - silent, "lag_ms": 40}  # fmt: skip
            self.redis.hset(contract.sources(self.city.id), name, msgspec.json.encode(body))

    # --- alerts ---

    def populate(self, mood: Mood) -> None:
        """Alerts in all states, opened over the last hour."""
        self.redis.delete(contract.alerts(self.city.id))
        for level, count in enumerate(mood.alerts):
            for k in range(count):
                ago = 40 * k + 5 if level < 2 else int(3500 * (k + 1) / (count + 1))
                alert = self.make(level, k, ago_s=ago)
                self.put(self._aged(alert, level, k))
        self._say({"what": "all"})

    def make(self, level: int, number: int, ago_s: float = 0.0) -> Alert:
        """A new alert of severity ``level`` (0 Extreme … 3 Minor), opened ``ago_s`` before now."""
        severity, rule, en, zh = RULES[level]
        venues = [zone for zone in self.city.zones if zone.kind == "venue"]
        if level < 2:
            zone = venues[(number * 7 + level * 3) % len(venues)]
            lon, lat, name, place = zone.lon, zone.lat, zone.name, zone.id
            district = zone.district
        else:
            row = int(self.rng.integers(len(self.register)))
            it = self.register.frame.row(row, named=True)
            lon, lat, place, district = it["lon"], it["lat"], it["asset"], it["district"]
            name = Text(it["name_en"], it["name_zh"])
        at = int((time.time() - ago_s) * 1000)
        self.opened += 1
        key = alert_id("holiday-crowd", rule, f"{place}#{self.opened}", at)
        detection = Detection(
            id=key, pack="holiday-crowd", rule=rule, place=place, place_kind="zone" if level < 2 else "asset",
            place_name=name, lon=lon, lat=lat, district=district, state="firing", severity=severity,
            onset=at - 15_000, time=at, value=1240.0, expected=400.0, score=11.4, unit="1",
            headline=Text(en.format(en=name.en), zh.format(zh=name.zh)),
        )  # fmt: skip
        return alarm.opened(detection, at)

    def _aged(self, alert: Alert, level: int, k: int) -> Alert:
        """What became of an older alert: by turns waiting, held by somebody, or back to normal without a word."""
        if k == 0 or (level == 1 and k < 3) or k % 17 == 5:
            return alert
        at = alert.opened + 45_000
        by = ("王丽", "陈刚", "李敏")[k % 3]
        command = Command(
            id=f"feed-{alert.id}", alert=alert.id, action="acknowledge", by=by, at=at, comment="已派巡逻组"
        )
        over = msgspec.structs.replace(alert.detection, state="cleared", time=at)
        if k % 5 == 4:
            return alarm.cleared(alert, over, at)
        held = alarm.obey(alert, command, at)
        return alarm.cleared(held, over, at + 60_000) if k % 5 == 3 else held

    # --- what else the scenes show ---

    def write_room(self, mood: Mood) -> None:
        """Units, seats, a warning, forecasts and emergencies, as the mood has them."""
        self.write_units()
        seats = {f"seat-{k + 1}": n for k, n in enumerate(mood.seats)}
        flooded = max(mood.seats, default=0) >= 10
        since = int(time.time() * 1000) - 240_000 if flooded else None
        self.write_flood(Flooded(seats=seats, flood=flooded, since=since, hidden=330 if flooded else 0))
        self.write_forecasts()
        if mood.warned:
            self.write_warning()
        if mood.asked:
            self.write_appeals()
        for number in range(mood.emergencies):
            self.emergency(number)
        self._say({"what": "all"})

    def write_units(self) -> None:
        """Every unit of the city's depots, where it waits."""
        units: dict[Any, Any] = {unit.id: to_json(unit) for unit in of_city(self.city).values()}
        self.redis.hset(contract.units(self.city.id), mapping=units)

    def write_warning(self) -> None:
        """An orange rainstorm over the middle of the city."""
        lon, lat = self.city.view.centre
        corners = ((-0.06, -0.05), (0.09, -0.07), (0.11, 0.05), (-0.02, 0.08), (-0.06, -0.05))
        ring = tuple((lon + east, lat + north) for east, north in corners)
        warning = Warning(
            id="feed-rainstorm", sender="weather", sent=int(time.time() * 1000), severity="Severe", colour="orange",
            event=Text("Rainstorm, orange", "暴雨橙色预警"), headline=Text("Rainstorm, orange", "暴雨橙色预警"),
            areas=(Area(name="centre", polygons=(ring,)),),
        )  # fmt: skip
        raised = Raised(warning=warning, state="active", at=warning.sent, places=214, confirmed=180)
        self.redis.hset(contract.room(self.city.id), f"warning/{warning.id}", to_json(raised))
        self._tell(warnings_picture.PACK, warnings_picture.figures([raised]), warnings_picture.tables([raised]))

    def write_appeals(self) -> None:
        """A hotline of some departments, and three clusters of appeals around the middle of the city."""
        now, (lon, lat) = int(time.time() * 1000), self.city.view.centre
        clusters = tuple(
            appeals_picture.Cluster(
                id=f"feed-{row}", category=Text(en, zh), cases=cases, expected=cases / 6, ratio=6.0, p=0.001,
                onset=now - 3_600_000, since=now - 3_600_000, until=now, place=Text(en, zh), lon=lon + east,
                lat=lat + north, radius_m=radius, codes=(), words=(), causes=(), safety=safety,
            )
            for row, (en, zh, cases, east, north, radius, safety) in enumerate(CLUSTERS)
        )  # fmt: skip
        offices = tuple(
            appeals_picture.Office(
                id=f"office-{row}", name=Text(en, zh), open=40 * row + 12, overdue=7 * row, overdue_safety=row % 2,
                received=900 - 90 * row, answered=800 - 80 * row, in_time=780 - 90 * row, rated=200,
                satisfied_rate=0.97 - 0.03 * row, solved_rate=0.95 - 0.02 * row, named=row > 3,
            )
            for row, (en, zh) in enumerate(OFFICES)
        )  # fmt: skip
        told = appeals_picture.Appeals(
            at=now, month="", today=6_412, open=sum(one.open for one in offices),
            overdue=sum(one.overdue for one in offices), overdue_safety=2, hours=(), clusters=clusters,
            departments=offices, top=(), late=(), points=(),
        )  # fmt: skip
        self.redis.set(contract.appeals(self.city.id), to_json(told))
        self._tell(appeals_picture.OWN, appeals_picture.figures(told), appeals_picture.tables(told))

    def _tell(self, pack: str, figures: dict[str, dict[str, Any]], tables: dict[str, dict[str, Any]]) -> None:
        """The numbers and tables of a pack's scene, as its agent writes them."""
        now = int(time.time() * 1000)
        for key, rows in ((contract.figures(self.city.id), figures), (contract.tables(self.city.id), tables)):
            told: dict[Any, Any] = {f"{pack}/{k}": msgspec.json.encode({**row, "at": now}) for k, row in rows.items()}
            self.redis.hset(key, mapping=told)

    def write_forecasts(self) -> None:
        """The next hour of every zone and of the city, with its bands."""
        tick, minutes, rows = int(time.time() * 1000), [15, 30, 60], []
        district = self.register.frame["district"]
        for zone, mask in [
            (self.city.id, ~self.gauge),
            *((one.id, (district == one.district).to_numpy() & ~self.gauge) for one in self.city.zones),
        ]:
            now = float(self.base[mask].sum()) if mask.any() else 400.0
            middle = [now * (1 + 0.04 * k) for k in (1, 2, 3)]
            low = [[at * (1 - 0.03 * k), at * (1 - 0.05 * k)] for k, at in enumerate(middle, 1)]
            high = [[at * (1 + 0.03 * k), at * (1 + 0.05 * k)] for k, at in enumerate(middle, 1)]
            rows.append({"zone": zone, "property": "people", "middle": middle, "low": low, "high": high})
        body = {"tick": tick, "minutes": minutes, "versions": {}, "rows": rows}
        self.redis.set(contract.forecasts(self.city.id), msgspec.json.encode(body))

    def emergency(self, number: int) -> Incident:
        """A red alert with its incident: a launched plan half done, units on their way, a timeline of some minutes."""
        began = int(time.time() * 1000) - 94_000 - 200_000 * number
        alert = alarm.opened(self.make(0, 5 - number).detection, began)
        incident = incidents.opened(alert, began)
        who = ("公安", "文旅", "交管", "应急", "地铁", "城管")
        tasks = tuple(
            Task(
                id=f"t{k}", what=Text(en, zh), who=who[k], deadline=began + (k + 1) * 60_000,
                state="done" if k < 2 else "open", by="陈刚" if k < 2 else "",
                at=began + 40_000 * (k + 1) if k < 2 else None,
            )
            for k, (en, zh) in enumerate(TASKS)
        )  # fmt: skip
        plan = Proposal(
            plan="chunxi-road", version="1", stage="2", title=Text("Stage II: hold back", "二级响应：限流疏导"),
            inputs={}, tasks=tasks, at=began + 20_000,
        )  # fmt: skip
        incident = msgspec.structs.replace(incident, tasks=tasks, plan=plan, owner="陈刚", state="under-way")
        for at, action, by in STEPS_TOLD:
            incident = msgspec.structs.replace(
                incident,
                timeline=(*incident.timeline, Transition(at=began + at, was="open", now="open", action=action, by=by)),
            )
        near = sorted(
            of_city(self.city).values(),
            key=lambda one: math.dist((one.lon, one.lat), (alert.detection.lon, alert.detection.lat)),
        )
        sent = near[number * 6 : number * 6 + 5]
        for k, unit in enumerate(sent):
            state: UnitStatus = "on-scene" if k == 0 else "under-way"
            moved = msgspec.structs.replace(
                unit, status=state, incident=incident.id, seen=began,
                lon=alert.detection.lon + (0.001 if k == 0 else 0.006 * math.cos(2.1 * k)),
                lat=alert.detection.lat + (0.001 if k == 0 else 0.007 * math.sin(2.1 * k)),
            )  # fmt: skip
            self.redis.hset(contract.units(self.city.id), unit.id, to_json(moved))
        incident = msgspec.structs.replace(incident, units=tuple(unit.id for unit in sent))
        self.put_incident(incident)
        self.put(alarm.joined(alert, incident.id), announce=True)
        return incident

    def put(self, alert: Alert, announce: bool = False) -> None:
        """Write one alert, and say so when asked."""
        self.redis.hset(contract.alerts(self.city.id), alert.id, to_json(alert))
        if announce:
            self._say({"what": "alert", "id": alert.id, "state": alert.state})

    def put_incident(self, incident: Incident) -> None:
        """Write one incident, and say so."""
        self.redis.hset(contract.incidents(self.city.id), incident.id, to_json(incident))
        self._say({"what": "incident", "id": incident.id, "state": incident.state})

    def incident(self, key: str) -> Incident | None:
        """One incident as it lies in the store."""
        data: Any = self.redis.hget(contract.incidents(self.city.id), key)
        return from_json(data, Incident) if data else None

    def write_flood(self, load: Flooded) -> None:
        """How loaded the seats are."""
        self.redis.set(contract.flood(self.city.id), to_json(load))

    def read(self, key: str) -> Alert | None:
        """One alert as it lies in the store."""
        data: Any = self.redis.hget(contract.alerts(self.city.id), key)
        return from_json(data, Alert) if data else None

    # --- running ---

    def run(self, mood: Mood, bursts: bool = False) -> None:
        """Step until ``stopped``; with ``bursts`` a Minor alert comes and goes every few seconds."""
        due = time.monotonic()
        while not self.stopped.is_set():
            self.step()
            if self.ticks % 5 == 0:
                self.write_sources(mood)
            if bursts and self.ticks % 40 == 0:
                self.put(self.make(3, self.ticks), announce=True)
            due += STEP_S
            self.stopped.wait(max(due - time.monotonic(), 0))

    def _write_shard(self, shard: int) -> None:
        members = self.register.members(shard)
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.set(contract.values(self.city.id, shard), self.value[members].astype("<f4").tobytes())
            pipe.set(contract.scores(self.city.id, shard), np.zeros(len(members), "<f4").tobytes())
            pipe.set(contract.times(self.city.id, shard), self.time[members].astype("<u4").tobytes())
            pipe.execute()

    def _say(self, change: dict[str, Any]) -> None:
        self.redis.publish(contract.changes(self.city.id), msgspec.json.encode(change))


def main() -> None:
    """Store, broker, wall and feed on one machine, to look at the wall while working on it."""
    import argparse
    import signal

    from tests.wall.stage import Stage

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mood", choices=sorted(MOODS), default="busy")
    parser.add_argument("--cameras", type=int, default=95_000)
    parser.add_argument("--still", action="store_true", help="write once and stop, so that the wall goes stale")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    city = cities.load("chengdu")
    with Stage(given.folder, register(city, given.cameras), city, port=given.port) as stage:
        mood = MOODS[given.mood]
        feed = stage.feed
        feed.write_past()
        feed.populate(mood)
        feed.write_all()
        feed.write_sources(mood)
        feed.write_room(mood)
        display = stage.display()
        print(f"{stage.url}  chen / {stage.password}  {stage.url}/wall?display={display}", flush=True)
        try:
            if given.still:
                feed.step()
                feed.stopped.wait()
            feed.run(mood, bursts=given.mood == "busy")
        except KeyboardInterrupt:
            feed.stopped.set()


if __name__ == "__main__":
    main()
