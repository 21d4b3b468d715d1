"""``citybrain register``: assets imported, unknown datastreams adopted, names matched."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from citybrain import running
from config import city as cities
from config import contract, names, packs_reload
from config import register as registers
from config.city_assets import read_assets
from config.register_changes import Change
from config.registrar import Registrar
from config.settings import Settings
from geo.crs import NAMES, Crs

TOLD = 50  # changes of a kind that are printed
ORDER = ("new", "moved", "renamed", "refused", "absent")


class RegisterCommandError(ValueError):
    """What was asked of the register makes no sense; the message says what does."""


def take(settings: Settings, file: Path, crs: str, dry_run: bool, as_json: bool) -> int:
    """Register the assets in ``file``, or tell what would change; 1 when any is refused."""
    known: dict[str, Crs] = {name: name for name in NAMES}
    if crs not in known:
        raise RegisterCommandError(f"--crs {crs!r} is not known; use one of {', '.join(known)}")
    assets = read_assets(file, known[crs])
    if not assets.height:
        raise RegisterCommandError(f"{file} holds no assets; a CSV has asset,kind,name_en,name_zh,lon,lat")
    keeper = _registrar(settings)
    changes = keeper.preview(assets)[1] if dry_run else keeper.take(assets)
    counts: Counter[str] = Counter(change.what for change in changes)
    if as_json:
        told = {what: counts[what] for what in ORDER} | {"changes": [asdict(one) for one in changes]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        _show(changes, counts)
    if not dry_run:
        print("citybrain: gateways know it within 5 s; workers start anew to take it in", file=sys.stderr)
    return 1 if counts["refused"] else 0


def unknown(settings: Settings, as_json: bool) -> int:
    """Print the unknown datastreams, the newest first."""
    found = sorted(_unknown(settings), key=lambda one: -int(str(one["last"])))
    if as_json:
        print(json.dumps({"unknown": found}, ensure_ascii=False))
        return 0
    for one in found:
        print(f"{one['datastream']:<40}  from {one['source']}  {one['count']} times")
    if not found:
        print("no unknown datastreams", file=sys.stderr)
    return 0


def adopt(settings: Settings, datastream: str, kind: str, lon: float, lat: float, name: str) -> int:
    """Register the asset of ``datastream``."""
    change = _registrar(settings).adopt(datastream, kind, lon, lat, name, name)
    print(f"{change.asset}: {change.what}: {change.detail}")
    print("citybrain: send its dead letters again with citybrain dead list and dead replay", file=sys.stderr)
    return 0


def match(settings: Settings, file: Path, column: str, against: Path | None, against_column: str, as_json: bool) -> int:
    """Match the names of a column; CSV on standard output, or one JSON object."""
    given = _column(file, column)
    if against is not None:
        there: Sequence[str] = _column(against, against_column)
    else:
        frame = registers.load(settings.register).frame.unique("asset", keep="first", maintain_order=True)
        there = [zh if zh == en else f"{zh} {en}" for zh, en in frame.select("name_zh", "name_en").iter_rows()]
    found = names.matched(given, there)
    if as_json:
        rows = [
            {"name": one.name, "how": one.how, "candidates": [asdict(candidate) for candidate in one.candidates]}
            for one in found
        ]
        print(json.dumps(dict(Counter(one.how for one in found)) | {"matches": rows}, ensure_ascii=False))
        return 0
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("name", "how", "match", "likeness"))
    for one in found:
        for candidate in one.candidates or (names.Candidate(-1, "", 0.0),):
            writer.writerow((one.name, one.how, candidate.name, candidate.likeness))
    counts = Counter(one.how for one in found)
    print("citybrain: " + ", ".join(f"{counts[how]} {how}" for how in counts), file=sys.stderr)
    return 0


def _registrar(settings: Settings) -> Registrar:
    watched = [one for loaded in packs_reload.in_force(settings) for one in loaded.watched]
    return Registrar(settings.register, cities.load(settings.city), watched)


def _show(changes: Sequence[Change], counts: Counter[str]) -> None:
    for what in ORDER:
        mine = [change for change in changes if change.what == what]
        for change in mine[:TOLD]:
            print(f"{what:<8} {change.asset}  {change.detail}")
        if len(mine) > TOLD:
            print(f"{what:<8} and {len(mine) - TOLD} more")
    print(", ".join(f"{counts[what]} {what}" for what in ORDER))


def _unknown(settings: Settings) -> list[dict[str, object]]:
    url = running.store(settings)
    if url is None:
        raise RegisterCommandError("no store is running; set CITYBRAIN_REDIS, or start citybrain first")
    try:
        with Redis.from_url(url) as store:
            rows = store.hvals(contract.unknown(settings.city))
    except (RedisError, OSError) as error:
        raise RegisterCommandError(f"the store does not answer: {error}") from error
    known = registers.load(settings.register).index
    found = [msgspec.json.decode(row, type=dict[str, object]) for row in rows]
    return [one for one in found if one["datastream"] not in known]


def _column(file: Path, column: str) -> list[str]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        if column not in (rows.fieldnames or ()):
            raise RegisterCommandError(f"{file} has no column {column!r}; it has {', '.join(rows.fieldnames or ())}")
        return [row[column] or "" for row in rows]
