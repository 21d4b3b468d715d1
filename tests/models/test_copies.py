"""Copies: the same series twice is found, alike and quiet ones are not, whatever the cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.copies import READINGS, STREAK, Copies, State

CADENCE = 5_000
COPIES = Copies(CADENCE)
SPANS = STREAK + 1
LENGTH = (SPANS + 1) * READINGS
START = 1_790_000_000_000 // COPIES.span_ms * COPIES.span_ms


def feed(series: list[NDArray[np.float64]], pieces: int = 1, offsets: tuple[int, ...] = ()) -> State:
    """The state after these series, one reading each a cadence, compared as the time goes on."""
    state = COPIES.start(len(series))
    number = np.arange(len(series), dtype=np.int32)
    late = np.array(offsets or [0] * len(series), np.int64)
    for chunk in np.array_split(np.arange(len(series[0])), max(pieces, 20)):
        rows = np.tile(number, len(chunk)).astype(np.int32)
        time = (START + chunk[:, None] * CADENCE + late).ravel().astype(np.int64)
        value = np.stack([one[chunk] for one in series], axis=1).ravel().astype(np.float64)
        for part in np.array_split(np.arange(len(rows)), 1 if pieces == 1 else 3):
            COPIES.learn(state, rows[part], time[part], value[part])
        COPIES.compare(state, int(time[-1]))
    return state


def people(seed: int, mean: float = 6.0) -> NDArray[np.float64]:
    """Counts of a camera."""
    return np.random.default_rng(seed).poisson(mean, LENGTH).astype(np.float64)


def test_a_copy_is_found_and_knows_its_twin() -> None:
    """Of two equal series among others the later one is the copy of the earlier; nobody else is one."""
    state = feed([people(1), people(2), people(3), people(2)])
    assert Copies.found(state).tolist() == [False, False, False, True]
    assert state["twin"].tolist() == [-1, -1, -1, 1]


def test_quiet_series_are_no_copies() -> None:
    """Two places where nothing happens look the same and are not called copies."""
    assert not Copies.found(feed([np.zeros(LENGTH), np.zeros(LENGTH), np.ones(LENGTH)])).any()


def test_a_series_that_parts_is_no_copy_any_more() -> None:
    """Once the values differ the next span takes the word back."""
    other = people(2)
    other[-READINGS - 1 :] += 1.0
    longer = np.concatenate([other, people(9)])
    first = np.concatenate([people(2), people(8)])
    assert not Copies.found(feed([first, longer])).any()


def test_alike_for_one_span_is_not_enough() -> None:
    """A coincidence of one span is none of three."""
    other = people(4)
    other[:READINGS] = people(5)[:READINGS]
    assert not Copies.found(feed([people(5), other])).any()


@pytest.mark.parametrize("pieces", [2, 40])
def test_any_cut_gives_the_same(pieces: int) -> None:
    """However the readings are cut, the state is the same to the bit."""
    whole, parts = feed([people(1), people(2), people(1)], 1), feed([people(1), people(2), people(1)], pieces)
    assert {name: array.tobytes() for name, array in whole.items() if name != "compared"} == {
        name: array.tobytes() for name, array in parts.items() if name != "compared"
    }
