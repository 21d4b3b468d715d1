"""Faults of sensors become alerts that people can act on: one for one, one for many, none for a silent gateway's."""

from __future__ import annotations

from collections.abc import Collection

from models.faults import MANY, Faults
from models.layout import Place
from models.notes import FaultNote
from models.soundness import COPY, SILENT, SOUND, STUCK
from models.values import Detection, Text

TICK = 5_000
START = 1_790_000_000_000
STATION = Place("east-station", Text("East station", "东站"), 104.1, 30.6, "chenghua")


class Town:
    """Datastreams 0 to 99 in Jinjiang, from 100 on in Chenghua, of which 100 to 149 stand at the station."""

    def place(self, datastream: int) -> Place:
        """Its camera."""
        district = "jinjiang" if datastream < 100 else "chenghua"
        return Place(f"cam-{datastream}", Text(f"Camera {datastream}", f"{datastream}号"), 104.0, 30.6, district)

    def watched(self, datastream: int) -> tuple[str, str, str]:
        """All count people."""
        return "crowd", "people", "1"

    def smallest(self, datastreams: Collection[int], share: float) -> Place | None:
        """The station, for its own."""
        there = [one for one in datastreams if 100 <= one < 150]
        return STATION if len(there) >= share * len(datastreams) else None


class Day:
    """Faults as they are noted, judged each tick."""

    def __init__(self) -> None:
        self.faults = Faults(Town(), TICK)
        self.now = START
        self.told: list[Detection] = []

    def push(
        self, ticks: int, kind: int = SOUND, rows: Collection[int] = (), source: str = "g", silent: Collection[str] = ()
    ) -> None:
        """Let ticks pass; with the first of them these datastreams change to this fault."""
        for tick in range(ticks):
            self.now += TICK
            notes = [FaultNote(row, kind, self.now - 60_000, 0, 12.0, 1) for row in rows] if tick == 0 else []
            self.told += self.faults.step(self.now, [(note, source) for note in notes], silent)

    def rules(self) -> list[tuple[str, str, str]]:
        """What was told: rule, place, state."""
        return [(found.rule, found.place, found.state) for found in self.told]


def test_one_stuck_camera_is_one_alert_after_a_moment() -> None:
    """It is told once it has settled, with its value, and cleared when it moves."""
    day = Day()
    day.push(3, STUCK, [7])
    assert day.told == []
    day.push(3)
    assert day.rules() == [("SensorStuck", "cam-7", "firing")]
    found = day.told[0]
    assert (found.kind, found.value, found.headline.en) == (
        "data-quality", 12.0, "Camera 7 is stuck: it says 12 again and again",
    )  # fmt: skip
    day.push(1, SOUND, [7])
    assert day.rules()[1:] == [("SensorStuck", "cam-7", "cleared")]


def test_a_fault_that_passes_at_once_is_not_told() -> None:
    """What is sound again before it has settled is no alert."""
    day = Day()
    day.push(1, SILENT, [7])
    day.push(9, SOUND, [7])
    assert day.told == []


def test_many_in_a_place_are_one_alert_that_names_it() -> None:
    """Forty stuck cameras at a station are one alert of the station with their number; more of them join in silence."""
    day = Day()
    day.push(5, STUCK, range(100, 140))
    day.push(5, STUCK, [145])
    assert day.rules() == [("SensorsStuck", "east-station", "firing")]
    found = day.told[0]
    assert (found.place_kind, found.labels["datastreams"], found.severity) == ("zone", "40", "Moderate")
    assert found.headline.zh == "东站有 40 个传感器数值卡死"
    day.push(2, SOUND, range(100, 140))
    assert len(day.told) == 1
    day.push(2, SOUND, [145])
    assert day.rules()[1:] == [("SensorsStuck", "east-station", "cleared")]


def test_a_thousand_silent_ones_of_a_silent_gateway_are_not_told() -> None:
    """The gateway's own alert says it; those that stay silent after it are told then."""
    day = Day()
    day.push(20, SILENT, range(100), silent=["g"])
    assert day.told == []
    day.push(2, SOUND, range(99))
    day.push(4)
    assert day.rules() == [("SensorSilent", "cam-99", "firing")]


def test_few_in_a_district_are_told_one_by_one() -> None:
    """Fewer than many are alerts of their own, each at its place."""
    day = Day()
    day.push(5, STUCK, range(MANY - 1))
    assert [rule for rule, _, _ in day.rules()] == ["SensorStuck"] * (MANY - 1)


def test_a_copy_names_its_twin() -> None:
    """Whoever reads the alert of a copy knows of which."""
    day = Day()
    day.push(5, COPY, [9])
    assert day.told[0].headline.en == "Camera 9 repeats what Camera 1 says, reading by reading"


def test_the_state_goes_on_where_it_was_saved() -> None:
    """Faults, single alerts and groups are remembered over a restart."""
    day, again = Day(), Day()
    day.push(5, STUCK, [3, *range(100, 120)])
    again.faults.state, again.now = day.faults.state, day.now
    day.told.clear()
    for one in (day, again):
        one.push(3, SOUND, [3, *range(100, 120)])
    assert again.rules() == day.rules() == [
        ("SensorStuck", "cam-3", "cleared"), ("SensorsStuck", "east-station", "cleared"),
    ]  # fmt: skip
    assert again.faults.count() == {}
