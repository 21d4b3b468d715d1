"""A span of the archive opened for a session: what the live picture showed at any moment of it.

Reads files and nothing else. Alerts, incidents and the ticks are the very bytes that were shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np

from citybrain.archive.files import ArchiveError
from citybrain.archive.pictures import Pictures
from citybrain.archive.reader import Archive, Recorded, day_of, shown
from citybrain.replay.ledger import Ledger
from citybrain.replay.ticks import Ticks
from config.city import City
from config.register import Register
from models.room import LINGER_MS
from models.values import Alert, Incident, Text, from_json
from wall.board import HISTORY_SHOWN
from wall.replay.notice import Notice, notice
from wall.replay.recording import Ask, Mark, MarkKind, Shot
from wall.view import level

AROUND_MS = 10 * 60_000  # shown before and after an incident
BEFORE_MS = 7 * 86_400_000  # how far back it is looked for what was open at the start
LONGEST_MS = 31 * 86_400_000  # a longer span is looked at piece by piece
THREADS = 2  # that look for what the shards showed; they read and unpack files most of the time
LATE_MS = 3_600_000  # messages of the span's readings may have come so much later


class _Closed(msgspec.Struct):
    """Of an alert or an incident when it was closed."""

    closed: int | None = None


class _Line(msgspec.Struct):
    """Of a line of the audit what a mark says."""

    subject: str = ""
    by: str = ""
    did: str = ""
    command: str = ""


class Span:
    """One span, opened: from ``start`` to ``end``, ms of phenomenon time; ``step_ms`` is the city's tick."""

    def __init__(self, archive: Archive, home: Path, city: City, register: Register, start: int, end: int) -> None:
        archive.need(start, end)
        self._archive = archive
        self._members = [register.members(shard) for shard in range(register.shards)]
        self._datastreams = len(register)
        self.step_ms = city.tick_ms
        self.start, self.end = self._clipped(start, end)
        self.clock = archive.clock(self.start, self.end)
        first, last = self.clock.doing(self.start), self.clock.doing(self.end) + LATE_MS
        topics = ("alerts", "incidents", "units")
        self.alerts, self.incidents, self.units = (self._ledger(topic, first, last) for topic in topics)
        self.ticks = Ticks(archive, first - LATE_MS, last)
        self.pictures = Pictures(home / "pictures", archive, self._members, city.tick_ms)
        self._commands = archive.messages("audit", first, last)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="recording")

    def _clipped(self, start: int, end: int) -> tuple[int, int]:
        """The part of the span of which there are readings."""
        there = self._archive.reaches()
        assert there is not None  # ``need`` has looked
        if start < there[0] - self.step_ms or end > there[1] + self.step_ms:
            self._archive.notices.add(notice("recorded-only", first=shown(there[0]), last=shown(there[1])))
        return max(start, there[0]), min(end, there[1])

    def _ledger(self, topic: str, first: int, last: int) -> Ledger:
        return Ledger(
            self._archive.last(topic, first, since=first - BEFORE_MS), self._archive.messages(topic, first, last)
        )

    @property
    def notices(self) -> Sequence[Notice]:
        """What could not be read."""
        return self._archive.notices.told

    # --- what was shown -----------------------------------------------------------------------------------------

    def shot(self, at: int, coarse: bool = False) -> Shot:
        """What was shown at ``at`` (ms); ``coarse`` may be one picture behind."""
        doing = self.clock.doing(at)
        value = np.full(self._datastreams, np.nan, np.float32)
        time_s = np.zeros(self._datastreams, np.int64)
        states = self._pool.map(lambda shard: self.pictures.at(shard, at, coarse), range(len(self._members)))
        for members, state in zip(self._members, states, strict=True):
            value[members], time_s[members] = state.value, state.time // 1000
        tick = self.ticks.place(at)
        ticked = self.ticks.read(tick) if tick >= 0 else None
        history = self.ticks.totals(tick, HISTORY_SHOWN) if tick >= 0 else []
        return Shot(
            at=at,
            doing=doing,
            value=value,
            time_s=time_s,
            alerts=_there(self.alerts, doing),
            incidents=_there(self.incidents, doing),
            units=self.units.at(doing),
            zones=None if ticked is None else msgspec.json.encode({"tick": ticked.tick, "rows": ticked.rows}),
            ahead=None if ticked is None or not ticked.ahead else msgspec.json.encode(ticked.ahead),
            watch=None if ticked is None or ticked.watch is None else msgspec.json.encode(ticked.watch),
            history=history,
        )

    def alert(self, key: str, at: int) -> bytes | None:
        """One alert's JSON as it was at ``at``."""
        return self.alerts.at(self.clock.doing(at)).get(key)

    def incident(self, key: str, at: int) -> bytes | None:
        """One incident's JSON as it was at ``at``."""
        return self.incidents.at(self.clock.doing(at)).get(key)

    # --- what happened ------------------------------------------------------------------------------------------

    def marks(self) -> list[Mark]:
        """What happened within the span, by time."""
        found = [*self._opened(), *self._begun(), *self._done()]
        within = (mark for mark in found if self.start <= mark.at <= self.end)
        return sorted(within, key=lambda mark: (mark.at, mark.kind))

    def _moment(self, message: Recorded) -> int:
        """The phenomenon time at which a message is there: seeking it shows the message."""
        return message.time if self.clock.live else self.clock.phenomenon(message.time + 1) + 1

    def _first(self, ledger: Ledger) -> Iterator[Recorded]:
        known: set[str] = set()
        for message in ledger:
            if message.key not in known and message.value is not None:
                known.add(message.key)
                yield message

    def _opened(self) -> Iterator[Mark]:
        for message in self._first(self.alerts):
            it = from_json(message.value or b"", Alert)
            yield Mark(self._moment(message), "alert", level(it.severity), it.id, it.detection.headline)

    def _begun(self) -> Iterator[Mark]:
        for message in self._first(self.incidents):
            it = from_json(message.value or b"", Incident)
            yield Mark(self._moment(message), "incident", level(it.severity), it.id, it.title)

    def _done(self) -> Iterator[Mark]:
        for message in self._commands:
            line = msgspec.json.decode(message.value or b"{}", type=_Line)
            if line.command and line.by:
                kind: MarkKind = "plan" if line.did in ("launch", "decline") else "command"
                yield Mark(self._moment(message), kind, 0, line.subject, Text(line.by, line.by), line.did)


def _there(ledger: Ledger, doing: int) -> dict[str, bytes]:
    """What the picture had: closed ones linger and leave."""
    held = ledger.at(doing)
    return {key: body for key, body in held.items() if _lingers(body, doing)}


def _lingers(body: bytes, doing: int) -> bool:
    closed = msgspec.json.decode(body, type=_Closed).closed
    return closed is None or doing - closed <= LINGER_MS


def span(archive: Archive, ask: Ask) -> tuple[int, int]:
    """The span that is asked for, of an incident with what was around it; raises ``ArchiveError`` when it is none."""
    start, end = ask.start, ask.end
    if ask.incident and not end:
        first, last = archive.incident(ask.incident).span
        start, end = first - AROUND_MS, last + AROUND_MS
    if end - start > LONGEST_MS:
        raise ArchiveError(
            f"{day_of(start)} to {day_of(end)} is {(end - start) / 86_400_000:.0f} days, a session takes at most "
            f"{LONGEST_MS // 86_400_000}: look at it piece by piece"
        )
    archive.need(start, end)
    return start, end
