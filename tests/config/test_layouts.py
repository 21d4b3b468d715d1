"""Layouts: every datastream in its shard, group and series, and the engines made of them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
import yaml

from config import city as cities
from config import layouts as made
from config import pack as packs
from config.city import City
from config.layouts import GRACE_TICKS, Layouts
from config.pack import Pack
from config.register import Register, build
from models.batch import batch
from tests.config.cities import declared, feature, write

START = 1_790_000_000_000
ACROSS = [[104.05, 30.6], [104.15, 30.6], [104.15, 30.7], [104.05, 30.7], [104.05, 30.6]]  # in both districts
EMPTY = [[104.01, 30.61], [104.011, 30.61], [104.011, 30.611], [104.01, 30.611], [104.01, 30.61]]
PEOPLE, WATER, RAIN = 40, 6, 4


@dataclass(frozen=True)
class Town:
    """A small city with its register, packs and layouts."""

    city: City
    register: Register
    packs: tuple[Pack, ...]
    layouts: Layouts


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Two districts in two shards, a stadium across their border, a square without cameras."""
    layer = {"file": "venues.geojson", "kind": "venue", "crs": "wgs84"}
    folder = write(tmp_path_factory.mktemp("cities"))
    features = [
        feature(ACROSS, id="stadium", name_en="Stadium", name_zh="体育场"),
        feature(EMPTY, id="square", name_en="Square", name_zh="广场"),
    ]
    collection = {"type": "FeatureCollection", "features": features}
    (folder / "venues.geojson").write_text(json.dumps(collection), "utf-8")
    with_venues = {**declared(), "layers": [*declared()["layers"], layer]}
    (folder / "city.yaml").write_text(yaml.safe_dump(with_venues), "utf-8")
    city = cities.read(folder)
    loaded = packs.load_all()
    register, rejects = build(city, assets(), [watched for pack in loaded for watched in pack.watched])
    assert rejects == []
    return Town(city, register, loaded, made.layouts(city, register, loaded))


def assets() -> pl.DataFrame:
    """Cameras, gauges and rain gauges all over the town, none in the square."""
    rng = np.random.default_rng(1)
    n = PEOPLE + WATER + RAIN
    ids = [f"a{i}" for i in range(n)]
    kind = ["camera"] * PEOPLE + ["gauge"] * WATER + ["rain"] * RAIN
    lon, lat = rng.uniform(104.02, 104.2, n), rng.uniform(30.62, 30.7, n)
    return pl.DataFrame({"asset": ids, "kind": kind, "name_en": ids, "name_zh": ids, "lon": lon, "lat": lat})


def test_every_datastream_is_in_one_shard(town: Town) -> None:
    """The shards' members are the whole register, each once, with their ranges and places."""
    members = np.concatenate([shard.members for shard in town.layouts.shards])
    assert sorted(members.tolist()) == list(range(PEOPLE + WATER + RAIN))
    assert [shard.shard for shard in town.layouts.shards] == [0, 1]
    for shard in town.layouts.shards:
        rows = town.register.frame[shard.members.tolist()]
        assert [place.id for place in shard.places] == rows["asset"].to_list()
        assert [place.district for place in shard.places] == rows["district"].to_list()
        assert shard.high.tolist() == rows["high"].to_list()
        assert (shard.tick_ms, shard.lateness_ms) == (5_000, 10_000)


def test_every_datastream_is_judged_by_its_packs_detector(town: Town) -> None:
    """Group, detector and unit are those that the pack names for the property."""
    declared_by = {(w.pack, w.property): w for pack in town.packs for w in pack.watched}
    for shard in town.layouts.shards:
        for member, group in zip(shard.members.tolist(), shard.group.tolist(), strict=True):
            row = town.register.frame.row(member, named=True)
            watched = declared_by[row["pack"], row["property"]]
            assert (shard.groups[group].pack, shard.groups[group].property) == (row["pack"], row["property"])
            assert shard.groups[group].detector == watched.detector
            assert shard.groups[group].unit == watched.unit == row["unit"]


def test_what_no_loaded_pack_watches_is_in_no_group(town: Town) -> None:
    """When a pack is taken away its datastreams stay in the register and are not scored."""
    without = made.layouts(town.city, town.register, [pack for pack in town.packs if pack.name != "flood"])
    watched = town.register.frame["pack"].to_numpy() != "flood"
    for shard in without.shards:
        np.testing.assert_array_equal(shard.group >= 0, watched[shard.members])


def test_series_are_the_zones_that_have_such_datastreams(town: Town) -> None:
    """The whole city first, then each zone with members; none for properties that are not summed."""
    assert [(s.place.id, s.zone_kind, s.property) for s in town.layouts.series] == [
        ("town", "city", "people"),
        ("west", "district", "people"),
        ("east", "district", "people"),
        ("stadium", "venue", "people"),
    ]
    zones = [town.city.index[s.place.id] for s in town.layouts.series[1:]]
    lists = town.register.frame.filter(pl.col("property") == "people")["zones"].to_list()
    want = [sum(zone in one for one in lists) for zone in zones]
    assert [s.members for s in town.layouts.series] == [PEOPLE, *want]
    assert math.isnan(town.layouts.series[0].area_m2)
    assert town.layouts.series[1].area_m2 == pytest.approx(town.city.zones[0].area_m2)
    assert math.isnan(town.layouts.series[1].capacity)


def test_the_engines_add_up_to_the_whole_city(town: Town) -> None:
    """One reading of each camera through the shards' engines and the city's gives each zone its sum."""
    rng = np.random.default_rng(2)
    people = np.where(town.register.frame["property"].to_numpy() == "people", rng.integers(0, 100, 50), 1)
    city = town.layouts.city_engine()
    ticks = []
    for number, shard in enumerate(town.layouts.shards):
        engine = town.layouts.engine(number)
        members = shard.members
        engine.step(batch(members, np.full(len(members), START), people[members]))
        last = engine.step(batch(members[:1], [START + 60_000], [0.0]))
        for partial in last.partials:
            ticks += city.step(partial)
    (tick,) = ticks
    lists = town.register.frame["zones"].to_list()
    cameras = town.register.frame["property"].to_numpy() == "people"
    want = [people[cameras].sum()]
    for series in town.layouts.series[1:]:
        zone = town.city.index[series.place.id]
        want.append(sum(p for p, one, camera in zip(people, lists, cameras, strict=True) if camera and zone in one))
    assert tick.frame["value"].to_list() == want
    assert tick.frame["reporting"].to_list() == [1.0] * 4


def test_a_silent_shard_is_waited_for_three_ticks(town: Town) -> None:
    """The city's engine knows shards, tick and grace."""
    city = town.layouts.city_engine()
    assert (city.shards, city.tick_ms, city.grace_ms) == (2, 5_000, GRACE_TICKS * 5_000)


def test_rules_ask_for_zone_kinds_that_there_are() -> None:
    """Every zone kind in a rule is a box, a station, the whole city or in a shipped city; a slip of the pen is not."""
    known = {"box", "city", "station"} | {zone.kind for name in cities.cities() for zone in cities.load(name).zones}
    rules = [rule for pack in packs.load_all() for rule in pack.rules if rule.reads == "zones"]
    assert {word for rule in rules for word in _literals(f"{rule.expr} {rule.clear}")} - known == set()


def _literals(expression: str) -> list[str]:
    return expression.split("'")[1::2]
