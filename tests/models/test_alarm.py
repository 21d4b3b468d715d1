"""The alarm state machine: a timetable for each path, then every path that a random walk can find."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from models import alarm
from models.alarm import Demands
from models.orders import Refused
from models.values import Action, Alert, Command, Detection, Severity, State, Text, alert_id, from_json, to_json

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


def order(
    action: Action, by: str = "li", key: str = "", until: int | None = None, severity: Severity | None = None,
    comment: str = "works on site",
) -> Command:  # fmt: skip
    """A command of ``by``, told apart by its action and name unless it has a ``key``."""
    return Command(
        id=key or f"{action}-{by}", alert=FIRING.id, action=action, by=by, at=0, until=until, severity=severity,
        comment=comment,
    )  # fmt: skip


def play(*events: Detection | Command, demands: Demands = alarm.NONE) -> Alert:
    """The alert after the events, one every 100 ms from 2,000 on."""
    alert: Alert | None = None
    for tick, event in enumerate(events):
        alert = alarm.apply(alert, event, 2_000 + 100 * tick, demands)
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
        ((FIRING, order("remove-from-service")), "out-of-service"),
        ((FIRING, order("shelve"), order("remove-from-service")), "out-of-service"),
        ((FIRING, order("remove-from-service"), OVER, order("acknowledge")), "out-of-service"),
        ((FIRING, order("remove-from-service"), OVER, order("return-to-service")), "returned-unacknowledged"),
        ((FIRING, order("remove-from-service"), order("acknowledge"), OVER, order("return-to-service")), "normal"),
        ((FIRING, order("severity", severity="Extreme")), "unacknowledged"),
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
    with pytest.raises(Refused, match="already acknowledged by li") as refusal:
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
    with pytest.raises(Refused, match="no alert"):
        alarm.apply(None, order("acknowledge"), 0)
    assert alarm.decide(None, order("acknowledge"), 0)[1].status == "unknown"


LATCHED, CONFIRMED = Demands(latch=True), Demands(confirm=True)


@pytest.mark.parametrize(
    ("demands", "events", "state"),
    [
        (LATCHED, (FIRING, order("acknowledge"), OVER), "acknowledged"),
        (LATCHED, (FIRING, OVER, order("acknowledge")), "acknowledged"),
        (LATCHED, (FIRING, order("acknowledge"), OVER, order("reset")), "normal"),
        (CONFIRMED, (FIRING, order("acknowledge"), OVER), "acknowledged"),
        (CONFIRMED, (FIRING, order("acknowledge"), order("confirm")), "acknowledged"),
        (CONFIRMED, (FIRING, order("acknowledge"), order("confirm"), OVER), "normal"),
        (CONFIRMED, (FIRING, order("acknowledge"), OVER, order("confirm")), "normal"),
        (Demands(latch=True, confirm=True), (FIRING, order("acknowledge"), OVER, order("reset")), "acknowledged"),
    ],
)
def test_what_an_alert_demands_keeps_it(
    demands: Demands, events: tuple[Detection | Command, ...], state: State
) -> None:
    """A latched alert stays until its reset, one to be confirmed until that: acknowledged and over is not enough."""
    assert play(*events, demands=demands).state == state


@pytest.mark.parametrize(
    ("demands", "events", "action", "why"),
    [
        (LATCHED, (FIRING, order("acknowledge")), "reset", "is not over yet"),
        (LATCHED, (FIRING, OVER), "reset", "is not acknowledged yet"),
        (CONFIRMED, (FIRING,), "confirm", "is not acknowledged yet"),
        (CONFIRMED, (FIRING, order("acknowledge"), order("confirm")), "confirm", "already confirmed by li"),
    ],
)
def test_reset_and_confirm_come_in_their_order(
    demands: Demands, events: tuple[Detection | Command, ...], action: Action, why: str
) -> None:
    """Reset needs it over and acknowledged, confirm needs it acknowledged, and each is done once."""
    alert = play(*events, demands=demands)
    with pytest.raises(Refused, match=why):
        alarm.apply(alert, order(action, "wang"), 9_000)
    assert action not in alarm.allowed(alert)


@pytest.mark.parametrize("action", ["shelve", "suppress", "remove-from-service"])
def test_hiding_needs_a_reason_and_names_its_owner(action: Action) -> None:
    """Without a comment it is refused as invalid; with one, the next to try is told who hides the alert."""
    with pytest.raises(Refused, match="needs a comment") as refusal:
        play(FIRING, order(action, comment=" "))
    assert refusal.value.status == "invalid"
    alert = play(FIRING, order(action))
    _, answer = alarm.decide(alert, order(action, "wang"), 9_000)
    assert (answer.status, answer.by, alert.hidden_by) == ("conflict", "li", "li")


def test_a_severity_raised_by_hand_brings_a_new_deadline() -> None:
    """The deadline is that of the new severity, from now; without one the command is invalid."""
    alert = play(FIRING, order("severity", severity="Extreme"))
    assert (alert.severity, alert.deadline) == ("Extreme", 2_100 + 2 * 60_000)
    assert alarm.decide(alert, order("severity", key="again"), 9_000)[1].status == "invalid"


def test_an_acknowledged_alert_that_lasts_asks_again() -> None:
    """After the rule's time it waits anew, once for each acknowledgement; one that is over does not ask."""
    demands = Demands(realarm_ms=60_000)
    alert = play(FIRING, order("acknowledge"), demands=demands)
    assert alarm.due(alert) == 2_100 + 60_000
    assert alarm.elapsed(alert, 62_099) is alert
    again = alarm.elapsed(alert, 62_100)
    assert (again.state, again.acknowledged_by, again.history[-1].action) == ("unacknowledged", "", "re-alarm")
    assert again.deadline == 62_100 + 5 * 60_000
    over = play(FIRING, OVER, order("acknowledge"), demands=demands)
    assert alarm.due(over) is None


