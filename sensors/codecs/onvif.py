"""ONVIF Profile M metadata: frames of objects as scenes and counts, and events; XML streams, SOAP and JSON over MQTT.

Vendors give boxes in three ways: as the standard has it (-1 to 1, y upwards), in pixels or anything else with a
``Transformation`` into it, and in shares or pixels of the picture with y downwards and no word about it. All become
shares of the picture from its upper left corner. Bare pixels need the picture's size, which the register may tell;
without it objects are counted and have no box.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from sensors.codecs import markup, members, moments, sight
from sensors.codecs.base import Codec, Decoded, Envelope, bounded, each
from sensors.codecs.errors import Amiss, Unreadable
from sensors.codecs.markup import Element
from sensors.codecs.values import CameraEvent, Observation, Scene, Seen, Value

ROOTS = {"MetadataStream", "MetaDataStream", "Envelope", "Notify", "Frame", "NotificationMessage", "Event"}
CROSSINGS = re.compile(r"linedetector|linecross|crossline|crossedline|tripwire|passage|crossing", re.IGNORECASE)
STATES = ("state", "ismotion", "active", "isinside", "logicalstate", "value", "triggered")
RULES = ("rulename", "rule", "name", "analyticsmodule")
CLASSES = ("classtypes", "classtype", "objecttype", "type", "class")
COUNTS = ("count", "objectcount", "total", "counter")
SOURCES = ("videosourcetoken", "videosourceconfigurationtoken", "videosource", "source")
OPERATIONS: dict[str, Literal["", "Initialized", "Changed", "Deleted"]] = {
    "initialized": "Initialized",
    "changed": "Changed",
    "deleted": "Deleted",
}
_TRUE = {"true": True, "1": True, "false": False, "0": False}


class Transform(NamedTuple):
    """What a ``Transformation`` does to a point: times ``scale``, then plus ``shift``."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0

    def point(self, x: float, y: float) -> tuple[float, float]:
        """The point where the transformation puts it."""
        return x * self.scale_x + self.shift_x, y * self.scale_y + self.shift_y


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return _decode_json(body, envelope)
    root = markup.parse(body)
    found = [one for one in root.iter() if markup.name(one) in ("Frame", "NotificationMessage")]
    if not found and markup.name(root) not in ROOTS:
        reason = f"the document is {markup.name(root)} and holds neither frames nor events; send an ONVIF stream"
        raise Unreadable(reason, field="MetadataStream", value=markup.name(root), limit="MetadataStream")
    bounded(len(found), envelope.limit)
    decoded = Decoded(count=len(found), text=lambda index: markup.source(found[index]))
    scenes: list[tuple[int, Scene]] = []
    for index, element in enumerate(found):
        if markup.name(element) == "NotificationMessage":
            each(decoded, index, lambda element=element: _event(element, envelope))  # type: ignore[misc]  # bound now
            continue
        try:
            scenes.append((index, _scene(element, envelope)))
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index))
    place = {(scene.time, scene.source): index for index, scene in scenes}
    for scene in sight.joined(scene for _, scene in scenes):
        decoded.add(place[scene.time, scene.source], scene, *sight.counts(scene))
    return decoded


# --- frames -----------------------------------------------------------------------------------------------------


def _scene(frame: Element, envelope: Envelope) -> Scene:
    time = moments.local(frame.get("UtcTime"), "UtcTime", "UTC")
    source = str(frame.get("Source") or "")
    outer = _transform(markup.child(frame, "Transformation"))
    objects = list(markup.children(frame, "Object"))
    flat = _flat([box for one in objects if (box := _sides(one)) is not None], outer is not None)
    return Scene(
        asset=envelope.asset or source or "camera",
        time=time,
        source=source,
        objects=tuple(_seen(one, outer, flat, envelope.picture) for one in objects),
    )


class _Flat(NamedTuple):
    """How boxes without a transformation are meant."""

    pixels: bool
    downwards: bool
    shares: bool  # from 0 to 1 rather than from -1


def _flat(boxes: Sequence[tuple[float, float, float, float]], transformed: bool) -> _Flat | None:
    """Guess from all boxes of a frame; ``None`` where a transformation tells."""
    if transformed:
        return None
    numbers = [number for box in boxes for number in box]
    downwards = sum(bottom > top for _, top, _, bottom in boxes) > len(boxes) / 2
    pixels = any(abs(number) > 1.5 for number in numbers)
    return _Flat(pixels, downwards or pixels, downwards and not any(number < 0 for number in numbers))


