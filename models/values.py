"""What flows between detection and people: detections, alerts, commands.

All are immutable msgspec structs, JSON on the wire. Times are milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeVar

import msgspec

Severity = Literal["Extreme", "Severe", "Moderate", "Minor"]  # CAP 1.2; shown as 红 橙 黄 蓝
SEVERITIES: tuple[Severity, ...] = ("Extreme", "Severe", "Moderate", "Minor")
# ISA-18.2 / IEC 62682
State = Literal[
    "unacknowledged", "acknowledged", "returned-unacknowledged", "normal", "shelved", "suppressed", "out-of-service"
]
Action = Literal["acknowledge", "comment", "confirm", "shelve", "unshelve", "suppress", "unsuppress", "reset"]
Kind = Literal["event", "data-quality"]


class Text(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sentence in the product's two languages."""

    en: str
    zh: str


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that crossed its line at a place (``firing``), or came back (``cleared``).

    ``id`` is the alert's: the same pack, rule, place and onset always give the same one (``alert_id``), so
    that a detection emitted twice counts once.
    """

    id: str
    pack: str
    rule: str
    place: str  # zone id or asset id
    place_kind: Literal["zone", "asset"]
    place_name: Text
    lon: float
    lat: float
    district: str
    state: Literal["firing", "cleared"]
    kind: Kind = "event"
    severity: Severity
    urgency: Literal["Immediate", "Expected", "Future", "Past", "Unknown"] = "Immediate"
    certainty: Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"] = "Observed"
    onset: int  # phenomenon time at which the condition began
    time: int  # phenomenon time of the reading that made this detection
    value: float | None
    expected: float | None
    score: float | None  # surprise, -log10 of the tail probability
    unit: str
    headline: Text
    labels: dict[str, str] = {}
    exercise: bool = False


class Transition(msgspec.Struct, frozen=True):
    """One step of an alert's history; never edited."""

    at: int  # processing time
    was: str
    now: str
    action: str  # "opened", "cleared", "acknowledge", "comment", …
    by: str = ""  # who, empty for the system
    comment: str = ""
    command: str = ""  # id of the command that made it, empty for the system


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An identified condition that starts and ends; what dispatchers see and acknowledge."""

    id: str
    detection: Detection  # the one that opened it
    state: State
    severity: Severity
    opened: int  # processing time
    deadline: int  # processing time by which it should be acknowledged
    cleared: int | None = None  # phenomenon time of the return to normal
    closed: int | None = None  # processing time at which it became normal
    acknowledged_by: str = ""
    acknowledged_at: int | None = None
    shelved_until: int | None = None  # processing time at which a shelved alert comes back
    history: tuple[Transition, ...] = ()
    # the offsets of the last inputs applied to this alert, by topic: what makes a second delivery harmless
    applied: dict[str, int] = {}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks of an alert."""

    id: str  # deduplication key, made by the asker
    alert: str
    action: Action
    by: str
    at: int
    comment: str = ""
    until: int | None = None  # processing time at which shelving ends


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command."""

    command: str
    alert: str
    status: Literal["done", "conflict", "unknown"]  # HTTP 200, 409, 404
    state: str = ""
    by: str = ""  # who holds the alert
    message: str = ""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Input that could not be used, with why, so that it can be read and replayed."""

    id: str
    at: int
    source: str  # gateway, or topic-partition@offset
    reason: str  # names the field, the value and the limit
    field: str = ""
    body: bytes  # as received; base64 in JSON
    format: str = "application/json"


def alert_id(pack: str, rule: str, place: str, onset: int) -> str:
    """The deterministic id of the alert of ``rule`` at ``place`` that began at ``onset`` (ms)."""
    return hashlib.blake2b(f"{pack}|{rule}|{place}|{onset}".encode(), digest_size=8).hexdigest()


T = TypeVar("T", bound=msgspec.Struct)
_encoder = msgspec.json.Encoder()


def to_json(value: msgspec.Struct) -> bytes:
    """The value as JSON bytes."""
    return _encoder.encode(value)


def from_json(data: bytes | str, kind: type[T]) -> T:
    """The value of type ``kind`` in ``data``; raises ``msgspec.DecodeError`` naming what is wrong."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"not JSON: {error}") from error
