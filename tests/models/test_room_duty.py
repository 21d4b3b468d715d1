"""The room on duty: what it escalates, tells and writes down."""

from __future__ import annotations

from models.notices import Route
from models.outcome import Outcome
from models.room import Room, Setup
from models.roster import ROTA, Rota
from models.values import Command, Incident, Order, from_json
from tests.models.duty import HOUR, MINUTE, alert, roster

START = 1_790_845_200_000  # 2026-10-01 09:00 UTC
SEEN = alert(START, "Extreme").detection
ROUTES = (Route(route="group", via="journal", incidents=True),)


def room() -> Room:
    """A room with a roster and a red incident that just opened."""
    made = Room(Setup(roster=roster(), routes=ROUTES))
    made.take(SEEN, START)
    return made


def only(found: Room) -> Incident:
    """Its one incident."""
    (incident,) = found.incidents.values()
    return incident


def routes(out: Outcome) -> list[str]:
    """Where messages go."""
    return [one.route for one in out.notifications.values()]


def command(number: int, action: str = "acknowledge", by: str = "li") -> Command:
    """What somebody asks of the alert."""
    return Command(id=f"c{number}", alert=SEEN.id, action=action, by=by, at=START)  # type: ignore[arg-type]  # as the test says


def order(do: str, **args: str) -> Order:
    """What somebody asks of the roster."""
    return Order(id=f"o-{do}", about="roster", subject="rota", do=do, by="li", at=START, args=dict(args))


def test_a_new_incident_is_told_once_and_has_its_deadline() -> None:
    """To the routes that hear of new ones."""
    made = Room(Setup(roster=roster(), routes=ROUTES))
    assert routes(made.take(SEEN, START)) == ["group"]
    assert routes(made.tick(START + 1000)) == []
    assert only(made).deadline == START + 2 * MINUTE


def test_nobody_answers_and_the_ladder_is_climbed() -> None:
    """Each rung at its deadline, written down as the system's."""
    made = room()
    assert routes(made.tick(START + 2 * MINUTE - 1)) == []
    out = made.tick(START + 2 * MINUTE)
    assert len(routes(out)) == 1
    assert [(line.what, line.did, line.by) for line in out.audit] == [("incident", "escalate", "")]
    assert routes(made.tick(START + 4 * MINUTE)) == ["lead-wecom", "lead-mail", "group"]
    assert only(made).escalation == 2


def test_acknowledging_the_alert_ends_the_escalation() -> None:
    """Nothing more is told."""
    made = room()
    made.take(command(1), START + MINUTE)
    assert only(made).deadline is None
    assert routes(made.tick(START + 5 * MINUTE)) == []


def test_a_crash_forgets_neither_deadline_nor_rung() -> None:
    """Who takes over goes on where the other stopped, with the same keys."""
    made = room()
    twin = Room(Setup(roster=roster(), routes=ROUTES))
    twin.restore(made.alerts, made.incidents, {}, made.items, START + MINUTE)
    first, again = made.tick(START + 2 * MINUTE), twin.tick(START + 2 * MINUTE + 40_000)
    assert list(first.notifications) == list(again.notifications)
    assert only(twin).escalation == 1


def test_what_is_refused_is_written_down_with_the_reason() -> None:
    """Who tried what."""
    made = room()
    made.take(command(1), START + MINUTE)
    out = made.take(command(2, by="wang"), START + MINUTE + 1)
    (line,) = out.audit
    assert (line.by, line.what, line.did, line.now) == ("wang", "command", "acknowledge", "conflict")
    assert "by li" in line.detail


def test_a_handover_is_kept_among_the_rooms_items_with_what_was_open() -> None:
    """And is answered."""
    made = room()
    out = made.take(order("handover", to="wang"), START + HOUR)
    assert [answer.status for answer in out.answers] == ["done"]
    (done,) = from_json(out.items[ROTA] or b"", Rota).handovers
    assert (done.to, done.open_incidents) == ("wang", 1)
    assert made.rota.handovers == (done,)


def test_a_room_without_a_roster_escalates_nothing_and_says_so() -> None:
    """An order about it is refused."""
    made = Room(Setup())
    made.take(SEEN, START)
    assert routes(made.tick(START + HOUR)) == []
    out = made.take(order("handover", to="wang"), START)
    assert [(answer.status, "add roster.yaml" in answer.message) for answer in out.answers] == [("unknown", True)]
