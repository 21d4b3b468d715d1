"""Sparkplug B: births and deaths, gaps, aliases, types; the same from protobuf and from the JSON view."""

from __future__ import annotations

from typing import Any

import pytest

from sensors.codecs import sparkplug_payload
from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.errors import Misshapen, TooMany, Undecodable
from sensors.codecs.sparkplug import CODEC, address
from sensors.codecs.sparkplug_session import Metric, Session
from sensors.codecs.values import Observation, SessionNote
from tests.sensors.codecs.formats import FORMATS

NOW = 1_790_000_000_000
BIRTH = [
    {"name": "bdSeq", "datatype": 8, "long_value": 7},
    {"name": "Level", "alias": 1, "datatype": 3, "int_value": 5},
]


def sent(session: Session, kind: str, metrics: list[dict[str, Any]], seq: int | None = None) -> Decoded:
    body = sparkplug_payload.write(metrics, NOW - 1000, seq)
    return CODEC.decode(body, Envelope(now=NOW, topic=f"spBv1.0/water/{kind}/edge-1", session=session))


def notes(found: Decoded) -> list[str]:
    return [value.what for value in found.values if isinstance(value, SessionNote)]


def observed(found: Decoded) -> dict[str, float | bool | str]:
    return {value.property: value.value for value in found.values if isinstance(value, Observation)}


@pytest.mark.skipif(not FORMATS.exists(), reason="the payloads of shared/data/formats are not here")
def test_the_specifications_births_are_read() -> None:
    """Node and device of the specification: their births, what they observe, and no commands."""
    body = (FORMATS / "sparkplug/nbirth_spec_example.json").read_bytes()
    found = CODEC.decode(body, Envelope(now=NOW, topic="spBv1.0/g/NBIRTH/n"))
    assert notes(found) == ["birth"]
    assert observed(found) == {
        "Properties/Hardware Make": "Raspberry Pi",
        "Properties/Hardware Model": "Pi 3 Model B",
        "Properties/OS": "Raspbian",
        "Properties/OS Version": "Jessie with PIXEL/11.01.2017",
        "Supply Voltage (V)": 12.1,
    }
    body = (FORMATS / "sparkplug/dbirth_spec_example.json").read_bytes()
    found = CODEC.decode(body, Envelope(now=NOW, topic="spBv1.0/g/DBIRTH/n/d"))
    assert [value.datastream for value in found.values if isinstance(value, Observation)] == [
        "g/n/d/Outputs/LEDs/Green",
        "g/n/d/Outputs/LEDs/Yellow",
    ]
    assert {value.time for value in found.values if isinstance(value, Observation)} == {1486144502122}


def test_aliases_stand_for_what_the_birth_said() -> None:
    """After a birth data carry numbers only; a number that no birth told is refused with what to do."""
    session = Session()
    assert notes(sent(session, "NBIRTH", BIRTH, 0)) == ["birth"]
    found = sent(session, "NDATA", [{"alias": 1, "int_value": 2**32 - 5}, {"alias": 9, "int_value": 1}], 1)
    assert observed(found) == {"Level": -5.0}
    assert [fault.reason for fault in found.faults] == [
        "metric 2: alias 9 of water/edge-1 is not known; ask water/edge-1 for a rebirth"
    ]


def test_a_gap_in_the_numbers_is_told_with_both() -> None:
    """Messages run 0 to 255 and begin again; one that is missing is named, once."""
    session = Session()
    sent(session, "NBIRTH", BIRTH, 0)
    for number in range(1, 256):
        assert notes(sent(session, "NDATA", [], number)) == []
    assert notes(sent(session, "NDATA", [], 0)) == []
    found = sent(session, "NDATA", [], 4)
    (note,) = [value for value in found.values if isinstance(value, SessionNote)]
    assert (note.what, note.expected, note.found) == ("gap", 1, 4)
    assert "ask it for a rebirth" in note.text
    assert notes(sent(session, "NDATA", [], 5)) == []


def test_data_before_a_birth_ask_for_one_once() -> None:
    """A host that starts late asks each node for a birth, and does not ask twice."""
    session = Session()
    metric = {"name": "Level", "double_value": 1.5}
    assert notes(sent(session, "NDATA", [metric], 3)) == ["rebirth-needed"]
    assert notes(sent(session, "NDATA", [metric], 4)) == []
    assert notes(sent(session, "NBIRTH", BIRTH, 0)) == ["birth"]


def test_a_death_counts_for_its_own_birth_only() -> None:
    """The last will of an earlier connection that comes late does not bury the new one."""
    session = Session()
    sent(session, "NBIRTH", BIRTH, 0)
    late, own = ([{"name": "bdSeq", "datatype": 8, "long_value": number}] for number in (6, 7))
    assert notes(sent(session, "NDEATH", late)) == []
    assert observed(sent(session, "NDATA", [{"alias": 1, "int_value": 1}], 1)) == {"Level": 1.0}
    assert notes(sent(session, "NDEATH", own)) == ["death"]
    assert notes(sent(session, "NDATA", [{"name": "Level", "double_value": 1.0}], 2)) == ["rebirth-needed"]


