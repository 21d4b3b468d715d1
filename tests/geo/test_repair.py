"""Repair of zone polygons: what comes back, and that nothing is lost in silence."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import shapely

from geo.repair import repair, repaired

BOWTIE = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
SPIKE = shapely.Polygon([(0, 0), (4, 0), (4, 4), (2, 4), (2, 9), (2, 4), (0, 4)])


def test_a_valid_polygon_comes_back_itself_without_a_note() -> None:
    """Nothing is touched that needs no repair."""
    box = shapely.box(0, 0, 1, 1)
    assert repair("a", box) == (box, None)


def test_a_self_crossing_ring_becomes_two_parts_and_is_reported() -> None:
    """A bow tie is kept as its two triangles; the note says where it crossed itself."""
    mended, note = repair("tie", BOWTIE)
    assert shapely.is_valid(mended)
    assert mended.area == pytest.approx(2.0)
    assert note is not None
    assert note.id == "tie"
    assert "Self-intersection" in note.found
    assert not note.refused


def test_a_spike_is_cut_off_and_the_area_kept() -> None:
    """A spike without width has no area: the polygon keeps all of its own."""
    mended, note = repair("spike", SPIKE)
    assert mended.geom_type == "Polygon"
    assert mended.area == pytest.approx(16.0)
    assert note is not None
    assert note.lost == pytest.approx(0.0)


def test_a_hole_outside_its_shell_is_repaired_with_the_share_it_changed() -> None:
    """The stray hole becomes an island; the note says how much of the area as drawn the repair changed."""
    outside = shapely.Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(5, 5), (6, 5), (6, 6), (5, 6)]])
    mended, note = repair("hole", outside)
    assert mended.area == pytest.approx(17.0)
    assert note is not None
    assert note.lost == pytest.approx(2 / 15)


def test_overlapping_parts_become_one_valid_shape() -> None:
    """A multi-polygon whose parts overlap is merged, with holes and islands intact."""
    overlapping = shapely.MultiPolygon([shapely.box(0, 0, 2, 2), shapely.box(1, 1, 3, 3)])
    mended, note = repair("two", overlapping)
    assert shapely.is_valid(mended)
    assert mended.area == pytest.approx(7.0)
    assert note is not None


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (None, "empty"),
        (shapely.Polygon(), "empty"),
        (shapely.Point(1, 1), "Point is no area"),
        (shapely.LineString([(0, 0), (1, 1)]), "LineString is no area"),
        (shapely.Polygon([(30.6, 104.0), (30.7, 104.0), (30.7, 104.1)]), "latitude 104.1.*swapped"),
        (shapely.Polygon([(500000, 30), (500100, 30), (500100, 31)]), "longitude 500100"),
        (shapely.Polygon([(0, 0), (1, 0), (np.inf, 1), (0, 0)]), "not a finite number"),
        (shapely.Polygon([(0, 0), (1, 1), (2, 2), (0, 0)]), "no area is left"),
    ],
)
def test_what_cannot_be_a_zone_is_refused_with_its_reason(shape: Any, says: str) -> None:
    """Empty, pointlike, swapped, projected, infinite and flat shapes are refused, each with its own words."""
    good, note = repair("bad", shape)
    assert good is None
    assert note is not None
    assert note.refused
    assert re.search(says, note.found)


def test_the_report_names_every_zone_that_was_not_right() -> None:
    """Of five zones the two wrong ones are in the report, and every row keeps its place."""
    box = shapely.box(0, 0, 1, 1)
    good, report = repaired(["a", "b", "c", "d", "e"], [box, BOWTIE, box, None, box])
    assert [note.id for note in report] == ["b", "d"]
    assert [shape is None for shape in good] == [False, False, False, True, False]
