"""How appeals stand, in the store: for the wall's scene and ``GET /v1/appeals``; all of it can be written again."""

from __future__ import annotations

import json
import logging
import time

import msgspec
import redis.asyncio as redis
from redis.exceptions import RedisError

from config import contract
from models.appeals_picture import OWN, Appeals, figures, tables
from models.values import Alert, from_json, to_json

log = logging.getLogger(__name__)


class AppealsBoard:
    """Reads live alerts and writes the picture of appeals of ``city`` in the store at ``url``."""

    def __init__(self, city: str, url: str) -> None:
        self._city = city
        self._client = redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        self._away = False

    async def alerts(self) -> list[Alert]:
        """The alerts in the picture; none while the store is away, for only causes are looked for among them."""
        try:
            found = await self._client.hvals(contract.alerts(self._city))
            return [from_json(body, Alert) for body in found]
        except (RedisError, OSError, msgspec.DecodeError) as error:
            self._missed(error)
            return []

    async def show(self, appeals: Appeals) -> None:
        """Write the picture; while the store is away it is told once, and written again the next time."""
        city, now = self._city, int(time.time() * 1000)
        pipe = self._client.pipeline(transaction=False)
        pipe.set(contract.appeals(city), to_json(appeals))
        for key, rows in ((contract.figures(city), figures(appeals)), (contract.tables(city), tables(appeals))):
            pipe.hset(
                key, mapping={f"{OWN}/{name}": msgspec.json.encode({**row, "at": now}) for name, row in rows.items()}
            )
        pipe.publish(contract.changes(city), json.dumps({"what": "appeals"}))
        try:
            await pipe.execute()
        except (RedisError, OSError) as error:
            self._missed(error)
        else:
            self._away = False

    def _missed(self, error: Exception) -> None:
        if not self._away:
            log.warning("the picture of appeals waits, the store is away: %s", error)
        self._away = True

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
