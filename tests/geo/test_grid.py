"""Hexagons: levels against H3 itself, sums that lose nothing, gaps, and what a zoom shows."""

from __future__ import annotations

import h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.grid import grid, parents, resolution_for
from tests.geo.shapes import points


def test_cells_are_h3s_own() -> None:
    """Each point's cell is what h3 says, at the finest and at a coarser level."""
    lon, lat = points(seed=1, count=300)
    made = grid(lon, lat, finest=9)
    for resolution in (9, 6):
        level = made.level(resolution)
        ours = [h3.int_to_str(int(cell)) for cell in level.cells[level.of]]
        assert ours == [
            h3.cell_to_parent(h3.latlng_to_cell(y, x, 9), resolution) for x, y in zip(lon, lat, strict=True)
        ]


@given(st.floats(-180, 180), st.floats(-89, 89), st.integers(0, 15), st.integers(0, 15))
@settings(max_examples=100, deadline=None)
def test_parents_by_arithmetic_are_h3s_parents(lon: float, lat: float, one: int, other: int) -> None:
    """Anywhere on earth, between any two resolutions."""
    fine, coarse = max(one, other), min(one, other)
    cell = h3.latlng_to_cell(lat, lon, fine)
    ours = parents(np.array([h3.str_to_int(cell)], np.uint64), coarse)
    assert h3.int_to_str(int(ours[0])) == h3.cell_to_parent(cell, coarse)


def test_no_value_is_lost_at_any_level() -> None:
    """The sum and the count over all cells are those of the points, at every resolution."""
    lon, lat = points(seed=2, count=2_000)
    value = np.random.default_rng(3).integers(0, 100, 2_000).astype(float)
    made = grid(lon, lat, finest=10)
    for resolution in range(11):
        level = made.level(resolution)
        assert level.total(value).sum() == value.sum()
        assert level.count.sum() == 2_000


def test_gaps_are_left_out_and_a_cell_of_gaps_is_a_gap() -> None:
    """NaN is not zero people."""
    level = grid([104.06, 104.06, 104.5], [30.66, 30.66, 30.2], finest=8).level(8)
    near = int(level.of[0])
    value = [4.0, np.nan, np.nan]
    assert (level.total(value)[near], level.mean(value)[near], level.peak(value)[near]) == (4.0, 4.0, 4.0)
    assert np.isnan([level.total(value)[1 - near], level.mean(value)[1 - near], level.peak(value)[1 - near]]).all()


def test_peak_keeps_the_one_alarm_in_sight() -> None:
    """One point of nine among zeros gives its cell nine."""
    value = np.zeros(500)
    value[123] = 9.0
    level = grid(np.full(500, 104.06), np.full(500, 30.66)).level(4)
    assert level.peak(value).tolist() == [9.0]


def test_points_without_a_place_are_in_no_cell() -> None:
    """NaN and impossible latitudes have row -1 and disturb no sum."""
    level = grid([104.06, np.nan, 104.06], [30.66, 30.66, 999.0]).level(5)
    assert level.of.tolist() == [0, -1, -1]
    assert level.total([1.0, 2.0, 4.0]).tolist() == [1.0]


def test_centres_and_outlines_are_lon_lat_around_the_points() -> None:
    """A cell's centre is near its point and within its outline's box."""
    level = grid([104.06], [30.66], finest=8).level(8)
    low, high = level.outlines[0].min(axis=0), level.outlines[0].max(axis=0)
    assert level.centres[0] == pytest.approx([104.06, 30.66], abs=0.01)
    assert (low <= level.centres[0]).all()
    assert (level.centres[0] <= high).all()


def test_a_city_of_cameras_becomes_what_a_wall_can_show() -> None:
    """95,000 points: some hundred cells for the whole city, more for the core, fewer pixels never finer cells."""
    lon, lat = points(seed=4, count=95_000)
    made = grid(lon, lat)
    whole, core = made.at_zoom(9, 30.66), made.at_zoom(11, 30.66)
    assert 100 < len(whole) < 10_000
    assert len(whole) < len(core) < 95_000
    steps = [resolution_for(zoom, 30.66, 36) for zoom in np.arange(0, 20, 0.25)]
    assert steps == sorted(steps)
    assert resolution_for(11, 30.66, 72) < resolution_for(11, 30.66, 18)


@pytest.mark.parametrize("resolution", [-1, 11])
def test_a_resolution_that_the_grid_lacks_is_refused(resolution: int) -> None:
    """The message carries the value and the limits."""
    with pytest.raises(ValueError, match=f"resolution {resolution} is outside 0..10"):
        grid([104.0], [30.0], finest=10).level(resolution)


def test_no_points_have_no_cells() -> None:
    """Empty in, empty out."""
    level = grid([], []).level(3)
    assert (len(level), level.total([]).tolist(), level.centres.shape) == (0, [], (0, 2))
