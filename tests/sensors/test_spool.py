"""The log on disk and the spool over it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.segments import Log, LogError, frame
from sensors.spool import Spool, SpoolFailed, SpoolFull

bodies = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=25)


def rest(log: Log, at_once: int = 10**6) -> list[bytes]:
    """Everything that is left in the log, dropping it."""
    found: list[bytes] = []
    while records := log.read(at_once):
        found.extend(record.body for record in records)
        log.drop(records[-1].end)
    return found


def files(folder: Path) -> list[Path]:
    """The segments in the folder, oldest first."""
    return sorted(folder.glob("*.log"))


@given(records=bodies, dropped=st.integers(0, 25), segment=st.integers(1, 400), at_once=st.integers(1, 100))
@settings(deadline=None)
def test_what_was_appended_and_not_dropped_is_there_after_reopening(
    records: list[bytes], dropped: int, segment: int, at_once: int
) -> None:
    """Records come back in order, across segments and restarts, from where reading had come to."""
    with TemporaryDirectory() as name:
        log = Log(Path(name), segment)
        for body in records:
            log.append(frame(body))
        taken = log.read(10**6)[:dropped]
        if taken:
            log.drop(taken[-1].end)
        log.close()
        again = Log(Path(name), segment)
        assert rest(again, at_once) == records[len(taken) :]
        assert (again.empty, again.size, files(Path(name))) == (True, 0, [])
        again.append(frame(b"next"))
        assert rest(again) == [b"next"]
        again.close()


@given(records=bodies, cut=st.integers(0, 2000), junk=st.binary(max_size=30))
@settings(deadline=None)
def test_after_any_truncation_a_prefix_is_recovered(records: list[bytes], cut: int, junk: bytes) -> None:
    """However much of the end is lost, or junk stands in its place, the whole records before it are there."""
    with TemporaryDirectory() as name:
        log = Log(Path(name))
        for body in records:
            log.append(frame(body))
        log.close()
        (path,) = files(Path(name))
        whole = path.read_bytes()
        kept = whole[: max(0, len(whole) - cut)]
        path.write_bytes(kept + junk)
        again = Log(Path(name))
        found = rest(again)
        ends = [sum(len(frame(body)) for body in records[: count + 1]) for count in range(len(records))]
        survivors = sum(end <= len(kept) for end in ends)
        assert found[:survivors] == records[:survivors]
        assert len(found) <= survivors + 1  # junk may complete a record, or be one, only when its check agrees
        again.append(frame(b"next"))
        assert rest(again) == [b"next"]
        again.close()


@given(records=bodies, at=st.integers(0, 2000), bit=st.integers(0, 7))
@settings(deadline=None)
def test_a_flipped_bit_is_never_read_as_data(records: list[bytes], at: int, bit: int) -> None:
    """Damage costs records, but what is read was written."""
    with TemporaryDirectory() as name:
        log = Log(Path(name))
        for body in records:
            log.append(frame(body))
        log.close()
        (path,) = files(Path(name))
        data = bytearray(path.read_bytes())
        data[at % len(data)] ^= 1 << bit
        path.write_bytes(data)
        again = Log(Path(name))
        found = rest(again)
        assert found == records[: len(found)]
        assert len(found) < len(records)
        again.close()


def test_zeros_at_the_end_are_no_records(tmp_path: Path) -> None:
    """A file that a crash has left longer than what was written to it is cut."""
    log = Log(tmp_path)
    log.append(frame(b"one"))
    log.close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(4096))
    again = Log(tmp_path)
    assert rest(again) == [b"one"]
    with pytest.raises(ValueError, match="0 bytes"):
        frame(b"")


def test_damage_in_an_older_segment_costs_the_rest_of_that_segment_only(tmp_path: Path) -> None:
    """Later segments are still read; the bytes that cannot be are set aside."""
    log = Log(tmp_path, segment=40)
    for number in range(9):
        log.append(frame(b"record %d" % number))
    log.close()
    first, *_ = files(tmp_path)
    data = bytearray(first.read_bytes())
    data[20] ^= 1
    first.write_bytes(data)
    again = Log(tmp_path, segment=40)
    assert rest(again) == [b"record 0", *(b"record %d" % number for number in range(2, 9))]
    assert first.with_suffix(".damaged").stat().st_size > 0


def test_a_lost_position_means_records_come_again(tmp_path: Path) -> None:
    """When the position cannot be read nothing is lost: reading begins at the oldest record."""
    log = Log(tmp_path)
    log.append(frame(b"one") + frame(b"two"))
    log.drop(log.read(1)[0].end)
    log.close()
    (tmp_path / "position").write_bytes(b"\xff" * 12)
    assert rest(Log(tmp_path)) == [b"one", b"two"]


def test_two_gateways_cannot_share_a_folder(tmp_path: Path) -> None:
    """The second one is told so."""
    _log = Log(tmp_path)
    with pytest.raises(LogError, match="in use by another gateway"):
        Log(tmp_path)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full in the middle of a write, the records before it stand and later ones follow them."""
    log = Log(tmp_path)
    log.append(frame(b"one"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            log.append(frame(b"two"))
    log.append(frame(b"three"))
    log.close()
    assert rest(Log(tmp_path)) == [b"one", b"three"]


def test_appends_that_come_together_share_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred appends at once cost few writes, and are in the order of their calls."""

    async def main() -> tuple[int, list[bytes]]:
        spool = Spool(tmp_path, 10**6)
        writes = 0
        append = Log.append

        def counted(log: Log, data: bytes) -> None:
            nonlocal writes
            writes += 1
            append(log, data)

        monkeypatch.setattr(Log, "append", counted)
        await asyncio.gather(*[spool.put([b"record %d" % number]) for number in range(100)])
        found = [record.body for record in await spool.head(10**6)]
        await spool.close()
        return writes, found

    writes, found = asyncio.run(main())
    assert writes <= 2
    assert found == [b"record %d" % number for number in range(100)]


def test_a_full_spool_takes_nothing_more_until_it_is_drained(tmp_path: Path) -> None:
    """The bound holds for what is on disk and on the way to it; draining makes room again."""

    async def main() -> None:
        spool = Spool(tmp_path, 100)
        first = spool.put([bytes(60)])
        with pytest.raises(SpoolFull, match="68 of 100"):
            spool.put([bytes(60)])
        await first
        assert (spool.empty, spool.waiting, spool.room) == (False, 68, 32)
        (record,) = await spool.head(1)
        await spool.drop(record.end)
        assert (spool.empty, spool.waiting, spool.room) == (True, 0, 100)
        await spool.put([bytes(60)])
        await spool.close()

    asyncio.run(main())


def test_a_disk_that_refuses_is_told_to_each_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every append of a failed write fails, nothing of it is kept, and the next one may succeed."""

    async def main() -> list[bytes]:
        spool = Spool(tmp_path, 10**6)

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.fdatasync", full)
            lost = await asyncio.gather(spool.put([b"one"]), spool.put([b"two"]), return_exceptions=True)
        assert [type(error) for error in lost] == [SpoolFailed] * 2
        assert spool.empty
        await spool.put([b"three"])
        found = [record.body for record in await spool.head(10**6)]
        await spool.close()
        return found

    assert asyncio.run(main()) == [b"three"]
