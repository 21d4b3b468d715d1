"""How well each source does."""

from __future__ import annotations

import numpy as np

from sensors.gateway.health import MINUTE_MS, Health
from tests.sensors.rig import register

START = 29_000_000 * MINUTE_MS  # a whole minute


def sent(health: Health, name: str, rows: list[int], at: int, late_ms: int = 200) -> None:
    """These datastreams, each one reading, taken at ``at``."""
    time = np.full(len(rows), at - late_ms, np.int64)
    health.took(name, np.array(rows, np.int32), time, at)


def test_a_source_that_sends_what_it_should_is_complete() -> None:
    """Ten cameras each five seconds are 120 readings a minute."""
    health = Health(register())
    for step in range(24):
        sent(health, "gate", list(range(10)), START + step * 5_000)
    told = health.row("gate", START + 2 * MINUTE_MS - 1)
    assert (told["datastreams"], told["expected"], told["completeness"]) == (10, 120, 1_000)
    assert told["offset_ms"] == 200


def test_half_of_the_readings_is_half_complete_and_silence_is_none() -> None:
    """Each whole minute counts by itself."""
    health = Health(register())
    for step in range(12):
        sent(health, "gate", list(range(5 if step % 2 else 10)), START + step * 5_000)
    assert health.row("gate", START + MINUTE_MS)["completeness"] == 750
    assert health.row("gate", START + 3 * MINUTE_MS)["completeness"] == 0


def test_a_clock_that_is_off_stays_off_and_a_slow_line_does_not() -> None:
    """The least lateness of the minute counts."""
    health = Health(register())
    for step in range(12):
        sent(health, "slow line", [1], START + step * 5_000, late_ms=200 + step * 1_000)
        sent(health, "wrong clock", [2], START + step * 5_000, late_ms=-40_000)
    now = START + MINUTE_MS
    assert health.row("slow line", now)["offset_ms"] == 200
    assert health.row("wrong clock", now)["offset_ms"] == -40_000


def test_what_is_sent_twice_is_counted() -> None:
    """The same datastream at the same time."""
    health = Health(register())
    for _ in range(3):
        sent(health, "gate", [1, 2], START)
    assert health.row("gate", START)["duplicates"] == 4


def test_nobody_is_known_before_he_came() -> None:
    """And a grown register keeps what is known."""
    health = Health(register(5))
    assert health.row("gate", START) == {}
    sent(health, "gate", [1], START)
    health.use(register(9))
    sent(health, "gate", [8], START)
    assert health.row("gate", START)["datastreams"] == 2
