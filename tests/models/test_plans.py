"""Response plans without any table engine: when an answer is proposed, what launching changes, what an input is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from models.calendar import UTC
from models.orders import Refused
from models.plan_inputs import INPUTS, Inputs, Value, gather, raised
from models.plans import Watch, changes, launch, lift_rule, look, propose, seen
from models.room import Room, Setup
from models.values import Alert, Detection, Incident, Order, Proposal, Task, Text, UnitNeed

MINUTE = 60_000
BEGIN = 1_700_000_000_000


def task(name: str, at: int, minutes: float | None = 10) -> Task:
    """A task of the row ``name``."""
    deadline = None if minutes is None else at + round(minutes * MINUTE)
    return Task(id=f"tasks-{name}", what=Text(name, name), who="police", deadline=deadline, rule=f"tasks/{name}")


@dataclass(frozen=True)
class Lines:
    """A table of one input: from 100 people watch, from 200 close; each keeps what the lesser one does."""

    plan: str = "square"
    calm_ms: int = 10 * MINUTE
    margin: float = 0.1
    version: str = "1"
    asked: list[Mapping[str, Value]] = field(default_factory=list)

    def level(self, stage: str) -> int:
        """0 for none."""
        return {"close": 2, "watch": 1}.get(stage, 0)

    def ask(self, inputs: Inputs, place: str, standing: Sequence[str], at: int) -> Proposal:
        """The stage of the people; what it lifts comes as tasks."""
        self.asked.append(dict(inputs))
        people = inputs["people"]
        crowd = people if isinstance(people, float | int) else 0.0
        stage = "close" if crowd >= 200 else "watch" if crowd >= 100 else "release" if inputs["stage"] else "none"
        measures = ("one-way",) if stage == "close" else ()
        tasks = {"close": ("post", "bar"), "watch": ("post",), "release": ("report",)}.get(stage, ())
        lifted = [name for name in standing if name not in measures]
        lifts = [Task(id=f"lift-{m}", what=Text(m, m), who="police", rule=lift_rule(m)) for m in lifted]
        return Proposal(
            plan=self.plan, version=self.version, stage=stage, title=Text(stage, stage), inputs=dict(inputs),
            tasks=(*(task(name, at) for name in tasks), *lifts), measures=measures,
            zones_closed=(place,) if stage == "close" else (), notify=("journal",) if stage == "close" else (),
            units=(UnitNeed(kind="patrol", count=2),) if stage == "close" else (), place=place, at=at,
        )  # fmt: skip


def incident(**more: Any) -> Incident:
    """An incident on the square."""
    base = Incident(
        id="i1", title=Text("Crowd", "人群"), state="assigned", severity="Severe", pack="holiday-crowd", place="square",
        place_name=Text("Square", "广场"), lon=104.0, lat=30.6, district="d1", opened=BEGIN, changed=BEGIN, owner="li",
    )  # fmt: skip
    return replace(base, **more)


def order(do: str = "launch", number: str = "o1", **args: Any) -> Order:
    """An order of the commander."""
    return Order(id=number, about="incident", subject="i1", do=do, by="chen", at=BEGIN, args=args)


class Story:
    """One incident looked at minute by minute."""

    def __init__(self, table: Lines | None = None) -> None:
        self.table = table or Lines()
        self.incident = incident()
        self.watch = Watch()

    def at(self, minute: int, people: float | None) -> str:
        """Look at ``minute``; the stage that is proposed then, empty for none."""
        now = BEGIN + minute * MINUTE
        proposal, self.watch = look(self.table, self.incident, "square", {"people": people}, self.watch, now)
        self.incident = propose(self.incident, proposal, now)
        return proposal.stage if proposal else ""

    def launch(self, minute: int) -> None:
        """Launch what is proposed."""
        self.incident, _ = launch(self.incident, order(number=f"o{minute}"), BEGIN + minute * MINUTE)


def test_a_graver_stage_is_proposed_at_once_and_only_once() -> None:
    """The proposal appears when the line is crossed; it stays the same object while nothing changes."""
    story = Story()
    assert [story.at(minute, people) for minute, people in enumerate((50, 99, 100, 150, 200))] == [
        "", "", "watch", "watch", "close",
    ]  # fmt: skip
    first = story.incident.proposal
    assert story.at(5, 205) == "close"
    assert story.incident.proposal is first
    assert [line.action for line in story.incident.timeline] == ["plan-proposed", "plan-proposed"]


def test_a_lesser_stage_waits_for_calm() -> None:
    """Below the line by the margin for the whole time; a moment above it starts the time again."""
    story = Story()
    story.at(0, 220)
    story.launch(1)
    low, swaying = 150, 185  # 185 and a tenth more is above 200
    assert {story.at(minute, swaying) for minute in range(2, 30)} == {""}
    assert {story.at(minute, low) for minute in range(30, 40)} == {""}
    assert story.at(40, low) == "watch"
    story.at(41, 230)
    assert story.incident.proposal is None  # the situation is as before: withdrawn
    assert {story.at(minute, low) for minute in range(42, 52)} == {""}
    assert story.at(52, low) == "watch"
    assert [line.action for line in story.incident.timeline][-3:] == [
        "plan-proposed",
        "plan-withdrawn",
        "plan-proposed",
    ]


def test_what_is_not_known_is_no_calm() -> None:
    """A camera that died does not open the road."""
    story = Story()
    story.at(0, 220)
    story.launch(1)
    assert {story.at(minute, None) for minute in range(2, 60)} == {""}
    assert {story.at(minute, 20) for minute in range(60, 70)} == {""}
    assert story.at(70, 20) == "release"


def test_a_declined_stage_comes_back_only_with_another_situation() -> None:
    """Nobody is asked twice about the same stage; a graver one is proposed."""
    story = Story()
    story.at(0, 120)
    declined = Watch(declined="watch")
    story.incident, story.watch = incident(), declined
    assert [story.at(1, 130), story.at(2, 140)] == ["", ""]
    assert story.at(3, 250) == "close"
    story.launch(4)
    assert [story.at(minute, 120) for minute in (5, 15)] == ["", "watch"]


def test_launching_opens_tasks_whose_time_runs_from_then() -> None:
    """Deadlines count from the launch, not from the proposal; the plan is in force and the timeline says by whom."""
    story = Story()
    story.at(0, 220)
    story.launch(7)
    after = story.incident
    assert (after.proposal, after.plan and after.plan.stage) == (None, "close")
    assert [(one.id, one.deadline) for one in after.tasks] == [
        ("tasks-post", BEGIN + 17 * MINUTE),
        ("tasks-bar", BEGIN + 17 * MINUTE),
    ]
    assert [(line.action, line.by) for line in after.timeline] == [
        ("plan-proposed", ""),
        ("plan-launched", "chen"),
        ("measure-ordered", "chen"),
        ("zone-closed", "chen"),
    ]


def test_the_next_stage_keeps_what_is_wanted_and_skips_what_is_not() -> None:
    """A task of both stages stays; one of the stage before, still open, is skipped; what is lifted is a task."""
    story = Story()
    story.at(0, 220)
    story.launch(1)
    posted = replace(story.incident.tasks[0], state="done", by="wang")
    story.incident = replace(story.incident, tasks=(posted, story.incident.tasks[1]))
    for minute in range(2, 13):
        story.at(minute, 120)
    story.launch(13)
    states = {one.id: (one.state, one.by) for one in story.incident.tasks}
    assert states == {"tasks-post": ("done", "wang"), "tasks-bar": ("skipped", ""), "lift-one-way": ("open", "")}
    assert story.incident.tasks[1].comment == "not needed at: watch / watch"
    for minute in range(14, 20):
        story.at(minute, 220)
    story.launch(20)  # up again: the barrier is asked for anew, taking it away is not wanted any more
    states = {one.id: (one.state, one.by) for one in story.incident.tasks}
    assert states["lift-one-way"] == ("skipped", "")
    assert states["tasks-bar-2"] == ("open", "")


def test_changes_are_what_the_plan_before_did_not() -> None:
    """Nothing against itself; everything against nothing; measures, zones and units told apart."""
    table = Lines()
    close = table.ask({"people": 300, "stage": ""}, "square", (), BEGIN)
    watch = table.ask({"people": 120, "stage": "close"}, "square", ("one-way",), BEGIN)
    assert not changes(close, close)
    up, down = changes(watch, close), changes(close, watch)
    assert (up.begun, up.closed, up.units, up.notify) == (("one-way",), ("square",), True, ("journal",))
    assert (down.lifted, down.opened, [one.rule for one in down.tasks]) == (
        ("one-way",),
        ("square",),
        ["release/one-way"],
    )
    assert [one.rule for one in down.dropped] == ["tasks/bar"]
    assert not changes(None, table.ask({"people": 0, "stage": ""}, "square", (), BEGIN))


@pytest.mark.parametrize("do", ["launch", "decline"])
def test_without_a_proposal_there_is_nothing_to_launch_or_decline(do: str) -> None:
    """The order is a conflict with the incident's state and owner."""
    room = Room(Setup())
    room.incidents["i1"] = incident()
    answer = room.take(order(do), BEGIN).answers[0]
    assert (answer.status, answer.state, answer.by) == ("conflict", "assigned", "li")
    assert f"no proposed plan to {do}" in answer.message


