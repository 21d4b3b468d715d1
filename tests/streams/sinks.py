"""Where notifications arrive in the tests: a webhook and a mailbox on this machine that keep all they get."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from citybrain.local.ports import free_port


@dataclass
class Webhook:
    """What was posted: (headers, body) each; ``refuse`` so many with 503 first."""

    port: int = 0
    refuse: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook"

    def taken(self) -> list[str]:
        """The key of each copy, in the order they came."""
        return [headers["x-citybrain-key"] for headers, _ in self.got]

    def rows(self) -> list[dict[str, Any]]:
        """The bodies."""
        return [json.loads(body) for _, body in self.got]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A server that takes what is posted."""
    sink = Webhook()

    class _Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender died in the middle of it
                return
            if sink.refuse:
                sink.refuse -= 1
                self.send_response(503)
            else:
                sink.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Mailbox:
    """The mails that came."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        """Take one mail."""
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 OK"

    def taken(self) -> list[str]:
        """The key of each mail."""
        return [str(mail["X-Citybrain-Key"]) for mail in self.mails]

    @property
    def address(self) -> str:
        """As apprise wants it."""
        return f"mailto://127.0.0.1:{self.port}?from=room@city.example&to=director@city.example&mode=insecure"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """An SMTP server that takes every mail."""
    box = Mailbox(free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
