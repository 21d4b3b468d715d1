"""Licence plates, and who wrote an appeal, are personal data: what is kept and shown has them masked.

Of a plate the region stays (two characters: 川A), so that traffic from elsewhere can still be told. In free text a
plate is known by its Chinese form (GA 36: a province, a letter, five or six letters and digits); plates of other
countries look like any other number and are masked only where a field holds nothing else.

An event that is taken is masked field by field. What is refused is kept as the bytes that came (a dead letter), so it
is masked as bytes, each by a star: the body stays as long as it was (JSON, XML, form, protobuf), and can be sent again.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from models.values import ServiceRequest, Text, Warning
from sensors.codecs.values import CameraEvent, Device, Passage, Value

V = TypeVar("V", bound=Value)
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
HIDDEN = "*****"
REGION = 2  # characters of a plate that stay
_PLATE = re.compile(
    rf"([{PROVINCES}][A-HJ-NP-Za-hj-np-z])[·•・. ]?[A-HJ-NP-Za-hj-np-z0-9]{{4,5}}[A-HJ-NP-Za-hj-np-z0-9挂学警港澳]"
)
# The same in bytes: a province in UTF-8, in GB 18030 or as JSON escapes it; what follows is ASCII but for the last sign
_BYTES = re.compile(
    b"((?:%s)[A-HJ-NP-Za-hj-np-z])((?:\xc2\xb7|\xe2\x80\xa2|\xa1\xa4|[. ])?[A-HJ-NP-Za-hj-np-z0-9]{4,5}"
    b"(?:[A-HJ-NP-Za-hj-np-z0-9]|%s))"
    % tuple(
        b"|".join(
            re.escape(form)
            for sign in signs
            for form in (sign.encode(), sign.encode("gb18030"), b"\\u%04x" % ord(sign), b"\\u%04X" % ord(sign))
        )
        for signs in (PROVINCES, "挂学警港澳")
    )
)
_FIELDS = "plate_?no|plate_?number|licen[cs]e_?plate|number_?plate|plate"  # hold a plate and nothing else
_WRITERS = "first_name|last_name|email|phone"  # GeoReport v2: who wrote; never taken over into the product
_SUSPECT = re.compile(rb"plate|_name|email|phone|[\x80-\xff]|\\u", re.IGNORECASE)  # most bodies hold none of it
_NAMED = tuple(
    (re.compile(form % names.encode(), re.IGNORECASE), kept)
    for names, kept in ((_FIELDS, REGION), (_WRITERS, 0))
    for form in (
        rb'("(?:%s)"\s{0,20}:\s{0,20}")((?:[^"\\]|\\.)+)',  # JSON
        rb"(<(?:[\w.-]+:)?(?:%s)(?:\s[^<>]{0,200})?>)([^<]+)",  # XML
        rb"((?:^|&)(?:%s)=)([^&]+)",  # a form
    )
)


def masked(value: V) -> V:
    """The same event with every plate masked; what holds none is returned as it is."""
    match value:
        case Passage(plate=plate) if plate:
            return replace(value, plate=plate[:REGION] + HIDDEN)
        case ServiceRequest():
            return replace(value, description=words(value.description), address=words(value.address))
        case CameraEvent():
            return replace(value, data={name: words(text) for name, text in value.data.items()})
        case Device():
            return replace(value, name=words(value.name), place=words(value.place))
        case Warning():
            return replace(
                value,
                **{name: _both(getattr(value, name)) for name in ("event", "headline", "description", "instruction")},
            )
        case _:
            return value


def words(text: str) -> str:
    """The text with every plate in it masked."""
    return _PLATE.sub(rf"\1{HIDDEN}", text)


def body(data: bytes) -> bytes:
    """What is refused as it is kept: as many bytes, with each plate and each writer's name and address in stars."""
    if _SUSPECT.search(data) is None:
        return data
    for pattern, kept in _NAMED:
        data = pattern.sub(partial(_starred, kept=kept), data)
    return _BYTES.sub(lambda found: found[1] + b"*" * len(found[2]), data)


def _starred(found: re.Match[bytes], kept: int) -> bytes:
    """The field with so many characters of its value, the rest in stars."""
    start = re.match(rb"(?:\\u[0-9a-fA-F]{4}|[\x00-\x7f]|[\x80-\xff][\x80-\xbf]*){0,%d}" % kept, found[2])
    clear = len(start[0]) if start else 0
    return found[1] + found[2][:clear] + b"*" * (len(found[2]) - clear)


def _both(text: Text) -> Text:
    return Text(en=words(text.en), zh=words(text.zh))
