"""Geofences: timetables of single units, a slow twin on random walks, cuts into batches, and real taxis."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cap import AreaError, area
from geo.crs import Metric
from geo.fence import KINDS, Events, Fence, Fences, Fixes, Kind, State, circle, nowhere

CHENGDU = Metric(32648)
TAXIS = Path(__file__).parents[3] / "shared/data/sf-taxis/traces.csv.gz"
EAST, NORTH = (float(value) for value in CHENGDU.forward(104.06, 30.66))
Step = tuple[float, float, float]  # seconds, metres east, metres north
Event = tuple[Kind, float]  # what, at which second


def place(east: float, north: float) -> tuple[float, float]:
    """Lon/lat of metres from the centre of the tests' fence."""
    lon, lat = CHENGDU.inverse(EAST + east, NORTH + north)
    return float(lon), float(lat)


def square(half: float = 100.0) -> shapely.Polygon:
    """A square of so many metres to each side around the centre."""
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    return shapely.Polygon([place(*corner) for corner in corners])


def fixes(*steps: Step, unit: int = 7) -> Fixes:
    """One unit's fixes."""
    where = [place(east, north) for _, east, north in steps]
    return Fixes(
        np.full(len(steps), unit, np.int64),
        np.array([round(second * 1_000) for second, _, _ in steps], np.int64),
        np.array([lon for lon, _ in where], np.float64),
        np.array([lat for _, lat in where], np.float64),
    )


def run(fence: Fence, *steps: Step, gap_s: float = 300.0) -> list[Event]:
    """What one unit's fixes make of one fence, as (kind, second)."""
    _, events = Fences((fence,), CHENGDU, gap_s).step(nowhere(), fixes(*steps))
    return [(kind, time / 1_000) for kind, _, _, time, _ in events.rows()]


def test_a_drive_through_enters_and_exits() -> None:
    """Known outside, then inside, then clearly outside."""
    assert run(Fence("f", square()), (0, -500, 0), (60, 0, 0), (120, 500, 0)) == [("enter", 60), ("exit", 120)]


def test_the_first_fix_only_establishes_where_the_unit_is() -> None:
    """A unit first seen inside has not entered, but it can leave."""
    assert run(Fence("f", square()), (0, 0, 0), (60, 500, 0)) == [("exit", 60)]


def test_noise_at_the_border_makes_no_events() -> None:
    """To and fro within the margin, the unit stays inside until it is beyond it."""
    wobble = [(60.0 * i, 90.0 if i % 2 else 115.0, 0.0) for i in range(1, 9)]
    steps = [(0.0, -500.0, 0.0), *wobble, (600.0, 140.0, 0.0)]
    assert run(Fence("f", square(), margin_m=30), *steps) == [("enter", 60), ("exit", 600)]


def test_the_margin_does_not_pull_a_unit_in() -> None:
    """Driving along just outside the border is outside."""
    assert run(Fence("f", square(), margin_m=30), (0, 500, 0), (60, 115, 0), (120, 115, 50), (180, 500, 0)) == []


def test_passing_through_between_two_fixes_crosses() -> None:
    """Both fixes are outside, the way between them is not."""
    assert run(Fence("f", square()), (0, -500, 0), (60, 500, 0)) == [("cross", 60)]


def test_passing_by_does_not_cross() -> None:
    """A way that misses the fence is no event."""
    assert run(Fence("f", square()), (0, -500, 200), (60, 500, 200)) == []


def test_a_long_silence_forgets_the_unit() -> None:
    """After more than the gap nothing is concluded from the old position, and the stay begins anew."""
    steps = [(0.0, -500.0, 0.0), (400.0, 500.0, 0.0), (430.0, 0.0, 0.0), (900.0, 0.0, 0.0), (1_000.0, 0.0, 0.0)]
    assert run(Fence("f", square(), dwell_s=100), *steps, gap_s=300) == [("enter", 430), ("dwell", 1_000)]


