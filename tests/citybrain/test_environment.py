"""``script/environment``: what is wrong with a machine is one clear line before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cksum", "tr", "cat", "df", "awk", "grep", "id", "rm")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the scripts and a lock file, and a folder of the machine's own commands without any Python."""
    shutil.copytree(ROOT / "script", tmp_path / "script")
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def fake(path: Path, version: str) -> Path:
    """A Python that says this version and is not one of those we take."""
    path.write_text(f'#!/bin/sh\ncase "$1" in --version) echo "Python {version}" ;; *) exit 1 ;; esac\n')
    path.chmod(0o755)
    return path


def environment(clone: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Source the script and ask for the environment, with the commands of ``clone/bin`` alone."""
    return subprocess.run(
        [str(clone / "bin" / "bash"), "-euc", ". script/environment; environment requirements.lock"],
        cwd=clone,
        env={"PATH": str(clone / "bin"), "HOME": os.environ.get("HOME", "/"), **more},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_python_that_is_too_old_is_one_clear_line(clone: Path) -> None:
    """Its version is named, and which ones are taken."""
    fake(clone / "bin" / "python3", "3.9.18")
    done = environment(clone)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "needs Python 3.11, 3.12 or 3.13 and found: Python 3.9.18" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_python_chosen_by_hand_that_is_no_good_is_one_clear_line(clone: Path) -> None:
    """PYTHON pointing to another program ends the same way."""
    done = environment(clone, PYTHON=str(fake(clone / "snake", "2.7.18")))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("citybrain: needs Python 3.11, 3.12 or 3.13 and found: ")


def test_a_clone_without_its_lock_file_is_one_clear_line(clone: Path) -> None:
    """A part of a clone is not enough."""
    (clone / "requirements.lock").unlink()
    done = environment(clone)
    assert done.returncode == 1
    assert done.stderr == "citybrain: the lock file requirements.lock is missing; use a whole clone\n"


def test_too_little_disk_is_one_clear_line(clone: Path) -> None:
    """Before a virtual environment is made."""
    good = clone / "bin" / "python3.11"
    good.write_text("#!/bin/sh\nexit 0\n")
    good.chmod(0o755)
    df = clone / "bin" / "df"
    df.unlink()
    df.write_text("#!/bin/sh\necho head\necho disk 100 58 42 58% /\n")
    df.chmod(0o755)
    done = environment(clone)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "needs 3 GB of free disk for its packages and found 42 MB" in done.stderr
    assert not (clone / ".venv").exists()
