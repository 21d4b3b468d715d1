"""When a route may speak, what it takes, and how a new incident is told."""

from __future__ import annotations

import pytest

from models.calendar import UTC
from models.notices import Quiet, Route, held_until, opened, pause_s, takes, trial
from models.values import Notification, Severity
from tests.models.duty import HOUR, MINUTE, incident

MIDNIGHT = 1_790_812_800_000  # 2026-10-01 00:00 UTC
NIGHT = Route(route="wecom", via="apprise", quiet=Quiet(start=23 * 60, end=7 * 60))


def note(severity: Severity = "Moderate", urgent: bool = False) -> Notification:
    """A message."""
    return Notification(id="n", route="wecom", at=0, title="", body="", severity=severity, urgent=urgent)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (MIDNIGHT + 22 * HOUR + 59 * MINUTE, MIDNIGHT + 22 * HOUR + 59 * MINUTE),
        (MIDNIGHT + 23 * HOUR, MIDNIGHT + 31 * HOUR),
        (MIDNIGHT + 3 * HOUR + 30_000, MIDNIGHT + 7 * HOUR),
        (MIDNIGHT + 7 * HOUR - 1, MIDNIGHT + 7 * HOUR),
        (MIDNIGHT + 7 * HOUR, MIDNIGHT + 7 * HOUR),
    ],
)
def test_quiet_hours_hold_a_message_until_their_end(now: int, until: int) -> None:
    """Over midnight, to the minute."""
    assert held_until(NIGHT, note(), UTC, now) == until


def test_what_is_urgent_waits_for_nothing_and_is_taken_by_every_route() -> None:
    """Neither quiet hours nor severities keep it."""
    red_only = Route(route="r", via="apprise", severities=("Extreme",), quiet=Quiet(start=0, end=1439))
    assert held_until(red_only, note(urgent=True), UTC, MIDNIGHT) == MIDNIGHT
    assert takes(red_only, note("Minor", urgent=True))
    assert not takes(red_only, note("Minor"))


def test_pauses_double_up_to_a_minute() -> None:
    """1, 2, 4 … 60 s."""
    assert [pause_s(n) for n in (1, 2, 3, 4, 5, 6, 7, 20)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_new_incident_is_told_to_the_routes_that_hear_of_them_with_the_same_keys_each_time() -> None:
    """In both languages; red ones are urgent."""
    routes = (
        Route(route="a", via="journal", incidents=True),
        Route(route="b", via="journal"),
        Route(route="c", via="journal", incidents=True, severities=("Minor",)),
    )
    (severe,) = opened(incident(MIDNIGHT, "Severe"), routes, MIDNIGHT)
    assert (severe.route, severe.urgent, severe.incident) == ("a", False, f"inc-{MIDNIGHT}")
    assert severe.title == "橙色：Ponding / Orange: Ponding"
    assert opened(incident(MIDNIGHT, "Severe"), routes, MIDNIGHT + 5)[0].id == severe.id
    red = opened(incident(MIDNIGHT, "Extreme"), routes, MIDNIGHT)
    assert [(one.route, one.urgent) for one in red] == [("a", True), ("c", True)]


def test_each_press_of_the_test_button_is_a_message_of_its_own() -> None:
    """Else the second would be taken for a copy."""
    assert trial("a", "li", 1).id != trial("a", "li", 2).id
