"""How appeals and warnings stand, in the store: for the wall's scenes and ``GET /v1/appeals``; all of it can be
written again."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import redis.asyncio as redis
from redis.exceptions import RedisError

from config import contract
from models import appeals_picture, warnings_picture
from models.appeals_picture import Appeals
from models.values import Alert, from_json, to_json
from models.warned import WARNING
from models.warnings import Raised

log = logging.getLogger(__name__)
Rows = Mapping[str, Mapping[str, Any]]


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

    async def show(self, appeals: Appeals | None) -> None:
        """Write the picture, of appeals where the city counts them; what the store misses is written the next time."""
        city = self._city
        try:
            raised = await self._raised()
            pipe = self._client.pipeline(transaction=False)
            self._tell(pipe, warnings_picture.PACK, warnings_picture.figures(raised), warnings_picture.tables(raised))
            if appeals is not None:
                pipe.set(contract.appeals(city), to_json(appeals))
                own = appeals_picture.OWN
                self._tell(pipe, own, appeals_picture.figures(appeals), appeals_picture.tables(appeals))
                pipe.publish(contract.changes(city), json.dumps({"what": "appeals"}))
            await pipe.execute()
        except (RedisError, OSError, msgspec.DecodeError) as error:
            self._missed(error)
        else:
            self._away = False

    async def _raised(self) -> list[Raised]:
        """The warnings that the room holds."""
        items = cast("dict[bytes, bytes]", await self._client.hgetall(contract.room(self._city)))
        return [from_json(body, Raised) for key, body in items.items() if key.startswith(WARNING.encode())]

    def _tell(self, pipe: Any, pack: str, figures: Rows, tables: Rows) -> None:
        """The numbers and tables of a pack's scene."""
        now = int(time.time() * 1000)
        for key, rows in ((contract.figures(self._city), figures), (contract.tables(self._city), tables)):
            body = {f"{pack}/{name}": msgspec.json.encode({**row, "at": now}) for name, row in rows.items()}
            pipe.hset(key, mapping=body)

    def _missed(self, error: Exception) -> None:
        if not self._away:
            log.warning("the picture of appeals waits, the store is away: %s", error)
        self._away = True

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
