"""Answers to Produce, Fetch, ListOffsets and InitProducerId."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any, NamedTuple

from kafka.protocol.consumer import FetchResponse, ListOffsetsResponse
from kafka.protocol.producer import InitProducerIdResponse, ProduceResponse

from citybrain.local.broker import records
from citybrain.local.broker.errors import Code, CorruptLog, Refused
from citybrain.local.broker.log import PartitionLog
from citybrain.local.broker.topics import Topics
from config.durable import write_whole

log = logging.getLogger(__name__)
_ANSWER_BYTES = 8 * 1024 * 1024  # records in one fetch answer at most, whatever the client allows
_LATEST, _EARLIEST = -1, -2
_BLOCK = 1_000  # producer ids reserved at once

_Produced = ProduceResponse.TopicProduceResponse
_Fetched = FetchResponse.FetchableTopicResponse
_Listed = ListOffsetsResponse.ListOffsetsTopicResponse


# --- produce ---------------------------------------------------------------------------------------------------


async def produce(topics: Topics, request: Any) -> Any:
    """Append every partition's records, wait for the disk when all acks are asked for, answer; None for acks=0."""
    appended = [
        (topic.name, [_append(topics, topic.name, part.index, part.records, request) for part in topic.partition_data])
        for topic in request.topic_data
    ]
    if request.acks == 0:
        return None
    answers = [
        _Produced(name=name, partition_responses=[await _confirm(one, request.acks) for one in parts])
        for name, parts in appended
    ]
    return ProduceResponse(responses=answers, throttle_time_ms=0)


class _Appended(NamedTuple):
    """What became of one partition's records: written at ``first``, or refused."""

    partition: int
    partition_log: PartitionLog | None
    first: int
    end: int
    refused: Refused | None


def _append(topics: Topics, topic: str, partition: int, data: bytes | None, request: Any) -> _Appended:
    try:
        if request.transactional_id is not None:
            raise Refused(Code.INVALID_REQUEST, "transactions are not supported by the embedded broker")
        if request.acks not in (-1, 0, 1):
            raise Refused(Code.INVALID_REQUEST, f"acks is {request.acks}; use -1, 0 or 1")
        partition_log = topics.log(topic, partition)
        return _Appended(partition, partition_log, *partition_log.append(data), refused=None)
    except Refused as refused:
        log.warning("refused records for %s-%d: %s", topic, partition, refused)
        return _Appended(partition, None, -1, -1, refused)


async def _confirm(done: _Appended, acks: int) -> Any:
    refused = done.refused
    if done.partition_log is not None and acks == -1:
        try:
            await done.partition_log.synced(done.end)
        except Refused as error:
            refused = error
    return _Produced.PartitionProduceResponse(
        index=done.partition,
        error_code=refused.code if refused else Code.NONE,
        base_offset=-1 if refused else done.first,
        log_append_time_ms=-1,
        log_start_offset=done.partition_log.start if done.partition_log else -1,
    )


# --- fetch -----------------------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """The answer for one partition."""

    partition: int
    code: Code
    durable: int
    start: int
    data: bytes


async def fetch(topics: Topics, request: Any) -> Any:
    """The records asked for; when there are too few yet, wait for more and answer the moment they arrive."""
    if request.session_id != 0:
        return FetchResponse(error_code=Code.FETCH_SESSION_ID_NOT_FOUND, session_id=0, responses=[])
    loop = asyncio.get_running_loop()
    until = loop.time() + max(request.max_wait_ms, 0) / 1000
    arrived = asyncio.Event()
    watched = _watch(topics, request, arrived)
    try:
        while True:
            arrived.clear()
            pieces = await _read_all(topics, request)
            enough = sum(len(p.data) for _, parts in pieces for p in parts) >= max(request.min_bytes, 1)
            failed = any(p.code for _, parts in pieces for p in parts)
            if enough or failed or (left := until - loop.time()) <= 0:
                return _fetched(pieces)
            try:
                await asyncio.wait_for(arrived.wait(), left)
            except TimeoutError:
                continue
    finally:
        for partition_log in watched:
            partition_log.unwatch(arrived.set)


def _watch(topics: Topics, request: Any, arrived: asyncio.Event) -> list[PartitionLog]:
    watched = []
    for topic in request.topics:
        for part in topic.partitions:
            try:
                watched.append(topics.log(topic.topic, part.partition))
            except Refused:
                continue  # answered as an error when it is read
            watched[-1].watch(arrived.set)
    return watched


