"""The live picture in a real store: what is written where, and that all of it comes back after a loss."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis

from citybrain.local import redis as local
from citybrain.local.ports import free_port
from config import contract
from models.flood import Flooded
from models.outcome import Outcome
from models.values import Alert, Answer, Detection, Incident, Text, Unit, from_json, to_json
from streams.picture import Picture, Shown

CITY = "chengdu"
N = 2_500  # datastreams of the shard: chunks of 1,000, 1,000 and 500


class Store:
    """The embedded store as a process that can be killed and emptied."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = local.url(data, self.port)
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(local.argv(self.data, self.port), stdout=subprocess.DEVNULL)
        for _ in range(200):
            if await local.answers(self.url):
                return
            await asyncio.sleep(0.02)
        raise TimeoutError("the store does not answer")

    def kill(self, empty: bool = False) -> None:
        """Kill it; ``empty`` takes what it had on disk away too."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        if empty:
            shutil.rmtree(self.data / "appendonlydir", ignore_errors=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all tests; each begins with it up and empty."""
    one = Store(tmp_path_factory.mktemp("store"))
    yield one
    one.kill()


Test = Callable[[Redis, Picture], Coroutine[Any, Any, None]]


def play(store: Store, test: Test) -> None:
    """Run ``test`` with a client and a picture that has a shard."""

    async def whole() -> None:
        if store.process is None:
            await store.start()
        client, picture = Redis.from_url(store.url), Picture(CITY, store.url, period_s=0.02)
        await client.flushall()
        try:
            await test(client, picture)
        finally:
            await picture.close()
            await client.aclose()

    asyncio.run(whole())


class Shard:
    """Arrays as an engine has them."""

    def __init__(self, n: int = N) -> None:
        self.value = np.full(n, np.nan, np.float32)
        self.score = np.full(n, np.nan, np.float32)
        self.time = np.zeros(n, np.int64)
        self.counts = {"scored": 5, "late": 1}

    def show(self, picture: Picture, number: int = 0) -> None:
        """Let the picture write it."""
        picture.show_shard(number, self.value, self.score, self.time, lambda: self.counts)

    def move(self, picture: Picture, rows: list[int], value: float, time_ms: int, accepted: int = 9) -> None:
        """New values at these rows."""
        self.value[rows], self.score[rows], self.time[rows] = value, value / 10, time_ms
        picture.moved(0, np.array(rows, np.int32), accepted)


class Listener:
    """What was said on the channel of changes."""

    def __init__(self, client: Redis) -> None:
        self.pubsub = client.pubsub()

    async def __aenter__(self) -> Listener:
        await self.pubsub.subscribe(contract.changes(CITY))
        await self.pubsub.get_message(timeout=5)  # that it is subscribed
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pubsub.aclose()  # type: ignore[no-untyped-call]  # the client's own

    async def next(self, what: str) -> dict[str, Any]:
        """The next message of this kind."""
        async with asyncio.timeout(10):
            while True:
                message = await self.pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                if message is not None:
                    said: dict[str, Any] = json.loads(message["data"])
                    if said["what"] == what:
                        return said


def alert(name: str = "a1", state: Any = "unacknowledged") -> Alert:
    """An alert."""
    text = Text("Crowded", "拥挤")
    detection = Detection(
        id=name, pack="p", rule="r", place="z", place_kind="zone", place_name=text, lon=104.0, lat=30.6,
        district="d", state="firing", severity="Severe", onset=1, time=2, value=3.0, expected=None, score=None,
        unit="1", headline=text,
    )  # fmt: skip
    return Alert(id=name, detection=detection, state=state, severity="Severe", opened=1, deadline=2)


def incident(name: str = "i1", state: Any = "open") -> Incident:
    """An incident of it."""
    text = Text("Crowded", "拥挤")
    return Incident(
        id=name, title=text, state=state, severity="Severe", pack="p", place="z", place_name=text, lon=104.0, lat=30.6,
        district="d", opened=1, changed=1,
    )  # fmt: skip


