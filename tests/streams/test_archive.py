"""The archive: each reading once, whatever is repeated and wherever it crashes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import detectors
from models.batch import Batch, batch
from models.layout import Group, Place, ShardLayout
from models.values import Text
from streams import archive
from streams.archive import Message, MessagesWriter, ReadingsWriter, count

DAY = 86_400_000
START = 1_790_035_200_000  # a midnight
MEMBERS = [1, 3, 4]
PARTITION = 2
Row = tuple[int, int, float]  # datastream, ms after START, value


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes end here, not the power: nothing need reach the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def layout(members: list[int] = MEMBERS) -> ShardLayout:
    """A shard of three datastreams."""
    n = len(members)
    return ShardLayout(
        shard=PARTITION,
        members=np.array(members, np.int32),
        group=np.zeros(n, np.int16),
        groups=(Group("test", "people", "1", detectors.get("running-level")),),
        low=np.zeros(n),
        high=np.full(n, 100.0),
        indptr=np.zeros(n + 1, np.int64),
        indices=np.zeros(0, np.int32),
        series=0,
        places=[Place(str(m), Text("x", "x"), 104.0, 30.6, "") for m in members],
        tick_ms=5_000,
        lateness_ms=10_000,
    )


def readings(*some: Row, source: str = "gw", accepted: int = START + 7) -> Batch:
    """The readings as a batch."""
    ds, time, value = zip(*some, strict=True) if some else ((), (), ())
    return batch(ds, START + np.array(time, np.int64), value, source=source, accepted=accepted)


def rows(folder: Path) -> list[Row]:
    """All archived readings, sorted: datastream, ms after START, value."""
    tables = [pq.read_table(path, partitioning=None) for path in folder.glob("day=*/*.parquet")]
    found: list[Row] = []
    for table in tables:
        times = table["time"].cast("int64").to_numpy() - START
        found += zip(table["datastream"].to_pylist(), times.tolist(), table["value"].to_pylist(), strict=True)
    return sorted(found)


def ask(query: str, folder: Path) -> list[tuple[Any, ...]]:
    """What DuckDB answers; ``?`` in the query stands for the files below ``folder``."""
    with duckdb.connect() as connection:
        return connection.execute(query, [f"{folder}/day=*/*.parquet"]).fetchall()


def names(folder: Path) -> list[str]:
    """The archive's files."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def write(folder: Path, *messages: Batch, writer: ReadingsWriter | None = None) -> ReadingsWriter:
    """Take the messages at the next offsets and flush."""
    writer = writer or ReadingsWriter(folder, layout())
    for offset, message in enumerate(messages, writer.next):
        writer.take(offset, message)
    writer.flush()
    return writer


def test_every_column_is_kept(tmp_path: Path) -> None:
    """Datastream, time, value, flags, gateway, result time and offset stand in the file, in UTC."""
    writer = ReadingsWriter(tmp_path, layout())
    writer.take(0, batch([3], [START + 5], [7.5], [1], source="gw-1", accepted=START + 9))
    writer.take(1, batch([1], [START + 6], [8.5], [0], source="gw-2", accepted=START + 10))
    assert writer.flush() == 2
    (path,) = tmp_path.glob("day=*/*.parquet")
    assert path.relative_to(tmp_path) == Path(
        "day=2026-09-22/p2-00000000000000000000-00000000000000000002-0of1.parquet"
    )
    table = pq.read_table(path, partitioning=None)
    assert table.schema.field("source").type == archive.READINGS_SCHEMA.field("source").type
    at = datetime(2026, 9, 22, tzinfo=UTC)
    assert table.to_pylist() == [
        {
            "datastream": 1, "time": at.replace(microsecond=6_000), "value": 8.5, "flags": 0, "source": "gw-2",
            "accepted": at.replace(microsecond=10_000), "offset": 1,
        },
        {
            "datastream": 3, "time": at.replace(microsecond=5_000), "value": 7.5, "flags": 1, "source": "gw-1",
            "accepted": at.replace(microsecond=9_000), "offset": 0,
        },
    ]  # fmt: skip


