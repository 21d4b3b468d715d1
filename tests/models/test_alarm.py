"""The alarm state machine: a timetable for each path, then every path that a random walk can find."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from models import alarm
from models.values import Action, Alert, Command, Detection, State, Text, alert_id, from_json, to_json

FIRING = Detection(
    id=alert_id("holiday-crowd", "crowded", "bund", 1_000),
    pack="holiday-crowd",
    rule="crowded",
    place="bund",
    place_kind="zone",
    place_name=Text("The Bund", "外滩"),
    lon=104.06,
    lat=30.66,
    district="jinjiang",
    state="firing",
    severity="Severe",
    onset=1_000,
    time=1_000,
    value=900.0,
    expected=300.0,
    score=9.0,
    unit="1",
    headline=Text("Crowded", "拥挤"),
)
OVER = replace(FIRING, state="cleared", time=5_000)


def order(action: Action, by: str = "li", key: str = "", until: int | None = None) -> Command:
    """A command of ``by``, told apart by its action and name unless it has a ``key``."""
    return Command(id=key or f"{action}-{by}", alert=FIRING.id, action=action, by=by, at=0, until=until)


def play(*events: Detection | Command) -> Alert:
    """The alert after the events, one every 100 ms from 2,000 on."""
    alert: Alert | None = None
    for tick, event in enumerate(events):
        alert = alarm.apply(alert, event, 2_000 + 100 * tick)
    assert alert is not None
    return alert


def test_a_firing_detection_opens_an_alert_that_waits() -> None:
    """A firing detection opens one unacknowledged alert with the severity's deadline."""
    alert = play(FIRING)
    assert (alert.id, alert.state, alert.opened) == (FIRING.id, "unacknowledged", 2_000)
    assert alert.deadline == 2_000 + 5 * 60_000
    assert [(step.was, step.now, step.action) for step in alert.history] == [("normal", "unacknowledged", "opened")]


@pytest.mark.parametrize(("severity", "minutes"), [("Extreme", 2), ("Severe", 5), ("Moderate", 15), ("Minor", 60)])
def test_deadlines_follow_the_severity(severity: str, minutes: int) -> None:
    """Red is to be answered in 2 minutes, orange in 5, yellow in 15, blue in 60."""
    alert = alarm.opened(from_json(to_json(FIRING).replace(b"Severe", severity.encode()), Detection), 0)
    assert alert.deadline == minutes * 60_000
    assert not alarm.overdue(alert, alert.deadline - 1)
    assert alarm.overdue(alert, alert.deadline)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((FIRING, order("acknowledge")), "acknowledged"),
        ((FIRING, OVER), "returned-unacknowledged"),
        ((FIRING, OVER, order("acknowledge")), "normal"),
        ((FIRING, order("acknowledge"), OVER), "normal"),
        ((FIRING, order("shelve"), OVER), "shelved"),
        ((FIRING, order("shelve"), OVER, order("unshelve")), "returned-unacknowledged"),
        ((FIRING, order("shelve"), order("unshelve")), "unacknowledged"),
        ((FIRING, order("shelve"), order("acknowledge"), order("unshelve")), "acknowledged"),
        ((FIRING, order("shelve"), order("acknowledge"), OVER), "normal"),
        ((FIRING, order("suppress"), order("unsuppress")), "unacknowledged"),
        ((FIRING, order("acknowledge"), order("comment")), "acknowledged"),
    ],
)
def test_each_path_ends_in_its_state(events: tuple[Detection | Command, ...], state: State) -> None:
    """Every path of ISA-18.2 ends in its state, and a closed alert knows when it closed."""
    alert = play(*events)
    assert alert.state == state
    assert (alert.closed is not None) == (state == "normal")
    assert len(alert.history) == len(events)


def test_the_second_dispatcher_is_told_who_was_first() -> None:
    """A second acknowledgement is refused and names the state and the one who holds the alert."""
    alert = play(FIRING, order("acknowledge", "li"))
    with pytest.raises(alarm.Illegal, match="already acknowledged by li") as refusal:
        alarm.apply(alert, order("acknowledge", "wang"), 9_000)
    assert (refusal.value.state, refusal.value.by) == ("acknowledged", "li")
    after, answer = alarm.decide(alert, order("acknowledge", "wang"), 9_000)
    assert after is alert
    assert (answer.status, answer.state, answer.by) == ("conflict", "acknowledged", "li")


def test_what_is_delivered_twice_changes_nothing() -> None:
    """The same detection, clearing or command id a second time leaves the alert as it is."""
    alert = play(FIRING, order("acknowledge"))
    assert alarm.apply(alert, FIRING, 9_000) is alert
    assert alarm.apply(alert, order("acknowledge"), 9_000) is alert
    closed = alarm.apply(alert, OVER, 9_000)
    assert alarm.apply(closed, OVER, 9_900) is closed
    assert alarm.apply(closed, FIRING, 9_900) is closed
    _, answer = alarm.decide(alert, order("acknowledge"), 9_000)
    assert (answer.status, answer.by) == ("done", "li")


