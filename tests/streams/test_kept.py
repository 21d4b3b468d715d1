"""A kept state: where it begins, what it tells when its file or its past is missing, and in what order it is saved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streams import app as apps
from streams import snapshots
from streams.app import LogBounds
from streams.kept import Kept, Sole
from tests.streams.events import event


class Sum:
    """An engine that adds up; it fits no other city's state."""

    def __init__(self, city: str = "here") -> None:
        self.city, self.total = city, 0

    def snapshot(self) -> Mapping[str, Any]:
        """The total, under the city's name."""
        return {self.city: np.array(self.total)}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Go on from a total; raises KeyError for another city's."""
        self.total = int(arrays[self.city])


class Box:
    """An outbox whose messages the broker confirms when it is told to."""

    def __init__(self) -> None:
        self.there = asyncio.Event()

    async def confirmed(self) -> None:
        """Wait until the broker has all."""
        await self.there.wait()


def kept(folder: Path, bounds: LogBounds, city: str = "here") -> Kept[Sum]:
    """A state over ``folder``."""
    box: Any = Box()
    return Kept("sum", folder, box, lambda: Sum(city), bounds, 30.0)


def saved(folder: Path, *offsets: int) -> None:
    """Snapshots at these offsets, whose totals are the offsets."""
    for offset in offsets:
        snapshots.write(folder, offset, {"here": np.array(offset)})


@pytest.mark.parametrize(
    ("offsets", "bounds", "begins", "total", "said"),
    [
        ((), LogBounds(0, 0, 0), 0, 0, []),
        ((40, 60), LogBounds(0, 90, 60), 60, 60, []),
        ((40, 60), LogBounds(0, 90, 50), 60, 60, []),  # saved, and killed before it was acknowledged
        ((40, 60), LogBounds(0, 50, 40), 40, 40, ["lies beyond the log's end 50"]),
        ((40,), LogBounds(0, 90, 60), 60, 40, ["no saved state of the last 20 messages"]),
        ((), LogBounds(0, 90, 60), 60, 0, ["no saved state of the last 60 messages"]),
        ((40,), LogBounds(70, 90, 40), 70, 40, ["30 messages left the log before they were taken"]),
        ((), LogBounds(70, 90, 0), 70, 0, ["70 messages left the log before they were taken"]),
    ],
)
def test_where_it_begins(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    offsets: tuple[int, ...],
    bounds: LogBounds,
    begins: int,
    total: int,
    said: list[str],
) -> None:
    """At its newest state, never before what was acknowledged or what the log still has; what is missing is said."""
    saved(tmp_path, *offsets)
    one = kept(tmp_path, bounds)
    assert (one.inbox.next, one.engine.total) == (begins, total)
    warned = [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert len(warned) == len(said)
    assert all(part in whole for part, whole in zip(said, warned, strict=True))


def test_a_state_that_does_not_fit_is_learned_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The offset counts all the same: what came before it was told."""
    saved(tmp_path, 40)
    one = kept(tmp_path, LogBounds(0, 90, 40), city="elsewhere")
    assert (one.inbox.next, one.engine.total) == (40, 0)
    assert "sum begins anew" in caplog.text


def test_other_rules_go_on_with_what_is_known(tmp_path: Path) -> None:
    """The engine is a new one, its state the old one's."""
    saved(tmp_path, 40)
    one = kept(tmp_path, LogBounds(0, 90, 40))
    before = one.engine
    one.judge_by(Sum)
    assert one.engine is not before
    assert one.engine.total == 40


def test_nothing_is_acknowledged_before_the_results_and_the_state_are_safe(tmp_path: Path) -> None:
    """No file before the broker has the results; what is taken meanwhile belongs to the next save."""

    async def story() -> None:
        one = kept(tmp_path, LogBounds(0, 9, 0))
        box: Any = one.outbox
        events = [event(offset) for offset in range(4)]
        assert [one.inbox.take(single) for single in events[:3]] == [True] * 3
        first, second = asyncio.create_task(one.save()), asyncio.create_task(one.save())
        await asyncio.sleep(0.05)
        assert snapshots.offsets(tmp_path) == []
        assert [single.acknowledged for single in events[:3]] == [0, 0, 0]
        box.there.set()
        await first
        await second  # had nothing left to save
        assert snapshots.offsets(tmp_path) == [3]
        assert [single.acknowledged for single in events[:3]] == [1, 1, 1]
        assert one.inbox.take(events[3])
        await one.save()
        assert snapshots.offsets(tmp_path) == [3, 4]

    asyncio.run(story())


def test_a_gap_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is missing is not stepped over, which the stream's own handling of a failed agent would do."""
    ended: list[str] = []
    monkeypatch.setattr(apps, "die", lambda reason, error=None: ended.append(reason))
    taken: list[int] = []

    async def take(_: Kept[Sum], one: Any) -> None:
        taken.append(one.message.offset)

    class Stream:
        def noack(self) -> Stream:
            return self

        async def events(self) -> AsyncIterator[Any]:
            for offset in (0, 1, 1, 3):
                yield event(offset)

    async def story() -> None:
        app: Any = SimpleNamespace(consumer_generation_id=1)
        settled = asyncio.Event()
        settled.set()
        agent: Sole[Sum] = Sole(app, settled)
        agent.kept = kept(tmp_path, LogBounds(0, 9, 0))
        await agent.each(Stream(), take)

    asyncio.run(story())
    assert taken == [0, 1]
    assert len(ended) == 1
    assert "message 3 of t-0 came, 2 was due" in ended[0]
