"""Building the register: placing, sharding, extending, and refusing what has no place."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from config import city as packs
from config.city import City
from config.register import COLUMNS, RegisterError, build, extend, load, rezone, save
from geo.crs import convert
from tests.config.cities import Watch, districts, write

CAMERAS = (Watch(("camera",)),)


@pytest.fixture
def town(tmp_path: Path) -> City:
    """Two districts side by side, two shards."""
    return packs.read(write(tmp_path))


def assets(*rows: tuple[str, float, float], kind: str = "camera", **columns: list[Any]) -> pl.DataFrame:
    """Assets of one kind by id, lon and lat."""
    ids, lon, lat = zip(*rows, strict=True)
    names = {"name_en": ids, "name_zh": ids}
    return pl.DataFrame({"asset": ids, "kind": [kind] * len(ids), **names, "lon": lon, "lat": lat, **columns})


def cameras(count: int, seed: int = 1, prefix: str = "c") -> pl.DataFrame:
    """So many cameras all over the town."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(104.0, 104.2, count), rng.uniform(30.6, 30.7, count)
    return assets(*[(f"{prefix}{i}", lon[i], lat[i]) for i in range(count)])


def test_each_asset_is_placed_in_its_zones_and_district(town: City) -> None:
    """West is in the first zone, east in the second, the border in both but in one district, the far edge in none."""
    register, rejects = build(
        town, assets(("w", 104.05, 30.65), ("e", 104.15, 30.65), ("b", 104.1, 30.65), ("out", 104.25, 30.75)), CAMERAS
    )
    placed = {row["asset"]: (row["zones"], row["district"]) for row in register.frame.iter_rows(named=True)}
    assert placed == {"w": ([0], "west"), "e": ([1], "east"), "b": ([0, 1], "west"), "out": ([], "")}
    assert rejects == []


def test_the_frame_has_the_registers_columns(town: City, tmp_path: Path) -> None:
    """Names and types are those of the contract, also after saving and loading."""
    register, _ = build(town, cameras(10), CAMERAS)
    save(register, tmp_path / "register.parquet")
    assert dict(register.frame.schema) == COLUMNS
    assert load(tmp_path / "register.parquet").frame.equals(register.frame)


def test_one_datastream_for_each_property_watched_on_the_kind(town: City) -> None:
    """A camera watched for two properties has two datastreams; a gauge has its own."""
    both = pl.concat([assets(("c", 104.05, 30.65)), assets(("g", 104.05, 30.65), kind="gauge")])
    watched = (
        Watch(("camera",)),
        Watch(("camera", "gate"), "vehicles"),
        Watch(("gauge",), "level", unit="m", high=9.0),
    )
    register, _ = build(town, both, watched)
    assert register.ids == ["c/people", "c/vehicles", "g/level"]
    assert register.units == ["1", "1", "m"]
    assert register.high.tolist() == [5_000.0, 5_000.0, 9.0]


def test_membership_matches_the_zone_lists(town: City) -> None:
    """The sparse matrix of zones by datastreams has a one wherever the list says so."""
    register, _ = build(town, cameras(200), CAMERAS)
    dense = register.membership(len(town.zones)).toarray()
    assert [np.flatnonzero(dense[:, i]).tolist() for i in range(200)] == register.frame["zones"].to_list()


def test_each_shard_is_one_run_and_no_district_is_split() -> None:
    """Over Chengdu's 20 districts: contiguous shards, whole districts, loads within a tenth of each other."""
    city = packs.load("chengdu")
    rng = np.random.default_rng(5)
    zone = rng.integers(0, 20, 20_000)
    lon = np.array([z.lon for z in city.districts])[zone] + rng.normal(0, 0.01, 20_000)
    lat = np.array([z.lat for z in city.districts])[zone] + rng.normal(0, 0.01, 20_000)
    register, _ = build(city, assets(*[(f"c{i}", lon[i], lat[i]) for i in range(20_000)]), CAMERAS)
    loads = np.bincount(register.shard)
    assert (np.diff(register.shard) >= 0).all()
    assert register.frame.group_by("district").agg(pl.col("shard").n_unique())["shard"].to_list() == [1] * 20
    assert loads.max() / loads.min() < 1.1


def test_the_same_assets_always_give_the_same_register(town: City) -> None:
    """Nothing in the build depends on chance."""
    first, second = (build(town, cameras(500), CAMERAS)[0] for _ in range(2))
    assert first.frame.equals(second.frame)


def test_positions_are_converted_from_their_own_system(town: City) -> None:
    """The same camera given in three systems is registered at one place."""
    systems = ["wgs84", "gcj02", "bd09"]
    given = [convert(104.05, 30.65, "wgs84", crs) for crs in systems]
    rows = assets(*[(f"c{i}", float(x), float(y)) for i, (x, y) in enumerate(given)], crs=systems)
    register, _ = build(town, rows, CAMERAS)
    assert register.frame["lon"].to_numpy() == pytest.approx([104.05] * 3, abs=1e-9)
    assert register.frame["lat"].to_numpy() == pytest.approx([30.65] * 3, abs=1e-9)


