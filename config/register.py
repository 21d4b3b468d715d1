"""The register: every asset and datastream of the city, with its stable integer, its shard and its zones.

A datastream's integer is its row; rows are appended, never moved or reused. The register lies as Parquet in the
city's data folder; every role loads it. Ids are ``<asset>/<property>``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

COLUMNS: dict[str, pl.DataType] = {
    "datastream": pl.String(),  # "<asset>/<property>"
    "asset": pl.String(),
    "kind": pl.String(),  # of the asset: camera, counter, gauge, gate …
    "property": pl.String(),  # what is observed: people, water_level …
    "unit": pl.String(),  # UCUM; "1" for counts
    "low": pl.Float64(),  # valid range, both ends valid
    "high": pl.Float64(),
    "cadence_s": pl.Float64(),
    "name_en": pl.String(),
    "name_zh": pl.String(),
    "lon": pl.Float64(),  # WGS-84
    "lat": pl.Float64(),
    "district": pl.String(),  # zone id of the district; "" outside all
    "shard": pl.Int16(),
    "pack": pl.String(),  # the pack that watches it
    "zones": pl.List(pl.Int32()),  # rows of the zone table that contain it, nested and overlapping
}


class RegisterError(ValueError):
    """The register's file is missing or not one; the message says which and what to do."""


@dataclass(frozen=True, eq=False)
class Register:
    """The loaded register. ``frame`` has COLUMNS; array properties have the shape (datastreams,)."""

    frame: pl.DataFrame

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def ids(self) -> list[str]:
        """Datastream ids by integer."""
        return self.frame["datastream"].to_list()

    @cached_property
    def index(self) -> dict[str, int]:
        """Integer of each datastream id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def shard(self) -> NDArray[np.int16]:
        return self.frame["shard"].to_numpy()

    @property
    def shards(self) -> int:
        """How many shards there are; at least 1."""
        return int(self.shard.max()) + 1 if len(self) else 1

    @cached_property
    def low(self) -> NDArray[np.float64]:
        return self.frame["low"].to_numpy()

    @cached_property
    def high(self) -> NDArray[np.float64]:
        return self.frame["high"].to_numpy()

    @cached_property
    def units(self) -> list[str]:
        return self.frame["unit"].to_list()

    def members(self, shard: int) -> NDArray[np.int32]:
        """The integers of the shard's datastreams, ascending: the order of its packed arrays in the picture."""
        return np.flatnonzero(self.shard == shard).astype(np.int32)

    def membership(self, zones: int) -> csr_array:
        """(zones, datastreams) uint8: which zone contains which datastream."""
        lists = self.frame["zones"]
        counts = lists.list.len().to_numpy()
        columns = np.repeat(np.arange(len(self)), counts)
        rows = lists.explode(empty_as_null=False).to_numpy() if counts.sum() else np.zeros(0, np.int32)
        return csr_array((np.ones(len(rows), np.uint8), (rows, columns)), shape=(zones, len(self)))


def load(path: Path) -> Register:
    """The register in ``path``; raises ``RegisterError`` when there is none or its columns differ."""
    if not path.exists():
        raise RegisterError(f"no register at {path}; run `citybrain demo` or `citybrain run all` once to make it")
    frame = pl.read_parquet(path)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise RegisterError(f"{path} lacks the columns {missing}; remove the file and start again to make it anew")
    return Register(frame.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items()))


def save(register: Register, path: Path) -> None:
    """Write the register whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    register.frame.write_parquet(part, statistics=False)
    part.replace(path)
