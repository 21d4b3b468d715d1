"""Readings a second that one core of the gateway accepts over HTTP, on a real broker.

Requests of 1, 50 and 500 readings as JSON, SenML, SensorThings DataArray and Arrow, sent over many connections by a
client that only writes prepared bytes and reads answers. Each reading is checked and confirmed by the embedded broker
before its 202. The limit in the same run is the same server with an endpoint that only counts the bytes of the same
requests. The server is held to one core; client and broker share the others.

``flood`` is what a well-behaved gateway (20 requests a second) waits, alone and while another floods beyond its rate.
MQTT is measured by ``bench mqtt``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
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

import numpy as np
import polars as pl
import pyarrow as pa
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
FORMS = {  # media type and path
    "json": ("application/json", "/v1/readings"),
    "senml": ("application/senml+json", "/v1/readings"),
    "dataarray": ("application/json", "/sensorthings/v1.1/CreateObservations"),
    "arrow": ("application/vnd.apache.arrow.stream", "/v1/readings"),
}
FLOOD_S = 5.0
POLITE_HZ = 20


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
            forms = {form: {size: _measure(settings, token, size, pid, form) for size in SIZES} for form in FORMS}
        with _process(_serve_bare, settings) as pid:
            limit = {size: _measure(settings, token, size, pid) for size in SIZES}
        with _process(_serve_gateway, settings.model_copy(update={"rate_limit": 20_000})):
            flood = _flooded(settings, token)
    taken = forms["json"]
    if not as_json:
        for form, measured in forms.items():
            print(form, _table(measured, limit), sep="\n")
        print(f"flood: {flood}")
        return 0
    return tell(
        {
            "readings_per_s": taken[500].readings_per_s,
            "readings_per_core_s": taken[500].per_core,
            "limit_readings_per_s": limit[500].readings_per_s,
            "gateway": {str(size): asdict(one) for size, one in taken.items()},
            "formats": {
                form: {str(size): asdict(one) for size, one in measured.items()} for form, measured in forms.items()
            },
            "flood": flood,
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


def _measure(settings: Settings, token: str, size: int, pid: int, form: str = "json") -> Measured:
    connections = SIZES[size]
    requests = [_request(token, _body(form, size, first * size), form) for first in range(connections)]
    return asyncio.run(_load(settings.gateway_port, requests, size, pid))


def _body(form: str, size: int, first: int) -> bytes:
    now = int(time.time() * 1000)
    names = [f"cam-{(first + row * 190) % CAMERAS:06d}/people" for row in range(size)]
    values = [float(row) for row in range(size)]
    match form:
        case "senml":
            told: Any = [{"n": n, "t": now / 1000, "v": v} for n, v in zip(names, values, strict=True)]
            told[0]["u"] = "1"
        case "dataarray":
            moment = dt.datetime.fromtimestamp(now / 1000, dt.UTC).isoformat(timespec="milliseconds")
            told = [
                {
                    "Datastream": {"@iot.id": name},
                    "components": ["phenomenonTime", "result"],
                    "dataArray": [[moment, value]],
                }
                for name, value in zip(names, values, strict=True)
            ]
        case "arrow":
            table = pa.table({"datastream": names, "time": np.full(size, now), "value": values})
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            return bytes(sink.getvalue())
        case _:
            rows = zip(names, values, strict=True)
            told = {"readings": [{"datastream": n, "time": now, "value": v} for n, v in rows]}
    return json.dumps(told, separators=(",", ":")).encode()


def _request(token: str, body: bytes, form: str = "json") -> bytes:
    media, path = FORMS[form]
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"content-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends one request after the other and keeps the seconds each took."""

    def __init__(self, request: bytes, limited: bool = False, endless: bool = True) -> None:
        self.request = request
        self._limited = limited  # 429 is an answer like any other
        self._endless = endless
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
        if b" 202 " not in head[:16] and not (self._limited and self._endless and b" 429 " in head[:16]):
            self.refused = self._answer
        self.seconds.append(time.perf_counter() - self._sent)
        if self._endless:
            self._next()

    def again(self) -> None:
        """Send the request once more."""
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


def _flooded(settings: Settings, token: str) -> dict[str, float]:
    """p99 of a well-behaved gateway, alone and beside one that sends all it can."""
    polite = tokens.issue(settings.secrets / gateway.TOKENS, "polite")
    time.sleep(tokens.RECHECK_S + 0.5)
    request = _request(polite, _body("json", 50, 0))
    alone = asyncio.run(_polite(settings.gateway_port, request, []))
    flood = [_request(token, _body("json", 500, first * 500)) for first in range(16)]
    beside = asyncio.run(_polite(settings.gateway_port, request, flood))
    return {"alone_p99_ms": alone, "flooded_p99_ms": beside, "times": round(beside / alone, 2)}


async def _polite(port: int, request: bytes, flood: list[bytes]) -> float:
    loop = asyncio.get_running_loop()
    flooding = [(await loop.create_connection(partial(_Connection, one, True), "127.0.0.1", port))[1] for one in flood]
    transport, connection = await loop.create_connection(partial(_Connection, request, True, False), "127.0.0.1", port)
    await asyncio.sleep(WARM_S)
    connection.seconds.clear()
    until = time.perf_counter() + FLOOD_S
    while time.perf_counter() < until:
        connection.again()
        await asyncio.sleep(1 / POLITE_HZ)
    for one in (*flooding, connection):
        one.stop()
    transport.close()
    if connection.refused:
        raise RuntimeError(f"the well-behaved gateway was refused: {connection.refused[:300]!r}")
    return round(sorted(connection.seconds)[int(len(connection.seconds) * 0.99)] * 1000, 2)


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
