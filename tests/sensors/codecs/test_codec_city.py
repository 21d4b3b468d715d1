"""NGSI-LD, GA/T 1400 and Open311: what cities' own platforms send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.values import ServiceRequest
from sensors.codecs import gat1400, ngsi, open311
from sensors.codecs.base import Codec, Decoded, Envelope
from sensors.codecs.errors import Unreadable
from sensors.codecs.values import Device, Observation, Passage, SessionNote
from tests.sensors.codecs.formats import FORMATS

NOW = 1_790_000_000_000
EIGHT = 1788249600000  # 2026-09-01T08:00:00Z
here = pytest.mark.skipif(not FORMATS.exists(), reason="the payloads of shared/data/formats are not here")


def decode(codec: Codec, told: Any, **more: Any) -> Decoded:
    return codec.decode(json.dumps(told).encode(), Envelope(now=NOW, source="gate", **more))


# --- NGSI-LD ----------------------------------------------------------------------------------------------------

CROWD = {
    "id": "urn:ngsi-ld:CrowdFlowObserved:square-3",
    "type": "CrowdFlowObserved",
    "dateObserved": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-09-01T08:00:00Z"}},
    "peopleCount": {"type": "Property", "value": 120},
    "averageCrowdSpeed": {"type": "Property", "value": 1.1, "unitCode": "MTS", "observedAt": "2026-09-01T08:00:05Z"},
    "congested": {"type": "Property", "value": True},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [104.06, 30.65]}},
}


def rows(found: Decoded) -> list[tuple[str, int, float | bool | str, str | None]]:
    return [(one.datastream, one.time, one.value, one.unit) for one in found.values if isinstance(one, Observation)]


def test_a_notification_gives_the_numbers_of_its_entities() -> None:
    """Each attribute is a reading of the entity with its own time and unit, or the data model's."""
    found = decode(ngsi.CODEC, {"type": "Notification", "data": [CROWD]})
    assert rows(found) == [
        ("square-3/people", EIGHT, 120.0, "1"),
        ("square-3/speed", EIGHT + 5000, 1.1, "MTS"),
        ("square-3/congested", EIGHT, True, None),
    ]
    assert {(one.lon, one.lat) for one in found.values if isinstance(one, Observation)} == {(104.06, 30.65)}


@pytest.mark.parametrize("kind", ["TrafficFlowObserved", "https://smartdatamodels.org/x/TrafficFlowObserved"])
def test_plain_values_and_long_names_mean_the_same(kind: str) -> None:
    """Simplified entities, types as addresses, intervals in two attributes, and the device that is referred to."""
    entity = {
        "id": "urn:ngsi-ld:TrafficFlowObserved:ring",
        "type": kind,
        "refDevice": "urn:ngsi-ld:Device:loop-7",
        "dateObservedFrom": "2026-09-01T07:55:00Z",
        "dateObservedTo": "2026-09-01T08:00:00Z",
        "intensity": 197,
        "averageVehicleSpeed": 52.6,
    }
    found = decode(ngsi.CODEC, entity)
    assert rows(found) == [("loop-7/intensity", EIGHT, 197.0, "1"), ("loop-7/speed", EIGHT, 52.6, "km/h")]
    assert {one.since for one in found.values if isinstance(one, Observation)} == {EIGHT - 300_000}


def test_an_attribute_amiss_spoils_no_other() -> None:
    """A count below nought and a word for a number are told; the entity's other numbers are read."""
    entity = CROWD | {"peopleCount": -1, "occupancy": "full"}
    found = decode(ngsi.CODEC, [entity, {"id": "x", "type": "Room"}, {"id": "y", "type": "CrowdFlowObserved"}])
    assert [name for name, *_ in rows(found)] == ["square-3/speed", "square-3/congested"]
    assert [(fault.index, fault.field) for fault in found.faults] == [
        (0, "peopleCount"),
        (0, "occupancy"),
        (1, "type"),
        (2, "peopleCount"),
    ]


# --- GA/T 1400 --------------------------------------------------------------------------------------------------


@here
def test_a_masked_vehicle_is_read() -> None:
    """Empty texts are nothing; the time is Beijing's; the device is told by the vehicle's number."""
    body = (FORMATS / "gat1400/motorvehicles_masked.json").read_bytes()
    found = gat1400.CODEC.decode(body, Envelope(now=NOW))
    assert found.values == [
        Passage(
            id="33029902001210000118",
            asset="33029902001210000118",
            time=1618132417000,
            plate="MASKED",
            way="in",
        )
    ]


