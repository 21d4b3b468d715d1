"""The files of the archive: which offsets each holds, of which schema version it is, and reading one.

A file that cannot be read is told to ``notices`` by its name, with what to do, and left out: what is left can be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from streams.archive import VERSION
from streams.archive_files import Part
from wall.replay.notice import Notice, notice
from wall.words import Language

VERSION_KEY = b"citybrain.archive"
READABLE = (VERSION[VERSION_KEY],)  # schema versions that this release reads
LOST_KEY = b"citybrain.lost"  # in the metadata of a file that stands for messages which nobody has any more


class ArchiveError(ValueError):
    """The archive cannot give what was asked for; the message names the value, the limit and the remedy."""


@dataclass(slots=True)
class Notices:
    """What could not be read, each once."""

    told: list[Notice] = field(default_factory=list)

    def add(self, one: Notice) -> None:
        """Say so, unless it was said."""
        if one not in self.told:
            self.told.append(one)

    def words(self, lang: Language) -> list[str]:
        """A sentence for each, in one language."""
        return [one.words(lang) for one in self.told]


def version(schema: pa.Schema) -> bytes | None:
    """The archive's schema version that a file names; None where it names none."""
    found: bytes | None = (schema.metadata or {}).get(VERSION_KEY)
    return found


def fault(part: Part) -> Notice | None:
    """Why a file cannot be read, with the remedy; None when it can."""
    try:
        with part.open() as file:
            return of_another_version(part, file.schema_arrow)
    except FileNotFoundError:
        return None  # put together into another one meanwhile
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


def of_another_version(part: Part, schema: pa.Schema) -> Notice | None:
    """Why a file of this schema is not for this release to read; None when it is."""
    found = version(schema)
    if found in READABLE:
        return None
    known = ", ".join(one.decode() for one in READABLE)
    if found is None:
        return notice("schema-none", file=part.named, known=known)
    return notice("schema", file=part.named, version=found.decode(errors="replace"), known=known)


def unreadable(part: Part, error: Exception) -> Notice:
    """What is said of a file that cannot be read, with the remedy."""
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return notice("unreadable-away" if part.away else "unreadable", file=part.named, why=why)
