"""Forecasts inside the engines: rules that look ahead, and state that is saved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models.batch import batch
from models.calendar import UTC
from models.engine import Engine
from models.forecast.profile import ProfileForecaster
from models.forecast.zones import POINTS, ZoneForecasts
from models.rules import Rule, RuleError
from models.values import Text
from tests.models.shard import GROUPS, layout

MINUTE, HOUR = 60_000, 3_600_000
GAUGE = 7  # a datastream that measures water
RISES = Rule(
    "test", "Rising", "datastreams", "water", "value < 27 AND minutes_to_line <= 30 AND line_probability >= 0.8",
    "value >= 27 OR line_probability < 0.3", "Severe",
    Text("{place} reaches {line} {unit} in {minutes} min ({probability} %)", "{place}{minutes}分钟"), line=27.0,
)  # fmt: skip
CROSSED = Rule("test", "Crossed", "datastreams", "water", "value >= 27", "value < 20", "Extreme", Text("x", "x"))


def engine() -> Engine:
    """A shard whose gauges have a line."""
    groups = tuple(replace(group, cadence_s=60.0) for group in GROUPS)
    return Engine(replace(layout(), groups=groups, tick_ms=MINUTE, lateness_ms=1), (RISES, CROSSED), UTC)


def storm() -> list[tuple[int, float]]:
    """Two hours of a dry gauge, then water that rises by one a minute."""
    rng = np.random.default_rng(0)
    dry = [(minute, 1 + float(rng.normal(scale=0.2))) for minute in range(120)]
    return dry + [(120 + k, 1.0 + k) for k in range(40)]


def told(one: Engine, readings: list[tuple[int, float]], size: int) -> list[tuple[str, str, int, str]]:
    """Rule, state, minute and headline of what was detected, in batches of ``size``."""
    found: list[tuple[str, str, int, str]] = []
    for first in range(0, len(readings), size):
        part = readings[first : first + size]
        minutes, values = zip(*part, strict=True)
        step = one.step(batch([GAUGE] * len(part), np.array(minutes, np.int64) * MINUTE, values))
        found += [(d.rule, d.state, d.time // MINUTE, d.headline.en) for d in step.detections]
    return found


def test_a_line_is_foretold_before_it_is_crossed() -> None:
    """The alert comes while there is time, says how much, and ends when the line is crossed."""
    found = told(engine(), storm(), 1)
    rising, crossed = (next(one for one in found if one[0] == name) for name in ("Rising", "Crossed"))
    assert crossed[2] == 146
    assert 8 <= crossed[2] - rising[2] <= 22
    assert "reaches 27 m in" in rising[3]
    assert [one[:2] for one in found] == [("Rising", "firing"), ("Rising", "cleared"), ("Crossed", "firing")]


@pytest.mark.parametrize("size", [3, 7, 160])
def test_however_readings_are_cut_the_same_is_told(size: int) -> None:
    """In batches of any size, with the state saved and taken up in the middle."""
    one, readings = engine(), storm()
    first = told(one, readings[:130], size)
    other = engine()
    other.restore(one.snapshot())
    assert first + told(other, readings[130:], size) == told(engine(), readings, 1)


def test_every_datastream_has_a_forecast() -> None:
    """Also one that no rule looks ahead for, once it was heard for a while; none when it fell silent."""
    one = engine()
    minutes = np.arange(1, 3 * 24 * 60 + 1, dtype=np.int64)
    one.step(batch([2] * len(minutes), minutes * MINUTE, 50 + 20 * np.sin(2 * np.pi * minutes / 1440)))
    now = int(minutes[-1]) * MINUTE
    forecast = one.forecasts.forecast(0, np.array([0, 1], np.int32), now)
    assert forecast.middle[0] == pytest.approx([51, 53, 55], abs=4)
    assert np.isnan(forecast.middle[1]).all()
    assert np.isnan(one.forecasts.forecast(0, np.array([0], np.int32), now + 2 * HOUR).middle).all()


def test_a_state_without_forecasts_is_refused() -> None:
    """One that an earlier release saved: the shard learns anew."""
    one = engine()
    old = {name: array for name, array in one.snapshot().items() if not name.startswith("forecasts/")}
    with pytest.raises(ValueError, match="earlier release"):
        engine().restore(old)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"line": None}, "minutes_to_line of which line"),
        ({"line": float("nan")}, "nan is no level"),
        ({"line_of": "occupancy"}, '"occupancy" of datastreams has no forecast; use one of value'),
        ({"expr": "value > 1", "clear": "value < 1"}, "neither expr nor clear uses minutes_to_line or"),
    ],
)
def test_lines_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    """With the key and the remedy."""
    with pytest.raises(RuleError, match=message):
        replace(RISES, **change)  # type: ignore[arg-type]  # as read from a file


# --- zones ----------------------------------------------------------------------------------------------------


def zones() -> ZoneForecasts:
    """Two zones of ten datastreams each, the second with room for 100 people."""
    series = np.arange(2, dtype=np.int32)
    capacity = np.array([np.nan, 100.0])
    scales = {"value": np.ones(2), "occupancy": capacity, "density": np.array([50.0, 50.0])}
    return ZoneForecasts({"people": (series, ProfileForecaster(cadence_s=60))}, UTC, np.array([10.0, 10.0]), scales)


def run(one: ZoneForecasts, first: int, last: int) -> object:
    """Minutes ``first`` to ``last`` of a day that swings between 20 and 80 people in each zone."""
    ahead = {}
    for minute in range(first, last):
        people = 50 - 30 * np.cos(2 * np.pi * minute / 1440)
        ahead = one.step(minute * MINUTE, np.array([10.0, 5.0]), np.array([people, people / 2]))
    return ahead["people"]


def test_zones_are_forecast_and_missing_datastreams_made_up_for() -> None:
    """Half of the second zone's cameras are silent: its forecast is that of the first."""
    one = zones()
    outlook = run(one, 0, 3 * 1440 + 540)
    middle = outlook.middle  # type: ignore[attr-defined]  # an Outlook
    assert middle[0] == pytest.approx(middle[1], rel=1e-6)
    assert (middle[0, -1] ** 2) == pytest.approx(50 - 30 * np.cos(2 * np.pi * 600 / 1440), abs=4)


