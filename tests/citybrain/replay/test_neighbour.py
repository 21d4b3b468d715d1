"""What answers at the wall's address: our own wall, nothing, or somebody else."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from citybrain.replay.neighbour import Own, own_wall
from config.settings import Settings
from wall.app import build
from wall.identity import mark
from wall.replay.recording import ReplayError

LIVE = {"hub": True, "store": True, "viewers": 0}


@pytest.fixture
def mine(tmp_path: Path) -> Settings:
    """A city's settings with a port at which nothing listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return Settings(city="chengdu", data=tmp_path, host="127.0.0.1", wall_port=port)


@contextmanager
def answering(settings: Settings, status: int, health: object, title: str = "") -> Iterator[None]:
    """A web server at the wall's address."""

    class Handler(BaseHTTPRequestHandler):
        """Says ``health`` at /healthz and calls itself ``title``."""

        def do_GET(self) -> None:
            """Answer."""
            is_health = self.path == "/healthz"
            self.send_response(status if is_health else 200)
            self.end_headers()
            body = json.dumps(health) if is_health else f"<html><title>{title}</title>"
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer((settings.host, settings.wall_port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_nothing_listens(mine: Settings) -> None:
    """Then there is no wall, and the command serves by itself."""
    assert own_wall(mine) is None


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        (200, LIVE, Own(live=True)),
        (200, {"replays": True}, Own(live=False)),
        (503, {**LIVE, "store": False}, Own(live=True, notice="its live pages have no store now; replays need none")),
    ],
    ids=["live", "alone", "no-store"],
)
def test_our_own_wall_is_known_by_its_mark(mine: Settings, status: int, more: dict[str, object], expected: Own) -> None:
    """Whichever of the two it is, and also while its store is away."""
    with answering(mine, status, {**more, "wall": mark(mine), "build": build()}):
        assert own_wall(mine) == expected


def test_a_wall_of_other_code_says_so(mine: Settings) -> None:
    """It shows the replay; whoever wonders at its pages knows why."""
    with answering(mine, 200, {**LIVE, "wall": mark(mine), "build": "before"}):
        found = own_wall(mine)
    assert found is not None
    assert "runs other code than this command: restart it" in found.notice


@pytest.mark.parametrize(
    ("health", "title", "expected"),
    [
        ({**LIVE, "wall": "0123456789ab", "build": "b"}, "Auckland City Brain",
         "a wall of another city or data folder, which calls itself 'Auckland City Brain'"),
        (LIVE, "", "a wall of an older release, which does not say whose it is, HTTP 200 at /healthz"),
        ({"status": "up"}, "Some notebook", "another program, which calls itself 'Some notebook', HTTP 200"),
        ([1], "", "another program, HTTP 200"),
    ],
    ids=["another-city", "older", "another-program", "no-object"],
)  # fmt: skip
def test_anybody_else_is_refused_by_what_it_is(mine: Settings, health: object, title: str, expected: str) -> None:
    """The message names the address, what was found there, whose was looked for, and what to do."""
    with answering(mine, 200, health, title), pytest.raises(ReplayError) as refused:
        own_wall(mine)
    said = str(refused.value)
    assert said.startswith(f"127.0.0.1:{mine.wall_port} is held by {expected}")
    assert f"not the wall of chengdu in {mine.home}" in said
    assert "CITYBRAIN_WALL_PORT=<a free port>" in said


def test_what_is_no_web_server_is_refused(mine: Settings) -> None:
    """A program that says something else, or nothing, at the port."""
    with socket.create_server((mine.host, mine.wall_port)) as listening:

        def greet() -> None:
            talk, _ = listening.accept()
            with talk:
                talk.recv(1024)
                talk.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(ReplayError, match="something that does not answer as a web server does"):
            own_wall(mine)
        thread.join()


def test_the_mark_is_of_city_and_folder(tmp_path: Path) -> None:
    """Whoever shares the data folder has the same; another city or folder has another."""
    first = mark(Settings(city="chengdu", data=tmp_path / "a"))
    assert mark(Settings(city="chengdu", data=tmp_path / "a")) == first
    others = {mark(Settings(city="auckland", data=tmp_path / "a")), mark(Settings(city="chengdu", data=tmp_path / "b"))}
    assert len({first, *others}) == 3