def test_dwell_is_told_once_a_stay() -> None:
    """At the first fix after the dwell time, and again only after leaving and coming back."""
    steps = [(0.0, 500.0, 0.0)] + [(60.0 * i, 0.0, 0.0) for i in range(1, 6)]
    steps += [(360.0, 500.0, 0.0)] + [(360.0 + 60.0 * i, 0.0, 0.0) for i in range(1, 5)]
    expected: list[Event] = [("enter", 60), ("dwell", 180), ("exit", 360), ("enter", 420), ("dwell", 540)]
    assert run(Fence("f", square(), dwell_s=120), *steps) == expected


def test_exit_and_dwell_say_since_when() -> None:
    """The stay's beginning comes with each of its events."""
    _, events = Fences((Fence("f", square(), dwell_s=60),), CHENGDU).step(
        nowhere(), fixes((0, 500, 0), (60, 0, 0), (120, 0, 0), (180, 500, 0))
    )
    assert [(kind, since) for kind, _, _, _, since in events.rows()] == [
        ("enter", 60_000),
        ("dwell", 60_000),
        ("exit", 60_000),
    ]


def test_inside_and_outside_are_told_for_each_fix_where_asked_for() -> None:
    """A bus that must keep to its corridor is reported at every fix outside."""
    fence = Fence("f", square(), detect=frozenset({"inside", "outside"}))
    assert run(fence, (0, 0, 0), (60, 500, 0), (120, 500, 0), (180, 0, 0)) == [
        ("inside", 0),
        ("outside", 60),
        ("outside", 120),
        ("inside", 180),
    ]


def test_a_fence_begins_and_ends() -> None:
    """A warning area counts from its beginning, without an entry for those already there, to its expiry."""
    fence = Fence("f", square(), begins_ms=100_000, ends_ms=250_000)
    assert run(fence, (0, -500, 0), (60, 0, 0), (120, 0, 0), (180, 500, 0), (200, 0, 0), (260, 500, 0)) == [
        ("exit", 180),
        ("enter", 200),
    ]


def test_old_and_placeless_fixes_are_ignored_and_counted() -> None:
    """A fix that comes late, twice or without a position changes nothing."""
    fence = Fences((Fence("f", square()),), CHENGDU)
    steps = fixes((0, -500, 0), (60, 0, 0), (60, 500, 0), (30, 500, 0), (90, 0, 0))
    steps.lon[4] = np.nan
    state, events = fence.step(nowhere(), steps)
    assert [kind for kind, *_ in events.rows()] == ["enter"]
    assert events.ignored == 3
    assert state.time.tolist() == [60_000]


