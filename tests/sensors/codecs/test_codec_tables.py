"""CSV, JSON lines and Arrow: declared mappings, and what is told of what cannot be read."""

from __future__ import annotations

import gzip
import io
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from models.values import Position, ServiceRequest
from sensors.codecs import arrow, table
from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.columns import Columns
from sensors.codecs.errors import TooMany, Unreadable
from sensors.codecs.values import Observation
from tests.sensors.codecs.formats import FORMATS
from tests.sensors.codecs.samples import CSV, MAPPING

NOW = 1_790_000_000_000
MIDNIGHT = 1788220800000  # 2026-09-01T08:00:00+08:00


def decode(text: str | bytes, mapping: dict[str, Any] | None = None, **more: Any) -> Decoded:
    body = text if isinstance(text, bytes) else text.encode()
    return table.CSV.decode(body, Envelope(now=NOW, mapping=mapping, **more))


def rows(found: Decoded) -> list[tuple[str, int, float | bool | str, str | None]]:
    return [(one.datastream, one.time, one.value, one.unit) for one in found.values if isinstance(one, Observation)]


# --- CSV --------------------------------------------------------------------------------------------------------


def test_several_values_of_a_row_are_readings_of_their_own() -> None:
    """Asset, time and unit as the mapping declares; a cell that says NA is no reading."""
    found = decode(CSV, MAPPING)
    assert rows(found) == [
        ("cam-1/people", MIDNIGHT, 12.0, "1"),
        ("cam-1/rainfall", MIDNIGHT, 0.5, "mm/h"),
        ("cam-2/rainfall", MIDNIGHT, 1.5, "mm/h"),
    ]
    assert (found.records, found.faults) == ([0, 0, 1], [])


def test_a_column_for_each_sensor() -> None:
    """``values: "*"`` takes every column that is not named elsewhere; date and hour are put together."""
    mapping = {
        "time": ["Date", "Hour"],
        "time_format": "%d/%m/%Y %H",
        "zone": "Pacific/Auckland",
        "values": "*",
        "always": {"property": "pedestrians", "unit": "1"},
    }
    found = decode("\ufeffDate;Hour;Queen St;K Rd\n01/02/2022;07;12;\n01/02/2022;08;1x;3\n", mapping)
    assert rows(found) == [
        ("Queen St/pedestrians", 1643652000000, 12.0, "1"),
        ("K Rd/pedestrians", 1643655600000, 3.0, "1"),
    ]
    assert [(fault.index, fault.reason) for fault in found.faults] == [
        (1, "line 3: Queen St '1x' is not a finite number; write digits with a point, such as 12.5")
    ]


def test_without_a_mapping_the_columns_are_the_gateways_own() -> None:
    """``datastream``, ``time`` and ``value`` need no mapping."""
    found = decode("datastream,time,value,unit,lon,lat\na/b,2026-09-01T00:00:00Z,1.5,m,104.06,30.65\n")
    assert rows(found) == [("a/b", MIDNIGHT, 1.5, "m")]
    with pytest.raises(Unreadable, match="column 'time' is not there; there are when, what"):
        decode("when,what\n1,2\n")


@pytest.mark.parametrize(
    ("when", "reason"),
    [("2026-03-08 02:30", "does not exist in America/New_York"), ("soon", "is not a time"), ("", "is not a time")],
)
def test_a_time_that_is_none_is_told_with_its_line(when: str, reason: str) -> None:
    """The hour that the clocks jump over, words, nothing: each names its line and spoils no other."""
    mapping = {"asset": "s", "time": "t", "value": "v", "always": {"property": "p"}, "zone": "America/New_York"}
    found = decode(f"s,t,v\na,2026-01-01 00:00,1\nb,{when},2\n", mapping)
    assert [name for name, *_ in rows(found)] == ["a/p"]
    assert found.faults[0].reason.startswith("line 3: t ")
    assert reason in found.faults[0].reason


