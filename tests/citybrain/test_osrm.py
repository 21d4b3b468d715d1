"""Driving times from OSRM, from a server that answers as OSRM does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from citybrain.osrm import Osrm, OsrmError
from geo.dispatch import Incident, Unit, assign

LIMIT = 6  # places in a table


class Tables(BaseHTTPRequestHandler):
    """OSRM's table service over a world where a degree of longitude takes 1,000 s and nobody crosses 105 E."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {
            name: [int(one) for one in found[0].split(";")]
            for name, found in parse_qs(parts.query).items()
            if name != "annotations"
        }
        lon = [float(place.split(",")[0]) for place in parts.path.rpartition("/")[2].split(";")]
        if len(lon) > LIMIT:
            self.answer(400, {"code": "TooBig", "message": "Too many table coordinates"})
            return
        durations = [
            [None if (lon[a] < 105) != (lon[b] < 105) else abs(lon[a] - lon[b]) * 1_000 for b in asked["destinations"]]
            for a in asked["sources"]
        ]
        self.answer(200, {"code": "Ok", "durations": durations})

    def answer(self, status: int, body: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""


@pytest.fixture(scope="module")
def router() -> Iterator[str]:
    """The address of the server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tables)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_table_larger_than_the_servers_is_asked_for_in_blocks(router: str) -> None:
    """Ten places to seven, at most six in a request; no way is infinite."""
    start, end = np.linspace(104.1, 104.9, 10), np.append(np.linspace(104.0, 104.5, 6), 105.5)
    times = Osrm(router, table_size=LIMIT).seconds(start, np.full(10, 30.0), end, np.full(7, 30.0))
    assert times[:, :6] == pytest.approx(np.abs(start[:, None] - end[None, :6]) * 1_000, abs=0.01)
    assert np.isinf(times[:, 6]).all()


def test_dispatch_goes_by_it(router: str) -> None:
    """The unit that OSRM says is sooner is sent, and one beyond the line has no way."""
    units = [Unit("far", 104.0, 30.0), Unit("near", 104.4, 30.0)]
    sent, unserved = assign(units, [Incident("i", 104.5, 30.0), Incident("cut-off", 105.1, 30.0)], Osrm(router))
    assert [(one.incident, one.unit) for one in sent] == [("i", "near")]
    assert unserved[0].reason == "no available unit has a way to it"


def test_a_refusal_is_told_with_its_words(router: str) -> None:
    """The server's message, and the setting that it is about."""
    with pytest.raises(OsrmError, match=r"8 places: Too many table coordinates; see --max-table-size"):
        Osrm(router).seconds(np.full(4, 104.0), np.full(4, 30.0), np.full(4, 104.0), np.full(4, 30.0))


def test_a_router_that_is_away_is_told_with_its_address() -> None:
    """One line, not a traceback of the transport."""
    with pytest.raises(OsrmError, match=r"no route table from http://127.0.0.1:9.*is OSRM up"):
        Osrm("http://127.0.0.1:9").seconds(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1))
