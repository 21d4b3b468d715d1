"""``citybrain bench NAME``: run one of the benchmarks in ``bench/``, each a file with a ``main(as_json)``."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "bench"


class BenchError(RuntimeError):
    """There is no such benchmark here; the message names those there are."""


def names() -> list[str]:
    """The benchmarks in ``bench/``."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if "\ndef main(as_json" in path.read_text("utf-8"))


def run(name: str, as_json: bool, lasts: str | None = None) -> int:
    """Run the benchmark ``name``, for ``lasts`` where it lets one choose; the exit code."""
    if name not in names():
        there = ", ".join(names()) or "none: they come with a clone, not with the image"
        raise BenchError(f"no benchmark {name!r}; there are {there}")
    module = importlib.import_module(f"bench.{name}")
    if lasts is None:
        return int(module.main(as_json) or 0)
    if "lasts" not in inspect.signature(module.main).parameters:
        raise BenchError(f"the benchmark {name!r} has a length of its own; leave --for out")
    return int(module.main(as_json, lasts) or 0)
