"""The broker: it answers, and each topic is there with its partitions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from citybrain.checks import Check, fault, ok, warning
from config import contract
from config.contract import Topic

BOOTSTRAP_MS = 5_000
Bounds = dict[tuple[str, int], tuple[int, int]]  # (topic's short name, partition) → first offset and end


def broker(address: str | None, city: str, shards: int) -> tuple[Bounds, list[Check]]:
    """The bounds of every partition of the city's topics, and the checks; ``shards`` 0: not known."""
    if address is None:
        start = "citybrain demo and citybrain run all start one"
        return {}, [warning("broker", "none is configured and none runs here", "CITYBRAIN_KAFKA", start)]
    try:
        with _consumer(address) as consumer:
            there = set(consumer.topics())
            checks = [ok("broker", f"{address} answers")]
            checks += [_topic(consumer, topic, city, there, shards) for topic in contract.TOPICS]
            return _bounds(consumer, city, there), checks
    except KafkaError as error:
        remedy = "start it, or mend CITYBRAIN_KAFKA (host:port,host:port)"
        return {}, [fault("broker", f"{address}: {error}", f"answers within {BOOTSTRAP_MS // 1000} s", remedy)]


@contextlib.contextmanager
def _consumer(address: str) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(
        bootstrap_servers=address.split(","), enable_auto_commit=False, bootstrap_timeout_ms=BOOTSTRAP_MS
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _topic(consumer: KafkaConsumer, topic: Topic, city: str, there: set[str], shards: int) -> Check:
    name = topic.of(city)
    what = f"topic {topic.name}"
    if name not in there:
        return warning(
            what, f"{name} is not there yet", "present", "gateway, worker and archive make it when they start"
        )
    found = len(consumer.partitions_for_topic(name) or ())
    wanted = topic.partitions or shards
    if wanted and found != wanted:
        limit = f"{wanted}, {'one a shard' if not topic.partitions else 'as declared in config/contract.py'}"
        return fault(what, f"{found} partitions", limit, "make the topic anew, or give the city another id")
    return ok(what, f"{found} partitions")


def _bounds(consumer: KafkaConsumer, city: str, there: set[str]) -> Bounds:
    names = {topic.of(city): topic.name for topic in contract.TOPICS if topic.of(city) in there}
    asked = [TopicPartition(name, part) for name in names for part in consumer.partitions_for_topic(name) or ()]
    if not asked:
        return {}
    firsts, ends = consumer.beginning_offsets(asked), consumer.end_offsets(asked)
    return {(names[one.topic], one.partition): (firsts[one], ends[one]) for one in asked}
