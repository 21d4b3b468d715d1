"""The watchdog: a partition that lags and does not move is named, any other is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from faust.types import TP

from streams.watchdog import Watchdog


@dataclass
class Log:
    """The consumer as far as the watchdog knows it: ends of logs; and how far each was taken."""

    ends: dict[tuple[str, int], int | None] = field(default_factory=dict)
    taken: dict[tuple[str, int], int] = field(default_factory=dict)
    told: int = 0  # messages, of every partition

    @property
    def consumer(self) -> Log:
        """The app's consumer."""
        return self

    def highwater(self, tp: TP) -> int | None:
        """The end of the log."""
        return self.ends.get((tp.topic, tp.partition))

    def dog(self) -> Any:
        """A watchdog with a patience of a minute."""
        return Watchdog(self, lambda: {key: (offset, self.told) for key, offset in self.taken.items()}, 60.0)


KEY = ("chengdu.readings", 3)


def test_a_partition_that_lags_and_does_not_move_is_named() -> None:
    """After a minute without progress, with more to read, it is stuck."""
    log = Log(ends={KEY: 9}, taken={KEY: 5})
    dog = log.dog()
    assert [dog.stuck(now) for now in (0.0, 30.0, 60.0)] == [[], [], []]
    assert dog.stuck(61.0) == ["chengdu.readings-3 at 5 of 9"]


def test_progress_starts_the_wait_anew() -> None:
    """A single message in a minute is progress."""
    log = Log(ends={KEY: 9}, taken={KEY: 5})
    dog = log.dog()
    dog.stuck(0.0)
    log.taken[KEY] = 6
    assert [dog.stuck(now) for now in (59.0, 118.0)] == [[], []]
    assert dog.stuck(120.0) == ["chengdu.readings-3 at 6 of 9"]


def test_what_is_told_is_progress() -> None:
    """What many messages give together may take minutes to tell where the next agent lags; silence is no progress."""
    log = Log(ends={KEY: 9}, taken={KEY: 5})
    dog = log.dog()
    dog.stuck(0.0)
    log.told = 700
    assert [dog.stuck(now) for now in (61.0, 119.0)] == [[], []]
    assert dog.stuck(122.0) == ["chengdu.readings-3 at 5 of 9"]


def test_one_without_lag_may_rest() -> None:
    """At the end of its log, or while the end is not known, a partition may stand for hours; its wait begins after."""
    log = Log(ends={KEY: 5}, taken={KEY: 5, ("other", 0): 7})
    dog = log.dog()
    assert [dog.stuck(now) for now in (0.0, 4_000.0)] == [[], []]
    log.ends[KEY] = 6
    assert [dog.stuck(now) for now in (4_030.0, 4_059.0)] == [[], []]
    assert dog.stuck(4_061.0) == ["chengdu.readings-3 at 5 of 6"]


def test_a_partition_that_comes_back_is_new() -> None:
    """What was assigned elsewhere in between begins its wait anew."""
    log = Log(ends={KEY: 9}, taken={KEY: 5})
    dog = log.dog()
    dog.stuck(0.0)
    log.taken = {}
    dog.stuck(50.0)
    log.taken = {KEY: 5}
    assert [dog.stuck(now) for now in (70.0, 100.0)] == [[], []]
