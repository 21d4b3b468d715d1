"""The archive: every partition's files follow one another without gap or overlap, and fit the broker's log."""

from __future__ import annotations

from itertools import groupby, pairwise
from pathlib import Path

import pyarrow as pa

from citybrain.checks import Check, fault, ok, warning
from citybrain.checks.broker import Bounds
from config.settings import Settings
from streams.archive_files import Group, groups, parts

SHOWN = 3


def archive(settings: Settings, bounds: Bounds) -> list[Check]:
    """The checks of every topic that has files; ``bounds`` are the log's, empty without a broker."""
    if not settings.archive.exists():
        return [ok("archive", f"nothing is archived yet at {settings.archive}")]
    checks = []
    for folder in sorted(path for path in settings.archive.glob("[!.]*") if path.is_dir()):
        by_partition = groupby(groups(parts(folder)), lambda group: group.partition)
        checks += [_partition(folder, number, list(found), bounds) for number, found in by_partition]
    return checks or [ok("archive", f"nothing is archived yet at {settings.archive}")]


def _partition(folder: Path, number: int, found: list[Group], bounds: Bounds) -> Check:
    name = f"archive {folder.name} p{number}"
    whole = [group for group in found if group.whole or group.moved_away]
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
    files = sum(len(group.parts) for group in whole)
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
    for part in group.parts:
        try:
            part.open().close()
        except (OSError, pa.ArrowException) as error:
            return f"{part.path.name} cannot be read: {error}"
    return ""
