"""Notes: what a shard tells the city beside its zone sums when its watermark passes a tick.

They travel in the partial, so that the city judges gateways, faults and claims in the order of its ticks, and a replay
gives the same.
"""

from __future__ import annotations

import msgspec

from models.batch import BROKEN, Malformed
from models.values import Detection


class SourceNote(msgspec.Struct, frozen=True, array_like=True):
    """One gateway as this shard sees it. Of its ``members`` (datastreams whose last reading came through it) ``scored``
    had a score since the note before, ``up`` and ``down`` of them out of the ordinary in that direction; ``heard``
    readings came, the newest of ``newest`` ms. ``lon`` and ``lat`` are the middle of the members."""

    name: str
    members: int
    heard: int
    newest: int
    scored: int
    up: int
    down: int
    lon: float
    lat: float


class FaultNote(msgspec.Struct, frozen=True, array_like=True):
    """A datastream (register integer) whose fault changed to ``kind`` (models/soundness.py KINDS), held since ``since``
    ms; ``source`` is the place of its gateway among the notes' sources, -1 unknown, ``twin`` what it copies, or -1."""

    datastream: int
    kind: int
    since: int
    source: int
    value: float
    twin: int = -1


class ClaimNote(msgspec.Struct, frozen=True, array_like=True):
    """A single datastream's anomaly that holds, for the alert budget to judge; told again at each tick while it holds.

    ``peak`` is the highest score seen; ``series`` are the zone series that sum the datastream.
    """

    detection: Detection
    datastream: int
    peak: float
    source: int
    series: tuple[int, ...] = ()


class Notes(msgspec.Struct, frozen=True, array_like=True):
    """Everything a shard notes at the watermark ``at`` (ms). ``claims`` are all that are open, ``faults`` what changed,
    ``events`` what it detected without asking the budget, firing or cleared."""

    at: int
    sources: tuple[SourceNote, ...] = ()
    faults: tuple[FaultNote, ...] = ()
    claims: tuple[ClaimNote, ...] = ()
    events: tuple[Detection, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Notes)


def encode(notes: Notes) -> bytes:
    """The notes as bytes."""
    return _encoder.encode(notes)


def decode(data: bytes) -> Notes:
    """The notes in ``data``; raises ``Malformed`` when they are none."""
    try:
        return _decoder.decode(data)
    except BROKEN as error:
        raise Malformed(f"not a shard's notes: {error}") from error
