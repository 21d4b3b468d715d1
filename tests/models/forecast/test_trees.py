"""Trees as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from models.forecast import trees
from models.forecast.growing import grown
from models.forecast.trees import BadTrees


@pytest.fixture(scope="module")
def taught() -> tuple[HistGradientBoostingRegressor, NDArray[np.float32]]:
    """A small model, and rows with gaps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2_000, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) ** 2 + np.isnan(x[:, 1])
    model = HistGradientBoostingRegressor(loss="quantile", quantile=0.9, max_iter=20, random_state=0)
    return model.fit(x, y), x


def test_walked_as_by_scikit_learn(taught: tuple[HistGradientBoostingRegressor, NDArray[np.float32]]) -> None:
    """Every prediction is the library's, missing values included, also after saving."""
    model, x = taught
    ours = trees.load(grown(model).arrays())
    np.testing.assert_allclose(ours.predict(x), model.predict(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left", lambda a: np.zeros_like(a)),  # round in circles
        ("right", lambda a: a + 10_000),
        ("feature", lambda a: np.full_like(a, 99)),
        ("root", lambda a: a - 1),
        ("value", lambda a: a[:-1]),
    ],
)
def test_arrays_that_lead_astray_are_refused(
    taught: tuple[HistGradientBoostingRegressor, NDArray[np.float32]], name: str, change: Any
) -> None:
    """A walk must end, and inside the arrays."""
    arrays = grown(taught[0]).arrays()
    with pytest.raises(BadTrees, match="train again"):
        trees.load({**arrays, name: change(arrays[name])})


def test_what_is_missing_is_named(taught: tuple[HistGradientBoostingRegressor, NDArray[np.float32]]) -> None:
    """Arrays of something else."""
    arrays = grown(taught[0]).arrays()
    del arrays["threshold"]
    with pytest.raises(BadTrees, match=r"\['threshold'\]"):
        trees.load(arrays)


def test_rows_of_another_width_are_refused(
    taught: tuple[HistGradientBoostingRegressor, NDArray[np.float32]],
) -> None:
    """The shape and the features are said."""
    with pytest.raises(BadTrees, match="over 3 features"):
        grown(taught[0]).predict(np.zeros((2, 4), np.float32))
