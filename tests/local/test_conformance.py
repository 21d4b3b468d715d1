"""What our clients need of a broker: the same tests against the embedded one and Apache Kafka."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, KafkaAdminClient

from tests.local import wire as w
from tests.local.wire import Wire

HOUR_MS = 3_600_000


def _group() -> str:
    return f"g-{uuid4().hex[:12]}"


async def _write(address: str, topic: str, values: list[bytes], **options: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", enable_idempotence=True, **options)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k", partition=0)
    finally:
        await producer.stop()


async def _read(address: str, topic: str, count: int, partition: int = 0, start: int = 0) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, start)
        return [await asyncio.wait_for(consumer.getone(), 30) for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_aiokafka_reads_what_it_wrote(backend: str, compression: str | None) -> None:
    """Keys, values, missing values, headers, times and compression survive the way there and back."""
    topic = w.new_topic(backend)

    async def there_and_back() -> list[Any]:
        producer = AIOKafkaProducer(bootstrap_servers=backend, acks="all", compression_type=compression)
        await producer.start()
        await producer.send(
            topic, b"v" * 500, key=b"k", headers=[("h", b"1"), ("h", b"")], timestamp_ms=1_700_000_000_000
        )
        await producer.send(topic, None, key=b"gone")
        await producer.stop()
        return await _read(backend, topic, 2)

    first, second = asyncio.run(there_and_back())
    assert (first.offset, first.key, first.value) == (0, b"k", b"v" * 500)
    assert first.headers == (("h", b"1"), ("h", b""))
    assert first.timestamp == 1_700_000_000_000
    assert (second.offset, second.key, second.value) == (1, b"gone", None)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_kafka_python_reads_what_it_wrote(backend: str, compression: str | None) -> None:
    """kafka-python, idempotent as it is by default, reads its own records back in order."""
    topic = w.new_topic(backend)
    producer = KafkaProducer(bootstrap_servers=backend, compression_type=compression, linger_ms=5)
    sent = [producer.send(topic, b"%d" % n, key=b"k", headers=[("h", b"1")]) for n in range(50)]
    offsets = [future.get(10).offset for future in sent]
    producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=backend, auto_offset_reset="earliest", consumer_timeout_ms=10_000)
    records = [next(consumer) for _ in range(50)]
    consumer.close()
    assert offsets == list(range(50))
    assert [(r.offset, r.value, r.headers) for r in records] == [(n, b"%d" % n, [("h", b"1")]) for n in range(50)]


def test_a_batch_sent_twice_is_written_once(backend: str) -> None:
    """The retry of an idempotent producer gets the first answer's offset and adds nothing."""
    topic = w.new_topic(backend)
    with Wire(backend) as wire:
        one = w.producer_id(wire)
        first = w.batch([b"a", b"b"], one, 0, 0)
        second = w.batch([b"c"], one, 0, 2)
        answers = [w.produced(wire.ask(w.produce(topic, data))) for data in (first, second, first, second)]
        assert answers == [(0, 0), (0, 2), (0, 0), (0, 2)]
        assert w.list_offset(wire, topic, -1) == 3


def test_a_gap_in_the_sequence_is_refused(backend: str) -> None:
    """A batch whose predecessor is missing is refused, so that order holds."""
    topic = w.new_topic(backend)
    with Wire(backend) as wire:
        one = w.producer_id(wire)
        assert w.produced(wire.ask(w.produce(topic, w.batch([b"a"], one, 0, 0)))) == (0, 0)
        assert w.produced(wire.ask(w.produce(topic, w.batch([b"c"], one, 0, 5))))[0] == 45  # OUT_OF_ORDER_SEQUENCE
        assert w.list_offset(wire, topic, -1) == 1


def test_producer_ids_differ(backend: str) -> None:
    """No two producers get the same id."""
    with Wire(backend) as wire:
        ids = [w.producer_id(wire) for _ in range(5)]
    assert len(set(ids)) == 5


def test_a_batch_with_a_wrong_checksum_is_refused(backend: str) -> None:
    """Damaged records are not stored."""
    topic = w.new_topic(backend)
    data = bytearray(w.batch([b"value"]))
    data[-2] ^= 1
    with Wire(backend) as wire:
        assert w.produced(wire.ask(w.produce(topic, bytes(data))))[0] == 2  # CORRUPT_MESSAGE
        assert w.list_offset(wire, topic, -1) == 0


def test_offsets_by_name_and_by_time(backend: str) -> None:
    """First, next, and the first record at or after a time are exact; nothing is younger than the last."""
    topic = w.new_topic(backend)
    now = int(time.time() * 1000)
    with Wire(backend) as wire:
        for n in range(5):
            wire.ask(w.produce(topic, w.batch([b"x", b"y"], time_ms=now + n * 100)))
        found = [w.list_offset(wire, topic, at) for at in (-2, -1, now - HOUR_MS, now + 101, now + 400, now + 401)]
    assert found == [0, 10, 0, 4, 8, -1]