def test_texts_of_other_lands() -> None:
    """Chinese in GB 18030, commas for points, seconds since 1970."""
    mapping = {
        "encoding": "gb18030",
        "delimiter": ";",
        "decimal": ",",
        "asset": "站点",
        "time": "时间",
        "time_format": "epoch_s",
        "value": "水位",
        "always": {"property": "level", "unit": "m"},
    }
    found = decode("站点;时间;水位\n府河;1788220800;1,25\n".encode("gb18030"), mapping)
    assert rows(found) == [("府河/level", MIDNIGHT, 1.25, "m")]
    with pytest.raises(Unreadable, match="not utf-8; name the encoding in the mapping, such as gb18030 at byte 2"):
        decode("站点".encode("gb18030"))


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"tme": "x"}, "unknown field `tme`"),
        ({"zone": "Mars/Olympus"}, "time zone 'Mars/Olympus' is not known"),
        ({"value": 7}, "Expected `str`, got `int` - at `$.value`"),
        ({"encoding": "hex"}, "encoding 'hex' is not known"),
        ({"value": "depth"}, "column 'depth' is not there"),
    ],
)
def test_a_wrong_mapping_is_named(mapping: dict[str, Any], reason: str) -> None:
    """What is wrong with the mapping, not with the file."""
    with pytest.raises(Unreadable) as refused:
        decode("datastream,time,value\n", mapping)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the table is empty"),
        ("a,a\n1,2\n", "column 'a' is there twice"),
        ("datastream,time,value\n" + '"' + "x" * 200_000, "line 2: field larger than field limit"),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, reason: str) -> None:
    """No header, a header that repeats itself, a quote that never ends."""
    with pytest.raises(Unreadable) as refused:
        decode(text)
    assert reason in str(refused.value)
    with pytest.raises(TooMany):
        decode("datastream,time,value\n" + "a,2026-01-01T00:00:00Z,1\n" * 11, limit=10)


def test_lines_of_another_length_are_told() -> None:
    """A row with more or fewer cells than the header is not guessed at."""
    found = decode('datastream,time,value\na,2026-01-01T00:00:00Z,1,2\n\n"a\nb",2026-01-01T00:00:00Z,1\n')
    assert [name for name, *_ in rows(found)] == ["a\nb"]
    assert "line 2: the line has 4 cells, the header 3" in found.faults[0].reason


def test_rows_may_be_positions() -> None:
    """A table of fixes: the unit and its speed by their columns; a row without a place is told."""
    mapping = {
        "kind": "position",
        "time": "unix",
        "time_format": "epoch_s",
        "fields": {"unit": "cab", "speed_kmh": "v"},
    }
    text = "cab,lat,lon,v,unix\na,37.7,-122.4,30.5,1788220800\nb,,,,1788220801\n"
    found = decode(text, mapping, source="gate")
    assert found.values == [Position(unit="a", time=MIDNIGHT, lon=-122.4, lat=37.7, speed_kmh=30.5, source="gate")]
    assert [fault.reason for fault in found.faults] == [
        "line 3: the row has no place; leave it out when it is not known"
    ]


def test_rows_may_be_service_requests() -> None:
    """A table of appeals with its own column names and its city's time."""
    mapping = {
        "kind": "service-request",
        "time": "created",
        "zone": "America/Los_Angeles",
        "fields": {"id": "sr", "category": "type", "status": "status", "updated": "changed"},
    }
    text = "sr,type,status,created,changed,lon,lat\n1-2,Graffiti,Open,2018-01-01 00:05:43,,-118.2,34.1\n"
    (found,) = decode(text, mapping).values
    assert found == ServiceRequest(
        id="1-2", code="", category="Graffiti", status="open", requested=1514793943000, lon=-118.2, lat=34.1
    )
    with pytest.raises(Unreadable, match="fields lack id: name the column that tells it"):
        decode(text, mapping | {"fields": {"category": "type"}})
    with pytest.raises(Unreadable, match="'colour' is none"):
        decode(text, mapping | {"fields": {"id": "sr", "colour": "type"}})


