"""SenML: base fields, relative times, positions, and every pack of the drafts against its resolved form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import pytest

from models.values import Position
from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.errors import Unreadable
from sensors.codecs.senml import CODEC, resolve
from sensors.codecs.values import Observation
from tests.sensors.codecs.formats import FORMATS

NOW = 1_790_000_000_000
SENML = FORMATS / "senml"
PACKS = sorted(path.name for path in SENML.glob("ex*") if "resolved" not in path.name)
WRITTEN = {"ex1": 1498780179, "ex2": 1498780179, "ex7": 1499109309}  # when the packs with relative times were resolved


def decode(*records: dict[str, Any], now: int = NOW) -> Decoded:
    return CODEC.decode(json.dumps(records).encode(), Envelope(now=now))


def rounded(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: round(one, 6) if isinstance(one, float) else one for name, one in row.items()} for row in records]


@pytest.mark.skipif(not SENML.exists(), reason="the payloads of shared/data/formats are not here")
@pytest.mark.parametrize("name", PACKS or ["none"])
def test_a_pack_resolves_as_the_drafts_say(name: str) -> None:
    """Each example, as JSON, CBOR or XML, resolves to exactly the records that were published with it."""
    example = name[:3]
    now = WRITTEN.get(example, 1_700_000_000) * 1000
    body = (SENML / name).read_bytes()
    expected = json.loads((SENML / f"{example}.gen.resolved.json").read_text())
    found = json.loads(msgspec.json.encode(resolve(body, Envelope(now=now))))
    assert rounded(found) == rounded(expected)
    decoded = CODEC.decode(body, Envelope(now=now))
    observed = [one for one in decoded.values if isinstance(one, Observation)]
    values = [row.get("v", row.get("vs", row.get("vb"))) for row in expected]
    assert [one.value for one in observed] == values
    assert [one.time for one in observed] == [round(row["t"] * 1000) for row in expected]


def test_times_below_two_to_the_28_are_relative_to_now() -> None:
    """``t`` -5 is five seconds before the pack came; a large one is a time of its own."""
    found = decode({"n": "a", "v": 1, "t": -5}, {"n": "a", "v": 1}, {"n": "a", "v": 1, "t": 2**28})
    assert [one.time for one in found.values] == [NOW - 5000, NOW, 2**28 * 1000]  # type: ignore[union-attr]


def test_base_values_are_added_and_base_units_stand_in() -> None:
    """``bv`` is added to every number after it, ``bu`` is the unit of what has none, ``u`` its own."""
    found = decode({"bn": "d:", "bu": "m", "bv": 10, "n": "a", "v": 1}, {"n": "b", "v": 2, "u": "mm"}, {"n": "c"})
    assert [(one.datastream, one.value, one.unit) for one in found.values] == [  # type: ignore[union-attr]
        ("d:a", 11.0, "m"),
        ("d:b", 12.0, "mm"),
        ("d:c", 10.0, "m"),
    ]


def test_a_place_stands_at_the_readings_of_its_thing() -> None:
    """Longitude and latitude of a thing are its position, and stand at what it measured at that time."""
    found = decode(
        {"bn": "truck-7:", "bt": 1.79e9, "n": "speed", "u": "km/h", "v": 30},
        {"n": "lon", "u": "lon", "v": 104.06},
        {"n": "lat", "u": "lat", "v": 30.65},
    )
    speed = found.values[0]
    assert isinstance(speed, Observation)
    assert (speed.lon, speed.lat) == (104.06, 30.65)
    assert Position(unit="truck-7", time=1_790_000_000_000, lon=104.06, lat=30.65) in found.values
    columns = CODEC.columns(b'[{"n":"a","u":"lon","v":1}]', Envelope(now=NOW)) if CODEC.columns else None
    assert columns is not None
    assert [fault.reason for fault in columns.faults] == [
        "lat of a is missing at this time; send lon and lat with the same name and time"
    ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"n": "a"}, "the record has no value"),
        ({"v": 1}, "neither n nor bn"),
        ({"n": "a", "v": 1, "vs": "x"}, "several values"),
        ({"n": "a", "vd": "aGk"}, "vd holds bytes"),
        ({"n": "a", "s": 4}, "a sum and no value"),
        ({"n": "a", "v": "7"}, "v must be a finite number, this is text"),
        ({"n": "a", "v": 1, "x_": 1}, "x_ must be understood"),
        ({"n": "a", "v": 1, "t": 1e300}, "is not a time"),
        ({"n": "a", "v": 200, "u": "lat"}, "lat 200 is outside -90..90"),
        (7, "record must be an object, this is a number"),
    ],
)
def test_a_bad_record_spoils_no_other(record: Any, reason: str) -> None:
    """What is wrong is told of its record; those before and after it are read, with the base fields."""
    found = decode({"bt": 1.79e9, "n": "first", "v": 1}, record, {"n": "last", "v": 2})
    assert [one.datastream for one in found.values] == ["first", "last"]  # type: ignore[union-attr]
    assert [fault.index for fault in found.faults] == [1]
    assert reason in found.faults[0].reason


@pytest.mark.parametrize(
    ("record", "field"), [({"bn": 7, "v": 1}, "bn"), ({"bver": 11, "n": "a", "v": 1}, "bver"), ({"bt": "x"}, "bt")]
)
def test_a_bad_base_field_refuses_the_pack(record: dict[str, Any], field: str) -> None:
    """What all later records hang on must be right, or none of them can be."""
    with pytest.raises(Unreadable, match=rf"record 1: {field} ") as refused:
        decode({"n": "a", "v": 1}, record)
    assert (refused.value.field, refused.value.record) == (field, 1)


def test_cbor_tags_that_cost_are_not_followed() -> None:
    """A number whose exponent would fill the memory, a regular expression, a shared value: refused at once."""
    for tagged in (b"\xc5\x82\x1b\0\0\0\xff\xff\xff\xff\xff\x01", b"\xd8\x23\x61(", b"\xd8\x1c\x81\xd8\x1d\x00"):
        with pytest.raises(Unreadable, match="CBOR"):
            CODEC.decode(b"\x81\xa2\x00\x61a\x02" + tagged, Envelope(now=NOW))
    huge = b"\x81\xa2\x00\x61a\x02\xc4\x82\x1b\0\0\0\xff\xff\xff\xff\xff\x01"
    found = CODEC.decode(huge, Envelope(now=NOW))
    assert "value inf is not finite" in found.faults[0].reason


def test_cbor_and_json_mean_the_same() -> None:
    """A pack has the same columns in either form."""
    labels = {"bn": -2, "bt": -3, "n": 0, "t": 6, "v": 2}
    rows = [{"bn": "d:", "bt": 1.79e9, "n": "a", "v": 0.5}, *({"n": "a", "t": i, "v": i / 8} for i in range(1, 50))]
    packed = cbor2.dumps([{labels[name]: one for name, one in row.items()} for row in rows])
    assert CODEC.decode(packed, Envelope(now=NOW)).values == decode(*rows).values


def test_the_folder_has_the_packs_that_are_tried() -> None:
    """Where the payloads are, there are all seven examples of the drafts."""
    if Path(SENML).exists():
        assert {name[:3] for name in PACKS} == {f"ex{number}" for number in range(1, 8)}
