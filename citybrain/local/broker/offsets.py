"""What consumer groups have committed: a compacted log like any other, and its newest values in memory."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

import msgspec

from citybrain.local.broker import records
from citybrain.local.broker.batch import header
from citybrain.local.broker.config import TopicConfig
from citybrain.local.broker.errors import Code, Refused
from citybrain.local.broker.log import PartitionLog, now_ms
from citybrain.local.broker.records import Record

_METADATA_LIMIT = 4_096  # characters a client may keep beside an offset
_CONFIG = {"cleanup.policy": "compact", "segment.bytes": str(4 * 1024 * 1024)}

Key = tuple[str, str, int]  # group, topic, partition


class Committed(NamedTuple):
    """A committed offset, the leader epoch the client saw, and the client's note."""

    offset: int
    epoch: int
    metadata: str


class Offsets:
    """Committed offsets by group, topic and partition."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        self.log = PartitionLog(folder, TopicConfig(_CONFIG), executor)
        self._committed: dict[Key, Committed] = {}

    async def load(self) -> None:
        """Read the log into memory."""
        at = self.log.start
        while data := memoryview(await self.log.read(at, 1 << 20, at_least_one=True)):
            while (found := header(data)) is not None:
                for record in records.read(bytes(data[: found.size])):
                    self._apply(record)
                at = found.last + 1
                data = data[found.size :]

    def _apply(self, record: Record) -> None:
        key = msgspec.msgpack.decode(record.key or b"", type=Key)
        if record.value is None:
            self._committed.pop(key, None)
        else:
            self._committed[key] = msgspec.msgpack.decode(record.value, type=Committed)

    def get(self, group: str, topic: str, partition: int) -> Committed | None:
        """What the group has committed, or None."""
        return self._committed.get((group, topic, partition))

    def of_group(self, group: str) -> dict[tuple[str, int], Committed]:
        """Everything the group has committed, by topic and partition."""
        return {(topic, number): value for (name, topic, number), value in self._committed.items() if name == group}

    async def commit(self, group: str, values: dict[tuple[str, int], Committed]) -> None:
        """Keep the values, durable when this returns; raises ``Refused``."""
        for value in values.values():
            if len(value.metadata) > _METADATA_LIMIT:
                raise Refused(
                    Code.OFFSET_METADATA_TOO_LARGE, f"{len(value.metadata)} characters; at most {_METADATA_LIMIT}"
                )
        changes = {(group, topic, number): value for (topic, number), value in values.items()}
        await self._write((key, msgspec.msgpack.encode(value)) for key, value in changes.items())
        self._committed.update(changes)

    async def forget_topic(self, topic: str) -> None:
        """Drop what all groups have committed for a deleted topic."""
        gone = [key for key in self._committed if key[1] == topic]
        if gone:
            await self._write((key, None) for key in gone)
        for key in gone:
            self._committed.pop(key, None)

    async def _write(self, changes: Iterable[tuple[Key, bytes | None]]) -> None:
        now = now_ms()
        batch = records.write(
            Record(at, now, msgspec.msgpack.encode(key), value, []) for at, (key, value) in enumerate(changes)
        )
        _, end = self.log.append(batch)
        await self.log.synced(end)
