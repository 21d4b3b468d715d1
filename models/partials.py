"""Partials: what one shard knows of the zones in one tick; the city adds them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from models.batch import BROKEN, Float64, Instant, Malformed

FIELDS = ("count", "value", "known", "known_value", "known_expected")


@dataclass(frozen=True, slots=True)
class Partial:
    """Sums of one shard over one tick; each array has the shape (series,), a series being one zone × property.

    ``count`` readings and their ``value`` sum; of those whose detector knew what to expect: how many (``known``),
    their sum (``known_value``) and what was expected of them (``known_expected``).
    ``tick`` is the tick's start in ms, ``accepted`` when its oldest reading was accepted (ms).
    """

    shard: int
    tick: int
    accepted: int
    count: Float64
    value: Float64
    known: Float64
    known_value: Float64
    known_expected: Float64


class _Wire(msgspec.Struct, array_like=True):
    shard: Annotated[int, msgspec.Meta(ge=0, lt=1024)]
    tick: Instant
    accepted: Instant
    arrays: tuple[bytes, bytes, bytes, bytes, bytes]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


def encode(partial: Partial) -> bytes:
    """The partial as bytes for the topic ``partials``."""
    arrays = [getattr(partial, name).astype("<f8", copy=False).tobytes() for name in FIELDS]
    return _encoder.encode(
        _Wire(partial.shard, partial.tick, partial.accepted, (arrays[0], arrays[1], arrays[2], arrays[3], arrays[4]))
    )


def decode(data: bytes) -> Partial:
    """The partial in ``data``; raises ``Malformed`` when it is none."""
    try:
        wire = _decoder.decode(data)
    except BROKEN as error:
        raise Malformed(f"not a partial: {error}") from error
    if len({len(array) for array in wire.arrays}) != 1 or len(wire.arrays[0]) % 8:
        raise Malformed(f"a partial's arrays differ in length: {[len(array) / 8 for array in wire.arrays]}")
    columns = [np.frombuffer(array, "<f8") for array in wire.arrays]
    return Partial(wire.shard, wire.tick, wire.accepted, *columns)
