"""The register: every asset and datastream of the city, with its stable integer, its shard and its zones.

A datastream's integer is its row; rows are appended, never moved or reused. The register lies as Parquet in the
city's data folder; every role loads it. Ids are ``<asset>/<property>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from config.city import City
from geo.crs import NAMES, Crs, convert

if TYPE_CHECKING:
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
        """(datastreams,): the shard of each."""
        return self.frame["shard"].to_numpy()

    @property
    def shards(self) -> int:
        """How many shards there are; at least 1."""
        return int(self.shard.max()) + 1 if len(self) else 1

    @cached_property
    def low(self) -> NDArray[np.float64]:
        """(datastreams,): the least valid value."""
        return self.frame["low"].to_numpy()

    @cached_property
    def high(self) -> NDArray[np.float64]:
        """(datastreams,): the greatest valid value."""
        return self.frame["high"].to_numpy()

    @cached_property
    def units(self) -> list[str]:
        """The unit of each datastream, UCUM."""
        return self.frame["unit"].to_list()

    def members(self, shard: int) -> NDArray[np.int32]:
        """The integers of the shard's datastreams, ascending: the order of its packed arrays in the picture."""
        return np.flatnonzero(self.shard == shard).astype(np.int32)

    def membership(self, zones: int) -> csr_array:
        """(zones, datastreams) uint8: which zone contains which datastream."""
        from scipy.sparse import csr_array  # here: a gateway loads the register too, and never asks for this

        lists = self.frame["zones"]
        counts = lists.list.len().to_numpy()
        columns = np.repeat(np.arange(len(self)), counts)
        rows = lists.explode(empty_as_null=False).to_numpy() if counts.sum() else np.zeros(0, np.int32)
        return csr_array((np.ones(len(rows), np.uint8), (rows, columns)), shape=(zones, len(self)))


def load(path: Path) -> Register:
    """The register in ``path``; raises ``RegisterError`` when there is none or its columns differ."""
    if not path.exists():
        raise RegisterError(f"no register at {path}; run `citybrain demo` or `citybrain run all` once to make it")
    try:
        frame = pl.read_parquet(path)
    except PolarsError as error:
        raise RegisterError(f"{path} is no register ({error}); remove it and start again to make it anew") from error
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


class Watched(Protocol):
    """One property that a pack watches on assets of some kinds (config/pack.py)."""

    @property
    def pack(self) -> str:
        """The pack's name."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of assets that it is observed on."""
        ...

    @property
    def unit(self) -> str:
        """UCUM."""
        ...

    @property
    def low(self) -> float:
        """The least valid value."""
        ...

    @property
    def high(self) -> float:
        """The greatest valid value."""
        ...

    @property
    def cadence_s(self) -> float:
        """Seconds between observations."""
        ...

    @property
    def property(self) -> str:  # last: below it the name means this, not the decorator
        """What is observed."""
        ...


@dataclass(frozen=True)
class Reject:
    """An asset that was not registered. ``row`` counts from 0 in the given assets."""

    row: int
    asset: str
    reason: str  # names the field, the value and what to do


def build(city: City, assets: pl.DataFrame, watched: Sequence[Watched]) -> tuple[Register, list[Reject]]:
    """A city's first register, and the assets that could not be placed.

    ``assets`` has the columns asset, kind, name_en, name_zh, lon, lat and may have crs (wgs84 where it is missing or
    null). Each asset gets one datastream for each property watched on its kind. Districts are dealt to the city's
    shards so that each has about equally many datastreams; each shard is one run of rows.
    """
    placed, rejects = _placed(city, assets, watched)
    streams = _datastreams(placed, watched)
    shard_of = _deal(_loads(streams), city.shards, {}, [0] * city.shards)
    rows = _with_shards(streams, shard_of).sort("shard", "district", "order", "watch")
    return Register(rows.select(list(COLUMNS))), rejects


