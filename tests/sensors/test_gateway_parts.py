"""The gateway's parts that need no broker: batching, the register as it grows, what it says of itself."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.contract import METRICS
from config.register import Register, save
from config.settings import Settings
from models import batch
from sensors.gateway import openapi
from sensors.gateway.app import create
from sensors.gateway.following import follow
from sensors.gateway.gather import letter, packs, split
from sensors.gateway.parts import SettingsError
from sensors.gateway.readings import FORMATS
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW_MS, Served, reading, register, wait_until


@given(
    datastream=st.lists(st.integers(0, 9), max_size=60),
    shard=st.lists(st.integers(0, 4), min_size=10, max_size=10),
    rows=st.integers(1, 20),
)
def test_a_split_by_shard_keeps_every_reading_and_the_order_of_each_datastream(
    datastream: list[int], shard: list[int], rows: int
) -> None:
    """No message is longer than asked, and together they hold each datastream's readings in order."""
    time = np.arange(len(datastream))
    readings = batch.batch(datastream, time, time, source="gate-7", accepted=5)
    parts = list(split(readings, np.array(shard, np.int16), rows))
    assert all(0 < len(part) <= rows for _, part in parts)
    assert all(shard[number] == where for where, part in parts for number in part.datastream)
    found: dict[int, list[int]] = {}
    for _, part in parts:
        assert (part.source, part.accepted) == ("gate-7", 5)
        for number, when in zip(part.datastream.tolist(), part.time.tolist(), strict=True):
            found.setdefault(number, []).append(when)
    assert found == {number: [at for at, of in enumerate(datastream) if of == number] for number in set(datastream)}


@given(sizes=st.lists(st.integers(1, 300), max_size=40))
def test_records_are_packed_within_the_limit_and_in_order(sizes: list[int]) -> None:
    """A pack holds what fits; a record that is larger than the limit is alone."""
    records = [(b"", bytes(size)) for size in sizes]
    found = list(packs(records, 256))
    assert [record for pack in found for record in pack] == records
    assert all(len(pack) == 1 or sum(len(value) for _, value in pack) <= 256 for pack in found)


def test_the_same_bad_row_is_the_same_dead_letter() -> None:
    """A bad row that is sent again has the id it had, so that it counts once."""
    letters = [letter("gate-7", at, "why", "value", b"body", "application/json") for at in (1, 2)]
    assert letters[0].id == letters[1].id
    assert letter("gate-8", 1, "why", "value", b"body", "application/json").id != letters[0].id
    assert len(letter("gate-7", 1, "", "", b"x" * 10**6, "application/json").body) == 64 * 1024


def test_a_gateway_without_a_broker_says_which_setting_is_missing(tmp_path: Path) -> None:
    """The message names the variable to set."""
    with pytest.raises(SettingsError, match="CITYBRAIN_KAFKA"):
        create(Settings(data=tmp_path), register())


def test_the_register_is_read_again_when_it_has_grown(tmp_path: Path) -> None:
    """New datastreams are known without a restart; a file that is no register is left."""

    async def main() -> list[int]:
        path = tmp_path / "register.parquet"
        save(register(3), path)
        found: list[Register] = []
        task = asyncio.create_task(follow(path, found.append, look_s=0.01))
        await asyncio.sleep(0.05)
        for content in (register(5), None, register(7)):
            if content is None:
                path.write_bytes(b"no register")
            else:
                save(content, path)
            await asyncio.sleep(0.3)
        task.cancel()
        return [len(one) for one in found]

    assert asyncio.run(main()) == [6, 8]


def test_a_datastream_registered_while_the_gateway_runs_is_taken(start: Start) -> None:
    """Within seconds of the register being written, its new datastreams are accepted."""
    gateway = start()
    assert gateway.post([reading(35)]).status_code == 422
    save(register(40), gateway.settings.register)
    wait_until(lambda: gateway.post([reading(35)]).status_code == 202, "the new camera is known")


