"""The records of a SenML pack, RFC 8428, as they were sent: from JSON, CBOR or XML, each readable one and why not."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2
import msgspec

from sensors.codecs import markup, members
from sensors.codecs.base import bounded
from sensors.codecs.errors import Amiss, Fault, Misshapen, TooMany, Undecodable, Unreadable
from sensors.codecs.members import CONTAINERS, kind

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


_pack = msgspec.json.Decoder(list[Record])
_encode = msgspec.json.Encoder().encode
_BASES = {"bn": str, "bt": float, "bu": str, "bv": float, "bs": float, "bver": int}
_OWN = {"n": str, "u": str, "v": float, "vs": str, "vb": bool, "vd": str, "s": float, "t": float, "ut": float}
_KINDS = {str: "text", float: "a finite number", int: "a whole number", bool: "true or false"}


@dataclass(slots=True)
class Pack:
    """The records of a pack; those that cannot be read are ``None`` here and among the faults."""

    records: Sequence[Record | None]
    text: Callable[[int], bytes]
    faults: list[Fault] = field(default_factory=list)


def read(body: bytes, limit: int) -> Pack:
    """The records of a pack in whichever of the three forms."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<" or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _from_xml(body, limit)
    if body[:1] and 0x80 <= body[0] <= 0xBF:
        return _from_cbor(body, limit)
    return _from_json(body, limit)


def _from_json(body: bytes, limit: int) -> Pack:
    plain = body.removeprefix(b"\xef\xbb\xbf")
    if b'_"' not in plain:
        try:
            records = _pack.decode(plain)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return _one_by_one(members.loads(body, limit), limit)
        bounded(len(records), limit)
        return Pack(records, lambda index: _encode(records[index]))
    return _one_by_one(members.loads(body, limit), limit)


def _from_cbor(body: bytes, limit: int) -> Pack:
    containers = len(body) - len(body.translate(None, _CONTAINER_BYTES))
    if containers > (most := CONTAINERS * (limit + CONTAINERS)):
        raise TooMany(containers, most, "objects and arrays")
    try:
        rows = cbor2.loads(body, semantic_decoders=_UNTAGGED, max_depth=8, strict_hashable_types=False)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, decimal.DecimalException) as error:
        raise Undecodable(f"not CBOR: {error}", len(body)) from error
    if not isinstance(rows, list):
        raise Misshapen("pack", kind(rows), "array", f"a SenML pack must be an array, this is {kind(rows)}")
    bounded(len(rows), limit)
    if (records := _at_once(rows)) is not None:
        return Pack(records, lambda index: _encode(records[index]))
    return _one_by_one([_labelled(row) for row in rows], limit)


def _at_once(rows: list[Any]) -> list[Record] | None:
    """The records of a pack in which nothing is amiss; ``None`` for others."""
    try:
        return msgspec.convert([{LABELS[name]: one for name, one in row.items()} for row in rows], list[Record])
    except (KeyError, AttributeError, TypeError, msgspec.ValidationError):
        return None


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


def _from_xml(body: bytes, limit: int) -> Pack:
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


def _one_by_one(rows: Any, limit: int) -> Pack:
    if not isinstance(rows, list):
        raise Misshapen("pack", kind(rows), "array", f"a SenML pack must be an array, this is {kind(rows)}")
    bounded(len(rows), limit)
    pack = Pack([], lambda index: members.dumps(rows[index]))
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
