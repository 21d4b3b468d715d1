"""The archive rolled up: what each zone showed step by step, a day at a time, each day read once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from config.layouts import Layouts
from models.forecast.zones import named

DAY_MS = 86_400_000
THREADS, MEMORY = 1, "512MB"  # the stream goes first

_SQL = """
SELECT members.series AS series, means.step AS step, sum(means.value) AS total, count(*) AS n
FROM (
    SELECT datastream, (epoch_ms(time) - 1) // $step AS step, avg(value) AS value
    FROM read_parquet($files, hive_partitioning = false)
    WHERE datastream IN (SELECT DISTINCT datastream FROM members)
    GROUP BY ALL
) AS means
JOIN members ON members.datastream = means.datastream
GROUP BY ALL
"""


@dataclass(frozen=True, eq=False, slots=True)
class Rollup:
    """Rolls up the readings in ``archive`` for the zones of one property (``of``); keeps whole days in ``kept``."""

    archive: Path
    kept: Path
    layouts: Layouts
    of: str
    step_ms: int

    @property
    def series(self) -> NDArray[np.int32]:
        """Which of the city's series are forecast."""
        return named(self.layouts.series, self.of)

    def days(self) -> list[str]:
        """The days of which there are readings, oldest first."""
        return sorted(path.name.removeprefix("day=") for path in (self.archive / "readings").glob("day=*"))

    def read(self, days: list[str], today: str) -> tuple[int, NDArray[np.float64]]:
        """The first step's number and the sums (steps, series) of these days; NaN where nothing was read.

        Where some datastreams of a zone were silent the sum is taken as if they were like the others. Days before
        ``today`` (``YYYY-MM-DD``, UTC) are read from the archive once and kept.
        """
        parts = [self._day(day, keep=day < today) for day in days]
        steps = np.concatenate([part["step"] for part in parts] or [np.zeros(0, np.int64)])
        if not len(steps):
            return 0, np.full((0, len(self.series)), np.nan)
        first, last = int(steps.min()), int(steps.max())
        total = np.zeros((2, last - first + 1, len(self.series)))
        for part in parts:  # the end of a day's last step lies in the next day's files
            np.add.at(total[0], (part["step"] - first, part["place"]), part["total"])
            np.add.at(total[1], (part["step"] - first, part["place"]), part["n"])
        members = np.array([self.layouts.series[row].members for row in self.series], np.float64)
        mean = np.divide(total[0], total[1], out=np.full(total.shape[1:], np.nan), where=total[1] > 0)
        return first, mean * members

    def _day(self, day: str, keep: bool) -> dict[str, NDArray[Any]]:
        path = self.kept / f"{self.of}-{self.step_ms // 60_000}min-{day}.npz"
        files = sorted(str(file) for file in (self.archive / "readings" / f"day={day}").glob("p*.parquet"))
        mark = np.array([len(files), len(self.layouts.series)], np.int64)  # late readings and a new register read anew
        if path.exists():
            with np.load(path, allow_pickle=False) as kept:
                found = {name: kept[name] for name in kept.files}
            if np.array_equal(found.pop("mark"), mark):
                return found
        found = self._rolled(files)
        if keep:
            self.kept.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **found, mark=mark)
            part.replace(path)
        return found

    def _rolled(self, files: list[str]) -> dict[str, NDArray[Any]]:
        place = np.full(len(self.layouts.series), -1, np.int32)
        place[self.series] = np.arange(len(self.series), dtype=np.int32)
        datastream, series = [], []
        for shard in self.layouts.shards:
            datastream.append(np.repeat(shard.members, np.diff(shard.indptr)))
            series.append(place[shard.indices])
        flat, at = np.concatenate(datastream), np.concatenate(series)
        members = pa.table({"datastream": flat[at >= 0], "series": at[at >= 0]})
        if not files or not members.num_rows:
            return {
                "step": np.zeros(0, np.int64), "place": np.zeros(0, np.int64), "total": np.zeros(0), "n": np.zeros(0)
            }  # fmt: skip
        with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY}) as connection:
            connection.register("members", members)
            found = connection.execute(_SQL, {"files": files, "step": self.step_ms}).fetchnumpy()
        return {
            "step": np.asarray(found["step"], np.int64),
            "place": np.asarray(found["series"], np.int64),
            "total": np.asarray(found["total"], np.float64),
            "n": np.asarray(found["n"], np.float64),
        }


def day_of(now_ms: int) -> str:
    """The UTC day of a moment, as ``2026-10-01``."""
    return dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).date().isoformat()
