"""What a worker frees goes back to the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# snapshots of some MB come and go between small things that stay, as in a worker
CHURN = """
import os, sys
import numpy as np
from streams.memory import large_arrays_apart
if sys.argv[1] == "apart":
    assert large_arrays_apart()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
np.ones(3_900_000)  # freed: from now on glibc takes arrays of up to 31 MB from the heap
before, stays = resident(), []
for _ in range(20):
    arrays = [np.ones(500_000) for _ in range(10)]
    stays.append(np.ones(2_000))
    del arrays
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's heap that keeps what was freed")
def test_freed_snapshots_leave_no_holes() -> None:
    """After twenty snapshots of 40 MB the process is hardly larger than before."""
    command = [sys.executable, "-c", CHURN, "apart"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    assert float(done.stdout) < 10.0
