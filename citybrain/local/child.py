"""Runs a command so that it ends when the process that started it dies, even by kill -9.

``python -m citybrain.local.child PARENT COMMAND…``: on Linux the kernel is asked to send SIGKILL (PR_SET_PDEATHSIG)
and the command takes this process's place; elsewhere this process stays and watches for its parent's death.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

_PR_SET_PDEATHSIG = 1
_WATCH_S = 0.2


def main() -> int:
    """Become the command, or watch over it."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform != "linux":
        return _watch(parent, command)
    return _become(parent, command)


def _become(parent: int, command: list[str]) -> int:
    """Take the command's place, to be killed with the parent; returns only when the parent is dead already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() == parent:  # else it died before the kernel was asked
        os.execvp(command[0], command)  # noqa: S606  # no shell is wanted
    return 1


def _watch(parent: int, command: list[str]) -> int:
    """Run the command as a child; pass signals on; kill it when the parent is gone."""
    child = subprocess.Popen(command)

    def pass_on(number: int, _: FrameType | None) -> None:
        child.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(_WATCH_S)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
