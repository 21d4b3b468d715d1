"""Rules that look at how fast a level rises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.batch import batch
from models.calendar import UTC
from models.engine import Engine
from models.forecast.trend import Trend, rising
from models.rules import Rule
from models.values import Text
from tests.models.shard import GROUPS, layout

MINUTE = 60_000
GAUGE = 7  # a datastream that measures water
FAST = Rule(
    "test", "Fast", "datastreams", "water", "rise >= 30 AND value >= 3", "rise < 10", "Moderate",
    Text("{place} rises {rise} {unit} an hour", "{place}每小时{rise}"), for_ms=MINUTE,
)  # fmt: skip
WATER = [1.0] * 20 + [1.0 + k for k in range(10)] + [11.0] * 20  # one a minute, for ten minutes


def engine() -> Engine:
    """A shard whose gauges report each minute, with a rule on their rise and on no line."""
    groups = tuple(replace(group, cadence_s=60.0) for group in GROUPS)
    return Engine(replace(layout(), groups=groups, tick_ms=MINUTE, lateness_ms=1), (FAST,), UTC)


def told(one: Engine, first: int, values: list[float], size: int) -> list[tuple[str, int, str]]:
    """State, minute and headline of what was detected, in batches of ``size``."""
    found: list[tuple[str, int, str]] = []
    for at in range(0, len(values), size):
        part = values[at : at + size]
        minutes = np.arange(first + at, first + at + len(part), dtype=np.int64)
        step = one.step(batch([GAUGE] * len(part), minutes * MINUTE, part))
        found += [(d.state, d.time // MINUTE, d.headline.en) for d in step.detections]
    return found


def test_the_rise_is_that_of_a_straight_line_an_hour() -> None:
    """0.02 m a minute is 1.2 m an hour; falling is below 0; before three readings nothing is known."""
    minutes = np.arange(12, dtype=np.int64)
    for slope in (0.02, -0.01, 0.0):
        trend = Trend(cadence_s=60)
        _, middle, _ = trend.step(
            trend.start(1),
            np.zeros(12, np.int32),
            minutes * MINUTE,
            np.float64(0.5) + np.float64(slope) * minutes.astype(np.float64),
        )
        rise = rising(middle)
        assert np.isnan(rise[:2]).all()
        assert rise[2:] == pytest.approx(60 * slope, abs=1e-6)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_water_that_rises_fast_is_told_and_over_when_it_rests(size: int) -> None:
    """However readings are cut, and with the state taken up by another engine in the middle of the rise."""
    whole = told(engine(), 0, WATER, 1)
    (_, began, headline), (state, over, _) = whole
    assert (22 <= began <= 29, state, 30 <= over <= 45) == (True, "cleared", True)
    assert float(headline.removeprefix("Place 7 rises ").split()[0]) >= 30
    one, other = engine(), engine()
    first = told(one, 0, WATER[:25], size)
    other.restore(one.snapshot())
    assert first + told(other, 25, WATER[25:], size) == whole
