"""The body of a request: read within its limits, unpacked when it came as gzip."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from sensors.problems import Problem

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

READ_S = 30.0  # a sender has this long for its whole body
DISCARD_BYTES = 256 * 1024  # of a refused body that are read, so that a sender who is still writing sees the answer
DISCARD_S = 1.0
GZIP = 16 + zlib.MAX_WBITS


class Gone(Exception):
    """The sender went away before its body was here; there is nobody to answer."""


class Bodies:
    """The bodies being read: each of at most ``limit`` bytes, packed and unpacked, all together ``budget``."""

    def __init__(self, limit: int, budget: int) -> None:
        self.limit = limit
        self.budget = budget
        self.held = 0

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        """The whole body; raises ``Problem`` 408, 413, 415, 422 or 503, and ``Gone``."""
        unpack = _Unpacker(headers.get(b"content-encoding", b"").strip().lower(), self.limit)
        if int(headers.get(b"content-length", b"0")) > self.limit:
            raise too_large(int(headers[b"content-length"]), self.limit)
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            return unpack.whole(message.get("body", b""))
        try:
            async with asyncio.timeout(READ_S):
                return await self._read_on(receive, message, unpack)
        except TimeoutError as error:
            detail = f"the body was not complete after {READ_S:g} s"
            remedy = "send smaller batches, or compress them with gzip"
            raise Problem(status=408, kind="slow-body", detail=detail, field="body", remedy=remedy) from error

    async def _read_on(self, receive: Receive, message: MutableMapping[str, Any], unpack: _Unpacker) -> bytes:
        held = 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise Gone
                chunk = message.get("body", b"")
                held += len(chunk)
                self._hold(len(chunk))
                unpack.add(chunk)
                if not message.get("more_body"):
                    return unpack.end()
                message = await receive()
        finally:
            self.held -= held

    def _hold(self, size: int) -> None:
        self.held += size
        if self.held > self.budget:
            detail = f"bodies of {self.held} bytes are being read, at most {self.budget} at a time"
            remedy = "send again after Retry-After, in smaller batches"
            headers = {"retry-after": "1"}
            raise Problem(status=503, kind="busy", detail=detail, limit=self.budget, remedy=remedy, headers=headers)


class _Unpacker:
    """Joins the chunks of a body, and unpacks them on the way."""

    def __init__(self, encoding: bytes, limit: int) -> None:
        if encoding not in (b"", b"identity", b"gzip"):
            raise Problem(
                status=415,
                kind="content-encoding",
                detail="this content encoding is not understood",
                field="Content-Encoding",
                value=encoding.decode("latin-1"),
                limit="gzip",
                remedy="send the body as it is, or as gzip",
            )
        self._gzip = zlib.decompressobj(GZIP) if encoding == b"gzip" else None
        self._limit = limit
        self._parts: list[bytes] = []
        self._taken = self._size = 0

    def whole(self, body: bytes) -> bytes:
        if self._gzip is None and len(body) <= self._limit:
            return body
        self.add(body)
        return self.end()

    def add(self, chunk: bytes) -> None:
        self._taken += len(chunk)
        part = chunk if self._gzip is None else self._inflated(self._gzip, chunk)
        self._size += len(part)
        if max(self._size, self._taken) > self._limit:
            raise too_large(max(self._size, self._taken), self._limit)
        self._parts.append(part)

    def end(self) -> bytes:
        if self._gzip is not None and not self._gzip.eof:
            raise _bad_gzip("the gzip stream ends early")
        return b"".join(self._parts)

    def _inflated(self, gzip: zlib._Decompress, chunk: bytes) -> bytes:
        try:
            part = gzip.decompress(chunk, self._limit - self._size + 1)
        except zlib.error as error:
            raise _bad_gzip(f"the body is no gzip stream: {error}") from error
        if gzip.unused_data:
            raise _bad_gzip("something follows the gzip stream")
        return part


async def discard(receive: Receive) -> None:
    """Read a little of a body that was refused, so that its sender is not cut off while it is still writing."""
    left = DISCARD_BYTES
    try:
        async with asyncio.timeout(DISCARD_S):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return


def too_large(size: int, limit: int) -> Problem:
    """The answer to a body of ``size`` bytes or more."""
    return Problem(
        status=413,
        kind="too-large",
        detail=f"the body has {size} bytes or more, at most {limit} are taken",
        field="body",
        value=size,
        limit=limit,
        remedy="send it in several requests",
        headers={"connection": "close"},  # what is still coming need not be read
    )


def _bad_gzip(detail: str) -> Problem:
    return Problem(status=422, kind="undecodable", detail=detail, field="body", remedy="send one whole gzip stream")
