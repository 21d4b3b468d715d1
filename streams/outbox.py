"""The outbox: messages sent and not yet confirmed; nothing is called safe before the broker has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any


class Outbox:
    """Sends through an app's producer and remembers what the broker has not confirmed; ``told`` counts messages."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._pending: list[Awaitable[Any]] = []
        self.told = 0

    async def send(self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None) -> None:
        """Hand one message to the producer; it is safe only after ``confirmed``."""
        self._pending.append(await self._app.producer.send(topic, key, value, partition, None, None))
        self.told += 1

    async def confirmed(self) -> None:
        """Wait until the broker has all that was sent before; raises the broker's error."""
        pending, self._pending = self._pending, []
        if pending:
            await asyncio.gather(*pending)
