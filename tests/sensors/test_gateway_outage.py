"""The gateway while the broker is away, and when the gateway itself is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from bench.outage import LIMIT_MB, Outage, measure
from citybrain.local import kafka
from citybrain.local.ports import free_port
from config import contract
from config.register import save
from config.settings import Settings
from models import batch
from tests.sensors.mosquitto import MOSQUITTO
from tests.sensors.rig import (
    NOW_MS,
    Reader,
    Served,
    create_topics,
    points,
    prepared,
    reading,
    register,
    served,
    wait_until,
)

CITY = "outage"
SENDERS = 6


class Broker:
    """An embedded broker on one port that can be killed and started again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.servers = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = kafka.start(self.data, self.port)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def fail(self, how: str, for_s: float) -> None:
        """Be away for a while: killed and started again, or hanging."""
        assert self.process is not None
        if how == "kill":
            self.kill()
            time.sleep(for_s)
            self.start()
        else:
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(for_s)
            self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def broker_here(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own, with the topics, running."""
    broker = Broker(tmp_path / "broker")
    broker.start()
    create_topics(broker.servers, CITY)
    yield broker
    broker.kill()


def is_open(gateway: Served) -> bool:
    """Whether the gateway sends straight to the broker."""
    return bool(gateway.http.get("/readyz").json()["broker"])


def test_the_spool_takes_readings_while_the_broker_is_away_and_is_drained_in_order(
    broker_here: Broker, tmp_path: Path
) -> None:
    """Every reading of an outage is answered 202, and is in the broker afterwards, in the order it was sent."""
    settings, token = prepared(tmp_path / "data", broker_here.servers, CITY)
    with served(settings, token) as gateway:
        wait_until(lambda: is_open(gateway), "the gateway has found the broker")
        assert gateway.post([reading(0, 0)]).json()["spooled"] is False
        broker_here.kill()
        answers = [gateway.post([reading(0, value, NOW_MS + value), reading(99)]) for value in range(1, 40)]
        assert {(answer.status_code, answer.json()["spooled"]) for answer in answers} == {(202, True)}
        assert not is_open(gateway)
        assert gateway.http.get("/readyz").status_code == 200  # the spool has room
        assert b"citybrain_spool_bytes 0.0" not in gateway.http.get("/metrics").content
        broker_here.start()
        wait_until(lambda: is_open(gateway), "the spool is drained")
        assert gateway.post([reading(0, 40, NOW_MS + 40)]).json()["spooled"] is False
        assert [value for _, _, value in points(gateway.readings())] == list(map(float, range(41)))
        assert len(gateway.dead_letters()) == 39
        assert b"citybrain_spool_bytes 0.0" in gateway.http.get("/metrics").content


def test_a_full_spool_is_503_with_retry_after(broker_here: Broker, tmp_path: Path) -> None:
    """With the broker away the spool takes what it can; then readings are refused with Retry-After."""
    settings, token = prepared(tmp_path / "data", broker_here.servers, CITY, spool_limit_bytes=4096)
    with served(settings, token) as gateway:
        wait_until(lambda: is_open(gateway), "the gateway has found the broker")
        broker_here.kill()
        answers = [gateway.post([reading(0, value, NOW_MS + value)]) for value in range(100)]
        taken = [answer.status_code for answer in answers].count(202)
        assert 10 < taken < 100
        assert {answer.status_code for answer in answers[taken:]} == {503}
        refused = answers[-1]
        assert (refused.headers["retry-after"], refused.json()["type"]) == ("5", "urn:citybrain:problem:unavailable")
        assert sum(path.stat().st_size for path in settings.spool.glob("*.log")) <= 4096
        broker_here.start()
        wait_until(lambda: is_open(gateway), "the spool is drained")
        assert [value for _, _, value in points(gateway.readings())] == list(map(float, range(taken)))
        assert gateway.post([reading(0, 100, NOW_MS + 100)]).json()["spooled"] is False


def test_without_a_spool_an_outage_is_503(broker_here: Broker, tmp_path: Path) -> None:
    """A gateway with a spool of 0 bytes refuses readings while the broker is away, and is not ready."""
    settings, token = prepared(tmp_path / "data", broker_here.servers, CITY, spool_limit_bytes=0)
    with served(settings, token) as gateway:
        wait_until(lambda: is_open(gateway), "the gateway has found the broker")
        broker_here.kill()
        assert gateway.post([reading()]).status_code == 503
        ready = gateway.http.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert broker_here.servers in ready.json()["reasons"][0]
        broker_here.start()
        wait_until(lambda: gateway.post([reading(1)]).status_code == 202, "readings are taken again")


def test_a_disk_that_refuses_is_503(broker_here: Broker, tmp_path: Path) -> None:
    """When the spool cannot be written either, readings are refused with Retry-After, and nothing is lost of before."""
    settings, token = prepared(tmp_path / "data", broker_here.servers, CITY)
    with served(settings, token) as gateway:
        wait_until(lambda: is_open(gateway), "the gateway has found the broker")
        broker_here.kill()
        gone = settings.spool.with_suffix(".gone")
        settings.spool.rename(gone)
        answer = gateway.post([reading()])
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "cannot be written" in answer.json()["detail"]
        gone.rename(settings.spool)
        assert gateway.post([reading()]).json()["spooled"] is True


def test_a_killed_gateway_drains_its_spool_when_it_starts_again(broker_here: Broker, tmp_path: Path) -> None:
    """Readings that were answered 202 during an outage are in the broker though the gateway was killed with -9."""
    settings, token = prepared(tmp_path / "data", broker_here.servers, CITY)
    save(register(), settings.register)
    broker_here.kill()
    headers = {"authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{settings.gateway_port}"
    now = "2026-09-21T14:13:20Z"
    first = _process(settings)
    try:
        wait_until(lambda: _alive(url), "the gateway answers", 30)
        bodies = [[reading(0, value, now)] for value in range(20)]
        answers = [httpx.post(f"{url}/v1/readings", json=body, headers=headers, trust_env=False) for body in bodies]
        assert {answer.status_code for answer in answers} == {202}
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    broker_here.start()
    second = _process(settings)
    reader = Reader(broker_here.servers)
    try:
        wait_until(lambda: _alive(url) and httpx.get(f"{url}/readyz").json()["broker"], "the spool is drained", 30)
        sent = points([batch.decode(value) for value in reader.values(contract.READINGS.of(CITY))])
        assert [value for _, _, value in sent] == list(map(float, range(20)))
    finally:
        reader.close()
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0


def _process(settings: Settings) -> subprocess.Popen[bytes]:
    script = "from config.settings import Settings; from sensors.gateway.app import run; run(Settings())"
    names = {
        "CITYBRAIN_CITY": settings.city,
        "CITYBRAIN_DATA": str(settings.data),
        "CITYBRAIN_KAFKA": str(settings.kafka),
        "CITYBRAIN_GATEWAY_PORT": str(settings.gateway_port),
        "CITYBRAIN_FUTURE_TOLERANCE_S": str(10**10),
    }
    return subprocess.Popen([sys.executable, "-c", script], env=os.environ | names)


def _alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.skipif(MOSQUITTO is None, reason="needs Debian's mosquitto")
def test_both_doors_lose_and_double_nothing_when_kafka_hangs_dies_and_comes_back(tmp_path: Path) -> None:
    """With all of Chengdu registered, what was taken is in the log once and in order, in less than 300 MB."""
    found = measure(Outage(rate=500, hung_s=6.0, dead_s=2.0, around_s=3.0), tmp_path)
    for door in (found["http"], found["mqtt"]):
        assert door["taken"] > 3_000
        assert {name: door[name] for name in ("lost", "counted_twice", "not_counted", "out_of_order")} == {
            "lost": 0,
            "counted_twice": 0,
            "not_counted": 0,
            "out_of_order": 0,
        }
        assert door["peak_mb"] < LIMIT_MB
    assert found["answers"]["202 spooled"] > 10


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_nothing_is_lost_or_overtaken_when_the_broker_fails_under_load(
    broker_here: Broker, tmp_path: Path, how: str
) -> None:
    """Senders that never pause meet a broker that fails twice: all readings are there, in order, few twice."""
    settings, token = prepared(tmp_path / "data", broker_here.servers, CITY)
    with served(settings, token) as gateway, ThreadPoolExecutor(SENDERS) as pool:
        wait_until(lambda: is_open(gateway), "the gateway has found the broker")
        running = threading.Event()
        running.set()
        sent = [pool.submit(send_until_told, gateway, camera, running) for camera in range(SENDERS)]
        for _ in range(2):
            time.sleep(0.7)
            broker_here.fail(how, for_s=3.5)
            wait_until(lambda: is_open(gateway), "the spool is drained")
        time.sleep(0.5)
        running.clear()
        taken = {camera: one.result(20) for camera, one in enumerate(sent)}
        found: dict[int, list[float]] = {camera: [] for camera in taken}
        for camera, _, value in points(gateway.readings()):
            found[camera].append(value)
    twice = 0
    for camera, values in found.items():
        first = list(dict.fromkeys(values))
        assert first == [float(value) for value in range(taken[camera])]
        twice += len(values) - len(first)
    assert twice <= sum(taken.values()) / 20


def send_until_told(gateway: Served, camera: int, running: threading.Event) -> int:
    """Send 0, 1, 2 … for one camera, each as soon as the one before was answered; how many were."""
    value = 0
    while running.is_set():
        answer = gateway.post([reading(camera, value, NOW_MS + value)])
        assert answer.status_code == 202
        value += 1
    return value
