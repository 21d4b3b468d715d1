"""A short run of the fuzz harness, so that it keeps working and finds what is new and easy."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent / "fuzz_codecs.py"


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris runs on Linux with Python below 3.12")
def test_guided_bytes_raise_the_codecs_own_error_only(tmp_path: Path) -> None:
    """Thousands of inputs that reach ever more of the codecs raise nothing but their own error."""
    command = [sys.executable, str(HARNESS), "--", "-runs=5000", "-max_len=2000", "-seed=7", "-rss_limit_mb=1024"]
    # libFuzzer reads the peak of memory that a process inherits from the one that forked it: a shell stands between
    shell = ["sh", "-c", f"{shlex.join(command)}; exit $?"]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE" in done.stderr
