"""Single records within batches: read and write them. For what is off the hot path: offsets, compaction, times."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from citybrain.local.broker.batch import Header, place

_CODEC_MASK = 0x07


class Record(NamedTuple):
    """One record; ``time`` in ms, no ``value`` means that its key is deleted."""

    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def read(data: bytes) -> Iterator[Record]:
    """The records of one batch; raises what the codec raises when a compression is not installed."""
    for found in DefaultRecordBatch(data):
        yield Record(found.offset, found.timestamp, found.key, found.value, list(found.headers))


def write(records: Iterable[Record], base: int = 0, codec: int = 0) -> bytes:
    """A batch of the records, whose offsets may have gaps, with the base offset ``base``."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for record in records:
        builder.append(record.offset - base, record.time, record.key, record.value, record.headers)
    return bytes(builder.build())


def only(header: Header, data: bytes, keep: set[int]) -> bytes:
    """The batch ``data`` with none but the records at the offsets ``keep``; its offset range stays what it was."""
    kept = bytearray(
        write((r for r in read(data) if r.offset in keep), base=header.base, codec=header.attributes & _CODEC_MASK)
    )
    place(kept, 0, header.base)
    struct.pack_into(">i", kept, 23, header.last_delta)
    struct.pack_into(">qhi", kept, 43, header.producer, header.epoch, header.sequence)
    struct.pack_into(">I", kept, 17, calc_crc32c(memoryview(kept)[21:]))
    return bytes(kept)
