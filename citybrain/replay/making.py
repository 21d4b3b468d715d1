"""The pictures that a replay jumps by, made beside it where they are missing: the address need not wait for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from citybrain.archive.pictures import Pictures
from citybrain.archive.reader import Archive
from config import register as registers
from config.city import City
from config.settings import Settings

log = logging.getLogger(__name__)
EACH_S = 2.0  # between two lines of progress


class _Stopped(Exception):
    """Nobody waits for the rest."""


class Making:
    """Makes a city's pictures up to ``until`` (ms) in a thread and tells how long it still takes; ``close`` ends it.

    The archive is read by a reader of its own. What is made stays, and the next one goes on from there.
    """

    def __init__(self, settings: Settings, city: City, until: int, say: Callable[[str], None]) -> None:
        self._settings, self._city, self._until, self._say = settings, city, until, say
        self._stop = threading.Event()
        self._begun: tuple[float, float] | None = None  # when it was first told of, s, and the share by then
        self._told = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="pictures")
        self._thread.start()

    def wait(self) -> None:
        """Until all are made."""
        self._thread.join()

    def close(self) -> None:
        """End after the file that is being made."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        register = registers.load(self._settings.register)
        members = [register.members(shard) for shard in range(register.shards)]
        archive = Archive.of(self._settings)
        pictures = Pictures(self._settings.home / "pictures", archive, members, self._city.tick_ms)
        try:
            made = pictures.make(self._until, self._progress)
        except _Stopped:
            return
        except Exception as error:
            log.exception("pictures of the archive cannot be made")
            self._say(f"  pictures cannot be made ({error}); jumps take longer. See citybrain archive check")
            return
        if made and self._begun is not None and time.monotonic() - self._begun[0] > EACH_S:
            self._say("  all pictures are made: every moment is found at once")

    def _progress(self, share: float, what: str) -> None:
        if self._stop.is_set():
            raise _Stopped
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, share
        elif now - self._told > EACH_S and share > self._begun[1]:
            self._told = now
            left_s = (now - self._begun[0]) * (1 - share) / (share - self._begun[1])
            self._say(f"  pictures to jump by: {share:.0%}, about {_long(left_s)} left; until then a jump takes longer")


def _long(seconds: float) -> str:
    """A time that is left, in words."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