async def _read_all(topics: Topics, request: Any) -> list[tuple[str, list[_Piece]]]:
    left = min(request.max_bytes, _ANSWER_BYTES)
    found = False
    pieces = []
    for topic in request.topics:
        parts = []
        for part in topic.partitions:
            limit = min(left, part.partition_max_bytes)
            parts.append(await _read(topics, topic.topic, part.partition, part.fetch_offset, limit, not found))
            left -= len(parts[-1].data)
            found = found or bool(parts[-1].data)
        pieces.append((topic.topic, parts))
    return pieces


async def _read(topics: Topics, topic: str, partition: int, offset: int, limit: int, at_least_one: bool) -> _Piece:
    try:
        partition_log = topics.log(topic, partition)
    except Refused as refused:
        return _Piece(partition, refused.code, -1, -1, b"")
    code, data = Code.NONE, b""
    try:
        if limit > 0 or at_least_one:
            data = await partition_log.read(offset, limit, at_least_one)
    except Refused as refused:
        code = refused.code
    except (CorruptLog, OSError) as error:
        log.error("cannot read %s-%d at offset %d: %s", topic, partition, offset, error)
        code = Code.KAFKA_STORAGE_ERROR
    return _Piece(partition, code, partition_log.durable, partition_log.start, data)


def _fetched(pieces: list[tuple[str, list[_Piece]]]) -> Any:
    return FetchResponse(
        throttle_time_ms=0,
        error_code=Code.NONE,
        session_id=0,
        responses=[_Fetched(topic=name, partitions=[_part(piece) for piece in parts]) for name, parts in pieces],
    )


def _part(piece: _Piece) -> Any:
    return _Fetched.PartitionData(
        partition_index=piece.partition,
        error_code=piece.code,
        high_watermark=piece.durable,
        last_stable_offset=piece.durable,
        log_start_offset=piece.start,
        aborted_transactions=None,
        preferred_read_replica=-1,
        records=piece.data,
    )


# --- offsets by name or time -------------------------------------------------------------------------------------


async def list_offsets(topics: Topics, request: Any) -> Any:
    """The first, the next, or the first offset at or after a time, for each partition."""
    return ListOffsetsResponse(
        throttle_time_ms=0,
        topics=[
            _Listed(name=topic.name, partitions=[_listed(topics, topic.name, part) for part in topic.partitions])
            for topic in request.topics
        ],
    )


def _listed(topics: Topics, topic: str, part: Any) -> Any:
    code, time, offset = Code.NONE, -1, -1
    try:
        time, offset = _offset_at(topics.log(topic, part.partition_index), part.timestamp)
    except Refused as refused:
        code = refused.code
    except (CorruptLog, OSError) as error:
        log.error("cannot look into %s-%d: %s", topic, part.partition_index, error)
        code = Code.KAFKA_STORAGE_ERROR
    return _Listed.ListOffsetsPartitionResponse(
        partition_index=part.partition_index, error_code=code, timestamp=time, offset=offset, leader_epoch=0
    )


def _offset_at(partition_log: PartitionLog, time_ms: int) -> tuple[int, int]:
    """Time and offset of what is asked for; (-1, -1) when no record is that young."""
    if time_ms == _LATEST:
        return -1, partition_log.durable
    if time_ms == _EARLIEST:
        return -1, partition_log.start
    if time_ms < 0:
        raise Refused(Code.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"timestamp {time_ms}; use -1, -2 or milliseconds")
    data = partition_log.find_time(time_ms)
    return next(((r.time, r.offset) for r in records.read(data) if r.time >= time_ms), (-1, -1)) if data else (-1, -1)


# --- producer ids ------------------------------------------------------------------------------------------------


class ProducerIds:
    """Gives out producer ids, each once for ever: blocks are reserved in a file before they are used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = self._reserved = int(path.read_text()) if path.exists() else 0

    def take(self) -> int:
        """A new id; raises ``Refused`` when the reservation cannot be written."""
        if self._next == self._reserved:
            try:
                write_whole(self._path, str(self._next + _BLOCK))
            except OSError as error:
                raise Refused(Code.KAFKA_STORAGE_ERROR, f"cannot write {self._path}: {error}") from error
            self._reserved += _BLOCK
        self._next += 1
        return self._next - 1


def init_producer_id(ids: ProducerIds, request: Any) -> Any:
    """A producer id for an idempotent producer; transactions are refused."""
    try:
        if request.transactional_id is not None:
            raise Refused(Code.INVALID_REQUEST, "transactions are not supported by the embedded broker")
        return InitProducerIdResponse(error_code=Code.NONE, producer_id=ids.take(), producer_epoch=0)
    except Refused as refused:
        log.warning("refused a producer id: %s", refused)
        return InitProducerIdResponse(error_code=refused.code, producer_id=-1, producer_epoch=-1)