def extend(
    register: Register, city: City, assets: pl.DataFrame, watched: Sequence[Watched]
) -> tuple[Register, list[Reject]]:
    """The register with the datastreams of ``assets`` that it lacks appended; no row moves.

    A district stays in its shard; a new one goes to the shard with the fewest datastreams.
    """
    placed, rejects = _placed(city, assets, watched)
    streams = _datastreams(placed, watched).join(register.frame.select("datastream"), on="datastream", how="anti")
    held = register.frame.group_by("district", maintain_order=True).agg(pl.col("shard").first())
    known = {district: int(shard) for district, shard in held.iter_rows()}
    loads = np.bincount(register.shard, minlength=city.shards).tolist()
    shard_of = _deal(_loads(streams), city.shards, known, loads)
    rows = _with_shards(streams, shard_of).sort("shard", "district", "order", "watch")
    return Register(pl.concat([register.frame, rows.select(list(COLUMNS))])), rejects


def rezone(register: Register, city: City) -> Register:
    """The register placed anew in the city's zones, for when the city pack's zones have changed.

    Rows, shards and districts stay; only ``zones`` moves.
    """
    lists = _zone_lists(city, register.frame["lon"].to_numpy(), register.frame["lat"].to_numpy())[0]
    return Register(register.frame.with_columns(lists.alias("zones")))


def _placed(city: City, assets: pl.DataFrame, watched: Iterable[Watched]) -> tuple[pl.DataFrame, list[Reject]]:
    """The good assets in WGS-84 with order, district and zones; and the others with their reasons."""
    missing = [name for name in ("asset", "kind", "name_en", "name_zh", "lon", "lat") if name not in assets.columns]
    if missing:
        raise RegisterError(f"the assets lack the columns {missing}; they have {assets.columns}")
    crs = pl.col("crs").fill_null("wgs84") if "crs" in assets.columns else pl.lit("wgs84")
    frame = assets.with_columns(crs.alias("crs"), pl.int_range(pl.len(), dtype=pl.Int64).alias("order"))
    lon, lat = _wgs84(frame)
    reasons = _reasons(city, frame, lon, lat, {kind for one in watched for kind in one.kinds})
    bad = np.array([reason != "" for reason in reasons], bool)
    rejects = [Reject(int(row), str(frame["asset"][int(row)]), reasons[row]) for row in np.flatnonzero(bad)]
    good = frame.with_columns(pl.Series("lon", lon), pl.Series("lat", lat)).filter(pl.Series(~bad))
    lists, district = _zone_lists(city, lon[~bad], lat[~bad])
    return good.with_columns(lists.alias("zones"), pl.Series("district", district, dtype=pl.String)), rejects