def test_reading_outside_the_log_is_an_error(backend: str) -> None:
    """An offset that does not exist is refused; the end is not outside."""
    topic = w.new_topic(backend)
    with Wire(backend) as wire:
        wire.ask(w.produce(topic, w.batch([b"x"])))
        codes = [w.fetched(wire.ask(w.fetch(topic, at)))[0] for at in (0, 1, 2)]
    assert codes == [0, 0, 1]  # OFFSET_OUT_OF_RANGE


def test_a_record_larger_than_the_limit_is_still_given(backend: str) -> None:
    """The first batch comes whole even when the reader allows fewer bytes, or it could never go on."""
    topic = w.new_topic(backend)
    data = w.batch([b"x" * 5_000])
    with Wire(backend) as wire:
        wire.ask(w.produce(topic, data))
        code, records = w.fetched(wire.ask(w.fetch(topic, 0, limit=100)))
    assert (code, len(records)) == (0, len(data))


def test_each_partition_keeps_its_order(backend: str) -> None:
    """Records of two partitions come interleaved, but in order within each."""
    topic = w.new_topic(backend, partitions=2)
    producer = KafkaProducer(bootstrap_servers=backend)
    for n in range(100):
        producer.send(topic, b"%d" % n, partition=n % 2)
    producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=backend, auto_offset_reset="earliest", consumer_timeout_ms=10_000)
    records = [next(consumer) for _ in range(100)]
    consumer.close()
    for partition in (0, 1):
        got = [int(r.value) for r in records if r.partition == partition]
        assert got == list(range(partition, 100, 2))


@pytest.mark.parametrize("size", [2, 3])
def test_members_of_a_group_share_the_partitions(backend: str, size: int) -> None:
    """Each partition belongs to exactly one member; when one leaves, the others take over what it had."""
    topic = w.new_topic(backend, partitions=6)
    group = _group()

    async def members() -> None:
        crew = [
            AIOKafkaConsumer(
                topic,
                bootstrap_servers=backend,
                group_id=group,
                heartbeat_interval_ms=200,
                session_timeout_ms=6_000,
                metadata_max_age_ms=1_000,
            )
            for _ in range(size)
        ]
        await asyncio.gather(*(one.start() for one in crew))
        await _until_shared(crew, 6)
        await crew.pop().stop()
        await _until_shared(crew, 6)
        await asyncio.gather(*(one.stop() for one in crew))

    asyncio.run(members())


async def _until_shared(crew: list[Any], partitions: int) -> None:
    """Wait until every member has some partitions and each partition one member."""
    until = time.monotonic() + 20
    while True:
        shares = [one.assignment() for one in crew]
        every = sorted(place.partition for share in shares for place in share)
        if every == list(range(partitions)) and all(shares):
            return
        assert time.monotonic() < until, f"the partitions are shared as {shares}"
        await asyncio.sleep(0.1)


def test_a_silent_member_is_evicted_while_another_joins(backend: str) -> None:
    """A member that died does not hold up a rebalance longer than its session."""
    group = _group()
    with Wire(backend) as dead, Wire(backend) as living:
        first = w.join_fully(dead, group, session_ms=1_500)
        assert dead.ask(w.sync(group, first, {first.member_id: b"all"})).assignment == b"all"
        began = time.monotonic()
        second = w.join_fully(living, group, session_ms=6_000)
        took = time.monotonic() - began
        assert (second.error_code, second.leader, len(second.members)) == (0, second.member_id, 1)
        assert took < 5
        assert dead.ask(w.heartbeat(group, first.generation_id, first.member_id)).error_code == 25  # UNKNOWN_MEMBER_ID


def test_an_old_generation_may_not_commit(backend: str) -> None:
    """Offsets come from the group as it is now, not from one that has rebalanced since."""
    topic, group = w.new_topic(backend), _group()
    with Wire(backend) as wire:
        joined = w.join_fully(wire, group, session_ms=6_000)
        wire.ask(w.sync(group, joined, {joined.member_id: b"all"}))
        requests = [
            w.commit(group, joined.generation_id - 1, joined.member_id, topic, 5),
            w.commit(group, joined.generation_id, "somebody", topic, 5),
            w.commit(group, joined.generation_id, joined.member_id, topic, 5),
        ]
        codes = [wire.ask(request).topics[0].partitions[0].error_code for request in requests]
    assert codes == [22, 25, 0]  # ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID


def test_a_group_goes_on_where_it_committed(backend: str) -> None:
    """A new consumer of the group begins at the committed offset."""
    topic, group = w.new_topic(backend), _group()
    asyncio.run(_write(backend, topic, [b"%d" % n for n in range(10)]))

    def consumer() -> Any:
        return KafkaConsumer(
            topic,
            bootstrap_servers=backend,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=10_000,
        )

    first = consumer()
    taken = [int(next(first).value) for _ in range(4)]
    first.commit()
    first.close()
    second = consumer()
    rest = [int(next(second).value) for _ in range(6)]
    second.close()
    assert taken + rest == list(range(10))