def test_what_is_repeated_within_a_flush_is_kept_once(tmp_path: Path) -> None:
    """Of one datastream and time the first that came stays, within a message and across messages."""
    writer = write(tmp_path, readings((1, 0, 5.0), (3, 0, 6.0), (1, 0, 9.0)), readings((3, 0, 8.0), (3, 1, 8.0)))
    assert rows(tmp_path) == [(1, 0, 5.0), (3, 0, 6.0), (3, 1, 8.0)]
    assert (writer.archived, writer.duplicates) == (3, 2)


def test_what_is_repeated_across_flushes_is_kept_once(tmp_path: Path) -> None:
    """Old repetitions are found in the files, however old; old readings that are new are written."""
    writer = write(tmp_path, readings(*[(1, t * 1_000, 1.0) for t in range(50)]))
    write(tmp_path, readings((1, 3_000, 2.0), (1, 3_500, 2.0), (1, 49_000, 2.0), (1, 50_000, 2.0)), writer=writer)
    write(tmp_path, readings((1, 3_500, 3.0)), writer=writer)
    assert len(rows(tmp_path)) == 52
    assert [row for row in rows(tmp_path) if row[2] != 1.0] == [(1, 3_500, 2.0), (1, 50_000, 2.0)]
    assert writer.duplicates == 3


def test_what_is_repeated_across_restarts_is_kept_once(tmp_path: Path) -> None:
    """A new writer goes on after the last file and knows what is in all of them."""
    write(tmp_path, readings((1, 0, 1.0), (3, 5_000, 1.0)))
    writer = ReadingsWriter(tmp_path, layout())
    assert (writer.next, writer.archived) == (1, 2)
    write(tmp_path, readings((1, 0, 2.0), (3, 5_000, 2.0), (3, 4_000, 2.0)), writer=writer)
    assert rows(tmp_path) == [(1, 0, 1.0), (3, 4_000, 2.0), (3, 5_000, 1.0)]


def test_several_days_in_one_flush_are_one_group(tmp_path: Path) -> None:
    """Each day has its file; the group says how many they are."""
    writer = write(tmp_path, readings((1, -1, 1.0), (1, 0, 2.0), (1, DAY, 3.0), (3, 5, 4.0)))
    assert names(tmp_path) == [
        "day=2026-09-21/p2-00000000000000000000-00000000000000000001-0of3.parquet",
        "day=2026-09-22/p2-00000000000000000000-00000000000000000001-1of3.parquet",
        "day=2026-09-23/p2-00000000000000000000-00000000000000000001-2of3.parquet",
        "p2.npz",
    ]
    assert writer.archived == count(tmp_path) == 4


def test_messages_without_new_readings_count_with_their_offsets(tmp_path: Path) -> None:
    """Repetitions, unusable rows and messages that are none leave an empty file, so that they are not read again."""
    writer = write(tmp_path, readings((1, 0, 1.0)))
    writer.take(1, readings((1, 0, 1.0)))
    writer.take(2, readings((2, 0, 1.0), (1, 9, float("nan")), (1, 9, 101.0), (-1, 9, 1.0), (99, 9, 1.0)))
    writer.skip(3)
    assert writer.flush() == 4
    assert ReadingsWriter(tmp_path, layout()).next == 4
    assert rows(tmp_path) == [(1, 0, 1.0)]


def test_a_flush_of_nothing_writes_nothing(tmp_path: Path) -> None:
    """Nothing gathered: no file, and the offset stays."""
    writer = write(tmp_path, readings((1, 0, 1.0)))
    before = names(tmp_path)
    assert writer.flush() == 1
    assert names(tmp_path) == before


