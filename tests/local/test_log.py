"""The log of a partition, without sockets."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.local.broker import records
from citybrain.local.broker.batch import header
from citybrain.local.broker.config import TopicConfig
from citybrain.local.broker.errors import Code, Refused
from citybrain.local.broker.log import PartitionLog, now_ms
from citybrain.local.broker.records import Record
from tests.local.wire import batch

LEADER_EPOCH = range(12, 16)  # the only bytes of a batch that nothing depends on


@pytest.fixture
def disk() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def _values(data: bytes) -> list[bytes | None]:
    found, view = [], memoryview(data)
    while (head := header(view)) is not None:
        found += [r.value for r in records.read(bytes(view[: head.size]))]
        view = view[head.size :]
    return found


async def _read_all(log: PartitionLog) -> list[bytes | None]:
    found: list[bytes | None] = []
    at = log.start
    while data := await log.read(at, 1 << 20, at_least_one=True):
        found += _values(data)
        view = memoryview(data)
        while (head := header(view)) is not None:
            at = head.last + 1
            view = view[head.size :]
    return found


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    place=st.floats(0, 1, exclude_max=True),
    damage=st.sampled_from(["cut", "flip", "garbage", "zeros"]),
)
def test_a_damaged_tail_costs_only_what_lies_behind_it(sizes: list[int], place: float, damage: str) -> None:
    """Whatever happens to the end of the log, a start keeps all batches before the damage, and writing goes on."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as disk:
        batches = [batch([b"%d" % number * size]) for number, size in enumerate(sizes)]
        asyncio.run(_write(Path(folder), disk, batches))
        file = next(Path(folder).glob("*.log"))
        at = int(place * file.stat().st_size)
        _damage(file, at, damage)
        ends = [sum(len(b) for b in batches[: n + 1]) for n in range(len(batches))]
        intact = sum(end <= at for end in ends)
        in_batch = at - ([0, *ends][intact])
        harmless = damage in ("garbage", "zeros") or (damage == "flip" and in_batch in LEADER_EPOCH)
        intact = len(batches) if harmless else intact
        expected = [b"%d" % n * sizes[n] for n in range(intact)]

        async def again() -> list[bytes | None]:
            log = PartitionLog(Path(folder), TopicConfig(), disk)
            assert (log.end, log.durable) == (intact, intact)
            _, end = log.append(batch([b"new"]))
            await log.synced(end)
            found = await _read_all(log)
            await log.close()
            return found

        assert asyncio.run(again()) == [*expected, b"new"]


async def _write(folder: Path, disk: Executor, batches: list[bytes]) -> None:
    log = PartitionLog(folder, TopicConfig(), disk)
    for data in batches:
        log.append(data)
    await log.close()


def _damage(file: Path, at: int, how: str) -> None:
    data = bytearray(file.read_bytes())
    if how == "cut":
        del data[at:]
    elif how == "flip":
        data[at] ^= 0x55
    elif how == "garbage":
        data += os.urandom(100)
    else:
        data += bytes(100)
    file.write_bytes(data)


def test_a_flipped_offset_is_found(tmp_path: Path, disk: Executor) -> None:
    """The offset is not covered by the checksum: one that does not follow is a damage all the same."""

    async def run() -> None:
        await _write(tmp_path, disk, [batch([b"a"]), batch([b"b"])])
        file = next(tmp_path.glob("*.log"))
        data = bytearray(file.read_bytes())
        data[len(batch([b"a"])) + 7] = 0  # the second batch says it is the first
        file.write_bytes(data)
        log = PartitionLog(tmp_path, TopicConfig(), disk)
        assert log.end == 1
        await log.close()

    asyncio.run(run())


def test_records_are_visible_when_they_are_durable(tmp_path: Path, disk: Executor) -> None:
    """Between the write and the sync a reader sees nothing; one sync serves all who wait."""

    async def run() -> None:
        log = PartitionLog(tmp_path, TopicConfig(), disk)
        ends = [log.append(batch([b"x"]))[1] for _ in range(5)]
        assert (log.end, log.durable, await log.read(0, 1000, at_least_one=True)) == (5, 0, b"")
        await asyncio.gather(*(log.synced(end) for end in ends))
        assert log.durable == 5
        assert len(await _read_all(log)) == 5
        await log.close()

    asyncio.run(run())


