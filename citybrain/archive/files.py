"""The files of the archive: which offsets each holds, of which schema version it is, and reading one.

A file that cannot be read is told to ``notices`` by its name, with what to do, and left out: what is left can be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from streams.archive import VERSION
from streams.archive_files import Part

VERSION_KEY = b"citybrain.archive"
READABLE = (VERSION[VERSION_KEY],)  # schema versions that this release reads
LOST_KEY = b"citybrain.lost"  # in the metadata of a file that stands for messages which nobody has any more


class ArchiveError(ValueError):
    """The archive cannot give what was asked for; the message names the value, the limit and the remedy."""


@dataclass(slots=True)
class Notices:
    """What could not be read, each once."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Say so, unless it was said."""
        if line not in self.lines:
            self.lines.append(line)


def version(schema: pa.Schema) -> bytes | None:
    """The archive's schema version that a file names; None where it names none."""
    found: bytes | None = (schema.metadata or {}).get(VERSION_KEY)
    return found


def fault(part: Part) -> str:
    """Why a file cannot be read, with the remedy; empty when it can."""
    try:
        with part.open() as file:
            return of_another_version(part, file.schema_arrow)
    except FileNotFoundError:
        return ""  # put together into another one meanwhile
    except (OSError, pa.ArrowException) as error:
        return unreadable(part, error)


def tables(some: Sequence[Part], columns: list[str], notices: Notices) -> Iterator[tuple[Part, pa.Table]]:
    """The rows of each file; what cannot be read is told and left out."""
    for part in some:
        try:
            with part.open() as file:
                if why := of_another_version(part, file.schema_arrow):
                    notices.add(why)
                    continue
                table = file.read(columns=columns)
        except (OSError, pa.ArrowException) as error:
            notices.add(unreadable(part, error))
            continue
        yield part, table


def of_another_version(part: Part, schema: pa.Schema) -> str:
    """Why a file of this schema is not for this release to read; empty when it is."""
    found = version(schema)
    if found in READABLE:
        return ""
    named = "no version" if found is None else f"version {found.decode(errors='replace')}"
    known = ", ".join(one.decode() for one in READABLE)
    return (
        f"{part.named} is of {named} of the archive's schema, this release reads {known}; it is left out. "
        "Read it with the release that wrote it, or write it anew with its columns as docs/archive.md names them"
    )


def unreadable(part: Part, error: Exception) -> str:
    """What is said of a file that cannot be read, with the remedy."""
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    remedy = "See whether the object store answers" if part.away else "Run citybrain archive check --repair"
    return f"{part.named} cannot be read ({why}); it is left out. {remedy}"