def test_an_incomplete_group_is_taken_away(tmp_path: Path) -> None:
    """When one file of several is missing the rest go, and the log is read again from there."""
    writer = write(tmp_path, readings((1, 0, 1.0)))
    write(tmp_path, readings((1, DAY, 2.0), (1, 2 * DAY, 3.0)), writer=writer)
    next(tmp_path.glob("day=2026-09-24/*")).unlink()
    (tmp_path / "p2-00000000000000000000-00000000000000000009-0of1.parquet.part").write_bytes(b"torn")
    again = ReadingsWriter(tmp_path, layout())
    assert again.next == 1
    assert rows(tmp_path) == [(1, 0, 1.0)]
    assert again.archived == 1
    assert not list(tmp_path.glob("*.part"))
    write(tmp_path, readings((1, DAY, 2.0), (1, 2 * DAY, 3.0)), writer=again)
    assert rows(tmp_path) == [(1, 0, 1.0), (1, DAY, 2.0), (1, 2 * DAY, 3.0)]


def test_partitions_leave_each_other_alone(tmp_path: Path) -> None:
    """Partition 2 does not repair partition 21 or read its files."""
    write(tmp_path, readings((1, 0, 1.0)))
    other = tmp_path / "day=2026-09-22" / "p21-00000000000000000000-00000000000000000007-0of2.parquet"
    other.write_bytes(b"another's, incomplete")
    assert ReadingsWriter(tmp_path, layout()).next == 1
    assert other.exists()


def _missing(path: Path) -> None:
    path.unlink()


def _torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and then something else entirely")


def _from_the_future(path: Path) -> None:
    np.savez(path, last=np.full(5, START + 10 * DAY), marks=np.array([99, 1_000], np.int64))


def _of_a_smaller_register(path: Path) -> None:
    np.savez(path, last=np.full(2, START + 10 * DAY), marks=np.array([1, 1_000], np.int64))


def _without_marks(path: Path) -> None:
    np.savez(path, last=np.full(5, START + 10 * DAY))


