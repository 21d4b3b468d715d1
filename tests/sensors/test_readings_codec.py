"""Readings as JSON and NDJSON, from bytes to columns."""

from __future__ import annotations

import calendar
import datetime as dt
import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.codecs.columns import Columns, Misshapen, TooMany, Undecodable
from sensors.codecs.readings import decode_json, decode_ndjson, milliseconds

LIMIT = 50
Decode = Callable[[bytes, int], Columns]
DECODERS: list[Decode] = [decode_json, decode_ndjson]
OWN = (Undecodable, Misshapen, TooMany)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
members = st.fixed_dictionaries(
    {},
    optional={
        "datastream": st.text() | scalars,
        "time": st.integers() | st.datetimes(timezones=st.just(dt.UTC)).map(dt.datetime.isoformat) | scalars,
        "value": st.floats() | scalars,
        "unit": st.text() | scalars,
        "lon": st.floats() | scalars,
        "lat": st.floats() | scalars,
        "more": scalars,
    },
)
rows = st.lists(members | scalars | st.lists(scalars), max_size=LIMIT + 5)
columns = st.dictionaries(st.sampled_from(["datastream", "time", "value", "unit", "lon"]), st.lists(scalars) | scalars)
frames = rows | st.fixed_dictionaries({"readings": rows | scalars}) | columns | scalars


def accounted(columns: Columns) -> bool:
    """Whether every row of the request is either in the columns or among the faults, once."""
    places = sorted([*columns.index.tolist(), *(fault.index for fault in columns.faults)])
    return places == list(range(columns.count))


@pytest.mark.parametrize("decode", DECODERS)
@given(body=st.binary(max_size=200))
def test_any_bytes_give_columns_or_the_codecs_own_error(decode: Decode, body: bytes) -> None:
    """No bytes raise anything but the codec's own errors."""
    try:
        assert accounted(decode(body, LIMIT))
    except OWN as error:
        assert str(error)


@pytest.mark.parametrize("decode", DECODERS)
@given(frame=frames, cut=st.integers(0, 5), lines=st.booleans())
@settings(max_examples=300)
def test_every_row_is_read_or_told(decode: Decode, frame: Any, cut: int, lines: bool) -> None:
    """Whatever the frame holds, each row is accounted for, and every fault can be sent as JSON."""
    text = "\n".join(map(json.dumps, frame)) if lines and isinstance(frame, list) else json.dumps(frame)
    body = text[: len(text) - cut].encode()
    try:
        found = decode(body, LIMIT)
    except OWN as error:
        assert str(error)
        return
    assert accounted(found)
    assert found.count <= LIMIT
    assert len(found.datastream) == len(found.time) == len(found.value) == len(found.index)
    for fault in found.faults:
        assert fault.reason
        msgspec.json.encode(fault)
        assert found.text(fault.index)


@given(rows=st.lists(st.tuples(st.text(), st.integers(0, 2**53), st.floats(allow_nan=False, width=32)), min_size=1))
def test_good_rows_come_out_as_they_went_in_whatever_the_form(rows: list[tuple[str, int, float]]) -> None:
    """List, readings, columns and lines give the same columns, also when another row spoils the quick way."""
    sent = [{"datastream": name, "time": time, "value": value} for name, time, value in rows]
    names = ("datastream", "time", "value")
    spoilt = [*sent, {"datastream": 1}]
    found = [
        decode_json(json.dumps(sent, allow_nan=True).encode(), 1000),
        decode_json(json.dumps({"readings": sent}).encode(), 1000),
        decode_json(json.dumps({name: [row[name] for row in sent] for name in names}).encode(), 1000),
        decode_ndjson("\n".join(map(json.dumps, sent)).encode(), 1000),
        decode_json(json.dumps(spoilt).encode(), 1000),
        decode_ndjson("\n".join(map(json.dumps, spoilt)).encode(), 1000),
    ]
    for one in found:
        assert list(zip(one.datastream, one.time.tolist(), one.value.tolist(), strict=True)) == rows


@given(moment=st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9998, 1, 1), timezones=st.timezones()))
def test_times_are_milliseconds_whatever_their_offset(moment: dt.datetime) -> None:
    """RFC 3339 with any offset is the same instant, cut to the millisecond."""
    offset = moment.utcoffset() or dt.timedelta()
    if offset.total_seconds() % 60 == 0:  # RFC 3339 has offsets of whole minutes
        seconds = calendar.timegm(moment.utctimetuple())
        assert milliseconds(moment.isoformat()) == seconds * 1000 + moment.microsecond // 1000


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00", "2026-01-01", "2026-01-01T00:00:60Z", "2026-02-30T00:00:00Z", "1767225600", ""]
)
def test_a_time_that_is_not_rfc_3339_is_refused(text: str) -> None:
    """A time without its offset, or that does not exist, is no time."""
    with pytest.raises(ValueError, match=r"RFC3339|timezone"):
        milliseconds(text)


def test_a_nan_in_one_row_leaves_the_others_as_they_are() -> None:
    """NaN, which is no JSON, is read as a number of its row; the other rows are as exact as without it."""
    body = b'[{"datastream":"a","time":1,"value":0.1},{"datastream":"b","time":2,"value":-NaN,"x":{}}]'
    with pytest.raises(Undecodable) as broken:
        decode_json(body, LIMIT)
    assert broken.value.position == body.index(b"-NaN")
    found = decode_json(body.replace(b"-NaN", b"NaN"), LIMIT)
    assert (found.datastream, found.value[0], math.isnan(found.value[1])) == (["a", "b"], 0.1, True)
    assert json.loads(found.text(0)) == {"datastream": "a", "time": 1, "value": 0.1}


def test_members_that_are_not_known_are_left_alone() -> None:
    """A gateway may send more than is asked of it."""
    found = decode_json(b'{"batch":7,"readings":[{"datastream":"a","time":1,"value":2,"quality":"good"}]}', LIMIT)
    assert (found.datastream, found.faults) == (["a"], [])


def test_a_byte_order_mark_is_no_error() -> None:
    """Some senders begin with a byte order mark."""
    assert decode_json(b"\xef\xbb\xbf[]", LIMIT).count == 0


@pytest.mark.parametrize("opened", ["[", '{"readings":', '{"a":'])
def test_deep_nesting_is_refused(opened: str) -> None:
    """A body nested a hundred thousand times is refused, not followed."""
    with pytest.raises(OWN):
        decode_json(opened.encode() * 100_000, LIMIT)
    with pytest.raises(OWN):
        decode_json(opened.encode() * 100_000, 10**6)


def test_a_number_of_many_digits_is_read_without_trouble() -> None:
    """An integer of 5,000 digits is a number too large to hold, not an error of the reader."""
    found = decode_json(b'[{"datastream":"a","time":1,"value":' + b"9" * 5000 + b"}]", LIMIT)
    assert found.value.tolist() == [math.inf]
