"""``citybrain archive``: check and repair it, put its files together, let old days go, make pictures for replays."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from citybrain.archive import check as checking
from citybrain.archive import compact as compacting
from citybrain.archive import mover, retention
from citybrain.archive.again import Again
from citybrain.archive.files import Notices
from citybrain.archive.pictures import Pictures
from citybrain.archive.reader import Archive
from citybrain.archive.store import Store, StoreError
from citybrain.replay import states
from config import city as cities
from config import register as registers
from config.settings import Settings

SHOWN = 20  # faults that are told one by one


def check(settings: Settings, mend: bool, as_json: bool) -> int:
    """Check every file; exit 1 when something is amiss, with ``mend`` when something is after mending."""
    store = Store.of(settings)
    found = checking.check(settings.archive, store)
    done: list[str] = []
    if mend and found.faults:
        done = checking.repair(settings.archive, found, Again(settings) if settings.kafka else None)
        for line in done:
            _say(line)
        found = checking.check(settings.archive, store)
    for fault in found.faults[:SHOWN]:
        _say(fault.words)
    if len(found.faults) > SHOWN:
        _say(f"and {len(found.faults) - SHOWN} more")
    told = {
        "partitions": found.partitions,
        "offsets": found.offsets,
        "files": found.files,
        "rows": found.rows,
        "lost": found.lost,
        "faults": [{"topic": one.topic, "partition": one.partition, "first": one.first, "next": one.next,
                    "kind": one.kind, "words": one.words} for one in found.faults],
        "repaired": done,
    }  # fmt: skip
    if as_json:
        print(json.dumps(told), flush=True)
    else:
        lost = f", {found.lost:,} of them lost and known to be" if found.lost else ""
        verdict = f"{len(found.faults)} faults" if found.faults else "complete"
        where = f"{settings.archive} and {store.url}" if store is not None else settings.archive
        print(f"{where}: {verdict}; {found.offsets:,} offsets in {found.files:,} files{lost}", flush=True)
    return 1 if found.faults else 0


def compact(settings: Settings, everything: bool, as_json: bool) -> int:
    """Put small files together, make the pictures of what is new, copy days that are over to the object store, and let
    go of those that are over their time. Exit 1 when the store could not be asked; all else is done then."""
    settings.archive.mkdir(parents=True, exist_ok=True)
    compacting.recover(settings.archive)
    store, now = Store.of(settings), int(time.time() * 1000)
    failed: list[str] = []
    settled = store is None or _stored(lambda: mover.settle(settings.archive, store), failed)  # else nothing is merged
    done = compacting.compact(settings.archive, 2 if everything else compacting.FEW, _progress) if settled else []
    for one in done:
        _say(f"{one.topic}: {one.before} files are {one.after}")
    states.keep(settings)
    made, notices = _pictures(settings)
    for line in notices.words("en"):
        _say(line)
    if store is not None and settled:
        _stored(lambda: mover.move(settings.archive, store, now, settings.archive_local_days), failed)
    days = retention.declared(settings.archive_keep)
    gone: list[retention.Removed] = []
    _stored(lambda: gone.extend(retention.keep(settings.archive, settings.home / "pictures", days, now, store)), failed)
    for removed in gone:
        _say(f"{removed.topic}: days let go: {', '.join(removed.days)}")
    told = {
        "topics": {one.topic: {"before": one.before, "after": one.after} for one in done},
        "pictures": made,
        "removed": {one.topic: list(one.days) for one in gone},
        "failed": failed,
    }
    files = sum(one.before for one in done), sum(one.after for one in done)
    print(json.dumps(told) if as_json else f"{files[0]} files are {files[1]}, {made} pictures made", flush=True)
    return 1 if failed else 0


def _stored(do: Callable[[], object], failed: list[str]) -> bool:
    """Whether the store could be asked; why not is told and goes to ``failed``."""
    try:
        moved = do()
    except StoreError as error:
        _say(str(error))
        failed.append(str(error))
        return False
    if moved:
        _say(str(moved))
    return True


def _pictures(settings: Settings) -> tuple[int, Notices]:
    archive = Archive.of(settings)
    if not settings.register.exists():
        return 0, archive.notices
    city, register = cities.load(settings.city), registers.load(settings.register)
    members = [register.members(shard) for shard in range(register.shards)]
    pictures = Pictures(settings.home / "pictures", archive, members, city.tick_ms)
    return pictures.make(progress=_progress), archive.notices


def _progress(share: float, what: str) -> None:
    _say(f"progress {share:.2f} {what}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
