"""One thread for growing trees: several, on a machine that is busy, wait for each other most of the time."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before scikit-learn is loaded
