"""The room as a whole: races, crashes at any moment, what is written down, what is let go of."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.incidents import incident_id
from models.outcome import Outcome
from models.pipeline import Inhibition, Match
from models.room import FORGET_MS, Input, Room, Setup
from models.values import Alert, Answer, Command, Detection, Incident, Order
from tests.models.table import MINUTE, START, Table, detection

SETUP = Setup(inhibitions=(Inhibition(Match("crowd", "cause"), Match("crowd", "crowded")),))


def test_1000_races_of_two_dispatchers_have_one_winner_each() -> None:
    """Both acknowledge the same alert at once, in any order: one is done, the other is told who was first."""
    room, rng = Room(Setup()), random.Random(7)
    alerts = [detection(f"p{k}", km=3.0 * k) for k in range(1_000)]
    asked = [
        Command(id=f"{by}-{one.id}", alert=one.id, action="acknowledge", by=by, at=START)
        for one in alerts
        for by in ("li", "wang")
    ]
    for one in alerts:
        room.take(one, START)
    rng.shuffle(asked)
    answers: dict[str, list[Answer]] = {}
    for number, command in enumerate(asked):
        answer = room.take(command, START + number).answers[0]
        answers.setdefault(answer.alert, []).append(answer)
    for name, pair in answers.items():
        won, lost = sorted(pair, key=lambda one: one.status != "done")
        winner = won.command.partition("-")[0]
        assert (won.status, lost.status) == ("done", "conflict")
        assert (lost.by, lost.state) == (winner, "acknowledged")
        assert winner in lost.message
        assert room.alerts[name].acknowledged_by == winner
    assert len(answers) == 1_000


def test_1000_races_for_an_incident_have_one_owner_each() -> None:
    """The same for taking incidents."""
    room, rng = Room(Setup()), random.Random(8)
    for k in range(1_000):
        room.take(detection(f"p{k}", district=f"d{k}"), START + k * 20 * MINUTE)
    incidents = list(room.incidents)
    asked = [
        Order(id=f"{by}-{name}", about="incident", subject=name, do="assign", by=by, at=START)
        for name in incidents
        for by in ("li", "wang")
    ]
    rng.shuffle(asked)
    answers = [room.take(order, START + 10**9).answers[0] for order in asked]
    assert len(incidents) == 1_000
    assert Counter(one.status for one in answers) == {"done": 1_000, "conflict": 1_000}
    assert {one.by for one in answers if one.status == "conflict"} <= {"li", "wang"}
    assert all(room.incidents[one.alert].owner == one.by for one in answers)


@pytest.mark.parametrize(
    ("about", "subject", "do", "status"),
    [
        ("incident", "nowhere", "assign", "unknown"),
        ("silence", "nowhere", "end", "unknown"),
        ("silence", "", "dance", "invalid"),
    ],
)
def test_what_is_not_there_is_told(about: Any, subject: str, do: str, status: str) -> None:
    """Every order has an answer, and a refused one is written down too."""
    table = Table()
    answer = table.order(do, subject, about=about)
    assert answer.status == status
    assert answer.message
    assert table.said.audit[-1].by == "li"


def test_every_step_is_written_down_once() -> None:
    """Each step of an alert's and an incident's history is one line of the audit, with who and what was."""
    table = Table()
    alert = table.fires()
    table.command(alert.id, "acknowledge", comment="on my way")
    table.order("assign", alert.incident)
    lines = [(one.what, one.subject, one.did, one.by) for one in table.said.audit]
    for step in table.room.alerts[alert.id].history:
        assert lines.count(("alert", alert.id, step.action, step.by)) >= 1
    for step in table.room.incidents[alert.incident].timeline:
        assert lines.count(("incident", alert.incident, step.action, step.by)) >= 1
    places = Counter((one.what, one.subject, one.step) for one in table.said.audit if one.step)
    assert set(places.values()) == {1}


def test_what_is_closed_is_let_go_of_bit_by_bit() -> None:
    """It leaves the picture after ten minutes and the topics after a day, incidents too."""
    table = Table()
    alert = table.fires()
    table.command(alert.id, "acknowledge")
    table.clears(alert)
    table.until(9.9)
    assert alert.id in table.room.alerts
    table.until(10.2)
    assert table.said.hidden == {f"alert/{alert.id}", f"incident/{alert.incident}"}
    assert table.room.alerts == {}
    assert table.said.alerts[alert.id] is not None
    table.until(FORGET_MS / MINUTE + 10)
    assert table.said.alerts[alert.id] is None
    assert table.said.incidents[alert.incident] is None
    assert (table.room.past, table.room.incidents) == ({}, {})


def test_time_that_changes_an_alert_is_kept_across_a_restart() -> None:
    """A shelved alert comes back at its time also in a room that was restored meanwhile."""
    table = Table()
    alert = table.fires()
    table.command(alert.id, "shelve", until=START + 5 * MINUTE)
    again = table.again()
    again.until(4.9)
    assert again.state(alert) == "shelved"
    again.until(5.1)
    assert again.state(alert) == "unacknowledged"


def test_a_silence_that_ended_while_nobody_looked_hides_nothing_any_more() -> None:
    """What it hid comes back, with an incident, when the room is restored."""
    table = Table()
    table.order("add", about="silence", comment="works", place="bridge", until=START + MINUTE)
    alert = table.fires()
    assert table.state(alert) == "suppressed"
    table.now = START + 2 * MINUTE
    again = table.again()
    assert again.state(alert) == "unacknowledged"
    assert again.incident(alert).active == 1


# --- crashes ------------------------------------------------------------------------------------------------------

TOPICS = ("incidents", "units", "items", "alerts")  # in the order in which they are made safe


class Crashing:
    """A room whose outcomes are made safe topic by topic, and that may die in between and start again."""

    def __init__(self) -> None:
        self.room = Room(SETUP)
        self.safe: dict[str, dict[str, Any]] = {name: {} for name in TOPICS}

    def take(self, given: Input | None, now: int) -> Outcome:
        """The clock, and one input if there is one."""
        out = self.room.tick(now)
        if given is not None:
            out.merge(self.room.take(given, now))
        return out

    def keep(self, out: Outcome, topics: int = len(TOPICS)) -> None:
        """Make the first ``topics`` of them safe."""
        for name in TOPICS[:topics]:
            for key, value in getattr(out, name).items():
                if value is None:
                    self.safe[name].pop(key, None)
                else:
                    self.safe[name][key] = value

    def restart(self, now: int) -> None:
        """Another process starts from what is safe."""
        self.room = Room(SETUP)
        safe = self.safe
        self.keep(self.room.restore(safe["alerts"], safe["incidents"], safe["units"], safe["items"], now))


def scenario(seed: int, near: float = 0.4) -> list[Input | None]:
    """Detections of a few sources ``near`` km from each other, commands and orders about them, and ticks (None)."""
    rng = random.Random(seed)
    given: list[Input | None] = []
    fired: list[Detection] = []
    for number in range(60):
        kind = rng.choice(["fire", "fire", "clear", "acknowledge", "shelve", "assign", "merge", "silence", None])
        if kind == "fire":
            rule = rng.choice(["crowded", "crowded", "cause", "dangerous"])
            place = rng.randrange(5)
            fired.append(detection(f"p{place}", number / 10, km=near * place, district=f"d{place}", rule=rule))
            given.append(fired[-1])
        elif kind is None or not fired:
            given.append(None)
        elif kind == "clear":
            given.append(replace(rng.choice(fired), state="cleared"))
        else:
            given.append(_asked(kind, number, rng, fired))
    return given


def _asked(kind: str, number: int, rng: random.Random, fired: list[Detection]) -> Input:
    now = START + number * 6_000
    one, other = rng.choice(fired), rng.choice(fired)
    if kind in ("acknowledge", "shelve"):
        return Command(id=f"c{number}", alert=one.id, action=kind, by="li", at=now, comment="x", until=now + 60_000)  # type: ignore[arg-type]  # two of the actions
    if kind == "silence":
        args: Any = {"place": one.place, "until": now + 90_000}
        return Order(id=f"s{number}", about="silence", subject="", do="add", by="li", at=now, comment="x", args=args)
    return Order(
        id=f"o{number}", about="incident", subject=incident_id(one.id), do=kind, by="li", at=now,
        args={"into": incident_id(other.id)},
    )  # fmt: skip


def sound(room: Room) -> None:
    """Every open alert that is not suppressed is in exactly one open incident; who hides it lasts."""
    open_alerts = [one for one in room.alerts.values() if one.state != "normal"]
    for alert in open_alerts:
        if alert.state == "suppressed" and not alert.incident:
            continue
        incident = room.incidents[alert.incident]
        assert incident.closed is None
        assert alert.id in incident.alerts
    active = Counter(one.incident for one in open_alerts)
    for incident in room.incidents.values():
        assert incident.active == (active[incident.id] if incident.closed is None else 0)
    sources = Counter((one.detection.rule, one.detection.place) for one in open_alerts)
    assert set(sources.values()) <= {1}
    lasting = {f"alert/{one.id}" for one in open_alerts if one.cleared is None}
    for alert in open_alerts:
        if alert.state == "suppressed" and alert.hidden_by.startswith("alert/"):
            assert alert.hidden_by in lasting


def seen(room: Room) -> dict[str, tuple[str, list[str], str]]:
    """What people see of each alert: its state, what was done (but for flags and hiding), who acknowledged it."""
    return {one.id: (one.state, _done(one), one.acknowledged_by) for one in room.alerts.values()}


def _done(alert: Alert) -> list[str]:
    return [step.action for step in alert.history if step.action not in ("chattering", "suppress", "unsuppress")]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_room_stays_sound_whatever_comes(seed: int) -> None:
    """After every input the room fits together."""
    one = Crashing()
    for number, given_ in enumerate(scenario(seed)):
        one.keep(one.take(given_, START + number * 6_000))
        sound(one.room)


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**6), crash=st.integers(0, 59), topics=st.integers(0, len(TOPICS)))
def test_a_crash_at_any_moment_changes_nothing_that_people_see(seed: int, crash: int, topics: int) -> None:
    """Killed while an outcome is half safe, with that input delivered again: the same alerts in the same states."""
    inputs = scenario(seed, near=5.0)  # so far apart that nobody can doubt what is one incident
    whole, killed = Crashing(), Crashing()
    for number, given_ in enumerate(inputs):
        now = START + number * 6_000
        whole.keep(whole.take(given_, now))
        out = killed.take(given_, now)
        if number == crash:
            killed.keep(out, topics)
            killed.restart(now)
            out = killed.take(given_, now)
        killed.keep(out)
    sound(killed.room)
    assert seen(killed.room) == seen(whole.room)
    owners = {one.id: one.owner for one in whole.room.incidents.values() if one.closed is None}
    for name, owner in owners.items():
        there: Incident | None = killed.room.incidents.get(name)
        assert there is None or there.closed is not None or there.owner == owner
