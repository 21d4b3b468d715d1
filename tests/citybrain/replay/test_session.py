"""A session's clock, its pages, and that nothing in it can reach the live city."""

from __future__ import annotations

import ast
import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import citybrain.replay
import wall.replay
from citybrain.replay.opener import Opener
from config import register as registers
from config.settings import Settings
from tests.citybrain.replay import rig
from tests.citybrain.replay.rig import MINUTES, START
from wall.accounts import add_user
from wall.replay import alone
from wall.replay.recording import Ask, ReplayError, Shot
from wall.replay.session import Control, Session
from wall.replay.sessions import MOST, Sessions, declare

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse 8"
END = START + (MINUTES - 1) * 60_000


@pytest.fixture
def anyio_backend() -> str:
    """The loop that the server runs on."""
    return "asyncio"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An archive that all tests read."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        made = rig.settings(tmp_path_factory.mktemp("session"))
    add_user(made.secrets / "users.json", "plan", "planner", PASSWORD)
    yield made


def sessions(made: Settings) -> Sessions:
    """The sessions of a wall over the archive."""
    register = registers.load(made.register)
    properties = sorted(register.frame["property"].unique().to_list())
    return Sessions(made.home / "replays", made.city, register, properties, Opener(made))


async def opened(made: Settings) -> Session:
    """One session over the whole span."""
    book = sessions(made)
    return await book.get(declare(book.folder, Ask(start=START, end=END, speed=60.0)))


def told(session: Session) -> dict[str, Any]:
    """What a viewer that joins now is shown."""
    body = session.board.snapshot(0)
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


async def look(session: Session, *turns: Control) -> dict[str, Any]:
    """Turn the clock and show the moment."""
    for control in turns:
        session.turn(control)
    await session._turn()
    return told(session)


async def test_a_jump_shows_the_moment_and_a_step_the_next_tick(recorded: Settings) -> None:
    """Alerts as they were then; what came later is not there yet."""
    session = await opened(recorded)
    before = await look(session, Control("seek", at=START + 600_000))
    assert before["alerts"] == {}
    after = await look(session, Control("step", value=1))
    assert after["alerts"]["surge"]["state"] == "unacknowledged"
    later = await look(session, Control("seek", at=START + 661_000))
    assert later["alerts"]["surge"]["by"] == "chen"
    again = await look(session, Control("seek", at=START + 10_000))
    assert again["alerts"] == {}


async def test_next_goes_to_the_next_alert_and_says_when_there_is_none(recorded: Settings) -> None:
    """And back to the one before."""
    session = await opened(recorded)
    shown = await look(session, Control("next"))
    assert session.clock.at == START + 601_000
    assert list(shown["alerts"]) == ["surge"]
    with pytest.raises(ReplayError, match="no alert was opened after this moment"):
        session.turn(Control("next"))


@pytest.mark.parametrize("speed", [0.0, 0.05, 3_601.0, -1.0])
async def test_a_speed_beyond_the_limits_is_refused(recorded: Settings, speed: float) -> None:
    """The message has the value and both limits."""
    session = await opened(recorded)
    with pytest.raises(ReplayError, match=r"is not within 0\.1 to 3,600 times real time"):
        session.turn(Control("speed", value=speed))


async def test_the_end_pauses_or_begins_again(recorded: Settings) -> None:
    """With loop it goes on from the start."""
    session = await opened(recorded)
    viewer = session.join()
    try:
        session.turn(Control("speed", value=3_600.0))
        session.turn(Control("seek", at=END - 1))
        session.turn(Control("play"))
        session._moved -= 1.0
        await session._turn()
        assert (session.clock.at, session.clock.playing) == (END, False)
        session.turn(Control("loop", value=1))
        session.turn(Control("seek", at=END - 1))
        session.turn(Control("play"))
        session._moved -= 1.0
        await session._turn()
        assert session.clock.playing
        assert START <= session.clock.at < END - 1  # its own task may have turned it further meanwhile
    finally:
        session.leave(viewer)
        await session.close()


