"""A city with every role running, as ``citybrain run all`` starts it, on a data folder and ports of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from citybrain.local.environment import environment
from citybrain.local.ports import free_port
from config.settings import Settings

UP_S = 90.0  # on a busy machine
ROLES = {"broker", "redis", "gateway", "wall", "archive", "notifier", "notifier-spare", "worker"}


@dataclass
class Everything:
    """One ``run all``: its process, its settings and what it says."""

    settings: Settings
    process: subprocess.Popen[bytes]
    said: Path
    pids: dict[str, int] = field(default_factory=dict)

    def get(self, port: int, path: str) -> int:
        """The status of a GET."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def alive(self) -> set[str]:
        """The names of its processes that run still; zombies do not."""
        return {name for name, pid in self.pids.items() if _runs(pid)}

    def command(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a citybrain command on the same data."""
        return subprocess.run(
            [sys.executable, "-m", "citybrain", *words],
            env=environment({**_variables(self.settings), **more}),
            capture_output=True,
            text=True,
            timeout=60,
        )


def _variables(settings: Settings) -> dict[str, str]:
    return {
        "CITYBRAIN_CITY": settings.city,
        "CITYBRAIN_DATA": str(settings.data),
        "CITYBRAIN_GATEWAY_PORT": str(settings.gateway_port),
        "CITYBRAIN_WALL_PORT": str(settings.wall_port),
        "CITYBRAIN_ARCHIVE_FLUSH_S": "0.5",
    }


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _pids(folder: Path) -> dict[str, int]:
    """What runs, by name; a file may come or go meanwhile."""
    found: dict[str, int] = {}
    for path in folder.glob("*.pid"):
        with suppress(FileNotFoundError, ValueError):
            found[path.stem] = int(path.read_text())
    return found


@contextmanager
def everything(folder: Path) -> Iterator[Everything]:
    """A city that is up; it is stopped at the end if it runs still."""
    settings = Settings(city="auckland", data=folder / "data", gateway_port=free_port(), wall_port=free_port())
    said = folder / "said.txt"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "citybrain", "run", "all"],
            env=environment(_variables(settings)),
            stdout=out,
            stderr=out,
        )
    running = Everything(settings, process, said)
    try:
        until = time.monotonic() + UP_S
        while "auckland is up" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        while set(running.pids) != ROLES:  # one that failed in a start on a busy machine is started again
            assert time.monotonic() < until, f"{sorted(ROLES - set(running.pids))} stayed down: {said.read_text()}"
            time.sleep(0.1)
            running.pids = _pids(folder / "data" / "run")
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture(scope="package")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """One city that is up, for all tests that only ask it."""
    with everything(tmp_path_factory.mktemp("everything")) as running:
        yield running
