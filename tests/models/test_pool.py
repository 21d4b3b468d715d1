"""Pooled calibration: an honest p-value, monotone, and the same whatever the cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import detectors, pool
from tests import naive


def counted(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The counts of the scores."""
    seen = pool.counts()
    np.add.at(seen[0], (scores * pool.STEPS).astype(np.int64), 1.0)
    return seen


@pytest.mark.parametrize("size", [25, 150, 5_000])
def test_the_slow_twin_agrees(size: int) -> None:
    """Every step of the table is what the plain definition says."""
    scores = np.random.default_rng(size).exponential(0.3, size)
    worth = pool.table()
    pool.refresh(counted(scores), worth)
    for step in range(0, pool.SIZE, 7):
        assert worth[0, step] == pytest.approx(naive.pooled(scores.tolist(), step / pool.STEPS), abs=1e-9)


def test_scores_that_cry_too_often_are_lowered() -> None:
    """After ten million scores three times too high, a table entry is the true -log10 of the tail probability."""
    scores = 3.0 * -np.log10(np.random.default_rng(1).random(10_000_000))
    worth = pool.table()
    pool.refresh(counted(np.minimum(scores, 29.9)), worth)
    for told in (6.0, 9.0, 15.0):
        assert worth[0, int(told * pool.STEPS)] == pytest.approx(told / 3.0, rel=0.05)
    assert (np.diff(worth[0]) >= 0).all()


def test_nothing_seen_changes_nothing() -> None:
    """With less than ENOUGH scores the table stays as it is; with few it moves little."""
    worth = pool.table()
    pool.refresh(counted(np.zeros(5)), worth)
    np.testing.assert_array_equal(worth, pool.table())
    pool.refresh(counted(np.full(1000, 2.0)), worth)
    np.testing.assert_allclose(worth, pool.table(), atol=0.15)


def test_old_readings_fade() -> None:
    """Beyond MOST readings the counts are halved, whole."""
    seen = np.full((1, pool.SIZE + 1), 1_000_001.0)
    pool.refresh(seen, pool.table())
    assert (seen[:, : pool.SIZE] == 500_000.0).all()


def test_the_table_moves_at_the_same_readings_whatever_the_cut() -> None:
    """Over several refreshes, odd batches give the same bits as one, and numpy the same numbers to 1e-5."""
    n, ticks = 2_000, 80
    rng = np.random.default_rng(3)
    rows = np.tile(np.arange(n, dtype=np.int32), ticks)
    time = np.repeat(np.arange(ticks, dtype=np.int64) * 600_000, n)
    value = rng.poisson(20, n * ticks).astype(np.float64)
    columns: tuple[Any, ...] = (rows, time, value, np.zeros(n * ticks, np.uint8), time)
    results = []
    for cuts, cell in (([], {}), ([1, 65_535, 65_537, 100_001, 131_072], {}), ([], {"compiled": False})):
        detector = detectors.get("seasonal-baseline", {"ready": 5, **cell})
        state, scores = detector.start(n), []
        for first, last in zip([0, *cuts], [*cuts, n * ticks], strict=True):
            state, told = detector.step(state, *(column[first:last] for column in columns))
            scores.append(told.score)
        results.append((np.concatenate(scores), state))
    (whole, state), (cut, state_cut), (plain, state_plain) = results
    assert whole.tobytes() == cut.tobytes()
    assert all(state[name].tobytes() == state_cut[name].tobytes() for name in state)
    np.testing.assert_allclose(whole, plain, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(state["seen"], state_plain["seen"])
    assert not np.array_equal(state["worth"], pool.table())
