"""Patches: small where much is, large where little is."""

from __future__ import annotations

import numpy as np
import pytest

from geo.patches import patches


def test_patches_are_small_where_the_city_is_dense() -> None:
    """Of points mostly in one kilometre the middles lie mostly there, and every patch has a name of its own."""
    rng = np.random.default_rng(3)
    lon = np.concatenate([rng.normal(104.0, 0.005, 3_000), rng.uniform(103.0, 105.0, 300)])
    lat = np.concatenate([rng.normal(30.6, 0.005, 3_000), rng.uniform(30.0, 31.0, 300)])
    names, middles = patches(lon, lat, 100)
    near = np.hypot(middles[:, 0] - 104.0, middles[:, 1] - 30.6) < 0.03
    assert len(set(names)) == len(names) == len(middles) <= 100
    assert near.sum() >= 5


def test_the_same_points_give_the_same_patches_in_any_order() -> None:
    """The order of the points changes no name."""
    rng = np.random.default_rng(4)
    lon, lat = rng.uniform(104.0, 104.2, 500), rng.uniform(30.5, 30.7, 500)
    order = rng.permutation(500)
    assert patches(lon, lat, 40)[0] == patches(lon[order], lat[order], 40)[0]


def test_no_patches_are_refused() -> None:
    """A city cannot be held by none."""
    with pytest.raises(ValueError, match="0 patches hold no city"):
        patches(np.array([104.0]), np.array([30.6]), 0)
