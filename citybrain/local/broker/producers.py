"""What each idempotent producer has written to a partition, so that a batch sent again is not written again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from citybrain.local.broker.batch import Header
from citybrain.local.broker.errors import Code, Refused

_REMEMBERED = 5  # batches a client may have in flight, as in Apache Kafka
_LIMIT = 4_096  # producers per partition; the one silent for longest is forgotten first

Written = tuple[int, int, int]  # first sequence, last sequence, first offset
Snapshot = list[tuple[int, int, list[Written]]]  # producer, epoch, its last batches


@dataclass(slots=True)
class _Producer:
    epoch: int
    batches: deque[Written] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Producers:
    """The producers of one partition, the one that wrote last at the end."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._known: dict[int, _Producer] = {}
        for producer, epoch, batches in snapshot or ():
            self._known[producer] = _Producer(epoch, deque(batches, maxlen=_REMEMBERED))

    def snapshot(self) -> Snapshot:
        """The state as plain values."""
        return [(producer, state.epoch, list(state.batches)) for producer, state in self._known.items()]

    def duplicate(self, batch: Header) -> int | None:
        """The first offset of ``batch`` when it was written before, else None; raises ``Refused`` out of order."""
        state = self._known.get(batch.producer)
        if batch.producer < 0 or state is None:
            return None  # an unknown producer may begin anywhere: its earlier batches may have been deleted
        if batch.epoch < state.epoch:
            raise Refused(
                Code.INVALID_PRODUCER_EPOCH, f"producer {batch.producer} is at epoch {state.epoch}, not {batch.epoch}"
            )
        for first, last, offset in state.batches:
            if batch.epoch == state.epoch and (first, last) == (batch.sequence, batch.last_sequence):
                return offset
        expected = 0 if batch.epoch > state.epoch else (state.batches[-1][1] + 1) & 0x7FFFFFFF
        if batch.sequence != expected:
            raise Refused(
                Code.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {batch.producer} sent sequence {batch.sequence}, expected {expected}",
            )
        return None

    def wrote(self, batch: Header, offset: int) -> None:
        """Remember that ``batch`` lies at ``offset``."""
        if batch.producer < 0:
            return
        state = self._known.pop(batch.producer, None)
        if state is None or state.epoch != batch.epoch:
            state = _Producer(batch.epoch)
        state.batches.append((batch.sequence, batch.last_sequence, offset))
        self._known[batch.producer] = state
        if len(self._known) > _LIMIT:
            del self._known[next(iter(self._known))]
