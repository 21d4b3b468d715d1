"""Bands that cover what they say."""

from __future__ import annotations

import numpy as np
import pytest

from models.forecast import conformal


def test_bands_that_are_too_narrow_grow_until_they_cover() -> None:
    """Edges of half the width, and an outcome whose noise doubles half way, are covered 80 and 90 % of the time."""
    rng = np.random.default_rng(0)
    adapter = conformal.start(1, 1)
    middle = np.zeros((1, 1))
    low, high = -np.array([[[0.6, 0.8]]]), np.array([[[0.6, 0.8]]])
    inside = np.zeros(2)
    for k in range(8_000):
        below, above = adapter.edges(low, middle, high)
        x = rng.normal(scale=1.0 if k < 5_000 else 2.0, size=(1, 1))
        if k >= 1_000:
            inside += ((x[..., None] >= below) & (x[..., None] <= above))[0, 0]
        adapter = adapter.after(below, above, x)
    assert inside / 7_000 == pytest.approx([0.8, 0.9], abs=0.015)


def test_edges_never_cross_the_middle() -> None:
    """However wide the bands were and however quiet it is."""
    adapter = conformal.start(1, 1)
    middle = np.full((1, 1), 0.3)
    low, high = np.full((1, 1, 2), -0.1), np.full((1, 1, 2), 0.5)
    for _ in range(2_000):
        below, above = adapter.edges(low, middle, high)
        adapter = adapter.after(below, above, middle)
    assert (below <= middle[..., None]).all()
    assert (above >= middle[..., None]).all()


def test_a_gap_moves_nothing() -> None:
    """What did not come says nothing of the band."""
    adapter = conformal.start(2, 3)
    edges = np.ones((2, 3, 2))
    after = adapter.after(-edges, edges, np.full((2, 3), np.nan))
    np.testing.assert_array_equal(after.below, adapter.below)
    np.testing.assert_array_equal(after.above, adapter.above)
