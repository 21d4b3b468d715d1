"""SenML, RFC 8428: packs of records with base fields, as JSON, CBOR or XML.

Name, time, unit and value of a record are its own and the base fields before it, put together. A time below 2^28 s is
relative to now. Positions (units ``lon`` and ``lat``) stand at the readings they belong to and as positions of the
thing. ``vd`` (bytes) and ``s`` without ``v`` (a sum) are refused: neither is a reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from models.values import Position
from sensors.codecs import members
from sensors.codecs.base import Codec, Decoded, Envelope
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Amiss, Fault, Unreadable
from sensors.codecs.readings import MAX_TIME
from sensors.codecs.readings_codec import observations
from sensors.codecs.senml_pack import Pack, Record, read
from sensors.codecs.values import Observation

RELATIVE_S = 2**28  # a time below it is relative to now
VERSION = 10  # of RFC 8428
POSITIONS = {"lon": 180.0, "lat": 90.0}
_SUFFIXES = ("longitude", "latitude", "lon", "lat", "lng")


class Resolved(msgspec.Struct, gc=False, omit_defaults=True, frozen=True):
    """One record with its base fields put in; ``t`` in seconds since 1970-01-01 UTC, never relative."""

    n: str
    t: float
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    s: float | None = None


@dataclass(slots=True)
class _Base:
    """The base fields that hold now."""

    name: str = ""
    time: float = 0.0
    unit: str | None = None
    value: float | None = None
    total: float | None = None

    def take(self, record: Record, index: int) -> None:
        """Take over what the record says for itself and those after it."""
        if record.bver is not None and not 0 < record.bver <= VERSION:
            reason = f"bver {record.bver} is not known; send versions up to {VERSION}"
            raise Unreadable(f"record {index}: {reason}", field="bver", value=record.bver, limit=VERSION, record=index)
        self.name = self.name if record.bn is None else record.bn
        self.time = self.time if record.bt is None else record.bt
        self.unit = self.unit if record.bu is None else record.bu
        self.value = self.value if record.bv is None else record.bv
        self.total = self.total if record.bs is None else record.bs


def resolve(body: bytes, envelope: Envelope) -> list[Resolved]:
    """The pack's records with names, times, units and values in full; those that are refused are left out."""
    pack = read(body, envelope.limit)
    return [record for _, record in _resolved(pack, envelope.now / 1000)]


def _resolved(pack: Pack, now: float) -> Iterable[tuple[int, Resolved]]:
    """Each readable record in full with its place; the others are added to the faults of the pack."""
    base = _Base()
    for index, record in enumerate(pack.records):
        if record is None:
            continue
        base.take(record, index)
        try:
            full = _full(record, base, now)
        except Amiss as amiss:
            pack.faults.append(amiss.at(index))
            continue
        if full is not None:
            yield index, full


def _full(record: Record, base: _Base, now: float) -> Resolved | None:
    """The record with the base fields; ``None`` where it has nothing but base fields."""
    value, total = record.v, record.s
    if record.vs is None and record.vb is None and record.vd is None:
        if value is None and total is None and record.n is None and record.t is None and record.u is None:
            return None
        if base.value is not None:
            value = (value or 0.0) + base.value
        if base.total is not None:
            total = (total or 0.0) + base.total
    _one_value(record, value, total)
    name = base.name + record.n if record.n else base.name
    if not name:
        raise Amiss("n", "", "a name", "the record has neither n nor bn; give it a name")
    time = base.time + record.t if record.t else base.time
    if time < RELATIVE_S:
        time += now
    if not abs(time) * 1000 <= MAX_TIME:
        raise Amiss("t", time, MAX_TIME / 1000, f"t {time:g} s is not a time; send seconds since 1970-01-01 UTC")
    unit = record.u if record.u is not None else base.unit
    if record.vs is not None or record.vb is not None:
        return Resolved(name, time, record.u, None, record.vs, record.vb, total)
    return Resolved(name, time, unit, value, None, None, total)


def _one_value(record: Record, value: float | None, total: float | None) -> None:
    if record.vd is not None:
        reason = "vd holds bytes, which are no reading; send them through the door of their own format"
        raise Amiss("vd", record.vd, "v, vs or vb", reason)
    if (value is not None) + (record.vs is not None) + (record.vb is not None) > 1:
        raise Amiss("v", value, "one of v, vs, vb", "the record has several values; send one record for each")
    if value is None and record.vs is None and record.vb is None:
        if total is not None:
            raise Amiss("s", total, "v, vs or vb", "the record has a sum and no value; send the value as v")
        raise Amiss("v", None, "v, vs or vb", "the record has no value; leave it out when there is none")


def _columns(body: bytes, envelope: Envelope) -> Columns:
    pack = read(body, envelope.limit)
    rows = [(index, _as_number(row)) for index, row in _resolved(pack, envelope.now / 1000)]
    return _sorted_out(pack, rows, envelope)


