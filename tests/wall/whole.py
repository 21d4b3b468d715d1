"""The whole simulated Chengdu behind the wall, with what each pack watches and alerts of every pack, for pictures.

The sensors, their names and the headlines are the product's own; only values and alerts are made here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from config import contract, packs_reload, register
from config.city import City
from config.pack import Pack
from config.register import Register
from models import alarm, warnings_picture
from models.values import SEVERITIES, Alert, Area, Command, Detection, Text, Warning, alert_id, to_json
from models.warnings import Raised
from sensors.simulate import chengdu
from tests.wall.feed import CLUSTERS, Feed, Mood


@dataclass(frozen=True)
class Case:
    """Alerts of one rule: ``many`` in a city where much happens, ``few`` in a calm one."""

    pack: str
    rule: str
    subject: str  # property whose sensors say it; "" for zones and events
    values: tuple[float, ...]
    many: int
    few: int = 0


CASES = (
    Case("flood", "PondingWarning", "water_level", (0.18, 0.22, 0.16), 9, 1),
    Case("flood", "PondingAhead", "water_level", (0.17, 0.21, 0.12), 3),
    Case("flood", "PondingFast", "water_level", (0.09, 0.12), 5),
    Case("flood", "PumpDown", "pump_running", (0.0,), 3),
    Case("flood", "HeavyRain", "rainfall", (24.0, 31.5, 27.2), 8),
    Case("flood", "DrainFull", "drain_level", (2.31, 2.06), 4),
    Case("lift-rescue", "PeopleTrapped", "trapped", (1.0,), 7, 1),
    Case("weather-warning", "OrangeWarning", "", (1_180.0,), 1),
    Case("weather-warning", "YellowWarning", "", (642.0,), 1),
    Case("weather-warning", "BlueWarning", "", (2_310.0,), 1, 1),
    Case("weather-warning", "GaleMeasured", "wind_speed", (18.4, 19.7), 4),
    Case("weather-warning", "CraneLimit", "wind_speed", (12.1, 14.8, 11.3), 9),
    Case("appeals-cluster", "SafetyCluster", "", (34.0,), 1),
    Case("appeals-cluster", "AppealsCluster", "", (18.0, 27.0), 2, 1),
    Case("appeals-cluster", "SafetyOverdue", "", (2.0,), 1),
    Case("appeals-cluster", "AppealsOverdue", "", (14.0, 21.0), 2),
    Case("appeals-cluster", "LowSatisfaction", "", (82.0, 79.0), 2, 1),
)
WARNINGS = (
    ("Rainstorm, orange", "暴雨橙色预警", "orange", "Severe", 1_180, 1_102, 12),
    ("Thunderstorm, yellow", "雷电黄色预警", "yellow", "Moderate", 642, 640, 0),
    ("Gale, blue", "大风蓝色预警", "blue", "Minor", 2_310, 1_985, 31),
)  # headline, colour, severity, places, confirmed, escalated
TOLD: dict[str, Any] = {
    "ratio": 6.0, "expected": 3.0, "minutes": 18, "probability": 86, "line": 0.27, "rise": 0.9, "percent": 92,
}  # fmt: skip
BY = ("王丽", "陈刚", "李敏")


def register_of(city: City) -> Register:
    """Every datastream of the simulated city, as the demo registers it."""
    watched = [one for pack in packs_reload.sound() for one in pack.watched]
    made, _ = register.build(city, chengdu.assets(city), watched)
    return made


class Whole(Feed):
    """The feed of ``register_of(city)``; in the mood of a city where much happens it rains, blows and sticks."""

    mood = Mood((0, 0, 0, 0))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gauge = ~np.isin(self._what, ("people", "visitors", "entered", "left", "vehicles"))  # what is not counted
        self.speak(~self.silent)

    @cached_property
    def _what(self) -> NDArray[np.str_]:
        return self.register.frame["property"].to_numpy().astype(str)

    @cached_property
    def _packs(self) -> dict[str, Pack]:
        return {pack.name: pack for pack in packs_reload.sound()}

    @property
    def _stirred(self) -> bool:
        """Whether much happens."""
        return sum(self.mood.alerts) > 100

    def populate(self, mood: Mood) -> None:
        """The alerts of the mood, and those of every pack."""
        self.mood = mood
        super().populate(mood)
        for case in CASES:
            rows = self._worst(case)
            for number in range(case.many if self._stirred else case.few):
                self.put(self._become(self._opened(case, number, rows), number))
        self.speak(~self.silent)

    def write_room(self, mood: Mood) -> None:
        """What the base feed writes, and in a warned city three warnings."""
        super().write_room(mood)
        if self._stirred:
            self._warn()
            self.write_appeals()

    def said(self, speaks: NDArray[np.bool_], level: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the sensors of the packs say; the rest as in the base feed."""
        value = super().said(speaks, level)
        what = self._what[speaks]
        for name, calm in (("pump_running", 1.0), ("trapped", 0.0), ("rainfall", 0.0)):
            value[what == name] = calm
        for name, calm, spread in (("drain_level", 0.4, 0.05), ("wind_speed", 2.2, 0.5), ("river_level", 1.5, 0.1),
                                   ("pm25", 42.0, 4.0)):  # fmt: skip
            mine = what == name
            value[mine] = np.abs(self.rng.normal(calm, spread, mine.sum()))
        if self._stirred:
            self._stir(value, np.flatnonzero(speaks), what)
        return value

    def _stir(self, value: NDArray[np.float64], rows: NDArray[np.int64], what: NDArray[np.str_]) -> None:
        """Rain around the middle of the city, wind in the west, and what the alerts say."""
        lon, lat = self.city.view.centre
        east, north = self._lon[rows] - lon, self._lat[rows] - lat
        for name, peak, x, y, reach in (("rainfall", 34.0, 0.0, 0.0, 0.12), ("wind_speed", 16.0, -0.2, 0.1, 0.12)):
            mine = what == name
            near = np.exp(-((east[mine] - x) ** 2 + (north[mine] - y) ** 2) / (2 * reach**2))
            value[mine] += np.round(peak * near * self.rng.uniform(0.85, 1.0, mine.sum()), 1)
        for case in (one for one in CASES if one.subject):
            for number, row in enumerate(self._worst(case)[: case.many]):
                value[rows == row] = case.values[number % len(case.values)]

    @cached_property
    def _lon(self) -> NDArray[np.float64]:
        return self.register.frame["lon"].to_numpy()

    @cached_property
    def _lat(self) -> NDArray[np.float64]:
        return self.register.frame["lat"].to_numpy()

    def _worst(self, case: Case) -> NDArray[np.int64]:
        """The datastreams at which it happens: around the middle, each some way from the last, none in two cases."""
        rows = np.flatnonzero((self._what == case.subject) & ~self.silent)
        lon, lat = self.city.view.centre
        middle = (-0.2, 0.1) if case.subject == "wind_speed" else (0.0, 0.0)
        far = np.hypot(self._lon[rows] - lon - middle[0], self._lat[rows] - lat - middle[1])
        taken = sum(one.many for one in CASES[: CASES.index(case)] if one.subject == case.subject)
        return rows[np.argsort(far)][::3][taken:]

    def _opened(self, case: Case, number: int, rows: NDArray[np.int64]) -> Alert:
        """Alert ``number`` of a case."""
        rule = next(one for one in self._packs[case.pack].rules if one.name == case.rule)
        value = case.values[number % len(case.values)]
        at = int((time.time() - 60 - 190 * number) * 1000)
        place, lon, lat, district, name, what = self._place(case, number, rows)
        known = TOLD | {"value": f"{value:,.4g}", "category": what.en}
        zh = TOLD | {"value": f"{value:,.4g}", "category": what.zh}
        key = alert_id(case.pack, case.rule, f"{place}#{number}", at)
        headline = Text(
            rule.headline.en.format_map({**known, "place": name.en}),
            rule.headline.zh.format_map({**zh, "place": name.zh}),
        )
        detection = Detection(
            id=key, pack=case.pack, rule=case.rule, place=place, place_kind="asset" if case.subject else "zone",
            place_name=name, lon=lon, lat=lat, district=district, state="firing", severity=rule.severity,
            onset=at - 60_000, time=at, value=value, expected=3.0, score=7.2, unit="1", headline=headline,
        )  # fmt: skip
        return alarm.opened(detection, at)

    def _place(self, case: Case, number: int, rows: NDArray[np.int64]) -> tuple[str, float, float, str, Text, Text]:
        """Where it is and what it is about: a sensor, a cluster of appeals, or a district."""
        if case.subject:
            it = self.register.frame.row(int(rows[number]), named=True)
            return it["asset"], it["lon"], it["lat"], it["district"], Text(it["name_en"], it["name_zh"]), Text("", "")
        zone = self.city.districts[number * 3 + len(case.rule) % 5]
        if case.rule in ("SafetyCluster", "AppealsCluster"):
            en, zh, _, east, north, *_ = CLUSTERS[number if case.rule == "SafetyCluster" else number + 1]
            lon, lat = self.city.view.centre
            return f"cluster-{number}", lon + east, lat + north, zone.id, zone.name, Text(en, zh)
        event = {"OrangeWarning": 0, "YellowWarning": 1, "BlueWarning": 2}.get(case.rule)
        what = Text("", "") if event is None else Text(*WARNINGS[event][:2])
        return zone.id, zone.lon, zone.lat, zone.id, zone.name, what

    def _become(self, alert: Alert, number: int) -> Alert:
        """What became of it: the first waits, the others are held by somebody or back to normal."""
        if number % 3 == 0:
            return alert
        at = alert.opened + 45_000
        command = Command(
            id=f"feed-{alert.id}", alert=alert.id, action="acknowledge", by=BY[number % 3], at=at, comment=""
        )
        if number % 5 == 4:
            over = msgspec.structs.replace(alert.detection, state="cleared", time=at)
            return alarm.cleared(alert, over, at)
        return alarm.obey(alert, command, at)

    def _warn(self) -> None:
        """Three warnings in force: over the middle, the south and the west."""
        lon, lat = self.city.view.centre
        now, made = int(time.time() * 1000), []
        for number, (en, zh, colour, severity, places, confirmed, escalated) in enumerate(WARNINGS):
            east, north = ((0.02, 0.0), (0.05, -0.22), (-0.25, 0.12))[number]
            corners = ((-0.09, -0.06), (0.09, -0.07), (0.11, 0.05), (-0.02, 0.08), (-0.09, -0.06))
            ring = tuple((lon + east + x, lat + north + y) for x, y in corners)
            assert severity in SEVERITIES
            warning = Warning(
                id=f"feed-{colour}", sender="weather", sent=now, severity=severity, colour=colour,  # type: ignore[arg-type]  # asserted
                event=Text(en, zh), headline=Text(en, zh), areas=(Area(name="area", polygons=(ring,)),),
            )  # fmt: skip
            one = Raised(
                warning=warning, state="active", at=now, places=places, confirmed=confirmed, escalated=escalated
            )
            made.append(one)
            self.redis.hset(contract.room(self.city.id), f"warning/{warning.id}", to_json(one))
        self._tell(warnings_picture.PACK, warnings_picture.figures(made), warnings_picture.tables(made))
