"""OGC SensorThings observations: CreateObservations (data arrays), single ones, lists, pages; versions 1.1 and 2.0.

Version 2.0 writes ``id`` for ``@iot.id``, drops ``iot.`` from its annotations, and gives times as ``{start, end}``
objects. A datastream's name here is its id as text. Where the body does not name it the path, the MQTT topic
(``v1.1/Datastreams(7)/Observations``) or the page's ``nextLink`` does. An observation without phenomenon time was made
when it came, as the standard has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from sensors.codecs import members, moments
from sensors.codecs.base import Codec, Decoded, Envelope, bounded, each
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Amiss, Misshapen, Unreadable
from sensors.codecs.members import Row, kind
from sensors.codecs.readings import milliseconds
from sensors.codecs.readings_codec import columns_of
from sensors.codecs.values import Observation

IDS = ("@iot.id", "id", "@id")
LINKS = ("@iot.navigationLink", "@navigationLink", "@iot.selfLink", "@selfLink")
_IN_LINK = re.compile(r"Datastreams\((?:'([^']{1,200})'|([^)']{1,200}))\)")
_WORDS: dict[str, Literal["good", "uncertain", "bad"]] = {
    **dict.fromkeys(("good", "valid", "verified", "ok", "passed"), "good"),
    **dict.fromkeys(("uncertain", "suspect", "questionable", "doubtful", "unverified"), "uncertain"),
    **dict.fromkeys(("bad", "invalid", "rejected", "error", "failed", "erroneous"), "bad"),
}


class _Group(msgspec.Struct, gc=False):
    """The observations of one datastream as rows of components."""

    components: list[str]
    rows: list[list[Any]] = msgspec.field(name="dataArray")
    datastream: dict[str, Any] | UnsetType = msgspec.field(name="Datastream", default=UNSET)


_groups = msgspec.json.Decoder(list[_Group])


# --- at once ----------------------------------------------------------------------------------------------------


def _columns(body: bytes, envelope: Envelope) -> Columns:
    """Data arrays of numbers at once; everything else one by one."""
    try:
        groups = _groups.decode(body.removeprefix(b"\xef\xbb\xbf"))
        rows = bounded(sum(len(group.rows) for group in groups), envelope.limit)
        return _table(groups, rows, envelope)
    except Unreadable:
        raise
    except (Amiss, msgspec.DecodeError, ValueError, IndexError, TypeError, OverflowError, RecursionError):
        return columns_of(_decode(body, envelope))


def _table(groups: Sequence[_Group], count: int, envelope: Envelope) -> Columns:
    """Raises ``Amiss``, ``IndexError`` or ``ValueError`` when a row needs a closer look."""
    names: list[str] = []
    times: list[int] = []
    results: list[Any] = []
    components: list[str] | None = None
    result, when = 0, None
    for group in groups:
        if group.components != components:
            components = group.components
            result, when = _places(components)
        rows = group.rows
        results += [row[result] for row in rows]
        times += [envelope.now] * len(rows) if when is None else [milliseconds(row[when]) for row in rows]
        told = group.datastream
        names += [_datastream({} if told is UNSET else {"Datastream": told}, envelope)] * len(rows)
    if not set(map(type, results)) <= {int, float}:
        raise Amiss("result", None, None, "read row by row")
    return Columns(
        datastream=names,
        time=np.array(times, np.int64),
        value=np.array(results, np.float64),
        unit=None,
        lon=None,
        lat=None,
        index=np.arange(count),
        count=count,
        text=_Rows([(group, group.rows) for group in groups]).text,
    )


def _places(components: Sequence[str]) -> tuple[int, int | None]:
    """Where in a row the result and the phenomenon time stand; raises ``Amiss`` where more must be looked at."""
    if "result" not in components or "FeatureOfInterest" in components or "resultQuality" in components:
        raise Amiss("components", None, None, "read row by row")
    return components.index("result"), components.index("phenomenonTime") if "phenomenonTime" in components else None


@dataclass(frozen=True, slots=True)
class _Rows:
    """Finds a row of a data array by its place in the whole, for the dead letters."""

    groups: Sequence[tuple[Any, Sequence[Any]]]

    def text(self, index: int) -> bytes:
        for group, rows in self.groups:
            if index < len(rows):
                return members.dumps({"group": _head(group), "row": rows[index]})
            index -= len(rows)
        return b""


def _head(group: Any) -> object:
    if isinstance(group, _Group):
        return {"Datastream": None if group.datastream is UNSET else group.datastream, "components": group.components}
    return {name: group.get(name) for name in ("Datastream", "components")} if members.is_row(group) else None


# --- one by one -------------------------------------------------------------------------------------------------


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    told = members.loads(body, envelope.limit)
    if members.is_row(told) and "value" in told and "result" not in told:
        envelope = _paged(told, envelope)
        told = members.as_list(told["value"], "value")
    rows = told if isinstance(told, list) else [told]
    if any(members.is_row(row) and "dataArray" in row for row in rows):
        return _arrays(rows, envelope)
    bounded(len(rows), envelope.limit)
    decoded = Decoded(count=len(rows), text=lambda index: members.dumps(rows[index]))
    for index, row in enumerate(rows):
        each(decoded, index, _reader(row, envelope))
    return decoded


def _arrays(groups: Sequence[Any], envelope: Envelope) -> Decoded:
    held = [(group, _rows_of(group, number)) for number, group in enumerate(groups)]
    count = bounded(sum(len(rows) for _, rows in held), envelope.limit)
    decoded = Decoded(count=count, text=_Rows(held).text)
    for index, (group, row) in enumerate(chain.from_iterable(_spread(group, rows) for group, rows in held)):
        each(decoded, index, _array_reader(group, row, envelope))
    return decoded


def _spread(group: Row, rows: Sequence[Any]) -> Iterator[tuple[Row, Any]]:
    return ((group, row) for row in rows)


def _rows_of(group: Any, number: int) -> Sequence[Any]:
    if not members.is_row(group) or not isinstance(group.get("components"), list):
        reason = f"group {number} has no components; name them, such as phenomenonTime and result"
        raise Misshapen("components", None, "array of names", reason)
    return members.as_list(group.get("dataArray"), "dataArray")


def _array_reader(group: Row, row: Any, envelope: Envelope) -> Callable[[], tuple[Observation, ...]]:
    def read() -> tuple[Observation, ...]:
        names = [str(name) for name in group["components"]]
        if not isinstance(row, list) or len(row) != len(names):
            found = len(row) if isinstance(row, list) else kind(row)
            raise Amiss("dataArray", found, len(names), f"the row has {found} members, components names {len(names)}")
        told = dict(zip(names, row, strict=True))
        owner = {name: value for name, value in group.items() if name == "Datastream"}
        return (_observation(told | owner, envelope),)

    return read


def _reader(row: Any, envelope: Envelope) -> Callable[[], tuple[Observation, ...]]:
    return lambda: (_observation(members.as_row(row, "observation"), envelope),)


def _observation(row: Row, envelope: Envelope) -> Observation:
    since, time = _when(row.get("phenomenonTime"), envelope)
    made = row.get("resultTime")
    lon, lat = _place(row.get("FeatureOfInterest"))
    return Observation(
        datastream=_datastream(row, envelope),
        time=time,
        value=_result(row),
        unit=_unit(row.get("Datastream")),
        since=since,
        result_time=None if made is None else _when(made, envelope, "resultTime")[1],
        quality=_quality(row.get("resultQuality")),
        lon=lon,
        lat=lat,
    )


def _when(value: Any, envelope: Envelope, field: str = "phenomenonTime") -> tuple[int | None, int]:
    if value is None:
        return None, envelope.now
    if members.is_row(value):  # version 2.0
        return moments.between(value.get("start"), value.get("end"), field)
    return moments.stretch(value, field)


def _result(row: Row) -> float | bool | str:
    result = row.get("result")
    if isinstance(result, bool | str):
        return result
    if isinstance(result, list | dict):
        reason = f"result is {kind(result)}, of several properties at once; send one observation for each datastream"
        raise Amiss("result", result, "number, text or truth value", reason)
    return members.number(row, "result")


def _datastream(row: Row, envelope: Envelope) -> str:
    """The name of the observation's datastream: its id, wherever it is told."""
    told = row.get("Datastream")
    if members.is_row(told):
        for name in IDS:
            if told.get(name) is not None:
                plain = members.text(told, name)
                return _of_link(plain) or plain
    links = [row.get(f"Datastream{link}") for link in LINKS]
    for link in (*links, envelope.topic):
        if isinstance(link, str) and (found := _of_link(link)):
            return found
    if not envelope.datastream:
        reason = "the observation names no datastream; give it as Datastream with @iot.id, or in the path"
        raise Amiss("Datastream", None, "@iot.id", reason)
    return envelope.datastream


