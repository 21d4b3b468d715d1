"""Coordinate systems: against two independent implementations, there and back, and where the shift ends."""

from __future__ import annotations

import warnings

import eviltransform
import numpy as np
import prcoords
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.crs import NAMES, CrsError, Metric, Points, convert, shifted

CENTIMETRE = 0.01 / 111_320  # degrees of latitude
CITIES = {
    "Chengdu": (104.0632, 30.6599),
    "Shanghai": (121.4737, 31.2304),
    "Beijing": (116.3975, 39.9087),
    "Urumqi": (87.6168, 43.8256),
    "Sanya": (109.5119, 18.2528),
}


def converted(lon: float, lat: float, source: str, target: str) -> tuple[float, float]:
    """One point converted."""
    x, y = convert(lon, lat, source, target)
    return float(x), float(y)


lons, lats = st.floats(73.5, 135.0), st.floats(3.9, 53.5)


@pytest.mark.parametrize("name", CITIES)
def test_gcj02_agrees_with_prcoords(name: str) -> None:
    """GCJ-02 is the same as PRCoords' to a millimetre."""
    lon, lat = CITIES[name]
    theirs = prcoords.wgs_gcj((lat, lon))
    assert converted(lon, lat, "wgs84", "gcj02") == pytest.approx((theirs.lon, theirs.lat), abs=CENTIMETRE / 10)


@pytest.mark.parametrize("name", CITIES)
def test_gcj02_agrees_with_eviltransform(name: str) -> None:
    """GCJ-02 is eviltransform's to a metre: it takes the radius of WGS-84 where the published code has Krasovsky's."""
    lon, lat = CITIES[name]
    theirs = eviltransform.wgs2gcj(lat, lon)
    assert converted(lon, lat, "wgs84", "gcj02") == pytest.approx(theirs[::-1], abs=1 / 111_320)


@pytest.mark.parametrize("name", CITIES)
def test_bd09_agrees_with_both(name: str) -> None:
    """BD-09 from GCJ-02 is the same as in both packages to a millimetre."""
    lon, lat = CITIES[name]
    prc = prcoords.gcj_bd((lat, lon))
    evil = eviltransform.gcj2bd(lat, lon)
    ours = converted(lon, lat, "gcj02", "bd09")
    assert ours == pytest.approx((prc.lon, prc.lat), abs=CENTIMETRE / 10)
    assert ours == pytest.approx(evil[::-1], abs=CENTIMETRE / 10)


def test_many_points_agree_with_prcoords() -> None:
    """Ten thousand points over the rectangle agree with PRCoords to a millimetre in GCJ-02 and BD-09."""
    rng = np.random.default_rng(4)
    lon, lat = rng.uniform(73, 137, 10_000), rng.uniform(1, 55, 10_000)
    theirs = np.array([prcoords.wgs_bd(p) for p in zip(lat, lon, strict=True)])
    ours = convert(lon, lat, "wgs84", "bd09")
    assert np.abs(ours[0] - theirs[:, 1]).max() < CENTIMETRE / 10
    assert np.abs(ours[1] - theirs[:, 0]).max() < CENTIMETRE / 10


