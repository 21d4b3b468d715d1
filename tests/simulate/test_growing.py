"""Sensors of a new pack speak in the running city, behind gateways of their own; who spoke before is not disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config import register as registers
from config.city import City as Pack
from config.pack import FOLDER, parse
from config.register import Register
from config.settings import Settings
from sensors.gateway import following
from sensors.simulate import growing, pack_assets
from sensors.simulate.chengdu import City
from sensors.simulate.growing import NOBODY, Growing
from sensors.simulate.places import places
from sensors.simulate.truth import Truth, read
from tests.config.test_packs import Declared, sound, write
from tests.simulate.rig import MINUTE, START_MS

GATEWAYS = 3
STEP_MS = 1_000


def noise(**said: object) -> Declared:
    """A pack of 40 microphones; one of them is loud in a minute's time, for five minutes."""
    declared = sound()
    declared["datastreams"][0]["kinds"] = ["microphone"]
    label = {"en": "microphone", "zh": "噪声监测点"}
    state = {"share": 0.0, "lasts": "5m", "to": 120, "first": "1m"}
    declared["simulate"] = {
        "assets": [{"kind": "microphone", "count": 40, "name": label}],
        "readings": [{"property": "loudness", "base": 50, "state": state, **said}],
    }
    return declared


class Town:
    """A part of Chengdu with its register's file and a folder of packs."""

    def __init__(self, home: Path, pack: Pack, register: Register) -> None:
        self.pack = pack
        self.folder = home / "packs"
        self.folder.mkdir()
        self.settings = Settings(city="chengdu", data=home)
        every = register.frame.gather_every(len(register) // 1_000)
        self.held = Register(every)
        registers.save(self.held, self.settings.register)
        self.voices = Growing(self.settings, pack, self.held, GATEWAYS, START_MS, STEP_MS, self.folder)

    def register_noise(self) -> Register:
        """What a role does that starts anew: the register is made with the pack's assets; and a real microphone."""
        noisy = parse(noise(), FOLDER / "noise")
        found = places(self.pack)
        assets = pack_assets.assets(self.pack, found, [noisy], (), found.seed)
        real = assets.tail(1).with_columns(asset=pl.lit("real-1"))
        grown, _ = registers.extend(self.held, self.pack, pl.concat([assets, real]), noisy.watched)
        registers.save(grown, self.settings.register)
        return grown

    def until(self, holds: Callable[[], bool], now_ms: int, use: Callable[[City], None] = lambda _: None) -> None:
        """Follow packs and register, at a simulated time that stands, until something holds."""

        async def main() -> None:
            stop = asyncio.Event()
            following = asyncio.create_task(self.voices.follow(lambda: now_ms, use, stop, 0.02, 0.0))
            async with asyncio.timeout(60):
                while not holds() and not following.done():
                    await asyncio.sleep(0.02)
            stop.set()
            await following

        asyncio.run(main())

    def heard(self, number: int) -> dict[str, float]:
        """What all gateways send in a window: the last value of each datastream."""
        now = self.voices.now
        said = [now.windows.said(number, gateway) for gateway in range(GATEWAYS)]
        return {
            str(now.names[row]): float(value) for one in said for row, value in zip(one.rows, one.value, strict=True)
        }


@pytest.fixture
def town(tmp_path: Path, pack: Pack, register: Register) -> Town:
    """The part of Chengdu, without packs."""
    return Town(tmp_path, pack, register)


def test_a_new_packs_sensors_speak_once_they_are_registered(town: Town) -> None:
    """All forty within their cadence, and nobody for a real one; who spoke before says the same, behind the same
    gateway."""
    before, gateway = town.heard(4), town.voices.now.gateway
    write(town.folder, noise())
    grown = town.register_noise()
    town.until(lambda: len(town.voices.now.names) == len(grown), START_MS)
    now = town.voices.now
    assert now.gateway[: len(gateway)].tolist() == gateway.tolist()
    assert set(now.gateway[len(gateway) :].tolist()) == {*range(GATEWAYS), NOBODY}
    after = town.heard(4)
    assert {name: after[name] for name in before} == before
    spoken = {name: value for number in range(90) for name, value in town.heard(number).items()}
    loud = {name: value for name, value in spoken.items() if name.endswith("/loudness")}
    assert set(loud) == {f"microphone-{number:04d}/loudness" for number in range(1, 41)}


def test_what_a_new_pack_shows_first_counts_from_its_first_word(town: Town) -> None:
    """Written in the tenth minute, its first state comes in the eleventh, and the truth has it."""
    write(town.folder, noise())
    grown, began = town.register_noise(), START_MS + 10 * MINUTE
    truth = Truth(town.voices.now.city, town.settings.home / "truth.jsonl")
    truth.write(began)
    town.until(lambda: len(town.voices.now.names) == len(grown), began, truth.follow)
    truth.write(began + 2 * MINUTE)
    states = [one for one in read(town.settings.home / "truth.jsonl") if one["what"] == "state"]
    assert [(one["start"], one["end"]) for one in states] == [(began + MINUTE, began + 6 * MINUTE)]
    city = town.voices.now.city
    row = city.register.index[states[0]["datastream"]]
    assert city.values(np.array([row, row]), np.array([began, began + 2 * MINUTE])).tolist() == [50.0, 120.0]


def test_other_words_of_a_pack_are_said_at_once_and_a_bad_edit_changes_none(town: Town) -> None:
    """Neither needs the register to grow."""
    write(town.folder, noise(base=61))
    town.until(lambda: [one.base for one in town.voices.now.city.declared] == [61.0], START_MS)
    held = town.voices.now
    write(town.folder, noise(base="loud"))
    looks = iter(range(5))
    town.until(lambda: next(looks, None) is None, START_MS)
    assert town.voices.now is held


def test_the_feed_waits_until_every_gateway_has_looked_at_the_register() -> None:
    """A datastream that a gateway does not know yet would be refused."""
    assert growing.SETTLED_S > following.LOOK_S