def _of_link(link: str) -> str:
    """The id in ``…Datastreams(7)…``; "" where there is none."""
    if "Datastreams(" not in link:
        return ""
    found = _IN_LINK.search(link[:2000])
    return (found[1] or found[2]) if found else ""


def _paged(page: Row, envelope: Envelope) -> Envelope:
    """A page of one datastream's observations names it in the link to the next page."""
    links = (page.get(name) for name in ("@iot.nextLink", "@nextLink", "@iot.context", "@context"))
    found = next((name for link in links if isinstance(link, str) and (name := _of_link(link))), "")
    if not found or envelope.datastream:
        return envelope
    return replace(envelope, datastream=found)


def _unit(datastream: Any) -> str | None:
    unit = datastream.get("unitOfMeasurement") if members.is_row(datastream) else None
    symbol = unit.get("symbol") if members.is_row(unit) else None
    return symbol if isinstance(symbol, str) and symbol else None


def _quality(told: Any) -> Literal["", "good", "uncertain", "bad"]:
    """The one word of a quality, as text or as a member; "" where no known word is said."""
    said = [told.get("quality"), told.get("status"), told.get("code")] if members.is_row(told) else [told]
    words = (_WORDS.get(one.strip().lower()) for one in said if isinstance(one, str))
    return next((word for word in words if word), "")


def _place(feature: Any) -> tuple[float | None, float | None]:
    """The point of a feature of interest that came with the observation."""
    shape = feature.get("feature") if members.is_row(feature) else None
    shape = shape.get("geometry", shape) if members.is_row(shape) else None
    if not members.is_row(shape) or shape.get("type") != "Point":
        return None, None
    corner = shape.get("coordinates")
    if not isinstance(corner, list) or len(corner) < 2:
        raise Amiss("coordinates", corner, "[lon, lat]", "the feature's coordinates must be [lon, lat]")
    return members.place(members.finite(corner[0], "lon"), members.finite(corner[1], "lat"))


CODEC = Codec(
    name="sensorthings",
    title="OGC SensorThings 1.1 and 2.0 observations",
    media=("application/json",),
    endings=(".sensorthings.json", ".sta.json", ".json"),
    decode=_decode,
    columns=_columns,
    topics=("+/Datastreams(+)/Observations",),
)
