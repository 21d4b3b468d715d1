"""The supervisor: order, readiness, restarts, and no orphans."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from citybrain.local.environment import environment
from citybrain.local.supervisor import Ended, FolderInUse, NotStarted, Process, Supervisor

_SLEEP = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(600)"]
_STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


def _alive(pid: int) -> bool:
    """True while the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _gone(pid: int, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while _alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not _alive(pid)


def _pid(folder: Path, name: str) -> int:
    return int((folder / "run" / f"{name}.pid").read_text())


def _said(folder: Path, name: str, word: str) -> Process:
    """A process that is ready when its log has ``word``."""

    async def ready() -> bool:
        log = folder / "log" / f"{name}.log"
        return log.exists() and word in log.read_text()

    return Process(name, _SLEEP if word == "hello" else _STUBBORN, ready=ready, grace_s=0.5)


def test_a_dead_child_starts_again_and_is_reported(tmp_path: Path) -> None:
    """After kill -9 the child runs again with a new process id, and the end is told with its last words."""
    ends: list[Ended] = []

    async def run() -> tuple[int, int]:
        async with Supervisor(tmp_path, ends.append) as supervisor:
            await supervisor.start(_said(tmp_path, "one", "hello"))
            first = _pid(tmp_path, "one")
            os.kill(first, signal.SIGKILL)
            until = time.monotonic() + 30
            while supervisor.pid("one") in (None, first) and time.monotonic() < until:
                await asyncio.sleep(0.02)
            return first, _pid(tmp_path, "one")

    first, second = asyncio.run(run())
    assert first != second
    assert [(e.name, e.code, e.again_s) for e in ends] == [("one", -9, 0.2)]
    assert "hello" in ends[0].said
    assert _gone(second)


def test_all_end_in_reverse_order_and_nothing_is_left(tmp_path: Path) -> None:
    """SIGTERM first, SIGKILL for who does not listen; process id files are removed."""

    async def run() -> list[int]:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(_said(tmp_path, "one", "hello"))
            await supervisor.start(_said(tmp_path, "deaf", "deaf"))
            return [_pid(tmp_path, "one"), _pid(tmp_path, "deaf")]

    pids = asyncio.run(run())
    assert [_alive(pid) for pid in pids] == [False, False]
    assert list((tmp_path / "run").glob("*.pid")) == []


def test_a_child_that_ends_before_it_is_ready_is_quoted(tmp_path: Path) -> None:
    """The error has the exit code and what the child said last; what was started before is ended."""

    async def run() -> int:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(_said(tmp_path, "one", "hello"))
            pid = _pid(tmp_path, "one")
            argv = [sys.executable, "-c", "raise SystemExit('port 8060 is in use')"]
            never = Process("gateway", argv, ready=_never)
            with pytest.raises(NotStarted, match=r"(?s)gateway ended with code 1 before it was ready.*port 8060"):
                await supervisor.start(never)
            return pid

    assert _gone(asyncio.run(run()))


def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    """The time limit is named, and the child does not stay."""

    async def run() -> None:
        async with Supervisor(tmp_path) as supervisor:
            with pytest.raises(NotStarted, match=r"slow is not ready after 0.5 s"):
                await supervisor.start(Process("slow", _SLEEP, ready=_never, ready_s=0.5))

    asyncio.run(run())
    assert list((tmp_path / "run").glob("*.pid")) == []


async def _never() -> bool:
    return False


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """Even kill -9 of the supervisor leaves no orphan."""
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from citybrain.local.supervisor import Process, Supervisor\n"
        "async def run():\n"
        "    async with Supervisor(Path(sys.argv[1])) as s:\n"
        "        await s.start(Process('one', sys.argv[2:]))\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(run())\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), *_SLEEP], env=environment())
    log = tmp_path / "log" / "one.log"
    until = time.monotonic() + 30
    while not (log.exists() and "hello" in log.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    child = _pid(tmp_path, "one")
    assert _alive(child)
    supervisor.kill()
    supervisor.wait()
    assert _gone(child)


def test_two_supervisors_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second one names the first."""

    async def run() -> None:
        async with Supervisor(tmp_path):
            with pytest.raises(FolderInUse, match=f"{tmp_path} is in use by process {os.getpid()}"):
                Supervisor(tmp_path)

    asyncio.run(run())


def test_a_large_log_is_set_aside(tmp_path: Path) -> None:
    """At a start a log of more than 16 MiB becomes .log.1, so that logs stay bounded."""
    log = tmp_path / "log" / "one.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (17 << 20))

    async def run() -> None:
        async with Supervisor(tmp_path) as supervisor:
            await supervisor.start(_said(tmp_path, "one", "hello"))

    asyncio.run(run())
    assert log.with_suffix(".log.1").stat().st_size == 17 << 20
    assert log.read_text() == "hello\n"
