"""The curve of an alert: what its place showed before and since, what was expected, and where usual values lie.

A zone's points are those that this wall recorded as the ticks came; a datastream's are read from the archive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from config.pack import Pack
from config.register import Register
from models.values import Alert
from wall.past import ZonePast
from wall.view import Row, number

BEFORE_MS, AFTER_MS = 45 * 60_000, 30 * 60_000  # of the onset
POINTS = 400  # at most; more are thinned to their means
FILES = 800  # of the archive that are looked into, the newest; an hour of whole Chengdu
DAY_MS = 86_400_000
THREADS, MEMORY = 1, "256MB"  # the stream goes first

_SQL = """
SELECT epoch_ms(min(time)) AS "at", avg(value) AS value
FROM (
    SELECT time, value, ntile($points) OVER (ORDER BY time) AS part
    FROM read_parquet($files, hive_partitioning = false)
    WHERE datastream = $datastream AND epoch_ms(time) BETWEEN $start AND $end
)
GROUP BY part ORDER BY "at"
"""


def looked_at(packs: Iterable[Pack]) -> dict[tuple[str, str], str]:
    """The property that each rule (pack, name) looks at."""
    return {(pack.name, rule.name): rule.property for pack in packs for rule in pack.rules}


class Curves:
    """Answers for one wall; ``properties`` is what each (pack, rule) looks at."""

    def __init__(
        self, archive: Path, register: Register, past: ZonePast, properties: Mapping[tuple[str, str], str]
    ) -> None:
        self._archive = archive
        self._register = register
        self._past = past
        self._properties = properties

    def of(self, alert: Alert, time: int) -> Row:
        """{"points": [[ms, value, expected, low, high]], "onset", "cleared", "unit", "from": "zones" or "archive"}.

        Up to ``time``, ms of the city's clock. Takes up to a second where the archive is large: call it in a thread.
        """
        it = alert.detection
        start, end = it.onset - BEFORE_MS, min(it.onset + AFTER_MS, max(time, it.time))
        wanted = self._properties.get((it.pack, it.rule), "")
        zone = it.place_kind == "zone"
        points = (
            self._past.points(f"{it.place}/{wanted}", start, end) if zone else self._read(alert, wanted, start, end)
        )
        return {
            "points": points,
            "property": wanted,
            "unit": it.unit,
            "onset": it.onset,
            "cleared": alert.cleared,
            "from": "zones" if zone else "archive",
        }

    def _read(self, alert: Alert, wanted: str, start: int, end: int) -> list[list[Any]]:
        """The datastream's recorded values with what the detection said was expected."""
        row = self._row(alert.detection.place, wanted)
        files = [] if row is None else self._files(int(self._register.shard[row]), start, end)
        if not files:
            return []
        given = {"files": files, "datastream": row, "start": start, "end": end, "points": POINTS}
        with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY}) as connection:
            found = connection.execute(_SQL, given).fetchall()
        why, expected = alert.detection.why, number(alert.detection.expected)
        low, high = (number(why.low), number(why.high)) if why else (None, None)
        return [[int(at), number(value), expected, low, high] for at, value in found]

    def _row(self, place: str, wanted: str) -> int | None:
        """The register's integer of the place's datastream of this property, or of its only one."""
        table = self._register.frame
        own = np.flatnonzero((table["asset"] == place).to_numpy() | (table["datastream"] == place).to_numpy())
        fits = [int(row) for row in own if table["property"][int(row)] == wanted]
        if fits:
            return fits[0]
        return int(own[0]) if len(own) == 1 else None

    def _files(self, shard: int, start: int, end: int) -> list[str]:
        days = [np.datetime64(day, "D") for day in range(start // DAY_MS, end // DAY_MS + 1)]
        folder = self._archive / "readings"
        found = [path for day in days for path in sorted(folder.glob(f"day={day}/p{shard}-*.parquet"))]
        return [str(path) for path in found[-FILES:]]