def _wgs84(frame: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lon and lat of each row converted from its own system; unreadable ones and unknown systems are NaN."""
    lon, lat = (frame[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64) for name in ("lon", "lat"))
    said = frame["crs"].to_numpy()
    for name in NAMES[1:]:
        rows = said == name
        if rows.any():
            lon[rows], lat[rows] = convert(lon[rows], lat[rows], name, "wgs84")
    return lon, lat


def _reasons(
    city: City, frame: pl.DataFrame, lon: NDArray[np.float64], lat: NDArray[np.float64], kinds: set[str]
) -> list[str]:
    """Why each row cannot be registered; empty where it can. The first reason that holds is given."""
    reasons = np.full(frame.height, "", object)

    def refuse(rows: NDArray[np.bool_], why: str) -> None:
        reasons[rows & (reasons == "")] = why

    whole = city.view.whole
    known: tuple[Crs, ...] = NAMES
    refuse((frame["asset"].fill_null("") == "").to_numpy(), "asset: empty; give each asset an id that stays")
    refuse((~frame["asset"].is_first_distinct()).to_numpy(), "asset: this id occurs before; ids must be unique")
    refuse((~frame["crs"].is_in(known)).to_numpy(), f"crs: unknown; use one of {', '.join(known)}")
    refuse(~(np.isfinite(lon) & np.isfinite(lat)), "lon, lat: not finite numbers")
    refuse((lon == 0) & (lat == 0), "lon, lat: 0, 0 is what a device sends that does not know its place")
    inside = whole.holds(lon, lat)
    refuse(~inside & whole.holds(lat, lon), "lon, lat: swapped; the other way round they lie in the city")
    refuse(np.abs(lat) > 90, "lat: outside -90..90")
    refuse(np.abs(lon) > 180, "lon: outside -180..180")
    box = f"{whole.west:g}..{whole.east:g}, {whole.south:g}..{whole.north:g}"
    refuse(~inside, f"lon, lat: outside the city ({box}; view.whole in city.yaml)")
    refuse((~frame["kind"].is_in(sorted(kinds))).to_numpy(), "kind: no pack watches it; add it to a pack's datastreams")
    for row in np.flatnonzero(reasons != ""):
        reasons[row] += _given(frame, int(row))
    return list(reasons)


def _given(frame: pl.DataFrame, row: int) -> str:
    """The row's own values, for its reason."""
    kind, crs, lon, lat = (frame[name][row] for name in ("kind", "crs", "lon", "lat"))
    return f" (given: kind {kind}, lon {lon}, lat {lat}, {crs})"


def _zone_lists(
    city: City, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> tuple[pl.Series, NDArray[np.object_]]:
    """Of each point the rows of all its zones, and the id of its district ("" where it has none)."""
    hits = city.geo.containing(lon, lat)
    offsets = hits.offsets(len(lon))
    flat = pl.Series("zones", hits.zone, dtype=pl.Int32)
    lists = pl.DataFrame({"point": hits.point, "zones": flat}).group_by("point", maintain_order=True).agg("zones")
    alone = np.flatnonzero(np.diff(offsets) == 0).astype(np.int32)
    empty = pl.DataFrame({"point": alone, "zones": [[]] * len(alone)}, schema=lists.schema)
    names = np.array([*city.geo.ids, ""], object)
    district = names[city.geo.districts_of(hits, len(lon))]
    return pl.concat([lists, empty]).sort("point")["zones"], district


def _datastreams(placed: pl.DataFrame, watched: Sequence[Watched]) -> pl.DataFrame:
    """One row for each asset and property watched on its kind; ``watch`` is the property's place in ``watched``."""
    declared = pl.DataFrame(
        [
            (kind, at, one.pack, one.property, one.unit, one.low, one.high, one.cadence_s)
            for at, one in enumerate(watched)
            for kind in one.kinds
        ],
        schema={
            "kind": pl.String,
            "watch": pl.Int32,
            "pack": pl.String,
            "property": pl.String,
            "unit": pl.String,
            "low": pl.Float64,
            "high": pl.Float64,
            "cadence_s": pl.Float64,
        },
        orient="row",
    )
    name = pl.concat_str("asset", pl.lit("/"), "property").alias("datastream")
    return placed.join(declared, on="kind", maintain_order="left_right").with_columns(name)


def _loads(streams: pl.DataFrame) -> dict[str, int]:
    """Datastreams in each district, the largest first; ties by name, so that the deal is always the same."""
    counted = streams.group_by("district").len().sort(["len", "district"], descending=[True, False])
    return {district: int(count) for district, count in counted.iter_rows()}


def _deal(loads: dict[str, int], shards: int, known: dict[str, int], held: list[int]) -> dict[str, int]:
    """The shard of each district: where it is already, else the lightest shard so far; largest districts first."""
    weight, shard_of = list(held), dict(known)
    for district, count in loads.items():
        shard = shard_of.setdefault(district, int(np.argmin(weight[:shards])))
        weight[shard] += count
    return shard_of


def _with_shards(streams: pl.DataFrame, shard_of: dict[str, int]) -> pl.DataFrame:
    """The rows with their shard, in the register's types."""
    shard = pl.col("district").replace_strict(shard_of, default=0, return_dtype=pl.Int16).alias("shard")
    return streams.with_columns(shard).with_columns(
        pl.col(name).cast(kind) for name, kind in COLUMNS.items() if name != "shard"
    )
