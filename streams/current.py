"""Events of the current assignment only.

Faust may hand out messages while a worker is still taking over its partitions, and a message handed out before a
rebalance may be looked at after it. Here an agent waits until the take-over is done, and passes over what is of an
older generation: its new owner, maybe this same worker, reads it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any


async def current(app: Any, stream: Any, settled: asyncio.Event) -> AsyncIterator[Any]:
    """The events of ``stream`` (whose acknowledgements are our own), once ``settled``, of this generation."""
    async for event in stream.events():
        await settled.wait()
        if event.message.generation_id == app.consumer_generation_id:
            yield event
