"""Sparkplug B: births, deaths and data of edge nodes and devices, as protobuf or as its JSON view.

A metric is the datastream ``<group>/<node>[/<device>]/<metric>``. Births tell which number (alias) stands for which
metric; messages are numbered 0 to 255 and begin again. Both are remembered in the envelope's ``session``: a gap, or
data before a birth, gives a note that the node must be asked for a new birth. Metrics of ``Node Control`` are
commands, ``bdSeq`` tells which birth a death belongs to, null means no value: none is an observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from sensors.codecs import members, sparkplug_payload
from sensors.codecs.base import Codec, Decoded, Envelope, bounded
from sensors.codecs.errors import Amiss, Misshapen
from sensors.codecs.readings import MAX_TIME
from sensors.codecs.sparkplug_payload import TYPE_NUMBERS, TYPES, Metric, Payload
from sensors.codecs.sparkplug_session import Metric as Named
from sensors.codecs.sparkplug_session import Session
from sensors.codecs.values import Observation, SessionNote, Value

NAMESPACE = "spBv1.0"
KINDS = ("NBIRTH", "NDEATH", "NDATA", "NCMD", "DBIRTH", "DDEATH", "DDATA", "DCMD", "STATE")
CONTROL = ("Node Control/", "Device Control/")
BIRTH_NUMBER = "bdSeq"
GOOD, BAD, STALE = 192, 0, 500
QUALITIES: dict[int, Literal["good", "uncertain", "bad"]] = {GOOD: "good", BAD: "bad", STALE: "uncertain"}


class Address(NamedTuple):
    """Where a message comes from: ``kind`` is "" where no topic tells."""

    group: str
    kind: str
    node: str
    device: str

    @property
    def edge(self) -> str:
        """The edge node."""
        return f"{self.group}/{self.node}" if self.group else self.node

    @property
    def asset(self) -> str:
        """The device, or the edge node where the message is its own."""
        return f"{self.edge}/{self.device}" if self.device else self.edge


def address(topic: str, asset: str = "") -> Address:
    """What ``spBv1.0/<group>/<kind>/<node>[/<device>]`` says. Raises ``Misshapen`` for another topic."""
    if not topic:
        return Address("", "", asset or "edge", "")
    parts = topic.split("/")
    if parts[0] != NAMESPACE or len(parts) not in (3, 4, 5) or (parts[2] not in KINDS and parts[1] != "STATE"):
        wanted = f"{NAMESPACE}/<group>/<kind>/<node>[/<device>]"
        raise Misshapen("topic", topic[:200], wanted, f"topic {topic[:200]!r} is not {wanted}")
    if parts[1] == "STATE":
        return Address("", "STATE", parts[2], "")
    return Address(parts[1], parts[2], parts[3] if len(parts) > 3 else "", parts[4] if len(parts) > 4 else "")


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    where = address(envelope.topic, envelope.asset)
    if where.kind in ("STATE", "NCMD", "DCMD"):  # of hosts, not of the field
        return Decoded(count=0, text=lambda index: body)
    if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        payload = _viewed(body, envelope.limit)
    else:
        payload = sparkplug_payload.read(body, envelope.limit)
    decoded = Decoded(count=len(payload.metrics), text=lambda index: _shown(payload.metrics[index]))
    time = _in_range(payload.time, envelope.now)
    for note in _noted(where, payload, time, envelope.session):
        decoded.add(0, note)
    if where.kind in ("NDEATH", "DDEATH"):
        return decoded
    for index, metric in enumerate(payload.metrics):
        try:
            if isinstance(metric, Amiss):
                raise metric
            decoded.add(index, *_observed(metric, where, time, envelope.session))
        except Amiss as amiss:
            decoded.faults.append(amiss.at(index, f"metric {index + 1}"))
    return decoded


def _shown(metric: Metric | Amiss) -> bytes:
    return members.dumps(str(metric.value) if isinstance(metric, Amiss) else metric._asdict())


# --- who is alive -----------------------------------------------------------------------------------------------


def _noted(where: Address, payload: Payload, time: int, session: Session | None) -> Iterator[SessionNote]:
    """What the message says of the connection, and what it means for what comes next."""
    if not where.kind:
        return
    if where.kind.endswith("DEATH"):
        current = session is None or session.died(where.edge, where.device, _birth_number(payload))
        if current:
            yield SessionNote(asset=where.asset, time=time, what="death", text=f"{where.asset} is gone")
        if where.kind == "DDEATH" and session is not None:
            yield from _gap(where, payload, time, session)
        return
    if where.kind.endswith("BIRTH"):
        yield SessionNote(asset=where.asset, time=time, what="birth", text=f"{where.asset} told its metrics")
        if session is not None:
            session.born(where.edge, where.device, _aliases(payload), _birth_number(payload))
    if session is None:
        return
    yield from _gap(where, payload, time, session)
    if not session.knows(where.edge, where.device) and session.ask(where.edge):
        text = f"{where.asset} sends data and has not told its metrics; ask {where.edge} for a rebirth"
        yield SessionNote(asset=where.asset, time=time, what="rebirth-needed", text=text)


def _gap(where: Address, payload: Payload, time: int, session: Session) -> Iterator[SessionNote]:
    if payload.sequence is None:
        return
    expected = session.gap(where.edge, payload.sequence % 256)
    if expected is None:
        return
    text = f"{where.edge} sent message {payload.sequence} where {expected} was due; ask it for a rebirth"
    yield SessionNote(
        asset=where.edge, time=time, what="gap", text=text, expected=expected, found=payload.sequence % 256
    )


def _aliases(payload: Payload) -> dict[int, Named]:
    metrics = (metric for metric in payload.metrics if isinstance(metric, Metric))
    return {metric.alias: Named(metric.name, metric.datatype) for metric in metrics if metric.alias is not None}


def _birth_number(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if isinstance(metric, Metric) and metric.name == BIRTH_NUMBER and isinstance(metric.value, int):
            return int(metric.value)
    return None


# --- what was observed ------------------------------------------------------------------------------------------


def _observed(metric: Metric, where: Address, time: int, session: Session | None) -> tuple[Value, ...]:
    name, datatype = _named(metric, where, session)
    if name == BIRTH_NUMBER or name.startswith(CONTROL) or metric.null:
        return ()
    value = metric.value
    if value is None:
        word = TYPES[datatype] if datatype < len(TYPES) else str(datatype)
        reason = f"{name} is of type {word}, which is no reading; send its members as metrics of their own"
        raise Amiss(name[:100], word, "a number, truth value or text", reason)
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(sparkplug_payload.signed(value, datatype))
    elif isinstance(value, float):
        value = members.finite(value, name[:100])
    return (
        Observation(
            datastream=f"{where.asset}/{name}",
            asset=where.asset,
            property=name,
            time=_in_range(metric.time, time),
            value=value,
            unit=metric.unit,
            quality="" if metric.quality is None else QUALITIES.get(metric.quality, "uncertain"),
        ),
    )


def _named(metric: Metric, where: Address, session: Session | None) -> tuple[str, int]:
    if metric.name:
        return metric.name, metric.datatype
    if metric.alias is None:
        raise Amiss("name", None, "name or alias", "the metric has neither name nor alias; give it one")
    known = session.metric(where.edge, where.device, metric.alias) if session is not None else None
    if known is None:
        reason = f"alias {metric.alias} of {where.asset} is not known; ask {where.edge} for a rebirth"
        raise Amiss("alias", metric.alias, "an alias of the last birth", reason)
    return known.name, metric.datatype or known.datatype


def _in_range(time: int | None, otherwise: int) -> int:
    return otherwise if time is None else min(time, MAX_TIME)


# --- the JSON view ----------------------------------------------------------------------------------------------


def _viewed(body: bytes, limit: int) -> Payload:
    """A payload written as JSON, as in the specification's examples."""
    told = members.loads(body, limit)
    if not members.is_row(told) or not isinstance(told.get("metrics", []), list):
        raise Misshapen("metrics", members.kind(told), "array", "the payload must be an object with an array metrics")
    rows = told.get("metrics", [])
    bounded(len(rows), limit)
    metrics: list[Metric | Amiss] = []
    for row in rows:
        try:
            metrics.append(_view(members.as_row(row, "metric")))
        except Amiss as amiss:
            metrics.append(amiss)
    try:
        return Payload(_whole(told, "timestamp"), _whole(told, "seq"), metrics)
    except Amiss as amiss:
        raise Misshapen(amiss.field, members.kind(amiss.value), "whole number", amiss.reason) from amiss


def _view(row: Mapping[str, Any]) -> Metric:
    value = row.get("value")
    datatype = TYPE_NUMBERS.get(members.text(row, "dataType", "").lower(), 0)
    if isinstance(value, int) and abs(value) >= 2**64:
        value = members.as_float(value)
    return Metric(
        name=members.text(row, "name", ""),
        alias=_whole(row, "alias"),
        time=_whole(row, "timestamp"),
        datatype=datatype,
        value=value if isinstance(value, int | float | str) else None,
        null=value is None,
        unit=members.text(row, "engUnit", "") or None,
    )


def _whole(row: Mapping[str, Any], name: str) -> int | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise Amiss(name, value, "whole number", f"{name} must be a whole number, this is {members.kind(value)}")
    return value


CODEC = Codec(
    name="sparkplug",
    title="Sparkplug B, protobuf and its JSON view",
    media=("application/x-protobuf", "application/json"),
    endings=(".spb", ".sparkplug.json", ".json"),
    decode=_decode,
    topics=("spBv1.0/#",),
)