@pytest.mark.parametrize(
    "harm", [_missing, _torn, _empty, _garbage, _from_the_future, _of_a_smaller_register, _without_marks]
)
def test_notes_that_are_of_no_use_are_made_anew(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """Without its notes, or with wrong ones, the writer reads the files and knows the same."""
    writer = write(tmp_path, readings((1, 0, 1.0), (3, 9_000, 1.0)))
    write(tmp_path, readings((4, DAY, 1.0)), writer=writer)
    harm(tmp_path / "p2.npz")
    again = ReadingsWriter(tmp_path, layout())
    assert (again.next, again.archived) == (2, 3)
    assert again.last.tolist() == writer.last.tolist()


def test_notes_older_than_the_files_are_brought_up_to_date(tmp_path: Path) -> None:
    """A crash between the files and the notes leaves older notes; the newer files are read."""
    writer = write(tmp_path, readings((1, 0, 1.0), (3, 9_000, 1.0)))
    older = (tmp_path / "p2.npz").read_bytes()
    write(tmp_path, readings((4, DAY, 1.0), (1, DAY, 1.0)), writer=writer)
    (tmp_path / "p2.npz").write_bytes(older)
    again = ReadingsWriter(tmp_path, layout())
    assert (again.next, again.archived) == (2, 4)
    assert again.last.tolist() == writer.last.tolist()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_notes_stops_nobody(tmp_path: Path, at: int, bit: int) -> None:
    """Whatever is wrong with the notes, the writer starts and knows how far the files go."""
    if not (tmp_path / "p2.npz").exists():
        write(tmp_path, readings((1, 0, 1.0), (3, 9_000, 1.0)))
    whole = (tmp_path / "p2.npz").read_bytes()
    twisted = bytearray(whole)
    twisted[at % len(whole)] ^= 1 << bit
    (tmp_path / "p2.npz").write_bytes(twisted)
    again = ReadingsWriter(tmp_path, layout())
    (tmp_path / "p2.npz").write_bytes(whole)
    assert again.next == 1
    assert again.archived == 2


def test_a_register_that_has_grown_goes_on(tmp_path: Path) -> None:
    """After a new datastream the notes are of the wrong length; nothing is lost or doubled."""
    write(tmp_path, readings((1, 0, 1.0), (3, 0, 1.0)))
    writer = ReadingsWriter(tmp_path, layout([*MEMBERS, 9]))
    assert (writer.archived, len(writer.last)) == (2, 10)
    write(tmp_path, readings((9, 0, 1.0), (1, 0, 1.0)), writer=writer)
    assert rows(tmp_path) == [(1, 0, 1.0), (3, 0, 1.0), (9, 0, 1.0)]


def test_duckdb_reads_while_it_is_written(tmp_path: Path) -> None:
    """Between any two steps of a flush a query sees whole files, and never fewer rows than before."""
    writer = ReadingsWriter(tmp_path, layout())
    seen: list[int] = []

    def look(*_: object) -> None:
        if list(tmp_path.glob("day=*/*.parquet")):
            seen.append(ask("SELECT count(*) FROM read_parquet(?)", tmp_path)[0][0])

    with _called(before=look):
        for n in range(4):
            write(tmp_path, readings((1, n * 1_000, 1.0), (1, n * 1_000 + DAY, 1.0), (3, n, 1.0)), writer=writer)
    assert seen == sorted(seen)
    assert {3, 6, 9} <= set(seen)
    assert len(rows(tmp_path)) == 12


# --- crashes --------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is gone."""


class _called:  # noqa: N801  # reads as a word
    """Calls ``before`` and ``after`` around everything that changes files."""

    def __init__(
        self, before: Callable[[str], None] = lambda _: None, after: Callable[[str], None] = lambda _: None
    ) -> None:
        self.patch = pytest.MonkeyPatch()
        self.before, self.after = before, after

    def __enter__(self) -> None:
        for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (os, "fsync"), (pq, "write_table")):
            self.patch.setattr(owner, name, self._wrapped(name, getattr(owner, name)))

    def __exit__(self, *_: object) -> None:
        self.patch.undo()

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.before(name)
            result = real(*arguments, **more)
            self.after(name)
            return result

        return call


def crashing(step: int, late: bool) -> _called:
    """Crashes at call number ``step``, before or after it had its effect."""
    left = iter(range(step + 1))

    def tick(_: str) -> None:
        if next(left) == step:
            raise Crash

    return _called(after=tick) if late else _called(before=tick)


LOG = [
    readings((1, 0, 1.0), (3, 0, 2.0), (1, 0, 9.0)),
    readings((1, 1_000, 3.0), (3, DAY, 4.0), (2, 0, 5.0)),
    readings((1, 0, 9.0), (3, 500, 6.0), (4, 2 * DAY, 7.0)),
    readings((4, 2 * DAY, 9.0), (1, 1_000, 9.0)),
    readings((4, 0, 8.0), (1, 3 * DAY, 8.0)),
]
KEPT = [
    (1, 0, 1.0), (1, 1_000, 3.0), (1, 3 * DAY, 8.0), (3, 0, 2.0), (3, 500, 6.0), (3, DAY, 4.0),
    (4, 0, 8.0), (4, 2 * DAY, 7.0),
]  # fmt: skip


def archive_log(folder: Path, flushes: Iterator[int]) -> None:
    """Read the log from what is archived to its end, flushing after so many messages."""
    writer = ReadingsWriter(folder, layout())
    while writer.next < len(LOG):
        for offset in range(writer.next, min(writer.next + next(flushes), len(LOG))):
            writer.take(offset, LOG[offset])
        writer.flush()


def _cuts(*sizes: int) -> Iterator[int]:
    yield from sizes
    while True:
        yield 2