def _as_number(row: Resolved) -> Resolved:
    """A truth value as 1 or 0, for readings; the rest as it is."""
    return row if row.vb is None else Resolved(row.n, row.t, row.u, float(row.vb))


def _sorted_out(pack: Pack, rows: Sequence[tuple[int, Resolved]], envelope: Envelope) -> Columns:
    """Numbers as columns; texts, truth values and positions beside them."""
    others: list[tuple[int, Any]] = []
    located: dict[tuple[str, float], dict[str, float]] = {}
    numbers = rows
    if any(row.v is None or row.u in POSITIONS for _, row in rows):
        others = [(index, _said(row)) for index, row in rows if row.v is None]
        located = _located(rows, pack.faults)
        others += _positions(rows, located, envelope.source, pack.faults)
        numbers = [(index, row) for index, row in rows if row.v is not None and row.u not in POSITIONS]
    places = [located.get((_thing(row.n, located, row.t), row.t), {}) for _, row in numbers] if located else []
    units = [row.u for _, row in numbers]
    return Columns(
        datastream=[row.n for _, row in numbers],
        time=np.rint(np.array([row.t for _, row in numbers], np.float64) * 1000).astype(np.int64),
        value=np.array([row.v for _, row in numbers], np.float64),
        unit=None if units.count(None) == len(units) else units,
        lon=np.array([place.get("lon", np.nan) for place in places], np.float64) if places else None,
        lat=np.array([place.get("lat", np.nan) for place in places], np.float64) if places else None,
        index=np.array([index for index, _ in numbers], np.int64),
        count=len(pack.records),
        text=pack.text,
        faults=sorted(pack.faults, key=lambda fault: fault.index),
        others=others,
    )


def _said(row: Resolved) -> Observation:
    """A text or a truth value."""
    value = row.vb if row.vb is not None else row.vs or ""
    return Observation(datastream=row.n, time=round(row.t * 1000), value=value, unit=row.u)


def _located(rows: Sequence[tuple[int, Resolved]], faults: list[Fault]) -> dict[tuple[str, float], dict[str, float]]:
    """Longitude and latitude told of each thing at each time."""
    located: dict[tuple[str, float], dict[str, float]] = {}
    for index, row in rows:
        if row.v is None or row.u not in POSITIONS:
            continue
        try:
            members.degrees(row.v, row.u, POSITIONS[row.u])
        except Amiss as amiss:
            faults.append(amiss.at(index))
            continue
        located.setdefault((_bare(row.n), row.t), {})[row.u] = row.v
    return located


def _bare(name: str) -> str:
    """The thing whose longitude or latitude a record of this name tells."""
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix) and name[: -len(suffix)][-1:] in (":", "/", ".", "-", "_"):
            return name[: -len(suffix) - 1]
    return name.rstrip(":/.-_") or name


def _thing(name: str, located: Mapping[tuple[str, float], object], time: float) -> str:
    """The thing that a reading of this name belongs to, as far as its position is told."""
    if (name, time) in located:
        return name
    return name[: max(name.rfind(mark) for mark in ":/.")] if any(mark in name for mark in ":/.") else name


def _positions(
    rows: Sequence[tuple[int, Resolved]],
    located: Mapping[tuple[str, float], Mapping[str, float]],
    source: str,
    faults: list[Fault],
) -> list[tuple[int, Position]]:
    """A position for each thing and time, at the record that completes it; half a position is a fault."""
    last = {(_bare(row.n), row.t): index for index, row in rows if row.v is not None and row.u in POSITIONS}
    found = []
    for key, told in located.items():
        if missing := [unit for unit in POSITIONS if unit not in told]:
            reason = f"{missing[0]} of {key[0]} is missing at this time; send lon and lat with the same name and time"
            faults.append(Fault(last[key], "position", missing[0], None, "lon and lat", reason))
            continue
        place = Position(unit=key[0], time=round(key[1] * 1000), lon=told["lon"], lat=told["lat"], source=source)
        found.append((last[key], place))
    return found


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    pack = read(body, envelope.limit)
    rows = list(_resolved(pack, envelope.now / 1000))
    columns = _sorted_out(pack, rows, envelope)
    refused = {fault.index for fault in columns.faults}
    columns.others.extend((index, _degrees(row)) for index, row in rows if row.u in POSITIONS and index not in refused)
    return observations(columns)


def _degrees(row: Resolved) -> Observation:
    """A longitude or latitude as the record that it is."""
    return Observation(datastream=row.n, time=round(row.t * 1000), value=row.v or 0.0, unit=row.u, optional=True)


CODEC = Codec(
    name="senml",
    title="SenML (RFC 8428): JSON, CBOR, XML",
    media=("application/senml+json", "application/senml+cbor", "application/senml+xml"),
    endings=(".senml", ".senmlc", ".senmlx", ".senml.json", ".json", ".cbor", ".xml"),
    decode=_decode,
    columns=_columns,
)