def test_nested_fences_each_have_their_own_events() -> None:
    """A venue within a district: entering from the district into the venue is one event, of the venue."""
    both = Fences((Fence("district", square(1_000)), Fence("venue", square(50))), CHENGDU)
    _, events = both.step(nowhere(), fixes((0, -2_000, 0), (60, -500, 0), (120, 0, 0), (180, -2_000, 0)))
    assert [(kind, fence, time // 1_000) for kind, _, fence, time, _ in events.rows()] == [
        ("enter", 0, 60),
        ("enter", 1, 120),
        ("exit", 0, 180),
        ("exit", 1, 180),
    ]


def test_new_fences_adopt_the_state_of_the_old_by_id() -> None:
    """A stay goes on in the fence of the same id, at whatever row; a fence that is gone takes its stays along."""
    before = Fences((Fence("a", square()), Fence("b", square())), CHENGDU)
    after = Fences((Fence("new", square(10)), Fence("b", square())), CHENGDU)
    state, _ = before.step(nowhere(), fixes((0, -500, 0), (60, 0, 0)))
    _, events = after.step(after.adopt(state, before), fixes((120, 500, 0)))
    assert [(kind, fence, since) for kind, _, fence, _, since in events.rows()] == [
        ("cross", 0, -1),
        ("exit", 1, 60_000),
    ]


def test_no_fences_and_no_fixes_give_no_events() -> None:
    """Empty in, empty out; the positions are still remembered."""
    none, one = Fences((), CHENGDU), Fences((Fence("f", square()),), CHENGDU)
    state, events = none.step(nowhere(), fixes((0, 0, 0)))
    assert (len(events), state.unit.tolist()) == (0, [7])
    assert len(one.step(nowhere(), fixes())[1]) == 0


def twin(fences: Fences, walk: Fixes) -> list[tuple[Kind, int, int, int, int]]:
    """The slow twin: one fix, one fence, one shapely question at a time."""
    last: dict[int, tuple[int, shapely.Point]] = {}
    stay: dict[tuple[int, int], int] = {}
    told: set[tuple[int, int]] = set()
    found: list[tuple[Kind, int, int, int, int]] = []
    for unit, time, lon, lat in zip(walk.unit, walk.time, walk.lon, walk.lat, strict=True):
        u, t, here = int(unit), int(time), shapely.Point(lon, lat)
        if not np.isfinite(lon) or (u in last and t <= last[u][0]):
            continue
        for f, fence in enumerate(fences.fences):
            key, near = (u, f), u in last and t - last[u][0] <= fences.gap_s * 1_000
            known, was = near and last[u][0] >= fence.begins_ms, stay.get(key)
            if not fence.begins_ms <= t < fence.ends_ms:
                stay.pop(key, None)
                continue
            now = fence.shape.intersects(here) or (
                known and was is not None and fences.outer.geometries[f].intersects(here)
            )
            kinds: list[Kind] = []
            if known and now and was is None:
                kinds.append("enter")
            elif known and was is not None and not now:
                kinds.append("exit")
            elif known and not now and shapely.LineString([last[u][1], here]).intersects(fence.shape):
                kinds.append("cross")
            if now and (was is None or not known):
                stay[key] = t
                told.discard(key)
            if now and key not in told and t - stay[key] >= fence.dwell_s * 1_000:
                told.add(key)
                kinds.append("dwell")
            kinds.append("inside" if now else "outside")
            began = stay[key] if now else was if "exit" in kinds and was is not None else -1
            found += [
                (kind, u, f, t, -1 if kind in ("cross", "outside") else began) for kind in kinds if kind in fence.detect
            ]
            if not now:
                stay.pop(key, None)
        last[u] = (t, here)
    return found


def walk(seed: int, count: int) -> Fixes:
    """Four units walking at random about the fences, with late, doubled and placeless fixes among them."""
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 4, count)
    time = np.cumsum(rng.integers(0, 40_000, count)) + rng.choice([0, 0, 0, 0, -60_000, 400_000], count)
    east, north = rng.normal(0, 180, count), rng.normal(0, 180, count)
    lon, lat = CHENGDU.inverse(EAST + east, NORTH + north)
    lon[rng.random(count) < 0.03] = np.nan
    return Fixes(unit.astype(np.int64), time.astype(np.int64), lon, lat)


def yard() -> Fences:
    """Overlapping fences of all sorts."""
    everything = frozenset(KINDS)
    return Fences(
        (
            Fence("square", square(), dwell_s=60, detect=everything),
            Fence("circle", circle(*place(60, 0), 120), margin_m=0, dwell_s=0, detect=everything),
            Fence("brief", square(200), begins_ms=600_000, ends_ms=1_500_000, detect=everything),
            Fence("quiet", square(150)),
        ),
        CHENGDU,
        gap_s=200,
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_the_fences_agree_with_their_slow_twin(seed: int) -> None:
    """On random walks every event is the twin's, in the twin's order."""
    fences, track = yard(), walk(seed, 150)
    _, events = fences.step(nowhere(), track)
    assert events.rows() == twin(fences, track)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 150), max_size=8))
@settings(max_examples=40, deadline=None)
def test_cutting_a_track_anywhere_gives_the_same_events_and_state(seed: int, cuts: list[int]) -> None:
    """Batches of any size, down to none: the same events in the same order, and the same state at the end."""
    fences, track = yard(), walk(seed, 150)
    whole, events = fences.step(nowhere(), track)
    state, found, ignored = nowhere(), [], 0
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 150], strict=True):
        state, more = fences.step(state, track.take(slice(first, last)))
        found += more.rows()
        ignored += more.ignored
    assert found == events.rows()
    assert ignored == events.ignored
    assert arrays(state) == arrays(whole)


