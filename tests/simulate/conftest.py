"""The simulated Chengdu and its register, built once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from config import city as cities
from config import register as registers
from config.city import City as Pack
from config.register import Register
from sensors.simulate import chengdu, estate
from sensors.simulate.chengdu import City
from sensors.simulate.places import Places, places
from tests.simulate.rig import GATEWAYS, START_MS, WATCHED, without_incidents


@pytest.fixture(scope="session")
def pack() -> Pack:
    """Chengdu as declared."""
    return cities.load("chengdu")


@pytest.fixture(scope="session")
def found(pack: Pack) -> Places:
    """Chengdu's hubs and towns."""
    return places(pack)


@pytest.fixture(scope="session")
def register(pack: Pack, found: Places) -> Register:
    """Every asset that the city has whatever packs are in force, registered."""
    built, rejects = registers.build(pack, estate.assets(found, found.seed), WATCHED)
    assert rejects == []
    return built


@pytest.fixture(scope="session")
def gateway(register: Register) -> NDArray[np.int64]:
    """Twenty gateways, each with a run of the register."""
    return np.arange(len(register)) * GATEWAYS // len(register)


@pytest.fixture(scope="session")
def city(pack: Pack, register: Register, gateway: NDArray[np.int64]) -> City:
    """Chengdu with the demo's incidents."""
    return chengdu.simulated(pack, register, START_MS, gateway)


@pytest.fixture(scope="session")
def calm(city: City) -> City:
    """Chengdu without incidents and faults."""
    return without_incidents(city)