def test_a_launch_names_the_stage_it_means() -> None:
    """Who looked at another stage than the one that is proposed by now is told so, and nothing is launched."""
    story = Story()
    story.at(0, 120)
    story.at(1, 250)
    with pytest.raises(Refused, match="stage watch is proposed no more for incident i1; the proposal is now close"):
        launch(story.incident, order(stage="watch"), BEGIN)
    assert launch(story.incident, order(stage="close"), BEGIN)[0].plan is not None


class One:
    """The same table everywhere."""

    def __init__(self, table: Lines) -> None:
        self.table = table

    def of(self, pack: str, place: str) -> Lines:
        """The table."""
        return self.table


def test_a_launch_delivered_twice_is_one() -> None:
    """The second delivery of the same order answers done and changes nothing."""
    room = Room(Setup(tables=One(Lines())))
    room.incidents["i1"] = incident()
    room.look({"i1": {"people": 250.0}}, BEGIN)
    outs = [room.take(order(), BEGIN + 1), room.take(order(), BEGIN + 2)]
    assert [out.answers[0].status for out in outs] == ["done", "done"]
    assert ([*outs[0].incidents], [*outs[1].incidents]) == (["i1"], [])
    assert (len(outs[0].notifications), len(outs[1].notifications)) == (1, 0)


