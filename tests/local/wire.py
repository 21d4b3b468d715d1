"""Talks the protocol itself, request by request, so that a test can do what no client library would."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from kafka.protocol.admin import CreateTopicsRequest
from kafka.protocol.consumer import (
    FetchRequest,
    HeartbeatRequest,
    JoinGroupRequest,
    ListOffsetsRequest,
    OffsetCommitRequest,
    SyncGroupRequest,
)
from kafka.protocol.producer import InitProducerIdRequest, ProduceRequest

_VERSIONS = {0: 7, 1: 11, 2: 5, 8: 7, 11: 5, 12: 3, 14: 3, 19: 3, 22: 1}  # by api key, the newest both brokers know


class Wire:
    """One connection to the broker at ``address``."""

    def __init__(self, address: str, timeout_s: float = 30.0) -> None:
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout_s)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @staticmethod
    def wait_for(address: str, seconds: float) -> None:
        """Return when the broker answers a request about its topics."""
        until = time.monotonic() + seconds
        while True:
            try:
                with Wire(address, 2.0) as wire:
                    wire.ask(ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=[]))
                    return
            except (OSError, EOFError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def send(self, request: Any) -> None:
        """Send a request."""
        request.with_header(correlation_id=1, client_id="test")
        self.socket.sendall(request.encode(version=_VERSIONS[request.API_KEY], header=True, framed=True))

    def answer(self, request: Any) -> Any:
        """Read the answer to a request that was sent."""
        (size,) = struct.unpack(">i", self.read(4))
        data = self.read(size)
        version = _VERSIONS[request.API_KEY]
        return _RESPONSES[request.API_KEY].decode(memoryview(data)[4:], version=version)

    def ask(self, request: Any) -> Any:
        """Send a request and read its answer."""
        self.send(request)
        return self.answer(request)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes; raises ``EOFError`` when the broker closes the connection."""
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError("the broker closed the connection")
            data += more
        return data


def _responses() -> dict[int, Any]:
    from kafka.protocol import admin, consumer, producer

    return {
        0: producer.ProduceResponse,
        1: consumer.FetchResponse,
        2: consumer.ListOffsetsResponse,
        8: consumer.OffsetCommitResponse,
        11: consumer.JoinGroupResponse,
        12: consumer.HeartbeatResponse,
        14: consumer.SyncGroupResponse,
        19: admin.CreateTopicsResponse,
        22: producer.InitProducerIdResponse,
    }


_RESPONSES = _responses()


