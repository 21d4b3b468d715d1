"""Where Chengdu's sensors stand."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest

from config.city import City as Pack
from config.register import Register
from sensors.simulate import chengdu
from sensors.simulate.estate import apportioned
from sensors.simulate.places import Places
from tests.simulate.rig import in_zone


def test_the_whole_city(pack: Pack) -> None:
    """There are 95,000 cameras, 1,760 IoT points and what packs ask for, each with its own id and name in both
    languages."""
    table = chengdu.assets(pack)
    kinds = dict(table.group_by("kind").len().iter_rows())
    assert kinds["camera"] == 95_000
    assert sum(kinds[kind] for kind in ("gate", "gauge", "rain", "air", "wind")) == 1_760
    assert kinds["pump"] > 0
    assert (kinds["gauge"], kinds["gate"]) == (700, 400)
    assert table["asset"].n_unique() == table.height
    assert table.null_count().sum_horizontal().item() == 0
    assert table.columns == ["asset", "kind", "name_en", "name_zh", "lon", "lat"]


def test_the_seed_decides(pack: Pack) -> None:
    """The same seed places every sensor where it was; another one elsewhere."""
    first, again, other = (chengdu.assets(pack, seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert (first["lon"].to_numpy() == other["lon"].to_numpy()).mean() < 0.01


def test_it_is_quick(pack: Pack) -> None:
    """The city is placed in under two seconds."""
    began = time.perf_counter()
    chengdu.assets(pack)
    assert time.perf_counter() - began < 2


def test_everything_stands_in_a_district(register: Register, pack: Pack) -> None:
    """No sensor lies outside the city, and every district has some of each kind."""
    counts = register.frame.group_by("kind").agg(pl.col("district").n_unique())
    assert register.frame.filter(pl.col("district") == "").height == 0
    assert dict(counts.filter(pl.col("kind") != "gate").iter_rows()) == dict.fromkeys(
        ("camera", "gauge", "rain", "air", "wind"), len(pack.districts)
    )


def test_density_follows_the_city(register: Register, pack: Pack) -> None:
    """Cameras stand forty times closer together in the middle of the city than in its mountains."""
    cameras = dict(register.frame.filter(kind="camera").group_by("district").len().iter_rows())
    area = {zone.id: zone.area_m2 / 1e6 for zone in pack.districts}
    density = {district: count / area[district] for district, count in cameras.items()}
    assert density["510104"] > 40 * density["510129"]  # Jinjiang, Dayi


def test_venues_have_their_cameras(register: Register, pack: Pack, found: Places) -> None:
    """Each hub's cameras and gates stand inside the venue they are named after."""
    for hub in found.hubs:
        zone = pack.index[hub.zone.id]
        assert len(in_zone(register, zone, "people")) >= hub.cameras
        named = register.frame.filter((pl.col("kind") == "gate") & pl.col("name_en").str.starts_with(hub.zone.name.en))
        assert len(in_zone(register, zone, "visitors")) >= named.height > 0


def test_cameras_hang_in_fours(register: Register) -> None:
    """A street camera has three neighbours within 120 m."""
    frame = register.frame.filter((pl.col("kind") == "camera") & pl.col("name_en").str.starts_with("Dayi"))
    lon, lat = frame["lon"].to_numpy()[:400], frame["lat"].to_numpy()[:400]
    apart = np.hypot((lon[:, None] - lon) * 95_600, (lat[:, None] - lat) * 111_195)
    assert (np.sort(apart, axis=1)[:, 3] < 120).mean() > 0.98


@pytest.mark.parametrize(
    ("weights", "total", "shares"), [([1, 1, 1], 10, [4, 3, 3]), ([5, 0], 3, [3, 0]), ([1.5, 2.5], 4, [2, 2])]
)
def test_apportioned(weights: list[float], total: int, shares: list[int]) -> None:
    """Things are shared out whole and none is lost."""
    assert apportioned(weights, total) == shares
