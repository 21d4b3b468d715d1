"""What codecs yield beside the city's own values (warnings, service requests, positions: models/values.py).

All are immutable msgspec structs. Times are milliseconds since 1970-01-01 UTC, places degrees WGS-84, boxes shares of
the picture from its upper left corner.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from models.values import Position, ServiceRequest, Warning


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One value of a datastream at one time, as its source says it.

    ``datastream`` is the source's own name for it; where the source names the thing and what it observes apart, they
    stand in ``asset`` and ``property`` and the name is ``<asset>/<property>``. The unit is as given: the register
    decides into what it is converted (sensors/units.py). ``optional`` ones are by-products, such as a camera's count
    of each kind of object: they are readings where they are registered, and nobody misses them elsewhere.
    """

    datastream: str
    time: int  # phenomenon time; the end of the interval where the value is about one
    value: float | bool | str
    unit: str | None = None
    asset: str = ""
    property: str = ""
    since: int | None = None  # start of the interval the value is about
    result_time: int | None = None  # when the source made it known
    quality: Literal["", "good", "uncertain", "bad"] = ""
    lon: float | None = None
    lat: float | None = None
    optional: bool = False


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One object in a camera's view. ``box`` is left, top, right, bottom, each from 0 to 1."""

    id: str
    kind: str = ""  # people, bicycles, cars …; "" where the camera does not tell
    likelihood: float | None = None
    box: tuple[float, float, float, float] | None = None
    lon: float | None = None
    lat: float | None = None
    speed_kmh: float | None = None


class Scene(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything a camera saw at one time."""

    asset: str
    time: int
    objects: tuple[Seen, ...] = ()
    source: str = ""  # the analytics that saw it, where several run in one camera


class CameraEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something a camera or device says happened: a line was crossed, a rule became true, an input opened."""

    asset: str
    time: int
    topic: str  # as the device names it, without namespace prefixes: RuleEngine/LineDetector/Crossed
    what: Literal["crossing", "state", "count", "other"] = "other"
    state: bool | None = None  # of a rule that is true or false
    rule: str = ""
    objects: tuple[str, ...] = ()  # kinds of objects it is about: people, cars …
    operation: Literal["", "Initialized", "Changed", "Deleted"] = ""
    data: dict[str, str] = {}  # what else the device tells


class Passage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One motor vehicle that passed a device (GA/T 1400)."""

    id: str
    asset: str  # the device
    time: int
    plate: str = ""
    plate_class: str = ""  # code of GA/T 16.7
    plate_colour: str = ""
    vehicle_class: str = ""
    vehicle_colour: str = ""
    lane: int | None = None
    speed_kmh: float | None = None
    direction: str = ""  # code of GA/T 1400.3: 1 west to east … 9
    way: Literal["", "in", "out"] = ""
    lon: float | None = None
    lat: float | None = None


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A collecting device as its platform describes it (GA/T 1400 APE)."""

    asset: str
    name: str = ""
    model: str = ""
    place: str = ""
    lon: float | None = None
    lat: float | None = None
    online: bool | None = None
    time: int | None = None


class SessionNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to a source's connection: it was born, died, skipped a message, spoke before its birth."""

    asset: str
    time: int
    what: Literal["birth", "death", "gap", "rebirth-needed", "register", "unregister", "keepalive"]
    text: str = ""  # one sentence for people
    expected: int | None = None  # of a gap: the number that should have come
    found: int | None = None


Value = Observation | Scene | CameraEvent | Passage | Device | SessionNote | Warning | ServiceRequest | Position
_WORDS: dict[type, str] = {
    Observation: "observation",
    Scene: "scene",
    CameraEvent: "camera-event",
    Passage: "passage",
    Device: "device",
    SessionNote: "session",
    Warning: "warning",
    ServiceRequest: "service-request",
    Position: "position",
}


def word(value: Value) -> str:
    """What kind of value this is, in one word."""
    return _WORDS[type(value)]


def line(value: Value) -> bytes:
    """The value as one line of JSON with its kind first; NaN and infinity, which JSON has not, are null."""
    return msgspec.json.encode({"kind": word(value)} | msgspec.to_builtins(value))
