"""The scorer of one series (``models.univariate``) in the shape of scikit-learn's outlier detectors."""

# ruff: noqa: N803  # X is scikit-learn's name for rows, and may be given by name

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from models.univariate import ALERT, State, snapshot, start, step


class SeriesOutliers(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Outliers of one series: rows are (seconds since 1970, value), in their order; NaN as a value is a gap.

    Unlike other estimators it is online. ``fit`` starts anew and learns the rows, each scored before it is learned
    (``scores_``, 0..1, 0.5 the alert line); ``partial_fit`` goes on from there. ``score_samples``,
    ``decision_function`` and ``predict`` judge rows as what comes next after the fit, each row by the fit and by the
    rows before it, and leave the estimator as it was. ``fit_predict`` tells the alerts of the rows as they were
    learned, with no look ahead. As everywhere in scikit-learn, lower is stranger: ``score_samples`` is minus the score.

    >>> rows = np.column_stack([60 * np.arange(3000), 10.0 + np.arange(3000) % 7])
    >>> SeriesOutliers().fit(rows).predict([[60 * 3000, 12.0], [60 * 3001, 90.0]]).tolist()
    [1, -1]
    """

    state_: State
    scores_: NDArray[np.float64]
    offset_: float

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Start anew and learn the rows (n, 2); ``y`` is not used."""
        self.state_ = start()
        return self._learn(X, reset=True)

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn more rows (n, 2) after those learned before; ``scores_`` has theirs alone."""
        if not hasattr(self, "state_"):
            return self.fit(X)
        return self._learn(X, reset=False)

    def _learn(self, X: ArrayLike, reset: bool) -> Self:
        self.state_, self.scores_ = step(self.state_, *self._columns(X, reset))
        self.offset_ = -float(np.nextafter(ALERT, 0.0))  # a score of ALERT itself is an alert
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Minus the scores (n,) of rows (n, 2) that come after the fit; NaN for gaps."""
        check_is_fitted(self)
        seconds, value = self._columns(X, reset=False)
        return -step(snapshot(self.state_), seconds, value)[1]

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """``score_samples`` less ``offset_`` (n,): below 0 is an outlier."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """-1 for an outlier, 1 else, also for gaps (n,)."""
        return np.where(self.decision_function(X) < 0.0, -1, 1)

    def fit_predict(self, X: ArrayLike, y: object = None, **kwargs: object) -> NDArray[np.int64]:
        """Fit, and tell the rows that alerted as they were learned: -1, 1 else (n,)."""
        return np.where(self.fit(X).scores_ >= ALERT, -1, 1)

    def _columns(self, X: ArrayLike, reset: bool) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The times and values of checked rows."""
        table = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        if table.shape[1] != 2:
            raise ValueError(f"rows have {table.shape[1]} columns; give two, seconds since 1970 and value")
        if not np.isfinite(table[:, 0]).all():
            raise ValueError("a row has no time; give seconds since 1970 in the first column")
        return np.floor(table[:, 0]).astype(np.int64), np.ascontiguousarray(table[:, 1])

    def __sklearn_tags__(self) -> Any:
        """Gaps are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
