"""The gateway's view of the live picture in Redis: alerts and incidents out, answers out, sources in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config import contract
from models.trust import Watch
from models.values import Alert, Answer, Incident, ServiceRequest, Unit, from_json, to_json
from sensors.gateway.health import Health
from sensors.gateway.metrics import Tally
from sensors.gateway.unknown import Quarantine, Unknown

log = logging.getLogger(__name__)

PUBLISH_S = 1.0
POLL_S = 0.02
Source = dict[str, int]


class Picture:
    """Alerts, incidents, answers and sources of ``city`` in the store at ``url``."""

    def __init__(self, url: str, city: str) -> None:
        self._redis: Redis = Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        self._city = city
        self._before: dict[str, Source] | None = None  # what an earlier run of the gateway has counted
        self._away = False

    async def alerts(self) -> list[Alert]:
        """Every alert in the picture, the newest first; raises ``RedisError`` when the store is away."""
        found = await self._redis.hvals(contract.alerts(self._city))
        return sorted((from_json(data, Alert) for data in found), key=lambda alert: (-alert.opened, alert.id))

    async def alert(self, number: str) -> Alert | None:
        """The alert with this id, if it is in the picture; raises ``RedisError``."""
        data = await self._redis.hget(contract.alerts(self._city), number)
        return None if data is None else from_json(data, Alert)

    async def incidents(self) -> list[Incident]:
        """Every incident in the picture, the newest first; raises ``RedisError``."""
        found = await self._redis.hvals(contract.incidents(self._city))
        return sorted((from_json(data, Incident) for data in found), key=lambda one: (-one.opened, one.id))

    async def incident(self, number: str) -> Incident | None:
        """The incident with this id, if it is in the picture; raises ``RedisError``."""
        data = await self._redis.hget(contract.incidents(self._city), number)
        return None if data is None else from_json(data, Incident)

    async def units(self) -> list[Unit]:
        """Every unit by its id; raises ``RedisError``."""
        found = await self._redis.hvals(contract.units(self._city))
        return sorted((from_json(data, Unit) for data in found), key=lambda unit: unit.id)

    async def unit(self, number: str) -> Unit | None:
        """The unit with this id; raises ``RedisError``."""
        data = await self._redis.hget(contract.units(self._city), number)
        return None if data is None else from_json(data, Unit)

    async def items(self, kind: str) -> list[bytes]:
        """The room's items of a kind (silence, warning …) as JSON, by their ids; raises ``RedisError``."""
        found = cast("dict[bytes, bytes]", await self._redis.hgetall(contract.room(self._city)))
        return [data for name, data in sorted(found.items()) if name.startswith(f"{kind}/".encode())]

    async def watch(self) -> Watch | None:
        """The watch list and the dial of the alert budget; raises ``RedisError``."""
        data = await self._redis.get(contract.watch(self._city))
        return None if data is None else from_json(data, Watch)

    async def appeals(self) -> bytes | None:
        """How citizens' appeals stand as JSON, None where nobody counts them; raises ``RedisError``."""
        found = await self._redis.get(contract.appeals(self._city))
        return cast("bytes | None", found)

    async def answer(self, command: str, within_s: float) -> Answer | None:
        """What became of the command, waiting for it; ``None`` when nobody says so in time. Raises ``RedisError``."""
        deadline = asyncio.get_running_loop().time() + within_s
        while (data := await self._redis.get(contract.answer(self._city, command))) is None:
            if asyncio.get_running_loop().time() >= deadline:
                return None
            await asyncio.sleep(POLL_S)
        return from_json(data, Answer)

    async def keep_requests(self, taken: Sequence[ServiceRequest]) -> None:
        """Show these service requests; the store being away disturbs nobody, for the log has them."""
        held, order = contract.requests(self._city), contract.request_order(self._city)
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(held, mapping={one.id: to_json(one) for one in taken})
                pipe.zadd(order, {one.id: one.requested for one in taken})
                pipe.zcard(order)
                count = (await pipe.execute())[-1]
            if count > contract.REQUESTS_KEPT:
                gone = await self._redis.zpopmin(order, count - contract.REQUESTS_KEPT)
                await self._redis.hdel(held, *[entry[0] for entry in gone])
        except (RedisError, OSError) as error:
            log.warning("the store is away, %d service requests are in the log alone: %s", len(taken), error)

    async def requests(self) -> list[ServiceRequest]:
        """The service requests in the picture; raises ``RedisError``."""
        return [from_json(data, ServiceRequest) for data in await self._redis.hvals(contract.requests(self._city))]

    async def request(self, number: str) -> ServiceRequest | None:
        """The service request with this id, if it is in the picture; raises ``RedisError``."""
        data = await self._redis.hget(contract.requests(self._city), number)
        return None if data is None else from_json(data, ServiceRequest)

    async def item(self, key: str) -> bytes | None:
        """One of the room's items by ``kind/id`` as JSON; raises ``RedisError``."""
        found = await self._redis.hget(contract.room(self._city), key)
        return cast("bytes | None", found)

    async def outcome(self, notification: str, within_s: float) -> str:
        """What became of a notification, waiting for it: its outcome, "failed", or "waiting". Raises ``RedisError``."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            said = await self._redis.get(contract.sent(self._city, notification))
            if said is not None:
                return cast("bytes", said).decode()
            if await self._redis.hexists(contract.failed(self._city), notification):
                return "failed"
            if asyncio.get_running_loop().time() >= deadline:
                return "waiting"
            await asyncio.sleep(POLL_S)

    async def failed(self) -> list[bytes]:
        """Every notification that was given up, as JSON; raises ``RedisError``."""
        return cast("list[bytes]", await self._redis.hvals(contract.failed(self._city)))

    async def unknown(self) -> list[Unknown]:
        """The unknown datastreams in sight, the newest first; raises ``RedisError``."""
        found = await self._redis.hvals(contract.unknown(self._city))
        return sorted((from_json(data, Unknown) for data in found), key=lambda one: (-one.last, one.datastream))

    async def forget_unknown(self, datastream: str) -> None:
        """Take it out of sight; the store being away disturbs nobody."""
        try:
            await self._redis.hdel(contract.unknown(self._city), datastream)
        except (RedisError, OSError) as error:
            log.warning("the store is away, %s stays among the unknown: %s", datastream, error)

    async def sources(self) -> dict[str, Source]:
        """What is known of each source; raises ``RedisError``."""
        found = cast("dict[bytes, bytes]", await self._redis.hgetall(contract.sources(self._city)))
        return {name.decode(): _source(data) for name, data in sorted(found.items())}

    async def publish(self, tallies: Mapping[str, Tally], quarantine: Quarantine, health: Health) -> None:
        """Write each source's counts about once a second, for ever; the store being away disturbs nothing."""
        while True:
            await asyncio.sleep(PUBLISH_S)
            try:
                await self._publish(tallies, health)
                await self._publish_unknown(quarantine)
            except (RedisError, OSError) as error:
                if not self._away:
                    log.warning("the store is away, the sources' counts wait: %s", error)
                self._away = True
            else:
                self._away = False

    async def _publish(self, tallies: Mapping[str, Tally], health: Health | None = None) -> None:
        key = contract.sources(self._city)
        if self._before is None:
            found = cast("dict[bytes, bytes]", await self._redis.hgetall(key))
            self._before = {name.decode(): _source(data) for name, data in found.items()}
        if tallies:
            await self._redis.hset(
                key, mapping={name: self._row(name, tally, health) for name, tally in tallies.items()}
            )

    async def _publish_unknown(self, quarantine: Quarantine) -> None:
        if not quarantine.moved:
            return
        moved, quarantine.moved = quarantine.moved, set()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in moved:
                    pipe.hset(contract.unknown(self._city), name, to_json(quarantine.seen[name]))
                await pipe.execute()
        except (RedisError, OSError):
            quarantine.moved |= moved
            raise

    def _row(self, name: str, tally: Tally, health: Health | None) -> bytes:
        before = (self._before or {}).get(name, {})
        counts = {what: getattr(tally, what) + before.get(what, 0) for what in ("accepted", "rejected")}
        known = health.row(name, int(time.time() * 1000)) if health else {}
        return msgspec.json.encode(counts | {"last": tally.last, "lag_ms": tally.lag_ms} | known)

    async def close(self, tallies: Mapping[str, Tally]) -> None:
        """Write the last counts and close the connections."""
        try:
            await self._publish(tallies)
        except (RedisError, OSError) as error:
            log.warning("the store is away, the last counts are not written: %s", error)
        await self._redis.aclose()


def _source(data: bytes) -> Source:
    try:
        return msgspec.json.decode(data, type=Source)
    except msgspec.DecodeError:
        log.warning("a source's counts in the store cannot be read and begin at 0: %r", data[:100])
        return {}
