"""Both feeds against the real gateway on the embedded broker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from citybrain.local.kafka import running_broker
from citybrain.local.ports import free_port
from config import city as cities
from config import contract
from config import register as registers
from config.register import Register
from config.settings import Settings
from models import batch
from models.batch import Batch
from sensors import tokens
from sensors.feed import Progress, feed_auckland, feed_chengdu, first_ms
from sensors.gateway.app import create
from sensors.push import Counts, Refused
from sensors.simulate import auckland, chengdu
from sensors.simulate.declared import FeedError
from sensors.simulate.position import Position
from sensors.simulate.truth import read
from tests.simulate.rig import WATCHED, consumed, wait_until

GATEWAYS = 5
SENSORS = 3_000


class Rig:
    """A city's data folder, topics and tokens; the gateway is served when asked for."""

    def __init__(self, servers: str, home: Path, city: str, register: Register, **more: Any) -> None:
        self.settings = Settings(city=city, data=home, kafka=servers, gateway_port=free_port(), **more)
        self.register = register
        admin = KafkaAdminClient(bootstrap_servers=servers)
        admin.delete_topics([topic for topic in admin.list_topics() if topic.startswith(f"{city}.")])
        topics = {contract.READINGS: register.shards, contract.DEAD_LETTERS: 1, contract.COMMANDS: 1}
        admin.create_topics([NewTopic(topic.of(city), count, 1) for topic, count in topics.items()])
        admin.close()
        names = [f"gw-{number:02d}" for number in range(GATEWAYS)]
        self.tokens = {name: tokens.issue(self.settings.secrets / "gateways.json", name) for name in names}

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve the gateway while the block runs; it has found the broker when the block begins."""
        port = self.settings.gateway_port
        app = create(self.settings, self.register)
        server = uvicorn.Server(uvicorn.Config(app, port=port, access_log=False, log_config=None, ws="none"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started, "the gateway serves")
            ready = f"http://127.0.0.1:{port}/readyz"
            wait_until(lambda: httpx.get(ready, trust_env=False).status_code == 200, "the gateway is ready")
            yield
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()

    def feed(self, for_s: float, during: Callable[[], None] | None = None, **more: Any) -> tuple[Counts, Progress]:
        """Run the feed for so long from its first word, doing something else meanwhile; its counts and last word."""
        push = feed_chengdu if self.settings.city == "chengdu" else feed_auckland
        words: list[Progress] = []

        async def main() -> Counts:
            stop = asyncio.Event()

            def report(progress: Progress) -> None:
                if not words:
                    asyncio.get_running_loop().call_later(for_s, stop.set)
                words.append(progress)

            meanwhile = asyncio.create_task(asyncio.to_thread(during)) if during else None
            counts = await push(self.settings, self.register, self.tokens, more.get("speed"), stop, report)
            if meanwhile:
                await meanwhile
            return counts

        counts = asyncio.run(main())
        return counts, words[-1]

    def batches(self) -> list[Batch]:
        """All batches in the topic of readings."""
        topic = contract.READINGS.of(self.settings.city)
        return [batch.decode(value) for value in consumed(str(self.settings.kafka), topic)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of an embedded broker."""
    with running_broker(tmp_path_factory.mktemp("broker")) as servers:
        yield servers