def _seen(element: Element, outer: Transform | None, flat: _Flat | None, picture: tuple[int, int] | None) -> Seen:
    appearance = markup.child(element, "Appearance")
    told, likelihood = _class(appearance)
    geo = markup.child(appearance, "GeoLocation")
    if geo is None:
        geo = markup.child(element, "GeoLocation")
    lon, lat = (_attribute(geo, name) for name in ("lon", "lat"))
    place = members.place(lon, lat)
    speed = markup.text(element, "Behaviour", "Speed")
    inner = _transform(markup.child(appearance, "Transformation"))
    return Seen(
        id=str(element.get("ObjectId") or ""),
        kind=sight.kind_of(told) if told else "",
        likelihood=likelihood,
        box=_box(_sides(element), inner, outer, flat, picture),
        lon=place[0],
        lat=place[1],
        speed_kmh=members.parsed(speed, "Speed") * 3.6 if speed else None,
    )


def _class(appearance: Element | None) -> tuple[str, float | None]:
    """The likeliest class and its likelihood; "" where none is told."""
    block = markup.child(appearance, "Class")
    candidates = markup.children(block, "ClassCandidate")
    found = [(_likelihood(one.get("Likelihood")), markup.text(one)) for one in markup.children(block, "Type")]
    found += [(_likelihood(markup.text(one, "Likelihood")), markup.text(one, "Type")) for one in candidates]
    vehicle = markup.child(appearance, "VehicleInfo", "Type")
    if vehicle is not None:
        found.append((_likelihood(vehicle.get("Likelihood")), markup.text(vehicle)))
    if not found:
        return "", None
    likelihood, told = max(found)
    return told, likelihood if likelihood >= 0 else None


def _likelihood(told: object) -> float:
    return members.parsed(str(told), "Likelihood") if told else -1.0


