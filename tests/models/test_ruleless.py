"""Alerts whose rule was taken out of its pack."""

from __future__ import annotations

from dataclasses import replace

from models.room import Room, Setup
from models.ruleless import WAIT_MS, WHY
from models.values import Alert
from tests.models.table import MINUTE, START, detection

RULES = frozenset({("crowd", "crowded"), ("crowd", "empty")})


def reloaded(room: Room, rules: frozenset[tuple[str, str]], now: int) -> Room:
    """The room after its packs were taken over, as the agent does it."""
    after = Room(replace(room.setup, rules=rules))
    after.restore(room.alerts, room.incidents, room.units, room.items, now)
    return after


def test_an_alert_whose_rule_was_removed_clears_and_says_why() -> None:
    """Nobody else would ever clear it; the alert of the rule that stays is left alone."""
    room = Room(Setup(rules=RULES))
    gone, stays = detection("bridge"), detection("square", km=5, rule="empty")
    for one in (gone, stays):
        room.take(one, START)
    assert room.tick(START + MINUTE).alerts == {}
    now = START + 2 * MINUTE
    room = reloaded(room, frozenset({("crowd", "empty")}), now)
    room.tick(now)
    over, open_ = room.alerts[gone.id], room.alerts[stays.id]
    assert (over.state, over.cleared, over.history[-1].comment) == ("returned-unacknowledged", now, WHY)
    assert (open_.state, open_.cleared) == ("unacknowledged", None)


def test_a_rule_that_is_new_to_the_room_has_its_time() -> None:
    """An engine takes over a new rule before the room does: its alert is not cleared meanwhile."""
    room = Room(Setup(rules=frozenset()))
    new = detection()
    room.take(new, START)
    room.tick(START + WAIT_MS - 1)
    assert room.alerts[new.id].cleared is None
    room = reloaded(room, RULES, START + WAIT_MS)
    room.tick(START + 10 * MINUTE)
    assert room.alerts[new.id].cleared is None


def test_faults_of_sensors_and_gateways_need_no_rule() -> None:
    """What is found about sensors of a pack that is there, and about gateways, is no pack's rule."""
    room = Room(Setup(rules=RULES))
    found = [
        detection("cam-1", rule="SensorStuck", kind="data-quality"),
        detection("g5", km=9, pack="data-quality", rule="GatewaySilent", kind="data-quality"),
        detection("cam-2", km=20, pack="gone", rule="SensorStuck", kind="data-quality"),
    ]
    for one in found:
        room.take(one, START)
    room.tick(START + MINUTE)
    known: list[Alert] = [room.alerts[one.id] for one in found]
    assert [alert.cleared is None for alert in known] == [True, True, False]
