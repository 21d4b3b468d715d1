"""The scan's search: against a slow twin, with ties, limits and several streams; circles on the plane and the globe."""

from __future__ import annotations

import numpy as np
import pytest

from geo.distance import great_circle_m
from models.scan.circles import Circles, circles
from models.scan.likelihood import ceiling, contrast, surplus
from models.scan.search import Table, best, highest
from tests import naive


def table(rng: np.random.Generator, places: int, streams: int, durations: int, given: bool) -> Table:
    """Random counts, cumulated over durations; ``given``: judged by their totals."""
    expected = rng.gamma(1.0, 2.0, (places, streams, durations))
    cases = rng.poisson(expected).astype(np.float64)
    if given:
        expected *= cases.sum(axis=0) / expected.sum(axis=0)
    cells = np.stack([cases.cumsum(axis=2), expected.cumsum(axis=2)], axis=2)
    return Table(cells, cases.sum(axis=(0, 2)) if given else np.full(streams, np.inf))


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("streams", [1, 3])
def test_the_search_agrees_with_its_slow_twin(streams: int, given: bool) -> None:
    """Scores to 1e-9, and the same circles and durations, for the first and the further clusters."""
    rng = np.random.default_rng(5)
    points = rng.uniform(0.0, 1.0, (40, 2))
    points[7] = points[3]  # two places at one point
    seen = table(rng, 40, streams, 4, given)
    drawn = circles(points, 12).held(rng.gamma(2.0, 1.0, 40), 0.3)
    found = best(drawn, seen, 4)
    twin = naive.best_zones(points.tolist(), drawn.size.tolist(), 12, seen.cells.tolist(), seen.totals.tolist(), 4)
    assert [(sorted(zone.places.tolist()), zone.duration) for zone in found] == [
        (sorted(places), duration) for places, duration, _ in twin
    ]
    assert [zone.score for zone in found] == pytest.approx([score for _, _, score in twin], rel=1e-9)
    assert highest(drawn, seen) == pytest.approx(found[0].score, rel=1e-12)
    (alone,) = best(drawn, seen, 1)
    assert sorted(alone.places.tolist()) == sorted(found[0].places.tolist())


def test_clusters_share_no_place() -> None:
    """Of the zones found no two have a place in common, and their scores fall."""
    rng = np.random.default_rng(6)
    found = best(circles(rng.uniform(0, 1, (60, 2)), 15), table(rng, 60, 1, 3, False), 20)
    places = [place for zone in found for place in zone.places.tolist()]
    assert len(places) == len(set(places))
    assert [zone.score for zone in found] == sorted((zone.score for zone in found), reverse=True)


def test_nothing_is_found_where_nothing_exceeds() -> None:
    """No zone with more cases than expected: no cluster, and 0 is the highest ratio."""
    cells = np.stack([np.full((9, 1, 1), 2.0), np.full((9, 1, 1), 3.0)], axis=2)
    drawn = circles(np.random.default_rng(1).uniform(0, 1, (9, 2)), 5)
    seen = Table(cells, np.array([np.inf]))
    assert best(drawn, seen, 3) == []
    assert highest(drawn, seen) == 0.0


def test_places_that_are_equally_far_come_in_together() -> None:
    """On a grid a circle holds 1, 5 or 9 places, never some of those at the same distance."""
    grid = np.array([(x, y) for x in range(5) for y in range(5)], np.float64)
    drawn = circles(grid, 9)
    middle = 12
    assert np.flatnonzero(drawn.closed[middle]).tolist() == [0, 4, 8]
    assert sorted(drawn.order[middle, :5].tolist()) == [7, 11, 12, 13, 17]


def test_two_places_at_one_point_are_never_parted() -> None:
    """The smallest circle around either holds both."""
    drawn = circles(np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 0.0), (3.0, 3.0)]), 4)
    assert not drawn.closed[0, 0] and not drawn.closed[2, 0]
    assert drawn.order[0, :2].tolist() == drawn.order[2, :2].tolist() == [0, 2]


def test_the_globe_is_round() -> None:
    """Great circles find the neighbour across the date line and give metres."""
    points = np.array([(179.9, 10.0), (-179.9, 10.0), (178.0, 10.0)])
    globe, plane = circles(points, 3, "great-circle"), circles(points, 3, "euclid")
    assert globe.order[0].tolist() == [0, 1, 2]
    assert plane.order[0].tolist() == [0, 2, 1]
    assert globe.radius[0, 1] == pytest.approx(float(great_circle_m(179.9, 10.0, -179.9, 10.0)), rel=1e-9)


def test_circles_hold_at_most_their_share() -> None:
    """No circle holds more than half of the people; who alone holds more has none."""
    people = np.array([60.0, 10.0, 10.0, 10.0, 10.0])
    drawn = circles(np.array([(0.0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]), 5).held(people, 0.5)
    assert drawn.size[0] == 0
    for place in range(1, 5):
        held = [people[drawn.order[place, : k + 1]].sum() for k in range(drawn.size[place])]
        assert max(held) <= 50.0


def test_different_circles_are_counted_once() -> None:
    """Two places: {a}, {b} and {a, b} are three zones, however they are reached."""
    assert circles(np.array([(0.0, 0.0), (1.0, 0.0)]), 2).zones() == 3


def test_nearest_finds_the_place_of_a_point() -> None:
    """A point anywhere belongs to the nearest place."""
    drawn: Circles = circles(np.array([(0.0, 0.0), (1.0, 0.0)]), 2)
    assert drawn.nearest(np.array([(0.4, 3.0), (0.6, -1.0)])).tolist() == [0, 1]


def test_no_neighbours_are_no_circle() -> None:
    """Refused in words."""
    with pytest.raises(ValueError, match="0 neighbours are no circle"):
        circles(np.zeros((3, 2)), 0)


@pytest.mark.parametrize("total", [np.inf, 1000.0])
def test_the_ceiling_is_never_below_the_ratio(total: float) -> None:
    """On 10,000 random zones, and it is 0 where there is no surplus."""
    rng = np.random.default_rng(3)
    cases, expected = rng.uniform(0, 900, 10_000), rng.uniform(0, 900, 10_000)
    ratio = surplus(cases, expected) if np.isinf(total) else contrast(cases, expected, total)
    above = ceiling(cases, expected, total)
    assert (above >= ratio - 1e-9).all()
    assert (above[cases <= expected] == 0.0).all()
    assert np.abs(ratio[cases <= expected]).max() < 1e-9


def test_ratios_at_their_edges() -> None:
    """No cases, nothing expected, and all cases in the zone are numbers, not NaN."""
    assert float(surplus(0.0, 0.0)) == pytest.approx(0.0)
    assert float(contrast(5.0, 2.0, 5.0)) == pytest.approx(5.0 * np.log(2.5))
    assert float(contrast(5.0, 5.0, 5.0)) == pytest.approx(0.0)


def test_the_order_of_places_does_not_matter() -> None:
    """Along a curve that keeps neighbours together the highest ratio is the same."""
    rng = np.random.default_rng(9)
    drawn, seen = circles(rng.uniform(0.0, 1.0, (200, 2)), 20), table(rng, 200, 1, 5, False)
    along = drawn.along(drawn.curve)
    assert sorted(drawn.curve.tolist()) == list(range(200))
    assert highest(along, Table(seen.cells[drawn.curve], seen.totals)) == pytest.approx(highest(drawn, seen), rel=1e-12)
    steps = np.linalg.norm(np.diff(along.points, axis=0), axis=1).mean()
    assert steps < 0.5 * np.linalg.norm(np.diff(drawn.points, axis=0), axis=1).mean()
