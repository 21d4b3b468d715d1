"""What is suspect about a city pack: for ``citybrain doctor``."""

from __future__ import annotations

import numpy as np
import polars as pl

from config.city import City
from geo.crs import NAMES
from geo.crs_fit import misfits, told
from geo.neighbours import Neighbours


def findings(city: City, assets: pl.DataFrame | None = None) -> list[str]:
    """One line for each thing that a person should look at; none when all is well.

    ``assets`` are the city's own unless given, with the columns of config/city_assets.py.
    """
    own = city.assets() if assets is None else assets
    lines = [f"zone {repair.id}: {repair.found} ({repair.lost:.1%} of its area)" for repair in city.repairs]
    return lines + suspect_systems(city, own)


def suspect_systems(city: City, assets: pl.DataFrame) -> list[str]:
    """Assets that lie off the zone they are known to be in, and in another coordinate system would not."""
    if not assets.height or "zone" not in assets.columns:
        return []
    rows = {zone.adcode: row for row, zone in enumerate(city.zones) if zone.adcode} | city.index
    known = assets.with_columns(pl.col("crs").fill_null("wgs84")).filter(pl.col("crs").is_in(NAMES))
    expected = np.array([rows.get(zone, -1) for zone in known["zone"].to_list()], np.int32)
    found = misfits(
        known["lon"].to_numpy(),
        known["lat"].to_numpy(),
        known["crs"].to_list(),
        expected,
        Neighbours(city.geo, city.metric),
    )
    return told(found, known["asset"].to_list())
