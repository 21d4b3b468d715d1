"""The running level: how often it cries for nothing, what it sees, and what an incident teaches it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models import detectors
from models.detectors import Detector, State

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]


def feed(detector: Detector, state: State, values: NDArray[np.float64]) -> tuple[State, NDArray[np.float32]]:
    """Take ``values`` (ticks, datastreams); the state and what was told, (4, ticks, datastreams)."""
    ticks, n = values.shape
    rows = np.tile(np.arange(n, dtype=np.int32), ticks)
    time = np.repeat(np.arange(ticks, dtype=np.int64) * 5_000, n)
    state, told = detector.step(state, rows, time, values.ravel(), np.zeros(ticks * n, np.uint8), time)
    return state, np.stack([told.score, told.expected, told.low, told.high]).reshape(4, ticks, n)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: rng.standard_normal(shape),
        lambda rng, shape: rng.laplace(size=shape),
        lambda rng, shape: rng.gamma(3.0, 50.0, shape),
        lambda rng, shape: rng.standard_t(5, shape),
    ],
    ids=["normal", "laplace", "gamma", "t5"],
)
def test_it_cries_for_nothing_as_seldom_as_it_says(draw: Draw) -> None:
    """Of 1.2 million readings without an event at most three times as many pass a score as it promises."""
    detector = detectors.get("running-level")
    values = draw(np.random.default_rng(1), (9_000, 200))
    _, told = feed(detector, detector.start(200), values)
    score = told[0, 3_000:]
    assert 0.4e-2 < np.mean(score >= 2) < 2e-2
    assert np.mean(score >= 3) < 2e-3
    assert np.mean(score >= 4) < 3e-4


def test_a_young_datastream_is_judged_with_care() -> None:
    """Nothing is said of the first 12 readings, and the next 100 cry no more often than they should."""
    detector = detectors.get("running-level")
    values = np.random.default_rng(2).standard_normal((112, 2_000))
    _, told = feed(detector, detector.start(2_000), values)
    assert (told[0, :12] == 0).all()
    assert np.isnan(told[1:, :12]).all()
    assert np.isfinite(told[:, 12:]).all()
    assert np.mean(told[0, 12:] >= 3) < 1e-3


def test_the_band_holds_nine_in_ten() -> None:
    """Between low and high lie about 90 % of the readings."""
    detector = detectors.get("running-level")
    values = np.random.default_rng(3).normal(50.0, 4.0, (2_000, 50))
    _, told = feed(detector, detector.start(50), values)
    inside = (values >= told[2]) & (values <= told[3])
    assert inside[500:].mean() == pytest.approx(0.90, abs=0.02)


def test_ten_minutes_of_an_incident_do_not_teach_themselves() -> None:
    """120 readings ten deviations up leave the level within a fifth of a deviation, and the last stands out as well."""
    detector = detectors.get("running-level")
    values = np.random.default_rng(4).normal(100.0, 10.0, (1_121, 100))
    values[1_000:1_120] += 100.0
    _, told = feed(detector, detector.start(100), values)
    score, expected = np.median(told[0], axis=1), told[1].mean(axis=1)
    assert score[1_000] > 5
    assert score[1_119] > 0.9 * score[1_000]
    assert expected[1_120] == pytest.approx(expected[1_000], abs=2.0)
    assert score[1_120] < 1


def test_a_lasting_change_is_learned_in_the_end() -> None:
    """A level that stays ten deviations higher is the level after some memories."""
    detector = detectors.get("running-level")
    values = np.random.default_rng(5).normal(100.0, 10.0, (8_000, 20))
    values[1_000:] += 100.0
    _, told = feed(detector, detector.start(20), values)
    assert told[1, -1].mean() == pytest.approx(200.0, abs=5.0)
    assert np.median(told[0, -1]) < 1


def test_parameters_have_limits() -> None:
    """A memory, a floor or a wait without sense is refused with the least value."""
    with pytest.raises(detectors.BadParameter, match=r"memory is 1; use at least 2"):
        detectors.get("running-level", {"memory": 1})
    with pytest.raises(detectors.BadParameter, match=r"floor is -1; use at least 0"):
        detectors.get("running-level", {"floor": -1})
    with pytest.raises(detectors.BadParameter, match=r"ready is 1; use at least 2"):
        detectors.get("running-level", {"ready": 1})
