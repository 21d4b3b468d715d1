"""The agent *events*: what it took is safe before it is acknowledged, and a restart tells nothing differently."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from config import event_setup
from models import events
from models.event_engine import EventEngine
from models.values import Detection, ServiceRequest, from_json
from streams import snapshots
from streams.agents.events import EventsAgent
from streams.app import LogBounds
from tests.models.happenings import PERIOD, START, appeals, burst, setup
from tests.streams.events import Event, Message

QUIET = 40


class _Producer:
    def __init__(self) -> None:
        self.sent: list[Detection] = []

    async def send(self, topic: str, key: bytes, value: bytes, *_: object) -> Any:
        self.sent.append(from_json(value, Detection))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@dataclass
class _App:
    """What the agent asks of a Faust app."""

    producer: _Producer = field(default_factory=_Producer)

    def topic(self, *_: object, **__: object) -> None:
        """A topic."""

    def agent(self, *_: object, **__: object) -> Any:
        """A decorator that starts nothing."""
        return lambda loop: loop


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes an agent of the small city over the same folder, as a process that starts does."""
    monkeypatch.setattr(event_setup, "setup", lambda site: setup())
    site: Any = SimpleNamespace(city=SimpleNamespace(id="c"), settings=SimpleNamespace(state=tmp_path, snapshot_s=30.0))
    engine = EventEngine(setup())
    engine.learn(appeals(QUIET, np.random.default_rng(5)))
    snapshots.write(tmp_path / "events", 0, engine.snapshot())

    def made(log_end: int) -> EventsAgent:
        board: Any = None
        agent = EventsAgent(_App(), site, board, asyncio.Event())
        agent.assigned(LogBounds(0, log_end, 0))
        return agent

    return made


@dataclass
class _Logged(Message):
    timestamp: float = 0.0


def log() -> list[_Logged]:
    """The topic: a quiet hour, a burst in it, and bytes that are no event."""
    requests = [*appeals(6, np.random.default_rng(6), QUIET), *burst(START + QUIET * PERIOD + 240_000, 20)]
    requests.sort(key=_when)
    made = [_Logged(at, events.encode(one), timestamp=_when(one) / 1000) for at, one in enumerate(requests)]
    return [*made, _Logged(len(made), b"{", timestamp=made[-1].timestamp)]


def _when(one: ServiceRequest) -> int:
    return one.requested


async def _play(agent: EventsAgent, messages: list[_Logged]) -> list[Event]:
    taken, kept = [Event(message) for message in messages], agent.kept
    assert kept is not None
    for one in taken:
        if kept.inbox.take(one):
            await agent._take(kept, one)
    return taken


def test_nothing_is_acknowledged_before_the_state_is_saved(make: Any) -> None:
    """Events wait for the snapshot; afterwards each is acknowledged once, and the file bears their offset."""

    async def story() -> tuple[list[int], list[int], list[int]]:
        agent, messages = make(0), log()
        taken = await _play(agent, messages)
        before = [one.acknowledged for one in taken]
        await agent.save()
        return before, [one.acknowledged for one in taken], snapshots.offsets(agent.kept.folder)

    before, after, offsets = asyncio.run(story())
    assert before == [0] * len(before)
    assert after == [1] * len(after)
    assert offsets == [0, len(after)]


@pytest.mark.parametrize("cut", [0, 37, 200])
def test_a_killed_agent_tells_the_same(make: Any, cut: int) -> None:
    """An agent that starts from a snapshot and reads again from it tells what an uninterrupted one tells."""

    async def story() -> tuple[list[Detection], list[Detection]]:
        messages = log()
        whole = make(0)
        await _play(whole, messages)
        first = make(0)
        await _play(first, messages[:cut])
        await first.save()
        await _play(first, messages[cut : cut + 20])  # told, and killed before it was saved
        second = make(len(messages))
        assert second.kept.inbox.next == cut
        await _play(second, messages[max(0, cut - 5) :])
        told = [one for agent in (first, second) for one in agent.app.producer.sent]
        return whole.app.producer.sent, list({(one.id, one.state): one for one in told}.values())

    expected, got = asyncio.run(story())
    assert [one.rule for one in expected] == ["Cluster", "Cluster"]
    assert got == expected
