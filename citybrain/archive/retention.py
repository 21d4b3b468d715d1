"""How long each topic is kept: whole days are taken away, the oldest first."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from citybrain.archive.files import ArchiveError
from citybrain.archive.reader import DAY_MS, day_of
from citybrain.archive.store import Store
from config.contract import TOPICS
from streams.archive import alone

KNOWN = frozenset(topic.name for topic in TOPICS) | {"pictures"}
_ONE = re.compile(r"([a-z-]+)=(\d+)d")


@dataclass(frozen=True, slots=True)
class Removed:
    """Days of a topic that were taken away."""

    topic: str
    days: tuple[str, ...]


def declared(text: str) -> dict[str, int]:
    """``readings=90d,audit=3650d`` as days by topic; a topic that is not named is kept. Raises ``ArchiveError``."""
    found = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        match = _ONE.fullmatch(one)
        if match is None or match[1] not in KNOWN:
            raise ArchiveError(
                f"CITYBRAIN_ARCHIVE_KEEP: {one!r} is no topic with days; write readings=90d, topics are "
                + ", ".join(sorted(KNOWN))
            )
        if int(match[2]) < 1:
            raise ArchiveError(f"CITYBRAIN_ARCHIVE_KEEP: {one} keeps nothing; at least 1d is kept")
        found[match[1]] = int(match[2])
    return found


def keep(
    archive: Path, pictures: Path, days: Mapping[str, int], now_ms: int, store: Store | None = None
) -> list[Removed]:
    """Take away the days that are older than ``days`` says of their topic, at ``now_ms``; from the store too."""
    done = []
    for topic, some in sorted(days.items()):
        oldest = day_of(now_ms - some * DAY_MS)
        if topic == "pictures":
            done.append(_pictures(pictures, now_ms - some * DAY_MS))
            continue
        folder = archive / topic
        gone = sorted(place for place in folder.glob("day=*") if place.name.removeprefix("day=") < oldest)
        with alone(folder):
            for place in gone:
                shutil.rmtree(place)
        there = set() if store is None else {part.day for part in store.parts(topic) if part.day < oldest}
        for day in sorted(there):
            assert store is not None  # as ``there`` has some
            store.remove(topic, day)
        done.append(Removed(topic, tuple(sorted({*there, *(place.name.removeprefix("day=") for place in gone)}))))
    return [one for one in done if one.days]


def _pictures(folder: Path, before: int) -> Removed:
    gone = [path for path in folder.glob("p*-*.parquet") if int(path.stem.partition("-")[2]) < before]
    for path in gone:
        path.unlink()
    return Removed("pictures", tuple(sorted({day_of(int(path.stem.partition("-")[2])) for path in gone})))
