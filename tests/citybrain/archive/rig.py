"""A small archive as the archive role writes it: two cameras, flushed every few seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from streams.archive import Message, MessagesWriter, ReadingsWriter
from tests.streams.test_archive import PARTITION, START, layout, readings

EACH_S = 20  # between two flushes
MEMBERS = [1, 3, 4]


def record(archive: Path, flushes: int, start: int = START, first: int = 0, every_s: int = 5) -> None:
    """Readings of three datastreams each ``every_s`` seconds, in ``flushes`` files of ``EACH_S`` seconds each."""
    folder = archive / "readings"
    folder.mkdir(parents=True, exist_ok=True)
    writer = ReadingsWriter(folder, layout(MEMBERS))
    offset = writer.next
    for flush in range(first, first + flushes):
        base = (start - START) + flush * EACH_S * 1000
        for at in range(0, EACH_S, every_s):
            rows = [(member, base + at * 1000, float((flush * 7 + at + member) % 50)) for member in MEMBERS]
            accepted = START + base + at * 1000 + 800
            writer.take(offset, readings(*rows, accepted=accepted))
            offset += 1
        writer.flush()


def say(archive: Path, topic: str, messages: Sequence[tuple[int, str, str | None]], each: int = 1) -> None:
    """Messages (time ms, key, value) of a topic, ``each`` of them in a file."""
    writer = MessagesWriter(archive / topic, 0)
    for number, (time, key, value) in enumerate(messages):
        writer.take(Message(writer.next + len(writer.waiting), time, key, value))
        if (number + 1) % each == 0:
            writer.flush()
    writer.flush()


def rows(archive: Path, topic: str = "readings") -> list[tuple[object, ...]]:
    """All rows of a topic as DuckDB reads them live."""
    columns = "datastream, epoch_ms(time), value" if topic == "readings" else '"offset", key, value'
    with duckdb.connect() as connection:
        found = connection.read_parquet(f"{archive}/{topic}/day=*/*.parquet")
        return found.project(columns).order("ALL").fetchall()


def names(folder: Path) -> list[str]:
    """The files of a topic."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob("day=*/*.parquet"))


__all__ = ["EACH_S", "MEMBERS", "PARTITION", "START", "names", "record", "rows", "say"]
