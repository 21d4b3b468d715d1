"""POST /v1/readings, on a real broker."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sensors import tokens
from tests.sensors.conftest import Start
from tests.sensors.rig import NOW_MS, Served, points, reading, wait_until


def test_readings_are_in_the_broker_once_they_are_answered(gateway: Served) -> None:
    """A 202 says how many were accepted, and the broker has them in the shard of each datastream."""
    answer = gateway.post({"readings": [reading(0), reading(1, 13.5), reading(4, 0)]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3, "rejected": 0, "errors": [], "spooled": False})
    batches = gateway.readings()
    assert [points([rows]) for rows in batches] == [[(0, NOW_MS, 12.0)], [(1, NOW_MS, 13.5), (4, NOW_MS, 0.0)]]
    assert {(rows.source, rows.accepted) for rows in batches} == {("gate-7", NOW_MS)}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps([reading(0, 1), reading(1, 2)])),
        ("application/json; charset=utf-8", json.dumps({"readings": [reading(0, 1), reading(1, 2)]})),
        (
            "application/json",
            json.dumps(
                {
                    "datastream": ["cam-000/people", "cam-001/people"],
                    "time": [NOW_MS, "2026-09-21T22:13:20+08:00"],
                    "value": [1, 2],
                    "unit": ["1", None],
                }
            ),
        ),
        ("application/x-ndjson", f"{json.dumps(reading(0, 1))}\n\n{json.dumps(reading(1, 2))}\r\n"),
    ],
    ids=["list", "readings", "columns", "lines"],
)
def test_every_form_of_readings_says_the_same(gateway: Served, kind: str, body: str) -> None:
    """A bare list, an object with readings, columns and NDJSON are the same readings."""
    answer = gateway.post(body.encode(), kind)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert points(gateway.readings()) == [(0, NOW_MS, 1.0), (1, NOW_MS, 2.0)]


BAD_ROWS: dict[str, tuple[str, str, str]] = {
    "unknown datastream": ('{"datastream": "cam-999/people", "time": %d, "value": 1}', "datastream", "cam-999/people"),
    "NaN": ('{"datastream": "cam-001/people", "time": %d, "value": NaN}', "value", "nan"),
    "infinity": ('{"datastream": "cam-001/people", "time": %d, "value": Infinity}', "value", "inf"),
    "a number too large": ('{"datastream": "cam-001/people", "time": %d, "value": 1e999}', "value", "inf"),
    "null": ('{"datastream": "cam-001/people", "time": %d, "value": null}', "value", "null"),
    "text for a value": ('{"datastream": "cam-001/people", "time": %d, "value": "12"}', "value", "12"),
    "no value": ('{"datastream": "cam-001/people", "time": %d}', "value", "null"),
    "above the range": ('{"datastream": "cam-001/people", "time": %d, "value": 5000.5}', "value", "5000.5"),
    "below the range": ('{"datastream": "cam-001/people", "time": %d, "value": -1}', "value", "-1.0"),
    "far future": (
        '{"datastream": "cam-001/people", "time": "2026-09-21T14:14:20.001Z", "value": 1}',
        "time",
        str(NOW_MS + 60_001),
    ),
    "seconds for milliseconds": (
        '{"datastream": "cam-001/people", "time": 1790000000, "value": 1}',
        "time",
        "1790000000",
    ),
    "a time without offset": (
        '{"datastream": "cam-001/people", "time": "2026-09-21T14:13:20", "value": 1}',
        "time",
        "2026-09-21T14:13:20",
    ),
    "wrong unit": ('{"datastream": "cam-001/people", "time": %d, "value": 1, "unit": "m"}', "unit", "m"),
    "latitude 999": ('{"datastream": "cam-001/people", "time": %d, "value": 1, "lat": 999}', "lat", "999.0"),
    "longitude -181": ('{"datastream": "cam-001/people", "time": %d, "value": 1, "lon": -181}', "lon", "-181.0"),
    "half a surrogate pair": ('{"datastream": "\\ud800", "time": %d, "value": 1}', "datastream", "?"),
    "no object": ("[%d]", "", "an array"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_a_bad_row_is_refused_and_dead_lettered_while_the_others_are_accepted(
    gateway: Served, name: str, kind: str
) -> None:
    """One bad row spoils no other: it is told with field, value and limit, and kept among the dead letters."""
    row, field, value = BAD_ROWS[name]
    bad = row.replace("%d", str(NOW_MS))
    rows = [json.dumps(reading(0, 1)), bad, json.dumps(reading(2, 3))]
    body = "\n".join(rows) if "ndjson" in kind else f"[{','.join(rows)}]"
    answer = gateway.post(body.encode(), kind)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (202, 2, 1)
    told = json.dumps(error["value"]).strip('"')
    assert (error["index"], error["field"], told) == (1, field, value)
    assert error["limit"] is not None
    assert points(gateway.readings()) == [(0, NOW_MS, 1.0), (2, NOW_MS, 3.0)]
    (letter,) = gateway.dead_letters()
    assert (letter.source, letter.field, letter.reason) == ("gate-7", field, error["reason"])
    assert plain(letter.body.decode()) == plain(bad)


def plain(text: str) -> object:
    """The JSON with NaN and Infinity as text, so that they are equal to themselves."""
    return json.loads(text.replace("1e999", "Infinity"), parse_constant=str)


def test_readings_are_refused_as_a_whole_when_none_can_be_taken(gateway: Served) -> None:
    """With every row refused the answer is 422 with the same list, and the rows are dead-lettered."""
    answer = gateway.post([reading(998), reading(999)])
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (problem["accepted"], problem["rejected"], [error["index"] for error in problem["errors"]]) == (0, 2, [0, 1])
    assert (problem["field"], problem["value"]) == ("datastream", "cam-998/people")
    assert len(gateway.dead_letters()) == 2
    assert gateway.readings() == []


def test_at_most_a_hundred_reasons_are_told_and_every_row_is_dead_lettered(gateway: Served) -> None:
    """The answer names the first 100 rows that were refused; the dead letters have them all."""
    answer = gateway.post([reading(0), *[reading(1, -1 - row) for row in range(3000)]])
    assert (answer.json()["rejected"], len(answer.json()["errors"])) == (3000, 100)
    assert len(gateway.dead_letters()) == 3000


def test_no_readings_are_accepted_readings(gateway: Served) -> None:
    """An empty list is answered 202 with nothing accepted."""
    assert gateway.post({"readings": []}).json()["accepted"] == 0


@pytest.mark.parametrize(
    ("header", "why"), [("", ""), ("Basic Z2F0ZQ==", ""), ("Bearer cb_unknown", "invalid_token"), ("Bearer", "")]
)
def test_an_unknown_token_is_401(gateway: Served, header: str, why: str) -> None:
    """Without a known token nothing is taken, and the answer says how to authenticate."""
    answer = gateway.post([reading()], authorization=header)
    assert (answer.status_code, answer.json()["field"]) == (401, "Authorization")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert why in answer.headers["www-authenticate"]
    assert gateway.readings() == []


def test_a_token_without_the_scope_is_403(gateway: Served) -> None:
    """A token that may only dispatch cannot push readings; a token counts within seconds of being issued."""
    token = tokens.issue(gateway.settings.secrets / "gateways.json", "desk", (tokens.DISPATCH,))
    headers = {"authorization": f"Bearer {token}"}
    wait_until(lambda: gateway.post([reading()], **headers).status_code != 401, "the token is known", within_s=30)
    answer = gateway.post([reading()], **headers)
    assert (answer.status_code, answer.json()["limit"]) == (403, "readings")


@pytest.mark.parametrize(
    ("body", "position"),
    [
        (b'{"readings": [{"datastream": "cam-000/people", "time": 1, "value": }]}', 67),
        (b'{"readings": [', 14),
        (b"", 0),
        ('[{"datastream": "天府", oops}]'.encode(), 26),
        (b'["\xff"]', 2),
        (b"[] []", 3),
    ],
)
def test_broken_json_is_422_naming_the_position(gateway: Served, body: bytes, position: int) -> None:
    """A body that is no JSON is refused as a whole, naming the first byte that is wrong, and dead-lettered."""
    answer = gateway.post(body)
    assert (answer.status_code, answer.json()["position"]) == (422, position)
    assert f"byte {position}" in answer.json()["detail"]
    assert [letter.body for letter in gateway.dead_letters()] == [body]


def test_a_broken_line_spoils_only_itself(gateway: Served) -> None:
    """In NDJSON a line that is no JSON is refused by its number; the other lines are accepted."""
    answer = gateway.post(
        f"{json.dumps(reading(0))}\n{{oops\n{json.dumps(reading(1))}".encode(), "application/x-ndjson"
    )
    (error,) = answer.json()["errors"]
    assert (answer.json()["accepted"], error["index"], error["value"]) == (2, 1, "{oops")
    assert error["reason"].startswith("line 2: not JSON")


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"reading": []}, "datastream"),
        ({"readings": {}}, "readings"),
        ("text", "readings"),
        ({"datastream": ["cam-000/people"], "time": [NOW_MS, NOW_MS], "value": [1]}, "time"),
        ({"datastream": ["cam-000/people"], "time": NOW_MS, "value": [1]}, "time"),
    ],
)
def test_json_of_another_shape_is_422_naming_the_field(gateway: Served, frame: object, field: str) -> None:
    """JSON that holds no readings is refused, naming what is amiss."""
    answer = gateway.post(frame)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_another_content_type_is_415(gateway: Served) -> None:
    """A format that is not understood is refused, naming those that are."""
    answer = gateway.post(b"<x/>", "text/xml")
    assert (answer.status_code, answer.json()["value"]) == (415, "text/xml")
    assert "application/x-ndjson" in answer.json()["limit"]


def test_a_body_of_50_megabytes_is_413_and_not_read(gateway: Served) -> None:
    """A body over the limit is refused from its length alone."""
    answer = gateway.post(b"[" + b" " * 50_000_000)
    assert (answer.status_code, answer.json()["limit"]) == (413, gateway.settings.body_limit_bytes)
    with socket.create_connection(("127.0.0.1", gateway.settings.gateway_port), 10) as connection:
        connection.sendall(_head(gateway, "content-length: 50000000"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")  # before a single byte of the body was sent


def test_a_chunked_body_over_the_limit_is_413_while_it_is_read(start: Start) -> None:
    """Without a Content-Length the bytes are counted, and no more are read than the limit."""
    gateway = start(body_limit_bytes=100_000)
    with socket.create_connection(("127.0.0.1", gateway.settings.gateway_port), 10) as connection:
        connection.sendall(_head(gateway, "transfer-encoding: chunked"))
        for _ in range(3):
            connection.sendall(b"c350\r\n" + b" " * 50_000 + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_within_the_limit_is_taken(gateway: Served) -> None:
    """A body may come in pieces."""

    def pieces() -> Iterator[bytes]:
        text = json.dumps([reading(number) for number in range(30)]).encode()
        yield from (text[at : at + 100] for at in range(0, len(text), 100))

    answer = gateway.http.post("/v1/readings", content=pieces(), headers={"content-type": "application/json"})
    assert answer.json()["accepted"] == 30


def test_gzip_is_understood_within_the_limit_for_what_it_unpacks_to(start: Start) -> None:
    """A gzip body is unpacked; one that unpacks to more than the limit is 413, a torn one 422."""
    gateway = start(body_limit_bytes=100_000)
    packed = gzip.compress(json.dumps([reading()]).encode())
    bomb = gzip.compress(b" " * 5_000_000)
    answers = [
        gateway.post(body, **{"content-encoding": "gzip"}) for body in (packed, bomb, packed[:-9], b"none", packed * 2)
    ]
    assert [answer.status_code for answer in answers] == [202, 413, 422, 422, 422]
    assert gateway.post(packed, **{"content-encoding": "br"}).status_code == 415


def test_more_readings_than_one_request_may_carry_are_413(start: Start) -> None:
    """A batch over the limit of readings is refused as a whole, naming the limit, in every form."""
    gateway = start(batch_limit=10)
    rows = [reading(0, 1, NOW_MS + number) for number in range(11)]
    bodies: list[tuple[bytes, str]] = [
        (json.dumps(rows).encode(), "application/json"),
        (json.dumps([*rows, None]).encode(), "application/json"),
        ("\n".join(map(json.dumps, rows)).encode(), "application/x-ndjson"),
        (json.dumps({name: [row[name] for row in rows] for name in rows[0]}).encode(), "application/json"),
    ]
    answers = [gateway.post(body, kind) for body, kind in bodies]
    assert [(answer.status_code, answer.json()["limit"]) for answer in answers] == [(413, 10)] * 4
    assert gateway.post(rows[:10]).status_code == 202


def test_more_readings_a_second_than_allowed_are_429(start: Start) -> None:
    """A gateway that sends 1,000 readings a second over its rate is told to wait."""
    gateway = start(rate_limit=1000)
    answers = [gateway.post([reading(row % 30, 1, NOW_MS + row) for row in range(500)]) for _ in range(4)]
    assert [answer.status_code for answer in answers][:2] == [202, 202]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {(answer.headers["retry-after"], answer.json()["limit"]) for answer in refused} == {("1", 1000)}


def _head(gateway: Served, length: str) -> bytes:
    lines: list[Any] = ["POST /v1/readings HTTP/1.1", "host: gateway", "content-type: application/json", length]
    return "\r\n".join([*lines, f"authorization: Bearer {gateway.token}", "", ""]).encode()


def test_a_unit_is_converted_to_the_registered_one_or_refused_by_name(gateway: Served) -> None:
    """Centimetres of a gauge in metres are metres; degrees are refused, and so is a unit nobody knows."""
    rows = [
        {"datastream": "gauge-1/level", "time": NOW_MS, "value": 250.0, "unit": "cm"},
        {"datastream": "gauge-1/level", "time": NOW_MS + 1, "value": 2.0, "unit": "Cel"},
        {"datastream": "gauge-1/level", "time": NOW_MS + 2, "value": 2.0, "unit": "furlong"},
    ]
    answer = gateway.post(rows)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert [value for _, _, value in points(gateway.readings())] == [2.5]
    errors = answer.json()["errors"]
    assert [(error["code"], error["value"], error["limit"]) for error in errors] == [
        ("unit", "Cel", "m"),
        ("unit", "furlong", "m"),
    ]
