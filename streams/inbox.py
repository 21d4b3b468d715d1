"""The inbox of a partition: what was read, what is safe, what may be committed.

Faust commits what is acknowledged. Here a message is acknowledged only once what came of it is safe (a snapshot or a
file on disk), so that a crash at any moment repeats messages and never loses one; the repeated are skipped by offset.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


class Gap(RuntimeError):
    """A message is missing before one that came; the process must read again from what is safe."""


@dataclass(slots=True)
class Inbox:
    """Messages of one partition. ``next`` is the first offset not yet taken, ``safe`` the first not yet safe.

    ``whole``: the log has every offset (it is not compacted), so that a gap is a fault of the way here.
    """

    next: int = 0
    safe: int = 0
    whole: bool = True
    held: deque[Any] = field(default_factory=deque)

    def take(self, event: Any) -> bool:
        """Note the event; True when it is new, False when it was taken before and must be skipped.

        Raises ``Gap`` when messages before it are missing.
        """
        offset = event.message.offset
        if offset < self.safe:
            event.ack()
            return False
        if self.whole and offset > self.next:
            raise Gap(f"message {offset} of {event.message.tp} came, {self.next} was due")
        self.held.append(event)
        if offset < self.next:
            return False
        self.next = offset + 1
        return True

    def lighten(self) -> None:
        """Let go of the bytes of what is held: only the acknowledgement is still needed."""
        for event in reversed(self.held):
            if event.message.value is None:
                break
            event.value = None
            event.message.value = None

    def begin(self, first: int) -> int:
        """The log begins at ``first``; how many messages it has dropped (by retention) before they were taken."""
        lost = max(0, first - self.next)
        self.next = max(self.next, first)
        self.safe = max(self.safe, first)
        return lost

    def saved(self, offset: int) -> None:
        """Everything before ``offset`` is safe: acknowledge it."""
        self.safe = max(self.safe, offset)
        while self.held and self.held[0].message.offset < offset:
            self.held.popleft().ack()

    def forget(self) -> None:
        """The partition is read again from its committed offset: what is held will come again."""
        self.held.clear()
