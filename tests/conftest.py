"""The order of the tests, and how patient they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# those with the longest files, so that two processes that share the files end at about the same time
FIRST = ("e2e", "sensors", "local", "citybrain", "streams", "wall")
_HERE = Path(__file__).parent

# how long an example takes says how busy the machine is, not whether the code is right
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders of ``FIRST`` first, in that order; within them nothing changes."""
    rank = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(_HERE).parts[0], len(FIRST)))
