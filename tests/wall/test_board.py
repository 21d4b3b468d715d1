"""The board: deltas and snapshots tell the same story."""

from __future__ import annotations

import msgspec
import numpy as np

from tests.wall.told import Told
from wall import levels
from wall.board import Board


def board(datastreams: int = 500) -> Board:
    made = Board(np.zeros(datastreams, np.uint8), 1)
    made.scale = levels.Scale(np.zeros(1), np.full(1, 50.0))
    return made


def snapshot(of: Board) -> Told:
    told = Told()
    told.hear("snapshot", msgspec.json.decode(of.snapshot(0)))
    return told


def test_a_delta_applied_to_a_snapshot_equals_the_fresh_snapshot() -> None:
    """However the city moves, a viewer of the first hour and one who comes now see the same."""
    rng = np.random.default_rng(7)
    it = board()
    told = snapshot(it)
    for tick in range(60):
        value = rng.poisson(20, 500).astype(np.float32)
        value[rng.random(500) < 0.05] = np.nan
        it.place = it.scale.places(value, it.kind)
        key = f"a{rng.integers(12)}"
        it.set("alerts", key, None if rng.random() < 0.2 else {"state": str(rng.integers(3)), "level": 1, "by": ""})
        it.put("zones", {f"z{k}": {"value": int(rng.integers(3))} for k in range(int(rng.integers(4)))})
        it.history.append([tick, {"people": [tick, None]}])
        it.time = tick * 1000
        delta = it.delta(at=tick, accepted=None, limit=40)
        if delta is not None:
            told.hear("delta", msgspec.json.decode(delta))
        assert told.same(snapshot(it)), f"tick {tick}"
    assert (told.body["levels"] != levels.NONE).sum() > 400


def test_held_moves_come_with_the_next_ticks() -> None:
    """What did not fit into one tick is told in the following ones, until nothing is held."""
    it = board()
    it.place = np.full(500, 10.0, np.float32)
    for _ in range(5):
        it.delta(at=0, accepted=None, limit=100)
    assert (it.level == 10).all()
    assert it.held == 0


def test_the_heat_waits_when_much_else_is_told() -> None:
    """Alerts take the room of a delta first; the levels have what is left, but never stand still."""
    sizes = {}
    for alerts in (0, 5, 50):
        it = board(5000)
        it.place = np.full(5000, 10.0, np.float32)
        for key in range(alerts):
            it.set("alerts", f"a{key}", {"headline": "x" * 80})
        delta = it.delta(0, None, 3000, room=3000) or b""
        sizes[alerts] = (int((it.level == 10).sum()), len(delta) < 3600)
    assert sizes == {0: (1487, True), 5: (1220, True), 50: (200, False)}


def test_only_the_changed_fields_of_a_row_are_told() -> None:
    """An acknowledgement costs some bytes, not the whole alert again."""
    it = board()
    it.set("alerts", "a", {"headline": {"en": "x" * 200, "zh": ""}, "state": "unacknowledged"})
    it.delta(0, None, 10)
    it.set("alerts", "a", {"headline": {"en": "x" * 200, "zh": ""}, "state": "acknowledged"})
    delta = msgspec.json.decode(it.delta(0, None, 10) or b"")
    assert delta["alerts"] == {"set": {"a": {"state": "acknowledged"}}, "gone": []}


def test_nothing_new_is_no_delta() -> None:
    """A city that stands still sends nothing."""
    it = board()
    it.place = np.full(500, 3.0, np.float32)
    assert it.delta(0, None, 1000) is not None
    assert it.delta(1, None, 1000) is None


def test_a_snapshot_holds_only_what_was_told() -> None:
    """A viewer who comes between two ticks must not know what the next delta will tell again."""
    it = board()
    it.set("alerts", "a", {"state": "unacknowledged"})
    assert snapshot(it).body["alerts"] == {}


def test_a_city_set_back_begins_its_history_anew() -> None:
    """After a replay was started again, older ticks are shown."""
    it = board()
    it.history = [[100, {}]]
    it.delta(0, None, 10)
    it.forget()
    it.history = [[50, {}]]
    it.delta(0, None, 10)
    assert snapshot(it).body["history"] == [[50, {}]]