REAL = [
    ("beijing-air/PRSA_Data_Dongsi_20130301-20170228.csv.gz", 19_358, [],
     {"time": ["year", "month", "day", "hour"], "time_format": "%Y %m %d %H", "asset": "station",
      "values": {"PM2.5": {"property": "pm2_5", "unit": "ug/m3"}, "TEMP": {"property": "temperature", "unit": "Cel"},
                 "RAIN": {"property": "rainfall", "unit": "mm/h"}}}),
    ("auckland-pedestrians/hourly_2022.csv.gz", 121_383, ["line 6406: ts_local '2022-09-25 02:00:00' does not exist"],
     {"time": "ts_local", "zone": "Pacific/Auckland", "values": "*", "ignore": ["date", "hour", "year"],
      "always": {"property": "pedestrians", "unit": "1"}}),
    ("uk-flood-2014/readings.csv.gz", 6_116, [],
     {"time": "ts_utc", "asset": "station", "property": "parameter", "unit": "units"}),
    ("gothenburg-rain/city_rain_mm.csv.gz", 14_400, [],
     {"time": "ts_utc", "zone": "UTC", "values": "*", "always": {"property": "rainfall", "unit": "mm/min"}}),
    ("la-311/requests_20180101_20180104.csv.gz", 6_500, [],
     {"kind": "service-request", "time": "createddate", "zone": "America/Los_Angeles", "lon": "longitude",
      "lat": "latitude", "fields": {"id": "srnumber", "category": "requesttype", "updated": "updateddate"}}),
]  # fmt: skip


@pytest.mark.skipif(not FORMATS.exists(), reason="the data of shared/data are not here")
@pytest.mark.parametrize(("path", "values", "faults", "mapping"), REAL, ids=[one[0].partition("/")[0] for one in REAL])
def test_real_tables_need_a_mapping_and_no_more(
    path: str, values: int, faults: list[str], mapping: dict[str, Any]
) -> None:
    """Wide and long tables, dates in four columns: all values; an hour that the clocks jump over is told."""
    with gzip.open(FORMATS.parent / path, "rb") as file:
        found = decode(b"".join(islice(file, 6_501)), mapping)
    assert len(found.values) == values
    assert [fault.reason[: len(told)] for fault, told in zip(found.faults, faults, strict=True)] == faults


