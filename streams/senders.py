"""Sending one notification by one route: apprise, a signed webhook, or the journal. Every copy carries its key.

The key (the notification's ``id``) is the mail's header ``X-Citybrain-Key`` and the last line of every text; webhooks
have it in the body, in ``X-Citybrain-Key`` and in ``Idempotency-Key``. Who receives must count the same key once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from config.notifications import Way
from models.values import Notification

TIMEOUT_S = 10.0
KEY_HEADER = "X-Citybrain-Key"
TIME_HEADER = "X-Citybrain-Timestamp"
SIGNATURE_HEADER = "X-Citybrain-Signature"
JOURNAL = "notifications.jsonl"
JOURNAL_BYTES = 64 * 1024 * 1024  # a journal larger than this is set aside as .1
_KINDS = {"Extreme": "failure", "Severe": "failure", "Moderate": "warning", "Minor": "info"}  # apprise's own words


class NotSent(RuntimeError):
    """The route did not take the notification; the message says why, without the route's secrets."""


class Senders:
    """Sends by any route. ``home`` is the city's folder: journal, and ``secrets`` below it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._http: Any = None  # an httpx.AsyncClient, made at the first use

    async def send(self, way: Way, notification: Notification) -> None:
        """Hand the notification over; raises ``NotSent``."""
        secrets = self._home / "secrets"
        if way.route.via == "journal":
            await asyncio.to_thread(self.write_down, notification)
        elif way.route.via == "webhook":
            await self._post(way.address_now(secrets), way.secret_now(secrets), notification)
        else:
            await asyncio.to_thread(_apprise, way.address_now(secrets), notification)

    def write_down(self, notification: Notification, outcome: str = "") -> None:
        """Append it to the journal; on the disk when this returns."""
        path = self._home / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > JOURNAL_BYTES:
            path.replace(path.with_suffix(".jsonl.1"))
        row = content(notification) | ({"outcome": outcome} if outcome else {})
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    async def _post(self, url: str, secret: str, notification: Notification) -> None:
        if not secret:
            raise NotSent("the secret of this webhook is not set; it is never sent unsigned")
        import httpx  # not at the top: see ``warm``

        if self._http is None:
            self._http = httpx.AsyncClient(timeout=TIMEOUT_S)
        body = json.dumps(content(notification), ensure_ascii=False).encode()
        try:
            answer = await self._http.post(url, content=body, headers=signed(body, secret, notification.id))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotSent(f"the webhook cannot be reached: {type(error).__name__}") from error
        if not answer.is_success:
            raise NotSent(f"the webhook answered {answer.status_code}")

    @staticmethod
    def warm(vias: Collection[str]) -> None:
        """Load what these kinds of routes need. Half a second's work, done beside the start and not before it."""
        if "webhook" in vias:
            import httpx  # noqa: F401  # loaded for ``_post``
        if "apprise" in vias:
            import apprise

            plugins: Any = apprise.plugins
            plugins.url_to_dict("json://127.0.0.1", secure_logging=True)

    async def close(self) -> None:
        """Let go of open connections."""
        if self._http is not None:
            await self._http.aclose()


def content(notification: Notification) -> dict[str, Any]:
    """What a webhook's body and a journal's line hold."""
    return {
        "id": notification.id,
        "route": notification.route,
        "at": notification.at,
        "severity": notification.severity,
        "urgent": notification.urgent,
        "title": notification.title,
        "body": notification.body,
        "incident": notification.incident,
        "alert": notification.alert,
        "exercise": notification.exercise,
    }


def signed(body: bytes, secret: str, key: str, now_s: int | None = None) -> dict[str, str]:
    """The headers of a webhook: its key, the time in seconds, and HMAC-SHA256 over ``<time>.<body>`` in hexadecimal."""
    at = str(int(time.time()) if now_s is None else now_s)
    signature = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        KEY_HEADER: key,
        "Idempotency-Key": key,
        TIME_HEADER: at,
        SIGNATURE_HEADER: f"sha256={signature}",
    }


def _apprise(address: str, notification: Notification) -> None:
    """Send by apprise, which is loaded at the first use: it knows more than a hundred services."""
    import apprise

    plugins: Any = apprise.plugins
    found = plugins.url_to_dict(address, secure_logging=True)
    if not found:
        raise NotSent("the route's address is none that apprise knows; see docs/operations.md for examples")
    service = apprise.Apprise.instantiate(_with_key(apprise, found, notification.id))
    if service is None:
        raise NotSent(
            f"the route's address is not what {found['schema']}:// needs; see docs/operations.md for examples"
        )
    said = _Said()
    logger = logging.getLogger("apprise")
    logger.addHandler(said)
    try:
        taken = service.notify(
            title=notification.title,
            body=f"{notification.body}\n编号 / key {notification.id}",
            notify_type=apprise.NotifyType(_KINDS[notification.severity]),
            body_format=apprise.NotifyFormat.TEXT,
        )
    except TypeError as error:  # apprise's way of telling that it cannot use its own configuration
        raise NotSent(str(error)) from error
    finally:
        logger.removeHandler(said)
    if not taken:
        raise NotSent(said.last or f"{found['schema']} did not take it")


def _with_key(apprise: Any, found: dict[str, Any], key: str) -> dict[str, Any]:
    """The service's settings with the key as a header, where the service has headers (mail, JSON, XML, forms)."""
    plugin = apprise.manager_plugins.NotificationManager()[found["schema"]]
    if "headers" in getattr(plugin, "template_kwargs", {}):
        found["headers"] = {**(found.get("headers") or {}), KEY_HEADER: key}
    return found


class _Said(logging.Handler):
    """Keeps the last thing that apprise said in this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one record."""
        if record.thread == self._thread:
            self.last = record.getMessage().splitlines()[0][:300]
