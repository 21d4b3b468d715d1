"""A small city for the wall's tests, the store it is read from, and the whole stage."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from citybrain.local import ports
from citybrain.local import redis as store
from config import city as cities
from config import register as registers
from config.city import City
from config.register import Register
from config.settings import Settings
from tests.wall import feed
from tests.wall.stage import Stage, answers, until
from wall.accounts import add_user

PASSWORD = "correct horse 8"


@pytest.fixture(scope="session")
def chengdu() -> City:
    return cities.load("chengdu")


@pytest.fixture(scope="session")
def rows(chengdu: City) -> Register:
    """About 2,600 datastreams."""
    return feed.register(chengdu, cameras=2_500)


@pytest.fixture
def settings(tmp_path: Path, rows: Register) -> Settings:
    """A city with accounts, whose store and broker are not there."""
    return city_of(tmp_path, rows)


def city_of(folder: Path, rows: Register) -> Settings:
    """Such a city below ``folder``."""
    known = {"data": folder, "redis": f"redis://127.0.0.1:{ports.free_port()}", "kafka": "127.0.0.1:1"}
    made = Settings.model_validate({"city": "chengdu", **known})
    registers.save(rows, made.register)
    for name, role in (("chen", "dispatcher"), ("guest", "viewer")):
        add_user(made.secrets / "users.json", name, role, PASSWORD)
    return made


@pytest.fixture
def store_url() -> Iterator[str]:
    """A real store, empty."""
    with tempfile.TemporaryDirectory(prefix="wall-") as name:
        folder, port = Path(name), ports.free_port()
        process = subprocess.Popen(store.argv(folder, port), stdout=subprocess.DEVNULL)
        url = store.url(folder, port)
        try:
            until(lambda: answers(url), "the store answers")
            yield url
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def stage(rows: Register, chengdu: City) -> Iterator[Stage]:
    """Store, broker and wall as processes, with a quiet picture."""
    with tempfile.TemporaryDirectory(prefix="wall-") as name, Stage(Path(name), rows, chengdu) as made:
        made.feed.write_all()
        yield made