def _sides(element: Element) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom as they stand there."""
    shape = markup.child(element, "Appearance", "Shape", "BoundingBox")
    if shape is None:
        return None
    sides = [_attribute(shape, side) for side in ("left", "top", "right", "bottom")]
    left, top, right, bottom = (math.nan if side is None else side for side in sides)
    return None if math.isnan(left + top + right + bottom) else (left, top, right, bottom)


def _attribute(element: Element | None, name: str) -> float | None:
    told = None if element is None else element.get(name)
    return None if told is None else members.parsed(str(told), name)


def _transform(element: Element | None) -> Transform | None:
    if element is None:
        return None
    scale, shift = markup.child(element, "Scale"), markup.child(element, "Translate")
    told = [_attribute(scale, "x"), _attribute(scale, "y"), _attribute(shift, "x"), _attribute(shift, "y")]
    usual = (1.0, 1.0, 0.0, 0.0)
    return Transform(*(default if one is None else one for one, default in zip(told, usual, strict=True)))


def _box(
    sides: tuple[float, float, float, float] | None,
    inner: Transform | None,
    outer: Transform | None,
    flat: _Flat | None,
    picture: tuple[int, int] | None,
) -> tuple[float, float, float, float] | None:
    """The box as shares of the picture from its upper left corner; ``None`` where that cannot be told."""
    if sides is None:
        return None
    start, end = (sides[0], sides[1]), (sides[2], sides[3])
    for transform in (inner, outer):
        if transform is not None:
            start, end = transform.point(*start), transform.point(*end)
    if outer is None and inner is None and flat is not None and (flat.pixels or flat.shares or flat.downwards):
        return _downward_box(start, end, flat, picture)
    return sight.box((start[0] + 1) / 2, (1 - start[1]) / 2, (end[0] + 1) / 2, (1 - end[1]) / 2)


def _downward_box(
    start: tuple[float, float], end: tuple[float, float], flat: _Flat, picture: tuple[int, int] | None
) -> tuple[float, float, float, float] | None:
    if flat.pixels:
        if picture is None:
            return None
        width, height = picture
        return sight.box(start[0] / width, start[1] / height, end[0] / width, end[1] / height)
    if flat.shares:
        return sight.box(*start, *end)
    return sight.box((start[0] + 1) / 2, (start[1] + 1) / 2, (end[0] + 1) / 2, (end[1] + 1) / 2)


# --- events -----------------------------------------------------------------------------------------------------


def _event(message: Element, envelope: Envelope) -> tuple[Value, ...]:
    topic = markup.text(message, "Topic")
    inner = next(iter(one for one in message.iter() if one.get("UtcTime") is not None), None)
    if inner is None:
        raise Amiss("UtcTime", None, "time", "the event has no Message with UtcTime; it must tell when it happened")
    return _told(
        topic=topic,
        time=moments.local(inner.get("UtcTime"), "UtcTime", "UTC"),
        operation=str(inner.get("PropertyOperation") or ""),
        source=_items(markup.child(inner, "Source")) | _items(markup.child(inner, "Key")),
        data=_items(markup.child(inner, "Data")),
        envelope=envelope,
    )


def _items(element: Element | None) -> dict[str, str]:
    return {
        str(item.get("Name") or ""): str(item.get("Value") or "") for item in markup.children(element, "SimpleItem")
    }


def _decode_json(body: bytes, envelope: Envelope) -> Decoded:
    """One event as Profile M sends it over MQTT, its topic after ``onvif-ej/``."""
    told = members.loads(body, envelope.limit)
    decoded = Decoded(count=1, text=lambda index: body)
    each(decoded, 0, lambda: _json_event(members.as_row(told, "event"), envelope))
    return decoded


def _json_event(row: Mapping[str, object], envelope: Envelope) -> tuple[Value, ...]:
    told = row.get("Topic") or row.get("topic") or envelope.topic.rpartition("onvif-ej/")[2]
    return _told(
        topic=str(told)[:400],
        time=moments.local(row.get("UtcTime"), "UtcTime", "UTC"),
        operation=str(row.get("PropertyOperation") or ""),
        source=_texts(row.get("Source")) | _texts(row.get("Key")),
        data=_texts(row.get("Data")),
        envelope=envelope,
    )


def _texts(value: object) -> dict[str, str]:
    if not members.is_row(value):
        return {}
    plain = {name: one for name, one in value.items() if isinstance(one, str | int | float | bool)}
    return {name: str(one).lower() if isinstance(one, bool) else str(one) for name, one in plain.items()}


def _told(
    topic: str, time: int, operation: str, source: dict[str, str], data: dict[str, str], envelope: Envelope
) -> tuple[Value, ...]:
    """The event, and the count it brings where it is a counter's."""
    plain = "/".join(part.rpartition(":")[2] for part in topic.split("/"))
    asset = envelope.asset or _first(source, SOURCES) or "camera"
    rule = _first(source, RULES) or _first(data, RULES)
    count = _first(data, COUNTS)
    state = next((_TRUE[told.lower()] for told in _all(data, STATES) if told.lower() in _TRUE), None)
    event = CameraEvent(
        asset=asset,
        time=time,
        topic=plain,
        what="count" if count else "crossing" if CROSSINGS.search(plain) else "state" if state is not None else "other",
        state=state,
        rule=rule,
        objects=_kinds(_first(data, CLASSES)),
        operation=OPERATIONS.get(operation.lower(), ""),
        data=data,
    )
    if not count:
        return (event,)
    observed = f"count/{rule}" if rule else "count"
    counted = Observation(
        datastream=f"{asset}/{observed}",
        asset=asset,
        property=observed,
        time=time,
        value=members.parsed(count, "Count"),
        unit="1",
    )
    return event, counted


def _kinds(told: str) -> tuple[str, ...]:
    return tuple(sight.kind_of(one) for one in re.split(r"[,;\s]+", told[:400]) if one)


def _first(items: Mapping[str, str], names: Iterable[str]) -> str:
    return next(iter(_all(items, names)), "")


def _all(items: Mapping[str, str], names: Iterable[str]) -> list[str]:
    plain = {name.lower(): value for name, value in items.items()}
    return [plain[name] for name in names if plain.get(name)]


CODEC = Codec(
    name="onvif",
    title="ONVIF Profile M metadata and events",
    media=("application/xml", "text/xml", "application/soap+xml"),
    endings=(".onvif.xml", ".xml"),
    decode=_decode,
    topics=("+/onvif-ej/#",),
)
