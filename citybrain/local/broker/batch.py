"""Record batches as bytes (message format version 2): read their header, check them, never decode their records."""

from __future__ import annotations

import struct
from typing import NamedTuple

from aiokafka.record.util import calc_crc32c  # in C; the pure Python one takes 300 times as long

from citybrain.local.broker.errors import Code, Refused

_HEADER = struct.Struct(">qiibIhiqqqhii")
_PLACE = struct.Struct(">qii")
HEADER_BYTES = _HEADER.size  # 61
_BEFORE_LENGTH_ENDS = 12  # bytes before those that the length field counts
_CRC_FROM = 21  # the checksum covers everything from the attributes on
_MAGIC = 2
_TRANSACTIONAL, _CONTROL = 0x10, 0x20


class Header(NamedTuple):
    """The fixed first 61 bytes of a batch; times in ms since 1970-01-01 UTC."""

    base: int  # offset of the first record
    length: int  # bytes after this field
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int  # offset of the last record, relative to base
    first_time: int
    max_time: int
    producer: int  # -1: none
    epoch: int
    sequence: int  # of the first record within its producer and partition
    records: int  # how many

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + _BEFORE_LENGTH_ENDS

    @property
    def last(self) -> int:
        """Offset of the last record."""
        return self.base + self.last_delta

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last record; wraps after 2^31 - 1."""
        return (self.sequence + self.last_delta) & 0x7FFFFFFF


def header(data: bytes | bytearray | memoryview, at: int = 0) -> Header | None:
    """The header at byte ``at`` of ``data``; None when there is none: too short, or no batch of version 2."""
    if len(data) - at < HEADER_BYTES:
        return None
    found = Header._make(_HEADER.unpack_from(data, at))
    if found.magic != _MAGIC or found.size < HEADER_BYTES or found.base < 0 or found.last_delta < 0:
        return None
    return found


def intact(data: bytes | bytearray | memoryview, found: Header, at: int = 0) -> bool:
    """True when all bytes of the batch ``found`` at byte ``at`` are there and its CRC32C holds."""
    return len(data) - at >= found.size and calc_crc32c(memoryview(data)[at + _CRC_FROM : at + found.size]) == found.crc


def checked(records: bytes | None) -> list[Header]:
    """The headers of the batches that a producer sent, in order; raises ``Refused`` when one cannot be stored."""
    if not records:
        raise Refused(Code.CORRUPT_MESSAGE, "no records in the request")
    headers: list[Header] = []
    at = 0
    while at < len(records):
        found = header(records, at)
        if found is None:
            raise Refused(Code.CORRUPT_MESSAGE, f"byte {at} starts no record batch of message format 2")
        if not intact(records, found, at):
            raise Refused(Code.CORRUPT_MESSAGE, f"the batch at byte {at} is cut short or its CRC32C differs")
        if found.records != found.last_delta + 1:
            raise Refused(Code.CORRUPT_MESSAGE, f"{found.records} records but last offset delta {found.last_delta}")
        if found.attributes & (_TRANSACTIONAL | _CONTROL):
            raise Refused(Code.INVALID_REQUEST, "transactions are not supported by the embedded broker")
        headers.append(found)
        at += found.size
    return headers


def place(data: bytearray, at: int, offset: int) -> None:
    """Write the base ``offset`` and leader epoch 0 into the batch at byte ``at``; the checksum does not cover them."""
    length = int.from_bytes(data[at + 8 : at + 12], "big")
    _PLACE.pack_into(data, at, offset, length, 0)


def whole(data: bytes, end: int) -> tuple[int, int]:
    """Bytes of the whole batches at the start of ``data`` that lie below offset ``end``, and the offset after them."""
    at, after = 0, -1
    while (found := header(data, at)) is not None and found.base < end and at + found.size <= len(data):
        at += found.size
        after = found.last + 1
    return at, after
