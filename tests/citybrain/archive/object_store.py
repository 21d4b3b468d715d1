"""A server of the S3 protocol on this machine, which checks its keys; it can be taken away and come back."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import uvicorn
from pys3local.metadata_db import MetadataDB
from pys3local.providers.local import LocalStorageProvider
from pys3local.server import create_s3_app
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from citybrain.local import ports

READY_S = 30.0
KEY, SECRET, BUCKET = "key", "secret", "default"


class ObjectStore:
    """``with ObjectStore(folder) as store``: bucket ``default``, at ``store.environment``."""

    def __init__(self, folder: Path) -> None:
        self.port = ports.free_port()
        self._kept = Kept(folder / "objects", metadata_db=MetadataDB(folder / "objects.db"))
        self.uploads = Uploads(self._kept)
        self._app = Whole(create_s3_app(provider=self._kept, access_key=KEY, secret_key=SECRET), self.uploads)

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables that lead to it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # the server takes plain bodies only
        }

    def __enter__(self) -> ObjectStore:
        self._server = uvicorn.Server(uvicorn.Config(self._app, "127.0.0.1", self.port, log_level="critical"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + READY_S
        while not self._server.started:
            assert time.monotonic() < end, f"the object store did not start within {READY_S:g} s"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()


class Kept(LocalStorageProvider):  # type: ignore[misc]  # the package has no types
    """Objects below a folder; the name of what is copied comes as it stands in an address."""

    def copy_object(self, src_bucket: str, src_key: str, dst_bucket: str, dst_key: str) -> Any:
        """Copy an object."""
        return super().copy_object(src_bucket, unquote(src_key), dst_bucket, dst_key)


class Uploads:
    """Uploads in parts, which the server lacks; an object is there when all of them are, in the order that is told.

    ``on_part(number)`` is called when a part has come; what it returns is the answer's status.
    """

    def __init__(self, kept: LocalStorageProvider) -> None:
        self._kept = kept
        self._parts: dict[str, dict[int, bytes]] = {}
        self.on_part: Callable[[int], int] = lambda _: 200

    @property
    def open(self) -> int:
        """How many were begun and not completed."""
        return len(self._parts)

    def answer(self, method: str, path: str, asked: dict[str, list[str]], body: bytes) -> tuple[int, str, bytes] | None:
        """Status, ETag and body of the answer; None for a request about something else."""
        upload = asked.get("uploadId", [""])[0]
        if method == "POST" and "uploads" in asked:
            made = f"upload-{time.monotonic_ns()}"
            self._parts[made] = {}
            return (
                200,
                "",
                f"<InitiateMultipartUploadResult><UploadId>{made}</UploadId></InitiateMultipartUploadResult>".encode(),
            )
        if method == "PUT" and upload:
            number = int(asked["partNumber"][0])
            status = self.on_part(number)
            if status == 200:
                self._parts[upload][number] = body
            return status, _etag(body), b""
        if method == "POST" and upload:
            return self._complete(path, self._parts.pop(upload), body)
        if method == "DELETE" and upload:
            del self._parts[upload]
            return 204, "", b""
        return None

    def _complete(self, path: str, parts: dict[int, bytes], told: bytes) -> tuple[int, str, bytes]:
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", told)]
        whole = b"".join(parts[number] for number in numbers)
        bucket, _, key = path.lstrip("/").partition("/")
        self._kept.put_object("", key, whole)  # its one bucket has no folder
        named = f"<Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{_etag(whole)}</ETag>"
        return 200, "", f"<CompleteMultipartUploadResult>{named}</CompleteMultipartUploadResult>".encode()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class Whole:
    """What the server lacks: parts of objects, sent or asked for, and markers of folders that have objects."""

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("method") == "PUT" and scope["path"].endswith("/"):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            return
        query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
        if query.keys() & {"uploads", "uploadId"}:
            told = self._uploads.answer(scope["method"], scope["path"], query, await _body(receive))
            assert told is not None, f"{scope['method']} {query} is no step of an upload"
            await _say(send, *told)
            return
        asked = dict(scope.get("headers", ())).get(b"range", b"").decode()
        if scope.get("method") != "GET" or not asked.startswith("bytes="):
            await self._app(scope, receive, send)
            return
        start: dict[str, Any] = {}
        body = bytearray()

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, gather)
        if start["status"] == 200:
            first, last = asked.removeprefix("bytes=").split("-")
            after = min(int(last or len(body)) + 1, len(body))
            part = f"bytes {first}-{after - 1}/{len(body)}".encode()
            body = body[int(first) : after]
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            start |= {
                "status": 206,
                "headers": [*kept, (b"content-length", str(len(body)).encode()), (b"content-range", part)],
            }
        await send(start)
        await send({"type": "http.response.body", "body": bytes(body)})


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body.extend(message.get("body", b""))
        more = message.get("more_body", False)
    return bytes(body)


async def _say(send: Send, status: int, etag: str, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/xml")]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *([(b"etag", etag.encode())] if etag else [])],
        }
    )
    await send({"type": "http.response.body", "body": body})
