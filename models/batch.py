"""A batch: many readings as columns, and their bytes on the wire.

One Kafka message of the topic ``readings`` carries one batch, so that the cost of a message is spread over
hundreds of readings. The bytes are msgpack (msgspec) with the columns as little-endian binary fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

VERSION = 1
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises on bytes that are no message
Instant = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]  # ms since 1970, up to the year 9999
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Uint8 = NDArray[np.uint8]


class Malformed(ValueError):
    """The bytes are no batch; the message says which field and why."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings as columns; all columns have the shape (readings,).

    ``datastream`` is the register's stable integer, ``time`` the phenomenon time in milliseconds since
    1970-01-01 UTC, ``value`` in the datastream's registered unit (NaN is a gap), ``flags`` a bit set
    (bit 0: exercise). ``source`` names the gateway, ``accepted`` is the result time in the same clock:
    the moment the gateway took the oldest reading of the batch. A batch put together from several has in ``parts``
    the gateway and the length of each.
    """

    datastream: Int32
    time: Int64
    value: Float64
    flags: Uint8
    source: str = ""
    accepted: int = 0
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def origins(self) -> tuple[tuple[str, int], ...]:
        """The gateways in order, each with how many of the readings came through it."""
        return self.parts or ((self.source, len(self)),)

    def __len__(self) -> int:
        return len(self.datastream)

    def take(self, rows: NDArray[Any]) -> Batch:
        """The chosen rows (an index array or a mask) as a batch of their own."""
        return Batch(
            self.datastream[rows], self.time[rows], self.value[rows], self.flags[rows], self.source, self.accepted
        )


class _Wire(msgspec.Struct, array_like=True):
    version: int
    source: str
    accepted: Instant
    datastream: bytes
    time: bytes
    value: bytes
    flags: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def batch(datastream: Any, time: Any, value: Any, flags: Any = None, source: str = "", accepted: int = 0) -> Batch:
    """A batch of anything array-like; columns are converted to their types and must be of one length.

    Raises ``Malformed`` when the lengths differ.
    """
    ds = np.ascontiguousarray(datastream, np.int32)
    when = np.ascontiguousarray(time, np.int64)
    what = np.ascontiguousarray(value, np.float64)
    bits = np.zeros(len(ds), np.uint8) if flags is None else np.ascontiguousarray(flags, np.uint8)
    if not len(ds) == len(when) == len(what) == len(bits):
        raise Malformed(f"columns differ in length: {len(ds)}, {len(when)}, {len(what)}, {len(bits)}")
    return Batch(ds, when, what, bits, source, accepted)


def encode(readings: Batch) -> bytes:
    """The batch as bytes for the topic ``readings``."""
    return _encoder.encode(
        _Wire(
            VERSION,
            readings.source,
            readings.accepted,
            readings.datastream.astype("<i4", copy=False).tobytes(),
            readings.time.astype("<i8", copy=False).tobytes(),
            readings.value.astype("<f8", copy=False).tobytes(),
            readings.flags.tobytes(),
        )
    )


def decode(data: bytes) -> Batch:
    """The batch in ``data``; its columns are read-only views of the bytes.

    Raises ``Malformed`` when the bytes are no batch of a known version with columns of one length.
    """
    try:
        wire = _decoder.decode(data)
    except BROKEN as error:
        raise Malformed(f"not a batch: {error}") from error
    if wire.version != VERSION:
        raise Malformed(f"batch version {wire.version} is unknown; this reader knows version {VERSION}")
    n, left = divmod(len(wire.datastream), 4)
    lengths = (len(wire.time) / 8, len(wire.value) / 8, float(len(wire.flags)))
    if left or any(length != n for length in lengths):
        raise Malformed(f"columns differ in length: {len(wire.datastream) / 4}, {lengths}")
    return Batch(
        np.frombuffer(wire.datastream, "<i4"),
        np.frombuffer(wire.time, "<i8"),
        np.frombuffer(wire.value, "<f8"),
        np.frombuffer(wire.flags, np.uint8),
        wire.source,
        wire.accepted,
    )


def concat(batches: list[Batch]) -> Batch:
    """The batches one after the other, with the gateway of each; source is that of the first."""
    if len(batches) == 1:
        return batches[0]
    return Batch(
        np.concatenate([b.datastream for b in batches]),
        np.concatenate([b.time for b in batches]),
        np.concatenate([b.value for b in batches]),
        np.concatenate([b.flags for b in batches]),
        batches[0].source,
        min(b.accepted for b in batches),
        tuple(origin for b in batches for origin in b.origins),
    )
