"""The scorer of one series: online, cut anywhere, and worth its place on the Numenta corpora."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench import nab
from models import univariate
from tests import naive

corpus = pytest.mark.skipif(not nab.CORPUS.exists(), reason="the Numenta corpora are not on this machine")


def series(seed: int, length: int = 1200) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A noisy day rhythm every five minutes with gaps and a spike."""
    rng = np.random.default_rng(seed)
    time = np.arange(length, dtype=np.int64) * 300
    value = 10 + 5 * np.sin(time / 86_400 * 2 * np.pi) + rng.normal(0, 0.5, length)
    value[rng.random(length) < 0.02] = np.nan
    value[length - 20] = 60.0
    return time, value


def test_a_spike_is_the_strangest_and_its_aftermath_is_not() -> None:
    """A value far beyond all before alerts at once; what follows scores a fraction of it."""
    time, value = series(1, 4000)
    _, score = univariate.step(univariate.start(), time, value)
    assert int(np.nanargmax(score)) == len(value) - 20
    assert score[-20] >= univariate.ALERT
    assert np.nanmax(score[-19:]) < univariate.ALERT


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(0, 1200), max_size=4))
def test_a_prefix_gets_the_same_scores(seed: int, cuts: list[int]) -> None:
    """Scores never depend on what comes later or on how the series is cut."""
    time, value = series(seed)
    _, whole = univariate.step(univariate.start(), time, value)
    state, parts = univariate.start(), []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), len(value)], strict=True):
        state, score = univariate.step(state, time[first:last], value[first:last])
        parts.append(score)
        state = univariate.restore(univariate.snapshot(state))
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_gaps_score_nothing_and_teach_nothing() -> None:
    """NaN and infinity score NaN, and the other scores are those of the series without them."""
    time, value = series(3)
    value[100] = np.inf
    finite = np.isfinite(value)
    _, score = univariate.step(univariate.start(), time, value)
    _, alone = univariate.step(univariate.start(), time[finite], value[finite])
    assert np.isnan(score[~finite]).all()
    assert score[finite].tobytes() == alone.tobytes()


@pytest.mark.parametrize("value", [[3.0], [7.0] * 500, [1e308, -1e308] * 200, [5e-324, 0.0] * 200])
def test_no_value_breaks_it(value: list[float]) -> None:
    """One value, constants and the largest and smallest numbers give scores from 0 to 1; a constant never alerts."""
    _, score = univariate.step(univariate.start(), np.arange(len(value)) * 60, np.array(value))
    assert ((score >= 0) & (score <= 1)).all()
    assert score[0] == 0.0
    assert len(set(value)) > 1 or score.max() < univariate.ALERT / 2


def against_twin(time: NDArray[np.int64], value: NDArray[np.float64]) -> None:
    """The scores are those of the slow twin."""
    _, got = univariate.step(univariate.start(), time, value)
    want = list(naive.one_series(list(zip(time.tolist(), value.tolist(), strict=True))))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000), cadence=st.sampled_from([1, 60, 300, 3600, 86_400]))
