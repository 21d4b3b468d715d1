"""The live picture in Redis: packed arrays, zones, alerts; written in few large pieces, announced on one channel.

Everything here can be rebuilt. When Redis was away the whole picture is written again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import redis.asyncio as redis
from numpy.typing import NDArray
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from config import contract
from models.flood import Flooded
from models.outcome import Outcome
from models.trust import Watch
from models.values import Alert, Incident, Unit, to_json

log = logging.getLogger(__name__)
STAMP_S = 1.0  # so often a worker says which shards it has
MOVED_S = 1.0  # so often at most it is written where the units are


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the room shows, for when the picture is written whole: values by id, items as JSON by kind/id."""

    alerts: Mapping[str, Alert]
    incidents: Mapping[str, Incident]
    units: Mapping[str, Unit]
    items: Mapping[str, bytes]


@dataclass(slots=True)
class _ShardPicture:
    """What of a shard is to be written: its arrays (views of the engine's), which chunks moved, since when."""

    value: NDArray[np.float32]
    score: NDArray[np.float32]
    time: NDArray[np.int64]
    counters: Callable[[], Mapping[str, int]]
    dirty: NDArray[np.bool_]
    accepted: int = 0
    newest: int = 0


@dataclass(slots=True)
class Picture:
    """Writes the picture of one city every ``period_s``; what the room changed and its answers at once."""

    city: str
    url: str
    period_s: float
    _client: Any = field(init=False)
    _shards: dict[int, _ShardPicture] = field(default_factory=dict)
    _zones: dict[str, Any] | None = None
    _history: list[str] = field(default_factory=list)  # not yet written
    _moved: dict[str, Unit] = field(default_factory=dict)  # units that are elsewhere, not yet written
    _moved_at: float = 0.0
    _watch: bytes | None = None  # the watch list, not yet written
    _ahead: bytes | None = None  # the hour ahead, not yet written
    _foretold: bytes | None = None  # the last one, for when the store loses it
    _watched: bytes | None = None  # the last one, for when the store loses it
    _shown: dict[str, Any] | None = None  # the last zones, for when the store loses them
    _trend: deque[str] = field(default_factory=lambda: deque(maxlen=contract.HISTORY_LENGTH))  # the same of the history
    _store: str = ""  # which run of the store this is
    _room: Callable[[], Awaitable[Shown]] | None = None  # of this worker, when it keeps the room
    _stamped: float = 0.0
    _away_since: float | None = None

    def __post_init__(self) -> None:
        # no silent retries: a broken connection must be seen, for then the whole picture is written again
        self._client = redis.from_url(
            self.url, retry=Retry(NoBackoff(), 0), socket_timeout=10, redis_connect_func=self._connected
        )

    async def _connected(self, connection: Any) -> None:
        """A new connection: is the store still the one that has the picture?

        The client replaces a closed connection before a command without a word, so a quick restart shows here alone.
        """
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        try:
            match = re.search(rb"run_id:(\w+)", await connection.read_response())
        except ResponseError:  # a user without the right to ask; then only a broken command tells of a loss
            match = None
        run = match[1].decode() if match else ""
        if self._store and run != self._store and self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("the store was started again; the picture is written again")
        self._store = run

    # --- what the agents tell ---------------------------------------------------------------------------------

    def show_shard(
        self,
        shard: int,
        value: NDArray[np.float32],
        score: NDArray[np.float32],
        time_ms: NDArray[np.int64],
        counters: Callable[[], Mapping[str, int]],
    ) -> None:
        """From now on write this shard; the arrays are read when they are written."""
        chunks = -(-len(value) // contract.CHUNK)
        self._shards[shard] = _ShardPicture(value, score, time_ms, counters, np.ones(chunks, np.bool_))

    def hide_shard(self, shard: int) -> None:
        """The shard is another worker's now."""
        self._shards.pop(shard, None)

    def moved(self, shard: int, rows: NDArray[np.int32], accepted: int) -> None:
        """The values at ``rows`` moved; ``accepted`` is when the oldest of their readings was taken (ms)."""
        picture = self._shards.get(shard)
        if picture is None or not len(rows):
            return
        picture.dirty[rows // contract.CHUNK] = True
        picture.newest = max(picture.newest, int(picture.time[rows].max()))
        if accepted and (not picture.accepted or accepted < picture.accepted):
            picture.accepted = accepted

    def zones(self, tick: int, rows: list[dict[str, Any]], totals: dict[str, tuple[float, float | None]]) -> None:
        """A tick was closed: its zones, and the city's totals for the trend."""
        self._zones = self._shown = {"tick": tick, "rows": rows}
        total = json.dumps({"tick": tick, "totals": totals})
        self._trend.append(total)
        self._history.append(total)
        del self._history[: -contract.HISTORY_LENGTH]

    def forecasts(self, body: dict[str, Any]) -> None:
        """The hour ahead as of the tick that is told next."""
        self._ahead = self._foretold = json.dumps(body).encode()

    def watch(self, watch: Watch) -> None:
        """The watch list, the line or the dial moved."""
        self._watch = self._watched = to_json(watch)

    def own_room(self, shown: Callable[[], Awaitable[Shown]] | None) -> None:
        """This worker keeps the room from now on, and ``shown`` tells what is in it (or no more, with None)."""
        self._room = shown

    # --- writing --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what moved, for ever; Redis away is logged once and everything is written when it is back."""
        if self._room is not None:
            await self._guarded(self._write_room())
        while True:
            started = time.monotonic()
            await self.turn()
            await asyncio.sleep(max(0.01, self.period_s - (time.monotonic() - started)))

    async def turn(self) -> None:
        """Write what moved since the last turn; after a loss of the store everything."""
        if self._away_since is None:
            await self._guarded(self._write())
        if self._away_since is not None:
            await self._return()

    async def _guarded(self, work: Any) -> bool:
        try:
            await work
        except (RedisError, OSError) as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
                log.warning("the store is away (%s); the picture is written again when it is back", error)
            return False
        return True

    async def _return(self) -> None:
        for picture in self._shards.values():
            picture.dirty[:] = True
        if await self._guarded(self._rewrite()):
            away = time.monotonic() - (self._away_since or 0)
            log.warning("the store is back after %.1f s; the whole picture was written", away)
            self._away_since = None

    async def _rewrite(self) -> None:
        await self._client.ping()
        if self._room is not None:
            await self._write_room()
        self._zones, self._watch, self._ahead = self._shown, self._watched, self._foretold
        if self._trend and not await self._client.llen(contract.history(self.city)):
            self._history = list(self._trend)
        await self._write()
        await self._client.publish(contract.changes(self.city), json.dumps({"what": "all"}))

    async def _write(self) -> None:
        pipe = self._client.pipeline(transaction=False)
        for shard, picture in self._shards.items():
            self._queue(pipe, shard, picture)
        if self._ahead is not None:
            pipe.set(contract.forecasts(self.city), self._ahead)
            self._ahead = None
        zones, history = self._zones, self._history
        if zones is not None:
            self._zones, self._history = None, []
            pipe.set(contract.zones(self.city), json.dumps(zones))
            if history:
                pipe.lpush(contract.history(self.city), *history)
                pipe.ltrim(contract.history(self.city), 0, contract.HISTORY_LENGTH - 1)
            pipe.publish(contract.changes(self.city), json.dumps({"what": "zones", "tick": zones["tick"]}))
        if self._watch is not None:
            pipe.set(contract.watch(self.city), self._watch)
            pipe.publish(contract.changes(self.city), json.dumps({"what": "watch"}))
            self._watch = None
        if self._moved and time.monotonic() - self._moved_at >= MOVED_S:
            moved, self._moved, self._moved_at = self._moved, {}, time.monotonic()
            _put(pipe, contract.units(self.city), _rows(moved))
            pipe.publish(contract.changes(self.city), json.dumps({"what": "units", "ids": list(moved)}))
        if time.monotonic() - self._stamped >= STAMP_S:
            self._stamped = time.monotonic()
            now = int(time.time() * 1000)
            mine = [f"shard:{shard}" for shard in self._shards] + ["alerts"] * (self._room is not None)
            if mine:
                pipe.hset(contract.owners(self.city), mapping=dict.fromkeys(mine, now))
        if not len(pipe):
            await self._client.ping()  # a loss must show while nothing moves, too
            return
        try:
            await pipe.execute()
        except (RedisError, OSError):
            self._history = history + self._history  # all else is written whole when the store is back
            raise

    def _queue(self, pipe: Any, shard: int, picture: _ShardPicture) -> None:
        """Put what moved of one shard into the pipeline."""
        dirty = picture.dirty.copy()
        if not dirty.any():
            return
        city = self.city
        for start, end in _runs(dirty):
            a, b = start * contract.CHUNK, min(end * contract.CHUNK, len(picture.value))
            pipe.setrange(contract.values(city, shard), a * 4, picture.value[a:b].astype("<f4").tobytes())
            pipe.setrange(contract.scores(city, shard), a * 4, picture.score[a:b].astype("<f4").tobytes())
            pipe.setrange(contract.times(city, shard), a * 4, (picture.time[a:b] // 1000).astype("<u4").tobytes())
        counters = picture.counters()
        if counters:
            pipe.hset(contract.counters(city), mapping={f"{name}:{shard}": value for name, value in counters.items()})
        change = {
            "what": "values",
            "shard": shard,
            "chunks": np.flatnonzero(dirty).tolist(),
            "time": picture.newest,
            "accepted": picture.accepted,
        }
        pipe.publish(contract.changes(city), json.dumps(change))
        picture.dirty[:] = False
        picture.accepted = 0

    async def show(self, outcome: Outcome) -> None:
        """Write what the room changed and leave its answers, at once; while Redis is away it waits for the whole.

        Where units are is written once a second, for all together.
        """
        self._moved = {name: unit for name, unit in self._moved.items() if name not in outcome.units} | outcome.moved
        if self._away_since is None:
            await self._guarded(self._write_outcome(outcome))

    async def flooded(self, load: Flooded) -> None:
        """Write how loaded the seats are."""
        if self._away_since is None:
            await self._guarded(self._client.set(contract.flood(self.city), to_json(load)))

    async def _write_outcome(self, outcome: Outcome) -> None:
        pipe, city = self._client.pipeline(transaction=False), self.city
        left = [key.partition("/") for key in outcome.hidden]
        gone = {kind: [name for what, _, name in left if what == kind] for kind in ("alert", "incident")}
        alerts, incidents = _rows(outcome.alerts, gone["alert"]), _rows(outcome.incidents, gone["incident"])
        units, items = _rows(outcome.units), _rows(outcome.items)
        for key, rows in (
            (contract.alerts(city), alerts),
            (contract.incidents(city), incidents),
            (contract.units(city), units),
            (contract.room(city), items),
        ):
            _put(pipe, key, rows)
        for answer in outcome.answers:
            pipe.set(contract.answer(city, answer.command), to_json(answer), ex=contract.ANSWER_TTL_S)
        said: list[dict[str, Any]] = []
        said += [{"what": "alert", "id": name, "state": _state(outcome.alerts, name)} for name in alerts]
        said += [{"what": "incident", "id": name, "state": _state(outcome.incidents, name)} for name in incidents]
        said += [{"what": "units", "ids": list(units)}] if units else []
        said += [{"what": "room", "key": name} for name in items]
        said += [{"what": "answer", "command": answer.command} for answer in outcome.answers]
        for change in said:
            pipe.publish(contract.changes(city), json.dumps(change))
        if len(pipe):
            await pipe.execute()

    async def _write_room(self) -> None:
        """Write all that the room shows in the place of what was there."""
        assert self._room is not None  # who calls has looked
        shown, city = await self._room(), self.city
        pipe = self._client.pipeline(transaction=True)
        for key, values in (
            (contract.alerts(city), shown.alerts),
            (contract.incidents(city), shown.incidents),
            (contract.units(city), shown.units),
            (contract.room(city), shown.items),
        ):
            pipe.delete(key)
            _put(pipe, key, _rows(values))
        pipe.publish(contract.changes(city), json.dumps({"what": "all"}))
        await pipe.execute()

    async def write_room(self) -> None:
        """Write all that the room shows, in the place of what was there: after a take-over from another worker."""
        if self._away_since is None:
            await self._guarded(self._write_room())

    async def close(self) -> None:
        """Write what is left and let go of the connection."""
        if self._away_since is None:
            await self._guarded(self._write())
        await self._client.aclose()


Rows = dict[str, bytes | None]


def _rows(values: Mapping[str, Alert | Incident | Unit | bytes | None], gone: Iterable[str] = ()) -> Rows:
    """What is to be written of some values by id, and what is to be taken away."""
    rows: Rows = {
        name: to_json(value) if isinstance(value, msgspec.Struct) else value for name, value in values.items()
    }
    return rows | dict.fromkeys(gone)


def _put(pipe: Any, key: str, rows: Rows) -> None:
    """Write rows of a hash into the pipeline."""
    there = {name: body for name, body in rows.items() if body is not None}
    if there:
        pipe.hset(key, mapping=there)
    if len(there) < len(rows):
        pipe.hdel(key, *(name for name, body in rows.items() if body is None))


def _state(values: Mapping[str, Alert | None] | Mapping[str, Incident | None], name: str) -> str:
    value = values.get(name)
    return "gone" if value is None else value.state


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of True in ``mask`` as (start, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
