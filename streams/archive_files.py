"""The names of the archive's files, and which offsets each file says that it holds.

``<topic>/day=YYYY-MM-DD/p<partition>-<first>-<next>-<i>of<n>.parquet``: the offsets ``first`` to ``next - 1`` of that
partition in ``n`` files, one a day. The files of the same offsets are a group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

NAME = re.compile(r"p(\d+)-(\d{20})-(\d{20})-(\d+)of(\d+)\.parquet")


@dataclass(frozen=True, slots=True)
class Part:
    """One file: the offsets ``first`` to ``next - 1`` of a partition, the ``number``-th of ``of`` days."""

    path: Path
    partition: int
    first: int
    next: int
    number: int
    of: int

    @property
    def day(self) -> str:
        """The UTC day of its rows, YYYY-MM-DD."""
        return self.path.parent.name.removeprefix("day=")

    @property
    def named(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    @property
    def away(self) -> bool:
        """Whether it lies in an object store (citybrain/archive/store.py) and not in the folder."""
        return False

    def open(self, footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
        """Open it for reading; with its ``footer``, where that is known, quicker."""
        return pq.ParquetFile(self.path, metadata=footer)


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one stretch of offsets, one a day."""

    partition: int
    first: int
    next: int
    of: int
    parts: tuple[Part, ...]

    @property
    def whole(self) -> bool:
        """Whether all its files are there."""
        return len(self.parts) == self.of

    @property
    def moved_away(self) -> bool:
        """Whether only files of its oldest days are missing, as after retention."""
        return not self.whole and [part.number for part in self.parts] == list(range(self.of))[-len(self.parts) :]


def parts(folder: Path, days: Iterable[str] | None = None) -> list[Part]:
    """The files of a topic's folder, of all days or of some (YYYY-MM-DD), by partition and offset."""
    places = folder.glob("day=*") if days is None else (folder / f"day={day}" for day in days)
    found = (part(path) for place in places for path in place.glob("p*.parquet"))
    return in_order(one for one in found if one is not None)


def part(path: Path) -> Part | None:
    """The part that a file is by its name; None for another file."""
    match = NAME.fullmatch(path.name)
    return Part(path, *(int(number) for number in match.groups())) if match else None


def in_order(some: Iterable[Part]) -> list[Part]:
    """By partition and offset."""
    return sorted(some, key=lambda one: (one.partition, one.first, one.number))


def groups(some: Iterable[Part]) -> list[Group]:
    """Parts by the offsets that they share, by partition and offset."""
    found: dict[tuple[int, int, int, int], list[Part]] = {}
    for one in in_order(some):
        found.setdefault((one.partition, one.first, one.next, one.of), []).append(one)
    return [Group(*key, tuple(these)) for key, these in sorted(found.items())]
