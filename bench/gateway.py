"""Readings a second that one core of the gateway accepts over HTTP, on a real broker.

Requests of 1, 50 and 500 readings as JSON, sent over many connections by a client that only writes prepared bytes and
reads answers. Each reading is checked and confirmed by the embedded broker before its 202. The limit in the same run
is the same server with an endpoint that only counts the bytes of the same requests. The server is held to one core;
client and broker share the others.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import uvicorn
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from bench.machine import cpu_s, tell
from citybrain.local.kafka import running_broker
from config import contract, register
from config.settings import Settings
from sensors import tokens
from sensors.gateway import app as gateway

CAMERAS = 95_000
SHARDS = 8
SIZES = {1: 256, 50: 128, 500: 64}  # readings in a request → connections that send them
WARM_S = 1.0
MEASURE_S = 4.0
PATH = "/v1/readings"


@dataclass(frozen=True)
class Measured:
    """One server under load: throughput, times to answer, and the share of a core it used."""

    readings_per_s: int
    requests_per_s: int
    p50_ms: float
    p99_ms: float
    core: float
    per_core: int  # readings for each second of processor time, which other work on the machine disturbs least


def main(as_json: bool = False) -> int:
    """Measure; prints a table, or one JSON object as the last line with ``as_json``. The exit code."""
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder, running_broker(Path(folder) / "kafka") as at:
        settings, token = _prepared(Path(folder), at)
        with _process(_serve_gateway, settings) as pid:
            taken = {size: _measure(settings, token, size, pid) for size in SIZES}
        with _process(_serve_bare, settings) as pid:
            limit = {size: _measure(settings, token, size, pid) for size in SIZES}
    if not as_json:
        print(_table(taken, limit))
        return 0
    return tell(
        {
            "readings_per_s": taken[500].readings_per_s,
            "readings_per_core_s": taken[500].per_core,
            "limit_readings_per_s": limit[500].readings_per_s,
            "gateway": {str(size): asdict(one) for size, one in taken.items()},
            "limit": {str(size): asdict(one) for size, one in limit.items()},
        }
    )


def _prepared(folder: Path, servers: str) -> tuple[Settings, str]:
    settings = Settings(
        city="bench", data=folder / "data", kafka=servers, gateway_port=_free_port(), rate_limit=2_000_000_000
    )
    topics = {contract.READINGS: SHARDS, contract.DEAD_LETTERS: 1}
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics([NewTopic(topic.of(settings.city), count, 1) for topic, count in topics.items()])
    admin.close()
    register.save(_register(), settings.register)
    return settings, tokens.issue(settings.secrets / gateway.TOKENS, "bench")


def _register() -> register.Register:
    text = pl.lit("")
    frame = pl.select(number=pl.int_range(CAMERAS)).select(
        datastream=pl.format("cam-{}/people", pl.col("number").cast(pl.String).str.zfill(6)),
        kind=pl.lit("camera"),
        property=pl.lit("people"),
        unit=pl.lit("1"),
        low=pl.lit(0.0),
        high=pl.lit(5000.0),
        shard=(pl.col("number") * SHARDS // CAMERAS).cast(pl.Int16),
        zones=pl.lit([], pl.List(pl.Int32)),
        **{name: text for name in ("asset", "name_en", "name_zh", "district", "pack")},
        **{name: pl.lit(0.0) for name in ("cadence_s", "lon", "lat")},
    )
    return register.Register(frame.select(pl.col(name).cast(kind) for name, kind in register.COLUMNS.items()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the servers, each in a process of one core -------------------------------------------------------------------


def _serve_gateway(settings: Settings) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gateway.run(settings)


def _serve_bare(settings: Settings) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    port = settings.gateway_port
    uvicorn.run(_count_bytes, port=port, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None)


async def _count_bytes(_: Any, receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = b'{"bytes":%d}' % size
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def _process(target: Callable[[Settings], None], settings: Settings) -> Iterator[int]:
    process = multiprocessing.get_context("spawn").Process(target=target, args=(settings,))
    process.start()
    try:
        _wait_for(settings.gateway_port)
        yield int(process.pid or 0)
    finally:
        process.terminate()
        process.join(30)


def _wait_for(port: int, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


# --- the client ---------------------------------------------------------------------------------------------------


def _measure(settings: Settings, token: str, size: int, pid: int) -> Measured:
    connections = SIZES[size]
    requests = [_request(token, _body(size, first * size)) for first in range(connections)]
    return asyncio.run(_load(settings.gateway_port, requests, size, pid))


def _body(size: int, first: int) -> bytes:
    now = int(time.time() * 1000)
    rows = [
        {"datastream": f"cam-{(first + row * 190) % CAMERAS:06d}/people", "time": now, "value": float(row)}
        for row in range(size)
    ]
    return json.dumps({"readings": rows}, separators=(",", ":")).encode()


def _request(token: str, body: bytes) -> bytes:
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends one request after the other and keeps the seconds each took."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.seconds: list[float] = []
        self.refused: bytes = b""
        self._answer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        if b" 202 " not in head[:16]:
            self.refused = self._answer
        self.seconds.append(time.perf_counter() - self._sent)
        self._next()

    def _next(self) -> None:
        self._answer = b""
        self._sent = time.perf_counter()
        if self._transport is not None:
            self._transport.write(self.request)

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])


async def _load(port: int, requests: list[bytes], size: int, pid: int) -> Measured:
    loop = asyncio.get_running_loop()
    made = [loop.create_connection(partial(_Connection, request), "127.0.0.1", port) for request in requests]
    connections = [protocol for _, protocol in await asyncio.gather(*made)]
    await asyncio.sleep(WARM_S)
    for connection in connections:
        connection.seconds.clear()
    began, used = time.perf_counter(), cpu_s(pid)
    await asyncio.sleep(MEASURE_S)
    took, used = time.perf_counter() - began, cpu_s(pid) - used
    seconds = sorted(second for connection in connections for second in connection.seconds)
    for connection in connections:
        connection.stop()
        if connection.refused:
            raise RuntimeError(f"the server refused a request: {connection.refused[:500]!r}")
    return Measured(
        readings_per_s=round(len(seconds) * size / took),
        requests_per_s=round(len(seconds) / took),
        p50_ms=round(statistics.median(seconds) * 1000, 2),
        p99_ms=round(seconds[int(len(seconds) * 0.99)] * 1000, 2),
        core=round(used / took, 2),
        per_core=round(len(seconds) * size / used),
    )


def _table(taken: dict[int, Measured], limit: dict[int, Measured]) -> str:
    lines = [
        "readings a request   readings/s   for each core second   p50 ms   p99 ms   only counting bytes, readings/s"
    ]
    lines += [
        f"{size:18}   {one.readings_per_s:10,}   {one.per_core:20,}   {one.p50_ms:6}   {one.p99_ms:6}   "
        f"{limit[size].readings_per_s:31,}"
        for size, one in taken.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main("--json" in sys.argv))
