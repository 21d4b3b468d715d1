"""Decoding alone: readings/s from bytes to columns on one core, 500 readings a message, in every form for readings.

The limit beside it is what a decoder into plain Python objects gives on the same JSON, with no column made of it.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import cbor2
import msgspec
import numpy as np
import pyarrow as pa

from sensors.codecs.base import Envelope
from sensors.codecs.register import CODECS
from sensors.codecs.senml_pack import LABELS

ROWS, MESSAGES, ROUNDS = 500, 100, 3
START = 1_788_249_600_000  # ms
TICK_MS = 5_000
MUST_PER_S = 100_000
NAMES = [f"cam-{number:06d}/people" for number in range(ROWS)]
VALUES = [number / 2 for number in range(ROWS)]
_LABEL = {name: label for label, name in LABELS.items()}


def main(as_json: bool = False) -> int:
    """Measure; prints one JSON object as the last line; 1 when a form that must carry 100,000 readings/s does not."""
    found: dict[str, Any] = {}
    for form, (name, make) in FORMS.items():
        bodies = [make(START + number * TICK_MS) for number in range(MESSAGES)]
        found[form] = round(per_second(decoder(name), bodies))
        print(f"{form:28} {len(bodies[0]):7,} bytes {found[form]:12,} readings/s", file=sys.stderr)
    plain = [json_rows(START + number * TICK_MS) for number in range(MESSAGES)]
    limit = round(per_second(msgspec.json.decode, plain))
    met = all(found[form] >= MUST_PER_S for form in MUST)
    print(json.dumps({"readings_per_s": found, "plain_json_per_s": limit, "must": MUST_PER_S, "met": met}))
    return 0 if met else 1


def decoder(name: str) -> Callable[[bytes], Any]:
    """The codec's way to columns."""
    columns = CODECS[name].columns
    assert columns is not None
    return lambda body: columns(body, Envelope(now=START))


def per_second(decode: Callable[[bytes], Any], bodies: list[bytes]) -> float:
    """Readings a second of processor time, the best of a few rounds."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        for body in bodies:
            decode(body)
        best = max(best, len(bodies) * ROWS / (time.process_time() - start))
    return best


def iso(ms: int) -> str:
    """The time as RFC 3339."""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="milliseconds")


def json_rows(ms: int) -> bytes:
    """A list of objects."""
    rows = zip(NAMES, VALUES, strict=True)
    return json.dumps([{"datastream": name, "time": iso(ms), "value": value} for name, value in rows]).encode()


def json_columns(ms: int) -> bytes:
    """Three arrays."""
    return json.dumps({"datastream": NAMES, "time": [ms] * ROWS, "value": VALUES}).encode()


def senml(ms: int) -> list[dict[str, Any]]:
    """A pack with one base time."""
    return [
        {"bt": ms / 1000, "n": NAMES[0], "v": 0},
        *({"n": n, "v": v} for n, v in zip(NAMES[1:], VALUES, strict=False)),
    ]


def senml_json(ms: int) -> bytes:
    """The pack as JSON."""
    return json.dumps(senml(ms)).encode()


def senml_cbor(ms: int) -> bytes:
    """The pack as CBOR."""
    return cbor2.dumps([{_LABEL[name]: one for name, one in row.items()} for row in senml(ms)])


def arrays(ms: int, each: int) -> bytes:
    """SensorThings data arrays, ``each`` rows a datastream."""
    groups = [
        {
            "Datastream": {"@iot.id": name},
            "components": ["phenomenonTime", "result"],
            "dataArray": [[iso(ms + row), row / 2] for row in range(each)],
        }
        for name in NAMES[: ROWS // each]
    ]
    return json.dumps(groups).encode()


def arrow(ms: int) -> bytes:
    """An Arrow stream with dictionary-encoded names."""
    times = pa.array(np.full(ROWS, ms), pa.timestamp("ms", "UTC"))
    table = pa.table({"datastream": pa.array(NAMES).dictionary_encode(), "time": times, "value": VALUES})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def table(ms: int) -> bytes:
    """CSV with the gateway's own columns."""
    rows = (f"{name},{iso(ms)},{value}" for name, value in zip(NAMES, VALUES, strict=True))
    return "\n".join(["datastream,time,value", *rows]).encode()


FORMS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "json rows": ("json", json_rows),
    "json columns": ("json", json_columns),
    "senml json": ("senml", senml_json),
    "senml cbor": ("senml", senml_cbor),
    "sensorthings, 1 row each": ("sensorthings", lambda ms: arrays(ms, 1)),
    "sensorthings, 10 rows each": ("sensorthings", lambda ms: arrays(ms, 10)),
    "arrow": ("arrow", arrow),
    "csv": ("csv", table),
}
MUST = [form for form in FORMS if form != "csv"]
