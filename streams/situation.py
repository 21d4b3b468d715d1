"""What the city measures where incidents are: the inputs of the response plans, read from the live picture.

Only proposals depend on it. While the store is away nothing is proposed and nothing withdrawn.
"""

from __future__ import annotations

import logging
import math
import struct
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import polars as pl
import redis.asyncio as redis
from redis.exceptions import RedisError

from config import contract
from config.site import Site
from models.plan_inputs import GAUGED, Value, gather
from models.values import Alert, Incident

log = logging.getLogger(__name__)
INFLOW_MS = 5 * 60_000  # the inflow is the change of people over so long
ASIDE_MS = 30_000  # by which the older row may miss that
GAUGES = 32  # gauges that are asked for one incident and property, at most
Row = dict[str, Any]
Gauge = tuple[int, int]  # shard, place in its packed arrays


class _Zones(msgspec.Struct):
    tick: int
    rows: list[Row]


class Situations:
    """Reads the situations of incidents from the store at ``url``."""

    def __init__(self, site: Site, url: str) -> None:
        self._site = site
        self._city = site.city.id
        self._client = redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        self._past: deque[tuple[int, dict[str, float]]] = deque()  # tick, people by zone; the oldest first
        self.measure(site)
        self._gauges = _gauges(site)
        self._away = False

    def measure(self, site: Site) -> None:
        """Go by the rules of the packs of ``site``."""
        self._measured = {(rule.pack, rule.name): rule.property for pack in site.packs for rule in pack.rules}

    async def of(
        self, incidents: Sequence[tuple[Incident, str]], alerts: Mapping[str, Alert]
    ) -> dict[str, dict[str, Value]]:
        """The inputs of each incident with the place it is asked about, by its id; none while the store is away."""
        now = int(time.time() * 1000)
        try:
            zones = await self._zones()
            wanted = {one.id: self._near(one, place) for one, place in incidents}
            levels = await self._levels({gauge for near in wanted.values() for some in near.values() for gauge in some})
        except (RedisError, OSError, msgspec.DecodeError) as error:
            if not self._away:
                log.warning("the picture cannot be read, so nothing is proposed: %s", error)
            self._away = True
            return {}
        self._away = False
        return {
            one.id: self._inputs(one, place, alerts, zones.get(place, {}), wanted[one.id], levels, now)
            for one, place in incidents
        }

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    # --- zones --------------------------------------------------------------------------------------------------

    async def _zones(self) -> dict[str, dict[str, Row]]:
        """The rows of the newest tick by zone and property; the tick is remembered for the inflow."""
        body = await self._client.get(contract.zones(self._city))
        if body is None:
            return {}
        found = msgspec.json.decode(body, type=_Zones)
        zones: dict[str, dict[str, Row]] = {}
        for row in found.rows:
            zones.setdefault(row["zone"], {})[row["property"]] = row
        if not self._past or found.tick > self._past[-1][0]:
            self._past.append((found.tick, {zone: seen for zone, rows in zones.items() if (seen := _people(rows))}))
            while len(self._past) > 1 and self._past[1][0] <= found.tick - INFLOW_MS:
                self._past.popleft()
        return zones

    def _inflow(self, zone: str) -> float | None:
        """People a minute that the zone has gained; None until the picture has been followed for long enough."""
        if not self._past:
            return None
        (begin, before), (end, after) = self._past[0], self._past[-1]
        if zone not in before or zone not in after or abs(end - begin - INFLOW_MS) > ASIDE_MS:
            return None
        return (after[zone] - before[zone]) / ((end - begin) / 60_000)

    # --- gauges -------------------------------------------------------------------------------------------------

    def _near(self, incident: Incident, place: str) -> dict[str, list[Gauge]]:
        """Which gauges tell of the place: its own, those in the zone, for rain those of the district."""
        near = {}
        for name in GAUGED:
            places = [place, f"district {incident.district}"] if name == "rainfall" else [place]
            found = next((self._gauges[name, one] for one in places if (name, one) in self._gauges), [])
            near[name] = found[:GAUGES]
        return near

    async def _levels(self, gauges: Iterable[Gauge]) -> dict[Gauge, float]:
        """The last value of each gauge; those that never spoke are left out."""
        asked = sorted(gauges)
        if not asked:
            return {}
        pipe = self._client.pipeline(transaction=False)
        for shard, at in asked:
            pipe.getrange(contract.values(self._city, shard), 4 * at, 4 * at + 3)
        bodies = await pipe.execute()
        values = {one: struct.unpack("<f", body)[0] for one, body in zip(asked, bodies, strict=True) if len(body) == 4}
        return {one: value for one, value in values.items() if math.isfinite(value)}

    def _inputs(
        self,
        incident: Incident,
        place: str,
        alerts: Mapping[str, Alert],
        zone: Mapping[str, Row],
        near: Mapping[str, Sequence[Gauge]],
        levels: Mapping[Gauge, float],
        now: int,
    ) -> dict[str, Value]:
        mine = (alerts[name] for name in reversed(incident.alerts) if name in alerts)
        alert = next((one for one in mine if one.detection.place == place), None)
        measured = self._measured.get((alert.detection.pack, alert.detection.rule), "") if alert else ""
        highest = {
            name: max((levels[one] for one in some if one in levels), default=None) for name, some in near.items()
        }
        inflow = self._inflow(place)
        return gather(incident, place, alert, measured, zone, highest, inflow, self._site.city.calendar, now)


def _people(rows: Mapping[str, Row]) -> float | None:
    """The people of a zone, where at least half of its cameras have spoken: else a change would be theirs."""
    row = rows.get("people", {})
    value = row.get("value")
    return float(value) if value is not None and row.get("reporting", 1.0) >= 0.5 else None


def _gauges(site: Site) -> dict[tuple[str, str], list[Gauge]]:
    """The gauges of each property by place: an asset's id, a zone's id, ``district <id>``."""
    frame = site.register.frame.with_row_index("row").filter(pl.col("property").is_in(GAUGED))
    at = {
        shard: {int(row): k for k, row in enumerate(site.register.members(shard))} for shard in frame["shard"].unique()
    }
    found: dict[tuple[str, str], list[Gauge]] = {}
    for row in frame.select("row", "property", "asset", "district", "shard", "zones").iter_rows(named=True):
        gauge = (row["shard"], at[row["shard"]][row["row"]])
        zones = [site.city.zones[number].id for number in row["zones"]]
        for place in (row["asset"], f"district {row['district']}", *zones):
            found.setdefault((row["property"], place), []).append(gauge)
    return found
