"""Soundness of sensors, as timetables: what is found when, and what is let be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.detectors.base import BadState
from models.soundness import COPY, KINDS, SILENT, SOUND, STUCK, ZEROS, Soundness, checks

START = 1_790_000_000_000
CADENCE = 5_000
MINUTE = 12  # readings
Told = Callable[[NDArray[np.intp]], NDArray[np.float32]]


def alone(rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """No neighbour shows zero."""
    return np.zeros(len(rows), np.float32)


def everywhere(rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """All neighbours show zero."""
    return np.ones(len(rows), np.float32)


class Street:
    """A few cameras, one reading each 5 s, swept every 5 s; a value of None says nothing."""

    def __init__(self, n: int = 3, counts: bool = True, expected: float = 8.0) -> None:
        self.sound = Soundness(checks(CADENCE, counts), n)
        self.expected = np.full(n, expected, np.float32)
        self.now = START
        self.changes: list[tuple[int, int, str]] = []  # seconds after START, row, kind

    def push(self, minutes: float, *values: Callable[[int], float | None], empty: Told = alone) -> None:
        """Let the cameras show ``values`` of the number of the reading for so long."""
        for k in range(round(minutes * MINUTE)):
            self.now += CADENCE
            shown = [(row, value(k)) for row, value in enumerate(values)]
            said = [(row, value) for row, value in shown if value is not None]
            rows = np.array([row for row, _ in said], np.int32)
            self.sound.learn(rows, np.full(len(said), self.now), np.array([value for _, value in said], np.float64))
            for row in self.sound.sweep(self.now, self.expected, empty).tolist():
                self.changes.append(((self.now - START) // 1000, row, KINDS[self.sound.fault[row]]))


def alive(k: int) -> float:
    """People that come and go."""
    return float(3 + k * k % 7)


def other(k: int) -> float:
    """Other people."""
    return float(2 + k * 3 % 5)


def third(k: int) -> float:
    """Still other people."""
    return float(1 + k * k * k % 13)


def test_living_cameras_are_sound() -> None:
    """An hour of people that come and go changes nothing."""
    street = Street()
    street.push(60, alive, other, lambda k: float(k % 2))
    assert street.changes == []


def test_a_stuck_camera_is_found_in_two_minutes_and_is_sound_when_it_moves() -> None:
    """Nine people for longer than any run before and two minutes are stuck; the first other value ends it."""
    street = Street()
    street.push(10, alive, other, third)
    street.push(5, lambda k: 9.0, other, third)
    street.push(1, alive, other, third)
    (found, row, kind), (over, again, sound) = street.changes
    assert (row, kind, again, sound) == (0, "stuck", 0, "sound")
    assert 720 <= found <= 740
    assert over == 905
    assert street.sound.since[0] == START + 905_000


def test_dead_zeros_are_found_where_people_are_expected() -> None:
    """A camera at zero among living ones is dead after so many missed people; one at an empty place is not."""
    street = Street()
    street.push(10, alive, other, third)
    street.push(30, lambda k: 0.0, other, third)
    found, row, kind = street.changes[0]
    assert (row, kind, found < 600 + 12 * 60) == (0, "zeros", True)
    empty = Street()
    empty.push(10, alive, other, third)
    empty.push(10, lambda k: 0.0, lambda k: 0.0, lambda k: 0.0, empty=everywhere)
    assert empty.changes == []


def test_nobody_at_night_is_no_fault() -> None:
    """Where hardly anybody is expected, ten minutes at zero are sound."""
    street = Street(expected=0.2)
    street.push(60, lambda k: float(k % 120 == 0), other, third)
    assert street.changes == []


def test_a_level_may_rest_and_a_dry_gauge_forever() -> None:
    """A level that stays for hours is sound, one at zero always; one that rests far beyond its record is stuck."""
    street = Street(counts=False)
    street.push(10, alive, other, third)
    street.push(5 * 60, lambda k: 0.3, lambda k: 0.0, other)
    assert street.changes == []
    street.push(2 * 60, lambda k: 0.3, lambda k: 0.0, other)
    assert [change[1:] for change in street.changes] == [(0, "stuck")]


def test_a_silent_camera_is_found_while_others_speak() -> None:
    """Half a minute without a reading is silence; the next reading ends it."""
    street = Street()
    street.push(10, alive, other, third)
    street.push(2, lambda k: None, other, third)
    street.push(1, alive, other, third)
    (found, row, kind), (over, _, sound) = street.changes
    assert (row, kind, sound) == (0, "silent", "sound")
    assert 620 <= found <= 660
    assert over == 725


def test_a_pause_of_the_whole_city_silences_nobody() -> None:
    """Two hours in which nothing came are not counted: the cameras have their usual time to speak again."""
    street = Street()
    street.push(10, alive, other, lambda k: 1.0 + k % 3)
    street.now += 7_200_000
    street.sound.pause(7_200_000 - 10_000)
    street.push(3, alive, other, lambda k: 1.0 + k % 3)
    assert street.changes == []


def test_a_copy_is_found() -> None:
    """A camera that repeats another one's people is a copy of it, and knows of which."""
    street = Street()
    street.push(20, lambda k: float(k * k % 11), other, lambda k: float(k * k % 11))
    assert [change[1:] for change in street.changes] == [(2, "copy")]
    assert street.sound.twin.tolist() == [-1, -1, 0]


def test_checks_can_be_left_out() -> None:
    """Without any check nothing is found."""
    usual = checks(CADENCE, True)
    assert usual.zeros
    street = Street()
    street.sound = Soundness(type(usual)(CADENCE), 3)
    street.push(10, lambda k: 9.0, lambda k: None if k else 1.0, lambda k: 9.0)
    assert street.changes == []


def test_saved_and_restored_it_goes_on_to_the_bit() -> None:
    """A snapshot in the middle of a fault changes nothing; one of another number is refused."""
    first, second = Street(), Street()
    for street in (first, second):
        street.push(12, lambda k: 9.0, other, alive)
    saved = second.sound.snapshot()
    second.sound = Soundness(checks(CADENCE, True), 3)
    second.sound.restore(saved)
    for street in (first, second):
        street.push(3, alive, lambda k: None, alive)
    assert first.changes == second.changes
    assert {k: v.tobytes() for k, v in first.sound.snapshot().items()} == {
        k: v.tobytes() for k, v in second.sound.snapshot().items()
    }
    with pytest.raises(BadState, match="not of 4 datastreams"):
        Soundness(checks(CADENCE, True), 4).restore(saved)


def test_the_kinds_are_numbered_as_told() -> None:
    """The numbers on the wire are those of the names."""
    assert [KINDS[k] for k in (SOUND, STUCK, ZEROS, SILENT, COPY)] == ["sound", "stuck", "zeros", "silent", "copy"]
