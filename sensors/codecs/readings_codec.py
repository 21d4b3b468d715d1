"""The product's own readings as a codec: JSON (sensors/codecs/readings.py) to observations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sensors.codecs.base import Codec, Decoded, Envelope
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Fault
from sensors.codecs.readings import decode_json
from sensors.codecs.values import Observation


def observations(columns: Columns) -> Decoded:
    """The rows of ``columns`` as observations, one value a row; a number that is not finite is a fault of its row."""
    decoded = Decoded(count=columns.count, faults=list(columns.faults), text=columns.text)
    finite = np.isfinite(columns.value).tolist()
    units = columns.unit or [None] * len(columns)
    places = _places(columns)
    rows = zip(
        columns.index.tolist(),
        columns.datastream,
        columns.time.tolist(),
        columns.value.tolist(),
        units,
        finite,
        *places,
        strict=True,
    )
    for index, name, time, value, unit, good, lon, lat in rows:
        if good:
            decoded.add(index, Observation(datastream=name, time=time, value=value, unit=unit, lon=lon, lat=lat))
        else:
            decoded.faults.append(not_finite(index, value))
    for index, other in columns.others:
        decoded.add(index, other)
    if columns.others:
        pairs = sorted(zip(decoded.records, decoded.values, strict=True), key=lambda pair: pair[0])
        decoded.records, decoded.values = [index for index, _ in pairs], [value for _, value in pairs]
    decoded.faults.sort(key=lambda fault: fault.index)
    return decoded


def columns_of(decoded: Decoded) -> Columns:
    """The numbers and truth values (1 and 0) among the values as columns; everything else stands in ``others``."""
    pairs = list(zip(decoded.records, decoded.values, strict=True))
    numbers = [(index, one) for index, one in pairs if isinstance(one, Observation) and not isinstance(one.value, str)]
    values = [one for _, one in numbers]
    units = [one.unit for one in values]
    return Columns(
        datastream=[one.datastream for one in values],
        time=np.array([one.time for one in values], np.int64),
        value=np.array([one.value for one in values], np.float64),
        unit=None if units.count(None) == len(units) else units,
        lon=given([one.lon for one in values]),
        lat=given([one.lat for one in values]),
        index=np.array([index for index, _ in numbers], np.int64),
        count=decoded.count,
        text=decoded.text,
        faults=decoded.faults,
        others=[(i, one) for i, one in pairs if not isinstance(one, Observation) or isinstance(one.value, str)],
    )


def given(numbers: Sequence[float | None]) -> NDArray[np.float64] | None:
    """The numbers with NaN for what is missing, or ``None`` where all are."""
    return None if numbers.count(None) == len(numbers) else np.array(numbers, np.float64)


def not_finite(index: int, value: float) -> Fault:
    """The fault of a row whose value is NaN or too large to hold."""
    reason = f"value {value:g} is not finite; leave the reading out when there is none"
    return Fault(index, "not-a-number", "value", str(value), "finite number", reason)


def _places(columns: Columns) -> tuple[list[float | None], list[float | None]]:
    return _degrees(columns.lon, len(columns)), _degrees(columns.lat, len(columns))


def _degrees(column: NDArray[np.float64] | None, count: int) -> list[float | None]:
    if column is None:
        return [None] * count
    return [None if math.isnan(degrees) else degrees for degrees in column.tolist()]


def _columns(body: bytes, envelope: Envelope) -> Columns:
    return decode_json(body, envelope.limit)


def _decode(body: bytes, envelope: Envelope) -> Decoded:
    return observations(_columns(body, envelope))


JSON = Codec(
    name="json",
    title="The gateway's own readings as JSON",
    media=("application/json",),
    endings=(".json",),
    decode=_decode,
    columns=_columns,
)