def test_a_day_makes_an_alert_stale_once() -> None:
    """An alert whose condition lasts for 24 h is flagged, in whatever state, and only once."""
    alert = play(FIRING, order("acknowledge"))
    assert alarm.elapsed(alert, 2_000 + alarm.STALE_MS - 1) is alert
    stale = alarm.elapsed(alert, 2_000 + alarm.STALE_MS)
    assert (stale.stale, stale.state) == (True, "acknowledged")
    assert alarm.elapsed(stale, 3_000 + alarm.STALE_MS) is stale


def test_a_source_that_fires_again_has_one_open_alert() -> None:
    """The older alert is closed in favour of the new one, which is hidden as the old one was."""
    later = replace(FIRING, id="later", onset=8_000)
    old, new = alarm.succeeded(play(FIRING, OVER), alarm.opened(later, 9_000), 9_000)
    assert (old.state, old.closed, old.history[-1].action, old.history[-1].comment) == (
        "normal", 9_000, "succeeded", "later",
    )  # fmt: skip
    assert new.state == "unacknowledged"
    shelved = play(FIRING, order("shelve", until=60_000), OVER)
    _, heir = alarm.succeeded(shelved, alarm.opened(later, 9_000), 9_000)
    assert (heir.state, heir.shelved_until, heir.hidden_by) == ("shelved", 60_000, "li")


def test_only_what_hid_an_alert_shows_it_again() -> None:
    """Suppressed by design, it comes back when that very cause is over."""
    alert = alarm.suppressed(play(FIRING), "alert/cause", 3_000)
    assert alert.state == "suppressed"
    assert alarm.unsuppressed(alert, "silence/other", 4_000) is alert
    assert alarm.unsuppressed(alert, "alert/cause", 4_000).state == "unacknowledged"
    shelved = play(FIRING, order("shelve"))
    assert alarm.suppressed(shelved, "alert/cause", 4_000) is shelved


def test_shelving_ends_by_itself() -> None:
    """A shelved alert comes back when its time is up, and not before; nobody shelves beyond a shift."""
    alert = play(FIRING, order("shelve", until=60_000))
    assert alarm.due(alert) == 60_000
    assert alarm.elapsed(alert, 59_999) is alert
    back = alarm.elapsed(alert, 60_000)
    assert (back.state, back.deadline, back.hidden_by) == ("unacknowledged", 60_000 + 5 * 60_000, "")
    with pytest.raises(Refused, match="at most 8 hours"):
        play(FIRING, order("shelve", until=2_101 + 8 * 3_600_000))
    with pytest.raises(Refused, match="outside"):
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
        ((FIRING,), "return-to-service"),
        ((FIRING, order("remove-from-service")), "remove-from-service"),
        ((FIRING, order("remove-from-service")), "shelve"),
        ((FIRING, order("shelve")), "shelve"),
    ],
)
def test_what_the_state_forbids_is_refused(events: tuple[Detection | Command, ...], action: Action) -> None:
    """An action outside its state is refused, and is not among those allowed."""
    alert = play(*events)
    with pytest.raises(Refused):
        alarm.apply(alert, order(action, "wang"), 9_000)
    assert action not in alarm.allowed(alert)


