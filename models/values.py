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
Action = Literal[
    "acknowledge",
    "comment",
    "confirm",
    "shelve",
    "unshelve",
    "suppress",
    "unsuppress",
    "reset",
    "remove-from-service",
    "return-to-service",
    "severity",
]
Kind = Literal["event", "data-quality"]
About = Literal["incident", "unit", "warning", "silence", "roster", "plan", "budget", "notification", "drill"]
Role = Literal["viewer", "dispatcher", "supervisor", "planner", "admin", "auditor", "unit", "system"]


class Text(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sentence in the product's two languages."""

    en: str
    zh: str


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a detection was made, in plain values; models/explain.py makes a sentence of it in both languages."""

    channel: str = ""  # what spoke loudest (models/detectors/base.py CHANNELS); "" where a line in the pack spoke
    low: float | None = None  # the band in which 90 % of quiet readings lie, in the datastream's unit
    high: float | None = None
    season: str = ""  # the kind of day it was compared with (SEASONS)
    hour: int | None = None  # and the local hour
    neighbours: int = 0  # how many datastreams of the same kind nearby were looked at
    strange: int = 0  # how many of them were out of the ordinary in the same direction
    lasted_ms: int = 0  # how long it has held, phenomenon time
    members: int = 0  # how many datastreams it is told about, 0 for one
    corroborated: tuple[str, ...] = ()  # "zone", "other-kind", "persistence", "neighbours"; none: a single witness


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
    why: Why | None = None


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
    confirm: bool = False  # stays until somebody confirmed that what it asked for was done
    confirmed_by: str = ""
    latch: bool = False  # stays after its return until somebody reset it
    reset_by: str = ""
    shelved_until: int | None = None  # processing time at which a shelved alert comes back
    hidden_by: str = ""  # who shelved it or took it out of service; "alert/<id>" or "silence/<id>" where that hides it
    realarm_ms: int = 0  # an acknowledged alert that lasts asks again after so long; 0 never
    chattering: bool = False  # its source changed three times within a minute
    stale: bool = False  # it has lasted for a day
    incident: str = ""  # the incident that it belongs to
    history: tuple[Transition, ...] = ()


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks of an alert."""

    id: str  # deduplication key, made by the asker
    alert: str
    action: Action
    by: str
    at: int
    comment: str = ""
    until: int | None = None  # processing time at which shelving ends
    severity: Severity | None = None  # the new one, of the action "severity"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks of anything but an alert, on the topic ``commands`` beside ``Command`` (told by ``about``).

    ``do`` is checked by the owner of the subject: models/incidents.py, models/units.py, models/warnings.py,
    models/roster.py, models/silences.py each list theirs with the ``args`` they take.
    """

    id: str  # deduplication key, made by the asker
    about: About
    subject: str  # id of the incident, unit, warning, silence …; "" where ``do`` makes a new one
    do: str
    by: str
    at: int
    role: Role = "dispatcher"
    comment: str = ""
    args: dict[str, str | int | float | bool | list[str] | None] = {}


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do in an incident, from its plan or added by hand; ticked with time and name."""

    id: str  # unique within the incident
    what: Text
    who: str  # role, unit kind or department
    deadline: int | None = None  # processing time
    state: Literal["open", "done", "skipped"] = "open"
    by: str = ""
    at: int | None = None
    comment: str = ""
    rule: str = ""  # the plan's row that asked for it


class UnitNeed(msgspec.Struct, frozen=True, kw_only=True):
    """So many units of a kind that a plan wants sent."""

    kind: str  # a unit kind of the city
    count: int = 1
    skills: tuple[str, ...] = ()


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What a response plan's table says for the inputs of now; a person launches it."""

    plan: str  # the plan's name
    version: str  # of the table
    stage: str  # the row's stage, "" for plans of one stage
    title: Text
    inputs: dict[str, str | float | None]  # what the table was asked with
    tasks: tuple[Task, ...] = ()
    units: tuple[UnitNeed, ...] = ()
    zones_closed: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()  # one-way, limit-entry, close-entry, release …
    notify: tuple[str, ...] = ()  # routes
    place: str = ""  # zone or asset that the table was asked about
    at: int = 0


IncidentState = Literal["open", "assigned", "under-way", "on-scene", "resolved", "closed"]


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What people own: one or more alerts at a place, with an owner, tasks, units and a timeline.

    ``timeline`` is never edited: every step, also of its alerts, plan, tasks and units, is appended.
    """

    id: str
    title: Text
    state: IncidentState
    severity: Severity
    kind: Kind = "event"
    pack: str
    place: str
    place_name: Text
    lon: float
    lat: float
    district: str
    opened: int  # processing time
    changed: int
    closed: int | None = None
    owner: str = ""
    alerts: tuple[str, ...] = ()  # the newest; each alert names its incident, so none is lost
    count: int = 0  # how many alerts it has had
    active: int = 0  # how many of them are not closed
    tasks: tuple[Task, ...] = ()
    units: tuple[str, ...] = ()
    proposal: Proposal | None = None  # the newest, not launched
    plan: Proposal | None = None  # the newest that was launched
    links: tuple[str, ...] = ()  # attachments by link
    cameras: tuple[str, ...] = ()  # nearby, the nearest first
    merged_into: str = ""
    exercise: bool = False
    escalation: int = 0  # steps of the roster that were told
    deadline: int | None = None  # processing time of the next escalation
    wall: Literal["", "on", "off"] = ""  # a person gave it the big screen, or took it off; "": the city's rules say
    wall_at: int = 0  # processing time at which they did
    timeline: tuple[Transition, ...] = ()


UnitStatus = Literal["free", "sent", "accepted", "under-way", "on-scene", "busy", "off"]


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A crew, truck or patrol that can be sent."""

    id: str
    name: Text
    kind: str
    skills: tuple[str, ...] = ()
    capacity: float = 1.0
    lon: float
    lat: float
    seen: int | None = None  # phenomenon time of the last position; long ago: shown as not reporting
    status: UnitStatus = "free"
    incident: str = ""
    since: int = 0  # processing time of the status
    phone: str = ""  # where the pocket or the radio is reached
    history: tuple[Transition, ...] = ()  # the last steps


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a unit was, on the topic ``events``."""

    unit: str
    time: int  # phenomenon time
    lon: float
    lat: float
    speed_kmh: float | None = None
    source: str = ""


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """Where a warning holds, WGS-84: polygons of (lon, lat), circles (lon, lat, metres) and area codes."""

    name: str = ""
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    codes: tuple[str, ...] = ()


class Warning(msgspec.Struct, frozen=True, kw_only=True):
    """A CAP 1.2 message about an area, on the topic ``events``."""

    id: str  # CAP identifier
    sender: str
    sent: int
    status: Literal["Actual", "Exercise", "System", "Test", "Draft"] = "Actual"
    message: Literal["Alert", "Update", "Cancel", "Ack", "Error"] = "Alert"
    references: tuple[str, ...] = ()  # identifiers it follows
    event: Text
    headline: Text
    description: Text = Text(en="", zh="")
    instruction: Text = Text(en="", zh="")
    category: str = ""
    severity: Severity
    urgency: str = "Unknown"
    certainty: str = "Unknown"
    colour: Literal["", "blue", "yellow", "orange", "red"] = ""
    onset: int | None = None
    expires: int | None = None
    areas: tuple[Area, ...] = ()
    source: str = ""


class ServiceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A citizen's appeal (12345), after Open311 GeoReport v2, on the topic ``events``."""

    id: str
    code: str
    category: str
    status: str = "open"
    description: str = ""
    requested: int
    updated: int | None = None
    expected: int | None = None
    agency: str = ""
    address: str = ""
    lon: float | None = None
    lat: float | None = None
    solved: bool | None = None  # as the citizen says when called back; None: not asked yet
    satisfied: bool | None = None
    source: str = ""
    exercise: bool = False  # a drill's: never counted with what citizens said


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A message to people or systems outside, on the topic ``notifications``; sent at least once.

    ``id`` is the deduplication key: the same cause always gives the same one, and every copy carries it.
    """

    id: str
    route: str  # declared in the city's notifications.yaml
    at: int
    title: str
    body: str
    severity: Severity
    urgent: bool = False  # goes out in quiet hours too
    incident: str = ""
    alert: str = ""
    exercise: bool = False  # a drill's: written down, never sent


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the history of commands and transitions; ``chain`` = hash of the line before and this one.

    ``before`` is the chain of the line before. ``step`` is the place of a transition in its subject's own history, from
    1, so that what a crash makes come twice is written once; 0 for commands.
    """

    number: int
    at: int
    by: str  # empty for the system
    what: str  # "alert", "incident", "unit" …
    subject: str
    did: str
    was: str = ""
    now: str = ""
    detail: str = ""
    command: str = ""
    step: int = 0
    before: str = ""
    chain: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command or an order; ``alert`` is the id of its subject."""

    command: str
    alert: str
    status: Literal["done", "conflict", "unknown", "invalid"]  # HTTP 200, 409, 404, 422
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
