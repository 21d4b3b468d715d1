"""Events as Faust gives them: a message with its offset, and an acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Message:
    """A message of partition 0 of the topic ``t``."""

    offset: int
    value: bytes | None = b"x"
    topic: str = "t"
    partition: int = 0
    generation_id: int = 1

    @property
    def tp(self) -> str:
        """Topic and partition."""
        return f"{self.topic}-{self.partition}"


@dataclass
class Event:
    """An event; ``acknowledged`` counts its acknowledgements."""

    message: Message
    value: Any = b"x"
    acknowledged: int = field(default=0)

    def ack(self) -> bool:
        """Acknowledge it."""
        self.acknowledged += 1
        return True


def event(offset: int, value: bytes | None = b"x") -> Event:
    """The event of the message at ``offset``."""
    return Event(Message(offset, value), value)
