"""The files of the archive: which offsets each holds, of which schema version it is, and reading one.

A file that cannot be read is told to ``notices`` by its name, with what to do, and left out: what is left can be shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streams.archive import VERSION

NAME = re.compile(r"p(\d+)-(\d{20})-(\d{20})-(\d+)of(\d+)\.parquet")
VERSION_KEY = b"citybrain.archive"
READABLE = (VERSION[VERSION_KEY],)  # schema versions that this release reads
LOST_KEY = b"citybrain.lost"  # in the metadata of a file that stands for messages which nobody has any more


class ArchiveError(ValueError):
    """The archive cannot give what was asked for; the message names the value, the limit and the remedy."""


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


@dataclass(slots=True)
class Notices:
    """What could not be read, each once."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Say so, unless it was said."""
        if line not in self.lines:
            self.lines.append(line)


def parts(folder: Path, days: Iterable[str] | None = None) -> list[Part]:
    """The files of a topic's folder, of all days or of some (YYYY-MM-DD), by partition and offset."""
    places = folder.glob("day=*") if days is None else (folder / f"day={day}" for day in days)
    paths = (path for place in places for path in place.glob("p*.parquet"))
    named = ((path, NAME.fullmatch(path.name)) for path in paths)
    found = [Part(path, *(int(number) for number in match.groups())) for path, match in named if match]
    return sorted(found, key=lambda part: (part.partition, part.first, part.number))


def groups(folder: Path) -> list[Group]:
    """The groups of a topic's folder, by partition and offset."""
    found: dict[tuple[int, int, int, int], list[Part]] = {}
    for part in parts(folder):
        found.setdefault((part.partition, part.first, part.next, part.of), []).append(part)
    return [Group(*key, tuple(some)) for key, some in sorted(found.items())]


def version(schema: pa.Schema) -> bytes | None:
    """The archive's schema version that a file names; None where it names none."""
    found: bytes | None = (schema.metadata or {}).get(VERSION_KEY)
    return found


def fault(path: Path) -> str:
    """Why a file cannot be read, with the remedy; empty when it can."""
    try:
        with pq.ParquetFile(path) as file:
            return of_another_version(path, file.schema_arrow)
    except FileNotFoundError:
        return ""  # put together into another one meanwhile
    except (OSError, pa.ArrowException) as error:
        return torn(path, error)


def tables(some: Sequence[Part], columns: list[str], notices: Notices) -> Iterator[tuple[Part, pa.Table]]:
    """The rows of each file; what cannot be read is told and left out."""
    for part in some:
        try:
            with pq.ParquetFile(part.path) as file:
                if why := of_another_version(part.path, file.schema_arrow):
                    notices.add(why)
                    continue
                table = file.read(columns=columns)
        except (OSError, pa.ArrowException) as error:
            notices.add(torn(part.path, error))
            continue
        yield part, table


def of_another_version(path: Path, schema: pa.Schema) -> str:
    """Why a file of this schema is not for this release to read; empty when it is."""
    found = version(schema)
    if found in READABLE:
        return ""
    named = "no version" if found is None else f"version {found.decode(errors='replace')}"
    known = ", ".join(one.decode() for one in READABLE)
    return (
        f"{path} is of {named} of the archive's schema, this release reads {known}; it is left out. "
        "Read it with the release that wrote it, or write it anew with its columns as docs/archive.md names them"
    )


def torn(path: Path, error: Exception) -> str:
    """What is said of a file that cannot be read."""
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{path} cannot be read ({why}); it is left out. Run citybrain archive check --repair"
