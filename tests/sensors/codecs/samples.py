"""One small message of every codec, with two records at least, and what its door knows beside it."""

from __future__ import annotations

import io
import json
from typing import Any, NamedTuple

import cbor2
import pyarrow as pa

from sensors.codecs import sparkplug_payload
from sensors.codecs.base import Envelope

NOW = 1_790_000_000_000  # ms: when the samples came


class Sample(NamedTuple):
    """A message, the name of what it shows, and what the door knows."""

    codec: str
    form: str
    body: bytes
    told: dict[str, Any]

    def envelope(self, **more: Any) -> Envelope:
        """What the door knows, and ``more``."""
        return Envelope(now=NOW, **(self.told | more))


SENML = [
    {"bn": "urn:dev:gauge-7:", "bt": 1.79e9 - 60, "bu": "m", "n": "level", "v": 1.25},
    {"n": "open", "vb": True},
    {"n": "level", "t": 10, "v": 1.5},
]
CBOR_LABELS = {"bn": -2, "bt": -3, "bu": -4, "n": 0, "v": 2, "vb": 4, "t": 6}
ONVIF = """<?xml version="1.0" encoding="UTF-8"?>
<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2">
 <tt:VideoAnalytics><tt:Frame UtcTime="2026-09-01T08:00:00Z">
  <tt:Object ObjectId="1"><tt:Appearance><tt:Shape><tt:BoundingBox left="-0.5" top="0.5" right="0.0" bottom="-0.5"/>
   </tt:Shape><tt:Class><tt:Type Likelihood="0.9">Human</tt:Type></tt:Class></tt:Appearance></tt:Object>
 </tt:Frame></tt:VideoAnalytics>
 <tt:Event><wsnt:NotificationMessage><wsnt:Topic>tns1:RuleEngine/LineDetector/Crossed</wsnt:Topic>
  <wsnt:Message><tt:Message UtcTime="2026-09-01T08:00:01Z" PropertyOperation="Changed">
   <tt:Source><tt:SimpleItem Name="Rule" Value="gate"/></tt:Source>
   <tt:Data><tt:SimpleItem Name="ObjectId" Value="1"/></tt:Data></tt:Message></wsnt:Message>
 </wsnt:NotificationMessage></tt:Event>
</tt:MetadataStream>"""
CAP = """<?xml version="1.0" encoding="UTF-8"?>
<alerts><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
 <identifier>51010041600000_20260901080000_0</identifier><sender>cd@weather</sender><sent>2026-09-01T08:00:00+08:00</sent>
 <status>Actual</status><msgType>Alert</msgType><scope>Public</scope>
 <info><language>zh-CN</language><category>Met</category><event>暴雨</event><urgency>Expected</urgency>
  <severity>Orange</severity><certainty>Likely</certainty><headline>成都市气象台发布暴雨橙色预警</headline>
  <area><areaDesc>锦江区</areaDesc><polygon>30.6,104.0 30.7,104.0 30.7,104.1 30.6,104.0</polygon>
   <circle>30.65,104.05 2.5</circle></area></info>
</alert><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
 <identifier>51010041600000_20260901090000_0</identifier><sender>cd@weather</sender><sent>2026-09-01T09:00:00+08:00</sent>
 <status>Actual</status><msgType>Cancel</msgType><scope>Public</scope>
 <references>cd@weather,51010041600000_20260901080000_0,2026-09-01T08:00:00+08:00</references>
</alert></alerts>"""
OPEN311 = [
    {"service_request_id": "12345-1", "service_code": "006", "service_name": "井盖", "status": "open",
     "requested_datetime": "2026-09-01T08:00:00+08:00", "lat": 30.65, "long": 104.06},
    {"service_request_id": "12345-2", "service_code": "007", "requested_datetime": "2026-09-01T08:05:00+08:00"},
]  # fmt: skip
OPEN311_XML = """<service_requests><request><service_request_id>1</service_request_id><service_code>006</service_code>
<requested_datetime>2026-09-01T08:00:00+08:00</requested_datetime><lat>30.65</lat><long>104.06</long></request>
<request><service_request_id>2</service_request_id><requested_datetime>2026-09-01T08:00:00Z</requested_datetime>
</request></service_requests>"""
GAT1400 = {
    "MotorVehicleListObject": {
        "MotorVehicleObject": [
            {"MotorVehicleID": "510104000012010000010220260901080000000010", "DeviceID": "51010400001201000001",
             "PassTime": "20260901080000", "PlateNo": "川A00000", "Speed": "42", "LaneNo": 2},
            {"MotorVehicleID": "510104000012010000010220260901080001000020", "PassTime": "20260901080001"},
        ]
    }
}  # fmt: skip
NGSI = {
    "type": "Notification",
    "data": [
        {"id": "urn:ngsi-ld:CrowdFlowObserved:square", "type": "CrowdFlowObserved",
         "dateObserved": {"type": "Property", "value": "2026-09-01T08:00:00Z"},
         "peopleCount": {"type": "Property", "value": 120}},
        {"id": "urn:ngsi-ld:TrafficFlowObserved:ring", "type": "TrafficFlowObserved",
         "dateObserved": "2026-09-01T08:00:00Z", "intensity": 197, "averageVehicleSpeed": 52.6},
    ],
}  # fmt: skip
STA_ARRAYS = [
    {"Datastream": {"@iot.id": 7}, "components": ["phenomenonTime", "result"], "dataArray@iot.count": 2,
     "dataArray": [["2026-09-01T08:00:00Z", 1.25], ["2026-09-01T08:01:00Z", 1.5]]},
]  # fmt: skip
STA_LIST = {
    "value": [
        {"phenomenonTime": "2026-09-01T08:00:00Z", "result": 1.25, "Datastream": {"@iot.id": "a/b"}},
        {"phenomenonTime": {"start": "2026-09-01T08:00:00Z", "end": "2026-09-01T09:00:00Z"}, "result": "dry",
         "Datastream": {"id": 7}},
    ]
}  # fmt: skip
AXIS = [
    {"frame": {"timestamp": "2026-09-01T08:00:00.5Z", "operations": [], "observations": [
        {"track_id": "1", "class": {"type": "Human", "score": 0.8},
         "bounding_box": {"left": 0.1, "top": 0.2, "right": 0.3, "bottom": 0.4}}]}},
    {"frame": {"timestamp": "2026-09-01T08:00:01.5Z", "operations": [], "observations": []}},
]  # fmt: skip
READINGS = [
    {"datastream": "cam-1/people", "time": "2026-09-01T08:00:00Z", "value": 12},
    {"datastream": "cam-2/people", "time": 1788249600000, "value": 3.5, "unit": "1", "lon": 104.06, "lat": 30.65},
]
CSV = "sensor,when,people,rain\ncam-1,2026-09-01 08:00:00,12,0.5\ncam-2,2026-09-01 08:00:00,NA,1.5\n"
MAPPING = {
    "asset": "sensor",
    "time": "when",
    "zone": "Asia/Shanghai",
    "values": {"people": {"property": "people", "unit": "1"}, "rain": {"property": "rainfall", "unit": "mm/h"}},
}


