"""The environment of child processes: this one's, with the product's own packages importable from any folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables for a child process; ``more`` adds to them or replaces them."""
    known = os.environ.get("PYTHONPATH", "")
    path = known if _ROOT in known.split(os.pathsep) else os.pathsep.join(filter(None, (_ROOT, known)))
    return {**os.environ, "PYTHONPATH": path, **(more or {})}