async def test_a_pause_shows_the_very_moment(recorded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """At speed the picture may be one behind the clock; once paused it is exact, though the clock stands."""
    session = await opened(recorded)
    shot, asked = session.recording.shot, []

    def noted(at: int, coarse: bool = False) -> Shot:
        asked.append((at, coarse))
        return shot(at, coarse)

    monkeypatch.setattr(session.recording, "shot", noted)
    await look(session, Control("seek", at=START + 60_000), Control("speed", value=300.0), Control("play"))
    await session._turn()  # nobody looks, so the clock stands
    await look(session, Control("pause"))
    assert asked == [(START + 60_000, False), (START + 60_000, True), (START + 60_000, False)]


async def test_sessions_know_nothing_of_each_other(recorded: Settings) -> None:
    """Two planners turn two clocks."""
    book = sessions(recorded)
    one, two = [await book.get(declare(book.folder, Ask(start=START, end=END))) for _ in range(2)]
    await look(one, Control("seek", at=START + 661_000))
    await look(two, Control("seek", at=START + 60_000))
    assert (one.clock.at, two.clock.at) == (START + 661_000, START + 60_000)
    assert (list(told(one)["alerts"]), list(told(two)["alerts"])) == (["surge"], [])


async def test_so_many_sessions_and_no_more(recorded: Settings) -> None:
    """Those at which nobody looks make room."""
    book = sessions(recorded)
    for _ in range(MOST + 2):
        await book.get(declare(book.folder, Ask(start=START, end=END)))
    viewers = [session.join() for session in book._live.values()]
    assert len(viewers) == MOST
    with pytest.raises(ReplayError, match=f"at most {MOST} can be"):
        await book.get(declare(book.folder, Ask(start=START, end=END)))
    await book.close()


def imported(path: Path) -> set[str]:
    """The modules that a source file names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_a_session_has_nothing_to_write_to() -> None:
    """No module of it knows a producer, a store's client, or what gives commands."""
    folders = [Path(package.__file__ or "").parent for package in (wall.replay, citybrain.replay)]
    named = {name for folder in folders for path in folder.glob("*.py") for name in imported(path)}
    forbidden = ("redis", "kafka", "aiokafka", "faust", "apprise", "wall.store", "wall.commands", "wall.hub")
    assert [name for name in named if name.startswith(forbidden)] == []
    assert "streams.picture" not in named


@pytest.fixture
async def client(recorded: Settings) -> Any:
    """A planner's browser at a server that has only replays."""
    transport = httpx.ASGITransport(alone.create(recorded, Opener(recorded)))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wall", headers={"origin": "http://wall"}
    ) as made:
        assert (await made.get("/replay/000000000000/wall")).status_code == 303  # to the login
        answer = await made.post("/login", data={"user": "plan", "password": PASSWORD, "next": "/replay"})
        assert answer.status_code == 303
        yield made


async def test_a_page_asks_the_session_alone_and_nobody_commands(client: httpx.AsyncClient) -> None:
    """Boot, marks, control, one alert; live routes are not there."""
    made = await client.post("/replay", json={"start": START, "end": END, "speed": 300})
    name = made.json()["session"]
    boot = (await client.get(f"/replay/{name}/boot.json")).json()
    assert boot["user"] == {"name": "plan", "role": "planner", "commands": False}
    assert (boot["replay"]["start"], boot["replay"]["end"]) == (START, END)
    marks = (await client.get(f"/replay/{name}/marks.json")).json()["marks"]
    assert [kind for _, kind, *_ in marks] == ["alert", "incident", "command"]
    moved = await client.post(f"/replay/{name}/control", json={"do": "seek", "at": START + 661_000})
    assert moved.json()["at"] == START + 661_000
    assert (await client.get(f"/replay/{name}/alert/surge")).json()["by"] == "chen"
    for live in ("/command", "/order", "/budget"):
        assert (await client.post(live, json={})).status_code in (403, 404, 405)


async def test_a_fault_is_told_in_words(client: httpx.AsyncClient) -> None:
    """An unknown session, an unknown hand, a span without data, a speed that is none."""
    gone = await client.get("/replay/0123456789ab/boot.json")
    assert (gone.status_code, "there is no replay session" in gone.json()["detail"]) == (404, True)
    fast = await client.post("/replay", json={"start": START, "end": END, "speed": 99_999})
    assert (fast.status_code, "is not within" in fast.json()["detail"]) == (422, True)
    empty = (await client.post("/replay", json={"start": 0, "end": 1_000})).json()["session"]
    told = await client.get(f"/replay/{empty}/boot.json")
    assert (told.status_code, "nothing is recorded from 1970-01-01" in told.json()["detail"]) == (404, True)
    name = (await client.post("/replay", json={"start": START, "end": END})).json()["session"]
    odd = await client.post(f"/replay/{name}/control", json={"do": "jump"})
    assert (odd.status_code, "there are play, pause, seek" in odd.json()["detail"]) == (422, True)


def test_the_loop_ends_with_the_session(recorded: Settings) -> None:
    """Closing a session leaves no task behind."""

    async def run() -> set[str]:
        session = await opened(recorded)
        session.join()
        await session.close()
        return {task.get_name() for task in asyncio.all_tasks() if not task.done()}

    assert not any(name.startswith("replay") for name in asyncio.run(run()))
