"""Arrow IPC streams of readings: columns ``datastream``, ``time``, ``value`` and, if sent, ``unit``, ``lon``, ``lat``.

``time`` is a timestamp with a time zone, of any unit, or int64 milliseconds since 1970-01-01 UTC. Names and units may
be dictionary-encoded, which is the shortest. Other columns are left alone. Buffers must not be compressed: a few bytes
could stand for gigabytes; compress the whole body with gzip instead, which the door unpacks within its limit.
"""

from __future__ import annotations

from sensors.codecs.base import Codec, Decoded, Envelope
from sensors.codecs.columns import Columns
from sensors.codecs.readings_codec import observations


def _columns(body: bytes, envelope: Envelope) -> Columns:
    from sensors.codecs import arrow_stream  # 35 MB, for those who get Arrow only

    return arrow_stream.columns(body, envelope.limit)


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    return observations(_columns(body, envelope))


CODEC = Codec(
    name="arrow",
    title="Arrow IPC stream of readings",
    media=("application/vnd.apache.arrow.stream",),
    endings=(".arrows", ".arrow"),
    decode=_decode,
    columns=_columns,
)
