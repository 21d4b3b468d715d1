"""The hub against a real store: what is pushed, when, and what happens when the store is away."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from citybrain.local import ports
from citybrain.local import redis as local
from config import contract
from config.city import City
from config.register import Register
from tests.wall.feed import MOODS, Feed
from tests.wall.told import Told
from wall import levels
from wall.hub import Hub
from wall.viewer import BACKLOG, Viewer, frame


def following(url: str, rows: Register, work: Callable[[Hub], Awaitable[Any]]) -> Any:
    """Run ``work`` while a hub follows the store at ``url``."""

    async def run() -> Any:
        redis = AsyncRedis.from_url(url)
        hub = Hub(redis, "chengdu", rows, CollectorRegistry())
        task = asyncio.create_task(hub.run())
        try:
            async with asyncio.timeout(30):
                return await work(hub)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await redis.aclose()

    return asyncio.run(run())


async def until(told: Told, frames: AsyncIterator[bytes], true: Callable[[Told], bool]) -> float:
    """Take frames until the viewer knows; how long that took, s."""
    started = time.monotonic()
    while not (told.body and true(told)):
        told.frame(await anext(frames))
    return time.monotonic() - started


def feed(url: str, city: City, rows: Register) -> Feed:
    made = Feed(Redis.from_url(url), city, rows)
    made.write_past(points=30)
    made.populate(MOODS["calm"])
    made.write_all()
    made.write_sources(MOODS["calm"])
    return made


def test_a_viewer_of_the_first_hour_sees_what_a_new_one_sees(store_url: str, chengdu: City, rows: Register) -> None:
    """After many deltas the old viewer's picture equals a fresh snapshot."""
    city = feed(store_url, chengdu, rows)

    async def work(hub: Hub) -> tuple[Told, Told]:
        viewer, told, fresh = hub.join(), Told(), Told()
        frames = viewer.frames()
        await until(told, frames, lambda t: len(t.body["alerts"]) == 5)
        for k in range(12):
            await asyncio.to_thread(city.step)
            if k % 4 == 0:
                await asyncio.to_thread(city.put, city.make(k % 3, k), True)
            told.frame(await anext(frames))
        while viewer._waiting:
            told.frame(await anext(frames))
        fresh.frame(await anext(hub.join().frames()))
        return told, fresh

    told, fresh = following(store_url, rows, work)
    assert told.body["seq"] > 5
    assert len(fresh.body["alerts"]) == 8
    assert told.same(fresh)


def test_levels_follow_the_packed_arrays(store_url: str, chengdu: City, rows: Register) -> None:
    """What the store holds of each datastream is what is drawn, and silence is drawn as none."""
    city = feed(store_url, chengdu, rows)

    async def work(hub: Hub) -> tuple[Told, Hub]:
        told = Told()
        await until(told, hub.join().frames(), lambda t: (t.body["levels"] != levels.NONE).sum() > 2000)
        return told, hub

    told, hub = following(store_url, rows, work)
    assert np.array_equal(told.body["levels"] == levels.NONE, np.isnan(city.value))
    place = hub.board.scale.places(city.value, hub.board.kind)
    known = ~np.isnan(city.value)
    assert np.abs(told.body["levels"][known] - place[known]).max() <= levels.HYSTERESIS


def test_an_alert_is_pushed_at_once(store_url: str, chengdu: City, rows: Register) -> None:
    """An alert does not wait for the tick, however busy the values are."""
    city = feed(store_url, chengdu, rows)

    async def work(hub: Hub) -> list[float]:
        told, frames = Told(), hub.join().frames()
        await until(told, frames, lambda t: len(t.body["alerts"]) == 5)
        took = []
        for k in range(5):
            await asyncio.to_thread(city.step)
            alert = city.make(0, k)
            await asyncio.to_thread(city.put, alert, True)
            took.append(await until(told, frames, lambda t, key=alert.id: key in t.body["alerts"]))  # type: ignore[misc]  # bound now
        return took

    assert max(following(store_url, rows, work)) < 0.25


def test_an_alert_that_left_the_store_leaves_the_wall(store_url: str, chengdu: City, rows: Register) -> None:
    """A change that says so is followed."""
    city = feed(store_url, chengdu, rows)
    gone = next(key.decode() for key in city.redis.hkeys(contract.alerts("chengdu")) if isinstance(key, bytes))

    async def work(hub: Hub) -> Told:
        told, frames = Told(), hub.join().frames()
        await until(told, frames, lambda t: len(t.body["alerts"]) == 5)
        city.redis.hdel(contract.alerts("chengdu"), gone)
        city._say({"what": "alert", "id": gone, "state": "gone"})
        await until(told, frames, lambda t: len(t.body["alerts"]) == 4)
        return told

    assert gone not in following(store_url, rows, work).body["alerts"]


