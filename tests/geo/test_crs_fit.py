"""Places declared in the wrong coordinate system: found, named, and nobody accused in vain."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely

from config import city as packs
from config.city_check import findings, suspect_systems
from geo.crs import Metric, convert
from geo.crs_fit import misfits, told
from geo.neighbours import Neighbours
from geo.zones import zones
from tests.geo.shapes import star

CHENGDU = Metric(32648)
ROAD = Neighbours(zones(["road"], [star(np.random.default_rng(1), 104.06, 30.66, 0.001, 12)]), CHENGDU)
NOBODY = np.zeros(1, np.int32)


def numbers(crs: str) -> tuple[list[float], list[float]]:
    """The numbers that a camera on the road has in a system."""
    lon, lat = convert(104.06, 30.66, "wgs84", crs)
    return [float(lon)], [float(lat)]


@pytest.mark.parametrize("true", ["gcj02", "bd09"])
def test_a_camera_off_its_road_that_another_system_puts_on_it_is_found(true: str) -> None:
    """Declared WGS-84 it is some hundred metres off; in its true system it is on the road."""
    found = misfits(*numbers(true), ["wgs84"], NOBODY, ROAD)
    assert [(one.row, one.declared, one.better) for one in found] == [(0, "wgs84", true)]
    assert found[0].declared_m > 200
    assert found[0].better_m == 0


def test_the_other_way_round_it_is_found_too() -> None:
    """GPS numbers declared GCJ-02."""
    found = misfits(*numbers("wgs84"), ["gcj02"], NOBODY, ROAD)
    assert [(one.declared, one.better) for one in found] == [("gcj02", "wgs84")]


@pytest.mark.parametrize("crs", ["wgs84", "gcj02", "bd09"])
def test_a_rightly_declared_camera_is_left_alone(crs: str) -> None:
    """On its road as declared."""
    assert misfits(*numbers(crs), [crs], NOBODY, ROAD) == []


def test_a_camera_that_no_system_explains_is_left_alone() -> None:
    """Five kilometres off is wrong, but not by a coordinate system."""
    assert misfits([104.11], [30.66], ["wgs84"], NOBODY, ROAD) == []


def test_without_a_known_place_nothing_is_concluded() -> None:
    """Unknown zone, NaN, impossible numbers."""
    lon, lat = [104.06, float("nan"), 500.0], [30.66, 30.66, 30.66]
    assert misfits(lon, lat, ["wgs84"] * 3, np.array([-1, 0, 0], np.int32), ROAD) == []


def test_findings_are_told_by_pair_of_systems_with_examples() -> None:
    """One line for a whole gateway that speaks GCJ-02, not one for each camera."""
    x, y = numbers("gcj02")
    found = misfits(x * 40, y * 40, ["wgs84"] * 40, np.zeros(40, np.int32), ROAD)
    lines = told(found, [f"c{i}" for i in range(40)])
    assert len(lines) == 1
    assert lines[0].startswith("40 places declared wgs84 fit gcj02 much better: c0 (")
    assert "c3" not in lines[0]


def test_the_doctor_is_told_of_cameras_outside_the_district_that_numbered_them() -> None:
    """Cameras by the border of Jinjiang whose GCJ-02 numbers, taken as WGS-84, lie beyond it."""
    city = packs.load("chengdu")
    jinjiang = city.zones[city.index["510104"]].polygon
    edge = np.array(jinjiang.geoms[0].exterior.coords)
    home = edge + (np.array([jinjiang.centroid.x, jinjiang.centroid.y]) - edge) * 0.02
    home = home[shapely.intersects_xy(jinjiang, home[:, 0], home[:, 1])]
    lon, lat = convert(home[:, 0], home[:, 1], "wgs84", "gcj02")
    ids = [f"51010400001320{i:06d}" for i in range(len(home))]
    assets = pl.DataFrame({"asset": ids, "lon": lon, "lat": lat, "crs": "wgs84", "zone": "510104"})
    lines = suspect_systems(city, assets)
    assert "declared wgs84 fit gcj02 much better" in lines[0]
    assert suspect_systems(city, assets.with_columns(crs=pl.lit("gcj02"))) == []


@pytest.mark.parametrize("name", packs.cities())
def test_nothing_is_suspect_in_the_shipped_cities(name: str) -> None:
    """No line for the doctor."""
    assert findings(packs.load(name)) == []