def test_a_failing_disk_loses_nothing_confirmed(
    tmp_path: Path, disk: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a sync fails, what waits for it is refused and forgotten; what was confirmed stays and writing goes on."""
    real, failing = os.fdatasync, False

    def fdatasync(fd: int) -> None:
        if failing:
            raise OSError(5, "Input/output error")
        real(fd)

    async def run() -> None:
        nonlocal failing
        log = PartitionLog(tmp_path, TopicConfig({"segment.bytes": "1024"}), disk)
        for value in (b"a" * 600, b"b" * 600):
            await log.synced(log.append(batch([value]))[1])
        failing = True
        _, lost = log.append(batch([b"c" * 600]))
        with pytest.raises(Refused) as refused:
            failing_sync = log.synced(lost)
            asyncio.get_running_loop().call_later(0.05, _heal)
            await failing_sync
        assert refused.value.code is Code.KAFKA_STORAGE_ERROR
        assert await _read_all(log) == [b"a" * 600, b"b" * 600]
        await log.synced(log.append(batch([b"d"]))[1])
        assert await _read_all(log) == [b"a" * 600, b"b" * 600, b"d"]
        await log.close()

    def _heal() -> None:
        nonlocal failing
        failing = False

    def slow_fdatasync(fd: int) -> None:
        try:
            fdatasync(fd)
        except OSError:
            _heal()  # the disk is well again by the time the log looks at it
            raise

    monkeypatch.setattr(os, "fdatasync", slow_fdatasync)
    asyncio.run(run())


def test_unsynced_segments_after_a_torn_one_are_dropped(tmp_path: Path, disk: Executor) -> None:
    """A power cut may tear a segment that was rolled but never synced; it has no index yet, nothing was confirmed."""

    async def run() -> None:
        log = PartitionLog(tmp_path, TopicConfig({"segment.bytes": "1024"}), disk)
        for _ in range(4):
            await log.synced(log.append(batch([b"x" * 400]))[1])
        await log.close()
        first, second = sorted(tmp_path.glob("*.log"))
        first.with_suffix(".index").unlink()
        os.truncate(first, first.stat().st_size - 10)
        log = PartitionLog(tmp_path, TopicConfig({"segment.bytes": "1024"}), disk)
        assert (log.end, second.exists()) == (1, False)
        await log.close()

    asyncio.run(run())


def test_retention_by_age_keeps_what_is_young(tmp_path: Path, disk: Executor) -> None:
    """Whole segments go when their youngest record is too old."""

    async def run() -> None:
        config = TopicConfig({"segment.bytes": "1024", "retention.ms": "10000"})
        log = PartitionLog(tmp_path, config, disk)
        now = now_ms()
        for age in (60_000, 50_000, 40_000, 5_000, 4_000, 3_000):
            await log.synced(log.append(batch([b"x" * 400], time_ms=now - age))[1])
        log.roll_if_old(now)
        assert (log.forget_old(now), log.start, log.end) == (1, 2, 6)
        await log.close()

    asyncio.run(run())


def test_a_tombstone_outlives_its_key_for_a_while(tmp_path: Path, disk: Executor) -> None:
    """Compaction drops the deleted value at once, and the deletion itself when it has been there long enough."""
    from citybrain.local.broker.compact import compact

    def change(key: bytes, value: bytes | None) -> bytes:
        return records.write([Record(0, now_ms(), key, value, [])])

    async def keys(retention: str) -> list[tuple[bytes | None, bytes | None]]:
        config = {"segment.bytes": "1024", "cleanup.policy": "compact", "delete.retention.ms": retention}
        log = PartitionLog(tmp_path, TopicConfig(config), disk)
        if log.end == 0:
            for key, value in ((b"a", b"1" * 900), (b"a", None), (b"b", b"2" * 900), (b"c", b"3" * 900)):
                await log.synced(log.append(change(key, value))[1])
        assert await compact(log, disk)
        found = []
        for segment in log.segments[:-1]:
            view = memoryview(segment.path.read_bytes())
            while (head := header(view)) is not None:
                found += [(r.key, r.value) for r in records.read(bytes(view[: head.size]))]
                view = view[head.size :]
        await log.close()
        return found

    assert asyncio.run(keys("3600000")) == [(b"a", None), (b"b", b"2" * 900)]
    assert asyncio.run(keys("0")) == [(b"b", b"2" * 900)]


def test_a_reader_at_the_end_goes_on_in_the_next_segment(tmp_path: Path, disk: Executor) -> None:
    """What it had read to the end is finished meanwhile: the records after it are still found."""

    async def run() -> list[bytes | None]:
        log = PartitionLog(tmp_path, TopicConfig({"segment.bytes": "1024"}), disk)
        _, end = log.append(batch([b"a" * 900]))
        await log.synced(end)
        assert _values(await log.read(0, 1 << 20, at_least_one=True)) == [b"a" * 900]
        _, after = log.append(batch([b"b" * 900]))
        await log.synced(after)
        found = _values(await log.read(end, 1 << 20, at_least_one=True))
        await log.close()
        return found

    assert asyncio.run(run()) == [b"b" * 900]
