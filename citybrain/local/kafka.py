"""The embedded broker as a process: how it is started, where it listens, and a context manager that runs one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from citybrain.local.environment import environment
from citybrain.local.ports import listens
from citybrain.local.supervisor import Process

_START_S = 60.0  # a broker with many records reads its last segments first
_STOP_S = 15.0


class BrokerNotStarted(RuntimeError):
    """The broker ended or does not listen; the message holds what it said last."""


def argv(data: Path, port: int = 0, auto_create: bool = False, upkeep_s: float = 30.0) -> list[str]:
    """The command that runs the embedded broker on the folder ``data``; ``port`` 0 takes any free one."""
    command = [sys.executable, "-m", "citybrain.local.broker", "--data", str(data), "--port", str(port)]
    return [*command, "--upkeep", str(upkeep_s), *(["--auto-create"] if auto_create else [])]


def process(data: Path, port: int, upkeep_s: float = 30.0) -> Process:
    """The broker for a supervisor. The port must be given: after a restart clients find it where it was."""

    async def ready() -> bool:
        return await listens(port)

    return Process("broker", argv(data, port, upkeep_s=upkeep_s), ready=ready, ready_s=_START_S, grace_s=_STOP_S)


def address(data: Path) -> str | None:
    """``127.0.0.1:port`` of the broker on the folder ``data``; None while it does not listen."""
    try:
        return f"127.0.0.1:{int((data / 'port').read_text())}"
    except FileNotFoundError:
        return None


def start(data: Path, port: int = 0, auto_create: bool = False, upkeep_s: float = 30.0) -> subprocess.Popen[bytes]:
    """Start a broker and return once it listens; its words go to DIR/broker.log. Raises ``BrokerNotStarted``."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "port").unlink(missing_ok=True)  # of a broker that was killed
    said = data / "broker.log"
    with said.open("ab") as out:
        process = subprocess.Popen(argv(data, port, auto_create, upkeep_s), stdout=out, stderr=out, env=environment())
    until = time.monotonic() + _START_S
    while address(data) is None:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            process.wait()
            last = "\n".join(said.read_text(errors="replace").splitlines()[-10:])
            raise BrokerNotStarted(f"the broker on {data} does not listen after at most {_START_S:.0f} s:\n{last}")
        time.sleep(0.02)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a broker in order; killed when it takes longer than 15 s."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_broker(data: Path, port: int = 0, auto_create: bool = False, upkeep_s: float = 30.0) -> Iterator[str]:
    """Run a broker on the folder ``data`` while the block runs; gives its bootstrap address."""
    process = start(data, port, auto_create, upkeep_s)
    try:
        yield address(data) or ""
    finally:
        stop(process)
