"""What a codec's values mean to the city: readings of registered datastreams, and events.

An observation is a reading of the datastream it names; an optional one (a camera's count of cars) only where that is
registered. Warnings, service requests, positions and whatever else is no number are events.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models import events
from models.values import Position
from sensors.codecs.base import Decoded
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Fault
from sensors.codecs.values import Observation, Scene, Value, word
from sensors.gateway.private import masked
from sensors.problems import shown

Row = tuple[int, Observation]


def readings(
    decoded: Decoded, knows: Callable[[str], bool], may_tell: Callable[[Value], bool]
) -> tuple[Columns, list[bytes]]:
    """The readings in what was decoded, as columns, and the events as messages of the topic ``events``.

    ``knows`` says whether a datastream is registered, ``may_tell`` whether the sender may tell an event. Records that
    were refused stay among the columns' faults.
    """
    rows: list[Row] = []
    told: list[bytes] = []
    faults = list(decoded.faults)
    for index, value in zip(decoded.records, decoded.values, strict=True):
        if isinstance(value, Observation):
            if value.optional and not knows(value.datastream):
                continue
            if (fault := _unusable(index, value)) is not None:
                faults.append(fault)
            else:
                rows.append((index, value))
        elif not isinstance(value, Scene):  # what a camera saw has been counted by its codec
            if may_tell(value):
                told.append(event(value))
            else:
                faults.append(beyond(index, value))
    faults.sort(key=lambda fault: fault.index)
    return _columns(rows, faults, decoded), told


def event(value: Value) -> bytes:
    """The value as a message of the topic ``events``, without anybody's plate."""
    return events.encode(masked(value), word(value))


def beyond(index: int, value: Value) -> Fault:
    """Why an event is refused that the sender's token does not reach to."""
    about = getattr(value, "asset", "") or getattr(value, "unit", "")
    what = f"{word(value)} of {shown(about)}" if about else f"{word(value)}, which is of no asset"
    reason = f"the token of this gateway may not tell a {what}; ask the city's operator for its assets"
    field = "unit" if isinstance(value, Position) else "asset"
    return Fault(index, "scope", field, shown(about), "assets and kinds of the token", reason)


def _unusable(index: int, one: Observation) -> Fault | None:
    if isinstance(one.value, str):
        reason = f"{one.datastream} says {one.value[:40]!r}, which is no number; map the text to a number at the source"
        return Fault(index, "text", "value", one.value[:100], "a number", reason)
    if one.quality == "bad":
        reason = f"{one.datastream}: the source itself calls this value bad; look at the sensor"
        return Fault(index, "quality", "quality", "bad", "good or uncertain", reason)
    return None


def _columns(rows: list[Row], faults: list[Fault], decoded: Decoded) -> Columns:
    observations = [one for _, one in rows]
    units = [one.unit for one in observations]
    placed = any(one.lon is not None or one.lat is not None for one in observations)
    lon = [np.nan if one.lon is None else one.lon for one in observations]
    lat = [np.nan if one.lat is None else one.lat for one in observations]
    return Columns(
        datastream=[one.datastream for one in observations],
        time=np.array([one.time for one in observations], np.int64),
        value=np.array([float(one.value) for one in observations], np.float64),
        unit=units if any(unit is not None for unit in units) else None,
        lon=np.array(lon, np.float64) if placed else None,
        lat=np.array(lat, np.float64) if placed else None,
        index=np.array([index for index, _ in rows], np.int64),
        count=decoded.count,
        text=decoded.text,
        faults=faults,
    )
