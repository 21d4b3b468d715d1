"""The store's live picture as arrays and bytes: every Redis read of the wall is here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from config import contract
from config.register import Register
from models import drills
from models.blind import is_blind
from wall import blind

Packed = NDArray[Any]
Key = TypeVar("Key", str, bytes)
Data = TypeVar("Data", bytes, bytes | None)


class Store:
    """Reads of one city's keys (config/contract.py); raises ``redis.RedisError`` when the store is away."""

    def __init__(self, redis: Redis, city: str, register: Register) -> None:
        self.redis: Any = redis  # typed as sync or async, text or bytes; here always async and bytes
        self.city = city
        self.members = [register.members(shard) for shard in range(register.shards)]
        self.rank = np.zeros(len(register), np.int64)  # place of each datastream in its shard's packed arrays
        for rows in self.members:
            self.rank[rows] = np.arange(len(rows))
        self.shard = register.shard

    async def values(self, shard: int) -> NDArray[np.float32]:
        """(datastreams of the shard,) the last values, NaN where there is none yet."""
        return await self._packed(contract.values(self.city, shard), "<f4", len(self.members[shard]), np.nan)

    async def times(self, shard: int) -> NDArray[np.uint32]:
        """(datastreams of the shard,) phenomenon time of the last value, s; 0 never."""
        return await self._packed(contract.times(self.city, shard), "<u4", len(self.members[shard]), 0)

    async def chunks(self, which: Mapping[int, Collection[int]]) -> list[tuple[int, int, NDArray[np.float32]]]:
        """[(shard, first place, values)] of some chunks {shard: {chunk}} of the values, read in one round trip."""
        size, runs = 4 * contract.CHUNK, _runs(which)
        async with self.redis.pipeline(transaction=False) as pipe:
            for shard, first, last in runs:
                pipe.getrange(contract.values(self.city, shard), first * size, (last + 1) * size - 1)
            found: list[bytes] = await pipe.execute()
        return [
            (shard, first * contract.CHUNK, np.frombuffer(data, "<f4", len(data) // 4))
            for (shard, first, _), data in zip(runs, found, strict=True)
        ]

    async def at(self, rows: Sequence[int]) -> tuple[Packed, Packed, Packed]:
        """Last value, score and time (s) of single datastreams, each (rows,); NaN, NaN and 0 where there is none."""
        keys = (
            (contract.values, "<f4", np.nan),
            (contract.scores, "<f4", np.nan),
            (contract.times, "<u4", 0),
        )
        async with self.redis.pipeline(transaction=False) as pipe:
            for key, _, _ in keys:
                for row in rows:
                    start = 4 * int(self.rank[row])
                    pipe.getrange(key(self.city, int(self.shard[row])), start, start + 3)
            found: list[bytes] = await pipe.execute()
        columns = [found[k * len(rows) : (k + 1) * len(rows)] for k in range(len(keys))]
        value, score, time = (
            np.array([np.frombuffer(cell, kind)[0] if len(cell) == 4 else none for cell in column], kind)
            for column, (_, kind, none) in zip(columns, keys, strict=True)
        )
        return value, score, time

    async def alert(self, key: str) -> bytes | None:
        """One alert's JSON."""
        return (await self.some_alerts([key]))[key]

    async def some_alerts(self, keys: Collection[str]) -> dict[str, bytes | None]:
        """These alerts' JSON by id, read in one round trip; None where there is none."""
        found = await self._some(contract.alerts(self.city), keys)
        return await self._all_shown(found, blind.MARKED, blind.alert)

    async def alerts(self) -> dict[bytes, bytes]:
        """All alerts' JSON by id."""
        return await self._all_shown(await self._hash(contract.alerts(self.city)), blind.MARKED, blind.alert)

    async def incident(self, key: str) -> bytes | None:
        """One incident's JSON."""
        return (await self.some_incidents([key]))[key]

    async def some_incidents(self, keys: Collection[str]) -> dict[str, bytes | None]:
        """These incidents' JSON by id, read in one round trip; None where there is none."""
        found = await self._some(contract.incidents(self.city), keys)
        return await self._all_shown(found, blind.MARKED, blind.incident)

    async def incidents(self) -> dict[bytes, bytes]:
        """All incidents' JSON by id."""
        return await self._all_shown(await self._hash(contract.incidents(self.city)), blind.MARKED, blind.incident)

    async def flood(self) -> bytes | None:
        """How loaded the seats are, as JSON."""
        return await self._string(contract.flood(self.city))

    async def units(self) -> dict[bytes, bytes]:
        """All units' JSON by id."""
        return await self._hash(contract.units(self.city))

    async def item(self, key: str) -> bytes | None:
        """One of the room's other things by kind/id, as JSON."""
        data: bytes | None = await self.redis.hget(contract.room(self.city), key)
        return data

    async def present(self) -> dict[bytes, bytes]:
        """Who looks at which alert, by open page."""
        return await self._hash(contract.present(self.city))

    async def held(self) -> dict[bytes, bytes]:
        """The acknowledgements that can be taken back yet, by command."""
        return await self._hash(contract.held(self.city))

    async def warnings(self) -> dict[bytes, bytes]:
        """The room's warnings' JSON by key; what their places answered is not read."""
        found = {key: data async for key, data in self.redis.hscan_iter(contract.room(self.city), match="warning/*")}
        return await self._all_shown(found, blind.EXERCISE, blind.warning)

    async def figures(self) -> dict[bytes, bytes]:
        """What agents count for the packs' scenes, JSON by "<pack>/<name>"."""
        return await self._hash(contract.figures(self.city))

    async def tables(self) -> dict[bytes, bytes]:
        """What agents list for the packs' scenes, JSON by "<pack>/<name>"."""
        return await self._hash(contract.tables(self.city))

    async def appeals(self) -> bytes | None:
        """The picture of appeals as JSON, None where nobody counts them."""
        return await self._string(contract.appeals(self.city))

    async def zones(self) -> bytes | None:
        """The zones' JSON of the last tick."""
        return await self._string(contract.zones(self.city))

    async def forecasts(self) -> bytes | None:
        """The zones' next hour as JSON, as of the last tick."""
        return await self._string(contract.forecasts(self.city))

    async def history(self, points: int) -> list[bytes]:
        """The newest ``points`` of the city's totals, newest first."""
        rows: list[bytes] = await self.redis.lrange(contract.history(self.city), 0, points - 1)
        return rows

    async def sources(self) -> dict[bytes, bytes]:
        """The gateways' JSON by name."""
        return await self._hash(contract.sources(self.city))

    async def counters(self) -> dict[bytes, bytes]:
        """The counters since the city began."""
        return await self._hash(contract.counters(self.city))

    async def room(self) -> dict[bytes, bytes]:
        """Silences, warnings, the rota and the dial by kind/id."""
        return await self._hash(contract.room(self.city))

    async def unknown(self) -> dict[bytes, bytes]:
        """Datastreams that came and are not registered."""
        return await self._hash(contract.unknown(self.city))

    async def packs(self) -> dict[bytes, bytes]:
        """What became of each pack, by its name."""
        return await self._hash(contract.packs(self.city))

    async def forget_unknown(self, datastream: str) -> None:
        """Take a datastream out of sight that was adopted."""
        await self.redis.hdel(contract.unknown(self.city), datastream)

    async def unit(self, key: str) -> bytes | None:
        """One unit's JSON."""
        data: bytes | None = await self.redis.hget(contract.units(self.city), key)
        return data

    async def watch(self) -> bytes | None:
        """The watch list and the dial of the alert budget as JSON."""
        return await self._string(contract.watch(self.city))

    async def answer(self, command: str) -> bytes | None:
        """What became of a command, None while nothing did."""
        return await self._string(contract.answer(self.city, command))

    async def _all_shown(self, found: dict[Key, Data], mark: bytes, plain: Callable[[bytes], bytes]) -> dict[Key, Data]:
        """What a screen may know of them: nothing of the exercise while a blind drill runs."""
        marked = {key: data for key, data in found.items() if data is not None and mark in data}
        if not marked or not is_blind(await self.item(drills.ITEM)):
            return found
        return found | {key: plain(data) for key, data in marked.items()}

    async def _some(self, key: str, fields: Collection[str]) -> dict[str, bytes | None]:
        if not fields:
            return {}
        found: list[bytes | None] = await self.redis.hmget(key, list(fields))
        return dict(zip(fields, found, strict=True))

    async def _hash(self, key: str) -> dict[bytes, bytes]:
        rows: dict[bytes, bytes] = await self.redis.hgetall(key)
        return rows

    async def _string(self, key: str) -> bytes | None:
        data: bytes | None = await self.redis.get(key)
        return data

    async def _packed(self, key: str, kind: str, count: int, none: float) -> Packed:
        data = await self._string(key) or b""
        out = np.full(count, none, kind)
        known = np.frombuffer(data, kind, min(len(data) // 4, count))
        out[: len(known)] = known
        return out


def _runs(which: Mapping[int, Collection[int]]) -> list[tuple[int, int, int]]:
    """(shard, first chunk, last chunk) of chunks that follow one another: one read fetches them all."""
    runs: list[tuple[int, int, int]] = []
    for shard, chunks in which.items():
        for chunk in sorted(chunks):
            if runs and runs[-1][0] == shard and runs[-1][2] == chunk - 1:
                runs[-1] = (shard, runs[-1][1], chunk)
            else:
                runs.append((shard, chunk, chunk))
    return runs
