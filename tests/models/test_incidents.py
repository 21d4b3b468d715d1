"""What people do with an incident: every order in its state, what it refuses and to whom, merging, splitting."""

from __future__ import annotations

import pytest

from models import incidents
from models.values import SEVERITIES
from tests.models.table import MINUTE, START, Table, told


def at(*orders: str) -> tuple[Table, str]:
    """A room with one incident after these orders of li's, and the incident's id."""
    table = Table()
    name = table.fires().incident
    for do in orders:
        assert table.order(do, name).status == "done"
    return table, name


WAY = ("assign", "under-way", "on-scene", "resolve")


@pytest.mark.parametrize(
    ("orders", "state"),
    [
        ((), "open"),
        (("assign",), "assigned"),
        (("assign", "release"), "open"),
        (("assign", "under-way"), "under-way"),
        (("assign", "on-scene"), "on-scene"),
        (("assign", "resolve"), "resolved"),
        (WAY, "resolved"),
        ((*WAY, "reopen"), "assigned"),
    ],
)
def test_each_way_ends_in_its_state(orders: tuple[str, ...], state: str) -> None:
    """An order moves the incident on, says who gave it, and is one line of the timeline."""
    table, name = at(*orders)
    incident = table.room.incidents[name]
    assert incident.state == state
    assert told(incident) == ["opened", *orders]
    assert {line.by for line in incident.timeline[1:]} <= {"li"}


@pytest.mark.parametrize(
    ("orders", "do", "state"),
    [
        ((), "under-way", "open"),
        ((), "on-scene", "open"),
        ((), "resolve", "open"),
        ((), "close", "open"),
        ((), "reopen", "open"),
        ((), "release", "open"),
        (("assign", "on-scene"), "under-way", "on-scene"),
        (WAY, "assign", "resolved"),
        (WAY, "severity", "resolved"),
        (WAY, "task", "resolved"),
    ],
)
def test_what_the_state_forbids_is_a_conflict(orders: tuple[str, ...], do: str, state: str) -> None:
    """The answer names the state, and nothing changes."""
    table, name = at(*orders)
    before = table.room.incidents[name]
    answer = table.order(do, name, severity="Minor", what="close the gate")
    assert (answer.status, answer.state) == ("conflict", state)
    assert table.room.incidents[name] is before


def test_who_takes_an_incident_has_seen_its_alerts() -> None:
    """Assigning it acknowledges every alert that waits, each in its own history, in the taker's name."""
    table = Table()
    alerts = [table.fires(rule=rule) for rule in ("crowded", "dangerous")]
    table.order("assign", alerts[0].incident, by="wang")
    assert [table.state(one) for one in alerts] == ["acknowledged"] * 2
    assert {table.room.alerts[one.id].acknowledged_by for one in alerts} == {"wang"}


def test_the_second_who_takes_it_is_told_who_was_first() -> None:
    """An incident has one owner; a supervisor may give it to another."""
    table, name = at("assign")
    answer = table.order("assign", name, by="wang")
    assert (answer.status, answer.by, answer.state) == ("conflict", "li", "assigned")
    assert table.order("release", name, by="wang").status == "conflict"
    assert table.order("assign", name, by="zhao", role="supervisor", owner="wang").by == "wang"
    assert table.room.incidents[name].owner == "wang"


def test_an_incident_closes_only_when_its_alerts_are_over() -> None:
    """Closing with open alerts is refused with how many there are; afterwards it is closed."""
    table = Table()
    alert = table.fires()
    for do in ("assign", "resolve"):
        table.order(do, alert.incident)
    answer = table.order("close", alert.incident)
    assert answer.status == "conflict"
    assert "1 alerts" in answer.message
    table.clears(alert)
    assert table.order("close", alert.incident).state == "closed"


def test_what_nobody_took_closes_with_its_last_alert() -> None:
    """An incident whose alerts were acknowledged one by one and are over is closed by the room."""
    table = Table()
    alert = table.fires()
    table.command(alert.id, "acknowledge")
    table.clears(alert)
    table.until(0.1)
    incident = table.room.incidents[alert.incident]
    assert (incident.state, incident.timeline[-1].by) == ("closed", "")


def test_a_resolved_incident_is_reopened_by_a_new_alert() -> None:
    """Within its time the same place does not make a second incident: the first is its owner's again."""
    table, name = at("assign", "resolve")
    again = table.fires(at=5, rule="dangerous")
    assert again.incident == name
    assert (table.room.incidents[name].state, table.room.incidents[name].owner) == ("assigned", "li")
    assert "reopened" in told(table.room.incidents[name])


def test_a_graver_alert_raises_the_incident_and_a_person_may_too() -> None:
    """Severity and title follow the gravest alert; by hand it goes up or down, with what it was."""
    table = Table()
    name = table.fires(severity="Minor").incident
    table.fires(rule="dangerous", severity="Severe")
    incident = table.room.incidents[name]
    assert (incident.severity, incident.title.en) == ("Severe", "dangerous at bridge")
    table.order("severity", name, severity="Extreme", comment="a child is missing")
    assert table.room.incidents[name].timeline[-1].comment == "Severe → Extreme: a child is missing"
    assert table.order("severity", name, severity="Extreme").status == "conflict"
    assert table.order("severity", name, severity="red").status == "invalid"