def batch(
    values: Iterable[bytes], producer: int = -1, epoch: int = -1, sequence: int = -1, time_ms: int | None = None
) -> bytes:
    """A record batch of the values, as a producer would send it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, producer, epoch, sequence, 1 << 20)
    now = int(time.time() * 1000) if time_ms is None else time_ms
    for number, value in enumerate(values):
        builder.append(number, now, None, value, [])
    return bytes(builder.build())


def produce(topic: str, data: bytes, partition: int = 0, acks: int = -1) -> Any:
    """A request that writes the batch ``data``."""
    one = ProduceRequest.TopicProduceData
    parts = [one.PartitionProduceData(index=partition, records=data)]
    return ProduceRequest(
        transactional_id=None, acks=acks, timeout_ms=10_000, topic_data=[one(name=topic, partition_data=parts)]
    )


def produced(response: Any) -> tuple[int, int]:
    """Error code and first offset of the only partition in a produce answer."""
    part = response.responses[0].partition_responses[0]
    return part.error_code, part.base_offset


def fetch(topic: str, offset: int, partition: int = 0, wait_ms: int = 0, limit: int = 1 << 20) -> Any:
    """A request for the records from ``offset`` on."""
    one = FetchRequest.FetchTopic
    part = one.FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=limit)
    part.current_leader_epoch, part.log_start_offset = -1, -1
    return FetchRequest(
        replica_id=-1,
        max_wait_ms=wait_ms,
        min_bytes=1,
        max_bytes=limit,
        isolation_level=0,
        session_id=0,
        session_epoch=-1,
        topics=[one(topic=topic, partitions=[part])],
        forgotten_topics_data=[],
        rack_id="",
    )


def fetched(response: Any) -> tuple[int, bytes]:
    """Error code and records of the only partition in a fetch answer."""
    part = response.responses[0].partitions[0]
    return part.error_code, part.records or b""


def new_topic(address: str, partitions: int = 1, **config: str) -> str:
    """Make a topic of a new name; setting names have "_" for ".". Returns the name."""
    name = f"t-{uuid4().hex[:12]}"
    one = CreateTopicsRequest.CreatableTopic
    settings = [one.CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in config.items()]
    topic = one(name=name, num_partitions=partitions, replication_factor=1, assignments=[], configs=settings)
    with Wire(address) as wire:
        answer = wire.ask(CreateTopicsRequest(topics=[topic], timeout_ms=10_000, validate_only=False))
        assert [(t.error_code, t.error_message) for t in answer.topics] == [(0, None)]
        for partition in range(partitions):
            while _offset_at(wire, name, -1, partition).error_code:  # Apache Kafka elects leaders after its answer
                time.sleep(0.02)
    return name


def producer_id(wire: Wire) -> int:
    """A new producer id."""
    answer = wire.ask(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000))
    assert answer.error_code == 0
    return int(answer.producer_id)


def list_offset(wire: Wire, topic: str, time_ms: int, partition: int = 0) -> int:
    """The offset at -2 (first), -1 (next) or a time; -1 when there is none."""
    found = _offset_at(wire, topic, time_ms, partition)
    assert found.error_code == 0
    return int(found.offset)


def _offset_at(wire: Wire, topic: str, time_ms: int, partition: int) -> Any:
    one = ListOffsetsRequest.ListOffsetsTopic
    part = one.ListOffsetsPartition(partition_index=partition, current_leader_epoch=-1, timestamp=time_ms)
    answer = wire.ask(ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=[one(name=topic, partitions=[part])]))
    return answer.topics[0].partitions[0]


def join(group: str, member: str = "", session_ms: int = 1_500, rebalance_ms: int = 30_000) -> Any:
    """A request to join a group with the one protocol "plain"."""
    protocol = JoinGroupRequest.JoinGroupRequestProtocol(name="plain", metadata=b"m")
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=rebalance_ms,
        member_id=member,
        group_instance_id=None,
        protocol_type="consumer",
        protocols=[protocol],
    )


def join_fully(wire: Wire, group: str, session_ms: int = 1_500) -> Any:
    """Join a group as a newcomer, with the id the coordinator gives; the answer."""
    first = wire.ask(join(group, session_ms=session_ms))
    assert first.error_code == 79  # MEMBER_ID_REQUIRED
    return wire.ask(join(group, first.member_id, session_ms))


def sync(group: str, joined: Any, assignments: dict[str, bytes]) -> Any:
    """A request for the assignment, with the leader's plan."""
    plan = [
        SyncGroupRequest.SyncGroupRequestAssignment(member_id=member, assignment=what)
        for member, what in assignments.items()
    ]
    return SyncGroupRequest(
        group_id=group,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        group_instance_id=None,
        assignments=plan,
    )


def heartbeat(group: str, generation: int, member: str) -> Any:
    """A sign of life."""
    return HeartbeatRequest(group_id=group, generation_id=generation, member_id=member, group_instance_id=None)


def commit(group: str, generation: int, member: str, topic: str, offset: int) -> Any:
    """A request to keep ``offset`` for partition 0."""
    one = OffsetCommitRequest.OffsetCommitRequestTopic
    part = one.OffsetCommitRequestPartition(
        partition_index=0, committed_offset=offset, committed_leader_epoch=-1, committed_metadata=""
    )
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member,
        group_instance_id=None,
        topics=[one(name=topic, partitions=[part])],
    )
