"""Who is told when nobody answers, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.calendar import UTC
from models.escalation import WITHIN_MS, armed, due, escalate, next_due, steps
from models.roster import Rota, on_duty
from models.values import SEVERITIES, Incident, Notification, Severity
from tests.models.duty import MINUTE, incident, roster

START = 1_790_845_200_000  # 2026-10-01 09:00 UTC, in the day shift of a city on UTC
ROSTER = roster()


def step(one: Incident, now: int) -> tuple[Incident, tuple[Notification, ...]]:
    """Escalate with who is on duty now."""
    return escalate(one, ROSTER, on_duty(ROSTER, UTC, Rota(), now), now)


@pytest.mark.parametrize(("severity", "minutes"), [("Extreme", 2), ("Severe", 5), ("Moderate", 15), ("Minor", 60)])
def test_each_severity_has_its_time(severity: Severity, minutes: int) -> None:
    """Red 2 minutes, orange 5, yellow 15, blue 60, from the opening."""
    one = armed(incident(START, severity), START + 500)
    assert one.deadline == START + minutes * MINUTE
    assert not due(one, START + minutes * MINUTE - 1)
    assert due(one, START + minutes * MINUTE)


def test_it_climbs_the_ladder_as_a_timetable() -> None:
    """The desk after 2 minutes, the lead after 4, the lead once more after 6, then nobody is left."""
    one, told = armed(incident(START), START), []
    for minute in range(1, 12):
        one, messages = step(one, START + minute * MINUTE)
        told += [(minute, message.route) for message in messages]
    assert told == [
        (2, "li-wecom" if on_duty(ROSTER, UTC, Rota(), START)[0].user == "li" else "wang-wecom"),
        (4, "lead-wecom"), (4, "lead-mail"), (4, "group"),
        (6, "lead-wecom"), (6, "lead-mail"), (6, "group"),
    ]  # fmt: skip
    assert (one.escalation, one.deadline) == (steps(ROSTER), None)
    assert armed(one, START + 20 * MINUTE) is one
    assert [line.action for line in one.timeline] == ["escalate"] * 3


def test_who_takes_it_ends_the_escalation_and_reopening_begins_it_anew() -> None:
    """From the time of the reopening."""
    one, _ = step(armed(incident(START), START), START + 2 * MINUTE)
    taken = armed(replace(one, state="assigned", owner="li"), START + 3 * MINUTE)
    assert (taken.deadline, taken.escalation) == (None, 0)
    assert step(taken, START + 9 * MINUTE) == (taken, ())
    again = armed(replace(taken, state="open", owner=""), START + 10 * MINUTE)
    assert again.deadline == START + 12 * MINUTE


def test_who_acknowledges_all_its_alerts_ends_the_escalation_too() -> None:
    """Somebody has seen it, though nobody owns it yet; another alert begins anew."""
    one, _ = step(armed(incident(START), START), START + 2 * MINUTE)
    seen = armed(one, START + 3 * MINUTE, answered=True)
    assert (seen.deadline, seen.escalation) == (None, 0)
    assert armed(seen, START + 8 * MINUTE).deadline == START + 10 * MINUTE


def test_a_raised_severity_brings_the_deadline_forward_and_a_lowered_one_does_not_put_it_off() -> None:
    """An hour shrinks to two minutes from now."""
    one = armed(incident(START, "Minor"), START)
    raised = armed(replace(one, severity="Extreme"), START + 10 * MINUTE)
    assert raised.deadline == START + 12 * MINUTE
    lowered = armed(replace(raised, severity="Minor"), START + 11 * MINUTE)
    assert lowered.deadline == START + 12 * MINUTE


def test_two_that_escalate_the_same_thing_send_the_same_keys() -> None:
    """The worker's agent, late, and the watch on time."""
    one = armed(incident(START), START)
    after_watch, by_watch = step(one, START + 2 * MINUTE + 700)
    after_agent, by_agent = step(one, START + 2 * MINUTE + 45_000)
    assert [message.id for message in by_watch] == [message.id for message in by_agent]
    assert after_watch.deadline == after_agent.deadline == START + 4 * MINUTE


def test_messages_go_out_in_quiet_hours_and_drills_stay_drills() -> None:
    """Who is on duty is to be woken; a drill's messages are never sent."""
    _, (message,) = step(armed(incident(START), START), START + 2 * MINUTE)
    assert (message.urgent, message.exercise) == (True, False)
    _, (drill,) = step(armed(incident(START, exercise=True), START), START + 2 * MINUTE)
    assert drill.exercise


def test_a_rung_that_reaches_nobody_is_climbed_all_the_same() -> None:
    """The timeline says so, and the next deadline stands."""
    one, messages = escalate(armed(incident(START), START), ROSTER, (), START + 2 * MINUTE)
    assert messages == ()
    assert one.timeline[-1].comment == "1/3: nobody on duty"
    assert one.deadline == START + 4 * MINUTE


def test_the_next_deadline_is_the_earliest_of_those_that_wait() -> None:
    """For the clock."""
    waiting = [armed(incident(START, severity), START) for severity in SEVERITIES]
    assert next_due(waiting) == START + 2 * MINUTE
    assert next_due([replace(waiting[0], owner="li", deadline=None)]) is None


@given(st.sampled_from(SEVERITIES), st.integers(0, 100 * MINUTE))
def test_however_late_it_is_the_next_deadline_is_on_the_same_grid_and_ahead(severity: Severity, late: int) -> None:
    """What was missed is not made up for."""
    one = armed(incident(START, severity), START)
    assert one.deadline is not None
    now = one.deadline + late
    after, _ = step(one, now)
    assert after.deadline is not None
    assert now < after.deadline <= now + WITHIN_MS[severity]
    assert (after.deadline - one.deadline) % WITHIN_MS[severity] == 0
    assert after.escalation == 1
