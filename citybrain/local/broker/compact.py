"""Compaction: of the finished segments, keep the newest record of each key, at its old offset."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from concurrent.futures import Executor
from hashlib import blake2b

from aiokafka.errors import UnsupportedCodecError

from citybrain.local.broker import records
from citybrain.local.broker.batch import Header, header
from citybrain.local.broker.log import PartitionLog, now_ms
from citybrain.local.broker.records import Record
from citybrain.local.broker.segment import Segment
from config.durable import sync_folder

log = logging.getLogger(__name__)
_KEYS = 2_000_000  # of one pass, about 200 MB; the segments beyond are compacted by a later pass


async def compact(partition: PartitionLog, executor: Executor) -> bool:
    """Compact the finished segments when enough of them is new; true when it was done."""
    finished = [s for s in partition.segments[:-1] if s.end <= partition.durable]
    size = sum(s.size for s in finished)
    dirty = sum(s.size for s in finished if s.base >= partition.compacted)
    if not dirty or dirty < size * partition.config.dirty_share:
        return False
    horizon = now_ms() - partition.config.delete_retention_ms
    loop = asyncio.get_running_loop()
    newest, end = await loop.run_in_executor(executor, _newest, finished)
    for group in _groups([s for s in finished if s.base < end], partition.config.segment_bytes):
        cleaned = await loop.run_in_executor(executor, _rewrite, group, newest, horizon)
        if cleaned is None or partition.closed:
            return False
        _replace(partition, group, cleaned)
    partition.compacted = end
    log.info("%s: compacted %d bytes below offset %d to %d keys", partition.folder, size, end, len(newest))
    return True


def _key(key: bytes) -> bytes:
    return blake2b(key, digest_size=12).digest()


def _batches(segment: Segment) -> Iterator[tuple[Header, bytes]]:
    """Every batch of the segment, checked."""
    fd = segment.open()
    try:
        for position, found in segment.walk(fd):
            data = os.pread(fd, found.size, position)
            segment.check(data, position)
            yield found, data
    finally:
        os.close(fd)


def _records(data: bytes) -> list[Record] | None:
    """The records of a batch; None when its compression is not installed, such a batch is kept as it is."""
    try:
        return list(records.read(data))
    except UnsupportedCodecError:
        return None


def _newest(segments: list[Segment]) -> tuple[dict[bytes, int], int]:
    """The newest offset of each key (hashed) in as many of the segments as memory allows, and the end of those."""
    newest: dict[bytes, int] = {}
    end = 0
    for segment in segments:
        for _, data in _batches(segment):
            for record in _records(data) or ():
                if record.key is not None:
                    newest[_key(record.key)] = record.offset
        end = segment.end
        if len(newest) > _KEYS:
            break
    return newest, end


def _groups(segments: list[Segment], limit: int) -> list[list[Segment]]:
    """Neighbouring segments that fit into one of ``limit`` bytes together."""
    groups: list[list[Segment]] = []
    room = 0
    for segment in segments:
        if groups and segment.size <= room:
            groups[-1].append(segment)
            room -= segment.size
        else:
            groups.append([segment])
            room = limit - segment.size
    return groups


def _rewrite(group: list[Segment], newest: dict[bytes, int], horizon: int) -> Segment | None:
    """One segment with what is kept of the group's, on disk beside them; None when a segment has no index yet."""
    producers = Segment(group[-1].path).load_index()
    if producers is None:
        return None
    cleaned = Segment(group[0].path.with_suffix(".cleaned"))
    with cleaned.path.open("wb") as out:
        for segment in group:
            drop_deleted = segment.path.stat().st_mtime * 1000 < horizon
            for found, data in _batches(segment):
                kept = _kept(found, data, newest, drop_deleted)
                out.write(kept)
                if (written := header(kept)) is not None:
                    cleaned.added(written)
        out.flush()
        os.fsync(out.fileno())
    changed = group[-1].path.stat().st_mtime  # tombstones age from when they were written
    os.utime(cleaned.path, (changed, changed))
    cleaned.save_index(producers)
    return cleaned


def _kept(found: Header, data: bytes, newest: dict[bytes, int], drop_deleted: bool) -> bytes:
    """What remains of a batch: all of it, some of its records, or nothing."""
    every = _records(data)
    if every is None:
        return data
    keep = {
        r.offset
        for r in every
        if r.key is None or (newest.get(_key(r.key), r.offset) <= r.offset and not (r.value is None and drop_deleted))
    }
    if len(keep) == len(every):
        return data
    return records.only(found, data, keep) if keep else b""


def _replace(partition: PartitionLog, group: list[Segment], cleaned: Segment) -> None:
    """Put the cleaned segment in the place of the group. A crash in between loses nothing.

    ``save_index`` has put the new index in place already; it names the file it belongs to, so the old file is not
    taken for it. Segments left behind lie within the range of the new one and are removed at the next start.
    """
    cleaned.path = cleaned.path.rename(group[0].path)
    for segment in group[1:]:
        segment.remove()
    sync_folder(partition.folder)
    at = partition.segments.index(group[0])
    partition.segments[at : at + len(group)] = [cleaned]
    partition.forget_cursors()
