"""Small files become few, and whoever reads meanwhile has every row once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from citybrain.archive import check, compact
from streams.archive import ReadingsWriter
from tests.citybrain.archive.rig import MEMBERS, PARTITION, START, names, record, rows, say
from tests.streams.test_archive import layout, readings


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes end here, not the power: nothing need reach the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def test_many_files_become_one_with_the_same_rows(tmp_path: Path) -> None:
    """Nothing is lost, nothing doubled, and the name says all offsets."""
    record(tmp_path, flushes=9)
    before = rows(tmp_path)
    (done,) = compact.compact(tmp_path)
    assert (done.before, done.after) == (9, 1)
    assert rows(tmp_path) == before
    assert names(tmp_path / "readings") == [f"day=2026-09-22/p{PARTITION}-{0:020d}-{36:020d}-0of1.parquet"]
    assert check.check(tmp_path).faults == ()


def test_the_writer_goes_on_after_files_were_put_together(tmp_path: Path) -> None:
    """A writer that started before the exchange adds its files to the new folder, and repetitions are still known."""
    record(tmp_path, flushes=6)
    writer = ReadingsWriter(tmp_path / "readings", layout(MEMBERS))
    compact.compact(tmp_path)
    writer.take(24, readings((1, 200_000, 5.0), (1, 0, 99.0)))
    writer.flush()
    assert len(names(tmp_path / "readings")) == 2
    assert writer.duplicates == 1
    again = ReadingsWriter(tmp_path / "readings", layout(MEMBERS))
    assert (again.next, again.archived) == (25, 73)


def test_days_keep_their_rows_when_a_flush_spans_midnight(tmp_path: Path) -> None:
    """A group of two days is put together with its neighbours, a file a day."""
    record(tmp_path, flushes=8, start=START + 86_400_000 - 80_000)
    before = rows(tmp_path)
    compact.compact(tmp_path)
    assert rows(tmp_path) == before
    assert [name[:14] for name in names(tmp_path / "readings")] == ["day=2026-09-22", "day=2026-09-23"]


def test_messages_are_put_together_in_order(tmp_path: Path) -> None:
    """Offsets, keys, values and tombstones are as they were."""
    say(tmp_path, "alerts", [(START + n, f"a{n % 3}", None if n == 7 else f'{{"n":{n}}}') for n in range(10)])
    before = rows(tmp_path, "alerts")
    compact.compact(tmp_path)
    assert len(names(tmp_path / "alerts")) == 1
    assert rows(tmp_path, "alerts") == before


def test_a_gap_is_not_papered_over(tmp_path: Path) -> None:
    """Files on both sides of a missing one stay apart."""
    record(tmp_path, flushes=12)
    (tmp_path / "readings" / names(tmp_path / "readings")[5]).unlink()
    compact.compact(tmp_path)
    (gap,) = check.check(tmp_path).faults
    assert (gap.kind, gap.first, gap.next) == ("gap", 20, 24)


def test_a_torn_file_is_left_where_it_is(tmp_path: Path) -> None:
    """Its neighbours are put together without it."""
    record(tmp_path, flushes=12)
    torn = tmp_path / "readings" / names(tmp_path / "readings")[6]
    torn.write_bytes(torn.read_bytes()[:100])
    compact.compact(tmp_path)
    assert torn.exists()
    assert len(names(tmp_path / "readings")) == 3


@pytest.mark.parametrize("step", ["_merged", "_exchange_for", "exchange"])
def test_a_crash_at_any_step_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The folder is as it was, and the next run does the work."""
    record(tmp_path, flushes=8)
    before, listed = rows(tmp_path), names(tmp_path / "readings")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(compact, step, crash)
        with pytest.raises(KeyboardInterrupt):
            compact.compact(tmp_path)
    assert names(tmp_path / "readings") == listed
    compact.compact(tmp_path)
    assert rows(tmp_path) == before
    assert len(names(tmp_path / "readings")) == 1


def test_a_reader_never_sees_a_row_twice_or_not_at_all(tmp_path: Path) -> None:
    """While files are written and put together again and again, every count is one of a whole number of flushes."""
    record(tmp_path, flushes=4)
    stop = threading.Event()
    wrong: list[int] = []
    seen = 0

    def read() -> None:
        nonlocal seen
        with duckdb.connect() as connection:
            while not stop.is_set():
                try:
                    found = connection.execute(
                        "SELECT count(*), count(DISTINCT (datastream, time)) FROM read_parquet($files)",
                        {"files": f"{tmp_path}/readings/day=*/*.parquet"},
                    ).fetchone()
                except duckdb.IOException:  # a file was put together meanwhile: the reader asks again
                    continue
                assert found is not None
                seen += 1
                if found[0] != found[1] or found[0] % 12:
                    wrong.append(found[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(12):
            record(tmp_path, flushes=2, first=4 + 2 * number)
            compact.compact(tmp_path, few=2)
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert seen > 0


def test_a_row_group_of_readings_is_sorted(tmp_path: Path) -> None:
    """By datastream and time, as docs/archive.md says."""
    record(tmp_path, flushes=5)
    compact.compact(tmp_path)
    (name,) = names(tmp_path / "readings")
    with pq.ParquetFile(tmp_path / "readings" / name) as file:
        table = file.read_row_group(0, columns=["datastream", "time"])
    keys = list(zip(table["datastream"].to_pylist(), table["time"].to_pylist(), strict=True))
    assert keys == sorted(keys)
