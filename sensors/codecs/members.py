"""Members of JSON (and CBOR) objects: read by name, refused by name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import msgspec

from sensors.codecs.errors import Amiss, Misshapen, TooMany, Undecodable
from sensors.problems import shown

Row = Mapping[str, Any]
CONTAINERS = 24  # objects and arrays a record may hold on average before the whole is refused unread
DIGITS = 64  # characters of a number written as text
_BOM = b"\xef\xbb\xbf"
_any = msgspec.json.Decoder()


def loads(body: bytes, limit: int) -> Any:
    """A JSON body of about ``limit`` records at most. Raises ``Undecodable`` or ``TooMany``."""
    plain = body.removeprefix(_BOM)
    containers = plain.count(b"{") + plain.count(b"[")
    if containers > (most := CONTAINERS * (limit + CONTAINERS)):
        raise TooMany(containers, most, "objects and arrays")
    try:
        return _any.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = lenient(plain)
    try:
        msgspec.json.encode(told)
    except (UnicodeEncodeError, RecursionError, ValueError) as error:
        raise Undecodable("a text holds half a character (a lone surrogate); send whole ones", len(plain)) from error
    return told


def lenient(body: bytes) -> Any:
    """A JSON body in which ``NaN``, ``Infinity`` and numbers of any size are read as numbers.

    So what is no number spoils its own record alone. Raises ``Undecodable``.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Undecodable(f"not UTF-8 (0x{body[error.start]:02x})", error.start) from error
    try:
        return json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        why = "empty; send JSON" if not text.strip() else f"not JSON: {error.msg}"
        raise Undecodable(why, len(text[: error.pos].encode())) from error
    except RecursionError as error:
        raise Undecodable("nested too deeply", 0) from error


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def is_row(value: object) -> TypeGuard[Row]:
    """Whether this is an object whose members have names."""
    return isinstance(value, Mapping)


def as_row(value: object, what: str) -> Row:
    """The value as an object; ``what`` names it in the refusal."""
    if not is_row(value):
        raise Amiss(what, value, "object", f"{what} must be an object, this is {kind(value)}")
    return value


def as_list(value: object, field: str) -> Sequence[Any]:
    """The value as an array; raises ``Misshapen`` for the whole."""
    if not isinstance(value, list):
        raise Misshapen(field, shown(value), "array", f"{field} must be an array, this is {kind(value)}")
    return value


def text(row: Row, name: str, default: str | None = None) -> str:
    """The text ``name``; numbers count as text, for ids that are numbers. Missing or null gives ``default``."""
    value = row.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)
    raise Amiss(name, value, "text", f"{name} must be text, this is {kind(value)}")


def number(row: Row, name: str) -> float:
    """The finite number ``name``; text is none."""
    return finite(row.get(name), name)


def finite(value: object, name: str) -> float:
    """The value as a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        reason = f"{name} must be a number, this is {kind(value)}; leave the record out when there is none"
        raise Amiss(name, value, "finite number", reason, "not-a-number")
    real = as_float(value)
    if not math.isfinite(real):
        reason = f"{name} {shown(value)} is not finite; leave the record out when there is none"
        raise Amiss(name, value, "finite number", reason, "not-a-number")
    return real


def as_float(value: float) -> float:
    """The number as a float, infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def maybe(row: Row, name: str) -> float | None:
    """The number ``name``, also as text; ``None`` where it is missing, null or empty."""
    value = row.get(name)
    if value is None or value == "":
        return None
    return parsed(value, name) if isinstance(value, str) else finite(value, name)


def parsed(value: str, name: str) -> float:
    """A finite number written as text, with a point and without signs of thousands."""
    plain = value.strip()
    real = float(plain) if len(plain) <= DIGITS and _PLAIN.fullmatch(plain) else math.nan
    if not math.isfinite(real):
        reason = f"{name} {value[:80]!r} is not a finite number; write digits with a point, such as 12.5"
        raise Amiss(name, value, "finite number", reason, "not-a-number")
    return real


_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def degrees(value: float | None, name: str, most: float) -> float | None:
    """A longitude (``most`` 180) or latitude (90), or ``None``."""
    if value is not None and not abs(value) <= most:
        raise Amiss(name, value, f"-{most:g}..{most:g}", f"{name} {value:g} is outside -{most:g}..{most:g} degrees")
    return value


def place(lon: float | None, lat: float | None) -> tuple[float | None, float | None]:
    """A place, or nothing where a part is missing or both are 0, which devices send for "not known"."""
    if lon is None or lat is None or (lon == 0 and lat == 0):
        return None, None
    return degrees(lon, "lon", 180), degrees(lat, "lat", 90)


def kind(value: object) -> str:
    """What the value is, in words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, bytes):
        return "bytes"
    kinds = {dict: "an object", list: "an array", str: "text", type(None): "missing or null"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def dumps(value: object) -> bytes:
    """The value as JSON, for people; what JSON cannot hold is told in words."""
    try:
        return msgspec.json.encode(value, enc_hook=lambda strange: kind(strange))
    except (RecursionError, ValueError, TypeError, OverflowError) as error:
        return msgspec.json.encode(f"cannot be shown: {type(error).__name__}")