def test_random_series_score_as_the_slow_twin_says(seed: int, cadence: int) -> None:
    """Heavy tails, gaps, equal stamps and stamps that go back: the twin in plain Python agrees to 1e-6."""
    rng = np.random.default_rng(seed)
    value = np.round(rng.standard_t(2, 250), int(rng.integers(0, 4)))
    value[rng.random(250) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
    against_twin(np.cumsum(rng.integers(-1, 5, 250)) * cadence, value)


@pytest.mark.parametrize("value", [[7.0] * 200, [1e308, -1e308] * 100, [np.nan] * 9, [0.0] * 100 + [1.0] * 9])
def test_odd_series_score_as_the_slow_twin_says(value: list[float]) -> None:
    """Constants, the largest numbers, gaps alone and the first change after a constant."""
    against_twin(np.arange(len(value)) * 3600 - 7200, np.array(value))


def test_a_full_memory_and_alerts_score_as_the_slow_twin_says() -> None:
    """With more points than memory holds, and with alerts that raise what later ones must show."""
    rng = np.random.default_rng(1)
    value = rng.normal(size=700)
    value[500::40] += 9.0 * 1.9 ** np.arange(5)
    _, score = univariate.step(univariate.start(), np.arange(700) * 300, value)
    assert (score >= univariate.ALERT).sum() >= 3
    against_twin(np.arange(700) * 300, value)


@corpus
def test_a_real_file_scores_as_the_slow_twin_says() -> None:
    """The first 900 rows of a real file, 3 days of a processor's load every 5 minutes."""
    file = next(file for file in nab.corpus() if file.name == "realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv")
    against_twin(file.time[:900].astype(np.int64), file.value[:900])


def test_a_bursty_series_must_show_more_each_time() -> None:
    """Bursts that grow by the same share alert at first; they do not alert for ever."""
    rng = np.random.default_rng(5)
    value = rng.poisson(5, 9000).astype(float)
    value[1500::150] += 20.0 * 1.35 ** np.arange(50)
    _, score = univariate.step(univariate.start(), np.arange(9000) * 300, value)
    alerts = np.flatnonzero(score >= univariate.ALERT)
    early, late = (alerts < 4000).sum(), (alerts >= 6500).sum()
    assert early >= 3
    assert late < early


def test_the_class_scores_as_the_function_does() -> None:
    """``score_one`` then ``learn_one`` say what the batch says; scoring alone learns nothing; ``None`` is a gap."""
    time, value = series(4, 300)
    _, want = univariate.step(univariate.start(), time, value)
    scorer = univariate.OneSeries("when", "load")
    got = []
    for when, what in zip(time.tolist(), value.tolist(), strict=True):
        reading = {"when": datetime.fromtimestamp(when, UTC), "load": None if np.isnan(what) else what}
        scorer.score_one({"when": when, "load": 1e6})
        got.append(scorer.score_one(reading))
        scorer.learn_one(reading)
    np.testing.assert_array_equal(got, want)


def test_the_sigmoid_of_the_benchmark() -> None:
    """A detection earns about 1 at a window's first row, nothing at its end, and costs a whole alarm far behind it."""
    rows = nab.Series("x/y.csv", np.arange(1000).astype("datetime64[s]"), np.zeros(1000), np.array([[400, 499]]))
    earned, inside = nab.worth(rows)
    assert earned[400] == pytest.approx(1.0)
    assert earned[499] == pytest.approx(0.0, abs=0.03)
    assert earned[200] == earned[999] == -0.11
    assert (inside[:150] == -2).all()


@corpus
@pytest.mark.parametrize("profile", nab.PROFILES)
def test_the_scorer_gives_published_scores(profile: str) -> None:
    """The published raw scores of windowedGaussian give its published points on every file to 1e-9."""
    folder = nab.CORPUS / "results" / "windowedGaussian"
    raw = defaultdict(list)
    with gzip.open(folder / "windowedGaussian_raw_public_files.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            raw[row["file"]].append(float(row["anomaly_score"]))
    with (folder / f"windowedGaussian_{profile}_scores.csv").open() as file:
        published = {row["File"]: (float(row["Score"]), float(row["Threshold"])) for row in csv.DictReader(file)}
    files = nab.corpus()
    assert len(files) == 35
    for series in files:
        points, threshold = published[series.name]
        assert nab.raw(series, np.array(raw[series.name]), threshold, profile) == pytest.approx(points, abs=1e-9)


@corpus
def test_the_numenta_corpora_are_judged_well() -> None:
    """On the four corpora at hand, with one setting for all and no look ahead, the standard score is above 70."""
    files = nab.corpus()
    scores = nab.run(nab.univariate, files)
    assert nab.sweep(scores, files)[0] > 70.0
