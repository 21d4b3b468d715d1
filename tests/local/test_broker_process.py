"""The embedded broker as a process: what it survives, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from citybrain.local import kafka
from citybrain.local.kafka import BrokerNotStarted, running_broker
from citybrain.local.ports import free_port
from tests.local import wire as w
from tests.local.wire import Wire


def _log_file(data: Path, topic: str) -> Path:
    """The newest segment of partition 0."""
    return max((data / "topics" / topic / "0").glob("*.log"))


def test_no_confirmed_record_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    """Through three kill -9 under load, each confirmed record is there exactly once and in order."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    process = kafka.start(tmp_path, port)

    async def load() -> tuple[list[int], list[int]]:
        nonlocal process
        producer = AIOKafkaProducer(
            bootstrap_servers=address, acks="all", enable_idempotence=True, request_timeout_ms=20_000
        )
        await producer.start()
        confirmed: list[int] = []
        running = True

        async def write() -> None:
            number = 0
            while running:
                batch = [await producer.send(topic, b"%d" % (number + k), partition=0) for k in range(20)]
                await asyncio.gather(*batch)
                confirmed.extend(range(number, number + 20))
                number += 20

        writing = asyncio.create_task(write())
        for _ in range(3):
            await asyncio.sleep(0.7)
            process.kill()
            process.wait()
            process = kafka.start(tmp_path, port)
        await asyncio.sleep(0.7)
        running = False
        await asyncio.wait_for(writing, 20)
        await producer.stop()
        return confirmed, [int(r.value) for r in await _all(address, topic)]

    try:
        topic = w.new_topic(address)
        confirmed, found = asyncio.run(load())
    finally:
        kafka.stop(process)
    assert len(confirmed) > 500
    assert found == confirmed


async def _all(address: str, topic: str) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    await consumer.start()
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    await consumer.seek_to_beginning()
    end = (await consumer.end_offsets([place]))[place]
    records: list[Any] = []
    while await consumer.position(place) < end:
        for found in (await consumer.getmany(timeout_ms=500)).values():
            records += found
    await consumer.stop()
    return records


def test_a_retry_across_a_kill_is_not_written_twice(tmp_path: Path) -> None:
    """The broker rebuilds from its log what each producer has written, over several segments."""
    process = kafka.start(tmp_path)
    topic = w.new_topic(kafka.address(tmp_path) or "", segment_bytes="1024")
    with Wire(kafka.address(tmp_path) or "") as wire:
        one = w.producer_id(wire)
        batches = [w.batch([b"x" * 300], one, 0, n) for n in range(12)]
        assert [w.produced(wire.ask(w.produce(topic, b))) for b in batches] == [(0, n) for n in range(12)]
    process.kill()
    process.wait()
    with running_broker(tmp_path) as address, Wire(address) as wire:
        assert w.produced(wire.ask(w.produce(topic, batches[-1]))) == (0, 11)
        assert w.produced(wire.ask(w.produce(topic, batches[-5]))) == (0, 7)
        assert w.produced(wire.ask(w.produce(topic, w.batch([b"y"], one, 0, 12)))) == (0, 12)
        assert w.producer_id(wire) != one


def test_a_torn_tail_is_cut_and_told(tmp_path: Path) -> None:
    """Half a batch at the end is cut at the start, and the log says how much."""
    with running_broker(tmp_path) as address:
        topic = w.new_topic(address)
        with Wire(address) as wire:
            wire.ask(w.produce(topic, w.batch([b"whole"])))
    file = _log_file(tmp_path, topic)
    with file.open("ab") as out:
        out.write(w.batch([b"half"])[:50])
    with running_broker(tmp_path) as address, Wire(address) as wire:
        assert w.list_offset(wire, topic, -1) == 1
        assert w.produced(wire.ask(w.produce(topic, w.batch([b"next"])))) == (0, 1)
    assert f"{file}: cut 50 torn bytes after offset 1" in (tmp_path / "broker.log").read_text()


def test_a_damaged_earlier_segment_is_named(tmp_path: Path) -> None:
    """Reading damaged records is an error that names file and offset in the log; other records stay readable."""
    with running_broker(tmp_path) as address:
        topic = w.new_topic(address, segment_bytes="1024")
        with Wire(address) as wire:
            for _ in range(6):
                wire.ask(w.produce(topic, w.batch([b"x" * 400])))
    first = min((tmp_path / "topics" / topic / "0").glob("*.log"))
    data = bytearray(first.read_bytes())
    data[200] ^= 1
    first.write_bytes(data)
    with running_broker(tmp_path) as address, Wire(address) as wire:
        assert w.fetched(wire.ask(w.fetch(topic, 0)))[0] == 56  # KAFKA_STORAGE_ERROR
        assert w.fetched(wire.ask(w.fetch(topic, 4)))[0] == 0
    assert f"{first} is corrupt at byte 0, offset 0" in (tmp_path / "broker.log").read_text()


