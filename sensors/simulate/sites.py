"""Chengdu's registered places, simulated: 4,000 construction sites and 900 schools where people live, and the venues.

No name, contact or telephone is real. A city of one's own brings its register as a file (docs/plans.md).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from config.city import City
from config.places import COLUMNS
from sensors.simulate.estate import in_districts
from sensors.simulate.places import places

CONSTRUCTION_SITES: Final = 4_000
SCHOOLS: Final = 900
ROUTE: Final = "journal"  # nobody is written to


def sites(city: City) -> pl.DataFrame:
    """The places with the columns of ``config.places``; the same ones each time."""
    known = places(city)
    parts = [
        in_districts(known.seed, kind, count, known, 1)
        for kind, count in (("construction-site", CONSTRUCTION_SITES), ("school", SCHOOLS))
    ]
    frame = pl.concat([*parts, _venues(city)])
    number = pl.int_range(1, pl.len() + 1).over("kind").cast(pl.String).str.zfill(4)
    return frame.with_columns(
        id=pl.col("kind") + "-" + number,
        contact=pl.lit("simulated contact ") + number,
        phone=pl.lit("000-0000-") + number,
        route=pl.lit(ROUTE),
    ).select(COLUMNS)


def _venues(city: City) -> pl.DataFrame:
    """The city's venues as scenic spots."""
    venues = [zone for zone in city.zones if zone.kind == "venue"]
    return pl.DataFrame(
        {
            "kind": ["scenic-spot"] * len(venues),
            "name_en": [zone.name.en for zone in venues],
            "name_zh": [zone.name.zh for zone in venues],
            "lon": [zone.lon for zone in venues],
            "lat": [zone.lat for zone in venues],
        }
    )