def test_a_line_of_occupancy_is_foretold() -> None:
    """At nine in the morning a place that is always 80 % full at noon will pass 70 % within the hour; without a
    capacity nothing is told."""
    one = zones()
    outlook = run(one, 0, 3 * 1440 + 570)
    rule = Rule(
        "test", "Full", "zones", "people", "minutes_to_line <= 60", "line_probability < 0.3", "Severe", Text("x", "x"),
        line=0.66, line_of="occupancy",
    )  # fmt: skip
    frame = pl.DataFrame({"series": [0, 1, 7], "value": [65.0, 32.0, 9.0], "reporting": [1.0, 0.5, 1.0]})
    foretold = one.foretold(frame, rule, outlook)  # type: ignore[arg-type]  # an Outlook
    assert foretold["minutes_to_line"].is_null().to_list() == [True, False, True]
    assert 0 < foretold["minutes_to_line"][1] < 30
    assert foretold["line_probability"][1] > 0.8
    assert len(POINTS) == 4


def test_the_zones_state_continues_bit_for_bit() -> None:
    """Saved and taken up in the middle of a step it ends as if nothing had been."""
    whole, one, other = zones(), zones(), zones()
    run(whole, 0, 2000)
    run(one, 0, 1007)
    other.restore(one.snapshot())
    run(other, 1007, 2000)
    for name, array in whole.snapshot().items():
        np.testing.assert_array_equal(other.snapshot()[name], array)


def test_steps_without_a_tick_are_gaps() -> None:
    """After three quarters of silence three rows of steps say nothing."""
    one = zones()
    run(one, 1, 31)
    outlook = run(one, 31 + 45, 31 + 46)
    steps = outlook.steps  # type: ignore[attr-defined]  # an Outlook
    assert np.isfinite(steps.x[:, 0]).tolist() == [True, True, False, False, False]
    assert steps.first == 0
