"""The simulated Chengdu and its register, built once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from config import city as cities
from config import register as registers
from config.city import City as Pack
from config.register import Register
from sensors.simulate import chengdu

START_MS = 1_790_000_000_000  # 2026-09-21 21:33:20 in Chengdu, a Monday evening
GATEWAYS = 20


@dataclass(frozen=True)
class Watched:
    """A property watched on assets of one kind."""

    kinds: tuple[str, ...]
    property: str
    unit: str
    low: float
    high: float
    cadence_s: float
    pack: str = "test"


WATCHED = (
    Watched(("camera",), "people", "1", 0, 5_000, 5),
    Watched(("gate",), "visitors", "1", 0, 20_000, 60),
    Watched(("gauge",), "water_level", "m", 0, 10, 60),
    Watched(("rain",), "rainfall", "mm/h", 0, 400, 60),
    Watched(("air",), "pm25", "ug/m3", 0, 1_000, 300),
    Watched(("wind",), "wind_speed", "m/s", 0, 80, 60),
)


@pytest.fixture(scope="session")
def pack() -> Pack:
    """Chengdu as declared."""
    return cities.load("chengdu")


@pytest.fixture(scope="session")
def register(pack: Pack) -> Register:
    """Every simulated asset, registered."""
    built, rejects = registers.build(pack, chengdu.assets(pack), WATCHED)
    assert rejects == []
    return built


@pytest.fixture(scope="session")
def gateway(register: Register) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Twenty gateways, each with a run of the register."""
    return np.arange(len(register)) * GATEWAYS // len(register)