class Keeper:
    """A room that the picture shows, as far as the picture can see."""

    def __init__(self, picture: Picture, *alerts: Alert) -> None:
        self.picture = picture
        self.alerts = {one.id: one for one in alerts}
        picture.own_room(self._shown)

    async def _shown(self) -> Shown:
        return Shown(self.alerts, {}, {}, {})

    async def put(self, *alerts: Alert, gone: str = "") -> None:
        """Some alerts changed, one may be gone."""
        self.alerts |= {one.id: one for one in alerts}
        self.alerts.pop(gone, None)
        hidden = {f"alert/{gone}"} if gone else set()
        await self.picture.show(Outcome(alerts={one.id: one for one in alerts}, hidden=hidden))


async def array(client: Redis, key: str, kind: str) -> list[float]:
    """A packed array."""
    data = await client.get(key)
    assert isinstance(data, bytes)
    found: list[float] = np.frombuffer(data, kind).tolist()
    return found


async def fields(client: Redis, key: str) -> dict[str, bytes]:
    """A hash."""
    held: Any = client.hgetall(key)
    return {name.decode(): value for name, value in (await held).items()}


async def zones(client: Redis) -> dict[str, Any]:
    """The zones as they stand there."""
    found: dict[str, Any] = json.loads(await client.get(contract.zones(CITY)) or b"null")
    return found


async def history(client: Redis) -> list[dict[str, Any]]:
    """The trend, newest first."""
    held: Any = client.lrange(contract.history(CITY), 0, -1)
    return [json.loads(one) for one in await held]


def test_a_shard_is_packed_arrays_in_the_order_of_its_rows(store: Store) -> None:
    """Values and scores are float32, times are seconds as uint32; what never came is NaN and 0."""

    async def test(client: Redis, picture: Picture) -> None:
        shard = Shard()
        shard.show(picture)
        shard.move(picture, [0, 1_999, 2_499], 40.0, 1_790_000_000_999)
        await picture.turn()
        values = await array(client, contract.values(CITY, 0), "<f4")
        assert len(values) == N
        assert [values[row] for row in (0, 1_999, 2_499)] == [40.0] * 3
        assert np.isnan(values[1])
        assert (await array(client, contract.scores(CITY, 0), "<f4"))[2_499] == 4.0
        times = await array(client, contract.times(CITY, 0), "<u4")
        assert (times[0], times[1]) == (1_790_000_000, 0)
        assert await fields(client, contract.counters(CITY)) == {"scored:0": b"5", "late:0": b"1"}

    play(store, test)


def test_only_chunks_that_moved_are_written_and_told(store: Store) -> None:
    """A change names its chunks, the newest time and when the oldest reading was accepted."""

    async def test(client: Redis, picture: Picture) -> None:
        shard = Shard()
        shard.show(picture)
        async with Listener(client) as listener:
            await picture.turn()
            assert (await listener.next("values"))["chunks"] == [0, 1, 2]
            await client.setrange(contract.values(CITY, 0), 0, b"\0" * 4)  # chunk 0 must stay as it is now
            shard.move(picture, [2_400], 1.0, 5_000, accepted=70)
            shard.move(picture, [2_001], 2.0, 4_000, accepted=60)
            await picture.turn()
            said = await listener.next("values")
        assert said == {"what": "values", "shard": 0, "chunks": [2], "time": 5_000, "accepted": 60}
        values = await array(client, contract.values(CITY, 0), "<f4")
        assert (values[0], values[2_001], values[2_400]) == (0.0, 2.0, 1.0)

    play(store, test)


def test_zones_are_the_last_tick_and_the_trend_is_kept(store: Store) -> None:
    """Zones are replaced, totals are put before the older ones, and both are told."""

    async def test(client: Redis, picture: Picture) -> None:
        async with Listener(client) as listener:
            for tick in (1, 2):
                picture.zones(tick, [{"zone": "z", "value": tick}], {"people": (float(tick), None)})
                await picture.turn()
                assert await listener.next("zones") == {"what": "zones", "tick": tick}
        assert await zones(client) == {"tick": 2, "rows": [{"zone": "z", "value": 2}]}
        assert await history(client) == [{"tick": t, "totals": {"people": [float(t), None]}} for t in (2, 1)]

    play(store, test)


