"""Which column means what, for tables that do not say it themselves: a few lines of YAML or JSON.

``time: timestamp`` · ``asset: sensor_id`` · ``value: count`` · ``always: {property: people, unit: "1"}`` ·
``zone: Pacific/Auckland``. A table with one column for each sensor lists them under ``values``, or says ``"*"`` for
every column that is not named elsewhere; its name is the asset then. With ``kind: position`` or ``service-request`` the
rows are those, and ``fields`` says which column tells which member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from sensors.codecs import members, moments
from sensors.codecs.base import Envelope
from sensors.codecs.errors import Amiss, Unreadable
from sensors.codecs.mapped_events import EVENTS, Place
from sensors.codecs.values import Observation, Value

EVERY = "*"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is the same for all values of a column: an asset and property, or a whole datastream, and the unit."""

    datastream: str = ""
    asset: str = ""
    property: str = ""
    unit: str | None = None


class Mapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of the columns, and how their texts are meant."""

    time: Name | list[Name] = "time"  # several are put together with a space
    value: Name = "value"
    datastream: Name = "datastream"
    asset: Name | None = None
    property: Name | None = None
    unit: Name = "unit"
    lon: Name = "lon"
    lat: Name = "lat"
    values: dict[Name, Series] | Literal["*"] | None = None  # a table with a column for each series
    ignore: tuple[str, ...] = ()  # columns that "*" leaves out
    always: Series = Series()
    kind: Literal["observation", "position", "service-request"] = "observation"
    fields: dict[str, Name] = {}  # of a position or service request: its member → the column
    time_format: str = "iso"  # iso, epoch_s, epoch_ms, or as strptime has it
    zone: str | None = None  # of times without an offset
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-")
    delimiter: Annotated[str, msgspec.Meta(max_length=1)] = ""  # "" finds it in the header
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"


USUAL = Mapped()


def of(told: Mapping[str, object] | None) -> Mapped:
    """The mapping that ``told`` (from YAML or JSON) declares. Raises ``Unreadable`` naming what is wrong."""
    if told is None:
        return USUAL
    try:
        mapped = msgspec.convert(told, Mapped)
    except (msgspec.ValidationError, RecursionError) as error:
        known = ", ".join(Mapped.__struct_fields__)
        raise Unreadable(f"the mapping is wrong: {error}; it may have {known}", field="mapping", limit=known) from error
    try:
        moments.zone_of(mapped.zone or "UTC")
    except Amiss as amiss:
        raise Unreadable(amiss.reason, field="mapping.zone", value=mapped.zone, limit=amiss.limit) from amiss
    return mapped


Read = Callable[[Mapping[str, Any]], Sequence[Value | Amiss]]


def reader(mapped: Mapped, header: list[str], envelope: Envelope) -> Read:
    """What makes a row (column → text or value) into values; raises ``Unreadable`` where columns are missing.

    A cell that gives none is told as ``Amiss``; a row that gives none at all raises it. ``header`` may be empty when
    each row has names of its own, as JSON lines have.
    """
    times = [mapped.time] if isinstance(mapped.time, str) else mapped.time
    if mapped.kind != "observation":
        return _event_reader(mapped, header, times, envelope)
    series = _series(mapped, header, times)
    _there([*times, *(series or [mapped.value, *_name_columns(mapped)])], header)
    zone = mapped.zone or envelope.zone
    own = Series()

    def read(row: Mapping[str, Any]) -> list[Observation | Amiss]:
        if series is None:
            found = [(mapped.value, own)]
        else:
            found = [(column, one) for column, one in series.items() if column in row]
        told = [(row.get(column), column, one) for column, one in found]
        kept = [(value, column, one) for value, column, one in told if not _missing(value, mapped)]
        if not kept:
            return []
        time = _time(row, times, mapped, zone)
        lon, lat = _degrees(row, mapped.lon, mapped), _degrees(row, mapped.lat, mapped)
        place = members.place(lon, lat)
        return [_cell_of(row, value, column, one, mapped, time, place) for value, column, one in kept]

    return read


def _there(needed: Sequence[str], header: Sequence[str]) -> None:
    """Raise ``Unreadable`` for the first needed column that a header lacks."""
    missing = [name for name in needed if name not in header] if header else []
    if missing:
        there = ", ".join(header)[:300]
        reason = f"column {missing[0]!r} is not there; there are {there}; name it in the mapping"
        raise Unreadable(reason, field=missing[0], value=there[:100], limit=", ".join(needed)[:300])


def _event_reader(mapped: Mapped, header: list[str], times: list[str], envelope: Envelope) -> Read:
    """What makes a row into a position or a service request."""
    make, known, needed = EVENTS[mapped.kind]
    if wrong := next((name for name in mapped.fields if name not in known), ""):
        told = ", ".join(known)
        raise Unreadable(f"fields of a {mapped.kind} are {told}; {wrong!r} is none", field="mapping.fields", limit=told)
    if needed not in mapped.fields:
        reason = f"the mapping's fields lack {needed}: name the column that tells it"
        raise Unreadable(reason, field="mapping.fields", value=needed, limit=", ".join(known))
    _there([*times, *mapped.fields.values()], header)
    zone = mapped.zone or envelope.zone

    def read(row: Mapping[str, Any]) -> list[Value]:
        place = members.place(_degrees(row, mapped.lon, mapped), _degrees(row, mapped.lat, mapped))
        told = {name: row.get(column) for name, column in mapped.fields.items()}
        plain = {name: one for name, one in told.items() if not _missing(one, mapped)}
        return [make(plain, _time(row, times, mapped, zone), place, zone, envelope.source)]

    return read


def _name_columns(mapped: Mapped) -> list[str]:
    """The columns that a row's name needs, where ``always`` does not give it."""
    if mapped.always.datastream:
        return []
    if mapped.asset is None and not mapped.always.asset:
        return [mapped.datastream]
    return [name for name in (mapped.asset, mapped.property) if name is not None]


