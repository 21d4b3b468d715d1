"""Dispatch: nearest candidates, assignment against brute force, skills, capacity, limits, reasons and arrival times."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.crs import Metric
from geo.dispatch import Eta, Incident, Uncertainty, Unit, assign, nearest
from geo.distance import great_circle_m, great_circles_m
from geo.travel import GreatCircle, RoadGraph
from geo.zones import WGS84

METRE_NORTH = 1 / 111_195  # degrees
SLOW = GreatCircle(speed_kmh=36.0, detour=1.0)  # 10 m/s
PROMPT = Uncertainty(turnout_s=0.0, spread=0.3)


def unit(name: str, north_m: float, *skills: str, capacity: float = 1.0, status: str = "available") -> Unit:
    """A unit so many metres north of the origin of the tests."""
    return Unit(name, 121.47, 31.23 + north_m * METRE_NORTH, frozenset(skills), capacity, status)


def incident(
    name: str, north_m: float, *skills: str, demand: float = 1.0, priority: int = 0, limit_s: float = np.inf
) -> Incident:
    """An incident so many metres north of the origin of the tests."""
    return Incident(name, 121.47, 31.23 + north_m * METRE_NORTH, frozenset(skills), demand, priority, limit_s)


def served(units: list[Unit], incidents: list[Incident]) -> dict[str, list[str]]:
    """Which units go to each incident that gets any."""
    sent, _ = assign(units, incidents, SLOW, PROMPT)
    out: dict[str, list[str]] = {}
    for one in sent:
        out.setdefault(one.incident, []).append(one.unit)
    return out


def reason(units: list[Unit], *incidents: Incident) -> str:
    """Why the last incident is not served."""
    _, unserved = assign(units, list(incidents), SLOW, PROMPT)
    return next(one.reason for one in unserved if one.incident == incidents[-1].id)


def test_distances_agree_with_the_ellipsoid() -> None:
    """Over China the sphere is within half a percent of geodesics, and the quick matrix within a decimetre of it."""
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(75, 130, (2, 300)), rng.uniform(5, 50, (2, 300))
    exact = WGS84.inv(lon[0], lat[0], lon[1], lat[1])[2]
    sphere = great_circle_m(lon[0], lat[0], lon[1], lat[1])
    assert np.abs(sphere / exact - 1).max() < 5e-3
    assert np.abs(np.diag(great_circles_m(lon[0], lat[0], lon[1], lat[1])) - sphere).max() < 0.1


def test_the_nearest_suitable_units_come_first() -> None:
    """By arrival; the busy and the unskilled are left out."""
    units = [
        unit("far", 900, "pump"),
        unit("near", 100, "pump"),
        unit("busy", 10, "pump", status="busy"),
        unit("crane", 5, "crane"),
        unit("mid", 500, "pump", "crane"),
    ]
    found = nearest(incident("i", 0, "pump"), units, 2, SLOW, PROMPT)
    assert [one.unit for one in found] == ["near", "mid"]


def test_arrival_is_turnout_and_driving_with_their_spread() -> None:
    """1,000 m at 10 m/s: 100 s of driving, between 68 and 147 s in eight cases of ten, after 60 s of turnout."""
    found = nearest(incident("i", 0), [unit("u", 1_000)], travel=SLOW, uncertainty=Uncertainty(60.0, 0.3))
    assert found[0].eta.p50_s == pytest.approx(160, abs=0.5)
    assert (found[0].eta.p10_s, found[0].eta.p90_s) == pytest.approx((128.1, 206.9), abs=0.5)


def test_the_spread_holds_eight_of_ten_lognormal_drives() -> None:
    """Of drives spread as declared, 10 % arrive before p10 and 10 % after p90."""
    eta: Eta = Uncertainty(60.0, 0.3).eta(600.0)
    drives = 60 + 600 * np.exp(np.random.default_rng(2).normal(0, 0.3, 100_000))
    assert ((drives < eta.p10_s).mean(), (drives > eta.p90_s).mean()) == pytest.approx((0.1, 0.1), abs=0.005)


def test_two_incidents_do_not_fight_over_one_unit() -> None:
    """Greedy would send b to the first and leave the second with a long way; together the way is least."""
    units = [unit("a", -1_000), unit("b", 100)]
    assert served(units, [incident("first", 0), incident("second", 600)]) == {"first": ["a"], "second": ["b"]}


def test_the_more_urgent_is_served_first() -> None:
    """One unit, beside the less urgent: it drives to the more urgent."""
    assert served([unit("u", 0)], [incident("minor", 0, priority=2), incident("severe", 5_000, priority=0)]) == {
        "severe": ["u"]
    }


def test_each_gets_one_before_anyone_gets_two() -> None:
    """Three units, two incidents that want two each: the third goes where it is nearer."""
    units = [unit("a", 0), unit("b", 10), unit("c", 1_000)]
    out = served(units, [incident("south", 0, demand=2), incident("north", 1_000, demand=2)])
    assert sorted(len(got) for got in out.values()) == [1, 2]
    assert out["north"] == ["c"]


def test_capacity_counts_against_demand() -> None:
    """One large truck does what three small ones would."""
    units = [unit("small", 0, capacity=100), unit("large", 50, capacity=400), unit("other", 60, capacity=100)]
    out = served([units[1]], [incident("flood", 0, demand=300)])
    assert out == {"flood": ["large"]}
    sent, unserved = assign(units[::2], [incident("flood", 0, demand=300)], SLOW, PROMPT)
    assert len(sent) == 2
    assert [(one.missing, one.reason) for one in unserved] == [
        (100.0, "200 of 300 is covered; no suitable unit is left")
    ]


def test_a_unit_needs_all_skills() -> None:
    """Two halves do not make a whole."""
    units = [unit("a", 0, "pump"), unit("b", 0, "crane"), unit("c", 900, "pump", "crane", "boat")]
    assert served(units, [incident("i", 0, "pump", "crane")]) == {"i": ["c"]}


def test_an_incident_nobody_can_serve_says_why() -> None:
    """Each way of having nobody has its own words."""
    assert reason([], incident("i", 0)) == "there are no units"
    assert reason([unit("a", 0)], incident("i", 0, "pump", "crane")) == "no unit has the skills crane and pump"
    busy = [unit("a", 0, "pump", status="busy"), unit("b", 0, "pump", status="out-of-service"), unit("c", 0)]
    assert reason(busy, incident("i", 0, "pump")) == (
        "2 units have the skills pump, none is available: 1 busy, 1 out-of-service"
    )
    assert reason([unit("a", 36_000)], incident("i", 0, limit_s=1_800)) == (
        "the first suitable unit, a, takes 60 min; the limit is 30 min"
    )
    assert reason([unit("a", 0)], incident("urgent", 900, priority=0), incident("i", 0, priority=1)) == (
        "all 1 suitable units are sent to incidents as urgent or more urgent"
    )


def test_a_thing_without_a_place_is_an_error_that_names_it() -> None:
    """NaN must not look like a distance of nothing."""
    with pytest.raises(ValueError, match="unit lost has no place: lon nan"):
        assign([Unit("lost", float("nan"), 31.0)], [incident("i", 0)])
    with pytest.raises(ValueError, match=r"incident odd has no place.*lat 999"):
        assign([unit("u", 0)], [Incident("odd", 121.0, 999.0)])


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_assignment_is_as_good_as_trying_everything(seed: int, many_units: int, many_incidents: int) -> None:
    """As many incidents served as can be, and of all ways to do so the least driving."""
    rng = np.random.default_rng(seed)
    skills = ("pump", "crane")
    units = [
        unit(f"u{i}", float(rng.uniform(0, 9_000)), *(s for s in skills if rng.random() < 0.6))
        for i in range(many_units)
    ]
    incidents = [
        incident(f"i{i}", float(rng.uniform(0, 9_000)), *(s for s in skills if rng.random() < 0.4), limit_s=600)
        for i in range(many_incidents)
    ]
    sent, unserved = assign(units, incidents, SLOW, PROMPT)
    best = min(_plans(units, incidents))
    assert len(sent) == -best[0]
    assert sum(one.eta.p50_s for one in sent) == pytest.approx(best[1], abs=0.05)
    assert {one.incident for one in sent} | {one.incident for one in unserved} == {one.id for one in incidents}


def _plans(units: list[Unit], incidents: list[Incident]) -> list[tuple[int, float]]:
    """(-served, seconds) of every way to send units."""
    width = max(len(units), len(incidents))
    seats: list[Unit | None] = [*units, *[None] * width]
    plans = []
    for order in itertools.permutations(range(len(seats)), len(incidents)):
        count, total = 0, 0.0
        for at, one in zip(order, incidents, strict=True):
            who = seats[at]
            if who is None or not one.skills <= who.skills:
                continue
            seconds = float(great_circle_m(who.lon, who.lat, one.lon, one.lat)) / 10
            if seconds <= one.limit_s:
                count, total = count + 1, total + seconds
        plans.append((-count, total))
    return plans


def test_a_hundred_pumps_and_seven_hundred_points_take_under_ten_milliseconds() -> None:
    """Processor time, the best of twenty runs: a busy machine only adds."""
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(121.3, 121.6, 800).tolist(), rng.uniform(31.1, 31.3, 800).tolist()
    pumps = [Unit(f"p{i}", lon[i], lat[i], frozenset({"pump"})) for i in range(100)]
    points = [Incident(f"i{i}", lon[i], lat[i], frozenset({"pump"})) for i in range(100, 800)]
    took = []
    for _ in range(20):
        start = time.process_time()
        sent, unserved = assign(pumps, points)
        took.append(time.process_time() - start)
    assert (len(sent), len(unserved)) == (100, 600)
    assert min(took) < 0.010


# --- roads -----------------------------------------------------------------------------------------------------

SHANGHAI = Metric(32651)


def roads(edges: list[tuple[int, int, float]]) -> RoadGraph:
    """A graph of four nodes 1 km apart on a line, with these one-way edges (from, to, seconds)."""
    east, north = (float(value) for value in SHANGHAI.forward(121.47, 31.23))
    lon, lat = SHANGHAI.inverse(east + np.arange(4) * 1_000.0, np.full(4, north))
    start, end, seconds = (np.array(column) for column in zip(*edges, strict=True))
    return RoadGraph(lon, lat, start, end, seconds.astype(np.float64), SHANGHAI)


def times(graph: RoadGraph, starts: list[int], ends: list[int]) -> list[list[float]]:
    """Seconds between nodes."""
    found = graph.seconds(graph.lon[starts], graph.lat[starts], graph.lon[ends], graph.lat[ends])
    return [[round(float(second), 3) for second in row] for row in found]


def test_roads_find_the_fastest_way_not_the_shortest() -> None:
    """A detour over the fast road beats the slow direct one, and of two parallel roads the faster counts."""
    graph = roads([(0, 1, 500.0), (0, 2, 60.0), (2, 1, 60.0), (0, 2, 999.0)])
    assert times(graph, [0], [1, 2]) == [[120.0, 60.0]]


def test_one_way_roads_are_one_way() -> None:
    """There is a way there and none back; searching from either side gives the same times."""
    graph = roads([(0, 1, 60.0), (1, 2, 60.0)])
    assert times(graph, [0], [2]) == [[120.0]]
    assert times(graph, [2], [0]) == [[np.inf]]
    assert times(graph, [0, 1, 2], [2]) == [[120.0], [60.0], [0.0]]


def test_places_off_the_roads_drive_to_them_first_or_have_no_way() -> None:
    """300 m from the road at 15 km/h are 72 s; 5 km from it is out of reach."""
    graph = roads([(0, 1, 60.0)])
    east, north = SHANGHAI.forward(graph.lon[:1], graph.lat[:1])
    near, far = SHANGHAI.inverse(east, north + 300), SHANGHAI.inverse(east, north + 5_000)
    assert graph.seconds(*near, graph.lon[1:2], graph.lat[1:2])[0, 0] == pytest.approx(132, abs=0.1)
    assert graph.seconds(*far, graph.lon[1:2], graph.lat[1:2])[0, 0] == np.inf


def test_an_incident_without_a_way_says_so() -> None:
    """Across the river without a bridge nobody comes, however near."""
    graph = roads([(0, 1, 60.0)])
    boat = Unit("u", float(graph.lon[1]), float(graph.lat[1]))
    across = Incident("i", float(graph.lon[2]), float(graph.lat[2]))
    sent, unserved = assign([boat], [across], graph)
    assert (sent, unserved[0].reason) == ([], "no available unit has a way to it")


def test_a_road_that_takes_no_time_is_refused() -> None:
    """A zero would vanish in the sparse matrix and become no road at all."""
    with pytest.raises(ValueError, match=r"an edge takes 0.0 s"):
        times(roads([(0, 1, 0.0)]), [0], [1])
