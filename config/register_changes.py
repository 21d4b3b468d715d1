"""What a list of assets would change in the register: told first (dry run), then made.

New assets are appended; of known ones place and names may change, and their rows, integers and shards stay, so that
what was learned about them stays too. Assets that the list lacks stay registered: a datastream's integer is for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from config.city import City
from config.register import Register, Watched, build, extend
from geo.distance import great_circle_m

What = Literal["new", "moved", "renamed", "refused", "absent"]
MOVED_M = 1.0  # nearer is the same place, written with fewer digits
TAKEN_OVER = ("lon", "lat", "name_en", "name_zh", "district", "zones")


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one asset; ``detail`` says it with values."""

    asset: str
    what: What
    detail: str


def changed(
    register: Register, city: City, assets: pl.DataFrame, watched: Sequence[Watched]
) -> tuple[Register, list[Change]]:
    """The register as it would be with these assets (columns as ``config.register.build`` takes them), and why."""
    grown, rejects = extend(register, city, assets, watched)
    told = [Change(one.asset, "refused", one.reason) for one in rejects]
    new = grown.frame.slice(len(register)).group_by("asset", maintain_order=True).agg("datastream")
    told += [Change(asset, "new", ", ".join(streams)) for asset, streams in new.iter_rows()]
    placed, _ = build(city, assets, watched)
    both = register.frame.with_row_index("row").join(
        placed.frame.select("datastream", *TAKEN_OVER), on="datastream", suffix="_now", maintain_order="left"
    )
    told += _differences(both)
    told += _absent(register, assets)
    return Register(_taken_over(grown.frame, both)), told


def _differences(both: pl.DataFrame) -> list[Change]:
    """Of each asset that moved or was renamed, once."""
    rows = both.unique("asset", keep="first", maintain_order=True)
    if not rows.height:
        return []
    away = great_circle_m(*(rows[name].to_numpy() for name in ("lon", "lat", "lon_now", "lat_now")))
    told = [
        Change(rows["asset"][row], "moved", f"{away[row]:.0f} m, to {rows['lon_now'][row]}, {rows['lat_now'][row]}")
        for row in np.flatnonzero(away > MOVED_M).tolist()
    ]
    for asset, en, zh, en_now, zh_now in rows.select(
        "asset", "name_en", "name_zh", "name_en_now", "name_zh_now"
    ).iter_rows():
        if (en, zh) != (en_now, zh_now):
            told.append(Change(asset, "renamed", f"{zh} {en} is now {zh_now} {en_now}"))
    return told


def _absent(register: Register, assets: pl.DataFrame) -> list[Change]:
    kept = register.frame["asset"].unique(maintain_order=True)
    gone = kept.filter(~kept.is_in(assets["asset"].drop_nulls().to_list()))
    return [Change(asset, "absent", "not in the list; it stays registered") for asset in gone]


def _taken_over(frame: pl.DataFrame, both: pl.DataFrame) -> pl.DataFrame:
    """The frame with what the list says of known datastreams in their rows."""
    now = both.select("row", *(pl.col(f"{name}_now") for name in TAKEN_OVER))
    joined = frame.with_row_index("row").join(now, on="row", how="left", maintain_order="left")
    return joined.with_columns(
        pl.when(pl.col(f"{name}_now").is_not_null()).then(pl.col(f"{name}_now")).otherwise(pl.col(name)).alias(name)
        for name in TAKEN_OVER
    ).select(frame.columns)