def test_one_broken_alert_does_not_hide_the_others(store_url: str, chengdu: City, rows: Register) -> None:
    """What cannot be read is logged; the rest is shown."""
    city = feed(store_url, chengdu, rows)
    city.redis.hset(contract.alerts("chengdu"), "broken", b"{}")

    async def work(hub: Hub) -> Told:
        told = Told()
        await until(told, hub.join().frames(), lambda t: len(t.body["alerts"]) == 5)
        return told

    assert "broken" not in following(store_url, rows, work).body["alerts"]


def test_a_lost_store_is_said_and_survived(tmp_path: Path, chengdu: City, rows: Register) -> None:
    """While the store is away the heartbeat says so; when it is back the wall goes on by itself."""
    folder, port = tmp_path / "r", ports.free_port()
    folder.mkdir()
    url = local.url(folder, port)

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(local.argv(folder, port), stdout=subprocess.DEVNULL)
        while not asyncio.run(local.answers(url)):
            time.sleep(0.05)
        return process

    process = start()
    city = feed(url, chengdu, rows)

    async def work(hub: Hub) -> list[bool]:
        nonlocal process
        told, frames = Told(), hub.join().frames()
        await until(told, frames, lambda t: len(t.body["alerts"]) == 5)
        process.kill()
        process.wait()
        while b'"store":false' not in await anext(frames):
            pass
        process = await asyncio.to_thread(start)
        city.redis = Redis.from_url(url)
        await asyncio.to_thread(city.populate, MOODS["calm"])
        await asyncio.to_thread(city.put, city.make(0, 1), True)
        await until(told, frames, lambda t: len(t.body["alerts"]) == 6)
        return [hub.connected]

    try:
        assert following(url, rows, work) == [True]
    finally:
        process.terminate()
        process.wait()


def test_a_slow_viewer_is_given_a_snapshot_instead_of_its_backlog() -> None:
    """What a browser could not take in time is not kept for it."""

    async def run() -> list[bytes]:
        viewer = Viewer(lambda: frame("snapshot", b"{}"))
        frames = viewer.frames()
        seen = [await anext(frames)]
        for k in range(BACKLOG + 1):
            viewer.send(b"%d" % k)
        viewer.send(b"later")
        seen.append(await anext(frames))
        viewer.send(b"after")
        seen.append(await anext(frames))
        return seen

    snapshot = frame("snapshot", b"{}")
    assert asyncio.run(run()) == [snapshot, snapshot, b"after"]


def test_an_answer_is_handed_to_who_waits_for_it(store_url: str, chengdu: City, rows: Register) -> None:
    """A command's answer is told as soon as it is there, and None when it does not come in time."""
    city = feed(store_url, chengdu, rows)

    async def work(hub: Hub) -> tuple[bytes | None, bytes | None, float]:
        nothing = await hub.answered("c0", 0.2)
        asked = asyncio.create_task(hub.answered("c1", 3.0))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        city.redis.set(contract.answer("chengdu", "c1"), b"{}", ex=5)
        city._say({"what": "answer", "command": "c1"})
        return nothing, await asked, time.monotonic() - started

    nothing, found, took = following(store_url, rows, work)
    assert (nothing, found) == (None, b"{}")
    assert took < 0.2


def test_a_delta_says_when_its_readings_were_accepted(store_url: str, chengdu: City, rows: Register) -> None:
    """A test client can measure from the gateway's door to the browser."""
    city = feed(store_url, chengdu, rows)

    async def work(hub: Hub) -> dict[str, Any]:
        told, frames = Told(), hub.join().frames()
        await until(told, frames, lambda t: len(t.body["alerts"]) == 5)
        await asyncio.to_thread(city.step)
        while True:
            lines = dict(line.split(b": ", 1) for line in (await anext(frames)).strip().split(b"\n"))
            body: dict[str, Any] = msgspec.json.decode(lines[b"data"])
            if body.get("accepted"):
                return body

    body = following(store_url, rows, work)
    assert 60 <= body["at"] - body["accepted"] < 2000
