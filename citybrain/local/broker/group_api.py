"""Answers to the requests of consumer groups."""

from __future__ import annotations

from typing import Any

from kafka.protocol.consumer import (
    HeartbeatResponse,
    JoinGroupResponse,
    LeaveGroupResponse,
    OffsetCommitResponse,
    OffsetFetchResponse,
    SyncGroupResponse,
)
from kafka.protocol.metadata import FindCoordinatorResponse

from citybrain.local.broker.admin import HOST, NODE
from citybrain.local.broker.errors import Code, Refused
from citybrain.local.broker.groups import Groups, MemberIdRequired
from citybrain.local.broker.offsets import Committed, Offsets
from citybrain.local.broker.topics import Topics

_GROUP_KEY = 0
_MEMBER_ID_FROM = 4  # JoinGroup version from which a newcomer is told its id first


def find_coordinator(request: Any, port: int) -> Any:
    """The coordinator of every group is this node; there are no transactions to coordinate."""
    code = Code.NONE if request.key_type == _GROUP_KEY else Code.INVALID_REQUEST
    return FindCoordinatorResponse(
        throttle_time_ms=0, error_code=code, error_message=None, node_id=NODE, host=HOST, port=port
    )


async def join_group(groups: Groups, request: Any, version: int) -> Any:
    """Let a consumer into its group; answered when the rebalance is complete."""
    session = request.session_timeout_ms / 1000
    try:
        joined = await groups.get(request.group_id).join(
            request.member_id,
            request.group_instance_id,
            session,
            request.rebalance_timeout_ms / 1000 if request.rebalance_timeout_ms > 0 else session,
            request.protocol_type,
            [(protocol.name, protocol.metadata) for protocol in request.protocols],
            announce=version >= _MEMBER_ID_FROM,
        )
    except Refused as refused:
        member = refused.member if isinstance(refused, MemberIdRequired) else request.member_id
        return JoinGroupResponse(
            error_code=refused.code, generation_id=-1, protocol_name="", leader="", member_id=member, members=[]
        )
    return JoinGroupResponse(
        error_code=Code.NONE,
        generation_id=joined.generation,
        protocol_name=joined.protocol,
        leader=joined.leader,
        member_id=joined.member,
        members=[
            JoinGroupResponse.JoinGroupResponseMember(member_id=name, group_instance_id=instance, metadata=data)
            for name, instance, data in joined.members
        ],
    )


async def sync_group(groups: Groups, request: Any) -> Any:
    """Take the leader's assignment and give each member its own."""
    try:
        assignment = await groups.get(request.group_id).sync(
            request.member_id,
            request.group_instance_id,
            request.generation_id,
            {one.member_id: one.assignment for one in request.assignments},
        )
    except Refused as refused:
        return SyncGroupResponse(error_code=refused.code, assignment=b"")
    return SyncGroupResponse(error_code=Code.NONE, assignment=assignment)


def heartbeat(groups: Groups, request: Any) -> Any:
    """Take a sign of life."""
    code = Code.NONE
    try:
        group = groups.get(request.group_id)
        group.heartbeat(request.member_id, request.group_instance_id, request.generation_id)
    except Refused as refused:
        code = refused.code
    return HeartbeatResponse(error_code=code)


def leave_group(groups: Groups, request: Any, version: int) -> Any:
    """Let members go at once."""
    leaving = (
        [(one.member_id, one.group_instance_id) for one in request.members]
        if version >= 3
        else [(request.member_id, None)]
    )
    codes = [_leave(groups, request.group_id, member, instance) for member, instance in leaving]
    return LeaveGroupResponse(
        error_code=Code.NONE if version >= 3 else codes[0],
        members=[
            LeaveGroupResponse.MemberResponse(member_id=member, group_instance_id=instance, error_code=code)
            for (member, instance), code in zip(leaving, codes, strict=True)
        ],
    )


def _leave(groups: Groups, group: str, member: str, instance: str | None) -> Code:
    try:
        groups.get(group).leave(member, instance)
    except Refused as refused:
        return refused.code
    return Code.NONE


async def offset_commit(groups: Groups, offsets: Offsets, topics: Topics, request: Any) -> Any:
    """Keep a group's offsets; answered when they are on disk."""
    asked = [(topic.name, part) for topic in request.topics for part in topic.partitions]
    code = Code.NONE
    known = {(name, part.partition_index): part for name, part in asked if topics.has(name, part.partition_index)}
    try:
        groups.get(request.group_id).may_commit(
            request.member_id, request.group_instance_id, request.generation_id_or_member_epoch
        )
        values = {
            key: Committed(part.committed_offset, part.committed_leader_epoch, part.committed_metadata or "")
            for key, part in known.items()
        }
        if values:
            await offsets.commit(request.group_id, values)
    except Refused as refused:
        code = refused.code
    return OffsetCommitResponse(
        throttle_time_ms=0, topics=[_committed(topic, code, topics) for topic in request.topics]
    )


def _committed(topic: Any, code: Code, topics: Topics) -> Any:
    one = OffsetCommitResponse.OffsetCommitResponseTopic
    return one(
        name=topic.name,
        partitions=[
            one.OffsetCommitResponsePartition(
                partition_index=part.partition_index,
                error_code=code or (Code.NONE if topics.has(topic.name, part.partition_index) else _MISSING),
            )
            for part in topic.partitions
        ],
    )


_MISSING = Code.UNKNOWN_TOPIC_OR_PARTITION


def offset_fetch(offsets: Offsets, request: Any) -> Any:
    """What a group has committed: for the partitions asked for, or for all; -1 where nothing is."""
    if request.topics is None:
        everything = sorted(offsets.of_group(request.group_id))
        wanted = {name: [n for topic, n in everything if topic == name] for name, _ in everything}
    else:
        wanted = {topic.name: list(topic.partition_indexes) for topic in request.topics}
    one = OffsetFetchResponse.OffsetFetchResponseTopic
    return OffsetFetchResponse(
        throttle_time_ms=0,
        error_code=Code.NONE,
        topics=[
            one(name=name, partitions=[_offset(offsets, request.group_id, name, n) for n in numbers])
            for name, numbers in wanted.items()
        ],
    )


def _offset(offsets: Offsets, group: str, topic: str, number: int) -> Any:
    value = offsets.get(group, topic, number) or Committed(-1, -1, "")
    return OffsetFetchResponse.OffsetFetchResponseTopic.OffsetFetchResponsePartition(
        partition_index=number,
        committed_offset=value.offset,
        committed_leader_epoch=value.epoch,
        metadata=value.metadata,
        error_code=Code.NONE,
    )
