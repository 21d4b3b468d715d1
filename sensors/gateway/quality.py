"""The alerts of a span of time: from the archive, and from the picture what is not in it yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import msgspec

from config import contract
from models.values import Alert, from_json

DAY_MS = 86_400_000
LONGEST_MS = 100 * DAY_MS  # a quarter and a bit; longer spans are a question for the archive itself
MEMORY = "512MB"


def past_alerts(archive: Path, start: int, end: int, live: Iterable[Alert] = ()) -> list[Alert]:
    """The alerts that opened from ``start`` to ``end`` (ms, not included), each as it was known last, by opening.

    ``live`` are those of the picture, which are newer than the archive.
    """
    found = {one.id: one for one in _archived(archive / contract.ALERTS.name, start, end)}
    found |= {one.id: one for one in live if start <= one.opened < end}
    return sorted(found.values(), key=lambda one: (one.opened, one.id))


def _archived(folder: Path, start: int, end: int) -> list[Alert]:
    import duckdb  # here: it takes 25 MB, and a door that is never asked for the past does not need it

    files = [str(path) for path in folder.glob("day=*/p0-*.parquet") if path.parent.name[4:] >= _day(start)]
    if not files:
        return []
    query = """
        SELECT value FROM read_parquet($files, hive_partitioning = false)
        WHERE value IS NOT NULL AND (value ->> '$.opened')::BIGINT >= $start AND (value ->> '$.opened')::BIGINT < $end
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY "offset" DESC) = 1
    """
    with duckdb.connect(config={"threads": 1, "memory_limit": MEMORY}) as connection:
        rows = connection.execute(query, {"files": files, "start": start, "end": end}).fetchall()
    return [alert for (value,) in rows if (alert := _read(value)) is not None]


def _read(value: str) -> Alert | None:
    """The alert; None for one of a version that cannot be read any more."""
    try:
        return from_json(value, Alert)
    except msgspec.DecodeError:
        return None


def _day(at: int) -> str:
    """The UTC day of ``at`` as the archive names it."""
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d")