def test_a_task_is_ticked_once_with_time_and_name() -> None:
    """Added by hand with a deadline, done by one; the second is told by whom; it can be opened again."""
    table, name = at("assign")
    table.until(1)
    table.order("task", name, what="open the east gate", who="security", minutes=10)
    (task,) = table.room.incidents[name].tasks
    assert (task.what.zh, task.who, task.deadline) == ("open the east gate", "security", START + 11 * MINUTE)
    assert table.order("tick", name, by="wang", task=task.id).status == "done"
    (ticked,) = table.room.incidents[name].tasks
    assert (ticked.state, ticked.by, ticked.at) == ("done", "wang", START + MINUTE)
    again = table.order("tick", name, task=task.id)
    assert (again.status, again.by) == ("conflict", "wang")
    assert table.order("tick", name, task="none").status == "unknown"
    table.order("tick", name, task=task.id, state="open")
    assert table.room.incidents[name].tasks[0].by == ""


@pytest.mark.parametrize(
    ("do", "args", "why"),
    [
        ("comment", {}, "needs its text"),
        ("link", {"url": "javascript:alert(1)"}, "is none"),
        ("link", {}, "is none"),
        ("task", {}, "needs args.what"),
        ("task", {"what": "x", "minutes": -1}, "no deadline"),
        ("task", {"what": "x", "minutes": True}, "no deadline"),
        ("tick", {"task": "t", "state": "maybe"}, "is none of a task"),
        ("merge", {"into": "nowhere"}, "there is no incident nowhere"),
        ("split", {}, "needs args.alerts"),
        ("split", {"alerts": ["stranger"]}, "no open alert"),
        ("dance", {}, "nothing to do"),
    ],
)
def test_an_order_that_is_amiss_is_told_why(do: str, args: dict[str, object], why: str) -> None:
    """The answer is unknown or invalid and names what is wrong; nothing changes."""
    table, name = at()
    answer = table.order(do, name, key="", **args)  # type: ignore[arg-type]  # some are amiss on purpose
    assert answer.status in ("invalid", "unknown")
    assert why in answer.message
    assert told(table.room.incidents[name]) == ["opened"]


def test_an_unknown_incident_is_unknown() -> None:
    """404 for the asker."""
    assert Table().order("assign", "nowhere").status == "unknown"


def test_merging_by_hand_moves_all_and_is_told_in_both() -> None:
    """Alerts, tasks and links go over, the gravest severity counts, the other is closed and says where it went."""
    table = Table()
    one, other = table.fires("a", severity="Minor"), table.fires("b", km=9.0)
    table.order("task", other.incident, what="call the metro")
    table.order("link", other.incident, url="https://example.org/photo")
    assert table.order("merge", other.incident, into=one.incident).alert == one.incident
    into, done = table.room.incidents[one.incident], table.room.incidents[other.incident]
    assert (into.active, into.severity, len(into.tasks), into.links) == (2, "Severe", 1, ("https://example.org/photo",))
    assert (done.state, done.merged_into, told(done)[-1]) == ("closed", into.id, "merged-into")
    assert told(into)[-1] == "merged"
    assert table.room.alerts[other.id].incident == into.id
    assert table.order("assign", done.id).status == "conflict"
    assert table.order("merge", into.id, into=into.id).status == "invalid"


def test_splitting_makes_an_incident_of_its_own() -> None:
    """The alerts named go over; something must stay; later alerts near them join the new one."""
    table = Table()
    first, second = table.fires("a"), table.fires("b", km=0.4)
    assert table.order("split", first.incident, alerts=[first.id, second.id]).status == "conflict"
    fresh = table.order("split", first.incident, alerts=[second.id]).alert
    assert table.room.alerts[second.id].incident == fresh != first.incident
    rest, new = table.room.incidents[first.incident], table.room.incidents[fresh]
    assert (rest.active, new.active, told(rest)[-1], told(new)) == (1, 1, "split", ["split-from"])
    assert table.fires("c", km=0.8).incident == fresh


def test_acknowledging_an_incident_needs_an_alert_that_waits() -> None:
    """All that wait are acknowledged with one line; a second time there is nothing to acknowledge."""
    table = Table()
    alerts = [table.fires(rule=rule) for rule in ("crowded", "dangerous")]
    table.order("acknowledge", alerts[0].incident)
    assert [table.state(one) for one in alerts] == ["acknowledged"] * 2
    assert told(table.incident(alerts[0])) == ["opened", "alert-joined", "acknowledge"]
    assert table.order("acknowledge", alerts[0].incident, by="wang").status == "conflict"


def test_the_same_order_again_changes_nothing() -> None:
    """Delivered twice, every order is done once and answered alike."""
    table, name = at()
    other = table.fires("b", km=9.0).incident
    given = [
        ("assign", {}), ("under-way", {}), ("severity", {"severity": "Minor"}), ("comment", {}),
        ("link", {"url": "https://example.org"}), ("task", {"what": "x"}), ("merge", {"into": other}),
    ]  # fmt: skip
    for number, (do, args) in enumerate(given):
        first = table.order(do, name, key=f"k{number}", comment="so", **args)
        before = dict(table.room.incidents)
        again = table.order(do, name, key=f"k{number}", comment="so", **args)
        assert again == first
        assert all(table.room.incidents[key] is one for key, one in before.items())


def test_ids_are_made_of_the_first_alert() -> None:
    """Two rooms that see the same alerts make the same incidents."""
    one, two = Table().fires(), Table().fires()
    assert one.incident == two.incident == incidents.incident_id(one.id)
    assert SEVERITIES[0] == "Extreme"  # the order that severities are compared by
