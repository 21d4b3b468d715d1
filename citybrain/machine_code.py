"""Makes the machine code of detectors, engines and geometry once, after installing, so that no start waits for it.

``python -m citybrain.machine_code``: numba keeps it beside the sources (or below CITYBRAIN_DATA where these cannot be
written).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def find_place(data: Path) -> None:
    """Tell numba to keep machine code in ``data`` when the sources' folder cannot be written."""
    if not os.access(ROOT / "models", os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str((data / "cache").resolve()))


def make() -> None:
    """Run every compiled function once, on a few assets of the default city."""
    from config import city as cities
    from config import packs_reload, register
    from config.layouts import layouts
    from sensors.simulate import chengdu
    from streams.worker import rehearse

    city = cities.load("chengdu")
    packs = packs_reload.sound()
    watched = [one for loaded in packs for one in loaded.watched]
    assets = chengdu.assets(city)
    few = assets[np.linspace(0, assets.height - 1, 400, dtype=np.int64)]
    made, _ = register.build(city, few, watched)
    rehearse(layouts(city, made, packs))
    _scan()


def _scan() -> None:
    """One scan in space and one in space and time, of six places."""
    from models.scan.chance import replicates
    from models.scan.circles import circles
    from models.scan.clusters import scan
    from models.scan.expected import at_large, by_past

    rng = np.random.default_rng(1)
    drawn, counts = circles(rng.uniform(0.0, 1.0, (6, 2)), 3), rng.poisson(3.0, (6, 1, 4))
    whole, durations = counts.sum(axis=2, keepdims=True), np.array([1])
    for expected, window in ((at_large(whole, np.ones(6)), whole), (by_past(counts, counts), counts)):
        scan(drawn, expected, window, durations, 0)
        list(replicates(drawn, expected, durations, 2, rng))


if __name__ == "__main__":
    find_place(Path(os.environ.get("CITYBRAIN_DATA", "data")))
    make()
