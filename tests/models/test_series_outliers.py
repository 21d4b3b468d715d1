"""The scorer of one series at work in river's and scikit-learn's own tools."""

from __future__ import annotations

import doctest
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river import anomaly, base, evaluate, metrics
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from models import univariate
from models.series_outliers import SeriesOutliers


class InRiver(univariate.OneSeries, base.AnomalyDetector):
    """The scorer as one of river's own anomaly detectors."""


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    """2,000 rows (second, value) of a noisy day rhythm, a spike at row 1,950."""
    rng = np.random.default_rng(2)
    time = 1_700_000_000 + 600.0 * np.arange(2000)
    value = 10 + 5 * np.sin(time / 86_400 * 2 * np.pi) + rng.normal(0, 0.5, 2000)
    value[1950] = 60.0
    return np.column_stack([time, value])


def reading(time: float, value: float) -> dict[Hashable, Any]:
    """A reading as river has it."""
    return {"timestamp": time, "value": value}


def batch(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the function says of the rows."""
    return univariate.step(univariate.start(), rows[:, 0].astype(np.int64), np.ascontiguousarray(rows[:, 1]))[1]


def test_river_evaluates_it_as_one_of_its_own_detectors(rows: NDArray[np.float64]) -> None:
    """river's progressive validation scores and learns each reading; the spike ranks above all that is judged."""
    stream = [(reading(t, v), n == 1950) for n, (t, v) in enumerate(rows.tolist())]
    area = metrics.ROCAUC()  # type: ignore[no-untyped-call]  # river leaves it untyped
    evaluate.progressive_val_score(stream, InRiver(), area)
    assert area.get() > 0.99  # type: ignore[no-untyped-call]  # river leaves it untyped
    assert InRiver("when").clone().timestamp == "when"


def test_river_filters_by_it(rows: NDArray[np.float64]) -> None:
    """river's ThresholdFilter tells alerts by its scores."""
    alarm = anomaly.ThresholdFilter(InRiver(), threshold=univariate.ALERT)
    told = []
    for t, v in rows.tolist():
        told.append(alarm.classify(alarm.score_one(reading(t, v))))  # type: ignore[no-untyped-call]  # river leaves it untyped
        alarm.anomaly_detector.learn_one(reading(t, v))
    assert np.flatnonzero(told).tolist() == np.flatnonzero(batch(rows) >= univariate.ALERT).tolist() == [1950]


def test_it_stands_where_the_gaussian_scorer_stands(rows: NDArray[np.float64]) -> None:
    """The same loop drives river's GaussianScorer and this: x, and the value as y."""
    scores = {}
    gaussian = anomaly.GaussianScorer()  # type: ignore[no-untyped-call]  # river leaves it untyped
    for scorer in (gaussian, univariate.OneSeries()):
        told = []
        for t, v in rows.tolist():
            told.append(scorer.score_one({"timestamp": t}, v))
            scorer.learn_one({"timestamp": t}, v)
        scores[type(scorer).__name__] = told
    np.testing.assert_array_equal(scores["OneSeries"], batch(rows))
    assert int(np.argmax(scores["OneSeries"])) == 1950


def test_scikit_learn_clones_it_and_knows_what_it_is() -> None:
    """clone, get_params and set_params work; it is an outlier detector; unfitted it says so."""
    made = clone(SeriesOutliers().set_params())
    assert made.get_params() == {}
    assert is_outlier_detector(made)
    with pytest.raises(NotFittedError):
        made.predict([[0.0, 1.0]])


def test_fit_then_predict_judges_what_comes_next(rows: NDArray[np.float64]) -> None:
    """Rows after the fit score as the whole series online; judging twice says the same; lower is stranger."""
    fitted = SeriesOutliers().fit(rows[:1500])
    want = batch(rows)[1500:]
    np.testing.assert_array_equal(fitted.scores_, batch(rows)[:1500])
    np.testing.assert_array_equal(fitted.score_samples(rows[1500:]), -want)
    np.testing.assert_array_equal(fitted.score_samples(rows[1500:]), -want)
    alerts = np.flatnonzero(fitted.predict(rows[1500:]) == -1)
    assert alerts.tolist() == np.flatnonzero(fitted.decision_function(rows[1500:]) < 0).tolist() == [450]


def test_partial_fit_goes_on_and_fit_starts_anew(rows: NDArray[np.float64]) -> None:
    """Two halves learned one after the other are the whole; a second fit forgets the first."""
    halves = SeriesOutliers().partial_fit(rows[:1000]).partial_fit(rows[1000:])
    np.testing.assert_array_equal(halves.scores_, batch(rows)[1000:])
    np.testing.assert_array_equal(halves.fit(rows[:700]).scores_, batch(rows)[:700])
    assert np.flatnonzero(halves.fit_predict(rows) == -1).tolist() == [1950]


def test_it_works_at_the_end_of_a_pipeline(rows: NDArray[np.float64]) -> None:
    """A scikit-learn pipeline feeds it; values in another unit give the same alerts."""
    line = make_pipeline(FunctionTransformer(lambda table: table * [1.0, 1024.0]), SeriesOutliers())
    assert np.flatnonzero(line.fit_predict(rows) == -1).tolist() == [1950]


def test_gaps_are_no_outliers_and_bad_rows_are_refused(rows: NDArray[np.float64]) -> None:
    """A NaN value scores NaN and predicts 1; a row without a time or with three columns is refused in words."""
    fitted = SeriesOutliers().fit(rows[:100])
    gap = [[rows[100, 0], np.nan]]
    assert np.isnan(fitted.score_samples(gap)).all()
    assert fitted.predict(gap).tolist() == [1]
    with pytest.raises(ValueError, match="no time"):
        fitted.predict([[np.nan, 1.0]])
    with pytest.raises(ValueError, match="two, seconds since 1970 and value"):
        SeriesOutliers().fit(np.zeros((5, 3)))


# scikit-learn's checks that a series cannot pass: they give a table of other than two columns, or change the order
COLUMNS = "rows are two columns, a time and a value"
ORDER = "a series has an order"
NOT_OURS = {
    "check_methods_sample_order_invariance": ORDER,
    "check_methods_subset_invariance": ORDER,
    **dict.fromkeys(
        (
            "check_dict_unchanged",
            "check_dont_overwrite_parameters",
            "check_dtype_object",
            "check_estimators_dtypes",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_fit2d_1feature",
            "check_fit2d_1sample",
            "check_fit2d_predict1d",
            "check_fit_score_takes_y",
            "check_n_features_in_after_fitting",
            "check_outliers_fit_predict",
            "check_outliers_train",
            "check_pipeline_consistency",
            "check_positive_only_tag_during_fit",
        ),
        COLUMNS,
    ),
}


def test_scikit_learn_finds_its_conventions_kept() -> None:
    """Every check of scikit-learn passes that a series of two columns in its order can be put to."""
    told = check_estimator(SeriesOutliers(), expected_failed_checks=NOT_OURS, on_skip=None)
    assert {one["status"] for one in told} <= {"passed", "xfail", "skipped"}
    assert sum(one["status"] == "passed" for one in told) >= 20


def test_the_example_in_the_docs_runs() -> None:
    """docs/detection.md shows both classes at work, and they do what it says."""
    page = Path(__file__).parents[2] / "docs" / "detection.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried) == (0, 8)
