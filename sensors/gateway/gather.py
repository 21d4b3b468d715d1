"""Micro-batches: the readings of many requests gathered into few messages, a shard each."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from config import contract
from models import batch
from models.values import DeadLetter, to_json
from sensors.gateway import private
from sensors.gateway.checks import Checked
from sensors.gateway.outlet import RECORD_BYTES, Message, Outlet

ROWS = 2_000  # readings in one message
WINDOW_ROWS = 20_000  # readings that are sent without waiting for more
LETTER_BYTES = 64 * 1024  # of a body that is kept in a dead letter
OVERHEAD = 64  # bytes a record takes besides key and value, at most


@dataclass(frozen=True, slots=True)
class Intake:
    """What one request brings: readings of ``source`` taken at ``accepted`` (ms), the rows refused, and events
    (models/events.py)."""

    source: str
    accepted: int
    readings: Checked
    letters: Sequence[DeadLetter] = ()
    events: Sequence[bytes] = ()


@dataclass(eq=False, slots=True)
class _Window:
    """Requests that are sent and answered together."""

    intakes: list[Intake] = field(default_factory=list)
    rows: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    spooled: bool = False
    failure: Exception | None = None


class Gatherer:
    """Gathers what comes within ``linger_s`` seconds, or ``WINDOW_ROWS`` readings, and sends it by shard.

    ``shard`` (datastreams,) is the partition of each datastream; it may be replaced by a longer one. A message carries
    the readings of one source, in the order they came; messages leave in the order of their windows, so the order per
    datastream is kept.
    """

    def __init__(self, outlet: Outlet, city: str, shard: NDArray[np.int16], linger_s: float) -> None:
        self._outlet = outlet
        self._readings = contract.READINGS.of(city)
        self._dead_letters = contract.DEAD_LETTERS.of(city)
        self._events = contract.EVENTS.of(city)
        self.shard = shard
        self._linger_s = linger_s
        self._window: _Window | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def add(self, intake: Intake) -> bool:
        """Return once everything in ``intake`` is confirmed; True when the spool holds a part of it.

        Raises ``Backpressure`` when it can be kept nowhere.
        """
        window = self._window
        if window is None:
            window = self._window = _Window()
            self._timer = asyncio.get_running_loop().call_later(self._linger_s, self._flush)
        window.intakes.append(intake)
        window.rows += len(intake.readings) + len(intake.letters) + len(intake.events)
        if window.rows >= WINDOW_ROWS:
            self._flush()
        await window.done.wait()
        if window.failure is not None:
            raise window.failure
        return window.spooled

    def _flush(self) -> None:
        window, self._window = self._window, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if window is not None:
            task = asyncio.create_task(self._send(window), name="gateway-window")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, window: _Window) -> None:
        try:
            window.spooled = await self._outlet.deliver(
                [*self._batches(window), *self._told(window), *self._letters(window)]
            )
        except Exception as error:  # it is raised again in each waiting request
            window.failure = error
        finally:
            window.done.set()

    def _batches(self, window: _Window) -> Iterator[Message]:
        by_source: dict[str, list[Intake]] = {}
        for intake in window.intakes:
            if len(intake.readings):
                by_source.setdefault(intake.source, []).append(intake)
        for source, intakes in by_source.items():
            for shard, rows in split(_join(source, intakes), self.shard):
                yield self._outlet.message(self._readings, shard, [(b"", batch.encode(rows))])

    def _told(self, window: _Window) -> Iterator[Message]:
        """The events, each source's in their order."""
        for records in packs((intake.source.encode(), event) for intake in window.intakes for event in intake.events):
            yield self._outlet.message(self._events, 0, records)

    def _letters(self, window: _Window) -> Iterator[Message]:
        letters = (letter for intake in window.intakes for letter in intake.letters)
        for records in packs((letter.id.encode(), to_json(letter)) for letter in letters):
            yield self._outlet.message(self._dead_letters, 0, records)


def _join(source: str, intakes: Sequence[Intake]) -> batch.Batch:
    parts = [intake.readings for intake in intakes]
    return batch.batch(
        np.concatenate([part.datastream for part in parts]),
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.value for part in parts]),
        source=source,
        accepted=min(intake.accepted for intake in intakes),
    )


def split(readings: batch.Batch, shard: NDArray[np.int16], rows: int = ROWS) -> Iterator[tuple[int, batch.Batch]]:
    """The readings by shard, at most ``rows`` in a batch, each datastream's in their order."""
    shards = shard[readings.datastream]
    order = np.argsort(shards, kind="stable")
    counts = np.bincount(shards)
    ends = np.cumsum(counts)
    for number, (count, end) in enumerate(zip(counts.tolist(), ends.tolist(), strict=True)):
        for at in range(end - count, end, rows):
            yield number, readings.take(order[at : min(at + rows, end)])


def packs(
    records: Iterable[tuple[bytes, bytes]], limit: int = RECORD_BYTES // 2
) -> Iterator[list[tuple[bytes, bytes]]]:
    """The records in groups that fit into one record batch of ``limit`` bytes."""
    pack: list[tuple[bytes, bytes]] = []
    size = OVERHEAD
    for key, value in records:
        room = len(key) + len(value) + OVERHEAD
        if pack and size + room > limit:
            yield pack
            pack, size = [], OVERHEAD
        pack.append((key, value))
        size += room
    if pack:
        yield pack


def letter(source: str, at: int, reason: str, field: str, body: bytes, form: str) -> DeadLetter:
    """A dead letter, without personal data; the same body of the same source refused for the same field has the same
    id."""
    body, reason = private.body(body[:LETTER_BYTES]), private.words(reason)
    number = hashlib.blake2b(b"|".join([source.encode(), field.encode(), body]), digest_size=12).hexdigest()
    return DeadLetter(id=number, at=at, source=source, reason=reason, field=field, body=body, format=form)
