"""SensorThings: data arrays, single observations, pages, intervals, and version 2.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensors.codecs.base import Decoded, Envelope
from sensors.codecs.columns import Columns
from sensors.codecs.errors import Unreadable
from sensors.codecs.sensorthings import CODEC
from sensors.codecs.values import Observation
from tests.sensors.codecs.formats import FORMATS

NOW = 1_790_000_000_000
EIGHT = 1788249600000  # 2026-09-01T08:00:00Z
HOUR = 3_600_000


def decode(told: Any, **more: Any) -> Decoded:
    return CODEC.decode(json.dumps(told).encode(), Envelope(now=NOW, **more))


def columns(told: Any) -> Columns:
    assert CODEC.columns is not None
    return CODEC.columns(json.dumps(told).encode(), Envelope(now=NOW))


def one(told: Any, **more: Any) -> Observation:
    found = decode(told, **more)
    assert found.faults == []
    (observation,) = found.values
    assert isinstance(observation, Observation)
    return observation


@pytest.mark.skipif(not FORMATS.exists(), reason="the payloads of shared/data/formats are not here")
def test_a_page_of_a_real_server_is_read() -> None:
    """Three verified pressures of datastream 1, which only the link to the next page names."""
    body = (FORMATS / "sensorthings/bgs_frost_observations_page.json").read_bytes()
    found = CODEC.decode(body, Envelope(now=NOW))
    rows = [(o.datastream, o.time, o.value, o.quality) for o in found.values if isinstance(o, Observation)]
    assert rows == [
        ("1", 1679999400000, 1009.86, "good"),
        ("1", 1680005700000, 1008.17, "good"),
        ("1", 1680027300000, 1005.7, "good"),
    ]


def test_data_arrays_are_columns() -> None:
    """Rows of several datastreams, in order; without a phenomenon time they were made when they came."""
    found = columns(
        [
            {"Datastream": {"@iot.id": 7}, "components": ["result", "phenomenonTime"],
             "dataArray": [[1, "2026-09-01T08:00:00Z"], [2.5, "2026-09-01T16:00:00.5+08:00"]]},
            {"Datastream": {"@iot.id": "a/b"}, "components": ["result"], "dataArray": [[3]]},
        ]
    )  # fmt: skip
    assert found.datastream == ["7", "7", "a/b"]
    assert found.time.tolist() == [EIGHT, EIGHT + 500, NOW]
    assert found.value.tolist() == [1.0, 2.5, 3.0]
    assert json.loads(found.text(2))["row"] == [3]


def test_a_bad_row_of_a_data_array_spoils_no_other() -> None:
    """Rows that need a closer look are looked at one by one; each refusal has its place in the whole."""
    rows = [["2026-09-01T08:00:00Z", 1], ["yesterday", 2], ["2026-09-01T08:00:00Z", None], ["2026-09-01T08:00:00Z"],
            ["2026-09-01T08:00:00Z", [1, 2]], ["2026-09-01T08:00:00Z", True], 5]  # fmt: skip
    group = {"components": ["phenomenonTime", "result"], "dataArray": rows}
    found = columns([group | {"Datastream": {"@iot.id": 1}}, group | {"dataArray": [["2026-09-01T08:00:00Z", 9]]}])
    assert found.value.tolist() == [1.0, 1.0]
    assert found.index.tolist() == [0, 5]
    assert [fault.index for fault in found.faults] == [1, 2, 3, 4, 6, 7]
    assert "the observation names no datastream" in found.faults[-1].reason
    assert found.count == 8


@pytest.mark.parametrize(
    "told",
    [
        {"Datastream": {"@iot.id": 9}},
        {"Datastream": {"id": "9"}},
        {"Datastream": {"@id": "http://x/v2.0/Datastreams(9)"}},
        {"Datastream@iot.navigationLink": "http://x/v1.1/Datastreams(9)"},
        {"Datastream@navigationLink": "Datastreams('9')"},
    ],
)
def test_the_datastream_is_found_wherever_it_is_told(told: dict[str, Any]) -> None:
    """Versions 1.1 and 2.0 name it in different members."""
    assert one({"result": 1, **told}).datastream == "9"


def test_the_path_and_the_topic_tell_the_datastream() -> None:
    """An observation posted to a datastream, or published on its topic, need not name it."""
    assert one({"result": 1}, datastream="from-the-path").datastream == "from-the-path"
    assert one({"result": 1}, topic="v1.1/Datastreams(42)/Observations").datastream == "42"
    assert "names no datastream" in decode({"result": 1}).faults[0].reason


@pytest.mark.parametrize(
    "told",
    ["2026-09-01T08:00:00Z/2026-09-01T09:00:00Z", {"start": "2026-09-01T08:00:00Z", "end": "2026-09-01T09:00:00Z"}],
)
def test_an_interval_counts_at_its_end(told: Any) -> None:
    """What was counted over an hour is known when the hour is over; 2.0 writes intervals as objects."""
    found = one({"result": 1, "phenomenonTime": told}, datastream="d")
    assert (found.since, found.time) == (EIGHT, EIGHT + HOUR)


def test_what_comes_with_an_observation_is_kept() -> None:
    """Unit, place, result time and quality of an observation with its datastream and feature written out."""
    found = one(
        {
            "phenomenonTime": {"start": "2026-09-01T08:00:00Z"},
            "resultTime": "2026-09-01T08:00:03Z",
            "result": False,
            "resultQuality": "suspect",
            "Datastream": {"@iot.id": 1, "unitOfMeasurement": {"name": "metre", "symbol": "m"}},
            "FeatureOfInterest": {"feature": {"type": "Point", "coordinates": [104.06, 30.65]}},
        }
    )
    assert found == Observation(
        datastream="1",
        time=EIGHT,
        result_time=EIGHT + 3000,
        value=False,
        unit="m",
        quality="uncertain",
        lon=104.06,
        lat=30.65,
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[{]", "not JSON"),
        (b'{"value": 3}', "value must be an array, this is a number"),
        (b'[{"dataArray": []}]', "group 0 has no components"),
        (b'[{"components": ["result"], "dataArray": {}}]', "dataArray must be an array, this is an object"),
    ],
)
def test_what_is_no_observation_is_refused(body: bytes, reason: str) -> None:
    """The refusal says what is wrong with the whole."""
    with pytest.raises(Unreadable) as refused:
        CODEC.decode(body, Envelope(now=NOW))
    assert reason in str(refused.value)
