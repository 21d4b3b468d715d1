"""Partials: what one shard knows of the zones in one tick; the city adds them up.

With them travel the shard's notes. In the same topic are the turns of the alert budget's dial, so that the log has the
order of both and a worker that starts again judges as the one before it did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from models import notes as noted
from models.batch import BROKEN, Float64, Instant, Malformed
from models.notes import Notes

FIELDS = ("count", "value", "known", "known_value", "known_expected", "departure")
MOST_SERIES = 4_000_000


@dataclass(frozen=True, slots=True)
class Partial:
    """Sums of one shard over one tick; each array has the shape (series,), a series being one zone × property.

    ``count`` readings and their ``value`` sum; of those whose detector knew what to expect: how many (``known``),
    their sum (``known_value``), what was expected of them (``known_expected``), and by how many of their own deviations
    they were off in all (``departure``, each clipped at models/sums.py MOST).
    ``tick`` is the tick's start in ms, ``accepted`` when its oldest reading was accepted (ms). ``notes`` come with the
    last tick that a shard closes at once.
    """

    shard: int
    tick: int
    accepted: int
    count: Float64
    value: Float64
    known: Float64
    known_value: Float64
    known_expected: Float64
    departure: Float64
    notes: Notes | None = None

    def noted(self, notes: Notes) -> Partial:
        """The same with the shard's notes."""
        return replace(self, notes=notes)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody turned the dial of the alert budget to ``per_hour`` alerts an hour, at ``at`` (processing time, ms)."""

    per_hour: float
    by: str
    at: int
    order: str  # id of the order that asked for it


class _Wire(msgspec.Struct, array_like=True):
    shard: Annotated[int, msgspec.Meta(ge=0, lt=1024)]
    tick: Instant
    accepted: Instant
    arrays: tuple[bytes, bytes, bytes, bytes, bytes, bytes]
    notes: bytes = b""
    width: Annotated[int, msgspec.Meta(ge=0, le=MOST_SERIES)] = 0  # 0: the arrays hold every series
    at: bytes = b""  # else those of these int32 numbers, ascending, and the others are nought


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)
_turns = msgspec.msgpack.Decoder(Turn)
_MAP = 0x80  # the first half byte of a small msgpack map; a partial is an array


def encode(message: Partial | Turn) -> bytes:
    """The message as bytes for the topic ``partials``."""
    if isinstance(message, Turn):
        return _encoder.encode(message)
    at, width = np.flatnonzero(message.count).astype("<i4"), len(message.count)
    few = 2 * len(at) < width  # a shard has readings of a few of the city's series
    columns = [getattr(message, name)[at] if few else getattr(message, name) for name in FIELDS]
    arrays = [column.astype("<f8", copy=False).tobytes() for column in columns]
    notes = noted.encode(message.notes) if message.notes is not None else b""
    packed = (arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5])
    wire = _Wire(message.shard, message.tick, message.accepted, packed, notes)
    if few:
        wire.width, wire.at = width, at.tobytes()
    return _encoder.encode(wire)


def decode(data: bytes) -> Partial:
    """The partial in ``data``; raises ``Malformed`` when it is none."""
    message = read(data)
    if isinstance(message, Turn):
        raise Malformed("a turn of the dial, not a partial")
    return message


def read(data: bytes) -> Partial | Turn:
    """The message in ``data``; raises ``Malformed`` when it is none."""
    try:
        if data[:1] and data[0] & 0xF0 == _MAP:
            return _turns.decode(data)
        wire = _decoder.decode(data)
    except BROKEN as error:
        raise Malformed(f"not a partial: {error}") from error
    if len({len(array) for array in wire.arrays}) != 1 or len(wire.arrays[0]) % 8:
        raise Malformed(f"a partial's arrays differ in length: {[len(array) / 8 for array in wire.arrays]}")
    columns = {name: np.frombuffer(array, "<f8") for name, array in zip(FIELDS, wire.arrays, strict=True)}
    if wire.width:
        columns = _spread(wire, columns)
    notes = noted.decode(wire.notes) if wire.notes else None
    return Partial(wire.shard, wire.tick, wire.accepted, **columns, notes=notes)


def _spread(wire: _Wire, columns: Mapping[str, Float64]) -> dict[str, Float64]:
    """The columns of all ``wire.width`` series."""
    if len(wire.at) % 4 or 2 * len(wire.at) != len(wire.arrays[0]):
        raise Malformed(f"a partial's arrays have {len(wire.arrays[0]) // 8} sums of {len(wire.at) / 4} series")
    at = np.frombuffer(wire.at, "<i4")
    if len(at) and (at[0] < 0 or at[-1] >= wire.width or (np.diff(at) <= 0).any()):
        raise Malformed(f"a partial's series must ascend from 0 to {wire.width - 1}; they do not")
    whole = {name: np.zeros(wire.width) for name in FIELDS}
    for name, column in columns.items():
        whole[name][at] = column
    return whole
