"""Packs taken over by a running worker: rules swapped, learning kept; what is measured starts it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from redis.asyncio import Redis

from config import city as cities
from config import contract
from config import pack as packs
from config import register as registers
from config.layouts import layouts
from config.packs_reload import State, keep
from config.settings import Settings
from config.site import Site
from models.batch import batch
from streams.agents.score import Shard
from streams.app import LogBounds
from streams.packs_watch import PacksWatch
from tests.config.test_packs import sound
from tests.packs.test_reload import rewritten
from tests.streams.test_picture import Store

NOON_MS = 1_751_371_200_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that is up."""
    one = Store(tmp_path_factory.mktemp("store"))
    asyncio.run(one.start())
    yield one
    one.kill()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Chengdu with three microphones and the pack ``noise``."""
    rewritten(tmp_path / "packs", sound())
    city = cities.load("chengdu")
    lon, lat = city.view.centre
    rows = [(f"mic-{n}", "microphone", f"Mic {n}", f"麦克风{n}", lon, lat) for n in range(3)]
    names = ("asset", "kind", "name_en", "name_zh", "lon", "lat")
    loaded = (packs.load(tmp_path / "packs" / "noise"),)
    register, _ = registers.build(city, pl.DataFrame(rows, names, orient="row"), loaded[0].watched)
    settings = Settings.model_validate({"city": "chengdu", "data": tmp_path})
    return Site(settings, city, register, loaded, layouts(city, register, loaded))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """Where the packs are."""
    made = tmp_path / "packs"
    made.mkdir()
    return made


async def states(store: Store) -> dict[str, State]:
    """What the planner's page is told."""
    async with Redis.from_url(store.url, decode_responses=True) as client:
        told = await client.hgetall(contract.packs("chengdu"))
    return {str(name): msgspec.json.decode(body, type=State) for name, body in told.items()}


def test_another_line_is_taken_over_and_a_bad_one_is_told(site: Site, folder: Path, store: Store) -> None:
    """The takers get the new site; the bad edit changes nothing and stands in the store with its remedy."""
    taken: list[Site] = []

    async def take(new: Site) -> None:
        taken.append(new)

    async def work() -> None:
        watch = PacksWatch(site, store.url, [take], pytest.fail, folder)
        await watch.look()
        assert (await states(store))["noise"].state == "in-force"
        louder = sound()
        louder["rules"][0]["expr"] = "value > 95"
        rewritten(folder, louder)
        await watch.look()
        louder["rules"][0]["expr"] = "vlaue > 99"
        rewritten(folder, louder)
        await watch.look()
        await watch.close()

    asyncio.run(work())
    assert [new.packs[0].rules[0].expr for new in taken] == ["value > 95"]
    assert [rule.expr for rule in taken[0].layouts.rules] == ["value > 95", "score > 6"]
    told = asyncio.run(states(store))["noise"]
    assert (told.state, told.version) == ("refused", taken[0].packs[0].version)
    assert told.error == 'noise/pack.yaml: rules[0].expr: unknown column "vlaue"; did you mean "value"?'
    assert (keep(site.settings) / "noise" / "pack.yaml").read_text("utf-8").count("value > 95") == 1


def test_what_is_measured_starts_the_worker_anew(site: Site, folder: Path, store: Store) -> None:
    """Another cadence is another layout; nobody is asked to take it over."""
    left: list[bool] = []

    async def take(_: Site) -> None:
        pytest.fail("nobody can take this over")

    async def work() -> None:
        watch = PacksWatch(site, store.url, [take], lambda: left.append(True), folder)
        slower = sound()
        slower["datastreams"][0]["cadence"] = "5m"
        rewritten(folder, slower)
        await watch.look()
        await watch.close()

    asyncio.run(work())
    assert left == [True]


def test_a_shard_judges_by_the_new_rules_and_keeps_what_it_knows(site: Site) -> None:
    """What was pending goes on, the live values stay, and the line is the new one."""
    shard = Shard(site, int(site.register.shard[0]), LogBounds(0, 0, 0), None)  # type: ignore[arg-type]  # it sends nothing here
    rows = np.arange(3)
    shard.engine.step(batch(rows, np.full(3, NOON_MS), np.array([90.0, 70.0, 99.0])))
    pack = site.packs[0]
    stricter = replace(pack.rules[0], expr="value > 95", clear="NOT (value > 95)")
    shard.judge_by_site(replace(site, layouts=replace(site.layouts, rules=(stricter, *pack.rules[1:]))))
    assert shard.engine.value.tolist() == [90.0, 70.0, 99.0]
    step = shard.engine.step(batch(rows, np.full(3, NOON_MS + 90_000), np.array([91.0, 70.0, 98.0])))
    assert [(one.place, one.rule, one.onset) for one in step.detections] == [("mic-2", "Loud", NOON_MS)]
