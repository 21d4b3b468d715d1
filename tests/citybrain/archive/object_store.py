"""A server of the S3 protocol on this machine, which checks its keys; it can be taken away and come back."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

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
        kept = LocalStorageProvider(folder / "objects", metadata_db=MetadataDB(folder / "objects.db"))
        self._app = Whole(create_s3_app(provider=kept, access_key=KEY, secret_key=SECRET))

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


class Whole:
    """What the server lacks: parts of objects, and markers of folders that have objects."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("method") == "PUT" and scope["path"].endswith("/"):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
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
            told = f"bytes {first}-{after - 1}/{len(body)}".encode()
            body = body[int(first) : after]
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            start |= {
                "status": 206,
                "headers": [*kept, (b"content-length", str(len(body)).encode()), (b"content-range", told)],
            }
        await send(start)
        await send({"type": "http.response.body", "body": bytes(body)})