def test_topics_are_made_described_and_deleted(backend: str) -> None:
    """A topic's partitions and settings are reported as they were given, and it is gone when deleted."""
    admin = KafkaAdminClient(bootstrap_servers=backend)
    try:
        topic = w.new_topic(backend, partitions=3, retention_ms="12345", cleanup_policy="compact")
        (described,) = admin.describe_topics([topic])
        assert sorted(p["partition_index"] for p in described["partitions"]) == [0, 1, 2]
        configs = admin.describe_configs([ConfigResource("TOPIC", topic)])["topic"][topic]
        assert configs["retention.ms"]["value"] == "12345"
        assert configs["cleanup.policy"]["value"] == "compact"
        assert topic in admin.list_topics()
        admin.delete_topics([topic])
        until = time.monotonic() + 30
        while topic in admin.list_topics() and time.monotonic() < until:
            time.sleep(0.1)
        assert topic not in admin.list_topics()
    finally:
        admin.close()


def test_a_waiting_reader_is_answered_when_records_arrive(backend: str) -> None:
    """A fetch that may wait ten seconds is answered at once when something is written."""
    topic = w.new_topic(backend)
    took = []
    with Wire(backend) as reader, Wire(backend) as writer:
        for n in range(7):
            request = w.fetch(topic, n, wait_ms=10_000)
            reader.send(request)
            time.sleep(0.05)
            began = time.monotonic()
            writer.ask(w.produce(topic, w.batch([b"x"])))
            assert w.fetched(reader.answer(request))[0] == 0
            took.append(time.monotonic() - began)
    assert sorted(took)[3] < 0.05


def test_old_segments_are_deleted_by_size(backend: str) -> None:
    """Retention moves the log's start; what is left is read as before."""
    topic = w.new_topic(backend, segment_bytes="2048", retention_bytes="4096")
    with Wire(backend) as wire:
        for _ in range(30):
            wire.ask(w.produce(topic, w.batch([b"x" * 700])))
        start = _until_start_moves(wire, topic)
        assert w.list_offset(wire, topic, -1) == 30
        assert w.fetched(wire.ask(w.fetch(topic, 0)))[0] == 1  # OFFSET_OUT_OF_RANGE
        assert w.fetched(wire.ask(w.fetch(topic, start)))[0] == 0


def test_old_segments_are_deleted_by_age(backend: str) -> None:
    """Records older than the retention go, the active segment's too."""
    topic = w.new_topic(backend, retention_ms="1000")
    with Wire(backend) as wire:
        wire.ask(w.produce(topic, w.batch([b"x"] * 3, time_ms=int(time.time() * 1000) - HOUR_MS)))
        assert _until_start_moves(wire, topic) == 3
        assert w.produced(wire.ask(w.produce(topic, w.batch([b"y"])))) == (0, 3)


def _until_start_moves(wire: Wire, topic: str) -> int:
    until = time.monotonic() + 20
    while (start := w.list_offset(wire, topic, -2)) == 0:
        assert time.monotonic() < until, "the log still begins at offset 0"
        time.sleep(0.1)
    return start


def test_compaction_keeps_the_newest_of_each_key(backend: str) -> None:
    """Overwritten records go, the newest stay at their offsets, and the log's end does not move."""
    topic = w.new_topic(backend, cleanup_policy="compact", segment_bytes="2048", min_cleanable_dirty_ratio="0.01")

    async def compacted() -> list[Any]:
        producer = AIOKafkaProducer(bootstrap_servers=backend, acks="all")
        await producer.start()
        for n in range(60):
            await producer.send_and_wait(topic, b"%03d" % n + b"x" * 200, key=b"k%d" % (n % 3))
        await producer.stop()
        until = time.monotonic() + 25
        while True:
            records = await _read_to_end(backend, topic)
            if len(records) < 30:
                return records
            assert time.monotonic() < until, f"{len(records)} records are still there"
            await asyncio.sleep(0.3)

    records = asyncio.run(compacted())
    newest = {r.key: (r.offset, int(r.value[:3])) for r in records}
    assert newest == {b"k0": (57, 57), b"k1": (58, 58), b"k2": (59, 59)}
    assert [r.offset for r in records] == sorted(int(r.value[:3]) for r in records)
    with Wire(backend) as wire:
        assert w.list_offset(wire, topic, -1) == 60


async def _read_to_end(address: str, topic: str) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning()
        end = (await consumer.end_offsets([place]))[place]
        records: list[Any] = []
        while await consumer.position(place) < end:
            for found in (await consumer.getmany(timeout_ms=200)).values():
                records += found
        return records
    finally:
        await consumer.stop()
