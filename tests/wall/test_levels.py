"""Heat levels and their bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wall import levels

ROWS = st.lists(st.integers(0, 2_000_000), unique=True, max_size=200).map(sorted)


@given(ROWS)
def test_rows_survive_packing(rows: list[int]) -> None:
    """Whatever rows moved, the browser learns the same ones."""
    packed = levels.pack_rows(np.array(rows, np.int64))
    assert levels.unpack_rows(packed).tolist() == rows


@given(st.lists(st.integers(0, 15), max_size=50))
def test_levels_survive_packing(given_levels: list[int]) -> None:
    """Levels come out as they went in, also an odd number of them."""
    packed = levels.pack_levels(np.array(given_levels, np.uint8))
    assert levels.unpack_levels(packed, len(given_levels)).tolist() == given_levels


def test_a_close_row_costs_one_byte() -> None:
    """A gap under 128 is one byte, so that a full tick stays small."""
    assert len(levels.pack_rows(np.array([0, 100, 228, 356]))) == 4


def test_the_scale_runs_from_zero_to_the_busiest_hundredth() -> None:
    """The 99th percentile is level 15, nothing is level 0, and what was never seen has no place."""
    value = np.arange(0, 101, dtype=np.float32)
    kind = np.zeros(101, np.uint8)
    scale = levels.unknown(2).grown(value, kind)
    place = scale.places(np.array([0, 99, 500, np.nan], np.float32), np.zeros(4, np.uint8))
    assert scale.busy[0] == 99.0
    assert place[:3].round(3).tolist() == [0.0, 15.0, 15.0]
    assert np.isnan(place[3])
    assert np.isnan(scale.busy[1])


def test_the_scale_grows_and_never_shrinks() -> None:
    """A quiet night after a busy day does not make the night look busy."""
    kind = np.zeros(100, np.uint8)
    busy = levels.unknown(1).grown(np.full(100, 80, np.float32), kind)
    quiet = busy.grown(np.full(100, 2, np.float32), kind)
    assert quiet.busy.tolist() == busy.busy.tolist()
    assert busy.grown(np.full(100, 200, np.float32), kind).busy.tolist() == [200.0]


def test_metres_above_the_sea_do_not_all_look_full() -> None:
    """A kind whose values are far from zero is spread over its own range."""
    value = np.linspace(480, 490, 101).astype(np.float32)
    scale = levels.unknown(1).grown(value, np.zeros(101, np.uint8))
    assert levels.TOP > scale.places(value, np.zeros(101, np.uint8)).mean() > 5


def test_small_moves_are_not_told() -> None:
    """A reading that stays near its level costs no byte."""
    rows, _, held = levels.moved(np.array([5, 5], np.uint8), np.array([5.9, 7.2], np.float32), 10)
    assert (rows.tolist(), held) == ([1], 0)


def test_the_largest_moves_go_first() -> None:
    """When a tick is full, small moves wait; lost and new datastreams never do."""
    shown = np.array([1, 1, 1, levels.NONE, 4], np.uint8)
    place = np.array([3, 14, 6, 2, np.nan], np.float32)
    rows, level, held = levels.moved(shown, place, 3)
    assert rows.tolist() == [1, 3, 4]
    assert level.tolist() == [14, 2, levels.NONE]
    assert held == 2
