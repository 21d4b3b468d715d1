"""SenML, RFC 8428: packs of records with base fields, as JSON, CBOR or XML.

Name, time, unit and value of a record are its own and the base fields before it, put together. A time below 2^28 s is
relative to now. Positions (units ``lon`` and ``lat``) stand at the readings they belong to and as positions of the
thing. ``vd`` (bytes) and ``s`` without ``v`` (a sum) are refused: neither is a reading.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2
import msgspec
import numpy as np

from models.values import Position
from sensors.codecs import markup, members
from sensors.codecs.base import Codec, Decoded, Envelope, bounded
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Amiss, Fault, Misshapen, TooMany, Undecodable, Unreadable
from sensors.codecs.members import CONTAINERS, kind
from sensors.codecs.readings import MAX_TIME
from sensors.codecs.readings_codec import observations
from sensors.codecs.values import Observation

RELATIVE_S = 2**28  # a time below it is relative to now
VERSION = 10  # of RFC 8428
XML_NAMESPACE = "urn:ietf:params:xml:ns:senml"
LABELS = {  # CBOR's numbers for the members
    -6: "bs",
    -5: "bv",
    -4: "bu",
    -3: "bt",
    -2: "bn",
    -1: "bver",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}
POSITIONS = {"lon": 180.0, "lat": 90.0}
_SUFFIXES = ("longitude", "latitude", "lon", "lat", "lng")
_CONTAINER_BYTES = bytes(range(0x80, 0xC0))


class Record(msgspec.Struct, gc=False, omit_defaults=True):
    """One record as sent."""

    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None
    n: str | None = None
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    t: float | None = None
    ut: float | None = None


class Resolved(msgspec.Struct, gc=False, omit_defaults=True, frozen=True):
    """One record with its base fields put in; ``t`` in seconds since 1970-01-01 UTC, never relative."""

    n: str
    t: float
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    s: float | None = None


_pack = msgspec.json.Decoder(list[Record])
_encode = msgspec.json.Encoder().encode
_BASES = {"bn": str, "bt": float, "bu": str, "bv": float, "bs": float, "bver": int}
_OWN = {"n": str, "u": str, "v": float, "vs": str, "vb": bool, "vd": str, "s": float, "t": float, "ut": float}
_KINDS = {str: "text", float: "a finite number", int: "a whole number", bool: "true or false"}


@dataclass(slots=True)
class _Pack:
    """The records of a pack; those that cannot be read are ``None`` here and among the faults."""

    records: Sequence[Record | None]
    text: Callable[[int], bytes]
    faults: list[Fault] = field(default_factory=list)


# --- from bytes to records --------------------------------------------------------------------------------------


def _read(body: bytes, limit: int) -> _Pack:
    """The records of a pack in whichever of the three forms."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<" or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _from_xml(body, limit)
    if body[:1] and 0x80 <= body[0] <= 0xBF:
        return _from_cbor(body, limit)
    return _from_json(body, limit)


def _from_json(body: bytes, limit: int) -> _Pack:
    plain = body.removeprefix(b"\xef\xbb\xbf")
    if b'_"' not in plain:
        try:
            records = _pack.decode(plain)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return _one_by_one(members.loads(body, limit), limit)
        bounded(len(records), limit)
        return _Pack(records, lambda index: _encode(records[index]))
    return _one_by_one(members.loads(body, limit), limit)


def _from_cbor(body: bytes, limit: int) -> _Pack:
    containers = len(body) - len(body.translate(None, _CONTAINER_BYTES))
    if containers > (most := CONTAINERS * (limit + CONTAINERS)):
        raise TooMany(containers, most, "objects and arrays")
    try:
        rows = cbor2.loads(body, semantic_decoders=_UNTAGGED, max_depth=8, strict_hashable_types=False)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, decimal.DecimalException) as error:
        raise Undecodable(f"not CBOR: {error}", len(body)) from error
    if not isinstance(rows, list):
        raise Misshapen("pack", kind(rows), "array", f"a SenML pack must be an array, this is {kind(rows)}")
    return _one_by_one([_labelled(row) for row in rows], limit)


def _no_tag(decoder: object) -> Any:
    raise ValueError("tags other than 4 are no SenML")


_UNTAGGED: Mapping[int, Callable[[object], Any]] = dict.fromkeys(
    [0, 1, 2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000], _no_tag
)


def _labelled(row: object) -> object:
    if not isinstance(row, Mapping):
        return row
    return {LABELS.get(name, name) if type(name) is int else name: _plain(value) for name, value in row.items()}