def test_extending_appends_and_moves_nothing(town: City) -> None:
    """Old rows keep their integer; new ones follow; those known already are not doubled."""
    before, _ = build(town, cameras(100), CAMERAS)
    after, rejects = extend(before, town, pl.concat([cameras(100), cameras(50, seed=2, prefix="new")]), CAMERAS)
    assert after.frame.head(100).equals(before.frame)
    assert len(after) == 150
    assert rejects == []
    assert after.frame.group_by("district").agg(pl.col("shard").n_unique())["shard"].to_list() == [1, 1]


def test_extending_gives_a_new_district_to_the_lightest_shard(town: City) -> None:
    """With all cameras in the west, the first one in the east goes to the other shard."""
    before, _ = build(town, assets(("w1", 104.05, 30.65), ("w2", 104.06, 30.65)), CAMERAS)
    after, _ = extend(before, town, assets(("e", 104.15, 30.65)), CAMERAS)
    assert after.shard.tolist() == [0, 0, 1]


def test_rezoning_follows_a_changed_pack(town: City, tmp_path: Path) -> None:
    """When the city's zones change, rows and shards stay and the zone lists follow."""
    register, _ = build(town, cameras(100), CAMERAS)
    later = packs.read(write(tmp_path, features=districts()[::-1]))
    moved = rezone(register, later)
    assert moved.frame.drop("zones").equals(register.frame.drop("zones"))
    expected = [sorted(1 - zone for zone in zones) for zones in register.frame["zones"].to_list()]
    assert moved.frame["zones"].to_list() == expected


@pytest.mark.parametrize(
    ("asset", "lon", "lat", "says"),
    [
        ("a", float("nan"), 30.65, "lon, lat: not finite numbers"),
        ("a", 104.05, float("inf"), "lon, lat: not finite numbers"),
        ("a", 104.05, 999.0, "lat: outside -90..90.*lat 999"),
        ("a", 0.0, 0.0, "0, 0"),
        ("a", 30.65, 104.05, "swapped"),
        ("a", 174.76, -36.85, r"outside the city \(103.9..104.3, 30.5..30.8.*lon 174.76"),
        ("", 104.05, 30.65, "asset: empty"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_the_good_go_through(
    town: City, asset: str, lon: float, lat: float, says: str
) -> None:
    """One reject, named by row and id; the two good rows are registered."""
    rows = assets(("g1", 104.05, 30.65), (asset, lon, lat), ("g2", 104.15, 30.65))
    register, rejects = build(town, rows, CAMERAS)
    assert sorted(register.ids) == ["g1/people", "g2/people"]
    assert [(reject.row, reject.asset) for reject in rejects] == [(1, asset)]
    assert re.search(says, rejects[0].reason)


def test_a_second_asset_of_the_same_id_is_rejected(town: City) -> None:
    """The first one stays."""
    register, rejects = build(town, assets(("a", 104.05, 30.65), ("a", 104.15, 30.65)), CAMERAS)
    assert register.frame["lon"].to_list() == [104.05]
    assert "occurs before" in rejects[0].reason


def test_an_unknown_system_or_kind_is_rejected(town: City) -> None:
    """The reasons carry the wrong value and what is known."""
    rows = assets(("a", 104.05, 30.65), ("b", 104.05, 30.65), crs=["mars", None])
    register, rejects = build(town, rows.with_columns(kind=pl.Series(["camera", "teapot"])), CAMERAS)
    assert len(register) == 0
    assert "use one of wgs84, gcj02, bd09" in rejects[0].reason
    assert "teapot" in rejects[1].reason


def test_missing_columns_are_named(town: City) -> None:
    """The error lists what lacks and what is there."""
    with pytest.raises(RegisterError, match=r"\['name_en', 'name_zh', 'lon', 'lat'\].*asset"):
        build(town, pl.DataFrame({"asset": ["a"], "kind": ["camera"]}), CAMERAS)


def test_no_assets_give_an_empty_register_with_all_columns(town: City) -> None:
    """An empty city is a city."""
    register, rejects = build(town, cameras(1).head(0), CAMERAS)
    assert (len(register), register.shards, rejects) == (0, 1, [])
    assert dict(register.frame.schema) == COLUMNS


def test_a_whole_city_is_built_in_under_two_seconds() -> None:
    """97,000 assets of Chengdu, once the index's machine code is there."""
    city = packs.load("chengdu")
    rng = np.random.default_rng(6)
    lon, lat = rng.uniform(103.9, 104.2, 97_000), rng.uniform(30.5, 30.8, 97_000)
    ids = [f"c{i}" for i in range(97_000)]
    rows = pl.DataFrame(
        {"asset": ids, "kind": ["camera"] * 97_000, "name_en": ids, "name_zh": ids, "lon": lon, "lat": lat}
    )
    build(city, rows.head(10), CAMERAS)
    start = time.perf_counter()
    register, _ = build(city, rows, CAMERAS)
    assert time.perf_counter() - start < 2
    assert len(register) == 97_000
