"""Growing trees with scikit-learn: in training alone, so that nothing else has to load it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from models.calendar import Calendar
from models.forecast import trees
from models.forecast.quantiles import QUANTILES, Learned, table
from models.forecast.steps import Steps
from models.forecast.trees import ARRAYS, BadTrees, Trees

MOST_ROWS: Final = 80_000  # more teach little and take long
TREES: Final = 100
RATE: Final = 0.1
LEAVES, IN_A_LEAF = 31, 50
LEAST_ROWS: Final = 1_000


class TooLittle(ValueError):
    """There is not enough to learn from; the message says how much there is."""


def learn(steps: Steps, until: int, calendar: Calendar, zones: Sequence[str], rng: np.random.Generator) -> Learned:
    """Teach trees with the steps before row ``until``: no outcome at or after it is looked at.

    Raises ``TooLittle``. At most MOST_ROWS rows, drawn by ``rng``, are used.
    """
    number = np.arange(len(zones), dtype=np.float32)
    rows, missed = [], []
    for h in steps.horizons:
        at = np.arange(0, until - steps.lag(h), dtype=np.int64)
        y = steps.missed(at, h).ravel()
        usable = np.flatnonzero(np.isfinite(y))
        share = MOST_ROWS // len(steps.horizons)
        if len(usable) > share:
            usable = np.sort(rng.choice(usable, share, replace=False))
        whole = np.unique(usable // len(zones))
        here = table(steps, at[whole], h, calendar, number)
        inside = np.searchsorted(whole, usable // len(zones)) * len(zones) + usable % len(zones)
        rows.append(here[inside])
        missed.append(y[usable])
    x, y = np.concatenate(rows), np.concatenate(missed)
    if len(y) < LEAST_ROWS:
        raise TooLittle(f"{len(y)} forecasts with an outcome; at least {LEAST_ROWS} are needed to learn from")
    return Learned(tuple(_grow(x, y, quantile) for quantile in QUANTILES), tuple(zones), steps.step_ms)


def _grow(x: NDArray[np.float32], y: NDArray[np.float32], quantile: float) -> Trees:
    model = HistGradientBoostingRegressor(
        loss="quantile", quantile=quantile, max_iter=TREES, learning_rate=RATE, max_leaf_nodes=LEAVES,
        min_samples_leaf=IN_A_LEAF, early_stopping=False, random_state=0,
    )  # fmt: skip
    return grown(model.fit(x, y))


def grown(model: HistGradientBoostingRegressor) -> Trees:
    """The trees of a fitted scikit-learn model without categorical features."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ARRAYS}
    offset = 0
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        if nodes["is_categorical"].any():
            raise BadTrees("categorical splits are not kept; give the trees numbers alone")
        parts["feature"].append(np.where(leaf, -1, nodes["feature_idx"]))
        parts["threshold"].append(np.where(leaf, 0.0, nodes["num_threshold"]))
        parts["missing_left"].append(nodes["missing_go_to_left"].astype(bool))
        parts["left"].append(np.where(leaf, 0, nodes["left"].astype(np.int64) + offset))
        parts["right"].append(np.where(leaf, 0, nodes["right"].astype(np.int64) + offset))
        parts["value"].append(nodes["value"])
        parts["root"].append(np.array([offset]))
        offset += len(nodes)
    start = float(np.asarray(model._baseline_prediction).ravel()[0])
    joined: dict[str, NDArray[Any]] = {name: np.concatenate(parts[name]).astype(kind) for name, kind in ARRAYS.items()}
    return trees.load({**joined, "start": np.array([start]), "features": np.array([model.n_features_in_])})