def test_devices_say_where_and_whether_they_are() -> None:
    """APE lists and their status; a place of nought is no place."""
    row = {"ApeID": "51010400001201000001", "Name": "南门", "IsOnline": "1", "Longitude": 104.06, "Latitude": "30.65"}
    found = decode(
        gat1400.CODEC, {"APEListObject": {"APEObject": [row, {"ApeID": "2", "Longitude": 0, "Latitude": 0}]}}
    )
    assert found.values == [
        Device(asset=row["ApeID"], name="南门", online=True, lon=104.06, lat=30.65, time=NOW),  # type: ignore[arg-type]
        Device(asset="2", time=NOW),
    ]
    status = {
        "APEStatusListObject": {"APEStatusObject": {"ApeID": "2", "IsOnline": "2", "CurrentTime": "20260901160000"}}
    }
    assert decode(gat1400.CODEC, status).values == [Device(asset="2", online=False, time=EIGHT)]


@pytest.mark.parametrize(
    ("member", "what"),
    [("RegisterObject", "register"), ("KeepaliveObject", "keepalive"), ("UnRegisterObject", "unregister")],
)
def test_register_and_keepalive_are_notes(member: str, what: str) -> None:
    """The messages of a connection, and the answer that its door sends back."""
    (note,) = decode(gat1400.CODEC, {member: {"DeviceID": "51010400001190000001"}}).values
    assert isinstance(note, SessionNote)
    assert (note.what, note.asset, note.time) == (what, "51010400001190000001", NOW)
    told = json.loads(gat1400.answer("/VIID/System/Register", ["51010400001190000001"], EIGHT))
    assert told["ResponseStatusListObject"]["ResponseStatusObject"][0]["LocalTime"] == "20260901160000"


def test_vehicles_of_a_notification_are_read_beside_bad_ones() -> None:
    """A subscription's notification holds lists; a vehicle without time or device is told and spoils none."""
    good = {"MotorVehicleID": "5101040000120100000102", "PassTime": "20260901160000", "Speed": "42", "LaneNo": 3}
    rows = [
        good,
        {"MotorVehicleID": "1", "PassTime": "20260901160000"},
        good | {"PassTime": ""},
        good | {"LaneNo": 1.5},
    ]
    notice = {"MotorVehicleObjectList": {"MotorVehicleObject": rows}}
    told = {"SubscribeNotificationListObject": {"SubscribeNotificationObject": [notice]}}
    found = decode(gat1400.CODEC, told)
    (one,) = found.values
    assert isinstance(one, Passage)
    assert (one.asset, one.time, one.speed_kmh, one.lane) == ("51010400001201000001", EIGHT, 42.0, 3)
    assert [fault.field for fault in found.faults] == ["DeviceID", "PassTime", "LaneNo"]
    with pytest.raises(Unreadable, match="'FaceListObject', which is not taken"):
        decode(gat1400.CODEC, {"FaceListObject": {}})


# --- Open311 ----------------------------------------------------------------------------------------------------


@here
def test_chicagos_request_is_read() -> None:
    """A request with its place, its times as UTC and what was done."""
    body = (FORMATS / "open311/chicago_request.json").read_bytes()
    (request,) = open311.CODEC.decode(body, Envelope(now=NOW, source="gate")).values
    assert request == ServiceRequest(
        id="14-00684314",
        code="4fd3b656e750846c53000004",
        category="Pothole in Street",
        status="closed",
        description="CDOT Inspect Public Way Survey Transfer Outcome",
        requested=1399680141000,
        updated=1444490140000,
        agency="Division of In-House Construction CDOT",
        address="1200 W 81ST ST, CHICAGO, IL, 60620",
        lon=-87.6536401592609,
        lat=41.74685764200721,
        source="gate",
    )


@here
def test_the_specifications_xml_is_read() -> None:
    """Two requests, one of them open, both with what they expect."""
    body = (FORMATS / "open311/spec_requests.xml").read_bytes()
    found = open311.CODEC.decode(body, Envelope(now=NOW))
    told = [(one.id, one.status, one.expected) for one in found.values if isinstance(one, ServiceRequest)]
    assert told == [("638344", "closed", 1271342258000), ("638349", "open", 1271687858000)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"token": "t-1"}, "only the token 't-1' yet"),
        ({"service_request_id": "1"}, "requested_datetime"),
        ({"service_request_id": "", "requested_datetime": "2026-09-01T08:00:00Z"}, "service_request_id is empty"),
        ({"service_request_id": "1", "requested_datetime": "2026-09-01T08:00:00Z", "lat": 91, "long": 1}, "lat 91 is"),
    ],
)
def test_a_bad_request_spoils_no_other(row: dict[str, Any], reason: str) -> None:
    """What is missing is named; the request beside it is read, its local time as the city's."""
    good = {"service_request_id": 2, "requested_datetime": "2026-09-01 16:00:00"}
    found = decode(open311.CODEC, {"service_requests": [row, good]}, zone="Asia/Shanghai")
    assert [(one.id, one.requested) for one in found.values if isinstance(one, ServiceRequest)] == [("2", EIGHT)]
    assert reason in found.faults[0].reason
    assert found.faults[0].index == 0
