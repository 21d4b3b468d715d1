"""The command ``replay``: its address comes first, and the pictures are made beside it."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from citybrain.commands import replay
from citybrain.replay.making import Making
from config import city as cities
from config.settings import Settings
from tests.citybrain.replay import rig
from tests.citybrain.replay.rig import MINUTES, START


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Half an hour of a small town, and a port at which nothing listens."""
    with pytest.MonkeyPatch.context() as patched, socket.create_server(("127.0.0.1", 0)) as probe:
        patched.setattr(os, "fsync", lambda _: None)
        made = rig.settings(tmp_path_factory.mktemp("command"))
        port = probe.getsockname()[1]
    yield made.model_copy(update={"host": "127.0.0.1", "wall_port": port})


def pictures(made: Settings) -> list[str]:
    """The files of pictures that are there."""
    return sorted(path.name for path in (made.home / "pictures").glob("*.parquet"))


def test_the_address_does_not_wait_for_the_pictures(
    recorded: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is printed before the first of them is begun; when the command ends all are there."""
    printed: list[str] = []

    class Watched(Making):
        """Notes what was printed by the time it begins."""

        def __init__(self, *given: object) -> None:
            printed.append(capsys.readouterr().out)
            super().__init__(*given)  # type: ignore[arg-type]  # as they are given

    monkeypatch.setattr(replay, "Making", Watched)
    code = replay.run(recorded, "2026-09-22T08:00", "2026-09-22T08:20", None, 60.0, as_json=True, no_serve=True)
    told = json.loads(printed[0])
    assert (code, told["url"]) == (0, f"http://127.0.0.1:{recorded.wall_port}/replay/{told['session']}/wall")
    assert pictures(recorded) != []


def test_making_can_be_ended_and_goes_on_from_there(recorded: Settings) -> None:
    """Nobody waits for the rest of the pictures when the command ends; the next one makes them."""
    for path in (recorded.home / "pictures").glob("*"):
        path.unlink()
    city, end = cities.load(recorded.city), START + (MINUTES - 1) * 60_000
    before = threading.active_count()
    ended = Making(recorded, city, end, lambda line: None)
    ended.close()
    made = pictures(recorded)
    assert threading.active_count() == before
    whole = Making(recorded, city, end, lambda line: None)
    whole.wait()
    assert set(made) <= set(pictures(recorded)) != set()
