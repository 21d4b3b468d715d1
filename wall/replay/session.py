"""One session: a clock that people turn, the board it shows, and who looks at it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.values import Alert, Incident, Unit, from_json
from wall import view
from wall.board import Board
from wall.replay.notice import Notice
from wall.replay.recording import Ask, Mark, Recording, ReplayError, Shot
from wall.scenery import unit_row
from wall.viewer import Viewer, frame

log = logging.getLogger(__name__)
FRAME_S = 0.2  # so often a playing session shows a new picture
BEAT_S = 1.0
SLOWEST, FASTEST = 0.1, 3_600.0
COARSE = 120.0  # from this speed on a picture may be a minute behind
LEVELS_A_FRAME = 30_000
JUMP_FRAMES = 8  # of ordinary play; more than so many at once is a jump
CADENCES = 20  # without a reading a datastream is drawn as having no data


class Clock(msgspec.Struct):
    """Where a session is: ``at`` phenomenon time in ms."""

    start: int
    end: int
    at: float
    speed: float
    playing: bool = False
    loop: bool = False
    notices: tuple[Notice, ...] = ()


class Control(msgspec.Struct):
    """What somebody does to the clock; ``at`` ms for "seek", ``value`` for "speed", "step" and "loop"."""

    do: str
    at: float | None = None
    value: float = 1.0


class Session:
    """A recording with its clock and board; ``kind`` (datastreams,) and ``patience_s`` (datastreams,) as in the hub."""

    def __init__(
        self,
        name: str,
        ask: Ask,
        recording: Recording,
        city: str,
        board: Board,
        patience_s: NDArray[np.float64],
    ) -> None:
        self.name = name
        self.ask = ask
        self.recording = recording
        self.city = city
        self.board = board
        self.viewers: set[Viewer] = set()
        self.idle_since = time.monotonic()
        self.clock = Clock(recording.start, recording.end, float(recording.start), speed_within(ask.speed))
        self.marks: tuple[Mark, ...] = tuple(recording.marks())
        self._patience_s = patience_s
        self._rows: dict[str, tuple[bytes, view.Row]] = {}
        self._doing = 0
        self._jumped = True
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._moved = time.monotonic()
        self._shown: tuple[float, bool] | None = None  # the moment of the picture, and whether it may be behind it

    # --- viewers ------------------------------------------------------------------------------------------------

    def join(self) -> Viewer:
        """A new viewer; ``leave`` must follow."""
        viewer = Viewer(lambda: frame("snapshot", self.board.snapshot(self._doing), self.board.seq) + self.beat())
        self.viewers.add(viewer)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"replay {self.name}")
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer; nobody looking pauses nothing but costs nothing either."""
        self.viewers.discard(viewer)
        self.idle_since = time.monotonic()

    async def close(self) -> None:
        """End the session."""
        for viewer in self.viewers:
            viewer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def beat(self) -> bytes:
        """Where the clock stands; ``at`` is the room's clock then."""
        self.clock.notices = tuple(self.recording.notices)
        body = {"at": self._doing, "store": True, "changed": self._doing, "time": self.board.time, "replay": self.clock}
        return frame("beat", msgspec.json.encode(body))

    # --- the clock ----------------------------------------------------------------------------------------------

    def turn(self, control: Control) -> Clock:
        """Turn the clock; raises ``ReplayError`` for what it does not know or cannot be."""
        clock = self.clock
        match control.do:
            case "play":
                if clock.at >= clock.end:
                    self._to(clock.start)
                clock.playing, self._moved = True, time.monotonic()
            case "pause":
                clock.playing = False
            case "speed":
                clock.speed = speed_within(control.value)
            case "loop":
                clock.loop = bool(control.value)
            case "seek":
                if control.at is None:
                    raise ReplayError("seek needs at, ms of phenomenon time within the span")
                self._to(control.at)
            case "step":
                clock.playing = False
                self._to(clock.at + control.value * self.recording.step_ms)
            case "next" | "previous":
                self._to_alert(1 if control.do == "next" else -1)
            case _:
                raise ReplayError(
                    f"{control.do!r} is nothing to do; there are play, pause, seek, step, speed, loop, next, previous"
                )
        self._stirred.set()
        return clock

    def _to(self, at: float) -> None:
        self.clock.at = min(max(at, self.clock.start), self.clock.end)
        self._moved = time.monotonic()
        self._jumped = True

    def _to_alert(self, way: int) -> None:
        """To the next or the previous moment at which an alert was opened."""
        times = sorted({mark.at for mark in self.marks if mark.kind == "alert"})
        after = (
            [at for at in times if at > self.clock.at] if way > 0 else [at for at in times if at < self.clock.at - 1]
        )
        if not after:
            raise ReplayError("no alert was opened " + ("after this moment" if way > 0 else "before this moment"))
        self._to(after[0] if way > 0 else after[-1])

    async def _run(self) -> None:
        """Show a picture whenever the clock has moved, for ever."""
        while True:
            try:
                await self._turn()
            except (ReplayError, OSError, msgspec.MsgspecError) as error:
                log.error("replay %s: %s", self.name, error)
            self._stirred.clear()
            wait = FRAME_S if self.clock.playing else BEAT_S
            try:
                await asyncio.wait_for(self._stirred.wait(), wait)
            except TimeoutError:
                continue

    async def _turn(self) -> None:
        clock, now = self.clock, time.monotonic()
        elapsed, self._moved = now - self._moved, now
        if clock.playing and self.viewers:
            clock.at += elapsed * clock.speed * 1000
            if clock.at >= clock.end:
                clock.playing = clock.loop
                self._to(clock.start if clock.loop else clock.end)
        at, coarse = clock.at, clock.playing and clock.speed >= COARSE and not self._jumped
        if (at, coarse) != self._shown:
            jumped, self._jumped = self._jumped, False
            shot = await asyncio.to_thread(self.recording.shot, int(at), coarse)
            self._shown = at, coarse
            self._show(shot, jumped)
        for viewer in self.viewers:
            viewer.send(self.beat())

    # --- the board ----------------------------------------------------------------------------------------------

    def _show(self, shot: Shot, jumped: bool) -> None:
        """Put a shot on the board and tell the viewers: what changed, or after a jump all of it."""
        board = self.board
        if jumped:
            board.forget()
        self._doing = board.changed = shot.doing
        board.time = max(int(shot.time_s.max(initial=0)) * 1000, shot.at - self.recording.step_ms)
        board.scale = board.scale.grown(shot.value, board.kind)
        place = board.scale.places(shot.value, board.kind)
        place[shot.at / 1000 - shot.time_s > self._patience_s] = np.nan
        board.place = place
        board.put("alerts", self._alerts(shot))
        board.put("incidents", self._incidents(shot))
        board.put("units", self._units(shot))
        _, zones = view.zones(shot.zones)
        board.put("zones", zones)
        board.put("ahead", view.ahead(shot.ahead, self.city))
        rows, dial = view.watch(shot.watch)
        board.put("watch", rows)
        board.put("budget", dial)
        opened = {key: (row["opened"], row["level"]) for key, row in board.sections["alerts"].now.items()}
        board.put("minutes", view.minutes(opened, shot.doing))
        board.history = view.history(shot.history)
        delta = board.delta(shot.doing, None, len(board.level) if jumped else LEVELS_A_FRAME)
        for viewer in self.viewers:
            if jumped:
                viewer.restart()
            elif delta is not None:
                viewer.send(frame("delta", delta, board.seq))

    def _alerts(self, shot: Shot) -> dict[str, view.Row]:
        found = {
            key: self._row(key, body, lambda data: view.alert(from_json(data, Alert)))
            for key, body in shot.alerts.items()
        }
        return {key: row for key, row in found.items() if row is not None}

    def _incidents(self, shot: Shot) -> dict[str, view.Row]:
        made = {
            key: self._row(f"incident/{key}", body, lambda data: view.incident(from_json(data, Incident)))
            for key, body in shot.incidents.items()
        }
        return {key: row for key, row in made.items() if row is not None and row["state"] != "closed"}

    def _units(self, shot: Shot) -> dict[str, view.Row]:
        made = {
            key: self._row(f"unit/{key}", body, lambda data: unit_row(from_json(data, Unit)))
            for key, body in shot.units.items()
        }
        return {key: row for key, row in made.items() if row is not None}

    def _row(self, key: str, body: bytes, made: Any) -> view.Row | None:
        """The row of one body, made once while the body stays the same; None for one that cannot be read."""
        known = self._rows.get(key)
        if known is not None and known[0] == body:
            return known[1]
        try:
            row: view.Row = made(body)
        except msgspec.MsgspecError as error:
            log.error("replay %s: %s cannot be read: %s", self.name, key, error)
            return None
        self._rows[key] = (body, row)
        return row


def speed_within(speed: float) -> float:
    """The speed, where it is one; raises ``ReplayError`` naming the limits."""
    if not SLOWEST <= speed <= FASTEST:
        raise ReplayError(f"speed {speed:g} is not within {SLOWEST:g} to {FASTEST:,.0f} times real time")
    return float(speed)
