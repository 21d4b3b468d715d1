"""Faust on each kind of broker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from aiokafka.partitioner import DefaultPartitioner
from kafka import KafkaProducer

from citybrain.local import kafka
from citybrain.local.environment import environment
from citybrain.local.ports import free_port
from tests.local import wire as w

_WORKER = Path(__file__).with_name("counting_worker.py")


@contextmanager
def _worker(env: dict[str, str], log: Path) -> Iterator[None]:
    """A Faust worker that writes to ``log``."""
    with log.open("wb") as out:
        command = [sys.executable, str(_WORKER), "worker", "-l", "info", "--without-web"]
        process = subprocess.Popen(command, env=environment(env), stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _counts(log: Path, records: int) -> dict[str, int]:
    """The last count of each key, once ``records`` records were counted."""
    until = time.monotonic() + 40
    while True:
        said = log.read_text(errors="replace")
        lines = [line.split("COUNT ")[1].split() for line in said.splitlines() if "COUNT " in line]
        if len(lines) >= records:
            return {key: int(count) for key, count, *_ in lines}
        assert time.monotonic() < until, f"{len(lines)} of {records} records counted; the worker said:\n{said[-3000:]}"
        time.sleep(0.1)


def _ready(log: Path) -> None:
    """Wait until the worker has recovered its table."""
    until = time.monotonic() + 60
    while "Worker ready" not in (said := log.read_text(errors="replace")):
        assert time.monotonic() < until, said[-3000:]
        time.sleep(0.1)


def _send(address: str, topic: str, words: str) -> None:
    producer = KafkaProducer(bootstrap_servers=address)
    for word in words.split():
        partition = DefaultPartitioner()(word.encode(), [0, 1], [0, 1])
        producer.send(topic, b"x", key=word.encode(), partition=partition)
    producer.close()


def test_a_worker_goes_on_when_the_broker_was_killed(tmp_path: Path) -> None:
    """After kill -9 and a restart of the broker the worker joins again and counts what comes; nothing is missing."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    process = kafka.start(tmp_path / "broker", port)
    try:
        topic = w.new_topic(address, partitions=2)
        env = {"BROKER": address, "TOPIC": topic, "WORKER": "counting", "WORKER_DATA": str(tmp_path / "worker")}
        with _worker(env, tmp_path / "worker.log"):
            _send(address, topic, "a b a")
            assert _counts(tmp_path / "worker.log", 3) == {"a": 2, "b": 1}
            process.kill()
            process.wait()
            process = kafka.start(tmp_path / "broker", port)
            _send(address, topic, "a b c")
            until = time.monotonic() + 40
            while (found := _counts(tmp_path / "worker.log", 6)).get("c") is None or found["a"] < 3 or found["b"] < 2:
                assert time.monotonic() < until, f"counted {found}"
                time.sleep(0.1)
    finally:
        kafka.stop(process)


def test_a_new_worker_recovers_the_table_of_the_last(backend: str, tmp_path: Path) -> None:
    """A worker reads its topic; the next one, on an empty folder, goes on with the counts of the first."""
    topic = w.new_topic(backend, partitions=2)
    env = {"BROKER": backend, "TOPIC": topic, "WORKER": f"counting-{uuid4().hex[:8]}", "PATH": os.environ["PATH"]}
    _send(backend, topic, "a b a c a b")
    with _worker({**env, "WORKER_DATA": str(tmp_path / "1")}, tmp_path / "first.log"):
        assert _counts(tmp_path / "first.log", 6) == {"a": 3, "b": 2, "c": 1}
    with _worker({**env, "WORKER_DATA": str(tmp_path / "2")}, tmp_path / "second.log"):
        _ready(tmp_path / "second.log")  # Faust itself may lose what comes while it takes its partitions over
        _send(backend, topic, "a c d")
        assert _counts(tmp_path / "second.log", 3) == {"a": 4, "c": 2, "d": 1}
