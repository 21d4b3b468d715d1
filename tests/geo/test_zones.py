"""Points in zones: the index against a plain loop, borders, nesting, holes, and what is known of each zone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.zones import Hits, Zones, zones
from tests.geo.shapes import plain_loop, points, stars


def pairs(hits: Hits) -> set[tuple[int, int]]:
    """The answer as a set of (point, zone)."""
    return set(zip(hits.point.tolist(), hits.zone.tolist(), strict=True))


def named(*shapes: Any, district: list[bool] | None = None) -> Zones:
    """Zones named by their place."""
    return zones([str(row) for row in range(len(shapes))], shapes, district)


def test_index_agrees_with_a_plain_loop_over_overlapping_zones() -> None:
    """Every (point, zone) of 200 overlapping stars is found, and nothing else."""
    shapes = stars(seed=1, count=200, radius=0.12)
    lon, lat = points(seed=2, count=5_000)
    assert pairs(named(*shapes).containing(lon, lat)) == plain_loop(shapes, lon, lat)


def test_pairs_are_sorted_by_point_then_zone() -> None:
    """Offsets cut the answer into one ascending run of zones a point."""
    shapes = stars(seed=3, count=100, radius=0.2)
    lon, lat = points(seed=4, count=2_000)
    hits = named(*shapes).containing(lon, lat)
    offsets = hits.offsets(len(lon))
    runs = [hits.zone[offsets[i] : offsets[i + 1]].tolist() for i in range(len(lon))]
    assert all(run == sorted(set(run)) for run in runs)
    assert sum(len(run) for run in runs) == len(hits)


def test_nested_zones_all_contain_the_point() -> None:
    """A venue in a district in a city gives three zones."""
    nest = named(shapely.box(0, 0, 9, 9), shapely.box(1, 1, 8, 8), shapely.box(2, 2, 3, 3))
    assert nest.containing([2.5], [2.5]).zone.tolist() == [0, 1, 2]


def test_a_hole_is_outside_and_its_edge_inside() -> None:
    """A point in a hole is in no zone; on the hole's edge it is."""
    ring = named(shapely.Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (3, 1), (3, 3), (1, 3)]]))
    assert pairs(ring.containing([2.0, 1.0, 0.5], [2.0, 2.0, 0.5])) == {(1, 0), (2, 0)}


def test_all_parts_of_a_multipolygon_count() -> None:
    """A point in any island of a zone is in the zone."""
    islands = named(shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]))
    assert pairs(islands.containing([0.5, 5.5, 3.0], [0.5, 5.5, 3.0])) == {(0, 0), (1, 0)}


def test_borders_and_corners_belong_to_every_zone_they_bound() -> None:
    """The corner where four squares meet is in all four."""
    four = named(*[shapely.box(x, y, x + 1, y + 1) for x in (0, 1) for y in (0, 1)])
    assert four.containing([1.0], [1.0]).zone.tolist() == [0, 1, 2, 3]
    assert four.containing([1.0], [0.5]).zone.tolist() == [0, 2]


def test_a_border_point_has_one_district_the_lowest() -> None:
    """On a border of districts the lowest row wins, and zones that are no districts do not count."""
    some = named(
        shapely.box(0, 0, 3, 3), shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1), district=[False, True, True]
    )
    assert some.districts([1.0, 1.5, 2.5, 9.0], [0.5, 0.5, 2.5, 9.0]).tolist() == [1, 2, -1, -1]


def test_points_that_are_no_numbers_are_nowhere() -> None:
    """NaN and infinity are in no zone, and disturb no other point."""
    box = named(shapely.box(0, 0, 1, 1))
    assert pairs(box.containing([np.nan, np.inf, 0.5, 0.5], [0.5, 0.5, -np.inf, 0.5])) == {(3, 0)}


