"""The hub: hears what changed in the store, keeps the board, and pushes one delta a tick to every viewer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry, Gauge, Histogram
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config import contract
from config.register import Register
from models import drills
from models.alarm import WAITING
from models.values import Alert, Incident, from_json
from wall import blind, presence, view
from wall.board import HISTORY_SHOWN, LEVEL_BYTES, Board
from wall.holding import hold_ms
from wall.past import ZonePast
from wall.scenery import Scenery, Shows
from wall.store import Store
from wall.viewer import Viewer, frame

log = logging.getLogger(__name__)

TICK_S = 0.2  # at most one delta a tick, save for alerts
GATHER_S = 0.02  # changes that come together travel together
BEAT_S = 2.0
SLOW_S = 1.0  # sources, counters and zones are looked at this often
REREAD_S = 10.0  # all alerts are read again this often: a published change can be lost, closed ones leave
AGES_S = 5.0
SCALE_S = 2.0
RETRY_S = 0.5
BYTES_S = 23_500  # of the 25 kB/s a viewer may cost: heartbeats and frames take the rest
LEVEL_BYTES_S = 16_000  # of them, at most, for levels
LEVELS_A_TICK = int(LEVEL_BYTES_S * TICK_S / LEVEL_BYTES)
HISTORY_NEWER = 16  # points read a second once the history is there
FORGOTTEN = 20  # cadences without a reading, at least a minute: the datastream is drawn as having no data
BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Hub:
    """One city's board, kept by ``run`` and watched by viewers.

    ``register`` gives the datastreams; ``properties`` the order of their properties in the board.
    """

    def __init__(
        self, redis: Redis, city: str, register: Register, metrics: CollectorRegistry, shows: Shows | None = None
    ) -> None:
        self.city = city
        self.store = Store(redis, city, register)
        self.register = register
        self.properties = sorted(register.frame["property"].unique().to_list())
        kind = {name: row for row, name in enumerate(self.properties)}
        self.board = Board(np.array([kind[p] for p in register.frame["property"]], np.uint8), len(self.properties))
        cadence = register.frame["cadence_s"].fill_null(60.0).to_numpy()
        self._patience_s = np.maximum(cadence * FORGOTTEN, 60.0)
        self._value = np.full(len(register), np.nan, np.float32)
        self._old = np.zeros(len(register), bool)
        self.viewers: set[Viewer] = set()
        self.connected = False  # to the store
        self._opened: dict[str, tuple[int, int]] = {}
        self._moved: dict[int, set[int]] = defaultdict(set)
        self._alerts: set[str] = set()
        self._incidents: set[str] = set()
        self._everything = True
        self._zones = self._watch = self._people = True
        self.past = ZonePast()
        self.scenery = Scenery(self.store, self.board, register, self.properties, self.past, shows or Shows())
        self._accepted: int | None = None
        self._due = {"slow": 0.0, "alerts": 0.0, "incidents": 0.0, "ages": 0.0, "scale": 0.0}
        self._stirred, self._urgent = asyncio.Event(), asyncio.Event()
        self._answers: dict[str, asyncio.Event] = {}
        self._last_push = 0.0
        self._room = 0.0  # bytes that a viewer may be sent now; under zero after much at once
        self._viewers_open = Gauge(
            "citybrain_wall_viewers", contract.METRICS["citybrain_wall_viewers"], registry=metrics
        )
        self._push_seconds = Histogram(
            "citybrain_wall_push_seconds",
            contract.METRICS["citybrain_wall_push_seconds"],
            registry=metrics,
            buckets=BUCKETS,
        )

    # --- viewers ---------------------------------------------------------------------------------------------

    def join(self) -> Viewer:
        """A new viewer; ``leave`` must follow."""
        viewer = Viewer(lambda: frame("snapshot", self.board.snapshot(now_ms()), self.board.seq) + self.beat())
        self.viewers.add(viewer)
        self._viewers_open.set(len(self.viewers))
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self.viewers.discard(viewer)
        self._viewers_open.set(len(self.viewers))

    def close(self) -> None:
        """End every viewer's frames; their browsers come back by themselves."""
        for viewer in self.viewers:
            viewer.close()

    def beat(self) -> bytes:
        """The heartbeat: is the store there, and when did it last say that something changed."""
        body = {"at": now_ms(), "store": self.connected, "changed": self.board.changed, "time": self.board.time}
        return frame("beat", msgspec.json.encode(body))

    # --- answers to commands ---------------------------------------------------------------------------------

    async def answered(self, command: str, timeout_s: float) -> bytes | None:
        """What became of a command (JSON), None when nothing was said in ``timeout_s``."""
        event = self._answers.setdefault(command, asyncio.Event())
        end = time.monotonic() + timeout_s
        try:
            while True:
                event.clear()
                found = await self.store.answer(command)
                left = end - time.monotonic()
                if found is not None or left <= 0:
                    return found
                await _either(event, min(left, 0.25))  # the published word is only a hint: look again also without one
        finally:
            self._answers.pop(command, None)

    def hold_ms(self, alert: str, now: int) -> int:
        """How long an acknowledgement of ``alert`` at ``now`` can be taken back; 0 where somebody has it already."""
        row = self.board.sections["alerts"].now.get(alert)
        return hold_ms(row["deadline"], now) if row and row["state"] in WAITING else 0

    # --- the task --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the store until cancelled, through any outage of it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._supervised(self._listen))
            group.create_task(self._supervised(self._push))

    async def _supervised(self, work: Any) -> None:
        while True:
            try:
                await work()
            except (RedisError, OSError, TimeoutError) as error:
                if self.connected:
                    log.warning("the store is away: %s; trying again every %s s", error, RETRY_S)
                self.connected = False
            except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
                log.error("the store holds what the wall cannot read: %r; the rest is shown on", error)
            await asyncio.sleep(RETRY_S)

    async def _beat(self) -> None:
        while True:
            self._broadcast(self.beat())
            await asyncio.sleep(BEAT_S)

    async def _listen(self) -> None:
        async with self.store.redis.pubsub() as channel:
            await channel.subscribe(contract.changes(self.city))
            self._note({"what": "all"})  # whatever was said before we listened
            while True:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=BEAT_S)
                if message is not None:
                    self._note(msgspec.json.decode(message["data"]))
                else:
                    await self.store.redis.ping()

    def _note(self, change: dict[str, Any]) -> None:
        """Remember what to read at the next tick."""
        what = change.get("what")
        if what == "values":
            self._moved[change["shard"]].update(change["chunks"])
            accepted = change.get("accepted")
            if accepted:
                self._accepted = min(accepted, self._accepted or accepted)
            self.board.time = max(self.board.time, change.get("time") or 0)
        elif what == "zones":
            self._zones = True
        elif what == "watch":
            self._watch = True
        elif what == "alert":
            self._alerts.add(change["id"])
            self._urgent.set()
        elif what == "incident":
            self._incidents.add(change["id"])
        elif what == "answer":
            if change["command"] in self._answers:
                self._answers[change["command"]].set()
            return
        elif what == "people":
            self._people = True
            self._urgent.set()
        elif what == "all":
            self._everything = True
        if what not in ("all", "people"):
            self.board.changed = now_ms()
        self._stirred.set()

    async def _push(self) -> None:
        while True:
            await self._wait()
            restart = self._everything
            accepted = await self._read()
            self.connected = True
            at = now_ms()
            since, self._last_push = time.monotonic() - self._last_push, time.monotonic()
            self._room = min(self._room + since * BYTES_S, BYTES_S)
            delta = self.board.delta(at, accepted, LEVELS_A_TICK, int(self._room))
            self._room -= len(delta or b"")
            if restart:
                for viewer in self.viewers:
                    viewer.restart()
            elif delta is not None:
                self._broadcast(frame("delta", delta, self.board.seq))
            if accepted and delta is not None:
                self._push_seconds.observe(max(at - accepted, 0) / 1000)
            if self.board.held:
                self._stirred.set()

    async def _wait(self) -> None:
        """Until something stirred or a slow reading is due, then until the tick is over, save for alerts."""
        await _either(self._stirred, SLOW_S)
        await asyncio.sleep(GATHER_S)
        await _either(self._urgent, self._last_push + TICK_S - time.monotonic())
        self._stirred.clear()
        self._urgent.clear()

    def _broadcast(self, data: bytes) -> None:
        for viewer in self.viewers:
            viewer.send(data)

    # --- reading ---------------------------------------------------------------------------------------------

    async def _read(self) -> int | None:
        """Bring the board up to date; the ms at which the oldest reading in it was accepted."""
        everything = self._everything
        moved: dict[int, set[int]]
        moved, self._moved = self._moved, defaultdict(set)
        wanted, self._alerts = self._alerts, set()
        incidents, self._incidents = self._incidents, set()
        accepted, self._accepted = self._accepted, None
        try:
            if everything:
                self._due = dict.fromkeys(self._due, 0.0)
                self.board.forget()
                moved = {shard: set() for shard in range(len(self.store.members))}
            await self._read_values(moved, everything)
            await self._read_incidents(incidents, self._is_due("incidents", REREAD_S))
            await self._read_alerts(wanted)
            if wanted or incidents:
                self.scenery.claim(self._value, now_ms())
            if self._watch or everything:
                self._watch = False
                await self._read_watch()
            slow = self._is_due("slow", SLOW_S)
            if slow or self._people:
                await self._read_people()
            if slow:
                await self._read_slow()
        except BaseException:  # nothing of this was shown: read it all when the store is back
            self._everything = True
            raise
        if everything:
            self._everything = False
        return accepted

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due[name]:
            return False
        self._due[name] = now + every_s
        return True

    async def _read_values(self, moved: dict[int, set[int]], everything: bool) -> None:
        if everything:
            for shard in moved:
                self._value[self.store.members[shard]] = await self.store.values(shard)
        elif moved:
            for shard, first, part in await self.store.chunks(moved):
                members = self.store.members[shard]
                self._value[members[first : first + len(part)]] = part[: len(members) - first]
        if self._is_due("ages", AGES_S):
            await self._read_ages()
        if moved and self._is_due("scale", SCALE_S):
            self.board.scale = self.board.scale.grown(self._value, self.board.kind)
        if moved:
            place = self.board.scale.places(self._value, self.board.kind)
            place[self._old] = np.nan
            self.board.place = place

    async def _history(self) -> list[list[Any]]:
        """The points that may be new: the newest few when they reach back to what is known, else all that is shown."""
        known = self.board.history[-1][0] if self.board.history else -1
        newest = view.history(await self.store.history(HISTORY_NEWER))
        if known >= 0 and newest and newest[0][0] <= known:
            return newest
        return view.history(await self.store.history(HISTORY_SHOWN))

    async def _read_ages(self) -> None:
        time_s = np.zeros(len(self._value), np.int64)
        for shard, members in enumerate(self.store.members):
            time_s[members] = await self.store.times(shard)
        newest = int(time_s.max(initial=0))
        self.board.time = max(self.board.time, newest * 1000)
        self._old = newest - time_s > self._patience_s

    async def _read_alerts(self, wanted: set[str]) -> None:
        found: dict[str, bytes | None]
        if self._is_due("alerts", REREAD_S):
            found = {key.decode(): data for key, data in (await self.store.alerts()).items()}
            for gone in self.board.sections["alerts"].now.keys() - found.keys():
                self._show_alert(gone, None)
        else:
            found = await self.store.some_alerts(wanted)
        for key, data in found.items():
            self._show_alert(key, data)

    async def _read_incidents(self, wanted: set[str], every: bool) -> None:
        found: dict[str, bytes | None]
        if every:
            found = {key.decode(): data for key, data in (await self.store.incidents()).items()}
            found |= dict.fromkeys(self.board.sections["incidents"].now.keys() - found.keys())
        else:
            found = await self.store.some_incidents(wanted)
        for key, data in found.items():
            self._show_incident(key, data)

    def _show_incident(self, key: str, data: bytes | None) -> None:
        """Put one incident on the board; one that cannot be read is logged and must not take the others with it."""
        try:
            it = None if data is None else from_json(data, Incident)
        except msgspec.MsgspecError as error:
            log.error("incident %s in the store cannot be read: %s", key, error)
            return
        self.scenery.incident(key, it)
        self.board.set("incidents", key, view.incident(it) if it and it.state != "closed" else None)

    def _show_alert(self, key: str, data: bytes | None) -> None:
        """Put one alert on the board; one that cannot be read is logged and must not take the others with it."""
        if data is None:
            self.board.set("alerts", key, None)
            self.scenery.alert(key, None)
            return
        try:
            it = from_json(data, Alert)
        except msgspec.MsgspecError as error:
            log.error("alert %s in the store cannot be read: %s", key, error)
            return
        self.scenery.alert(key, it)
        self.board.set("alerts", key, view.alert(it))
        self._opened[key] = (it.opened, view.level(it.severity))

    async def _read_watch(self) -> None:
        rows, dial = view.watch(await self.store.watch())
        self.board.put("watch", rows)
        self.board.put("budget", dial)

    async def _read_people(self) -> None:
        """Who looks at what, and which acknowledgements wait; those that went silent are left out."""
        self._people = False
        self.board.put("present", presence.shown(await self.store.present(), now_ms()))
        self.board.put("held", presence.waiting(await self.store.held()))

    async def _read_slow(self) -> None:
        now = now_ms()
        self.board.put("sources", view.sources(await self.store.sources(), now))
        self.board.put("counts", view.counts(await self.store.counters()))
        self.board.put("flood", view.flood(await self.store.flood()))
        self.board.put("drill", blind.told(await self.store.item(drills.ITEM), now))
        since = now - view.MINUTES_SHOWN * 60_000
        self._opened = {key: seen for key, seen in self._opened.items() if seen[0] >= since}
        self.board.put("minutes", view.minutes(self._opened, now))
        if self._zones or not self.board.history:
            self._zones = False
            tick, rows = view.zones(await self.store.zones())
            self.board.put("zones", rows)
            forecasts = await self.store.forecasts()
            self.board.put("ahead", view.ahead(forecasts, self.city))
            if tick:
                self.past.take(tick, rows, forecasts)
            self.scenery.zones(tick, rows, forecasts)
            self.board.history = await self._history()
        await self.scenery.read(self._value, now, time.monotonic())


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    """Until the event or the time, whichever comes first."""
    if timeout_s > 0 and not event.is_set():
        with suppress(TimeoutError):  # wait_for of Python 3.11 loses a cancellation that comes together with the event
            async with asyncio.timeout(timeout_s):
                await event.wait()
