"""NGSI-LD: CrowdFlowObserved and TrafficFlowObserved (smart data models), as notifications, arrays or single entities.

Attributes may be written in full (``{"type": "Property", "value": …}``), concisely (``{"value": …}``) or as plain
values. The asset is the entity's ``refDevice`` where it names one, else the entity; each number of the data model is an
observation with the unit that the attribute tells, or else the data model. One attribute amiss spoils no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sensors.codecs import members, moments
from sensors.codecs.base import Codec, Decoded, Envelope, bounded
from sensors.codecs.errors import Amiss, Misshapen
from sensors.codecs.values import Observation

CROWD = {
    "peopleCount": ("people", "1"),
    "peopleCountTowards": ("people_towards", "1"),
    "peopleCountAway": ("people_away", "1"),
    "occupancy": ("occupancy", "1"),
    "averageCrowdSpeed": ("speed", "km/h"),
    "averageHeadwayTime": ("headway", "s"),
    "congested": ("congested", None),
}
TRAFFIC = {
    "intensity": ("intensity", "1"),
    "occupancy": ("occupancy", "1"),
    "averageVehicleSpeed": ("speed", "km/h"),
    "averageVehicleLength": ("vehicle_length", "m"),
    "averageHeadwayTime": ("headway", "s"),
    "averageGapDistance": ("gap", "m"),
    "congested": ("congested", None),
}
MODELS: dict[str, dict[str, tuple[str, str | None]]] = {"CrowdFlowObserved": CROWD, "TrafficFlowObserved": TRAFFIC}


class _Attribute(NamedTuple):
    """The value of an attribute, and what it tells of itself."""

    value: Any
    observed: Any  # observedAt
    unit: str | None  # unitCode, UN/CEFACT


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    told = members.loads(body, envelope.limit)
    if members.is_row(told) and members.is_row(told.get("body")) and "metadata" in told:
        told = told["body"]  # as NGSI-LD brokers send over MQTT
    rows = told.get("data", [told]) if members.is_row(told) else told
    rows = [rows] if members.is_row(rows) else rows
    if not isinstance(rows, list):
        raise Misshapen("data", members.kind(rows), "array", f"data must be an array, this is {members.kind(rows)}")
    entities = rows
    bounded(len(entities), envelope.limit)
    decoded = Decoded(count=len(entities), text=lambda index: members.dumps(entities[index]))
    for index, row in enumerate(entities):
        try:
            for one in _observed(members.as_row(row, "entity"), envelope):
                if isinstance(one, Amiss):
                    decoded.faults.append(one.at(index))
                else:
                    decoded.add(index, one)
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index))
    return decoded


def _observed(row: Mapping[str, Any], envelope: Envelope) -> Iterator[Observation | Amiss]:
    """The entity's observations, and why an attribute gives none; raises ``Amiss`` for the entity as a whole."""
    model = MODELS[_model(row)]
    name = members.text(row, "id")
    asset = _short(envelope.asset or _reference(row, "refDevice") or name)
    since, time = _when(row, envelope)
    lon, lat = _place(row)
    found = [short for short in model if _plain(row, short) is not None]
    if not found:
        wanted = ", ".join(model)
        raise Amiss(next(iter(model)), None, wanted, f"entity {name[:80]!r} has no number; it may have {wanted}")
    for short in found:
        observed, unit = model[short]
        attribute = _attribute(_plain(row, short))
        try:
            at = attribute.observed
            yield Observation(
                datastream=f"{asset}/{observed}",
                asset=asset,
                property=observed,
                time=time if at is None else moments.told(at, "observedAt"),
                since=since if at is None else None,
                value=_number(attribute.value, short),
                unit=attribute.unit or unit,
                lon=lon,
                lat=lat,
            )
        except Amiss as amiss:
            yield amiss


def _number(value: Any, field: str) -> float | bool:
    if field == "congested":
        if isinstance(value, bool):
            return value
        raise Amiss(field, value, "true or false", f"congested must be true or false, this is {members.kind(value)}")
    real = members.finite(value, field)
    if real < 0:
        raise Amiss(field, real, "0 or more", f"{field} {real:g} is below 0; leave it out when it is not known")
    return real


def _model(row: Mapping[str, Any]) -> str:
    """The data model of the entity, whether its type is written short or as a whole address."""
    told = row.get("type", row.get("@type"))
    words = told if isinstance(told, list) else [told]
    for word in words:
        short = str(word).replace("#", "/").rpartition("/")[2].rpartition(":")[2] if isinstance(word, str) else ""
        if short in MODELS:
            return short
    known = ", ".join(MODELS)
    raise Amiss("type", words[0] if words else None, known, f"type {str(told)[:80]!r} is not taken; known are {known}")


def _plain(row: Mapping[str, Any], name: str) -> Any:
    """The attribute by its short name, also where keys are whole addresses."""
    if name in row:
        return row[name]
    return next((one for key, one in row.items() if key.endswith((f"/{name}", f"#{name}"))), None)


def _attribute(told: Any) -> _Attribute:
    if isinstance(told, list) and told:  # several values of one attribute: the first counts
        told = told[0]
    if not members.is_row(told):
        return _Attribute(told, None, None)
    unit = told.get("unitCode")
    value = told.get("value", told.get("object", told.get("@value")))
    return _Attribute(value, told.get("observedAt"), unit if isinstance(unit, str) and unit else None)


def _reference(row: Mapping[str, Any], name: str) -> str:
    value = _attribute(_plain(row, name)).value
    return value if isinstance(value, str) else ""


def _short(name: str) -> str:
    """``urn:ngsi-ld:<Type>:<id>`` without what stands before the id."""
    parts = name.split(":", 3)
    return parts[3] if name.startswith("urn:ngsi-ld:") and len(parts) == 4 and parts[3] else name


def _when(row: Mapping[str, Any], envelope: Envelope) -> tuple[int | None, int]:
    """Start and end of what was observed; the time it came where the entity tells none."""
    start, end = (_moment(row, name) for name in ("dateObservedFrom", "dateObservedTo"))
    if start is not None and end is not None:
        return moments.between(start, end, "dateObservedTo")
    told = _moment(row, "dateObserved")
    if told is None:
        told = end if end is not None else start
    return (None, envelope.now) if told is None else moments.stretch(told, "dateObserved")


def _moment(row: Mapping[str, Any], name: str) -> Any:
    value = _attribute(_plain(row, name)).value
    return value.get("@value") if members.is_row(value) else value


def _place(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The entity's point; nothing for lines and areas, which stand for a road rather than for a sensor."""
    shape = _attribute(_plain(row, "location")).value
    if members.is_row(_plain(row, "location")) and shape is None:
        shape = _plain(row, "location")
    if not members.is_row(shape) or shape.get("type") != "Point":
        return None, None
    corner = shape.get("coordinates")
    if not isinstance(corner, list) or len(corner) < 2:
        raise Amiss("coordinates", corner, "[lon, lat]", "the location's coordinates must be [lon, lat]")
    return members.place(members.finite(corner[0], "lon"), members.finite(corner[1], "lat"))


CODEC = Codec(
    name="ngsi-ld",
    title="NGSI-LD CrowdFlowObserved and TrafficFlowObserved",
    media=("application/ld+json", "application/json"),
    endings=(".ngsi.json", ".jsonld", ".json"),
    decode=_decode,
)