@given(lons, lats, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_there_and_back_is_within_a_centimetre(lon: float, lat: float, source: str, target: str) -> None:
    """Any system to any other and back comes home, well below a centimetre."""
    there = converted(lon, lat, source, target)
    back = converted(*there, target, source)
    assert back == pytest.approx((lon, lat), abs=CENTIMETRE / 100)


def test_the_shift_over_chengdu_is_some_hundred_metres() -> None:
    """GCJ-02 differs from WGS-84 in Chengdu by 350 to 400 m, BD-09 by more."""
    lon, lat = CITIES["Chengdu"]
    metric = Metric(32648)
    home = np.array(metric.forward(lon, lat))
    gcj, bd = (np.array(metric.forward(*converted(lon, lat, "wgs84", crs))) for crs in ("gcj02", "bd09"))
    assert 340 < np.hypot(*(gcj - home)) < 400
    assert 900 < np.hypot(*(bd - home)) < 1_300


def test_auckland_is_left_alone() -> None:
    """Outside the rectangle all systems are one."""
    for crs in NAMES:
        assert converted(174.7655, -36.849, "wgs84", crs) == (174.7655, -36.849)
        assert converted(174.7655, -36.849, crs, "wgs84") == (174.7655, -36.849)


def test_hong_kong_is_taken_at_its_word() -> None:
    """Hong Kong lies in the rectangle: declared wgs84 it stays, declared gcj02 it is shifted back."""
    assert converted(114.1694, 22.3193, "wgs84", "wgs84") == (114.1694, 22.3193)
    assert converted(114.1694, 22.3193, "gcj02", "wgs84") != (114.1694, 22.3193)


def test_the_edge_of_the_rectangle_is_handled_from_both_sides() -> None:
    """At the edge what is inside comes home exactly, and what no inside point maps to stays unchanged."""
    inside = converted(137.8346, 40.0, "wgs84", "gcj02")
    assert converted(*inside, "gcj02", "wgs84") == pytest.approx((137.8346, 40.0), abs=CENTIMETRE / 100)
    assert converted(72.0041, 40.0, "gcj02", "wgs84") == (72.0041, 40.0)
    assert shifted([72.0, 72.004, 137.8347, 137.84], 40.0).tolist() == [False, True, True, False]


def test_nan_stays_nan_and_alone() -> None:
    """A coordinate that is NaN comes back NaN, its partner as it was, and no other point changes."""
    x, y = convert([104.0, np.nan, 104.1], [30.0, 30.0, np.nan], "gcj02", "wgs84")
    assert np.isnan(x).tolist() == [False, True, False]
    assert np.isnan(y).tolist() == [False, False, True]
    assert (x[0], y[0]) == pytest.approx(converted(104.0, 30.0, "gcj02", "wgs84"), abs=1e-12)
    assert x[2] == 104.1


def test_conversion_leaves_its_input_unchanged() -> None:
    """The given arrays are not written to, also when nothing has to be converted."""
    lon, lat = np.array([104.0]), np.array([30.0])
    same, _ = convert(lon, lat, "wgs84", "wgs84")
    same[0] = 0
    assert lon[0] == 104.0


def test_an_unknown_system_is_named_with_the_known() -> None:
    """The error carries the wrong name and the right ones."""
    with pytest.raises(CrsError, match=r"'wgs-84'.*wgs84, gcj02, bd09"):
        convert(104.0, 30.0, "wgs-84", "gcj02")


def test_points_of_two_systems_are_not_mixed() -> None:
    """Joining says which systems met and how to convert."""
    here = Points(np.array([104.0]), np.array([30.0]), "wgs84")
    there = here.to("gcj02")
    with pytest.raises(CrsError, match=r"wgs84.*gcj02.*\.to\('wgs84'\)"):
        here.join(there)
    assert len(here.join(there.to("wgs84"))) == 2


def test_metres_there_and_back() -> None:
    """A city's projection returns to the same place, and a kilometre is a kilometre to one part in a thousand."""
    metric = Metric(32648)
    east, north = metric.forward(104.0632, 30.6599)
    assert metric.inverse(east, north) == pytest.approx((104.0632, 30.6599), abs=1e-9)
    lon, lat = metric.inverse(east + 1_000, north)
    assert prcoords.Coords(30.6599, 104.0632).distance(prcoords.Coords(float(lat), float(lon))) == pytest.approx(
        1_000, rel=3e-3
    )


@pytest.mark.parametrize(("epsg", "says"), [(4326, "not a projected system"), (999_999, "unknown to PROJ")])
def test_a_system_without_metres_is_refused(epsg: int, says: str) -> None:
    """A geographic or unknown EPSG number cannot measure a city."""
    with pytest.raises(CrsError, match=f"EPSG:{epsg}.*{says}"):
        Metric(epsg).check()


def test_prcoords_and_we_agree_that_auckland_is_elsewhere() -> None:
    """PRCoords warns of it and returns it as it is, as we do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = prcoords.wgs_gcj((-36.849, 174.7655))
    assert (theirs.lon, theirs.lat) == converted(174.7655, -36.849, "wgs84", "gcj02")
