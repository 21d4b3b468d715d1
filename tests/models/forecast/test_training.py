"""Trees that learn what the profile misses, and whether they are better than those there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.calendar import UTC
from models.forecast import growing, quantiles
from models.forecast.corrected import Corrected, uncorrected
from models.forecast.growing import TooLittle
from models.forecast.profile import ProfileForecaster
from models.forecast.quantiles import Learned
from models.forecast.steps import FEATURES, Steps
from models.forecast.training import replayed, tried
from models.forecast.trees import BadTrees
from models.forecast.values import HORIZONS_MIN, PROFILE
from models.forecast.zones import Outlook

FORECASTER = ProfileForecaster(cadence_s=3600)
ZONES = ("square", "station", "mall")
DAY = 24


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    """A quarter of the trees teach enough here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "TREES", 25)
        yield


@pytest.fixture(scope="module")
def steps() -> Steps:
    """Forty days of three zones that rise and fall together from hour to hour, which a profile cannot know."""
    rng = np.random.default_rng(0)
    hours = np.arange(40 * DAY)
    usual = 400 + 200 * np.sin(2 * np.pi * hours / DAY)
    wave = np.repeat(rng.normal(scale=0.3, size=len(hours) // 2), 2)  # each lasts two hours: the second is no surprise
    values = usual[:, None] * np.exp(wave[:, None]) * np.array([1.0, 2.0, 0.5])
    return replayed(0, rng.poisson(values).astype(float), FORECASTER, UTC)


@pytest.fixture(scope="module")
def learned(steps: Steps) -> Learned:
    """Trees that were taught with all but the last five days."""
    return growing.learn(steps, 35 * DAY, UTC, ZONES, np.random.default_rng(0))


def errors(steps: Steps, learned: Learned, first: int) -> tuple[float, float]:
    """Mean absolute error of the trees and of the profile from row ``first`` on, in deviations, an hour ahead."""
    at = np.arange(first, len(steps) - 1, dtype=np.int64)
    middle, _, _ = learned.ahead(steps, at, UTC, ZONES)
    missed = steps.missed(at, 2)
    return float(np.nanmean(np.abs(missed - middle[..., 2]))), float(np.nanmean(np.abs(missed)))


def test_trees_know_what_the_profile_misses(steps: Steps, learned: Learned) -> None:
    """On days they were not taught with they miss by less than the profile alone."""
    trees, profile = errors(steps, learned, 35 * DAY)
    assert trees < 0.95 * profile


def test_quantiles_are_in_order(steps: Steps, learned: Learned) -> None:
    """The wider band holds the narrower, and the middle lies in both."""
    at = np.arange(30 * DAY, 31 * DAY, dtype=np.int64)
    middle, low, high = (part[:, :, 2] for part in learned.ahead(steps, at, UTC, ZONES))
    assert (low[..., 1] <= low[..., 0]).all()
    assert (low[..., 0] <= middle).all()
    assert (middle <= high[..., 0]).all()
    assert (high[..., 0] <= high[..., 1]).all()


def test_nothing_after_the_cut_is_looked_at(steps: Steps, learned: Learned) -> None:
    """Trees are the same whatever came later."""
    cut = 35 * DAY
    x, told = steps.x.copy(), steps.told.copy()
    x[cut:], told[cut:] = 99.0, 99.0
    again = growing.learn(replace(steps, x=x, told=told), cut, UTC, ZONES, np.random.default_rng(0))
    for name, array in learned.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])