def test_devices_are_born_and_die_by_themselves() -> None:
    """A device's birth and death concern the device; its aliases are its own."""
    session = Session()
    sent(session, "NBIRTH", BIRTH, 0)

    def device(kind: str, metrics: list[dict[str, Any]], seq: int) -> Decoded:
        body = sparkplug_payload.write(metrics, NOW, seq)
        return CODEC.decode(body, Envelope(now=NOW, topic=f"spBv1.0/water/{kind}/edge-1/pump", session=session))

    assert notes(device("DBIRTH", [{"name": "On", "alias": 1, "datatype": 11, "boolean_value": True}], 1)) == ["birth"]
    assert observed(device("DDATA", [{"alias": 1, "boolean_value": False}], 2)) == {"On": False}
    assert notes(device("DDEATH", [], 3)) == ["death"]
    assert "alias 1 of water/edge-1/pump" in device("DDATA", [{"alias": 1, "boolean_value": True}], 4).faults[0].reason


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ({"datatype": 1, "int_value": 250}, -6.0),
        ({"datatype": 4, "long_value": 2**64 - 9}, -9.0),
        ({"datatype": 8, "long_value": 2**63}, float(2**63)),
        ({"datatype": 9, "float_value": 0.5}, 0.5),
        ({"datatype": 11, "boolean_value": True}, True),
        ({"datatype": 12, "string_value": "满"}, "满"),
    ],
)
def test_types_give_the_number_that_is_meant(metric: dict[str, Any], value: object) -> None:
    """Negative numbers come as two's complement of their type's width."""
    assert observed(sent(Session(), "NBIRTH", [{"name": "x", **metric}], 0)) == {"x": value}


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ({"name": "x", "datatype": 16, "dataset_value": b""}, "x is of type DataSet, which is no reading"),
        ({"name": "x", "double_value": float("nan")}, "x nan is not finite"),
        ({"name": b"\xff", "double_value": 1.0}, "name is not UTF-8"),
        ({"double_value": 1.0}, "neither name nor alias"),
    ],
)
def test_a_metric_that_is_no_reading_is_told(metric: dict[str, Any], reason: str) -> None:
    """The metrics beside it are read."""
    found = sent(Session(), "NBIRTH", [metric, {"name": "good", "double_value": 1.0}], 0)
    assert observed(found) == {"good": 1.0}
    assert reason in found.faults[0].reason


def test_units_and_quality_are_properties() -> None:
    """``engUnit`` is the unit, ``Quality`` 0 a bad value; null is no value and no fault."""
    bad = {"name": "x", "double_value": 1.0, "properties": sparkplug_payload.properties("mm", 0)}
    found = sent(Session(), "NBIRTH", [bad, {"name": "y", "is_null": True}], 0)
    (one,) = [value for value in found.values if isinstance(value, Observation)]
    assert (one.unit, one.quality, found.faults) == ("mm", "bad", [])


def test_topics_say_who_speaks() -> None:
    """Group, kind, node and device; commands and the state of hosts are no observations; others are refused."""
    assert address("spBv1.0/g/DDATA/n/d") == ("g", "DDATA", "n", "d")
    assert address("spBv1.0/g/DDATA/n/d").asset == "g/n/d"
    assert CODEC.decode(b"{}", Envelope(now=0, topic="spBv1.0/STATE/host")).values == []
    for topic in ("a/b/c", "spBv1.0/g/WHAT/n", "spBv1.0"):
        with pytest.raises(Misshapen, match=r"is not spBv1\.0/<group>/<kind>/<node>"):
            address(topic)


def test_bytes_that_are_no_payload_are_refused() -> None:
    """Cut payloads, other wire formats, and millions of empty metrics."""
    for body in (b"", b"\x0b", b"\x12\xff\xff\xff\x0f"):
        with pytest.raises(Undecodable):
            CODEC.decode(body, Envelope(now=0))
    with pytest.raises(TooMany):
        CODEC.decode(b"\x12\x00" * 2_000_000, Envelope(now=0))


def test_a_session_keeps_no_more_than_it_may() -> None:
    """Nodes and aliases beyond the limits are read and not remembered."""
    session = Session(nodes=2, aliases=3)
    for number in range(5):
        session.born(f"n{number}", "", {alias: Metric("m", 9) for alias in range(10)})
        session.gap(f"n{number}", 0)
    assert len(session) == 2
    assert [session.metric("n0", "", alias) is not None for alias in (0, 2, 3)] == [True, True, False]
    assert session.metric("n4", "", 0) is None
