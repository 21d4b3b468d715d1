"""A viewer: one open wall or desk, and the frames it is sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

BACKLOG = 16  # frames; a viewer further behind than this (4 s) is given a snapshot instead


def frame(event: str, data: bytes, seq: int | None = None) -> bytes:
    """A server-sent event; ``data`` must be one line, as JSON is."""
    mark = b"" if seq is None else b"id: %d\n" % seq
    return b"event: " + event.encode() + b"\n" + mark + b"data: " + data + b"\n\n"


class Viewer:
    """Frames for one browser. A browser that reads too slowly loses its backlog and starts from a snapshot again."""

    def __init__(self, snapshot: Callable[[], bytes]) -> None:
        self._snapshot = snapshot
        self._waiting: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._fresh = True
        self._closed = False
        self._ready.set()

    def send(self, data: bytes) -> None:
        """Queue a frame; it is dropped when a snapshot that covers it is due anyway."""
        if self._fresh:
            return
        self._waiting.append(data)
        if len(self._waiting) > BACKLOG:
            self.restart()
        self._ready.set()

    def restart(self) -> None:
        """Send a snapshot next, whatever was queued."""
        self._waiting.clear()
        self._fresh = True
        self._ready.set()

    def close(self) -> None:
        """End the frames."""
        self._closed = True
        self._ready.set()

    async def frames(self) -> AsyncIterator[bytes]:
        """The frames until ``close``; the first is a snapshot."""
        while not self._closed:
            await self._ready.wait()
            self._ready.clear()
            while not self._closed and (self._fresh or self._waiting):
                if self._fresh:  # taken when it is sent, so the deltas queued after it fit to it
                    self._fresh = False
                    yield self._snapshot()
                else:
                    yield self._waiting.popleft()