def test_a_forecast_does_not_know_its_outcome(steps: Steps, learned: Learned) -> None:
    """What is told at a row is the same when everything after it is gone."""
    at = np.array([36 * DAY], np.int64)
    whole = learned.ahead(steps, at, UTC, ZONES)
    cut = learned.ahead(steps.part(0, 36 * DAY + 1), at, UTC, ZONES)
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_version_is_the_same_after_saving(steps: Steps, learned: Learned) -> None:
    """Plain arrays, and back."""
    again = quantiles.load(learned.arrays())
    at = np.arange(36 * DAY, 37 * DAY, dtype=np.int64)
    for one, other in zip(learned.ahead(steps, at, UTC, ZONES), again.ahead(steps, at, UTC, ZONES), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.zones == ZONES


def test_trees_for_other_features_are_refused(learned: Learned) -> None:
    """A release that looks at other things cannot use them."""
    arrays = {**learned.arrays(), "features": np.array([*FEATURES[:-1], "moon"])}
    with pytest.raises(BadTrees, match="other features; train again"):
        quantiles.load(arrays)


def test_too_little_is_said(steps: Steps) -> None:
    """With what there is and what is needed."""
    with pytest.raises(TooLittle, match=r"holds 3\.0 days; at least 4 are needed"):
        tried(steps.part(0, 72), UTC, ZONES, {}, "new", np.random.default_rng(0))


def test_better_trees_win_on_the_last_day(steps: Steps) -> None:
    """New trees beat the profile alone, and trees that were taught with nonsense."""
    rng = np.random.default_rng(1)
    nonsense = replace(steps, x=rng.permuted(steps.x, axis=0))
    rotten = growing.learn(nonsense, 35 * DAY, UTC, ZONES, rng)
    trial = tried(steps, UTC, ZONES, {"rotten": rotten}, "new", rng)
    assert trial.best("new") == "new"
    assert trial.losses["new"] < trial.losses[PROFILE] < trial.losses["rotten"]


def test_the_version_before_stays_when_the_new_one_is_worse(steps: Steps, learned: Learned) -> None:
    """Taught while a fault made nonsense of the archive, the new trees lose against those there are."""
    rng = np.random.default_rng(2)
    x = steps.x.copy()
    x[: 39 * DAY] = rng.permuted(x[: 39 * DAY], axis=0)
    trial = tried(replace(steps, x=x), UTC, ZONES, {"good": learned}, "new", rng)
    assert trial.best("new") in ("good", PROFILE)
    assert trial.losses["good"] < trial.losses["new"]


def outlook(steps: Steps, last: int) -> Outlook:
    """The profile's forecast at the end of row ``last``."""
    known = steps.part(0, last + 1)
    half = np.repeat(known.deviation[-1][:, None, None] * np.array([1.28, 1.64]), 3, axis=1).astype(float)
    return Outlook("people", np.arange(3, dtype=np.int32), True, known.told[-1].T.astype(float), half, known)


def test_bands_that_people_see_cover_what_they_say(steps: Steps, learned: Learned) -> None:
    """Hour by hour over five days the 80 % and 90 % bands hold about so many of what came."""
    corrected = Corrected(learned, ZONES, UTC)
    inside, n = np.zeros(2), 0
    for last in range(33 * DAY, len(steps) - 1):
        now = outlook(steps, last)
        corrected.show(now.steps)
        told = corrected.forecast(now)
        assert told is not None
        came = steps.x[last + 1] ** 2 - 0.375
        inside += ((came[:, None] >= told.low[:, 2]) & (came[:, None] <= told.high[:, 2])).sum(0)
        n += 3
    assert inside / n == pytest.approx([0.8, 0.9], abs=0.06)


def test_steps_shown_one_by_one_or_together_tell_the_same(steps: Steps, learned: Learned) -> None:
    """What is told depends on the steps alone, not on when it was looked at them."""
    often, once = Corrected(learned, ZONES, UTC), Corrected(learned, ZONES, UTC)
    first, last = 36 * DAY, 37 * DAY
    for row in (first, *range(first + 1, last, 3), last):
        often.show(outlook(steps, row).steps)
    once.show(outlook(steps, first).steps)
    once.show(outlook(steps, last).steps)
    one, other = often.forecast(outlook(steps, last)), once.forecast(outlook(steps, last))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.low, other.low)
    np.testing.assert_array_equal(one.middle, other.middle)


def test_a_zone_that_trees_do_not_know_is_still_forecast(steps: Steps, learned: Learned) -> None:
    """A new zone has no number; where the profile is silent so is the forecast."""
    corrected = Corrected(learned, ("square", "new place", "mall"), UTC)
    now = outlook(steps, 36 * DAY)
    corrected.show(now.steps)
    told = corrected.forecast(now)
    assert told is not None
    assert np.isfinite(told.middle[:, 2]).all()
    assert np.isnan(told.middle[:, :2]).all()
    assert np.isfinite(uncorrected(now).middle[:, HORIZONS_MIN.index(60)]).all()