def test_a_declined_proposal_is_told_and_gone() -> None:
    """The timeline says who declined it and why."""
    room = Room(Setup(tables=One(Lines())))
    room.incidents["i1"] = incident()
    room.look({"i1": {"people": 250.0}}, BEGIN)
    room.take(changed_order("decline", "a parade, planned"), BEGIN + 1)
    after = room.incidents["i1"]
    line = after.timeline[-1]
    assert (after.proposal, line.action, line.by) == (None, "plan-declined", "chen")
    assert line.comment == "close / close: a parade, planned"
    room.look({"i1": {"people": 260.0}}, BEGIN + 2)
    assert room.incidents["i1"].proposal is None


def changed_order(do: str, comment: str) -> Order:
    """An order with a comment."""
    return replace(order(do), comment=comment)


@pytest.mark.parametrize(
    "over", [{"state": "resolved"}, {"state": "closed"}, {"kind": "data-quality"}, {"merged_into": "x"}]
)
def test_what_is_over_or_no_event_has_no_plan(over: dict[str, Any]) -> None:
    """A table is asked for open events alone."""
    table = Lines()
    room = Room(Setup(tables=One(table)))
    room.incidents["i1"] = incident(**over)
    assert room.planning.open() == []
    room.look({"i1": {"people": 250.0}}, BEGIN)
    assert (table.asked, room.incidents["i1"].proposal) == ([], None)


# --- inputs -----------------------------------------------------------------------------------------------------


