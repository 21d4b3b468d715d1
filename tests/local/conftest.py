"""Brokers for the tests: the embedded one, and Apache Kafka where Maven is present."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from citybrain.local.kafka import running_broker
from citybrain.local.ports import free_port
from tests.local.wire import Wire

_SCRIPT = Path(__file__).resolve().parents[2] / "script" / "apache-kafka"
_APACHE_START_S = 60


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of an embedded broker that all tests share."""
    with running_broker(tmp_path_factory.mktemp("broker"), upkeep_s=0.5) as address:
        yield address


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of one node of Apache Kafka; skips where it cannot be had."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"Apache Kafka needs {tool}, which is not installed")
    fetched = subprocess.run([_SCRIPT, "--fetch-only"], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"Apache Kafka cannot be fetched: {fetched.stderr.strip().splitlines()[-1]}")
    data, port = tmp_path_factory.mktemp("apache"), free_port()
    with (data / "said").open("wb") as said:
        process = subprocess.Popen([_SCRIPT, "--port", str(port), "--data", data], stdout=said, stderr=said)
    try:
        Wire.wait_for(f"127.0.0.1:{port}", _APACHE_START_S)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=["embedded", "apache"])
def backend(request: pytest.FixtureRequest) -> str:
    """The bootstrap address of each kind of broker in turn."""
    return str(request.getfixturevalue("broker" if request.param == "embedded" else "apache"))
