"""The protobuf payload of Sparkplug B, read with a descriptor made here from the public field numbers.

Texts, property sets and everything that is no reading are declared as bytes: they are opened only where they are
needed, so that neither a wrong character nor a thousand nested sets cost more than their own length.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from sensors.codecs.base import bounded
from sensors.codecs.errors import Amiss, Undecodable

INT8, INT16, INT32, INT64 = 1, 2, 3, 4
SIGNED = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}
TYPES = (
    *("Unknown", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
    *("Float", "Double", "Boolean", "String", "DateTime", "Text", "UUID", "DataSet", "Bytes", "File", "Template"),
    *("PropertySet", "PropertySetList", "Int8Array", "Int16Array", "Int32Array", "Int64Array", "UInt8Array"),
    *("UInt16Array", "UInt32Array", "UInt64Array", "FloatArray", "DoubleArray", "BooleanArray", "StringArray"),
    "DateTimeArray",
)
TYPE_NUMBERS = {name.lower(): number for number, name in enumerate(TYPES)}
PROPERTIES_BYTES = 8 * 1024  # of a metric's property set that are read
_F = descriptor_pb2.FieldDescriptorProto
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5  # wire types
_METRICS = 2


class Metric(NamedTuple):
    """One metric as sent: ``value`` is ``None`` for null and for types that are no reading.

    A whole number is as its bits are; ``signed`` gives the number meant.
    """

    name: str
    alias: int | None
    time: int | None  # ms
    datatype: int
    value: float | bool | str | None
    null: bool
    unit: str | None = None
    quality: int | None = None  # 192 good, 0 bad, 500 stale


class Payload(NamedTuple):
    """One payload; metrics that cannot be read are given as why."""

    time: int | None
    sequence: int | None
    metrics: list[Metric | Amiss]


def _described() -> dict[str, type[Message]]:
    """The message classes, from their field numbers."""
    file = descriptor_pb2.FileDescriptorProto(name="citybrain/sparkplug_b.proto", package="citybrain.sparkplug")
    payload = [("timestamp", 1, _F.TYPE_UINT64), ("seq", 3, _F.TYPE_UINT64), ("body", 5, _F.TYPE_BYTES)]
    metric = [
        *(("name", 1, _F.TYPE_BYTES), ("alias", 2, _F.TYPE_UINT64), ("timestamp", 3, _F.TYPE_UINT64)),
        *(("datatype", 4, _F.TYPE_UINT32), ("is_null", 7, _F.TYPE_BOOL), ("properties", 9, _F.TYPE_BYTES)),
    ]
    metric_value = [
        *(("int_value", 10, _F.TYPE_UINT32), ("long_value", 11, _F.TYPE_UINT64), ("float_value", 12, _F.TYPE_FLOAT)),
        *(("double_value", 13, _F.TYPE_DOUBLE), ("boolean_value", 14, _F.TYPE_BOOL)),
        *(("string_value", 15, _F.TYPE_BYTES), ("bytes_value", 16, _F.TYPE_BYTES)),
        *(("dataset_value", 17, _F.TYPE_BYTES), ("template_value", 18, _F.TYPE_BYTES)),
    ]
    property_value = [
        *(("int_value", 3, _F.TYPE_UINT32), ("long_value", 4, _F.TYPE_UINT64), ("float_value", 5, _F.TYPE_FLOAT)),
        *(("double_value", 6, _F.TYPE_DOUBLE), ("boolean_value", 7, _F.TYPE_BOOL), ("string_value", 8, _F.TYPE_BYTES)),
    ]
    _add(file, "Metric", metric, metric_value)
    _add(file, "PropertyValue", [("is_null", 2, _F.TYPE_BOOL)], property_value)
    _repeat(_add(file, "PropertySet", [], []), "keys", 1, "")
    _repeat(file.message_type[-1], "values", 2, "PropertyValue")
    _repeat(_add(file, "Payload", payload, []), "metrics", _METRICS, "Metric")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{file.package}.{one.name}") for one in file.message_type)
    return {one.name: message_factory.GetMessageClass(one) for one in found}


def _add(
    file: descriptor_pb2.FileDescriptorProto,
    name: str,
    fields: list[tuple[str, int, Any]],
    choices: list[tuple[str, int, Any]],
) -> descriptor_pb2.DescriptorProto:
    """A message with optional ``fields`` and, of ``choices``, one value at most."""
    message = file.message_type.add(name=name)
    for field, number, kind in fields:
        message.field.add(name=field, number=number, type=kind, label=_F.LABEL_OPTIONAL)
    if choices:
        message.oneof_decl.add(name="value")
    for field, number, kind in choices:
        message.field.add(name=field, number=number, type=kind, label=_F.LABEL_OPTIONAL, oneof_index=0)
    return message


def _repeat(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    """A repeated field of messages of ``kind``, or of bytes where it is ""."""
    if kind:
        told = f".citybrain.sparkplug.{kind}"
        message.field.add(name=name, number=number, type=_F.TYPE_MESSAGE, label=_F.LABEL_REPEATED, type_name=told)
    else:
        message.field.add(name=name, number=number, type=_F.TYPE_BYTES, label=_F.LABEL_REPEATED)


_CLASSES = _described()


def read(body: bytes, limit: int) -> Payload:
    """The payload in ``body``. Raises ``Undecodable``, or ``TooMany`` for more than ``limit`` metrics."""
    if not body:
        raise Undecodable("the body is empty; send a payload with its timestamp", 0)
    _count(body, limit)
    told: Any = _CLASSES["Payload"]()
    try:
        told.ParseFromString(body)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise Undecodable(f"not a Sparkplug B payload: {error}", 0) from error
    time = told.timestamp if told.HasField("timestamp") else None
    sequence = told.seq if told.HasField("seq") else None
    return Payload(time, sequence, [_metric(metric) for metric in told.metrics])


def _count(body: bytes, limit: int) -> None:
    """Count the metrics before any is unpacked; a body that is no protobuf is left to the reader to refuse."""
    at, metrics = 0, 0
    while at < len(body):
        tag, at = _varint(body, at)
        wire = tag & 7
        if wire == _VARINT:
            _, at = _varint(body, at)
        elif wire == _LENGTH:
            length, at = _varint(body, at)
            at += length
        elif wire in (_EIGHT, _FOUR):
            at += 8 if wire == _EIGHT else 4
        else:
            return
        metrics += 1
        bounded(metrics, limit + 8)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body) and shift < 70:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    return value, len(body)


def _metric(told: Any) -> Metric | Amiss:
    try:
        name = _text(told.name, "name")
        unit, quality = _properties(told.properties) if told.HasField("properties") else (None, None)
        return Metric(
            name=name,
            alias=told.alias if told.HasField("alias") else None,
            time=told.timestamp if told.HasField("timestamp") else None,
            datatype=told.datatype,
            value=_value(told),
            null=told.is_null or told.WhichOneof("value") is None,
            unit=unit,
            quality=quality,
        )
    except Amiss as amiss:
        return amiss


def _value(told: Any) -> float | bool | str | None:
    which = told.WhichOneof("value")
    if which is None or told.is_null:
        return None
    value = getattr(told, which)
    if which == "string_value":
        return _text(value, "string_value")
    return None if isinstance(value, bytes) else value


def signed(value: int, datatype: int) -> int:
    """The number meant by the bits of ``value``: negative ones come as two's complement of the type's width."""
    width = SIGNED.get(datatype)
    if width is None:
        return value
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def _properties(told: bytes) -> tuple[str | None, int | None]:
    """The engineering unit and the quality code among a metric's properties."""
    if len(told) > PROPERTIES_BYTES:
        return None, None
    properties: Any = _CLASSES["PropertySet"]()
    try:
        properties.ParseFromString(told)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise Amiss("properties", None, "property set", f"the properties cannot be read: {error}") from error
    unit: str | None = None
    quality: int | None = None
    for key, value in zip(properties.keys, properties.values, strict=False):
        name = key.decode(errors="replace").lower().replace(" ", "")
        which = value.WhichOneof("value")
        if name in ("engunit", "engineeringunits", "unit", "units") and which == "string_value":
            unit = _text(value.string_value, "engUnit") or None
        elif name == "quality" and which in ("int_value", "long_value"):
            quality = getattr(value, which)
    return unit, quality


def _text(told: bytes, field: str) -> str:
    try:
        return told.decode()
    except UnicodeDecodeError as error:
        raise Amiss(field, told.decode(errors="replace"), "UTF-8", f"{field} is not UTF-8; mend the sender") from error


def write(metrics: list[dict[str, Any]], timestamp: int | None = None, sequence: int | None = None) -> bytes:
    """A payload with these metrics, each a mapping of field names to values: for commands and for tests."""
    told: Any = _CLASSES["Payload"]()
    if timestamp is not None:
        told.timestamp = timestamp
    if sequence is not None:
        told.seq = sequence
    for metric in metrics:
        told.metrics.add(**{name: one.encode() if isinstance(one, str) else one for name, one in metric.items()})
    return bytes(told.SerializeToString())


def properties(unit: str, quality: int | None = None) -> bytes:
    """A property set with an engineering unit and a quality code, as ``write`` takes it."""
    told: Any = _CLASSES["PropertySet"]()
    told.keys.append(b"engUnit")
    told.values.add(string_value=unit.encode())
    if quality is not None:
        told.keys.append(b"Quality")
        told.values.add(int_value=quality)
    return bytes(told.SerializeToString())