def alert() -> Alert:
    """A surge of 900 people where 600 were expected."""
    detection = Detection(
        id="a1", pack="holiday-crowd", rule="ZoneSurge", place="square", place_kind="zone",
        place_name=Text("Square", "广场"), lon=104.0, lat=30.6, district="d1", state="firing", severity="Severe",
        onset=BEGIN, time=BEGIN, value=900.0, expected=600.0, score=7.0, unit="1", headline=Text("x", "x"),
    )  # fmt: skip
    return Alert(id="a1", detection=detection, state="unacknowledged", severity="Severe", opened=BEGIN, deadline=BEGIN)


def test_every_input_is_there_and_comes_from_where_it_says() -> None:
    """Clock, calendar, incident, alert, zone and gauges; what is not measured is None."""
    zone: dict[str, dict[str, float | None]] = {
        "people": {"value": 1_000.0, "expected": 500.0, "score": 9.0, "occupancy": 0.5, "density": 0.01}
    }
    found = gather(incident(), "square", alert(), "people", zone, {"rainfall": 12.0}, 40.0, UTC, BEGIN + 90 * MINUTE)
    assert list(found) == list(INPUTS)
    assert found == {
        "hour": pytest.approx(23.722, abs=1e-3), "day_kind": "working-day", "zone": "square", "district": "d1",
        "rule": "ZoneSurge", "severity": "Severe", "minutes": 90.0, "stage": "", "people": 1_000.0, "inflow": 40.0,
        "occupancy": 0.5, "density": 0.01, "pedestrians": None, "vehicles": None, "rainfall": 12.0, "water_level": None,
        "value": 1_000.0, "expected": 500.0, "ratio": 2.0, "score": 9.0,
    }  # fmt: skip


def test_the_alert_stands_in_for_a_picture_that_is_not_there() -> None:
    """Without a row of the picture the inputs are those of the alert."""
    found = gather(incident(), "square", alert(), "people", {}, {}, None, UTC, BEGIN)
    assert (found["value"], found["expected"], found["ratio"], found["people"]) == (900.0, 600.0, 1.5, None)
    assert gather(incident(), "square", None, "", {}, {}, None, UTC, BEGIN)["ratio"] is None


def test_raised_inputs_are_graver() -> None:
    """What grows with the danger is larger by the margin, also below zero; hours, words and unknowns stay."""
    inputs: dict[str, Value] = {"people": 100.0, "inflow": -50.0, "hour": 20.0, "zone": "square", "rainfall": None}
    assert raised(inputs, 0.1) == {
        "people": pytest.approx(110.0), "inflow": pytest.approx(-45.0), "hour": 20.0, "zone": "square",
        "rainfall": None,
    }  # fmt: skip


def test_inputs_read_as_people_write_them() -> None:
    """Thousands have a comma, hours are a time, what is unknown is left out."""
    assert seen({"people": 41_200.0, "hour": 21.5, "ratio": 1.234, "zone": "", "stage": "watch", "rainfall": None}) == (
        "people 41,200, 21:30, ratio 1.23, stage watch"
    )


def test_a_table_is_asked_about_the_place_of_the_gravest_alert() -> None:
    """A district's surge in which one square becomes dangerous: the square's plan; in force, it stays that place's."""

    class Places:
        """A table at the square alone."""

        def of(self, pack: str, place: str) -> Lines | None:
            """The table."""
            return Lines() if place == "square" else None

    room = Room(Setup(tables=Places()))
    wide = replace(alert().detection, id="d1", place="district-1", severity="Moderate", district="district-1")
    room.take(wide, BEGIN)
    assert room.planning.open() == []
    room.take(replace(alert().detection, district="district-1", severity="Extreme"), BEGIN + 1)
    ((one, place),) = room.planning.open()
    assert (one.place, one.place_name.en, place) == ("square", "Square", "square")
    room.look({one.id: {"people": 250.0}}, BEGIN + 2)
    room.take(replace(order(), subject=one.id), BEGIN + 3)
    kept = room.incidents[one.id].plan
    assert kept is not None
    assert (kept.place, kept.zones_closed) == ("square", ("square",))
