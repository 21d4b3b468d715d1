"""Roles that hold the register for as long as they run: when it has grown they end in good order, and are started anew.

The supervisor of `run all` and `demo` starts them again at once, and so must whatever runs the roles in production.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from config.register import RegisterError, load
from config.stamps import stamp

LOOK_S = 5.0

log = logging.getLogger(__name__)


def _leave() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def end_when_grown(
    path: Path, known: int, leave: Callable[[], None] = _leave, look_s: float = LOOK_S
) -> threading.Event:
    """Call ``leave`` (SIGTERM to this process) once the register at ``path`` has more than ``known`` datastreams.

    Looks in a thread of its own; setting the event that is returned ends it.
    """
    over = threading.Event()

    def look() -> None:
        seen = stamp(path)
        while not over.wait(look_s):
            now = stamp(path)
            if now is None or now == seen:
                continue
            seen = now
            try:
                size = len(load(path))
            except (RegisterError, OSError) as error:
                log.error("the register cannot be read, the one before stays: %s", error)
                continue
            if size > known:
                log.info("the register has grown from %d to %d datastreams; starting anew with it", known, size)
                leave()
                return

    threading.Thread(target=look, name="register-watch", daemon=True).start()
    return over
