"""Who looks at which alert: each open desk says so, every wall server reads it, all desks are shown it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from redis.asyncio import Redis

from config import contract
from models.values import from_json, to_json
from wall.holding import Held

AWAY_MS = 40_000  # a desk that said nothing for so long is closed; an open one speaks every 15 s
Row = dict[str, Any]


class Looking(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /presence: an open page and the alert it shows; None when it shows none, or is closed."""

    page: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    alert: Annotated[str, msgspec.Meta(max_length=128)] | None = None


class Present(msgspec.Struct, frozen=True):
    """Somebody in front of an alert; ``at`` is ms."""

    by: str
    alert: str
    at: int


async def tell(redis: Redis, city: str, looking: Looking, by: str, now: int) -> None:
    """Write down what ``by`` looks at; raises ``RedisError`` when the store is away."""
    store: Any = redis  # typed as sync or async; here always async
    key = contract.present(city)
    before = await store.hget(key, looking.page)
    if looking.alert is None:
        await store.hdel(key, looking.page)
    else:
        await store.hset(key, looking.page, to_json(Present(by, looking.alert, now)))
    if before is None or looking.alert is None or from_json(before, Present).alert != looking.alert:
        await store.publish(contract.changes(city), b'{"what":"people"}')


async def sweep(redis: Redis, city: str, rows: Mapping[bytes, bytes], now: int) -> None:
    """Take away pages that went without a word long ago."""
    gone = [key for key, data in rows.items() if now - from_json(data, Present).at > 10 * AWAY_MS]
    if gone:
        store: Any = redis
        await store.hdel(contract.present(city), *gone)


def shown(rows: Mapping[bytes, bytes], now: int) -> dict[str, Row]:
    """{page: {"by", "alert"}} of the pages that are open."""
    found = {key.decode(): from_json(data, Present) for key, data in rows.items()}
    return {key: {"by": one.by, "alert": one.alert} for key, one in found.items() if now - one.at <= AWAY_MS}


def waiting(rows: Mapping[bytes, bytes]) -> dict[str, Row]:
    """{command: {"by", "alert", "until"}} of the acknowledgements that can be taken back yet; ``until`` is ms."""
    found = {key.decode(): from_json(data, Held) for key, data in rows.items()}
    return {key: {"by": one.command.by, "alert": one.command.alert, "until": one.until} for key, one in found.items()}