def test_a_shortened_earlier_segment_stops_the_start(tmp_path: Path) -> None:
    """Missing records are not passed over: the broker says which file, and does not start."""
    with running_broker(tmp_path) as address:
        topic = w.new_topic(address, segment_bytes="1024")
        with Wire(address) as wire:
            for _ in range(6):
                wire.ask(w.produce(topic, w.batch([b"x" * 400])))
    first = min((tmp_path / "topics" / topic / "0").glob("*.log"))
    os.truncate(first, 100)
    with pytest.raises(BrokerNotStarted, match=f"{first} has 100 bytes of"):
        kafka.start(tmp_path)


def test_topics_settings_and_offsets_survive_a_kill(tmp_path: Path) -> None:
    """What was answered is still there after kill -9: topics, their settings, committed offsets."""
    process = kafka.start(tmp_path)
    address = kafka.address(tmp_path) or ""
    topic = w.new_topic(address, partitions=3, retention_ms="12345")
    with Wire(address) as wire:
        answer = wire.ask(w.commit("g", -1, "", topic, 7))
        assert answer.topics[0].partitions[0].error_code == 0
    process.kill()
    process.wait()

    async def committed(address: str) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id="g", enable_auto_commit=False)
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        offset = await consumer.committed(TopicPartition(topic, 0))
        await consumer.stop()
        return int(offset)

    with running_broker(tmp_path) as address, Wire(address) as wire:
        assert asyncio.run(committed(address)) == 7
        assert [w.list_offset(wire, topic, -1, partition) for partition in range(3)] == [0, 0, 0]
    assert '"retention.ms":"12345"' in (tmp_path / "topics" / topic / "topic.json").read_text()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        struct.pack(">i", -5),
        struct.pack(">ihhi", 10, 999, 0, 1) + b"\xff\xff",
        struct.pack(">ihhih", 10, 0, 99, 1, -1),
        struct.pack(">ihhih", 30, 0, 7, 1, -1) + b"\xff" * 20,
        struct.pack(">ihhih", 14, 3, 7, 1, -1) + b"\x7f\xff\xff\xff",
    ],
)
def test_garbage_closes_its_own_connection_only(broker: str, garbage: bytes) -> None:
    """Bytes that are no request end the connection they came on; everybody else is served on."""
    topic = w.new_topic(broker)
    with Wire(broker) as other, Wire(broker, 5.0) as bad:
        bad.socket.sendall(garbage)
        with pytest.raises((EOFError, ConnectionError)):
            bad.read(1)
        assert w.produced(other.ask(w.produce(topic, w.batch([b"x"])))) == (0, 0)


def test_a_full_disk_is_an_answer_not_an_end(tmp_path: Path) -> None:
    """When nothing can be written the producer is told so; when it can again, all goes on."""
    process = kafka.start(tmp_path)
    try:
        address = kafka.address(tmp_path) or ""
        topic = w.new_topic(address)
        with Wire(address) as wire:
            assert w.produced(wire.ask(w.produce(topic, w.batch([b"x" * 1_000])))) == (0, 0)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_500, resource.RLIM_INFINITY))
            assert w.produced(wire.ask(w.produce(topic, w.batch([b"y" * 1_000]))))[0] == 56  # KAFKA_STORAGE_ERROR
            assert w.fetched(wire.ask(w.fetch(topic, 0)))[0] == 0
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert w.produced(wire.ask(w.produce(topic, w.batch([b"z" * 1_000])))) == (0, 1)
    finally:
        kafka.stop(process)


def test_two_brokers_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second one says who has the folder."""
    process = kafka.start(tmp_path)
    try:
        refused = subprocess.run(kafka.argv(tmp_path), capture_output=True, text=True, timeout=20)
    finally:
        kafka.stop(process)
    assert refused.returncode == 1
    assert f"is in use by the broker with process id {process.pid}" in refused.stderr


def test_it_listens_on_this_machine_only(broker: str) -> None:
    """No other address of the machine reaches the broker."""
    port = int(broker.split(":")[1])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A"]
    assert [place for place in listening if int(place.split(":")[1], 16) == port] == [f"0100007F:{port:04X}"]
    with socket.socket(socket.AF_INET6) as v6:
        assert v6.connect_ex(("::1", port)) != 0


def test_it_ends_quickly_though_clients_wait(tmp_path: Path) -> None:
    """SIGTERM is obeyed at once, with a fetch waiting and a group joined."""
    process = kafka.start(tmp_path)
    address = kafka.address(tmp_path) or ""
    topic = w.new_topic(address)
    with Wire(address) as reader, Wire(address) as member:
        reader.send(w.fetch(topic, 0, wait_ms=30_000))
        member.ask(w.join("g"))
        time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - began < 2
    assert kafka.address(tmp_path) is None


def test_a_deleted_topic_wakes_who_waits_for_it(broker: str) -> None:
    """A fetch that waits on a topic which is deleted gets its error at once."""
    from kafka.admin import KafkaAdminClient

    topic = w.new_topic(broker)
    request = w.fetch(topic, 0, wait_ms=10_000)
    with Wire(broker) as reader:
        reader.send(request)
        time.sleep(0.1)
        began = time.monotonic()
        admin = KafkaAdminClient(bootstrap_servers=broker)
        admin.delete_topics([topic])
        admin.close()
        assert w.fetched(reader.answer(request))[0] == 3  # UNKNOWN_TOPIC_OR_PARTITION
        assert time.monotonic() - began < 5
