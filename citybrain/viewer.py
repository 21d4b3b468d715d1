"""A viewer without a browser: follows the wall's stream as a browser would, and measures how late it is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp
import msgspec
import numpy as np

KEEP = 100_000


class _Delta(msgspec.Struct):
    """What is read of a delta; other members are left alone."""

    accepted: int | None = None


_delta = msgspec.json.Decoder(_Delta)


@dataclass(slots=True)
class Viewer:
    """Follows ``url`` (the wall's address) with a display's token; ``late_ms`` are accepted-to-received times."""

    url: str
    token: str
    late_ms: list[float] = field(default_factory=list)
    bytes: int = 0

    async def follow(self) -> None:
        """Read the stream for ever; when it breaks, come back after a second as a browser does."""
        while True:
            try:
                async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                    await session.get(f"{self.url}/wall", params={"display": self.token})
                    timeout = aiohttp.ClientTimeout(total=None, sock_read=10)
                    async with session.get(f"{self.url}/stream", timeout=timeout) as answer:
                        answer.raise_for_status()
                        await self._read(answer.content)
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(1)

    async def _read(self, content: aiohttp.StreamReader) -> None:
        event = ""
        buffer = b""
        async for chunk in content.iter_any():
            self.bytes += len(chunk)
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"event: "):
                    event = line[7:].decode()
                elif line.startswith(b"data: ") and event == "delta":
                    accepted = _delta.decode(line[6:]).accepted
                    if accepted and len(self.late_ms) < KEEP:
                        self.late_ms.append(time.time() * 1000 - accepted)

    def percentiles(self) -> tuple[float | None, float | None]:
        """The 50th and 99th percentile of accepted to received, in ms; None before anything was received."""
        if not self.late_ms:
            return None, None
        p50, p99 = np.percentile(self.late_ms, [50, 99])
        return round(float(p50), 1), round(float(p99), 1)