OPEN = ("unacknowledged", "acknowledged", "returned-unacknowledged")
HIDDEN = ("shelved", "suppressed", "out-of-service")
LEGAL = {
    ("normal", "unacknowledged", "opened"),
    ("unacknowledged", "returned-unacknowledged", "cleared"),
    ("acknowledged", "acknowledged", "cleared"),  # latched, or not yet confirmed
    ("acknowledged", "normal", "cleared"),
    *((state, state, "cleared") for state in HIDDEN),
    ("shelved", "normal", "cleared"),
    ("suppressed", "normal", "cleared"),
    ("unacknowledged", "acknowledged", "acknowledge"),
    ("returned-unacknowledged", "acknowledged", "acknowledge"),  # latched, or not yet confirmed
    ("returned-unacknowledged", "normal", "acknowledge"),
    *((state, state, "acknowledge") for state in HIDDEN),
    ("shelved", "normal", "acknowledge"),
    ("suppressed", "normal", "acknowledge"),
    *((state, state, action) for state in ("acknowledged", *HIDDEN) for action in ("confirm", "reset")),
    *((state, "normal", action) for state in ("acknowledged", *HIDDEN[:2]) for action in ("confirm", "reset")),
    *((state, "shelved", "shelve") for state in OPEN),
    *((state, "suppressed", "suppress") for state in OPEN),
    *((state, "out-of-service", "remove-from-service") for state in (*OPEN, *HIDDEN[:2])),
    *(("shelved", state, "unshelve") for state in OPEN),
    *(("suppressed", state, "unsuppress") for state in OPEN),
    *(("out-of-service", state, "return-to-service") for state in (*OPEN, "normal")),
    ("acknowledged", "unacknowledged", "re-alarm"),
    *((state, state, action) for state in (*OPEN, *HIDDEN) for action in ("severity", "stale", "chattering")),
}
ACTIONS: tuple[Action, ...] = (*alarm.LIVE,)


class AnyLife(RuleBasedStateMachine):
    """Random detections and commands at random times, on an alert that demands some of what can be demanded."""

    @initialize(latch=st.booleans(), confirm=st.booleans(), realarm=st.sampled_from([0, 30 * 60_000]))
    def open(self, latch: bool, confirm: bool, realarm: int) -> None:
        """Start with one alert."""
        self.now = 0
        self.serial = 0
        self.alert = alarm.opened(FIRING, 0, Demands(latch, confirm, realarm))

    def keep(self, after: Alert | None, most: int = 1) -> None:
        """Take the new alert; its history continues the old one, by at most ``most`` steps, and every step is legal."""
        assert after is not None
        before = len(self.alert.history)
        assert after.history[:before] == self.alert.history
        new = after.history[before:]
        assert len(new) <= most
        assert bool(new) == (after is not self.alert)
        for step, was in zip(new, [self.alert.state, *(step.now for step in new)], strict=False):
            assert step.was == was
            assert step.action == "comment" or (step.was, step.now, step.action) in LEGAL
        self.alert = after

    @rule(detection=st.sampled_from([FIRING, OVER]))
    def detect(self, detection: Detection) -> None:
        """The detection fires again or clears."""
        self.keep(alarm.apply(self.alert, detection, self.now))

    @rule(
        action=st.sampled_from(ACTIONS),
        by=st.sampled_from(["li", "wang"]),
        again=st.booleans(),
        comment=st.sampled_from(["", "works"]),
        severity=st.sampled_from([None, "Extreme", "Minor"]),
        minutes=st.one_of(st.none(), st.integers(-10, 600)),
    )
    def command(
        self, action: Action, by: str, again: bool, comment: str, severity: Severity | None, minutes: int | None
    ) -> None:
        """Somebody asks for something, perhaps the same once more; the answer agrees with ``allowed``."""
        self.serial += not again
        until = None if minutes is None else self.now + minutes * 60_000
        wanted = order(action, by, f"{self.serial}", until, severity, comment)
        seen = any(step.command == wanted.id for step in self.alert.history)
        legal = action in alarm.allowed(self.alert)
        valid = (bool(comment) or action not in alarm.REASONED) and (severity is not None or action != "severity")
        valid = valid and (action != "shelve" or minutes is None or 0 < minutes <= 480)
        after, answer = alarm.decide(self.alert, wanted, self.now)
        expected = "done" if seen else "conflict" if not legal else "done" if valid else "invalid"
        assert answer.status == expected
        self.keep(after)

    @rule(source=st.sampled_from(["alert/cause", "silence/s"]), back=st.booleans())
    def design(self, source: str, back: bool) -> None:
        """An inhibition or a silence begins or ends."""
        hide = alarm.unsuppressed if back else alarm.suppressed
        self.keep(hide(self.alert, source, self.now))

    @rule(minutes=st.integers(1, 900))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.now += minutes * 60_000
        due = alarm.due(self.alert)
        after = alarm.elapsed(self.alert, self.now)
        assert (after is not self.alert) == (due is not None and due <= self.now)
        self.keep(after, most=3)

    @invariant()
    def sound(self) -> None:
        """The fields agree with the state."""
        alert = self.alert
        assert alert.history[-1].now == alert.state
        assert (alert.closed is not None) == (alert.state == "normal")
        assert (alert.acknowledged_at is not None) == bool(alert.acknowledged_by)
        assert (alert.shelved_until is not None) <= (alert.state in ("shelved", "normal"))
        assert alert.state not in alarm.HIDDEN or alert.hidden_by
        if alert.state == "normal":
            assert alert.cleared is not None
            assert alert.acknowledged_by
            assert alert.reset_by or not alert.latch
            assert alert.confirmed_by or not alert.confirm
        assert from_json(to_json(alert), Alert) == alert


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
