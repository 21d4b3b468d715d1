"""A drill in the room: it begins, is kept apart from what is real, and ends; at once where something real happens."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from models.drills import ITEM, LABEL, Exercise
from models.outcome import Outcome
from models.room import Room, Setup
from models.values import Detection, Order, Severity, Text, Unit, Warning, from_json
from tests.models.duty import alert

NOW, MINUTE = 1_790_000_000_000, 60_000
DRILL = "0123456789abcdef"
TRUCK = Unit(id="pump-1", name=Text("Pump 1", "泵车1"), kind="pump", lon=104.0, lat=30.0)


def room() -> Room:
    """An empty room with one truck."""
    return Room(Setup(units={TRUCK.id: TRUCK}))


def order(do: str, at: int = NOW, role: Any = "planner", **args: Any) -> Order:
    """An order about the drill."""
    given: dict[str, Any] = {"drill": "surge", "ends": at + 10 * MINUTE} | args if do == "begin" else args
    return Order(id=f"{do}-{at}", about="drill", subject=DRILL, do=do, by="zhao", at=at, role=role, args=given)


def detection(severity: Severity = "Extreme", drill: str = "", place: str = "p1") -> Detection:
    """Something that began, real or of a drill."""
    seen = alert(NOW, severity, place=place).detection
    if not drill:
        return seen
    return replace(seen, id=f"x-{seen.id}", exercise=True, labels={LABEL: drill})


def now_in(of: Room) -> Exercise:
    """The drill as the room keeps it."""
    return from_json(of.items[ITEM], Exercise)


def running(*, blind: bool = False) -> Room:
    """A room in which a drill runs that has one alert."""
    it = room()
    it.take(order("begin", blind=blind), NOW)
    it.take(detection(drill=DRILL), NOW + 1_000)
    return it


def test_a_drill_is_kept_apart_from_what_is_real() -> None:
    """At one place its alert and a real one make two incidents, and neither takes the other's place."""
    it = running()
    it.take(detection("Severe"), NOW + 2_000)
    assert [(one.exercise, one.state) for one in it.incidents.values()] == [(True, "open"), (False, "open")]
    assert [one.state for one in it.alerts.values()] == ["unacknowledged", "unacknowledged"]
    assert now_in(it).state == "running"


def test_a_real_emergency_takes_over_at_once() -> None:
    """What the drill made is closed in the same step, its units are free, and the drill says what came."""
    it = running()
    incident = next(iter(it.incidents))
    it.take(Order(id="s", about="unit", subject="pump-1", do="send", by="li", at=NOW, args={"incident": incident}), NOW)
    real = detection(place="elsewhere")
    out: Outcome = it.take(real, NOW + 2_000)
    drill = now_in(it)
    assert (drill.state, drill.why, drill.emergency, drill.ended) == ("overtaken", real.id, real.headline, NOW + 2_000)
    assert {one.state for one in it.alerts.values() if one.detection.exercise} == {"normal"}
    assert [one.state for one in it.incidents.values() if one.exercise] == ["closed"]
    assert it.units["pump-1"].status == "free"
    assert [line.did for line in out.audit if line.what == "drill"] == ["overtaken"]
    assert it.alerts[real.id].state == "unacknowledged"


def test_what_its_runner_still_sends_is_dropped() -> None:
    """A detection of a drill that is over opens nothing."""
    it = running()
    it.take(detection(place="elsewhere"), NOW + 2_000)
    it.take(detection(drill=DRILL, place="late"), NOW + 3_000)
    assert "x-" + detection(place="late").id not in it.alerts


def test_a_warning_that_is_real_and_red_takes_over_too() -> None:
    """An actual CAP warning of the gravest kind ends the drill; one of an exercise does not."""
    it = running()
    red = Warning(
        id="w", sender="met", sent=NOW, event=Text("Gale", "大风"), headline=Text("Gale", "大风"), severity="Extreme"
    )
    it.take(replace(red, id="x", status="Exercise"), NOW + 2_000)
    assert now_in(it).state == "running"
    it.take(red, NOW + 3_000)
    assert (now_in(it).state, now_in(it).why) == ("overtaken", "w")


def test_a_lesser_or_hidden_alert_leaves_the_drill_running() -> None:
    """An orange alert, and a fault of a sensor, are no emergency."""
    it = running()
    it.take(detection("Severe", place="a"), NOW + 2_000)
    it.take(replace(detection(place="b"), kind="data-quality"), NOW + 2_000)
    assert now_in(it).state == "running"


def test_it_ends_when_its_time_is_over_though_its_runner_is_gone() -> None:
    """The clock ends it, and what it made is closed."""
    it = running()
    it.tick(NOW + 9 * MINUTE)
    assert now_in(it).state == "running"
    it.tick(NOW + 10 * MINUTE)
    assert (now_in(it).state, now_in(it).why) == ("ended", "its time is over")
    assert {one.state for one in it.alerts.values()} == {"normal"}


def test_what_broke_down_is_whole_again() -> None:
    """A unit that the drill took out of work can be sent when it is over; one that was off before stays so."""
    it = running()
    off = Order(id=f"{DRILL}-off-pump-1", about="unit", subject="pump-1", do="off", by="", at=NOW, role="system")
    it.take(off, NOW + 2_000)
    seen = [it.units["pump-1"].status]
    it.take(order("end", NOW + 3_000), NOW + 3_000)
    seen.append(it.units["pump-1"].status)
    it.take(replace(off, id="by-hand"), NOW + 4_000)
    it.take(order("end", NOW + 5_000), NOW + 5_000)
    assert [*seen, it.units["pump-1"].status] == ["off", "free", "off"]


def test_refusals_say_what_to_do() -> None:
    """A second drill, one while an emergency waits, one by a dispatcher, one without an end, one of nobody's."""
    it = running()
    other = replace(order("begin"), id="b2", subject="other")
    assert "runs; end it first" in it.take(other, NOW).answers[0].message
    assert "there is no drill other" in it.take(replace(order("end"), id="e2", subject="other"), NOW).answers[0].message
    fresh = room()
    assert "ask for planner" in fresh.take(order("begin", role="dispatcher"), NOW).answers[0].message
    assert "is not within the next 4 hours" in fresh.take(order("begin", ends=0), NOW).answers[0].message
    fresh.take(detection(), NOW)
    assert "no drill begins before it is acknowledged" in fresh.take(order("begin", NOW + 1), NOW).answers[0].message
