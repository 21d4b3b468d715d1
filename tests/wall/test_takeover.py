"""An emergency on the board: from the alert and its incident in the store to what a wall draws, and its end."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from config import contract
from config import pack as packs
from config.city import City
from config.register import Register
from models import incidents
from models.takeover import Claim, Emergency
from models.values import Order, Text, Unit
from tests.wall.feed import MOODS, Feed
from wall import emergency, measures
from wall.emergency import Around
from wall.hub import Hub
from wall.scenery import Shows

NOWHERE = Around(cameras=(), seen=(), past=(), ahead=None, unit="", subject="")


def unit(name: str, lon: float, status: Any) -> Unit:
    return Unit(id=name, name=Text(name, name), kind="pump", lon=lon, lat=30.0, status=status)


def test_arrivals_are_told_to_ten_seconds_and_only_of_those_that_come() -> None:
    """A kilometre as the crow flies is 168 s at 30 km/h with a detour of 1.4."""
    there = 1 / (111.32 * math.cos(math.radians(30.0)))  # a kilometre in degrees
    units = [unit("a", 104.0 + there, "under-way"), unit("b", 104.0 + there, "on-scene")]
    assert emergency.arrivals(units, 104.0, 30.0, now=0) == [170_000, None]


def test_an_alert_without_an_incident_is_shown_by_itself(chengdu: City, rows: Register) -> None:
    """There is no plan, no owner and no timeline yet, and the page has every field."""
    feed = Feed(Redis(), chengdu, rows)
    alert = feed.make(0, 3)
    one = Emergency(id=alert.id, alert=alert.id, incident="", severity="Extreme", since=alert.opened)
    row = emergency.row(one, 0, alert, None, {}, NOWHERE, now=alert.opened)
    assert (row["level"], row["owner"], row["tasks"], row["units"]) == (1, "", [], [])
    assert row["headline"]["zh"] == alert.detection.headline.zh
    assert [step["action"] for step in row["steps"]] == ["opened"]


def test_figures_stages_and_weather_follow_what_is_measured() -> None:
    """Of the flood pack: the deepest water, how many points are past a line, and in which stage they are."""
    flood = next(pack.scene for pack in packs.load_all() if pack.name == "flood")
    assert flood is not None
    now = measures.Now({"water_level": np.array([0.01, 0.16, 0.4], np.float32)}, [], [], {})
    figures = measures.figures([flood], now)
    assert [figures[f"flood/{k}"]["value"] for k in (0, 1, 2)] == [0.4, 2, None]
    assert measures.stages([flood], now) == {"flood": {"n": [1, 0, 1, 1]}}
    assert measures.weather({"rainfall": np.array([3.0, 12.5], np.float32)}) == {"now": {"rain": 12.5}}
    assert measures.weather({}) == {}


def test_the_trend_of_a_pack_that_counts_is_how_many_are_past_the_line() -> None:
    """A state of 0 and 1 has a trend that says something: the number of lifts that hold people."""
    (lift,) = [pack.scene for pack in packs.load_all() if pack.name == "lift-rescue"]
    assert lift is not None
    assert measures.figure_of(lift, "trapped", {"trapped": np.array([0, 1, 1, 0, 1], np.float32)}) == 3


def test_an_emergency_comes_with_its_plan_units_and_cameras_and_goes_when_it_is_taken_off(
    store_url: str, chengdu: City, rows: Register
) -> None:
    """Through the real store: the alert claims the wall by itself, a person's order gives it back."""
    feed = Feed(Redis.from_url(store_url), chengdu, rows)
    feed.populate(MOODS["calm"])
    feed.write_all()
    feed.write_room(MOODS["calm"])

    async def work(hub: Hub) -> None:
        board = hub.board.sections
        await _until(lambda: len(board["units"].now) > 100, "the units are known")
        assert board["takeover"].now == {}
        incident = await asyncio.to_thread(feed.emergency, 0)
        await _until(lambda: incident.id in board["takeover"].now, "the emergency has the wall")
        row = board["takeover"].now[incident.id]
        assert (row["rank"], row["level"], row["owner"], row["plan"]["launched"]) == (0, 1, "陈刚", True)
        assert [task["state"] for task in row["tasks"]][:3] == ["done", "done", "open"]
        await _until(lambda: _statuses(board, incident.id) == ["on-scene", *["under-way"] * 4], "the units are sent")
        units = board["takeover"].now[incident.id]["units"]
        assert (units[0]["status"], units[0]["due"], units[1]["due"] is not None) == ("on-scene", None, True)
        assert len(row["cameras"]) == emergency.CAMERAS
        assert [camera["metres"] for camera in row["cameras"]] == sorted(c["metres"] for c in row["cameras"])
        now = int(time.time() * 1000)
        off = Order(id="take-it-off", about="incident", subject=incident.id, do="wall-off", by="chen", at=now)
        await asyncio.to_thread(feed.put_incident, incidents.obey(incident, off, now))
        await _until(lambda: board["takeover"].now == {}, "the wall is given back")

    _following(store_url, rows, work)