def test_no_zones_and_no_points_give_no_answers() -> None:
    """Empty in, empty out."""
    assert len(named().containing([1.0], [1.0])) == 0
    assert len(named(shapely.box(0, 0, 1, 1)).containing([], [])) == 0


def test_lon_and_lat_of_different_length_are_refused() -> None:
    """The message carries both shapes."""
    with pytest.raises(ValueError, match=r"\(2,\).*\(1,\)"):
        named(shapely.box(0, 0, 1, 1)).containing([1.0, 2.0], [1.0])


grain = st.integers(0, 8)


@given(st.lists(st.tuples(grain, grain, grain, grain), min_size=1, max_size=6), st.lists(st.tuples(grain, grain)))
@settings(max_examples=60, deadline=None)
def test_points_on_edges_and_vertices_agree_with_the_geometry_engine(
    boxes: list[tuple[int, int, int, int]], asked: list[tuple[int, int]]
) -> None:
    """On a coarse lattice, where most points lie on an edge or a vertex, the index and shapely agree."""
    shapes = [
        shapely.Polygon([(x, y), (x + w + 1, y), (x + w + 1, y + h + 1), (x + (w + 1) / 2, y), (x, y + h + 1)]).buffer(
            0
        )
        for x, y, w, h in boxes
    ]
    lon, lat = np.array([p[0] / 2 for p in asked], float), np.array([p[1] / 2 for p in asked], float)
    assert pairs(named(*shapes).containing(lon, lat)) == plain_loop(shapes, lon, lat)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_points_at_vertices_of_stars_are_inside(seed: int) -> None:
    """Each vertex of a zone is in the zone, though rounding would often say otherwise."""
    shapes = stars(seed=seed, count=5, radius=0.3)
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    found = pairs(named(*shapes).containing(xy[:, 0], xy[:, 1]))
    assert {(row, int(zone)) for row, zone in enumerate(owner)} <= found


@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
@settings(max_examples=20, deadline=None)
def test_a_tiling_gives_each_point_exactly_one_district(seed: int, seeds: int) -> None:
    """Over a tiling without gaps every point has exactly one district, also at the tiles' corners."""
    rng = np.random.default_rng(seed)
    cells = shapely.voronoi_polygons(
        shapely.MultiPoint(rng.uniform(0, 1, (seeds, 2))), extend_to=shapely.box(0, 0, 1, 1)
    )
    tiles = [
        tile for tile in shapely.get_parts(shapely.intersection(shapely.get_parts(cells), shapely.box(0, 0, 1, 1)))
    ]
    corners = shapely.get_coordinates(tiles)
    lon, lat = np.append(rng.uniform(0, 1, 500), corners[:, 0]), np.append(rng.uniform(0, 1, 500), corners[:, 1])
    district = named(*tiles).districts(lon, lat)
    lowest = [min(zone for zone, tile in enumerate(tiles) if tile.intersects(shapely.Point(p))) for p in corners]
    assert district[500:].tolist() == lowest
    assert (district[:500] >= 0).mean() >= 0.99  # clipping may open gaps of one rounding, never more


def test_area_is_measured_on_the_ellipsoid_without_holes() -> None:
    """A box of a tenth of a degree at the equator is 11.13 by 11.06 km; its hole is taken off."""
    square = shapely.box(0, 0, 0.1, 0.1)
    holed = square.difference(shapely.box(0.04, 0.04, 0.06, 0.06))
    area = named(square, holed).area_m2
    assert area[0] == pytest.approx(11_132 * 11_057, rel=1e-3)
    assert area[1] == pytest.approx(area[0] * 0.96, rel=1e-3)


def test_label_lies_inside_even_a_crescent() -> None:
    """The label of a horseshoe is in its ground, not in its bay."""
    horseshoe = shapely.Point(104, 30).buffer(0.2).difference(shapely.Point(104.05, 30).buffer(0.17))
    lon, lat = named(horseshoe).label[0]
    assert horseshoe.contains(shapely.Point(lon, lat))