def arrow() -> bytes:
    """Two readings as an Arrow stream."""
    table = pa.table(
        {
            "datastream": pa.array(["cam-1/people", "cam-2/people"]).dictionary_encode(),
            "time": pa.array([1788249600000, 1788249601000], pa.timestamp("ms", "UTC")),
            "value": [12.0, 3.5],
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def sparkplug() -> bytes:
    """A birth with a number and its unit, a truth value and its birth's number."""
    metrics = [
        {"name": "bdSeq", "datatype": 8, "long_value": 3},
        {
            "name": "Level",
            "alias": 1,
            "datatype": 3,
            "int_value": 2**32 - 5,
            "properties": sparkplug_payload.properties("mm", 192),
        },
        {"name": "Open", "alias": 2, "datatype": 11, "boolean_value": True},
    ]
    return sparkplug_payload.write(metrics, 1788249600000, 0)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _lines(values: list[Any]) -> bytes:
    return b"\n".join(map(_json, values))


SPARKPLUG_VIEW = {
    "timestamp": 1788249600000,
    "seq": 2,
    "metrics": [
        {"name": "Level", "dataType": "Int32", "value": -5},
        {"name": "Open", "dataType": "Boolean", "value": True},
    ],
}
SAMPLES = [
    Sample("json", "list", _json(READINGS), {}),
    Sample("ndjson", "own", _lines(READINGS), {}),
    Sample("ndjson", "mapped", _lines([{"id": "a", "t": 1788249600, "v": 2}] * 2),
           {"mapping": {"asset": "id", "time": "t", "time_format": "epoch_s", "value": "v",
                        "always": {"property": "level", "unit": "m"}}}),
    Sample("csv", "mapped", CSV.encode(), {"mapping": MAPPING}),
    Sample("csv", "own", b"datastream;time;value\na/b;2026-09-01T08:00:00Z;1\na/c;2026-09-01T08:00:00Z;2\n", {}),
    Sample("arrow", "stream", arrow(), {}),
    Sample("senml", "json", _json(SENML), {}),
    Sample("senml", "cbor", cbor2.dumps([{CBOR_LABELS[k]: v for k, v in row.items()} for row in SENML]), {}),
    Sample("senml", "xml", b'<sensml xmlns="urn:ietf:params:xml:ns:senml"><senml bn="d:" n="a" u="m" v="1"/>'
           b'<senml n="b" vb="true"/></sensml>', {}),
    Sample("sensorthings", "arrays", _json(STA_ARRAYS), {}),
    Sample("sensorthings", "page", _json(STA_LIST), {}),
    Sample("ngsi-ld", "notification", _json(NGSI), {}),
    Sample("sparkplug", "birth", sparkplug(), {"topic": "spBv1.0/water/NBIRTH/edge-1"}),
    Sample("sparkplug", "view", _json(SPARKPLUG_VIEW), {"topic": "spBv1.0/water/DDATA/edge-1/pump"}),
    Sample("onvif", "stream", ONVIF.encode(), {"asset": "cam-1"}),
    Sample("axis", "lines", _lines(AXIS), {"asset": "cam-1"}),
    Sample("gat1400", "vehicles", _json(GAT1400), {}),
    Sample("cap", "alerts", CAP.encode(), {}),
    Sample("open311", "json", _json(OPEN311), {}),
    Sample("open311", "xml", OPEN311_XML.encode(), {}),
]  # fmt: skip
