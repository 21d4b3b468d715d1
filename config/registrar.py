"""The register kept by people: assets imported, unknown datastreams adopted, one writer at a time.

The register's file is written whole; gateways look at it every few seconds, workers start anew when it has grown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from config import register as registers
from config.city import City
from config.city_assets import COLUMNS
from config.locks import alone
from config.pack import Watched
from config.register import Register
from config.register_changes import Change, changed

LOCK = "lock"


class AdoptError(ValueError):
    """A datastream cannot be adopted; the message names the value and the remedy."""


@dataclass(frozen=True, eq=False, slots=True)
class Registrar:
    """Changes the register in ``path`` of ``city``; ``watched`` is what its packs watch."""

    path: Path
    city: City
    watched: Sequence[Watched]

    def preview(self, assets: pl.DataFrame) -> tuple[Register, list[Change]]:
        """The register as it would be with these assets, and what would change; raises ``RegisterError``."""
        return changed(registers.load(self.path), self.city, assets, self.watched)

    def take(self, assets: pl.DataFrame) -> list[Change]:
        """Write the register with these assets; what has changed. Raises ``RegisterError``."""
        with alone(self.path.parent / LOCK):
            made, told = self.preview(assets)
            if any(one.what in ("new", "moved", "renamed") for one in told):
                registers.save(made, self.path)
        return told

    def adopt(self, datastream: str, kind: str, lon: float, lat: float, name_en: str = "", name_zh: str = "") -> Change:
        """Register the asset of an unknown datastream; raises ``AdoptError`` when that cannot make it known."""
        asset, row = self._asset(datastream, kind, lon, lat, name_en, name_zh)
        told = _accepted(asset, self.take(row))
        return next((one for one in told if one.what == "new"), Change(asset, "moved", "was registered before"))

    def would_adopt(
        self, datastream: str, kind: str, lon: float, lat: float, name_en: str = "", name_zh: str = ""
    ) -> list[Change]:
        """What ``adopt`` would change, and nothing is; raises as it does."""
        asset, row = self._asset(datastream, kind, lon, lat, name_en, name_zh)
        return _accepted(asset, self.preview(row)[1])

    def kinds(self, observed: str) -> list[str]:
        """The kinds of assets on which a pack watches the property ``observed``."""
        return sorted({one for watched in self.watched if watched.property == observed for one in watched.kinds})

    def _asset(
        self, datastream: str, kind: str, lon: float, lat: float, name_en: str, name_zh: str
    ) -> tuple[str, pl.DataFrame]:
        """The asset that a datastream's name tells, as a list of one."""
        asset, slash, observed = datastream.rpartition("/")
        if not slash or not asset:
            raise AdoptError(f"datastream {datastream!r} is not <asset>/<property>; mend it at the source")
        kinds = self.kinds(observed)
        if kind not in kinds:
            there = f"use one of {', '.join(kinds)}" if kinds else "add it to a pack's datastreams"
            raise AdoptError(f"no pack watches {observed!r} on the kind {kind!r}; {there}")
        row = (asset, kind, name_en or name_zh or asset, name_zh or name_en or asset, lon, lat, "wgs84", "")
        return asset, pl.DataFrame([row], schema=COLUMNS, orient="row")


def _accepted(asset: str, told: list[Change]) -> list[Change]:
    """What becomes of ``asset``; raises ``AdoptError`` when it is refused."""
    mine = [one for one in told if one.asset == asset]
    refused = next((one for one in mine if one.what == "refused"), None)
    if refused is not None:
        raise AdoptError(f"{asset}: {refused.detail}")
    return mine
