"""Machine code on disk is that of the formulas as they are now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOOP = """
from models.both import compiled
from models.rule import times


def loop(x):
    return times(x)


run = compiled(loop)
print(run(7), sum(run.code.stats.cache_hits.values()))
"""


def run(folder: Path, factor: int) -> str:
    """What a compiled function says in a fresh process when a formula of another file multiplies by ``factor``."""
    package = folder / "models"
    package.mkdir(exist_ok=True)
    (folder / "geo").mkdir(exist_ok=True)
    here = Path(__file__).resolve().parents[2]
    for name in ("models/__init__.py", "models/both.py", "geo/__init__.py", "geo/compiled.py"):
        (folder / name).write_text((here / name).read_text())
    (package / "rule.py").write_text(
        f"from models.both import formula\n\n\n@formula\ndef times(x):\n    return x * {factor}\n"
    )
    (package / "loop.py").write_text(LOOP)
    command = [sys.executable, "-c", "import models.loop"]
    environment = {"NUMBA_CACHE_DIR": str(folder / "cache"), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_changed_formula_is_compiled_again(tmp_path: Path) -> None:
    """The cache is used while nothing changes, and not when a formula in another file did."""
    assert run(tmp_path, 2) == "14 0"
    assert run(tmp_path, 2) == "14 1"
    assert run(tmp_path, 3) == "21 0"
