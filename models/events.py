"""What flows on the topic ``events``: ``{"kind": …, "event": {…}}`` as JSON, one event a message.

The kinds that the rooms act on are Position, Warning and ServiceRequest; others (passages, camera events, sessions of
gateways) are kept for the archive and told by their kind alone.
"""

from __future__ import annotations

import msgspec

from models.values import Position, ServiceRequest, Warning

Known = Position | Warning | ServiceRequest
KINDS: dict[str, type[Known]] = {"position": Position, "warning": Warning, "service-request": ServiceRequest}
_WORDS = {kind: word for word, kind in KINDS.items()}


class _Raw(msgspec.Struct, frozen=True):
    kind: str
    event: msgspec.Raw


class Other(msgspec.Struct, frozen=True):
    """An event of a kind that no agent acts on."""

    kind: str
    body: bytes  # JSON


def encode(event: msgspec.Struct, kind: str = "") -> bytes:
    """The event as a message; ``kind`` only where the event is none of KINDS."""
    return msgspec.json.encode({"kind": kind or _WORDS[type(event)], "event": event})  # type: ignore[index]  # Known


def decode(message: bytes) -> Known | Other:
    """The event in a message; raises ``msgspec.DecodeError`` naming what is wrong."""
    try:
        raw = msgspec.json.decode(message, type=_Raw)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"not JSON: {error}") from error
    kind = KINDS.get(raw.kind)
    if kind is None:
        return Other(raw.kind, bytes(raw.event))
    return msgspec.json.decode(raw.event, type=kind)
