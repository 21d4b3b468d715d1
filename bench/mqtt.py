"""MQTT messages a second that one door takes at QoS 1, from a real Mosquitto, each confirmed by Kafka before its
acknowledgement.

The door is held to one core; Mosquitto, the embedded Kafka-protocol broker and the publisher share the others. The
limit in the same run is a bare paho-mqtt subscriber that only counts bytes and acknowledges at once.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import paho.mqtt.client as paho
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pydantic import SecretStr

from bench.gateway import CAMERAS, SHARDS, _free_port, _register
from bench.machine import cpu_s, tell
from citybrain.local.kafka import running_broker
from config import contract
from config.settings import Settings
from sensors.mqtt.door import run_mqtt

MESSAGES = {1: 20_000, 50: 5_000}  # readings in a message → messages sent
GATEWAYS = 20
IN_FLIGHT = 2_000
CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench"  # MQTT 3.1.1, clean session, no keep-alive
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def main(as_json: bool = False) -> int:
    """Measure; prints a table, or one JSON object as the last line with ``as_json``. The exit code."""
    if MOSQUITTO is None:
        print("bench mqtt needs Debian's package mosquitto", file=sys.stderr)
        return 1
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-mqtt-") as name, running_broker(Path(name) / "kafka") as kafka:
        folder = Path(name)
        port = _free_port()
        with _mosquitto(folder, port):
            for size, count in MESSAGES.items():
                found[str(size)] = _door(folder / str(size), kafka, port, size, count)
                found[f"{size}_limit"] = _bare(port, size, count)
    if not as_json:
        for key, figures in found.items():
            print(key, figures)
        return 0
    return tell({"messages_per_s": found["1"]["messages_per_s"], "mqtt": found})


def _door(folder: Path, kafka: str, port: int, size: int, count: int) -> dict[str, float]:
    settings = Settings(
        city=f"bench{size}",
        data=folder,
        kafka=kafka,
        mqtt=SecretStr(f"mqtt://127.0.0.1:{port}"),
        mqtt_group=f"bench{size}",  # the session of the part before would be given its share
        metrics_port=_free_port(),
        rate_limit=2_000_000_000,
    )
    topics = {contract.READINGS: SHARDS, contract.DEAD_LETTERS: 1, contract.EVENTS: 1, contract.DETECTIONS: 1}
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics([NewTopic(topic.of(settings.city), parts, 1) for topic, parts in topics.items()])
    admin.close()
    with _process(_serve, settings) as pid:
        url = f"http://127.0.0.1:{settings.metrics_port}/metrics"
        _wait(lambda: _answers(url), "the door")
        time.sleep(3)  # for its subscription
        used = cpu_s(pid)
        took = _published(port, size, count, lambda: _accepted(url) >= size * count)
        used = cpu_s(pid) - used
    return {
        "messages_per_s": round(count / took),
        "readings_per_s": round(size * count / took),
        "messages_per_core_s": round(count / used),
    }


def _bare(port: int, size: int, count: int) -> dict[str, float]:
    counted = multiprocessing.get_context("spawn").Value("l", 0)
    with _process(_count, (port, counted)):
        _wait(lambda: counted.value > 0, "the subscription")
        took = _published(port, size, count, lambda: counted.value > count)
    return {"messages_per_s": round(count / took), "readings_per_s": round(size * count / took)}


def _published(port: int, size: int, count: int, done: Callable[[], bool]) -> float:
    """Seconds from the first message to the moment at which all are done; the messages are made before."""
    now = int(time.time() * 1000)
    packets = [_publish(number, _body(number, size, now)) for number in range(count)]
    begun = multiprocessing.get_context("spawn").Event()
    with _process(_send, (port, packets, begun)):
        begun.wait(60)
        began = time.perf_counter()
        _wait(done, "all messages", within_s=60)
        return time.perf_counter() - began


def _body(number: int, size: int, now: int) -> bytes:
    rows = [
        {"datastream": f"cam-{(number * size + row) * 7 % CAMERAS:06d}/people", "time": now + number, "value": 1.0}
        for row in range(size)
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


def _publish(number: int, body: bytes) -> bytes:
    """A PUBLISH of MQTT 3.1.1 at QoS 1."""
    topic = f"citybrain/gate-{number % GATEWAYS}/readings".encode()
    rest = len(topic).to_bytes(2, "big") + topic + (number % 65_000 + 1).to_bytes(2, "big") + body
    length, left = b"", len(rest)
    while left or not length:
        left, digit = divmod(left, 128)
        length += bytes([digit | (128 if left else 0)])
    return b"\x32" + length + rest


def _accepted(url: str) -> float:
    lines = httpx.get(url, trust_env=False).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("citybrain_readings_accepted_total{"))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _wait(done: Callable[[], bool], what: str, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {within_s} s: {what}")
        time.sleep(0.05)


# --- the processes ------------------------------------------------------------------------------------------------


def _serve(settings: Settings) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    city: Any = SimpleNamespace(folder=settings.data, timezone="UTC", view=SimpleNamespace(centre=(104.0, 30.6)))
    asyncio.run(run_mqtt(settings, city, _register()))


def _send(given: tuple[int, list[bytes], Any]) -> None:
    """Publish the packets, ``IN_FLIGHT`` unconfirmed at a time: a client that only writes prepared bytes, so that it
    is not what is measured."""
    port, packets, begun = given
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(CONNECT)
        line.recv(4)
        begun.set()
        sent, confirmed, rest = 0, 0, 0  # a PUBACK has four bytes
        while confirmed < len(packets):
            some = packets[sent : confirmed + IN_FLIGHT]
            if some:
                line.sendall(b"".join(some))
                sent += len(some)
            got = rest + len(line.recv(1 << 16))
            confirmed, rest = confirmed + got // 4, got % 4


def _count(given: tuple[int, Synchronized[int]]) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    port, counted = given
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

    def arrived(*_: object) -> None:
        counted.value += 1

    def connected(*_: object) -> None:
        client.subscribe("citybrain/+/readings", 1)

    client.on_message = arrived
    client.on_connect = connected
    client.on_subscribe = arrived  # one: it may begin
    client.connect("127.0.0.1", port)
    client.loop_forever()


@contextmanager
def _process(target: Callable[[Any], None], given: Any) -> Iterator[int]:
    process = multiprocessing.get_context("spawn").Process(target=target, args=(given,))
    process.start()
    try:
        yield int(process.pid or 0)
    finally:
        process.terminate()
        process.join(30)


@contextmanager
def _mosquitto(folder: Path, port: int) -> Iterator[None]:
    conf = folder / "mosquitto.conf"
    conf.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nuser root\n"
    )
    process = subprocess.Popen([str(MOSQUITTO), "-c", str(conf)], stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: _listens(port), "mosquitto")
        yield
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
