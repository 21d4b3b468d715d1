"""The archive: every partition's files follow one another without gap or overlap, and fit the broker's log."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.checks import Check, fault, ok, warning
from citybrain.checks.broker import Bounds
from config.settings import Settings

SHOWN = 3
_NAME = re.compile(r"p(\d+)-(\d+)-(\d+)-\d+of(\d+)\.parquet")  # as streams/archive.py writes them


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one write: offsets ``first`` to ``next - 1`` of a partition, one file a day."""

    partition: int
    first: int
    next: int
    of: int
    paths: tuple[Path, ...]

    @property
    def whole(self) -> bool:
        """Whether all its files are there."""
        return len(self.paths) == self.of


def groups(folder: Path) -> list[Group]:
    """The groups of a topic's folder by partition and offset."""
    found: dict[tuple[int, ...], list[Path]] = defaultdict(list)
    for path in folder.glob("day=*/p*.parquet"):
        if match := _NAME.fullmatch(path.name):
            found[tuple(int(part) for part in match.groups())].append(path)
    return [
        Group(partition, first, after, of, tuple(paths))
        for (partition, first, after, of), paths in sorted(found.items())
    ]


def archive(settings: Settings, bounds: Bounds) -> list[Check]:
    """The checks of every topic that has files; ``bounds`` are the log's, empty without a broker."""
    if not settings.archive.exists():
        return [ok("archive", f"nothing is archived yet at {settings.archive}")]
    checks = []
    for folder in sorted(path for path in settings.archive.iterdir() if path.is_dir()):
        by_partition: dict[int, list[Group]] = defaultdict(list)
        for group in groups(folder):
            by_partition[group.partition].append(group)
        checks += [_partition(folder, part, found, bounds) for part, found in sorted(by_partition.items())]
    return checks or [ok("archive", f"nothing is archived yet at {settings.archive}")]


def _partition(folder: Path, number: int, found: list[Group], bounds: Bounds) -> Check:
    name = f"archive {folder.name} p{number}"
    whole = [group for group in found if group.whole]
    breaks = _breaks(whole)
    if breaks:
        remedy = "set the files that overlap aside, or restore those that are missing; then run this again"
        more = f" and {len(breaks) - SHOWN} more" if len(breaks) > SHOWN else ""
        return fault(name, "; ".join(breaks[:SHOWN]) + more, "each offset once", remedy)
    if not whole:
        return warning(name, "only files that are not whole", "whole files", "the archive role writes them again")
    unread = _unreadable(whole[-1])
    if unread:
        return fault(name, unread, "readable", "restore the file from a backup")
    after = whole[-1].next
    first, end = bounds.get((folder.name, number), (0, after))
    if after > end:
        remedy = "the broker's log is another one than was archived: give the city a new data folder or restore the log"
        return fault(name, f"goes to offset {after}, the log ends at {end}", "not beyond the log", remedy)
    if after < first:
        lost = f"goes to offset {after}, the log begins at {first}"
        return fault(
            name, lost, "no message leaves the log before it is archived", "raise the retention; keep archive up"
        )
    files = sum(len(group.paths) for group in whole)
    torn = len(found) - len(whole)
    value = f"offsets {whole[0].first} to {after - 1} in {files} files"
    if torn:
        return warning(
            name, f"{value}; {torn} groups not whole", "none", "a crash left them; the archive role mends it"
        )
    return ok(name, value)


def _breaks(whole: list[Group]) -> list[str]:
    found = []
    for one, two in pairwise(whole):
        if two.first > one.next:
            found.append(f"offsets {one.next} to {two.first - 1} are missing")
        elif two.first < one.next:
            found.append(f"offsets {two.first} to {min(one.next, two.next) - 1} are there twice")
    return found


def _unreadable(group: Group) -> str:
    """Why a file of the group cannot be read; empty when all can."""
    for path in group.paths:
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            return f"{path.name} cannot be read: {error}"
    return ""