@pytest.mark.parametrize(("sizes", "late"), [((2, 2), False), ((3, 1), True)], ids=["before", "after"])
def test_a_crash_anywhere_loses_and_doubles_nothing(tmp_path: Path, sizes: tuple[int, ...], late: bool) -> None:
    """Crash at every file operation, start again (and crash again while repairing): each row is there once."""
    crashes = 0
    for step in range(1_000):
        folder = tmp_path / str(step)
        folder.mkdir()
        try:
            with crashing(step, late):
                archive_log(folder, _cuts(*sizes))
        except Crash:
            crashes += 1
        else:
            break
        for again in range(3):
            try:
                with crashing(again, late):
                    ReadingsWriter(folder, layout())
            except Crash:
                continue
        archive_log(folder, _cuts(3))
        assert rows(folder) == KEPT
        assert ReadingsWriter(folder, layout()).archived == len(KEPT) == count(folder)
        assert not list(folder.rglob("*.parquet.part"))
    assert crashes > 10


def test_any_stream_of_readings_is_archived_once(tmp_path: Path) -> None:
    """Random messages over days with repeats, flushes and restarts at random: the first of each stays."""
    rng = np.random.default_rng(5)
    writer = ReadingsWriter(tmp_path, layout())
    want: dict[tuple[int, int], float] = {}
    for offset in range(120):
        some = [
            (int(rng.choice([1, 3, 4, 2])), int(rng.integers(0, 40)) * DAY // 8, float(rng.integers(0, 110)))
            for _ in range(rng.integers(0, 6))
        ]
        for which, when, value in some:
            if which in MEMBERS and value <= 100:
                want.setdefault((which, when), value)
        writer.take(offset, readings(*some))
        if rng.random() < 0.2:
            writer.flush()
            if rng.random() < 0.3:
                writer = ReadingsWriter(tmp_path, layout())
    writer.flush()
    assert rows(tmp_path) == sorted((which, when, value) for (which, when), value in want.items())
    assert writer.archived == len(want)


# --- other topics ---------------------------------------------------------------------------------------------


def test_messages_are_kept_by_day_with_offset_and_key(tmp_path: Path) -> None:
    """Each message is a row; a tombstone's value is null."""
    writer = MessagesWriter(tmp_path, 0)
    writer.take(Message(0, START - 1, "a", '{"x": 1}'))
    writer.take(Message(1, START, "a", None))
    writer.take(Message(3, START, None, "text"))
    assert writer.flush() == 4
    found = [
        (row["offset"], round(row["time"].timestamp() * 1_000) - START, row["key"], row["value"])
        for path in sorted(tmp_path.glob("day=*/*.parquet"))
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]
    assert found == [(0, -1, "a", '{"x": 1}'), (1, 0, "a", None), (3, 0, None, "text")]
    assert MessagesWriter(tmp_path, 0).next == 4
    assert writer.flush() == 4


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_crash_loses_and_doubles_no_message(tmp_path: Path, late: bool) -> None:
    """The same promise as for readings."""
    log = [Message(offset, START + offset * DAY // 2, str(offset), "x") for offset in range(5)]
    for step in range(1_000):
        folder = tmp_path / str(step)
        folder.mkdir()
        try:
            with crashing(step, late):
                _archive_messages(folder, log, 2)
        except Crash:
            _archive_messages(folder, log, 4)
        else:
            break
        found = ask('SELECT "offset" FROM read_parquet(?) ORDER BY 1', folder)
        assert found == [(offset,) for offset in range(5)]
    assert step > 10


def _archive_messages(folder: Path, log: list[Message], at_once: int) -> None:
    writer = MessagesWriter(folder, 0)
    while writer.next < len(log):
        for message in log[writer.next : writer.next + at_once]:
            writer.take(message)
        writer.flush()


def test_an_empty_folder_counts_nothing(tmp_path: Path) -> None:
    """No files, no rows."""
    assert count(tmp_path) == 0