def test_the_description_is_true(gateway: Served) -> None:
    """/openapi.json names every route, its bodies and the answers that the other tests meet."""
    described = gateway.http.get("/openapi.json", headers={"authorization": ""}).json()
    paths = described["paths"]
    assert {"/v1/readings", "/v1/alerts/{id}/{action}", "/v1/incidents", "/v1/cap", "/v1/positions"} <= set(paths)
    assert {"/sensorthings/v1.1/CreateObservations", "/v1/onvif/{asset}", "/open311/v2/requests.{form}"} <= set(paths)
    for path in paths:
        tried = path.replace("{", "").replace("}", "")
        assert gateway.http.request("OPTIONS", tried).status_code == 405, f"{path} is described and not there"
    post = described["paths"]["/v1/readings"]["post"]
    assert set(post["requestBody"]["content"]) == set(FORMATS)
    assert set(post["responses"]) == {"202", "401", "403", "408", "413", "415", "422", "429", "503"}
    act = described["paths"]["/v1/alerts/{id}/{action}"]["post"]
    assert set(act["responses"]) == {"200", "401", "403", "404", "408", "409", "413", "422", "503", "504"}
    assert "by" in described["components"]["schemas"]["Ask"]["required"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', gateway.http.get("/openapi.json").text))
    assert references <= set(described["components"]["schemas"])


def test_every_answer_has_the_members_that_are_described(gateway: Served) -> None:
    """A receipt and a problem hold what their schemas require, and nothing the schemas do not know."""
    receipt = gateway.post([reading(), reading(99)]).json()
    assert set(receipt) == set(openapi.RECEIPT["required"]) == set(openapi.RECEIPT["properties"])
    problem = gateway.post(b"{").json()
    assert set(openapi.PROBLEM["required"]) <= set(problem) <= set(openapi.PROBLEM["properties"])


def test_health_and_metrics_need_no_token(gateway: Served) -> None:
    """The pages for machines are open, and the metrics have the names of the contract."""
    gateway.post([reading(), reading(1, -1)])
    pages = {
        path: gateway.http.get(path, headers={"authorization": ""}) for path in ("/healthz", "/readyz", "/metrics")
    }
    assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(pages, 200)
    assert pages["/readyz"].json() == {"ready": True, "broker": True, "datastreams": 31, "reasons": []}
    metrics = pages["/metrics"].text
    assert 'citybrain_readings_rejected_total{reason="out-of-range",source="gate-7"}' in metrics
    assert 'citybrain_request_seconds_count{route="/v1/readings"}' in metrics
    gateway.http.get("/v1/alerts/a-17")
    gateway.http.get("/v1/nothing-17")
    routes = set(re.findall(r'route="([^"]*)"', gateway.http.get("/metrics").text))
    assert {"/v1/readings", "/v1/alerts/{id}", "other"} <= routes
    assert not [route for route in routes if "17" in route]
    named = set(re.findall(r"^# TYPE (citybrain_\w+) ", metrics, re.MULTILINE))
    assert {name for name in named if not name.endswith("_created")} <= set(METRICS)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/readings", 405), ("DELETE", "/v1/alerts", 405), ("GET", "/docs", 404)],
)
def test_other_paths_and_methods_are_problems_too(gateway: Served, method: str, path: str, status: int) -> None:
    """Every refusal has the same form."""
    answer = gateway.http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert path in answer.json()["detail"]


def test_requests_that_come_together_share_messages(start: Start) -> None:
    """Many small requests within the linger become few messages, one for each shard."""
    gateway = start(linger_ms=300)
    threads = [threading.Thread(target=gateway.post, args=([reading(number)],)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batches = gateway.readings()
    assert sum(map(len, batches)) == 12
    assert len(batches) <= 6
    assert {rows.accepted for rows in batches} == {NOW_MS}
