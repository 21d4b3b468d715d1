"""The MQTT door at a real Mosquitto, on a real Kafka-protocol broker."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from citybrain.local.kafka import running_broker
from citybrain.local.ports import free_port
from config import contract
from models import batch
from models.values import DeadLetter, Detection, from_json
from sensors.mqtt.line import Address, LineError
from sensors.mqtt.offline import Offline, online
from sensors.mqtt.routes import DEFAULT, RouteError, found, load
from tests.sensors.mosquitto import MOSQUITTO, Mosquitto, mosquitto
from tests.sensors.rig import NOW_MS, Reader, create_topics, points, reading, wait_until

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs Debian's mosquitto")
DOOR = """
import asyncio, logging, sys
logging.basicConfig(level=logging.INFO)
from pathlib import Path
from types import SimpleNamespace
from config.settings import Settings
from sensors.mqtt.door import run_mqtt
from tests.sensors.rig import register
city = SimpleNamespace(folder=Path(sys.argv[1]), timezone="UTC", view=SimpleNamespace(centre=(104.0, 30.6)))
asyncio.run(run_mqtt(Settings(), city, register()))
"""


class Publisher:
    """A gateway that publishes at QoS 1 and waits until the broker has what it sent."""

    def __init__(self, port: int, version: str = "5", will: tuple[str, bytes] | None = None) -> None:
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self.client.max_inflight_messages_set(1_000)
        if will is not None:
            self.client.will_set(*will, qos=1, retain=True)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def send(self, topic: str, payload: object) -> None:
        """Publish and wait."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload)
        self.client.publish(topic, body, qos=1).wait_for_publish(10)

    def vanish(self) -> None:
        """Go without saying goodbye: the broker publishes the last will."""
        self.client.loop_stop()
        self.client._sock_close()  # what a power cut does

    def close(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        self.client.loop_stop()


@dataclass
class Door:
    """The door as a process of its own."""

    variables: dict[str, str]
    home: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it has subscribed."""
        log = self.home / "door.log"
        before = log.read_text().count("subscribed at") if log.exists() else 0
        command = [sys.executable, "-c", DOOR, str(self.home)]
        with log.open("ab") as told:
            self.process = subprocess.Popen(
                command, env=os.environ | self.variables, cwd=Path(__file__).parents[2], stderr=told
            )
        wait_until(lambda: log.read_text().count("subscribed at") > before, "the door has subscribed", within_s=30)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(20)


@contextmanager
def door(home: Path, kafka: str, broker: Mosquitto, city: str, **more: Any) -> Iterator[Door]:
    """The door running while the block runs; ``more`` are settings."""
    settings = {"city": city, "data": home, "kafka": kafka, "mqtt": broker.url, **more}
    one = Door({f"CITYBRAIN_{name.upper()}": str(value) for name, value in settings.items()}, home)
    one.start()
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of an embedded broker."""
    with running_broker(tmp_path_factory.mktemp("broker")) as servers:
        yield servers


class City:
    """A city of the test's own on the broker at ``servers``: what is new in its topics."""

    def __init__(self, servers: str, name: str) -> None:
        create_topics(servers, name)
        self.name = name
        self._reader = Reader(servers)
        self._seen: dict[str, list[bytes]] = {}

    def values(self, topic: contract.Topic) -> list[bytes]:
        """Everything the topic holds."""
        seen = self._seen.setdefault(topic.name, [])
        seen += self._reader.values(topic.of(self.name))
        return seen

    def readings(self, wanted: int, within_s: float = 30.0) -> list[tuple[int, int, float]]:
        """All readings, once there are ``wanted``."""

        def rows() -> list[tuple[int, int, float]]:
            return points([batch.decode(value) for value in self.values(contract.READINGS)])

        wait_until(lambda: len(rows()) >= wanted, f"{wanted} readings", within_s)
        return rows()

    def letters(self, wanted: int) -> list[DeadLetter]:
        """All dead letters, once there are ``wanted``."""
        wait_until(lambda: len(self.values(contract.DEAD_LETTERS)) >= wanted, f"{wanted} dead letters")
        return [from_json(value, DeadLetter) for value in self.values(contract.DEAD_LETTERS)]

    def detections(self, wanted: int) -> list[Detection]:
        """All detections, once there are ``wanted``."""
        wait_until(lambda: len(self.values(contract.DETECTIONS)) >= wanted, f"{wanted} detections")
        return [from_json(value, Detection) for value in self.values(contract.DETECTIONS)]

    def close(self) -> None:
        """Close what reads the broker."""
        self._reader.close()


_cities = itertools.count()


@pytest.fixture
def city(kafka: str) -> Iterator[City]:
    """A city of the test's own."""
    one = City(kafka, f"mqtt{next(_cities)}")
    yield one
    one.close()


@needs_mosquitto
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_what_is_published_is_in_kafka_and_bad_rows_are_dead_letters(
    version: str, kafka: str, city: City, tmp_path: Path
) -> None:
    """Good rows arrive in their order, under their source's name; a broken message stops nothing."""
    with mosquitto(tmp_path) as broker, door(tmp_path, kafka, broker, city.name, mqtt_version=version) as one:
        gateway = Publisher(broker.port, version)
        gateway.send("citybrain/gate-7/readings", {"readings": [reading(0), reading(999)]})
        gateway.send("citybrain/gate-7/readings", b"{broken")
        gateway.send("citybrain/gate-7/readings", [reading(0, 13.0, NOW_MS + 1)])
        assert city.readings(2) == [(0, NOW_MS, 12.0), (0, NOW_MS + 1, 13.0)]
        letters = city.letters(2)
        assert [(letter.source, letter.field) for letter in letters] == [("gate-7", "datastream"), ("gate-7", "")]
        assert {batch.decode(value).source for value in city.values(contract.READINGS)} == {"gate-7"}
        gateway.close()
        assert one.end() == 0


@needs_mosquitto
def test_a_last_will_is_a_data_quality_alert_until_the_birth(kafka: str, city: City, tmp_path: Path) -> None:
    """The same alert opens and clears, also when the door was started anew in between."""
    with mosquitto(tmp_path) as broker, door(tmp_path, kafka, broker, city.name) as one:
        gateway = Publisher(broker.port, will=("citybrain/bridge-7/status", b"offline"))
        gateway.send("citybrain/bridge-7/status", b"online")
        gateway.vanish()
        (fired,) = city.detections(1)
        assert (fired.state, fired.kind, fired.place) == ("firing", "data-quality", "gateway-bridge-7")
        one.end(signal.SIGKILL)
        one.start()
        again = Publisher(broker.port)
        again.send("citybrain/bridge-7/status", b"online")
        cleared = city.detections(2)[-1]
        assert (cleared.id, cleared.state) == (fired.id, "cleared")
        again.close()


@needs_mosquitto
def test_nothing_is_lost_when_the_door_is_killed(kafka: str, city: City, tmp_path: Path) -> None:
    """Every message that the MQTT broker confirmed is in Kafka, whenever the door dies; order is kept."""
    with mosquitto(tmp_path) as broker, door(tmp_path, kafka, broker, city.name) as one:
        gateway = Publisher(broker.port)
        for number in range(400):
            gateway.client.publish(
                "citybrain/gate-7/readings", json.dumps([reading(0, float(number), NOW_MS + number)]), qos=1
            )
            if number in (150, 300):
                one.end(signal.SIGKILL)
                one.start()
        rows = {time: value for _, time, value in city.readings(400)}
        wait_until(lambda: len({r[1] for r in city.readings(400)}) == 400, "all 400 readings", within_s=30)
        rows = {time: value for _, time, value in city.readings(400)}
        assert rows == {NOW_MS + number: float(number) for number in range(400)}
        gateway.close()


@needs_mosquitto
def test_two_doors_share_a_subscription(kafka: str, city: City, tmp_path: Path) -> None:
    """A message is taken by one of them; MQTT may deliver one again, never each to both."""
    (other := tmp_path / "other").mkdir()
    with (
        mosquitto(tmp_path) as broker,
        door(tmp_path, kafka, broker, city.name),
        door(other, kafka, broker, city.name),
    ):
        gateway = Publisher(broker.port)
        for number in range(60):
            gateway.send("citybrain/gate-7/readings", [reading(number % 20, 1.0, NOW_MS + number)])
        wait_until(lambda: len(set(city.readings(60))) == 60, "every message")
        assert len(city.readings(60)) < 90
        logs = [(home / "door.log").read_text() for home in (tmp_path, other)]
        assert all("subscribed at" in log for log in logs)
        gateway.close()


@needs_mosquitto
def test_while_kafka_is_away_the_spool_takes_it_and_nothing_is_lost(tmp_path: Path) -> None:
    """What was published while there was no broker is there when it comes, once and in order."""
    with ExitStack() as stack:
        folder, city_name = tmp_path / "kafka", "away"
        port = free_port()
        first = stack.enter_context(ExitStack())
        servers = first.enter_context(running_broker(folder, port=port))
        create_topics(servers, city_name)
        broker = stack.enter_context(mosquitto(tmp_path))
        stack.enter_context(door(tmp_path, servers, broker, city_name))
        first.close()
        gateway = Publisher(broker.port)
        for number in range(50):
            gateway.send("citybrain/gate-7/readings", [reading(3, float(number), NOW_MS + number)])
        time.sleep(3)
        servers = stack.enter_context(running_broker(folder, port=port))
        reader = Reader(servers)
        rows: list[tuple[int, int, float]] = []

        def all_there() -> bool:
            rows.extend(points([batch.decode(v) for v in reader.values(contract.READINGS.of(city_name))]))
            return len(rows) >= 50

        wait_until(all_there, "50 readings after the outage", within_s=60)
        assert rows == [(3, NOW_MS + number, float(number)) for number in range(50)]
        reader.close()
        gateway.close()


@pytest.mark.parametrize(
    ("payload", "said"),
    [(b"online", True), (b"OFFLINE", False), (b'{"status": "offline", "at": 1}', False), (b'{"online": true}', True)],
)
def test_birth_and_last_will_are_understood(payload: bytes, said: bool) -> None:
    """As words, numbers or JSON."""
    assert online(payload) is said


@pytest.mark.parametrize("payload", [b"", b"{", b"hello", b"\xff", b"[]"])
def test_another_status_says_nothing(payload: bytes) -> None:
    """It is neither birth nor death."""
    assert online(payload) is None


def test_a_second_last_will_says_nothing_new(tmp_path: Path) -> None:
    """One outage is one alert."""
    known = Offline(tmp_path / "offline.json", (104.0, 30.6))
    assert known.heard("g", True, 1) is None
    assert known.heard("g", False, 2) is not None
    assert known.heard("g", False, 3) is None
    cleared = known.heard("g", True, 4)
    assert cleared is not None
    assert (cleared.onset, cleared.time) == (2, 4)


@pytest.mark.parametrize(
    ("topic", "format"),
    [
        ("citybrain/gate-7/readings", "json"),
        ("citybrain/gate-7/status", "status"),
        ("citybrain/readings", None),
        ("citybrain/a/b/readings", None),
        ("$SYS/x/readings", None),
    ],
)
def test_a_topic_finds_its_route(topic: str, format: str | None) -> None:
    """+ is exactly one level."""
    route = found(DEFAULT, topic)
    assert (route.format if route else None) == format


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("routes: []", "length >= 1"),
        ("routes: [{filter: a/b, format: jsn}]", "'jsn' is not known; use one of json"),
        ("routes: [{filter: a/#/b, format: json}]", "'a/#/b' is no topic filter"),
        ('routes: [{filter: a/+, format: json, source: "{3}"}]', "names level 3, and a/+ has 2"),
        ("routes: [{filter: a, format: json, qos: 2}]", "<= 1"),
        ("routes: [", "mqtt.yaml"),
    ],
)
def test_a_broken_route_is_refused_by_name(text: str, told: str, tmp_path: Path) -> None:
    """The message names the file, the key, the value and what would do."""
    (tmp_path / "mqtt.yaml").write_text(text)
    with pytest.raises(RouteError) as error:
        load(tmp_path)
    assert told in str(error.value)
    assert "mqtt.yaml" in str(error.value)


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "x:1883", "mqtt://h:port"])
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    """The message shows how one looks."""
    with pytest.raises(LineError, match="mqtt://user:password@host:1883"):
        Address.of(url)


def test_an_address_keeps_its_password_to_itself() -> None:
    """Whatever is wrong with it, the password is not told."""
    with pytest.raises(LineError) as error:
        Address.of("mqtt://user:hush@host:port")
    assert "hush" not in str(error.value)
