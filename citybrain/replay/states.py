"""What the engines had learned by the start of past days: re-runs of scores and detectors go on from there.

The roles keep the newest states of shards, city and events (streams/snapshots.py). Once a day of the city's time they
are linked into ``<city>/states/<time>/``, which costs a name and no copy; the oldest go. A state's files are named by
the offset that they include everything before, and so are the archive's: what follows is exactly what live took next.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config.settings import Settings
from streams import snapshots
from streams.snapshots import BROKEN, Arrays

log = logging.getLogger(__name__)
EVERY_MS = 86_400_000
KEPT = 8  # a week of days, and the one that has begun


@dataclass(frozen=True, slots=True)
class State:
    """The states of one moment in ``folder``; ``time`` ms is that of the newest reading they include."""

    folder: Path
    time: int

    def read(self, name: str) -> tuple[int, Arrays] | None:
        """The offset and the arrays of ``shard-<n>``, ``city`` or ``events``; None where there is none."""
        return snapshots.newest(self.folder / name)


def keep(settings: Settings) -> State | None:
    """Keep the newest states where the last ones kept are a day old; what was kept, None for nothing."""
    newest = _at(settings.state)
    kept = _kept(settings)
    if newest is None or (kept and newest.time < kept[-1].time + EVERY_MS):
        return None
    folder = settings.home / "states" / f"{newest.time:015d}"
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for source in _folders(settings.state):
            offsets = snapshots.offsets(source)
            if offsets:
                (part / source.name).mkdir(parents=True)
                _link(source / f"{offsets[-1]:020d}.npz", part / source.name)
    except FileNotFoundError:  # a role has just saved a newer one: next time
        shutil.rmtree(part, ignore_errors=True)
        return None
    part.rename(folder)
    for old in kept[: max(0, len(kept) + 1 - KEPT)]:
        shutil.rmtree(old.folder)
    return State(folder, newest.time)


def before(settings: Settings, moment: int) -> State | None:
    """The newest states that know nothing after ``moment`` (ms); None where none were kept."""
    found = [one for one in (*_kept(settings), _at(settings.state)) if one is not None and one.time <= moment]
    return max(found, key=lambda one: one.time, default=None)


def _kept(settings: Settings) -> list[State]:
    """All that are kept, the oldest first."""
    folders = sorted(path for path in (settings.home / "states").glob("*") if path.name.isdigit())
    return [State(path, int(path.name)) for path in folders]


def _at(folder: Path) -> State | None:
    """The states in ``folder``; None where no shard has one."""
    times = [time for one in _folders(folder) if one.name.startswith("shard-") and (time := _newest(one)) is not None]
    return State(folder, max(times)) if times else None


def _newest(folder: Path) -> int | None:
    """The time of the newest reading that a shard's newest state includes, ms."""
    for offset in reversed(snapshots.offsets(folder)):
        try:
            with np.load(folder / f"{offset:020d}.npz", allow_pickle=False) as file:
                return int(file["newest"][0])
        except BROKEN as error:
            log.warning("the state %s/%d cannot be read: %s", folder, offset, error)
    return None


def _folders(state: Path) -> list[Path]:
    return sorted([*state.glob("shard-*"), state / "city", state / "events"])


def _link(path: Path, folder: Path) -> None:
    """The file in another folder as well: the same bytes, or a copy where the disk knows no links."""
    try:
        os.link(path, folder / path.name)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, folder / path.name)
