"""Drills at speed: three that are shipped run and pass, injections do what they say, mistakes are one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from citybrain.commands import drill as command
from citybrain.drills import headless, live, shadow
from citybrain.drills.page import html
from citybrain.drills.sheet import Sheet
from citybrain.drills.timetable import happens
from config import city as cities
from config import drills
from config.city import City
from config.drills import Change, DrillError, GatewaySilent, StuckSensors
from config.register import Register
from config.settings import Settings
from models.values import Alert, Text
from sensors.simulate.chengdu import City as Simulated
from sensors.simulate.injected import Injected
from sensors.simulate.places import places
from tests.models import duty

Run = Callable[[str], Sheet]
BEGIN = 1_790_000_000_000


@pytest.fixture(scope="module")
def city() -> City:
    """Chengdu as declared."""
    return cities.load("chengdu")


@pytest.fixture(scope="module")
def register(city: City) -> Register:
    """Every simulated asset, registered."""
    return shadow.built(city)


@pytest.fixture(scope="module")
def run(city: City, register: Register) -> Run:
    """Runs a shipped drill at speed, each once: a run is the same every time."""

    @cache
    def ran(name: str) -> Sheet:
        listed = drills.find(name)
        return headless.run(drills.load(listed.path, city), listed.pack, city, register)

    return ran


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("surge-at-chunxi-road", {"seen"}),
        ("blind-cameras", {"told-stuck", "told-silence"}),
        ("cloudburst-in-jinniu", {"sites-told", "wet", "close"}),
    ],
)
def test_a_shipped_drill_passes_at_speed(run: Run, name: str, found: set[str]) -> None:
    """All that machines can do is done in time without a false alert; what people do is not graded."""
    sheet = run(name)
    marks = {row.name: row.outcome for row in sheet.rows}
    assert {key for key, mark in marks.items() if mark == "met"} == found
    assert {mark for key, mark in marks.items() if key not in found} <= {"not-graded"}
    assert (sheet.passed, sheet.share, sheet.state) == (True, 1.0, "ended")  # false alerts too are within what is borne
    assert {kind: one.recall for kind, one in sheet.detection.kinds.items()} == dict.fromkeys(
        sheet.detection.kinds, 1.0
    )
    page = html(sheet, "en")
    assert "EXERCISE" in page
    assert "not graded" in page or "acknowledged" not in marks.values()


def test_injections_change_what_the_sensors_say(city: City, register: Register) -> None:
    """Stuck ones repeat themselves, a silent gateway says nothing, a change moves one property at one place alone."""
    known = places(city)
    gateway = np.arange(len(register)) * shadow.GATEWAYS // len(register)
    quiet = Simulated(register, known, city.calendar, known.seed, None, gateway, 0.0)
    drill = drills.load(drills.find("blind-cameras").path, city)
    drill = replace(
        drill,
        inject=(
            StuckSensors(name="a", at="60s", place="east-station"),
            GatewaySilent(name="b", at="60s", gateway=20),
            Change(name="c", at="60s", property="people", place="jinli", to=7.0, kinds=("camera",)),
        ),
    )
    happened = happens(drill, city, quiet, [shadow.gateway(n) for n in range(shadow.GATEWAYS)], BEGIN)
    stuck, silent, changed = (overlay.rows for overlay in happened.overlays)
    injected = Injected(quiet, happened.incidents, happened.overlays)
    at = BEGIN + 90_000
    assert np.array_equal(injected.values(stuck, at), injected.values(stuck, at + 30_000), equal_nan=True)
    assert not np.array_equal(quiet.values(stuck, at), quiet.values(stuck, at + 30_000), equal_nan=True)
    assert np.isnan(injected.values(silent, at)).all()
    assert set(injected.values(changed, at)) == {7.0}
    before = np.arange(len(register))
    assert np.array_equal(injected.values(before, BEGIN), quiet.values(before, BEGIN), equal_nan=True)
    assert [one.kind for one in happened.truth] == ["stuck-sensors", "gateway-silent", "change"]


@pytest.mark.parametrize(
    ("injection", "said"),
    [
        (GatewaySilent(name="a", at="1s", gateway=99), "gateway: 99 is none; there are 1 to 22"),
        (StuckSensors(name="a", at="1s", place="cam-999999"), "'cam-999999' is neither a zone of chengdu nor an asset"),
        (
            Change(name="a", at="1s", property="noise", place="jinli", to=1.0),
            "no sensor of noise within 300 m of jinli",
        ),
    ],
)
def test_an_injection_that_reaches_nothing_is_refused(
    city: City, register: Register, injection: Any, said: str
) -> None:
    """The message names the injection or the place, and what there is."""
    known = places(city)
    quiet = Simulated(register, known, city.calendar, known.seed, None, np.zeros(len(register), np.int64), 0.0)
    drill = replace(drills.load(drills.find("blind-cameras").path, city), inject=(injection,))
    with pytest.raises(DrillError, match=said):
        happens(drill, city, quiet, [shadow.gateway(n) for n in range(shadow.GATEWAYS)], BEGIN)


def test_live_without_a_city_and_options_that_do_not_go_together(tmp_path: Path) -> None:
    """Each is one sentence that says what to do."""
    settings = Settings(city="chengdu", data=tmp_path)
    options: dict[str, Any] = {
        "speed": None, "is_live": False, "blind": False, "whole": False, "by": "zhao", "output": None, "as_json": True,
        "city": None,
    }  # fmt: skip
    for changed, said in (
        ({"blind": True}, "give --live too"),
        ({"is_live": True, "speed": 2.0}, "a live drill takes its own time"),
        ({"is_live": True}, "does not run on .*: start it"),
        ({"output": Path("x.pdf")}, "must end in .html or .json"),
    ):
        with pytest.raises(DrillError, match=said):
            command.run(settings, "blind-cameras", **options | changed)


def test_a_city_without_simulator_says_so() -> None:
    """Auckland's counts are recorded: there is nothing to inject into."""
    with pytest.raises(DrillError, match="auckland has no simulated sensors to drill with"):
        shadow.built(cities.load("auckland"))