def arrays(state: State) -> list[list[float]]:
    """All columns of a state."""
    stays = state.stays
    columns = (state.unit, state.time, state.lon, state.lat, stays.unit, stays.fence, stays.since, stays.dwelt)
    return [column.tolist() for column in columns]


@pytest.mark.skipif(not TAXIS.exists(), reason="the San Francisco taxis lie only beside the repository")
def test_real_taxis_at_the_airport() -> None:
    """Over 24 days of fixes: enters and exits alternate, and no batch size changes an event.

    The taxis wait in line at SFO, where GPS wobbles about the fence's border; with a margin the visits are fewer than
    without, and none is lost: each stay without margin lies within one with it.
    """
    frame = pl.read_csv(io.BytesIO(gzip.decompress(TAXIS.read_bytes()))).sort("unix")
    cab = frame["cab"].cast(pl.String).rank("dense").cast(pl.Int64).to_numpy()
    columns = [frame[name].to_numpy().astype(np.float64) for name in ("lon", "lat")]
    track = Fixes(cab, frame["unix"].to_numpy().astype(np.int64) * 1_000, *columns)
    airport = circle(-122.3875, 37.6160, 900)
    metric = Metric(32610)
    plain, kept = (Fences((Fence("sfo", airport, margin_m=m, dwell_s=600),), metric, 600) for m in (0, 150))
    _, bare = plain.step(nowhere(), track)
    _, events = kept.step(nowhere(), track)
    state, pieces = nowhere(), []
    for at in range(0, len(track), 997):
        state, more = kept.step(state, track.take(slice(at, at + 997)))
        pieces += more.rows()
    enters, exits = (sum(row[0] == kind for row in events.rows()) for kind in ("enter", "exit"))
    assert pieces == events.rows()
    assert enters > 50
    assert any(row[0] == "dwell" for row in events.rows())
    assert abs(enters - exits) <= enters * 0.2  # silences at the terminal end stays without an exit
    assert counted(events, "enter") <= counted(bare, "enter")


def counted(events: Events, kind: Kind) -> int:
    """How many events of a kind there are."""
    return int((events.kind == KINDS.index(kind)).sum())


def test_a_cap_polygon_is_read_as_lat_lon() -> None:
    """CAP writes latitude first, and closes its rings."""
    shape = area(["30.60,104.00 30.60,104.10 30.70,104.10 30.70,104.00 30.60,104.00"])
    assert shape.bounds == (104.0, 30.6, 104.1, 30.7)


def test_a_cap_circle_has_its_radius_in_kilometres() -> None:
    """Its area is that of a circle of so many kilometres."""
    shape = area(circles=["30.66,104.06 2.5"])
    flat = shapely.transform(shape, lambda xy: np.column_stack(CHENGDU.forward(xy[:, 0], xy[:, 1])))
    assert flat.area == pytest.approx(np.pi * 2_500**2, rel=0.005)


def test_cap_areas_are_joined() -> None:
    """Two polygons side by side are one area."""
    halves = ["30.6,104.0 30.6,104.1 30.7,104.1 30.7,104.0", "30.6,104.1 30.6,104.2 30.7,104.2 30.7,104.1"]
    assert area(halves).area == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("polygons", "circles", "says"),
    [
        ([], [], "neither polygon nor circle"),
        (["30.6,104.0 30.6,104.1"], [], "2 corners; it needs 3"),
        (["30.6,104.0 30.6;104.1 30.7,104.0"], [], "'30.6;104.1'.*is not lat,lon"),
        (["104.0,30.6 104.1,30.6 104.1,30.7"], [], "'104.0,30.6'.*CAP writes lat,lon"),
        (["30.6,104.0 30.6,104.0 30.6,104.0"], [], "no area is left"),
        ([], ["30.66,104.06 0"], "radius 0.0 m"),
        ([], ["30.66,104.06"], "circle '30.66,104.06'"),
        ([], ["30.66,104.06 nan"], "radius nan m"),
    ],
)
def test_a_wrong_cap_area_is_refused_with_its_text(polygons: list[str], circles: list[str], says: str) -> None:
    """Each message carries what was written."""
    with pytest.raises(AreaError, match=says):
        area(polygons, circles)
