"""The order of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

# those with the longest files, so that two processes that share the files end at about the same time
FIRST = ("e2e", "sensors", "local", "citybrain", "streams", "wall")
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders of ``FIRST`` first, in that order; within them nothing changes."""
    rank = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(_HERE).parts[0], len(FIRST)))