def test_the_sheet_goes_to_and_fro_as_json(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What --json prints is one object; a sheet of a drill that was overtaken says so on its page."""
    sheet = replace(
        run("surge-at-chunxi-road"), mode="live", blind=True, state="overtaken", emergency=Text("Gas leak", "燃气泄漏")
    )
    assert msgspec.json.decode(msgspec.json.encode(sheet), type=Sheet) == sheet
    assert "真实紧急事件接管" in html(sheet)
    assert "燃气泄漏" in html(sheet)
    assert command.show(True) == 0
    listed = json.loads(capsys.readouterr().out.splitlines()[-1])["drills"]
    assert [row["drill"] for row in listed] == sorted(row["drill"] for row in listed)
    assert all("refused" not in row for row in listed)


def test_what_the_agent_events_makes_of_a_live_drill_is_the_drills() -> None:
    """A warning's alert bears no drill's name: it is of the one that runs; what is real, older or of another is not."""
    begin = BEGIN
    mine, other = {"drill": "0123"}, {"drill": "4567"}
    given = [
        alert(begin + 1_000, exercise=True, labels=mine),
        alert(begin + 1_000, exercise=True, labels={}),
        alert(begin + 1_000, exercise=True, labels=other),
        alert(begin + 1_000, exercise=False, labels={}),
        alert(begin - 1_000, exercise=True, labels={}),
    ]
    assert [live.belongs(one, "0123", begin) for one in given] == [True, True, False, False, False]


def alert(opened: int, exercise: bool, labels: dict[str, str]) -> Alert:
    """An alert that was opened then."""
    it = duty.alert(opened)
    return replace(it, detection=replace(it.detection, exercise=exercise, labels=labels))
