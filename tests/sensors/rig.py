"""A gateway as it runs, for the tests: served over HTTP in a thread, on the embedded broker and store."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import uvicorn
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from citybrain.local.ports import free_port
from config import contract
from config.register import COLUMNS, Register
from config.settings import Settings
from models import batch
from models.values import DeadLetter, from_json
from sensors import tokens
from sensors.gateway.app import create
from sensors.gateway.place import Place

NOW = 1_790_000_000.0  # the gateway's clock in the tests, s since 1970
NOW_MS = int(NOW * 1000)
SHARDS = 3


def register(cameras: int = 30) -> Register:
    """Cameras that count 0 to 5000 people, in three shards by turns, and one gauge in metres in the first."""
    names = [f"cam-{number:03d}/people" for number in range(cameras)] + ["gauge-1/level"]
    people = [name.endswith("people") for name in names]
    columns: dict[str, list[object]] = {
        "datastream": list(names),
        "asset": [name.partition("/")[0] for name in names],
        "kind": ["camera" if counts else "gauge" for counts in people],
        "property": [name.partition("/")[2] for name in names],
        "unit": ["1" if counts else "m" for counts in people],
        "low": [0.0 if counts else -5.0 for counts in people],
        "high": [5000.0 if counts else 20.0 for counts in people],
        "shard": [number % SHARDS for number in range(len(names))],
        "lon": [104.0] * len(names),
        "lat": [30.6] * len(names),
        "cadence_s": [5.0] * len(names),
        "zones": [[] for _ in names],
    }
    empty: list[object] = [""] * len(names)
    return Register(pl.DataFrame({name: columns.get(name, empty) for name in COLUMNS}, schema=COLUMNS))


def reading(number: int = 0, value: object = 12.0, time: object = NOW_MS, **more: object) -> dict[str, object]:
    """One reading of camera ``number`` as it is sent."""
    return {"datastream": f"cam-{number:03d}/people", "time": time, "value": value, **more}


def create_topics(servers: str, city: str) -> None:
    """Make the city's topics that the gateway writes to."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    topics = dict.fromkeys((contract.DEAD_LETTERS, contract.COMMANDS, contract.EVENTS, contract.DETECTIONS), 1) | {
        contract.READINGS: SHARDS
    }
    admin.create_topics([NewTopic(topic.of(city), count, 1) for topic, count in topics.items()])
    admin.close()


class Reader:
    """Reads topics of the broker at ``servers``, each record once."""

    def __init__(self, servers: str) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
        self._next: dict[TopicPartition, int] = {}

    def values(self, topic: str) -> list[bytes]:
        """The values of the records in ``topic`` that were not read before, by partition and in order."""
        partitions = [TopicPartition(topic, number) for number in sorted(self._consumer.partitions_for_topic(topic))]
        ends = self._consumer.end_offsets(partitions)
        values: list[bytes] = []
        for partition in partitions:
            if self._next.get(partition, 0) == ends[partition]:
                continue
            self._consumer.assign([partition])
            self._consumer.seek(partition, self._next.get(partition, 0))
            while self._consumer.position(partition) < ends[partition]:
                for records in self._consumer.poll(timeout_ms=500).values():
                    values.extend(record.value for record in records)
            self._next[partition] = ends[partition]
        return values

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()


@dataclass
class Served:
    """A gateway that is being served; ``http`` speaks to it with a token that may do everything."""

    settings: Settings
    http: httpx.Client
    token: str
    stop: Callable[[], None] = field(repr=False)
    _reader: Reader | None = field(default=None, repr=False)

    def post(self, content: Any, kind: str = "application/json", **headers: str) -> httpx.Response:
        """POST readings: bytes as they are, anything else as JSON."""
        if isinstance(content, bytes):
            return self.http.post("/v1/readings", content=content, headers={"content-type": kind, **headers})
        return self.http.post("/v1/readings", json=content, headers=headers)

    def readings(self) -> list[batch.Batch]:
        """The batches that are new in the city's topic of readings, by partition and in order."""
        return [batch.decode(value) for value in self.values(contract.READINGS)]

    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters that are new, in order."""
        return [from_json(value, DeadLetter) for value in self.values(contract.DEAD_LETTERS)]

    def values(self, topic: contract.Topic) -> list[bytes]:
        """The values of the records in ``topic`` that were not asked for before, by partition and in order."""
        self._reader = self._reader or Reader(str(self.settings.kafka))
        return self._reader.values(topic.of(self.settings.city))

    def close(self) -> None:
        """Close what reads the broker."""
        if self._reader is not None:
            self._reader.close()


def points(batches: list[batch.Batch]) -> list[tuple[int, int, float]]:
    """The readings of the batches as (datastream, time, value), in their order."""
    rows = batch.concat(batches) if batches else batch.batch([], [], [])
    columns = np.asarray(rows.datastream), np.asarray(rows.time), np.asarray(rows.value)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def prepared(home: Path, servers: str, city: str, **more: Any) -> tuple[Settings, str]:
    """Settings for a gateway with its data below ``home``, and a token for it."""
    settings = Settings(city=city, data=home, kafka=servers, gateway_port=free_port(), **more)
    token = tokens.issue(settings.secrets / "gateways.json", "gate-7", (tokens.READINGS, tokens.DISPATCH))
    return settings, token


@contextmanager
def served(
    settings: Settings, token: str, clock: Callable[[], float] = lambda: NOW, known: Register | None = None, **more: Any
) -> Iterator[Served]:
    """Serve a gateway in a thread while the block runs; ``known`` is its register where it is not the usual one,
    ``more`` is what its city brings."""
    app = create(settings, known or register(), clock, Place(**more))
    port = settings.gateway_port
    config = uvicorn.Config(app, port=port, access_log=False, log_config=None, lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="gateway", daemon=True)

    def stop() -> None:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()

    thread.start()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {token}"}, timeout=15, trust_env=False
    ) as http:
        wait_until(lambda: server.started, "the gateway serves")
        try:
            with closing(Served(settings, http, token, stop)) as gateway:
                yield gateway
        finally:
            stop()


def wait_until(true: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    """Wait for a condition; fails naming it."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)
