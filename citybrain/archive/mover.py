"""Days that are over go to the object store: copied in one run, taken from the folder in the next.

In between a file is in both places, so that nobody who listed one of them misses it; readers count it once. What leaves
the folder was read back from the store byte by byte. The newest file of a partition always stays: the archive role
reads in its name where to go on. A crash, or a store that is away, leaves everything as it was.
"""

from __future__ import annotations

import logging
from itertools import groupby
from pathlib import Path

from citybrain.archive import files
from citybrain.archive.reader import DAY_MS, day_of
from citybrain.archive.store import Store
from streams import archive_files
from streams.archive import alone
from streams.archive_files import Part

log = logging.getLogger(__name__)


def settle(archive: Path, store: Store) -> str:
    """Take from the folder what an earlier run copied; what was done, in words. Raises ``StoreError``."""
    gone = 0
    for folder in _topics(archive):
        there = {(part.day, part.path.name) for part in store.parts(folder.name)}
        for part in archive_files.parts(folder):
            if (part.day, part.path.name) in there and store.holds(folder.name, part):
                with alone(folder):
                    part.path.unlink()
                gone += 1
    return f"{gone} files are in {store.url} alone now" if gone else ""


def move(archive: Path, store: Store, now_ms: int, local_days: int) -> str:
    """Copy the days that ended at least ``local_days`` before ``now_ms``; what was done, in words.

    Raises ``StoreError``.
    """
    before, copied = day_of(now_ms - local_days * DAY_MS), 0
    for folder in _topics(archive):
        for part in _done(folder, before):
            if why := files.fault(part):
                log.warning("%s", why.words("en"))  # a torn file is mended first
                continue
            store.put(folder.name, part)
            copied += 1
    return f"{copied} files copied to {store.url}" if copied else ""


def _topics(archive: Path) -> list[Path]:
    return sorted(path for path in archive.glob("[!.]*") if path.is_dir())


def _done(folder: Path, before: str) -> list[Part]:
    """The files of days before ``before``, but for the newest file of each partition."""
    found: list[Part] = []
    for _, some in groupby(archive_files.parts(folder), lambda part: part.partition):
        *older, _newest = some
        found += [part for part in older if part.day < before]
    return found
