"""Units: from call to release, who is nearest, who is missing, and what the room makes of their orders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models import units
from models.deployment import proposed, restored
from models.orders import Refused
from models.room import Room, Setup
from models.units import BOUND, DOES, SILENT_MS, STEPS
from models.values import Incident, Order, Position, Proposal, Text, Unit, UnitNeed

MINUTE = 60_000
NOW = 1_700_000_000_000
PUMP = UnitNeed(kind="pump", skills=("pump",))


def unit(name: str = "pump-1", lon: float = 104.0, **more: Any) -> Unit:
    """A pump truck at its depot."""
    return replace(Unit(id=name, name=Text(name, name), kind="pump", skills=("pump",), lon=lon, lat=30.6), **more)


def order(do: str, number: str = "", name: str = "pump-1", **args: Any) -> Order:
    """An order to a unit."""
    return Order(id=number or f"{do}-{name}", about="unit", subject=name, do=do, by="li", at=NOW, args=args)


def incident(**more: Any) -> Incident:
    """An incident at 104.0, 30.6."""
    base = Incident(
        id="i1", title=Text("Ponding", "积水"), state="assigned", severity="Severe", pack="flood", place="g-1",
        place_name=Text("Underpass", "下穿"), lon=104.0, lat=30.6, district="d1", opened=NOW, changed=NOW, owner="li",
    )  # fmt: skip
    return replace(base, **more)


def room(*fleet: Unit, **more: Any) -> Room:
    """A room with these units and one incident."""
    one = Room(Setup(units={each.id: each for each in fleet}))
    one.incidents["i1"] = incident(**more)
    return one


def test_the_way_of_a_unit() -> None:
    """Sent, under way, on the scene, free again; each step with time, name and order in the history."""
    after = unit()
    for minute, do in enumerate(("send", "accept", "arrive", "release")):
        after = units.obey(after, order(do, incident="i1"), NOW + minute * MINUTE)
    assert [(step.was, step.now, step.action, step.by, step.at - NOW) for step in after.history] == [
        ("free", "sent", "send", "li", 0),
        ("sent", "under-way", "accept", "li", MINUTE),
        ("under-way", "on-scene", "arrive", "li", 2 * MINUTE),
        ("on-scene", "free", "release", "li", 3 * MINUTE),
    ]
    assert (after.status, after.incident, after.since) == ("free", "", NOW + 3 * MINUTE)


@given(st.lists(st.tuples(st.sampled_from(DOES), st.booleans()), max_size=30))
def test_no_illegal_step_is_reachable(orders: list[tuple[units.Do, bool]]) -> None:
    """However it is ordered about, a unit has an incident just while it is bound; each step follows on the last."""
    after = unit()
    for number, (do, named) in enumerate(orders):
        try:
            after = units.obey(after, order(do, f"o{number}", incident="i1" if named else ""), NOW + number)
        except Refused as refusal:
            assert refusal.status in ("conflict", "invalid")
        assert (after.status in BOUND) == bool(after.incident)
        assert len(after.history) <= STEPS
    assert all(a.now == b.was for a, b in zip(after.history, after.history[1:], strict=False))


@pytest.mark.parametrize(
    ("status", "do", "told"),
    [
        ("on-scene", "send", "unit pump-1 is on-scene for incident i0, so it cannot send; it can release"),
        ("free", "accept", "unit pump-1 is free, so it cannot accept; it can send, busy, off"),
        ("off", "send", "unit pump-1 is off, so it cannot send; it can busy, free"),
        ("busy", "arrive", "unit pump-1 is busy, so it cannot arrive; it can free, off"),
    ],
)
def test_what_the_status_forbids_is_a_conflict(status: Any, do: str, told: str) -> None:
    """The refusal names the unit, its status and what it can do."""
    with pytest.raises(Refused) as refused:
        units.obey(unit(status=status, incident="i0" if status == "on-scene" else ""), order(do, incident="i1"), NOW)
    assert (str(refused.value), refused.value.status, refused.value.state) == (told, "conflict", status)


def test_an_order_delivered_twice_is_obeyed_once() -> None:
    """The second time the very same unit comes back."""
    once = units.obey(unit(), order("send", incident="i1"), NOW)
    assert units.obey(once, order("send", incident="i1"), NOW + 1) is once


def test_only_later_positions_move_a_unit() -> None:
    """What is older, repeated, or far ahead of the clock changes nothing."""
    there = units.placed(unit(), Position(unit="pump-1", time=NOW, lon=104.1, lat=30.7), NOW)
    assert (there.lon, there.lat, there.seen) == (104.1, 30.7, NOW)
    for time in (NOW, NOW - 1, NOW + 61_000):
        assert units.placed(there, Position(unit="pump-1", time=time, lon=0.0, lat=0.0), NOW) is there


def test_a_unit_that_stops_reporting_is_told() -> None:
    """Five minutes after its last position; one that waits at its depot and never spoke counts as reporting."""
    seen = unit(seen=NOW)
    assert [units.reporting(seen, NOW + ms) for ms in (0, SILENT_MS, SILENT_MS + 1)] == [True, True, False]
    assert units.reporting(unit(), NOW)


def test_the_nearest_that_suit_are_proposed() -> None:
    """Free units with kind and skills by driving time; silent ones last; nobody twice for two needs."""
    fleet = [
        unit("far", 104.3), unit("near", 104.05), unit("silent", 104.01, seen=NOW - SILENT_MS - 1),
        unit("busy", 104.0, status="busy"), unit("dry", 104.0, skills=()), unit("crew", 104.0, kind="crew"),
    ]  # fmt: skip
    needs = [PUMP, replace(PUMP, count=5)]
    found = units.propose(fleet, 104.0, 30.6, needs, NOW)
    assert [(one.unit, one.reporting) for one in found] == [("near", True), ("far", True), ("silent", False)]
    assert found[0].metres == pytest.approx(4_785, abs=15)
    assert found[0].eta.p50_s == pytest.approx(60 + 4_785 * 1.4 / (30 / 3.6), abs=3)


def test_what_is_lacking_and_what_is_over() -> None:
    """Needs less what is there; and, when fewer are wanted, those first who have not arrived."""
    here = [
        unit("a", status="on-scene", since=1),
        unit("b", status="under-way", since=2),
        unit("c", status="sent", since=3),
    ]
    assert units.lacking([replace(PUMP, count=5)], here) == (replace(PUMP, count=2),)
    assert units.lacking([replace(PUMP, count=2)], here) == ()
    assert [one.id for one in units.surplus([PUMP], here)] == ["c", "b"]
    assert [one.id for one in units.surplus([], here)] == ["c", "b", "a"]


def test_the_room_carries_a_unit_to_its_incident() -> None:
    """The incident lists the unit, moves on with it, and its timeline tells distance and time."""
    one = room(unit(lon=104.05))
    one.take(order("send", incident="i1"), NOW)
    assert one.incidents["i1"].units == ("pump-1",)
    assert one.incidents["i1"].timeline[-1].comment == "pump-1 pump-1 / pump-1, 4.8 km, 14 min (10-21)"
    one.take(order("accept"), NOW + 1)
    assert one.incidents["i1"].state == "under-way"
    one.take(Position(unit="pump-1", time=NOW + 2, lon=104.0003, lat=30.6), NOW + 2)  # 29 m away
    assert (one.units["pump-1"].status, one.incidents["i1"].state) == ("on-scene", "on-scene")
    one.take(order("release"), NOW + 3)
    assert list(one.incidents["i1"].units) == []
    assert one.units["pump-1"].status == "free"


def test_positions_are_for_the_picture_alone() -> None:
    """A unit that only moved is not among what the topic keeps, and leaves no line."""
    one = room(unit())
    out = one.take(Position(unit="pump-1", time=NOW, lon=104.2, lat=30.7), NOW)
    assert (list(out.moved), list(out.units), out.audit) == (["pump-1"], [], [])
    assert not one.take(Position(unit="nobody", time=NOW, lon=104.2, lat=30.7), NOW)


def test_units_of_what_is_over_are_let_go() -> None:
    """When the incident closes they are free; when it became part of another they belong to that."""
    one = room(unit(), unit("pump-2"))
    for name in ("pump-1", "pump-2"):
        one.take(order("send", name=name, incident="i1"), NOW)
    one.incidents["i2"] = incident(id="i2")
    one.incidents["i1"] = replace(one.incidents["i1"], merged_into="i2", state="closed")
    one.tick(NOW + 1)
    assert {each.incident for each in one.units.values()} == {"i2"}
    one.incidents["i2"] = replace(one.incidents["i2"], state="closed", closed=NOW)
    out = one.tick(NOW + 2)
    assert {(each.status, each.incident) for each in one.units.values()} == {("free", "")}
    assert [step.comment for step in out.units["pump-1"].history[-1:]] == ["the incident is closed"]  # type: ignore[union-attr]  # it is there


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        ({"incident": "i9"}, "unknown", "there is no incident i9 to send a unit to"),
        ({"incident": "i1"}, "conflict", "incident i1 is resolved; reopen it before units are sent"),
        ({}, "invalid", "send pump-1 where? name the incident in args: incident"),
    ],
)
def test_nobody_is_sent_nowhere(args: dict[str, Any], status: str, told: str) -> None:
    """A send needs an incident that is open."""
    answer = room(unit(), state="resolved").take(order("send", **args), NOW).answers[0]
    assert (answer.status, answer.message) == (status, told)


def plan(*needs: UnitNeed) -> Proposal:
    """A proposal that wants units."""
    return Proposal(plan="flood", version="1", stage="out", title=Text("out", "排"), inputs={}, units=needs, at=NOW)


def launch(number: str, **args: Any) -> Order:
    """The order to launch."""
    return Order(id=number, about="incident", subject="i1", do="launch", by="li", at=NOW, args=args)


def test_launching_sends_whom_the_commander_approves() -> None:
    """Nobody without approval; the nearest on request; just these by name; an unfit one stops the whole launch."""
    fleet = [unit("a", 104.01), unit("b", 104.02), unit("c", 104.03, status="off")]
    for approved, sent in [(None, []), ("nearest", ["a"]), (["b"], ["b"]), (["b", "b", "a"], ["b", "a"])]:
        one = room(*fleet, proposal=plan(PUMP))
        out = one.take(launch("o1", **({} if approved is None else {"units": approved})), NOW)
        assert (out.answers[0].status, list(one.incidents["i1"].units)) == ("done", sent)
        assert [name for name, each in one.units.items() if each.status == "sent"] == sorted(sent)
    one = room(*fleet, proposal=plan(PUMP))
    out = one.take(launch("o1", units=["a", "c"]), NOW)
    assert (out.answers[0].status, out.incidents, out.units) == ("conflict", {}, {})
    assert one.take(launch("o2", units="all"), NOW).answers[0].status == "invalid"


def test_a_launch_between_incident_and_units_is_finished() -> None:
    """After a crash that kept the incident but not its units, the order comes again and the units follow."""
    fleet = [unit("a", 104.01)]
    first = room(*fleet, proposal=plan(PUMP))
    first.take(launch("o1", units="nearest"), NOW)
    second = room(*fleet)
    second.incidents["i1"] = first.incidents["i1"]
    assert second.units["a"].status == "free"
    second.take(launch("o1", units="nearest"), NOW + 5)
    assert (second.units["a"].status, second.units["a"].incident) == ("sent", "i1")
    assert second.incidents["i1"] is first.incidents["i1"]


def test_the_room_knows_who_would_go() -> None:
    """What the proposal lacks, by the nearest free units."""
    one = room(unit("a", 104.01), unit("b", 104.02), proposal=plan(replace(PUMP, count=2)))
    one.take(order("send", name="a", incident="i1"), NOW)
    assert [near.unit for near in proposed(one, one.incidents["i1"], NOW)] == ["b"]


def test_units_are_as_declared_and_where_they_were() -> None:
    """A restart keeps place and status; what a unit is comes from the city; one that is gone stays while bound."""
    saved = {
        "pump-1": replace(unit(), name=Text("old", "旧"), lon=104.4, status="on-scene", incident="i1"),
        "gone": unit("gone", status="sent", incident="i1"),
        "left": unit("left"),
    }
    after = restored({"pump-1": unit(skills=("pump", "light")), "new": unit("new")}, saved)
    assert sorted(after) == ["gone", "new", "pump-1"]
    pump = after["pump-1"]
    assert (pump.name.en, pump.skills, pump.lon, pump.status) == ("pump-1", ("pump", "light"), 104.4, "on-scene")


def test_an_order_that_comes_again_later_is_still_done() -> None:
    """Also when its incident was closed in between."""
    one = room(unit())
    one.take(order("send", incident="i1"), NOW)
    one.incidents["i1"] = replace(one.incidents["i1"], state="closed", closed=NOW)
    out = one.take(order("send", incident="i1"), NOW + 1)
    assert (out.answers[0].status, list(out.units), list(out.incidents)) == ("done", [], [])


def test_a_crew_may_take_its_task_before_it_sets_out() -> None:
    """Taken is not under way: the desk sees who has read the call and who moves."""
    taken = units.obey(units.obey(unit(), order("send", incident="i-1"), 1), order("take", incident="i-1"), 2)
    assert (taken.status, taken.incident) == ("accepted", "i-1")
    assert units.obey(taken, order("accept"), 3).status == "under-way"
    assert units.obey(taken, order("decline"), 3).status == "free"


def test_what_was_said_of_an_earlier_call_changes_nothing_at_the_next() -> None:
    """An arrival that comes late over a bad line is refused where the unit is elsewhere by now."""
    sent = units.obey(unit(), order("send", incident="i-2"), 1)
    with pytest.raises(Refused, match="not at incident i-1 any more but at i-2"):
        units.obey(sent, order("arrive", incident="i-1"), 2)
