"""Messages read once more from the broker's log, for offsets that the archive has lost."""

from __future__ import annotations

import logging

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from config import contract
from config import site as sites
from config.settings import Settings
from models import batch as batches
from models.batch import Malformed
from streams.archive import Message, MessagesWriter, ReadingsWriter

log = logging.getLogger(__name__)
WAIT_MS = 5_000


class Again:
    """Reads from the log of ``settings.kafka`` and writes into the archive."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = {topic.name: topic for topic in contract.TOPICS}

    def __call__(self, topic: str, partition: int, first: int, after: int) -> bool:
        """Write the offsets ``first`` to ``after - 1`` again; False when the log has them no more."""
        declared = self._topics.get(topic)
        if declared is None or self._settings.kafka is None:
            return False
        try:
            found = self._read(TopicPartition(declared.of(self._settings.city), partition), first, after)
        except KafkaError as error:
            log.warning("the broker cannot be asked for %s p%d: %s", topic, partition, error)
            return False
        if found is None:
            return False
        self._write(topic, partition, first, after, found)
        return True

    def _read(self, at: TopicPartition, first: int, after: int) -> list[Message | tuple[int, bytes]] | None:
        assert self._settings.kafka is not None  # the caller has looked
        consumer = KafkaConsumer(
            bootstrap_servers=self._settings.kafka.split(","), enable_auto_commit=False, consumer_timeout_ms=WAIT_MS
        )
        try:
            begins, ends = consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]
            if begins > first or ends < after:
                return None
            consumer.assign([at])
            consumer.seek(at, first)
            found: list[Message | tuple[int, bytes]] = []
            for record in consumer:
                if record.offset >= after:
                    break
                found.append(self._taken(at, record))
                if record.offset == after - 1:
                    break
            return found
        finally:
            consumer.close()

    def _taken(self, at: TopicPartition, record: object) -> Message | tuple[int, bytes]:
        offset, key, value, time = (getattr(record, name) for name in ("offset", "key", "value", "timestamp"))
        if at.topic == contract.READINGS.of(self._settings.city):
            return offset, value or b""
        texts = (None if one is None else one.decode(errors="replace") for one in (key, value))
        return Message(offset, time, *texts)

    def _write(
        self, topic: str, partition: int, first: int, after: int, found: list[Message | tuple[int, bytes]]
    ) -> None:
        folder = self._settings.archive / topic
        if topic != contract.READINGS.name:
            writer = MessagesWriter(folder, partition)
            writer.next = first
            for message in found:
                assert isinstance(message, Message)  # as ``_taken`` makes them
                writer.take(message)
            writer.flush_to(after)
            return
        readings = ReadingsWriter(folder, sites.load(self._settings).layouts.shards[partition])
        readings.next = first
        for message in found:
            assert isinstance(message, tuple)  # as ``_taken`` makes them
            try:
                readings.take(message[0], batches.decode(message[1]))
            except Malformed:
                readings.skip(message[0])
        readings.flush()
        (folder / f"p{partition}.npz").unlink(missing_ok=True)  # the writer's notes count from the end
