"""Locks between the processes of one machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from config.locks import HeldError, alone, hold

HOLDER = """
import sys
from pathlib import Path
from config.locks import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_who_holds_it_is_told_and_a_kill_lets_go(tmp_path: Path) -> None:
    """The message names the process; after kill -9 the lock is free at once."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(HeldError, match=f"{path} is held by process {other.pid}"):
            hold(path)
        other.kill()
        other.wait()
    os.close(hold(path))
    assert path.read_text() == str(os.getpid())


def test_one_after_the_other(tmp_path: Path) -> None:
    """Whoever comes second waits for the first, and the folder is made."""
    path, order = tmp_path / "new" / "lock", []

    def second() -> None:
        with alone(path):
            order.append("second")

    with alone(path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