def test_the_mapping_on_the_page_is_one() -> None:
    """The example of docs/codecs.md reads a row of the table it describes."""
    page = (Path(__file__).parents[3] / "docs/codecs.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    found = decode("Date,Hour,sensor,count\n01/02/2022,7,queen-street,12\n", yaml.safe_load(example))
    assert rows(found) == [("queen-street/pedestrians", 1643652000000, 12.0, "1")]


# --- JSON lines -------------------------------------------------------------------------------------------------


def test_mapped_lines_take_values_of_any_kind() -> None:
    """Numbers, truth values and numbers as text are readings; the line that is no JSON is told by its number."""
    mapping = {
        "time": "ts",
        "time_format": "epoch_ms",
        "asset": "id",
        "values": {"t": {"property": "temperature", "unit": "Cel"}, "ok": {"datastream": "all/ok"}},
    }
    lines = [b'{"ts":1788220800000,"id":7,"t":"21.5","ok":true}', b"{", b'{"ts":{},"id":7,"t":1}', b'{"ts":1}']
    found = table.NDJSON.decode(b"\n".join(lines), Envelope(now=NOW, mapping=mapping))
    assert rows(found) == [("7/temperature", MIDNIGHT, 21.5, "Cel"), ("all/ok", MIDNIGHT, True, None)]
    assert [(fault.index, fault.reason[:7]) for fault in found.faults] == [(1, "line 2:"), (2, "line 3:")]
    assert found.count == 4


# --- Arrow ------------------------------------------------------------------------------------------------------


def stream(columns: dict[str, Any], **options: Any) -> bytes:
    sent = pa.table(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, sent.schema, **options) as writer:
        writer.write_table(sent)
    return sink.getvalue()


def read(columns: dict[str, Any]) -> Columns:
    assert arrow.CODEC.columns is not None
    return arrow.CODEC.columns(stream(columns), Envelope(now=NOW))


TIMES = {
    "seconds": pa.array([1788220800, 1788220801], pa.timestamp("s", "Asia/Shanghai")),
    "milliseconds": pa.array([MIDNIGHT, MIDNIGHT + 1000], pa.timestamp("ms", "UTC")),
    "nanoseconds": pa.array([MIDNIGHT * 10**6, (MIDNIGHT + 1000) * 10**6], pa.timestamp("ns", "UTC")),
    "integers": pa.array([MIDNIGHT, MIDNIGHT + 1000], pa.int64()),
}


@pytest.mark.parametrize("time", TIMES.values(), ids=list(TIMES))
@pytest.mark.parametrize("coded", [True, False], ids=["dictionary", "text"])
def test_arrow_columns_are_readings(time: Any, coded: bool) -> None:
    """Times of any unit and zone, names as text or dictionary, numbers of any width."""
    names = pa.array(["a/b", "c/d"])
    sent = {"datastream": names.dictionary_encode() if coded else names, "time": time, "lon": [104.06, None]}
    found = read(sent | {"value": pa.array([1, 2], pa.int16()), "unit": ["m", None], "lat": [30.65, None]})
    assert found.datastream == ["a/b", "c/d"]
    assert found.time.tolist() == [MIDNIGHT, MIDNIGHT + 1000]
    assert found.value.tolist() == [1.0, 2.0]
    assert found.unit == ["m", None]
    assert found.lon is not None
    assert found.lon[0] == 104.06
    assert np.isnan(found.lon[1])


def test_nulls_are_faults_of_their_rows() -> None:
    """A row without name, time or value is told with its place; the others are read."""
    time = pa.array([0, 0, None, 0, 2**62], pa.timestamp("s", "UTC"))
    found = read({"datastream": ["a", None, "b", "c", "d"], "time": time, "value": [1.0, 1.0, 1.0, None, 1.0]})
    assert (found.datastream, found.index.tolist(), found.count) == (["a"], [0], 5)
    assert [(fault.index, fault.field) for fault in found.faults] == [
        (1, "datastream"),
        (2, "time"),
        (3, "value"),
        (4, "time"),
    ]
    assert json.loads(found.text(0))["datastream"] == "a"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"datastream": ["a"], "value": [1]}, "column time is not there; the stream has datastream, value"),
        ({"datastream": [1], "time": [1], "value": [1]}, "column datastream is int64; it must be text"),
        ({"datastream": ["a"], "time": [1], "value": ["1"]}, "column value is string; it must be a number"),
        ({"datastream": ["a"], "time": ["x"], "value": [1]}, "column time is string"),
        ({"datastream": ["a"], "time": pa.array([1], pa.timestamp("ms")), "value": [1]}, "has no time zone"),
    ],
)
def test_columns_of_other_types_are_refused_by_name(columns: dict[str, Any], reason: str) -> None:
    """The refusal names the column, what it is and what it must be."""
    with pytest.raises(Unreadable) as refused:
        read(columns)
    assert reason in str(refused.value)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_buffers_are_refused_unpacked(compression: str) -> None:
    """A few bytes could stand for gigabytes."""
    sent = {"datastream": ["a"] * 10_000, "time": [0] * 10_000, "value": [1.0] * 10_000}
    body = stream(sent, options=pa.ipc.IpcWriteOptions(compression=compression))
    with pytest.raises(Unreadable, match="the stream's buffers are compressed"):
        arrow.CODEC.decode(body, Envelope(now=NOW))