def _plain(value: object) -> object:
    if isinstance(value, decimal.Decimal):  # a decimal fraction; of a huge exponent it is infinite
        return float(value)
    return value.hex() if isinstance(value, bytes) else value


def _from_xml(body: bytes, limit: int) -> _Pack:
    root = markup.parse(body)
    if markup.name(root) != "sensml" or markup.namespace(root) != XML_NAMESPACE:
        limit_told = f"sensml of {XML_NAMESPACE}"
        reason = f"the document is {markup.name(root)} of {markup.namespace(root)!r}; SenML is {limit_told}"
        raise Unreadable(reason, field="sensml", value=root.tag, limit=limit_told)
    elements = list(markup.children(root, "senml"))
    pack = _one_by_one([_attributes(element) for element in elements], limit)
    pack.text = lambda index: markup.source(elements[index])
    return pack


def _attributes(element: markup.Element) -> dict[str, object]:
    """The attributes with numbers and truth values read from their text; what cannot be is left as text."""
    return {str(name): _typed(str(name), str(value)) for name, value in element.attrib.items()}


def _typed(name: str, value: str) -> object:
    wanted = (_BASES | _OWN).get(name)
    if wanted is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip(), value)
    if wanted in (float, int):
        try:
            real = members.parsed(value, name)
        except Amiss:
            return value
        return int(real) if wanted is int and real.is_integer() else real
    return value


def _one_by_one(rows: Any, limit: int) -> _Pack:
    if not isinstance(rows, list):
        raise Misshapen("pack", kind(rows), "array", f"a SenML pack must be an array, this is {kind(rows)}")
    bounded(len(rows), limit)
    pack = _Pack([], lambda index: members.dumps(rows[index]))
    records: list[Record | None] = []
    for index, row in enumerate(rows):
        try:
            records.append(_record(row, index))
        except Amiss as amiss:
            pack.faults.append(amiss.at(index))
            records.append(_bases(row))
    pack.records = records
    return pack


def _record(row: object, index: int) -> Record:
    told = members.as_row(row, "record")
    for name, wanted in _BASES.items():
        if name in told and not _fits(told[name], wanted):
            reason = f"{name} must be {_KINDS[wanted]}, this is {kind(told[name])}; the records after it hang on it"
            raise Unreadable(f"record {index}: {reason}", field=name, value=told[name], record=index)
    for name, wanted in _OWN.items():
        if name in told and not _fits(told[name], wanted):
            reason = f"{name} must be {_KINDS[wanted]}, this is {kind(told[name])}"
            raise Amiss(name, told[name], _KINDS[wanted], reason)
    for name in told:
        if isinstance(name, str) and name.endswith("_"):
            raise Amiss(name, told[name], "members of RFC 8428", f"{name} must be understood, and is not; leave it out")
    return Record(**{name: told[name] for name in (*_BASES, *_OWN) if name in told})


def _bases(row: object) -> Record | None:
    """What of a refused record still counts for those after it."""
    told = row if members.is_row(row) else {}
    return Record(**{name: told[name] for name in _BASES if name in told}) if told else None


def _fits(value: object, wanted: type) -> bool:
    if wanted is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(members.as_float(value)) < float("inf")  # type: ignore[arg-type]  # it is a number
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)


# --- from records to readings -----------------------------------------------------------------------------------


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
    pack = _read(body, envelope.limit)
    return [record for _, record in _resolved(pack, envelope.now / 1000)]


def _resolved(pack: _Pack, now: float) -> Iterable[tuple[int, Resolved]]:
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
    pack = _read(body, envelope.limit)
    rows = [(index, _as_number(row)) for index, row in _resolved(pack, envelope.now / 1000)]
    return _sorted_out(pack, rows, envelope)


def _as_number(row: Resolved) -> Resolved:
    """A truth value as 1 or 0, for readings; the rest as it is."""
    return row if row.vb is None else Resolved(row.n, row.t, row.u, float(row.vb))


def _sorted_out(pack: _Pack, rows: Sequence[tuple[int, Resolved]], envelope: Envelope) -> Columns:
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
    pack = _read(body, envelope.limit)
    return observations(_sorted_out(pack, list(_resolved(pack, envelope.now / 1000)), envelope))


CODEC = Codec(
    name="senml",
    title="SenML (RFC 8428): JSON, CBOR, XML",
    media=("application/senml+json", "application/senml+cbor", "application/senml+xml"),
    endings=(".senml", ".senmlc", ".senmlx", ".senml.json"),
    decode=_decode,
    columns=_columns,
)
