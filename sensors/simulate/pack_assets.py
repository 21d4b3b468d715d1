"""Assets that packs ask a simulated city to have: placed by residents, or in each zone of a kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from config.city import City
from config.pack import Pack
from config.pack_simulate import AssetsKey
from sensors.simulate import estate
from sensors.simulate.places import Places

COLUMNS = ("asset", "kind", "name_en", "name_zh", "lon", "lat")


def assets(city: City, places: Places, packs: Sequence[Pack], there: Collection[str], seed: int) -> pl.DataFrame:
    """The assets of all packs, in COLUMNS; kinds that are ``there`` already, or in an earlier pack, not again."""
    made: list[pl.DataFrame] = []
    known = set(there)
    for pack in packs:
        mine = [one for one in pack.simulated.assets if one.kind not in known]
        made += [_placed(one, city, places, seed) for one in mine]
        known |= {one.kind for one in mine}
    if not made:
        return pl.DataFrame(schema=dict.fromkeys(COLUMNS[:4], pl.String) | dict.fromkeys(COLUMNS[4:], pl.Float64))
    number = pl.int_range(1, pl.len() + 1).over("kind").cast(pl.String).str.zfill(4)
    return pl.concat(made).with_columns(asset=pl.col("kind") + "-" + number).select(COLUMNS)


def _placed(key: AssetsKey, city: City, places: Places, seed: int) -> pl.DataFrame:
    """The assets of one entry: kind, name_en, name_zh, lon, lat."""
    label = (key.name.en, key.name.zh)
    if key.count is not None:
        return estate.in_districts(seed, key.kind, key.count, places, 1, label)
    assert key.per_zone is not None
    zones = [zone for zone in city.zones if zone.kind == key.at]
    return estate.in_zones(seed, key.kind, key.per_zone, zones, label)