def test_three_emergencies_are_ranked_and_the_third_is_only_counted(
    store_url: str, chengdu: City, rows: Register
) -> None:
    """Two have everything, the third has its rank and its level."""
    feed = Feed(Redis.from_url(store_url), chengdu, rows)
    feed.write_all()
    feed.write_room(MOODS["two"])

    async def work(hub: Hub) -> None:
        board = hub.board.sections["takeover"]
        await _until(lambda: len(board.now) == 3, "all three are known")
        ranked = sorted(board.now.values(), key=lambda row: row["rank"])
        assert [row["rank"] for row in ranked] == [0, 1, 2]
        assert ["headline" in row for row in ranked] == [True, True, False]
        assert [row["since"] for row in ranked] == sorted(row["since"] for row in ranked)

    _following(store_url, rows, work)


def test_a_warning_of_the_room_is_an_area_of_the_map(store_url: str, chengdu: City, rows: Register) -> None:
    """With its polygon, its colour and who has confirmed it; one that is over is not."""
    feed = Feed(Redis.from_url(store_url), chengdu, rows)
    feed.write_all()
    feed.write_warning()

    async def work(hub: Hub) -> None:
        board = hub.board.sections["areas"]
        await _until(lambda: len(board.now) == 1, "the warning is known")
        area = board.now["feed-rainstorm"]
        assert (area["level"], area["places"], area["confirmed"], len(area["polygons"][0])) == (2, 214, 180, 5)

    _following(store_url, rows, work)


def test_clusters_of_appeals_come_from_the_picture_that_agents_tell(
    store_url: str, chengdu: City, rows: Register
) -> None:
    """While the agent tells its numbers; a picture that nobody keeps up is not shown."""
    feed = Feed(Redis.from_url(store_url), chengdu, rows)
    feed.write_all()
    feed.write_appeals()

    async def work(hub: Hub) -> None:
        board = hub.board.sections["clusters"]
        await _until(lambda: len(board.now) == 3, "the clusters are known")
        assert [row["cases"] for row in board.now.values()] == [34, 18, 27]
        feed.redis.delete(contract.figures(chengdu.id))
        await _until(lambda: not board.now, "they are taken off")

    _following(store_url, rows, work)


def test_the_alarm_quality_is_of_the_alerts_this_wall_has_seen(store_url: str, chengdu: City, rows: Register) -> None:
    """Five alerts of the last hour, one operator: the figures of models/alarm_quality.py."""
    feed = Feed(Redis.from_url(store_url), chengdu, rows)
    feed.populate(MOODS["calm"])
    feed.write_all()

    async def work(hub: Hub) -> None:
        board = hub.board.sections["quality"]
        await _until(lambda: board.now.get("now", {}).get("alerts") == 5, "the quality is known")
        row = board.now["now"]
        assert (row["operators"], row["load"] in ("acceptable", "manageable")) == (1, True)
        msgspec.json.encode(row)

    _following(store_url, rows, work)


def _statuses(board: Any, incident: str) -> list[str]:
    return [unit["status"] for unit in board["takeover"].now[incident]["units"]]


def _following(url: str, rows: Register, work: Any) -> None:
    async def run() -> None:
        redis = AsyncRedis.from_url(url)
        hub = Hub(redis, "chengdu", rows, CollectorRegistry(), Shows(packs.load_all(), (Claim(),)))
        task = asyncio.create_task(hub.run())
        try:
            async with asyncio.timeout(60):
                await work(hub)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await redis.aclose()

    asyncio.run(run())


async def _until(true: Any, what: str, timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        await asyncio.sleep(0.05)
