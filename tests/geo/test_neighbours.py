"""Zones beside each other, the nearest zone, and sums over zones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely

from config import city as packs
from geo.crs import Metric
from geo.neighbours import Neighbours
from geo.sums import zone_sums
from geo.zones import zones
from tests.geo.shapes import points, stars

CHENGDU = Metric(32648)
EDGES = (104.0, 104.01, 104.02, 104.03)
ROW = [shapely.box(west, 30.6, east, 30.61) for west, east in pairwise(EDGES)]
UPPER = shapely.box(104.01, 30.61, 104.02, 30.62)


def made(*shapes: shapely.Polygon) -> Neighbours:
    """The neighbours of shapes named by their place."""
    return Neighbours(zones([str(row) for row in range(len(shapes))], shapes), CHENGDU)


def test_zones_that_share_a_border_are_neighbours_by_its_length() -> None:
    """In a row of three the ends are not neighbours; a corner is no border."""
    borders = made(*ROW, UPPER).borders.toarray()
    assert (borders > 0).astype(int).tolist() == [[0, 1, 0, 0], [1, 0, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert borders[0, 1] == pytest.approx(0.01 * 110_860, rel=0.01)
    assert (borders == borders.T).all()


def test_overlaps_are_told_in_square_metres() -> None:
    """A box half over its neighbour has half of it in common."""
    half = shapely.box(104.005, 30.6, 104.015, 30.61)
    overlaps = made(ROW[0], half).overlaps.toarray()
    assert overlaps[0, 1] == pytest.approx(0.005 * 95_900 * 0.01 * 110_860, rel=0.01)


def test_chengdus_districts_know_their_neighbours() -> None:
    """Jinjiang borders on Qingyang and not on Pujiang; no district overlaps another; none is alone."""
    city = packs.load("chengdu")
    districts = zones([zone.id for zone in city.districts], [zone.polygon for zone in city.districts])
    beside = Neighbours(districts, city.metric)
    borders = beside.borders.toarray()
    jinjiang, qingyang, pujiang = (districts.index[code] for code in ("510104", "510105", "510131"))
    assert borders[jinjiang, qingyang] > 1_000
    assert borders[jinjiang, pujiang] == 0
    assert (borders.sum(axis=1) > 0).all()
    assert beside.overlaps.sum() < 100  # square metres, of 14,334 square kilometres


def test_the_nearest_zone_is_measured_in_metres() -> None:
    """0 m inside, the distance outside, -1 and NaN without a place."""
    zone, metres = made(*ROW).nearest([104.005, 104.04, np.nan], [30.605, 30.605, 30.6])
    assert zone.tolist() == [0, 2, -1]
    assert metres[:2] == pytest.approx([0.0, 0.01 * 95_900], rel=0.01)
    assert np.isnan(metres[2])


def test_of_equally_near_zones_the_lowest_is_told() -> None:
    """On the border of two and inside two nested ones."""
    nested = made(shapely.box(103, 30, 105, 31), *ROW)
    assert nested.nearest([104.01], [30.605])[0].tolist() == [0]
    assert made(*ROW[::-1]).nearest([104.01], [30.605])[0].tolist() == [1]


def test_the_nearest_zone_agrees_with_asking_each() -> None:
    """On stars and random points, against shapely one by one."""
    shapes = stars(seed=8, count=40, radius=0.03)
    beside = made(*shapes)
    lon, lat = points(seed=9, count=200)
    zone, metres = beside.nearest(lon, lat)
    plane = shapely.points(*CHENGDU.forward(lon, lat))
    each = np.array([shapely.distance(shape, plane) for shape in beside.flat])
    assert metres == pytest.approx(each.min(axis=0))
    assert zone.tolist() == each.argmin(axis=0).tolist()


def test_sums_over_zones_are_those_of_a_loop() -> None:
    """Overlapping zones each count their own; gaps are left out; an empty zone is a gap, not zero."""
    shapes = [*stars(seed=5, count=30, radius=0.2), shapely.box(0, 0, 1, 1)]
    where = zones([str(row) for row in range(31)], shapes)
    lon, lat = points(seed=6, count=1_000)
    value = np.random.default_rng(7).normal(10, 3, 1_000)
    value[::7] = np.nan
    sums, counts = zone_sums(where.containing(lon, lat), 31, 1_000).totals(value)
    inside = [shapely.intersects_xy(shape, lon, lat) & np.isfinite(value) for shape in shapes]
    assert counts.tolist() == [int(rows.sum()) for rows in inside]
    assert sums[:30] == pytest.approx([value[rows].sum() for rows in inside[:30]])
    assert np.isnan(sums[30])


def test_values_of_another_length_are_refused() -> None:
    """Both lengths are in the message."""
    sums = zone_sums(zones(["a"], [ROW[0]]).containing([104.005], [30.605]), 1, 1)
    with pytest.raises(ValueError, match=r"\(2,\).*\(1,\)"):
        sums.totals([1.0, 2.0])
