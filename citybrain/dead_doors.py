"""Which of the gateway's doors a dead letter belongs to, told by what it holds: a letter does not say how it came.

One refused record of a larger body is kept alone and as JSON, whatever the body was, so that its first bytes count
for more than its format.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from models.values import DeadLetter

READINGS = "/v1/readings"
ROWS = "application/x-ndjson"
HEAD = 4_096  # bytes in which the root of an XML document is looked for
_ROOT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_XML = {  # the root's name
    "alert": ("/v1/cap", "application/cap+xml"),
    "sensml": (READINGS, "application/senml+xml"),
    "service_requests": ("/open311/v2/requests.xml", "text/xml"),
    "request": ("/open311/v2/requests.xml", "text/xml"),
}
_JSON = {  # a member that no other body has
    "service_code": "/open311/v2/requests.json",
    "service_requests": "/open311/v2/requests.json",
    "unit": "/v1/positions",
    "positions": "/v1/positions",
}
_MEDIA = {
    "application/cap+xml": "/v1/cap",
    "application/viid+json": "/v1/ingest/gat1400",
    "application/ld+json": "/v1/ingest/ngsi-ld",
    "application/soap+xml": "/v1/ingest/onvif",
    "application/x-protobuf": "/v1/ingest/sparkplug",
}


def door(letter: DeadLetter) -> tuple[str, str]:
    """The path, and the content type to send to it; the readings' where nothing tells another."""
    if letter.format in _MEDIA:
        return _MEDIA[letter.format], letter.format
    start = letter.body[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        root = _ROOT.search(start)
        return _XML.get(root[1].decode().lower() if root else "", ("/v1/ingest/onvif", "application/xml"))
    held = _json(letter.body)
    if isinstance(held, list) and held:
        held = held[0]
    if isinstance(held, dict) and "datastream" not in held:
        for member, path in _JSON.items():
            if member in held:
                return path, "application/json"
    return READINGS, letter.format


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