def test_an_unknown_alert_is_unknown() -> None:
    """Clearing nothing is nothing; a command for no alert is refused as unknown."""
    assert alarm.apply(None, OVER, 0) is None
    with pytest.raises(alarm.Illegal, match="no alert"):
        alarm.apply(None, order("acknowledge"), 0)
    assert alarm.decide(None, order("acknowledge"), 0)[1].status == "unknown"


def test_shelving_ends_by_itself() -> None:
    """A shelved alert comes back when its time is up, and not before; nobody shelves beyond a shift."""
    alert = play(FIRING, order("shelve", until=60_000))
    assert alarm.expired(alert, 59_999) is alert
    assert alarm.expired(alert, 60_000).state == "unacknowledged"
    with pytest.raises(alarm.Illegal, match="at most 8 hours"):
        play(FIRING, order("shelve", until=2_101 + 8 * 3_600_000))
    with pytest.raises(alarm.Illegal, match="outside"):
        play(FIRING, order("shelve", until=2_000))


@pytest.mark.parametrize(
    ("events", "action"),
    [
        ((FIRING,), "confirm"),
        ((FIRING,), "reset"),
        ((FIRING,), "unshelve"),
        ((FIRING,), "unsuppress"),
        ((FIRING, order("shelve")), "suppress"),
        ((FIRING, order("suppress")), "unshelve"),
        ((FIRING, OVER, order("acknowledge")), "acknowledge"),
        ((FIRING, OVER, order("acknowledge")), "shelve"),
    ],
)
def test_what_the_state_forbids_is_refused(events: tuple[Detection | Command, ...], action: Action) -> None:
    """An action outside its state is refused, and is not among those allowed."""
    alert = play(*events)
    with pytest.raises(alarm.Illegal):
        alarm.apply(alert, order(action, "wang"), 9_000)
    assert action not in alarm.allowed(alert)


LEGAL = {
    ("normal", "unacknowledged", "opened"),
    ("unacknowledged", "returned-unacknowledged", "cleared"),
    ("acknowledged", "normal", "cleared"),
    ("shelved", "shelved", "cleared"),
    ("suppressed", "suppressed", "cleared"),
    ("shelved", "normal", "cleared"),
    ("suppressed", "normal", "cleared"),
    ("unacknowledged", "acknowledged", "acknowledge"),
    ("returned-unacknowledged", "normal", "acknowledge"),
    ("shelved", "shelved", "acknowledge"),
    ("suppressed", "suppressed", "acknowledge"),
    ("shelved", "normal", "acknowledge"),
    ("suppressed", "normal", "acknowledge"),
    *((state, "shelved", "shelve") for state in ("unacknowledged", "acknowledged", "returned-unacknowledged")),
    *((state, "suppressed", "suppress") for state in ("unacknowledged", "acknowledged", "returned-unacknowledged")),
    *(("shelved", state, "unshelve") for state in ("unacknowledged", "acknowledged", "returned-unacknowledged")),
    *(("suppressed", state, "unsuppress") for state in ("unacknowledged", "acknowledged", "returned-unacknowledged")),
}


class AnyLife(RuleBasedStateMachine):
    """Random detections and commands at random times."""

    @initialize()
    def open(self) -> None:
        """Start with one alert."""
        self.now = 0
        self.serial = 0
        self.alert = alarm.opened(FIRING, 0)

    def keep(self, after: Alert | None) -> None:
        """Take the new alert; its history continues the old one by at most one step."""
        assert after is not None
        before = len(self.alert.history)
        assert after.history[:before] == self.alert.history
        assert len(after.history) - before == (after is not self.alert)
        self.alert = after

    @rule(detection=st.sampled_from([FIRING, OVER]))
    def detect(self, detection: Detection) -> None:
        """The detection fires again or clears."""
        self.keep(alarm.apply(self.alert, detection, self.now))

    @rule(
        action=st.sampled_from(
            ["acknowledge", "comment", "confirm", "shelve", "unshelve", "suppress", "unsuppress", "reset"]
        ),
        by=st.sampled_from(["li", "wang"]),
        again=st.booleans(),
    )
    def command(self, action: Action, by: str, again: bool) -> None:
        """Somebody asks for something, perhaps the same once more; the answer agrees with ``allowed``."""
        self.serial += not again
        wanted = order(action, by, key=f"{self.serial}")
        seen = any(step.command == wanted.id for step in self.alert.history)
        legal = action in alarm.allowed(self.alert) or seen
        after, answer = alarm.decide(self.alert, wanted, self.now)
        assert (answer.status == "done") == legal
        self.keep(after)

    @rule(minutes=st.integers(1, 300))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.now += minutes * 60_000
        self.keep(alarm.expired(self.alert, self.now))

    @invariant()
    def legal(self) -> None:
        """The last step is one of the legal ones, and the fields agree with the state."""
        alert = self.alert
        step = alert.history[-1]
        assert step.now == alert.state
        assert step.action == "comment" or (step.was, step.now, step.action) in LEGAL
        assert (alert.closed is not None) == (alert.state == "normal")
        assert (alert.acknowledged_at is not None) == bool(alert.acknowledged_by)
        assert (alert.shelved_until is not None) <= (alert.state in ("shelved", "normal"))
        assert from_json(to_json(alert), Alert) == alert


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