def test_the_hour_ahead_is_there_before_its_zones_are_told(store: Store) -> None:
    """Whoever hears of a tick finds the forecasts made in it."""

    async def test(client: Redis, picture: Picture) -> None:
        async with Listener(client) as listener:
            picture.forecasts({"tick": 7, "rows": []})
            picture.zones(7, [], {})
            await picture.turn()
            await listener.next("zones")
        assert json.loads(await client.get(contract.forecasts(picture.city)) or b"") == {"tick": 7, "rows": []}

    play(store, test)


def test_the_trend_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older totals than HISTORY_LENGTH go."""
    monkeypatch.setattr(contract, "HISTORY_LENGTH", 3)

    async def test(client: Redis, picture: Picture) -> None:
        for tick in range(5):
            picture.zones(tick, [], {})
            await picture.turn()
        assert [one["tick"] for one in await history(client)] == [4, 3, 2]

    play(store, test)


def test_alerts_and_answers_are_written_at_once(store: Store) -> None:
    """An alert is in the hash, told with its state; gone, it is told as gone; an answer lives for a while."""

    async def test(client: Redis, picture: Picture) -> None:
        answer = Answer(command="c1", alert="a1", status="done", state="acknowledged")
        async with Listener(client) as listener:
            await picture.show(Outcome(alerts={"a1": alert()}))
            assert await listener.next("alert") == {"what": "alert", "id": "a1", "state": "unacknowledged"}
            await picture.show(Outcome(alerts={"a1": alert(state="acknowledged")}, answers=[answer]))
            assert (await listener.next("alert"))["state"] == "acknowledged"
            assert await listener.next("answer") == {"what": "answer", "command": "c1"}
            held = await fields(client, contract.alerts(CITY))
            assert from_json(held["a1"], Alert) == alert(state="acknowledged")
            assert await client.get(contract.answer(CITY, "c1")) == to_json(answer)
            assert 0 < await client.ttl(contract.answer(CITY, "c1")) <= contract.ANSWER_TTL_S
            await picture.show(Outcome(hidden={"alert/a1"}))
            assert await listener.next("alert") == {"what": "alert", "id": "a1", "state": "gone"}
            assert await fields(client, contract.alerts(CITY)) == {}

    play(store, test)


def test_incidents_units_and_items_are_written_and_told(store: Store) -> None:
    """Each lies in its own hash under its id; what the topic lets go of leaves the picture too."""
    unit = Unit(id="u1", name=Text("Pump 1", "泵车1"), kind="pump", lon=104.0, lat=30.6)

    async def test(client: Redis, picture: Picture) -> None:
        outcome = Outcome(incidents={"i1": incident()}, units={"u1": unit}, items={"silence/s1": b"{}"})
        async with Listener(client) as listener:
            await picture.show(outcome)
            assert await listener.next("incident") == {"what": "incident", "id": "i1", "state": "open"}
            assert await listener.next("units") == {"what": "units", "ids": ["u1"]}
            assert await listener.next("room") == {"what": "room", "key": "silence/s1"}
        assert from_json((await fields(client, contract.incidents(CITY)))["i1"], Incident) == incident()
        assert from_json((await fields(client, contract.units(CITY)))["u1"], Unit) == unit
        assert await fields(client, contract.room(CITY)) == {"silence/s1": b"{}"}
        await picture.show(Outcome(incidents={"i1": None}, items={"silence/s1": None}))
        assert await fields(client, contract.incidents(CITY)) == {}
        assert await fields(client, contract.room(CITY)) == {}

    play(store, test)


def test_the_load_of_the_seats_is_written(store: Store) -> None:
    """A flood is told with its seats, its beginning and what is folded away."""
    load = Flooded(seats={"li": 12}, flood=True, since=5, hidden=7)

    async def test(client: Redis, picture: Picture) -> None:
        await picture.flooded(load)
        assert from_json(await client.get(contract.flood(CITY)) or b"", Flooded) == load

    play(store, test)


def test_taking_the_room_over_replaces_what_another_left(store: Store) -> None:
    """A worker that takes over writes what the topics hold, and nothing else stays."""

    async def test(client: Redis, picture: Picture) -> None:
        await client.set(contract.values(CITY, 7), b"another's")
        Keeper(picture, alert("stale"))
        await picture.write_room()
        Keeper(picture, alert("a2"))
        await picture.write_room()
        assert list(await fields(client, contract.alerts(CITY))) == ["a2"]
        assert await client.exists(contract.values(CITY, 7))

    play(store, test)


def test_a_shard_of_another_worker_is_left_alone(store: Store) -> None:
    """What was given away is written no more."""

    async def test(client: Redis, picture: Picture) -> None:
        shard = Shard()
        shard.show(picture)
        picture.hide_shard(0)
        shard.move(picture, [0], 1.0, 1_000)
        await picture.turn()
        assert not await client.exists(contract.values(CITY, 0))

    play(store, test)


@pytest.mark.parametrize("seen", [False, True], ids=["between-two-turns", "seen-by-a-turn"])
def test_a_lost_store_gets_the_whole_picture_again(store: Store, seen: bool) -> None:
    """Killed and started empty, however quickly: all comes back, with what moved meanwhile, and it is told."""

    async def test(client: Redis, picture: Picture) -> None:
        shard = Shard()
        shard.show(picture)
        room = Keeper(picture)
        shard.move(picture, [3, 2_003], 1.0, 1_000)
        for tick in (1, 2):
            picture.zones(tick, [{"zone": "z"}], {})
            await picture.turn()
        await room.put(alert("a1"), alert("a2"))
        store.kill(empty=True)
        if seen:
            shard.move(picture, [4], 2.0, 2_000)
            picture.zones(3, [{"zone": "z"}], {})
            await picture.turn()
            await room.put(alert("a3"), gone="a1")
        await store.start()
        await client.connection_pool.disconnect()
        assert await client.keys() == []
        async with Listener(client) as listener:
            await picture.turn()
            await picture.turn()
            await listener.next("all")
        values = await array(client, contract.values(CITY, 0), "<f4")
        assert len(values) == N
        assert (values[3], values[2_003]) == (1.0, 1.0)
        assert values[4] == 2.0 if seen else np.isnan(values[4])
        assert set(await fields(client, contract.alerts(CITY))) == ({"a2", "a3"} if seen else {"a1", "a2"})
        assert (await zones(client))["tick"] == (3 if seen else 2)
        assert [one["tick"] for one in await history(client)] == ([3, 2, 1] if seen else [2, 1])
        shard.move(picture, [5], 3.0, 3_000)
        await picture.turn()
        assert (await array(client, contract.values(CITY, 0), "<f4"))[5] == 3.0

    play(store, test)


def test_a_store_that_kept_its_data_keeps_its_trend(store: Store) -> None:
    """Killed and started with its data, the trend of before this worker is still there, once."""

    async def test(client: Redis, picture: Picture) -> None:
        earlier = Picture(CITY, store.url, period_s=1.0)
        earlier.zones(0, [], {})
        await earlier.close()
        picture.zones(1, [], {})
        await picture.turn()
        await asyncio.sleep(1.2)  # the store has it on disk within a second
        store.kill()
        picture.zones(2, [], {})
        await picture.turn()
        await store.start()
        await picture.turn()
        await client.connection_pool.disconnect()
        assert [one["tick"] for one in await history(client)] == [2, 1, 0]

    play(store, test)


def test_it_writes_by_itself(store: Store) -> None:
    """Running, it writes what moved within its period, also after the store was away, until it is closed."""

    async def test(client: Redis, picture: Picture) -> None:
        shard = Shard()
        shard.show(picture)
        running = asyncio.create_task(picture.run())
        try:
            for round in range(2):
                async with asyncio.timeout(10):
                    while not await client.exists(contract.values(CITY, 0)):
                        await asyncio.sleep(0.01)
                if round == 0:
                    store.kill(empty=True)
                    await store.start()
                    await client.connection_pool.disconnect()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    play(store, test)
