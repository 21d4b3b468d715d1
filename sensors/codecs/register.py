"""The register of codecs: every format the city understands, by name, media type, file ending and MQTT topic."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sensors.codecs import (
    arrow,
    axis,
    cap,
    gat1400,
    ngsi,
    onvif,
    open311,
    readings_codec,
    senml,
    sensorthings,
    sparkplug,
    table,
)
from sensors.codecs.base import Codec
from sensors.codecs.errors import Unreadable

_ALL: tuple[Codec, ...] = (
    readings_codec.JSON,
    table.NDJSON,
    table.CSV,
    arrow.CODEC,
    senml.CODEC,
    sensorthings.CODEC,
    ngsi.CODEC,
    sparkplug.CODEC,
    onvif.CODEC,
    axis.CODEC,
    gat1400.CODEC,
    cap.CODEC,
    open311.CODEC,
)
CODECS: Mapping[str, Codec] = MappingProxyType({codec.name: codec for codec in _ALL})


def named(name: str) -> Codec:
    """The codec of this name; raises ``Unreadable`` with all names when there is none."""
    if name not in CODECS:
        known = ", ".join(CODECS)
        raise Unreadable(f"format {name!r} is not known; known are {known}", field="format", value=name, limit=known)
    return CODECS[name]


def of_media(media: str) -> tuple[Codec, ...]:
    """The codecs of a media type such as ``application/senml+json; charset=utf-8``; several share general ones."""
    plain = media.partition(";")[0].strip().lower()
    return tuple(codec for codec in CODECS.values() if plain in codec.media)


def of_file(name: str) -> tuple[Codec, ...]:
    """The codecs whose files end like ``name``: those with the longest ending that fits; several share short ones."""
    plain = name.lower()
    fitting = [(len(end), codec) for codec in CODECS.values() for end in codec.endings if plain.endswith(end)]
    longest = max((length for length, _ in fitting), default=0)
    return tuple(codec for length, codec in fitting if length == longest)
