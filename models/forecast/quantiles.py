"""Trees that know what the profile misses: quantiles of a zone's next hour, learned from its past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calendar import Calendar
from models.forecast import trees
from models.forecast.steps import FEATURES, Steps
from models.forecast.trees import BadTrees, Trees
from models.forecast.values import HORIZONS_MIN

QUANTILES: Final = (0.05, 0.1, 0.5, 0.9, 0.95)


@dataclass(frozen=True, eq=False, slots=True)
class Learned:
    """One version of the trees: for each of QUANTILES, by how many deviations the profile's forecast will be off.

    ``zones`` are those it was taught with, in the order of their numbers.
    """

    trees: tuple[Trees, ...]
    zones: tuple[str, ...]
    step_ms: int

    def ahead(
        self, steps: Steps, at: NDArray[np.int64], calendar: Calendar, zones: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Quantiles in deviations from the profile's forecast at the rows ``at`` (k,) of ``steps``.

        Middle (k, n, horizons), and the low and high edges (k, n, horizons, levels); NaN where the profile is.
        """
        k, n = len(at), steps.x.shape[1]
        told = np.full((len(QUANTILES), k, n, len(HORIZONS_MIN)), np.nan)
        for h in steps.horizons:
            rows = table(steps, at, h, calendar, self._numbers(zones))
            known = np.isfinite(rows[:, 0]) & np.isfinite(rows[:, 1])
            for q, tree in enumerate(self.trees):
                column = np.full(len(rows), np.nan)
                column[known] = tree.predict(rows[known])
                told[q, :, :, h] = column.reshape(k, n)
        told = np.sort(told, axis=0)  # quantiles learned one by one may cross
        low, high = np.stack([told[1], told[0]], -1), np.stack([told[3], told[4]], -1)
        return told[2], low, high

    def _numbers(self, zones: Sequence[str]) -> NDArray[np.float32]:
        number = {zone: i for i, zone in enumerate(self.zones)}
        return np.array([number.get(zone, np.nan) for zone in zones], np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """This version as plain arrays for ``np.savez``."""
        arrays: dict[str, NDArray[Any]] = {
            "zones": np.array(self.zones, np.str_),
            "features": np.array(FEATURES, np.str_),
            "step_ms": np.array([self.step_ms], np.int64),
        }
        for quantile, tree in zip(QUANTILES, self.trees, strict=True):
            arrays |= {f"{quantile}/{name}": array for name, array in tree.arrays().items()}
        return arrays


def load(arrays: Mapping[str, NDArray[Any]]) -> Learned:
    """The version in ``arrays``; raises ``BadTrees`` when it is none or was made for other features."""
    if "features" not in arrays or tuple(arrays["features"].tolist()) != FEATURES:
        raise BadTrees("these trees were taught with other features; train again")
    grown = []
    for quantile in QUANTILES:
        prefix = f"{quantile}/"
        grown.append(trees.load({k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}))
        if grown[-1].features != len(FEATURES):
            raise BadTrees(f"trees over {grown[-1].features} features, there are {len(FEATURES)}; train again")
    return Learned(tuple(grown), tuple(arrays["zones"].tolist()), int(arrays["step_ms"][0]))


def table(
    steps: Steps, at: NDArray[np.int64], horizon: int, calendar: Calendar, zone: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The features at the rows ``at`` for one horizon (k · n, FEATURES)."""
    middle = steps.ends(at) + (steps.lag(horizon) * steps.step_ms - steps.step_ms // 2)
    local = calendar.local(middle)
    return steps.features(at, horizon, calendar.day_kind(local), local, zone)


def loss(
    low: NDArray[np.float64], middle: NDArray[np.float64], high: NDArray[np.float64], x: NDArray[np.float64]
) -> float:
    """The mean quantile loss of forecasts ((…), edges (…, levels)) of the outcomes ``x``; what is NaN is left out."""
    told = np.stack([low[..., 1], low[..., 0], middle, high[..., 0], high[..., 1]])
    off = x[None] - told
    q = np.array(QUANTILES).reshape((-1,) + (1,) * x.ndim)
    return float(np.nanmean(np.maximum(q * off, (q - 1.0) * off)))
