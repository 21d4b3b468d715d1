"""Answers to Metadata, CreateTopics, DeleteTopics and DescribeConfigs."""

from __future__ import annotations

from typing import Any

from kafka.protocol.admin import CreateTopicsResponse, DeleteTopicsResponse, DescribeConfigsResponse
from kafka.protocol.metadata import MetadataResponse

from citybrain.local.broker.errors import Code, Refused
from citybrain.local.broker.offsets import Offsets
from citybrain.local.broker.topics import Topics

HOST = "127.0.0.1"
NODE = 1
_CLUSTER = "citybrain-embedded"
_TOPIC_RESOURCE = 2
_DYNAMIC_TOPIC_CONFIG, _DEFAULT_CONFIG = 1, 5

_Topic = MetadataResponse.MetadataResponseTopic
_Described = DescribeConfigsResponse.DescribeConfigsResult


def metadata(topics: Topics, request: Any, version: int, port: int, auto_create: bool) -> Any:
    """The one node and the topics asked for; a missing one is made when ``auto_create`` and the client allow it."""
    everything = request.topics is None or (version == 0 and not request.topics)
    names = [topic.name for topic in (topics.all() if everything else request.topics)]
    create = auto_create and (version < 4 or request.allow_auto_topic_creation)
    return MetadataResponse(
        throttle_time_ms=0,
        brokers=[MetadataResponse.MetadataResponseBroker(node_id=NODE, host=HOST, port=port, rack=None)],
        cluster_id=_CLUSTER,
        controller_id=NODE,
        topics=[_topic(topics, name, create) for name in names],
    )


def _topic(topics: Topics, name: str, create: bool) -> Any:
    code = Code.NONE
    if create and topics.get(name) is None:
        try:
            topics.create(name, 1, {})
        except Refused as refused:
            code = refused.code
    topic = topics.get(name)
    if topic is None:
        code = code or Code.UNKNOWN_TOPIC_OR_PARTITION
    count = len(topic.logs) if topic else 0
    partitions = [
        _Topic.MetadataResponsePartition(
            error_code=Code.NONE,
            partition_index=number,
            leader_id=NODE,
            leader_epoch=0,
            replica_nodes=[NODE],
            isr_nodes=[NODE],
            offline_replicas=[],
        )
        for number in range(count)
    ]
    return _Topic(error_code=code, name=name, is_internal=False, partitions=partitions)


def create_topics(topics: Topics, request: Any) -> Any:
    """Make topics; each gets its own answer."""
    results = []
    for wanted in request.topics:
        code, message = Code.NONE, None
        try:
            _create(topics, wanted, request.validate_only)
        except Refused as refused:
            code, message = refused.code, str(refused)
        results.append(
            CreateTopicsResponse.CreatableTopicResult(name=wanted.name, error_code=code, error_message=message)
        )
    return CreateTopicsResponse(throttle_time_ms=0, topics=results)


def _create(topics: Topics, wanted: Any, only_check: bool) -> None:
    copies = {len(assignment.broker_ids) for assignment in wanted.assignments} or {wanted.replication_factor}
    if not copies <= {1, -1}:
        raise Refused(
            Code.INVALID_REPLICATION_FACTOR, f"replication factor {max(copies)}; the embedded broker is one node, use 1"
        )
    count = len(wanted.assignments) or (1 if wanted.num_partitions == -1 else wanted.num_partitions)
    topics.create(wanted.name, count, {config.name: config.value for config in wanted.configs}, only_check)


async def delete_topics(topics: Topics, offsets: Offsets, request: Any) -> Any:
    """Delete topics with their records and what groups have committed for them."""
    results = []
    for name in request.topic_names:
        code = Code.NONE
        try:
            await topics.delete(name)
            await offsets.forget_topic(name)
        except Refused as refused:
            code = refused.code
        results.append(DeleteTopicsResponse.DeletableTopicResult(name=name, error_code=code))
    return DeleteTopicsResponse(throttle_time_ms=0, responses=results)


def describe_configs(topics: Topics, request: Any) -> Any:
    """The settings of topics; the broker itself has none that can be described."""
    return DescribeConfigsResponse(
        throttle_time_ms=0, results=[_describe(topics, resource) for resource in request.resources]
    )


def _describe(topics: Topics, resource: Any) -> Any:
    topic = topics.get(resource.resource_name) if resource.resource_type == _TOPIC_RESOURCE else None
    known = topic is not None or resource.resource_type != _TOPIC_RESOURCE
    wanted = resource.configuration_keys
    settings = [s for s in (topic.config.items() if topic else []) if wanted is None or s[0] in wanted]
    return _Described(
        error_code=Code.NONE if known else Code.UNKNOWN_TOPIC_OR_PARTITION,
        error_message=None if known else f"no topic {resource.resource_name!r}",
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=[_setting(*setting) for setting in settings],
    )


def _setting(name: str, value: str, is_default: bool) -> Any:
    return _Described.DescribeConfigsResourceResult(
        name=name,
        value=value,
        read_only=False,
        config_source=_DEFAULT_CONFIG if is_default else _DYNAMIC_TOPIC_CONFIG,
        is_default=is_default,
        is_sensitive=False,
        synonyms=[],
    )