def _series(mapped: Mapped, header: list[str], times: list[str]) -> dict[str, Series] | None:
    if mapped.values is None:
        return None
    if isinstance(mapped.values, dict):
        return dict(mapped.values)
    if not header:
        raise Unreadable('values: "*" needs a header; list the members', field="mapping.values", value=EVERY)
    named = {
        *times,
        *mapped.ignore,
        mapped.datastream,
        mapped.asset,
        mapped.property,
        mapped.unit,
        mapped.lon,
        mapped.lat,
    }
    return {column: Series(asset=column) for column in header if column not in named}


def _missing(value: Any, mapped: Mapped) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in mapped.missing)


def _cell_of(
    row: Mapping[str, Any],
    value: Any,
    column: str,
    series: Series,
    mapped: Mapped,
    time: int,
    place: Place,
) -> Observation | Amiss:
    try:
        asset, observed, name = _named(row, series, mapped)
        return Observation(
            datastream=name,
            asset=asset,
            property=observed,
            time=time,
            value=_number(value, column, mapped),
            unit=series.unit or _cell(row, mapped.unit) or mapped.always.unit,
            lon=place[0],
            lat=place[1],
        )
    except Amiss as amiss:
        return amiss


def _named(row: Mapping[str, Any], series: Series, mapped: Mapped) -> tuple[str, str, str]:
    """Asset and property ("" where only the datastream is named) and the datastream of a cell."""
    asset = series.asset or _cell(row, mapped.asset) or mapped.always.asset
    observed = series.property or _cell(row, mapped.property) or mapped.always.property
    if asset and observed:
        return asset, observed, f"{asset}/{observed}"
    name = series.datastream or mapped.always.datastream or _cell(row, mapped.datastream)
    if not name:
        reason = "the row names neither datastream nor asset and property; name their columns, or give them as always"
        raise Amiss(mapped.datastream, None, "a name", reason)
    return "", "", name


def _cell(row: Mapping[str, Any], column: str | None) -> str:
    return members.text(row, column, "").strip() if column is not None else ""


def _number(value: Any, column: str, mapped: Mapped) -> float | bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return members.finite(value, column)
    return members.parsed(value.strip().replace(",", ".") if mapped.decimal == "," else value, column)


def _degrees(row: Mapping[str, Any], column: str, mapped: Mapped) -> float | None:
    value = row.get(column)
    return None if _missing(value, mapped) else float(_number(value, column, mapped))


def _time(row: Mapping[str, Any], columns: list[str], mapped: Mapped, zone: str) -> int:
    field = "+".join(columns)
    told = [row.get(column) for column in columns]
    value = told[0] if len(told) == 1 else " ".join("" if one is None else str(one) for one in told)
    if mapped.time_format in ("epoch_s", "epoch_ms"):
        number = members.parsed(value, field) if isinstance(value, str) else value
        return moments.epoch(number, field, 1000 if mapped.time_format == "epoch_ms" else 1)
    if mapped.time_format != "iso":
        return moments.formatted(value, field, mapped.time_format, zone)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return moments.epoch(value, field, 1000)
    return moments.local(value, field, zone)
