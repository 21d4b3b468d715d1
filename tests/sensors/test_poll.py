"""Servers that are asked on a schedule, against a real HTTP server and a real gateway."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from config import contract
from models import events
from models.values import ServiceRequest
from sensors.poll import Poll, Poller, PollError, load
from tests.sensors.rig import NOW_MS, Served, points

Answer = Callable[[str], tuple[int, bytes]]


@pytest.fixture
def server() -> Iterator[tuple[str, list[str], list[Answer]]]:
    """A server's address, the paths it was asked for, and what it answers (set by the test)."""
    asked: list[str] = []
    answers: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answers[-1](self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", asked, answers
    http.shutdown()
    thread.join()


def poller(gateway: Served, tmp_path: Path, poll: Poll) -> Poller:
    """The poller of one poll for this gateway."""
    url = f"http://127.0.0.1:{gateway.settings.gateway_port}"
    return Poller((poll,), tmp_path / "notes", url, gateway.token)


def once(one: Poller) -> int:
    """One round."""

    async def ask() -> int:
        async with httpx.AsyncClient() as http:
            return await one.once(http, one.polls[0])

    return asyncio.run(ask())


def observations(*rows: tuple[str, float], more: str = "") -> bytes:
    """A page as a SensorThings server answers it."""
    page: dict[str, object] = {"value": [{"phenomenonTime": time, "result": value} for time, value in rows]}
    return json.dumps(page | ({"@iot.nextLink": more} if more else {})).encode()


def test_pages_are_followed_and_the_next_round_asks_for_what_is_newer(
    gateway: Served, server: tuple[str, list[str], list[Answer]], tmp_path: Path
) -> None:
    """Every observation becomes a reading of the datastream that the poll names."""
    url, asked, answers = server
    answers.append(
        lambda path: (
            (200, observations(("2026-09-21T14:13:25Z", 4)))
            if "page=2" in path
            else (200, observations(("2026-09-21T14:13:20Z", 3), more="/obs?page=2"))
        )
    )
    poll = Poll("sta", url + "/obs?after={since}", "sensorthings", "1m", "1000d", datastream="cam-001/people")
    one = poller(gateway, tmp_path, poll)
    assert once(one) == 2
    assert points(gateway.readings()) == [(1, NOW_MS, 3.0), (1, NOW_MS + 5_000, 4.0)]
    answers.append(lambda _: (200, observations()))
    assert once(one) == 0
    assert parse_qs(urlsplit(asked[-1]).query)["after"] == ["2026-09-21T14:13:25.000Z"]


def test_service_requests_are_pulled_as_events(
    gateway: Served, server: tuple[str, list[str], list[Answer]], tmp_path: Path
) -> None:
    """An Open311 server's list."""
    url, _, answers = server
    row = {"service_request_id": "7", "service_code": "0101", "requested_datetime": "2026-09-21T14:00:00Z"}
    answers.append(lambda _: (200, json.dumps([row]).encode()))
    gateway.values(contract.EVENTS)
    assert once(poller(gateway, tmp_path, Poll("city", url + "/requests.json", "open311", "5m"))) == 1
    (event,) = [events.decode(value) for value in gateway.values(contract.EVENTS)]
    assert isinstance(event, ServiceRequest)
    assert event.id == "7"


@pytest.mark.parametrize(("status", "body"), [(500, b"down"), (200, b"<html>"), (404, b"")])
def test_what_cannot_be_used_is_asked_for_again(
    gateway: Served, server: tuple[str, list[str], list[Answer]], tmp_path: Path, status: int, body: bytes
) -> None:
    """Nothing is remembered of a round that failed."""
    url, _, answers = server
    answers.append(lambda _: (status, body))
    one = poller(gateway, tmp_path, Poll("sta", url + "/obs", "sensorthings", "1m", datastream="cam-001/people"))
    with pytest.raises(PollError):
        once(one)
    assert not (tmp_path / "notes").exists()


def test_a_gateway_that_refuses_keeps_the_place(
    gateway: Served, server: tuple[str, list[str], list[Answer]], tmp_path: Path
) -> None:
    """With a wrong token nothing counts as seen."""
    url, _, answers = server
    answers.append(lambda _: (200, observations(("2026-09-21T14:13:20Z", 3))))
    poll = Poll("sta", url + "/obs", "sensorthings", "1m", datastream="cam-001/people")
    one = Poller((poll,), tmp_path / "notes", f"http://127.0.0.1:{gateway.settings.gateway_port}", "wrong")
    with pytest.raises(PollError, match="401"):
        once(one)
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("polls: [{name: a, url: 'ftp://x', format: sensorthings, every: 1m}]", "url"),
        ("polls: [{name: a, url: 'http://x', format: nothing, every: 1m}]", "'nothing' is not known; use one of"),
        ("polls: [{name: a, url: 'http://x', format: open311, every: 10ms}]", "every: 10ms is under 1s"),
        (
            "polls: [{name: a, url: 'http://x', format: open311, every: 1m, headers: {A: 'env:NOT_SET_HERE'}}]",
            "the variable NOT_SET_HERE is not set",
        ),
        ("polls: 3", "polls.yaml"),
    ],
)
def test_a_broken_poll_is_refused_by_name(text: str, told: str, tmp_path: Path) -> None:
    """The message names the file, the key, the value and the remedy."""
    (tmp_path / "polls.yaml").write_text(text)
    with pytest.raises(PollError) as error:
        load(tmp_path)
    assert told in str(error.value)
    assert "polls.yaml" in str(error.value)
