"""Axis scene description: frames of tracked objects as JSON, one a message or a line; the beta and the released format.

Boxes are shares of the picture from its upper left corner, as here. An object without a class is counted among
``objects`` and nothing else. ``operations`` (an id that will not come again, a new name for one) are about tracking
and hold no observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sensors.codecs import members, moments, sight
from sensors.codecs.base import Codec, Decoded, Envelope, bounded
from sensors.codecs.errors import Amiss, Misshapen, Undecodable
from sensors.codecs.values import Scene, Seen

FRAMES = ("frame", "data")  # members that a frame may stand in
OBJECTS = ("observations", "detections")  # beta, released
IDS = ("track_id", "object_track_id", "id")


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    lines = [line for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    if not lines:
        raise Undecodable("the body is empty; send a frame as JSON", 0)
    if len(lines) > 1 and not _whole(lines[0]):
        lines = [body]  # one frame over many lines
    bounded(len(lines), envelope.limit)
    decoded = Decoded(count=len(lines), text=lines.__getitem__)
    for index, line in enumerate(lines):
        where = f"line {index + 1}" if len(lines) > 1 else ""
        try:
            scene = _scene(members.loads(line, envelope.limit), envelope)
            decoded.add(index, scene, *sight.counts(scene))
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index, where))
        except (Undecodable, Misshapen) as error:
            if len(lines) == 1:
                raise
            decoded.faults.append(Amiss(error.field, error.value, error.limit, str(error)).at(index, where))
    return decoded


def _whole(line: bytes) -> bool:
    """Whether the line looks like a whole object."""
    plain = line.strip()
    return plain.startswith(b"{") and plain.endswith(b"}")


def _scene(told: Any, envelope: Envelope) -> Scene:
    row = members.as_row(told, "frame")
    for name in FRAMES:
        if members.is_row(row.get(name)):
            row = row[name]
            break
    found = next((row[name] for name in OBJECTS if name in row), None)
    if not isinstance(found, list):
        reason = f"the frame has neither {OBJECTS[0]} nor {OBJECTS[1]}; send frames of the scene description"
        raise Amiss(OBJECTS[0], found, "array", reason)
    channel = members.text(row, "channel_id", "")
    return Scene(
        asset=envelope.asset or envelope.topic.partition("/")[0] or (f"channel-{channel}" if channel else "camera"),
        time=moments.told(row.get("timestamp"), "timestamp"),
        source=channel,
        objects=tuple(_seen(members.as_row(one, "observation")) for one in found),
    )


def _seen(row: Mapping[str, Any]) -> Seen:
    kind, likelihood = _class(row)
    geo = row.get("geoposition")
    lon, lat = (
        (members.maybe(geo, "longitude"), members.maybe(geo, "latitude")) if members.is_row(geo) else (None, None)
    )
    place = members.place(lon, lat)
    speed = members.maybe(row, "speed") if not members.is_row(row.get("speed")) else None
    return Seen(
        id=next((members.text(row, name) for name in IDS if row.get(name) is not None), ""),
        kind=kind,
        likelihood=likelihood,
        box=_box(row.get("bounding_box")),
        lon=place[0],
        lat=place[1],
        speed_kmh=None if speed is None else speed * 3.6,
    )


def _class(row: Mapping[str, Any]) -> tuple[str, float | None]:
    told = row.get("class") or row.get("classes")
    candidates = [one for one in (told if isinstance(told, list) else [told]) if members.is_row(one)]
    scored = [(members.maybe(one, "score"), members.text(one, "type", "")) for one in candidates]
    if not scored:
        return "", None
    score, word = max(scored, key=lambda one: -1.0 if one[0] is None else one[0])
    return sight.kind_of(word), score


def _box(told: Any) -> tuple[float, float, float, float] | None:
    if told is None:
        return None
    row = members.as_row(told, "bounding_box")
    return sight.box(*(members.number(row, side) for side in ("left", "top", "right", "bottom")))


CODEC = Codec(
    name="axis",
    title="Axis scene description",
    media=("application/json", "application/x-ndjson"),
    endings=(".axis.ndjson", ".axis.json", ".ndjson", ".json"),
    decode=_decode,
    topics=("+/com.axis.analytics_scene_description/#", "+/axis.scene.frame_v1"),
)
