"""What was said on a topic, from both places that keep it: the broker's log and the archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from citybrain import running
from config.contract import Topic
from config.settings import Settings

BOOTSTRAP_MS = 5_000
TOGETHER = 2_000  # rows read from the archive at once
OLDEST_FIRST = 'SELECT "offset", value FROM read_parquet($files, hive_partitioning = false) ORDER BY "offset"'
NEWEST_FIRST = (
    'SELECT "offset", value FROM read_parquet($files, hive_partitioning = false) ORDER BY time DESC, "offset" DESC'
)
WINDOW = 1_000  # messages read from the broker at once where the newest come first


class NothingKept(RuntimeError):
    """Neither a broker nor an archive is there to be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One message of partition 0 by its offset, as each place has it; None where it does not have that offset."""

    offset: int
    archived: bytes | None
    logged: bytes | None

    @property
    def value(self) -> bytes:
        """Its bytes, from the archive if they are there."""
        return self.archived if self.archived is not None else self.logged or b""


def read(settings: Settings, topic: Topic) -> Iterator[Kept]:
    """Every message of the topic's only partition, the oldest first; raises ``NothingKept``."""
    kafka, files = _places(settings, topic, "p0-*.parquet")
    logged = _logged(kafka, topic.of(settings.city)) if kafka is not None else iter(())
    yield from _side_by_side(_archived(files, OLDEST_FIRST), logged)


def newest(settings: Settings, topic: Topic) -> Iterator[bytes]:
    """The messages of the topic, the newest first: those of the broker's log, then those of the archive, which may
    be the same ones again; raises ``NothingKept``."""
    kafka, files = _places(settings, topic, "p*.parquet")
    if kafka is not None:
        yield from _logged_backwards(kafka, topic.of(settings.city))
    yield from (value for _, value in _archived(files, NEWEST_FIRST))


def _places(settings: Settings, topic: Topic, pattern: str) -> tuple[str | None, list[str]]:
    """The broker's address, None where none runs, and the topic's files of the archive."""
    kafka, folder = running.broker(settings), settings.archive / topic.name
    files = [str(path) for path in folder.glob(f"day=*/{pattern}")]
    if kafka is None and not files:
        raise NothingKept(
            f"no broker runs on {settings.data} and there is no archive at {folder}; "
            "start citybrain run all, or set CITYBRAIN_KAFKA or CITYBRAIN_DATA"
        )
    return kafka, files


def _side_by_side(archived: Iterator[tuple[int, bytes]], logged: Iterator[tuple[int, bytes]]) -> Iterator[Kept]:
    """Two ascending sequences joined by offset."""
    left, right = next(archived, None), next(logged, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            yield Kept(left[0], left[1], None)
            left = next(archived, None)
        elif left is None or right[0] < left[0]:
            yield Kept(right[0], None, right[1])
            right = next(logged, None)
        else:
            yield Kept(left[0], left[1], right[1])
            left, right = next(archived, None), next(logged, None)


def _archived(files: list[str], query: str) -> Iterator[tuple[int, bytes]]:
    if not files:
        return
    with duckdb.connect() as connection:
        rows = connection.execute(query, {"files": files})
        while found := rows.fetchmany(TOGETHER):
            for offset, value in found:
                yield int(offset), (value or "").encode()


@contextmanager
def _consumer(kafka: str, topic: str) -> Iterator[Any]:
    """A consumer without a group; raises ``NothingKept`` where the broker does not answer, also within the block."""
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=kafka.split(","), enable_auto_commit=False, bootstrap_timeout_ms=BOOTSTRAP_MS
        )
    except KafkaError as error:
        raise NothingKept(f"no broker answers at {kafka}: {error}; check CITYBRAIN_KAFKA") from error
    try:
        yield consumer
    except KafkaError as error:
        raise NothingKept(f"{topic} cannot be read from {kafka}: {error}") from error
    finally:
        consumer.close()


def _logged(kafka: str, topic: str) -> Iterator[tuple[int, bytes]]:
    with _consumer(kafka, topic) as consumer:
        if topic not in consumer.topics():
            return
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            yield from _polled(consumer, partition, end)


def _logged_backwards(kafka: str, topic: str) -> Iterator[bytes]:
    with _consumer(kafka, topic) as consumer:
        if topic not in consumer.topics():
            return
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        first, end = consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]
        while end > first:
            begin = max(first, end - WINDOW)
            consumer.seek(partition, begin)
            found: list[bytes] = []
            while consumer.position(partition) < end:
                found += [value for _, value in _polled(consumer, partition, end)]
            yield from reversed(found)
            end = begin


def _polled(consumer: Any, partition: TopicPartition, end: int) -> list[tuple[int, bytes]]:
    """Offset and bytes of the next messages before ``end``."""
    records = consumer.poll(timeout_ms=1_000).get(partition, [])
    return [(record.offset, record.value or b"") for record in records if record.offset < end]
