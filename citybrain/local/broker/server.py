"""The broker's sockets: reads requests, has them answered, writes the answers in order."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kafka.protocol import admin as admin_codec
from kafka.protocol import consumer as consumer_codec
from kafka.protocol import metadata as metadata_codec
from kafka.protocol import producer as producer_codec

from citybrain.local.broker import admin, group_api, produce_fetch
from citybrain.local.broker.compact import compact
from citybrain.local.broker.errors import Code, CorruptLog
from citybrain.local.broker.groups import Groups
from citybrain.local.broker.log import PartitionLog, now_ms
from citybrain.local.broker.offsets import Offsets
from citybrain.local.broker.produce_fetch import ProducerIds
from citybrain.local.broker.topics import Topics
from config.durable import write_whole
from config.locks import HeldError, hold

log = logging.getLogger(__name__)
_REQUEST_HEAD = struct.Struct(">hhi")  # api key, api version, correlation id
_ANSWER_HEAD = struct.Struct(">ii")  # size of what follows, correlation id
_API_VERSIONS = 18
_REQUEST_BYTES = 32 * 1024 * 1024
_LARGE_BYTES = 256 * 1024  # larger requests are taken a few at a time, so that memory stays bounded
_LARGE_AT_ONCE = 4
_CONNECTIONS = 256
_IN_FLIGHT = 8  # requests of one connection that are being answered
_THREADS = 8
_STALLED_S = 60.0  # a client that stops in the middle of a request or does not read its answers is dropped then

Answer = tuple[bytes, bytes]


class DataFolderInUse(RuntimeError):
    """Another broker runs on the same data folder."""


@dataclass(frozen=True)
class Options:
    """How the broker runs; ``port`` 0 takes any free one, ``upkeep_s`` is the pause between clean-ups."""

    data: Path
    port: int = 0
    auto_create: bool = False
    upkeep_s: float = 30.0


class _Api(NamedTuple):
    """One kind of request: the versions that are understood, its codec, and what answers it."""

    lowest: int
    highest: int
    request: Any
    answer: Callable[[Any, int], Awaitable[Any]]


class BadRequest(Exception):
    """Bytes that are no request this broker understands; the connection is closed."""


class Broker:
    """The broker on one data folder."""

    def __init__(self, options: Options) -> None:
        self._options = options
        options.data.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(options.data / "lock")
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="disk")
        self._topics = Topics(options.data / "topics", self._executor)
        self._offsets = Offsets(options.data / "offsets", self._executor)
        self._ids = ProducerIds(options.data / "producer-ids")
        self._groups = Groups()
        self._apis = self._table()
        self._connections: set[asyncio.Task[None]] = set()
        self._background: list[asyncio.Task[None]] = []
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self.port = options.port

    def _table(self) -> dict[int, _Api]:
        """What is understood, by api key."""

        def now(answer: Callable[[Any, int], Any]) -> Callable[[Any, int], Awaitable[Any]]:
            async def call(request: Any, version: int) -> Any:
                return answer(request, version)

            return call

        topics, offsets, groups = self._topics, self._offsets, self._groups
        auto = self._options.auto_create
        p, c, m, a = producer_codec, consumer_codec, metadata_codec, admin_codec
        return {
            0: _Api(3, 8, p.ProduceRequest, lambda r, v: produce_fetch.produce(topics, r)),
            1: _Api(4, 11, c.FetchRequest, lambda r, v: produce_fetch.fetch(topics, r)),
            2: _Api(1, 5, c.ListOffsetsRequest, lambda r, v: produce_fetch.list_offsets(topics, r)),
            3: _Api(0, 7, m.MetadataRequest, now(lambda r, v: admin.metadata(topics, r, v, self.port, auto))),
            8: _Api(2, 7, c.OffsetCommitRequest, lambda r, v: group_api.offset_commit(groups, offsets, topics, r)),
            9: _Api(1, 5, c.OffsetFetchRequest, now(lambda r, v: group_api.offset_fetch(offsets, r))),
            10: _Api(0, 2, m.FindCoordinatorRequest, now(lambda r, v: group_api.find_coordinator(r, self.port))),
            11: _Api(0, 5, c.JoinGroupRequest, lambda r, v: group_api.join_group(groups, r, v)),
            12: _Api(0, 3, c.HeartbeatRequest, now(lambda r, v: group_api.heartbeat(groups, r))),
            13: _Api(0, 3, c.LeaveGroupRequest, now(lambda r, v: group_api.leave_group(groups, r, v))),
            14: _Api(0, 3, c.SyncGroupRequest, lambda r, v: group_api.sync_group(groups, r)),
            19: _Api(0, 4, a.CreateTopicsRequest, now(lambda r, v: admin.create_topics(topics, r))),
            20: _Api(0, 3, a.DeleteTopicsRequest, lambda r, v: admin.delete_topics(topics, offsets, r)),
            22: _Api(0, 1, p.InitProducerIdRequest, now(lambda r, v: produce_fetch.init_producer_id(self._ids, r))),
            32: _Api(0, 3, a.DescribeConfigsRequest, now(lambda r, v: admin.describe_configs(topics, r))),
            _API_VERSIONS: _Api(0, 3, None, now(lambda r, v: self._versions(Code.NONE))),
        }

    # --- life -----------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then make all durable."""
        await self._offsets.load()
        server = await asyncio.start_server(self._connected, admin.HOST, self._options.port, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        write_whole(self._options.data / "port", str(self.port))
        log.info("the embedded broker listens on %s:%d, data in %s", admin.HOST, self.port, self._options.data)
        self._background = [asyncio.create_task(self._groups.watch()), asyncio.create_task(self._upkeep())]
        try:
            await stop.wait()
        finally:
            server.close()
            await _cancel([*self._background, *self._connections])
            await self._topics.close()
            await self._offsets.log.close()
            self._executor.shutdown()
            (self._options.data / "port").unlink(missing_ok=True)
            os.close(self._lock)

    async def _upkeep(self) -> None:
        """Retention and compaction, for ever."""
        while True:
            await asyncio.sleep(self._options.upkeep_s)
            logs = [partition for topic in self._topics.all() for partition in topic.logs]
            for partition in (*logs, self._offsets.log):
                try:
                    await self._clean(partition)
                except (OSError, CorruptLog) as error:
                    log.error("clean-up of %s failed: %s", partition.folder, error)

    async def _clean(self, partition: PartitionLog) -> None:
        if partition.closed or partition.broken:
            return
        partition.roll_if_old(now_ms())
        partition.forget_old(now_ms())
        if partition.config.compact:
            await compact(partition, self._executor)

    # --- connections ----------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= _CONNECTIONS:
            log.warning("refused a connection: %d are open, that is the most", _CONNECTIONS)
            writer.close()
            return
        self._connections.add(task)
        answers: asyncio.Queue[asyncio.Task[Answer | None]] = asyncio.Queue(_IN_FLIGHT)
        both = [
            asyncio.create_task(self._read_requests(reader, answers)),
            asyncio.create_task(_write_answers(answers, writer)),
        ]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            _report(writer.get_extra_info("peername"), done.pop().exception())
        finally:
            self._connections.discard(task)
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # nobody reads what is left
            else:
                writer.close()
            await _cancel([*both, *(answers.get_nowait() for _ in range(answers.qsize()))])

    async def _read_requests(
        self, reader: asyncio.StreamReader, answers: asyncio.Queue[asyncio.Task[Answer | None]]
    ) -> None:
        """Start answering each request as it comes; those of one connection begin and are answered in order."""
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big", signed=True)
            if not _REQUEST_HEAD.size + 2 <= size <= _REQUEST_BYTES:
                raise BadRequest(f"a request of {size} bytes; the limit is {_REQUEST_BYTES}")
            if size <= _LARGE_BYTES:
                await answers.put(self._start(await reader.readexactly(size)))
                continue
            async with self._large:
                data = await asyncio.wait_for(reader.readexactly(size), _STALLED_S)
                answer = self._start(data)
                await answers.put(answer)
                await asyncio.wait([answer])

    def _start(self, data: bytes) -> asyncio.Task[Answer | None]:
        """Decode a request and begin to answer it; raises ``BadRequest``."""
        key, version, correlation = _REQUEST_HEAD.unpack_from(data)
        api = self._apis.get(key)
        if api is None:
            raise BadRequest(f"api key {key} is unknown")
        if key == _API_VERSIONS and version > api.highest:
            return asyncio.create_task(_encoded(_done(self._versions(Code.UNSUPPORTED_VERSION)), correlation, 0))
        if not api.lowest <= version <= api.highest:
            raise BadRequest(f"version {version} of api key {key}; known are {api.lowest} to {api.highest}")
        request = None
        if api.request is not None:
            client_id = int.from_bytes(data[8:10], "big", signed=True)
            try:
                request = api.request.decode(memoryview(data)[10 + max(client_id, 0) :], version=version)
            except Exception as error:  # whatever the codec raises for bytes that are no such request
                raise BadRequest(f"not a {api.request.__name__} of version {version}: {error!r}") from error
        return asyncio.create_task(_encoded(api.answer(request, version), correlation, version))

    def _versions(self, code: Code) -> Any:
        """The answer to ApiVersions."""
        return metadata_codec.ApiVersionsResponse(
            error_code=code,
            throttle_time_ms=0,
            api_keys=[
                metadata_codec.ApiVersionsResponse.ApiVersion(
                    api_key=key, min_version=api.lowest, max_version=api.highest
                )
                for key, api in self._apis.items()
            ],
        )


async def _done(answer: Any) -> Any:
    return answer


async def _encoded(answering: Awaitable[Any], correlation: int, version: int) -> Answer | None:
    """The answer's head and body; None when the client wants none."""
    answer = await answering
    if answer is None:
        return None
    body = answer.encode(version=version)
    return _ANSWER_HEAD.pack(len(body) + 4, correlation), body


async def _write_answers(answers: asyncio.Queue[asyncio.Task[Answer | None]], writer: asyncio.StreamWriter) -> None:
    """Write answers in the order of their requests, until the client does not read any more."""
    while True:
        data = await (await answers.get())
        if data is not None:
            writer.writelines(data)
            await asyncio.wait_for(writer.drain(), _STALLED_S)


def _report(client: Any, error: BaseException | None) -> None:
    """Log why a connection ended, as loudly as it deserves."""
    if isinstance(error, BadRequest):
        log.warning("closed the connection of %s: %s", client, error)
    elif isinstance(error, TimeoutError):
        log.warning("closed the connection of %s: it stalled for %.0f s", client, _STALLED_S)
    elif error is not None and not isinstance(error, (ConnectionError, asyncio.IncompleteReadError)):
        log.error("closed the connection of %s after a fault of the broker", client, exc_info=error)


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _lock(path: Path) -> int:
    """Take the data folder for this process; raises ``DataFolderInUse`` naming the process that has it."""
    try:
        return hold(path)
    except HeldError as error:
        raise DataFolderInUse(f"{path.parent} is in use by the broker with process id {error.holder}") from None
