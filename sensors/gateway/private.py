"""Licence plates are personal data: what is kept and shown of an event has them masked.

Of a plate the region stays (two characters: 川A), so that traffic from elsewhere can still be told. In free text a
plate is known by its Chinese form (GA 36: a province, a letter, five or six letters and digits); plates of other
countries look like any other number and are masked only where a field holds nothing else.
"""

from __future__ import annotations

import re
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


def _both(text: Text) -> Text:
    return Text(en=words(text.en), zh=words(text.zh))
