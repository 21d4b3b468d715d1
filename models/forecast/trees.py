"""Boosted trees as plain arrays: what scikit-learn grew, saved without pickle and walked without scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.both import compiled

ARRAYS: Final = {
    "feature": np.int16,
    "threshold": np.float64,
    "missing_left": np.bool_,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
    "root": np.int32,
}


class BadTrees(ValueError):
    """The arrays are no trees that can be walked; the message says why."""


@dataclass(frozen=True, eq=False, slots=True)
class Trees:
    """A sum of regression trees over ``features`` columns.

    Of each node: the ``feature`` it looks at (-1: a leaf), the ``threshold`` up to which a row goes ``left``, where a
    missing one goes, and a leaf's ``value``; ``root`` (trees,) is where each tree begins, ``start`` what is added to.
    """

    feature: NDArray[np.int16]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    root: NDArray[np.int32]
    start: float
    features: int

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of the leaves that each of ``rows`` (n, features) falls into; NaN in a column is missing."""
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise BadTrees(f"rows of shape {rows.shape} for trees over {self.features} features")
        out = np.full(len(rows), self.start)
        _walked(
            np.ascontiguousarray(rows, np.float32), self.feature, self.threshold, self.missing_left, self.left,
            self.right, self.value, self.root, out,
        )  # fmt: skip
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trees as arrays for ``np.savez``."""
        return {name: getattr(self, name) for name in ARRAYS} | {
            "start": np.array([self.start]), "features": np.array([self.features], np.int32)
        }  # fmt: skip


def load(arrays: Mapping[str, NDArray[Any]]) -> Trees:
    """The trees in ``arrays``, checked so that no row can walk out of them; raises ``BadTrees``."""
    missing = sorted({*ARRAYS, "start", "features"} - set(arrays))
    if missing:
        raise BadTrees(f"trees lack the arrays {missing}; train again")
    own: dict[str, NDArray[Any]] = {name: np.ascontiguousarray(arrays[name], kind) for name, kind in ARRAYS.items()}
    n, features = len(own["value"]), int(arrays["features"][0])
    if any(own[name].shape != (n,) for name in ARRAYS if name != "root"):
        raise BadTrees(f"the nodes' arrays differ in length from {n}; train again")
    inner = np.flatnonzero(own["feature"] >= 0)
    below = np.concatenate([own["left"][inner], own["right"][inner]])
    # a child lies after its parent, so that every walk ends
    if (below <= np.tile(inner, 2)).any() or (below >= n).any() or (own["feature"] >= features).any():
        raise BadTrees("a node points backwards, beyond the last node or at a feature there is not; train again")
    if (own["root"] < 0).any() or (own["root"] >= n).any():
        raise BadTrees("a tree begins beyond the last node; train again")
    return Trees(start=float(arrays["start"][0]), features=features, **own)


def _walk(
    rows: NDArray[np.float32],
    feature: NDArray[np.int16],
    threshold: NDArray[np.float64],
    missing_left: NDArray[np.bool_],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float64],
    root: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None:
    """Add to ``out`` (n,) the leaf of each tree that each row falls into."""
    for k in range(len(rows)):
        for tree in range(len(root)):
            node = root[tree]
            while feature[node] >= 0:
                x = rows[k, feature[node]]
                goes_left = missing_left[node] if np.isnan(x) else x <= threshold[node]
                node = left[node] if goes_left else right[node]
            out[k] += value[node]


_walked = compiled(_walk, nogil=True)  # long calls run beside the stream, in a thread
