"""The topics of the broker and their folders: ``<root>/<topic>/topic.json`` and ``<root>/<topic>/<partition>/``."""

from __future__ import annotations

import asyncio
import re
import shutil
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import msgspec

from citybrain.local.broker.config import TopicConfig
from citybrain.local.broker.errors import Code, Refused
from citybrain.local.broker.log import PartitionLog
from config.durable import sync_folder, write_whole

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_PARTITIONS = 10_000  # of all topics together


class _File(msgspec.Struct):
    """What topic.json holds."""

    partitions: int
    config: dict[str, str]


@dataclass
class Topic:
    """A topic: its settings and one log for each partition."""

    name: str
    config: TopicConfig
    logs: list[PartitionLog] = field(default_factory=list)


class Topics:
    """All topics below the folder ``root``."""

    def __init__(self, root: Path, executor: Executor) -> None:
        self._root = root
        self._executor = executor
        self._topics: dict[str, Topic] = {}
        root.mkdir(parents=True, exist_ok=True)
        for folder in sorted(root.iterdir()):
            if folder.name.startswith("~"):  # no topic: a deletion or creation that a crash cut short
                shutil.rmtree(folder)
            else:
                self._topics[folder.name] = self._load(folder)

    def _load(self, folder: Path) -> Topic:
        file = msgspec.json.decode((folder / "topic.json").read_bytes(), type=_File)
        config = TopicConfig(file.config)
        logs = [PartitionLog(folder / str(number), config, self._executor) for number in range(file.partitions)]
        return Topic(folder.name, config, logs)

    def all(self) -> list[Topic]:
        """Every topic, by name."""
        return [self._topics[name] for name in sorted(self._topics)]

    def get(self, name: str) -> Topic | None:
        """The topic, or None."""
        return self._topics.get(name)

    def log(self, name: str, partition: int) -> PartitionLog:
        """The log of a partition; raises ``Refused`` when there is none."""
        if not self.has(name, partition):
            raise Refused(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {partition} of a topic {name!r}")
        return self._topics[name].logs[partition]

    def has(self, name: str, partition: int) -> bool:
        """True when there is such a partition."""
        topic = self._topics.get(name)
        return topic is not None and 0 <= partition < len(topic.logs)

    def create(self, name: str, partitions: int, given: dict[str, str], only_check: bool = False) -> None:
        """Make a topic, durable when this returns; raises ``Refused`` when it cannot be."""
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise Refused(Code.INVALID_TOPIC, f"topic name {name!r}: use 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'")
        if name in self._topics:
            raise Refused(Code.TOPIC_ALREADY_EXISTS, f"topic {name!r} exists")
        room = _PARTITIONS - sum(len(topic.logs) for topic in self._topics.values())
        if not 1 <= partitions <= room:
            raise Refused(Code.INVALID_PARTITIONS, f"{partitions} partitions; use 1 to {room}")
        TopicConfig(given)  # refuses what it does not know
        if only_check:
            return
        try:
            self._topics[name] = self._load(self._make_folder(name, _File(partitions, given)))
        except OSError as error:
            raise Refused(Code.KAFKA_STORAGE_ERROR, f"cannot create topic {name!r}: {error}") from error

    def _make_folder(self, name: str, file: _File) -> Path:
        """The topic's folder, made whole or not at all."""
        part = self._root / f"~new-{uuid4().hex}"
        for number in range(file.partitions):
            (part / str(number)).mkdir(parents=True)
        write_whole(part / "topic.json", msgspec.json.encode(file).decode())
        folder = self._root / name
        part.rename(folder)
        sync_folder(self._root)
        return folder

    async def delete(self, name: str) -> None:
        """Remove a topic and its records; raises ``Refused`` when there is none."""
        topic = self._topics.pop(name, None)
        if topic is None:
            raise Refused(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no topic {name!r}")
        for partition in topic.logs:
            await partition.close(keep=False)
        gone = self._root / f"~gone-{uuid4().hex}"
        (self._root / name).rename(gone)
        sync_folder(self._root)
        # what a compaction under way still writes there is removed at the next start
        await asyncio.get_running_loop().run_in_executor(self._executor, shutil.rmtree, gone, True)

    async def close(self) -> None:
        """Make all durable and close it."""
        for topic in self.all():
            for partition in topic.logs:
                await partition.close()