@pytest.fixture
def chengdu_rig(broker: str, tmp_path: Path, register: Register) -> Rig:
    """A part of Chengdu, with sensors of every kind."""
    every = register.frame.gather_every(len(register) // SENSORS)
    return Rig(broker, tmp_path, "chengdu", Register(every))


@pytest.fixture
def auckland_rig(broker: str, tmp_path: Path) -> Rig:
    """Auckland's counters."""
    city = cities.load("auckland")
    return Rig(broker, tmp_path, "auckland", registers.build(city, city.assets(), WATCHED)[0], rate_limit=10**7)


def keys(batches: list[Batch]) -> list[tuple[int, int]]:
    """Datastream and time of every reading, in order of acceptance."""
    whole = batch.concat(batches)
    return list(zip(whole.datastream.tolist(), whole.time.tolist(), strict=True))


def test_chengdu_speaks_in_real_time(chengdu_rig: Rig) -> None:
    """Every reading due while the feed ran is there once, with its value, from its gateway, and none is early."""
    began = int(time.time() * 1000)
    with chengdu_rig.served():
        counts, last = chengdu_rig.feed(3.2)
    ended = int(time.time() * 1000)
    batches = chengdu_rig.batches()
    whole = batch.concat(batches)
    assert counts.accepted == len(whole) == len(set(keys(batches)))
    assert (counts.rejected, counts.resent, last.behind_s < 1.5) == (0, 0, True)
    assert len(whole) == pytest.approx(3 * SENSORS / 5, rel=0.35)
    assert began <= whole.time.min() and whole.time.max() < ended
    city = chengdu.simulated(cities.load("chengdu"), chengdu_rig.register, began)
    np.testing.assert_array_equal(whole.value, city.values(whole.datastream, whole.time))
    for one in batches:
        assert (np.diff(one.time) >= 0).all()
        assert one.source in chengdu_rig.tokens


def test_nothing_is_lost_while_the_gateway_is_away(chengdu_rig: Rig) -> None:
    """The gateway goes away for a second: afterwards its readings are all there, once, and in order."""

    def restart() -> None:
        with chengdu_rig.served():
            time.sleep(1.5)
        time.sleep(1.0)
        with chengdu_rig.served():
            time.sleep(3.0)

    counts, _ = chengdu_rig.feed(5.5, restart)
    found = keys(chengdu_rig.batches())
    assert counts.retries > 0
    assert len(set(found)) <= counts.accepted <= len(set(found)) + counts.resent
    times = np.array([time_ms for _, time_ms in found])
    per_second = np.bincount((times - times.min()) // 1000)[:4]
    assert per_second.min() > 0.6 * per_second.max()


def test_the_truth_is_beside_the_data(chengdu_rig: Rig) -> None:
    """The feed leaves a file that tells when it began."""
    began = int(time.time() * 1000)
    with chengdu_rig.served():
        chengdu_rig.feed(1.3)
    lines = read(chengdu_rig.settings.home / "truth.jsonl")
    assert [one["what"] for one in lines[:1]] == ["run"]
    assert 0 <= lines[0]["start"] - began < 2_000


def test_faster_than_real_time_begins_in_the_past(chengdu_rig: Rig) -> None:
    """At four times the speed more than three seconds of readings pass in each, and none is ahead of the clock."""
    with chengdu_rig.served():
        counts, _ = chengdu_rig.feed(2.6, speed=4.0)
    whole = batch.concat(chengdu_rig.batches())
    assert counts.rejected == 0
    assert whole.time.max() - whole.time.min() > 6_000
    assert whole.time.min() < time.time() * 1000 - 3 * 500_000


def test_first_ms() -> None:
    """The past begins as far back as the speed will make good."""
    assert first_ms(1.0, 10**9) == first_ms(0.5, 10**9) == 10**9
    assert first_ms(3.0, 10**9, 60) == 10**9 - 120_000


def test_an_unknown_token_ends_the_feed(chengdu_rig: Rig) -> None:
    """A gateway whose token is not known stops with the reason, and takes the others with it."""
    chengdu_rig.tokens["gw-02"] = "cb_wrong"
    with chengdu_rig.served(), pytest.raises(Refused, match="gw-02"):
        chengdu_rig.feed(5)


@pytest.mark.parametrize(
    ("speed", "held", "says"), [(0.0, True, "speed 0 is not above zero"), (1.0, False, "no gateway has a token")]
)
def test_a_feed_that_cannot_speak_says_why(chengdu_rig: Rig, speed: float, held: bool, says: str) -> None:
    """Without a pace or a token the feed does not begin."""
    if not held:
        chengdu_rig.tokens.clear()
    with pytest.raises(FeedError, match=says):
        chengdu_rig.feed(1.0, speed=speed)


def test_the_recording_goes_on_where_it_was(auckland_rig: Rig) -> None:
    """Stopped in the warm-up and started again, the recording is in the topic once, in order, without a gap."""
    position = Position(auckland_rig.settings.home / "feed.json")
    with auckland_rig.served():
        first, _ = auckland_rig.feed(0.4)
        reached = Position(auckland_rig.settings.home / "feed.json").time_ms
        second, last = auckland_rig.feed(0.8)
    whole = batch.concat(auckland_rig.batches())
    recorded = auckland.replay(auckland_rig.register)
    assert position.time_ms is None and reached is not None and last.time_ms > reached
    assert first.accepted + second.accepted == len(whole)
    np.testing.assert_array_equal(whole.datastream, recorded.rows[: len(whole)])
    np.testing.assert_array_equal(whole.time, recorded.time_ms[: len(whole)])
    np.testing.assert_array_equal(whole.value, recorded.value[: len(whole)])
    assert len(whole) > 4_000


def test_a_slow_door_is_not_hurried(broker: str, tmp_path: Path, auckland_rig: Rig) -> None:
    """Over the gateway's rate the recording waits as it is told; every reading is there once."""
    slow = Rig(broker, tmp_path / "slow", "auckland", auckland_rig.register, rate_limit=6_000)
    with slow.served():
        counts, _ = slow.feed(3.0)
    whole = batch.concat(slow.batches())
    assert counts.retries >= 1
    assert counts.accepted == len(whole) == len(set(keys([whole])))
    assert len(whole) < 6_000 * 5


def test_chapters_are_paced(auckland_rig: Rig) -> None:
    """In a chapter of 7,200 simulated seconds a second two hours come each second, each in one request."""
    Position(auckland_rig.settings.home / "feed.json").save(auckland.expected()[0].time_ms - 2 * 3_600_000)
    with auckland_rig.served():
        counts, last = auckland_rig.feed(1.7)
    batches = auckland_rig.batches()
    assert (counts.requests, counts.accepted) == (3, 57)
    assert [len(set(one.time.tolist())) for one in batches] == [1, 1, 1]
    assert batches[1].time[0] == auckland.expected()[0].time_ms
    assert batches[1].value.sum() == 24_760
    assert last.chapter == "New Year's Eve 2019"
