"""A pack of sensors nobody has simulated before: assets placed, values with their rhythm, weather and states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from config import city as cities
from config import register as registers
from config.city import City
from config.pack import FOLDER, Pack, PackError, parse
from models.calendar import UTC
from sensors.simulate import chengdu, pack_assets
from sensors.simulate.pack_values import Sensors
from sensors.simulate.places import places
from tests.config.test_packs import Declared, change, sound

TUESDAY_MS = 1_751_328_000_000  # 2025-07-01 00:00 UTC
HOUR_MS = 3_600_000
MANY = 20_000


def noise(**said: Any) -> Declared:
    """The pack ``noise``, whose microphones say this."""
    declared = sound()
    declared["simulate"] = {
        "assets": [
            {"kind": "microphone", "count": 300, "name": {"en": "microphone", "zh": "噪声监测点"}},
            {"kind": "lamp", "per_zone": 3, "at": "venue", "name": {"en": "lamp", "zh": "路灯"}},
        ],
        "readings": [{"property": "loudness", **said}],
    }
    return declared


def pack(**said: Any) -> Pack:
    """The same, loaded."""
    return parse(noise(**said), FOLDER / "noise")


def sensors(**said: Any) -> Sensors:
    """The microphones, at many points of the middle of Chengdu."""
    (reading,) = pack(**said).simulated.readings
    return Sensors(reading, 7, UTC, (104.06, 30.65), np.full(MANY, 104.06), np.full(MANY, 30.65))


def said(of: Sensors, hour: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What all points say at an hour of the week that begins on a Tuesday."""
    return of.values(np.arange(MANY), np.full(MANY, TUESDAY_MS + int(hour * HOUR_MS)))


def test_the_rhythm_and_the_noise_are_those_declared() -> None:
    """At night about the base, at the peak of the office day more by the swing, around it the noise."""
    of = sensors(base=50, swing=20, rhythm="office", noise=2, digits=3)
    assert said(of, 4).mean() == pytest.approx(51, abs=1)
    assert 65 <= said(of, 8.7).mean() <= 74
    assert said(of, 4).std() == pytest.approx(2, rel=0.05)


def test_weekends_and_holidays_are_coupled() -> None:
    """The swing of a Saturday is times the factor."""
    plain, more = (sensors(base=40, swing=20, rhythm="leisure", weekend=factor) for factor in (1, 2))
    saturday = 4 * 24 + 16
    assert said(more, saturday).mean() - 40 == pytest.approx(2 * (said(plain, saturday).mean() - 40), rel=0.02)
    assert said(more, 16).mean() == said(plain, 16).mean()


def test_counts_are_whole_and_scatter_as_chance_does() -> None:
    """The variance of a count is its mean."""
    counted = said(sensors(base=60, counts=True, digits=0), 12)
    assert (counted == np.round(counted)).all()
    assert counted.var() == pytest.approx(counted.mean(), rel=0.05)


def test_who_comes_into_a_state_is_who_shows_it_then() -> None:
    """Each begin that is told is a sensor that was not in the state a second before, or whose turn comes again."""
    of = sensors(base=30, state={"share": 0.01, "lasts": "10m", "to": 90}, digits=0)
    begun = of.states(TUESDAY_MS, TUESDAY_MS + HOUR_MS)
    assert len(begun) == pytest.approx(6 * MANY * 0.01, rel=0.15)
    points, starts, ends = (np.array(column) for column in zip(*begun, strict=True))
    assert set(ends - starts) == {600_000}
    assert (of.values(points, starts) == 90).all() and (of.values(points, ends - 1) == 90).all()
    assert (of.values(points, starts - 1) == 30).mean() > 0.97
    assert sorted(starts) == starts.tolist()
    assert begun == of.states(TUESDAY_MS, TUESDAY_MS + 1_000_000) + of.states(
        TUESDAY_MS + 1_000_000, TUESDAY_MS + HOUR_MS
    )


def test_one_comes_into_the_state_first_so_that_a_demo_shows_it() -> None:
    """With ``first`` the sensor nearest to the middle is in the state so long after the start; without a start none."""
    (reading,) = pack(base=30, state={"share": 0, "lasts": "10m", "to": 90, "first": "20s"}).simulated.readings
    lon = np.array([104.2, 104.06, 103.9])
    of, calm = (Sensors(reading, 7, UTC, (104.06, 30.65), lon, np.full(3, 30.65), at) for at in (TUESDAY_MS, None))
    seen = [of.values(np.arange(3), np.full(3, TUESDAY_MS + second * 1000)).tolist() for second in (19, 20, 619, 620)]
    assert seen == [[30, 30, 30], [30, 90, 30], [30, 90, 30], [30, 30, 30]]
    assert of.states(TUESDAY_MS, TUESDAY_MS + HOUR_MS) == [(1, TUESDAY_MS + 20_000, TUESDAY_MS + 620_000)]
    assert calm.states(TUESDAY_MS, TUESDAY_MS + HOUR_MS) == []


def test_a_state_holds_for_as_many_assets_and_as_long_as_declared() -> None:
    """One in a hundred is on at any moment, and stays so for ten minutes."""
    of = sensors(base=30, state={"share": 0.01, "lasts": "10m", "to": 100})
    on = np.array([said(of, 12 + minute / 60) == 100 for minute in range(60)])
    assert on.mean() == pytest.approx(0.01, rel=0.15)
    begun = np.diff(on.astype(int), axis=0).clip(0).sum()
    assert on[1:].sum() / begun == pytest.approx(10, rel=0.15)


def test_rain_comes_through_with_its_lag() -> None:
    """What the rain adds is what fell so long before."""
    dry, wet = sensors(base=30), sensors(base=30, rain={"adds": 0.5, "lags": "30m"}, digits=6)
    hours = TUESDAY_MS + np.arange(24 * 60) * HOUR_MS
    one = np.zeros(len(hours), np.int64)
    said = wet.values(one, hours)
    assert said.max() > 30.5
    assert (dry.values(one, hours) == 30).all()
    np.testing.assert_allclose(said, 30 + 0.5 * wet._weather.rain(one, hours - HOUR_MS // 2), atol=1e-5)


def test_a_reading_can_be_asked_for_again() -> None:
    """In another order and another batch it is the same."""
    of = sensors(base=50, swing=10, rhythm="road", noise=3, wander={"by": 2, "over": "4h"}, wind={"adds": 0.3})
    whole = said(of, 9)
    some = np.array([19_000, 3, 77])
    assert of.values(some, np.full(3, TUESDAY_MS + 9 * HOUR_MS)).tolist() == whole[some].tolist()


def test_values_stay_within_the_range_that_can_be_true() -> None:
    """Whatever is declared, no reading of it goes to the dead letters."""
    values = said(sensors(base=135, noise=20), 12)
    assert (values.min(), values.max()) == (pytest.approx(20, abs=60), 140)


@pytest.fixture(scope="module")
def city() -> City:
    """Chengdu."""
    return cities.load("chengdu")


def test_assets_are_placed_by_residents_and_in_zones(city: City) -> None:
    """So many in all, or so many in each venue, all inside the city, with names in both languages."""
    made = pack_assets.assets(city, places(city), [pack()], ["camera"], 1)
    venues = sum(zone.kind == "venue" for zone in city.zones)
    assert dict(made.group_by("kind").len().rows()) == {"microphone": 300, "lamp": 3 * venues}
    assert made["asset"].n_unique() == made.height
    assert made.filter(pl.col("kind") == "lamp")["name_zh"].str.contains("号路灯").all()
    built, rejects = registers.build(city, made, pack().watched)
    assert rejects == []
    assert len(built) == made.height


def test_the_simulated_city_says_what_the_pack_declares(city: City) -> None:
    """Known to the simulator, each with a value, beside what the city has of its own."""
    noisy = pack(base=50, noise=1)
    made = pack_assets.assets(city, places(city), [noisy], [], 1)
    built, _ = registers.build(city, made, noisy.watched)
    whole = chengdu.City(built, places(city), city.calendar, 1, None, None, 0.0, noisy.simulated.readings)
    assert whole.known.all()
    values = whole.values(np.arange(len(built)), TUESDAY_MS)
    assert values.mean() == pytest.approx(50, abs=0.5)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (change("simulate.assets.0.kind", "microfone"), 'assets[0].kind: "microfone" is watched by no datastream; did'),
        (change("simulate.assets.0.count", None), "assets[0]: microphone: give count or per_zone, one of the two"),
        (change("simulate.assets.1.at", "venu"), 'assets[1].at: "venu" is no kind of zone; did you mean "venue"?'),
        (change("simulate.assets.0.count", 10**7), "assets[0].count: 10000000 is out of bounds; write at most 200000"),
        (change("simulate.readings.0.property", "loud"), 'readings[0].property: "loud" is not watched here'),
        (
            change("simulate.readings.0.rhythm", "ofice"),
            'readings[0].rhythm: "ofice" is unknown; did you mean "office"',
        ),
        (change("simulate.readings.0.noise", -1), "readings[0].noise: -1 is out of bounds; write at least 0"),
        (change("simulate.readings.0.model", "rain"), "readings[0].base: model: rain says it all; take out base"),
        (
            change("simulate.readings.0.state", {"share": 2, "lasts": "1m"}),
            "readings[0].state.share: 2 is out of bounds",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(break_it: Callable[[Declared], None], says: str) -> None:
    """With key, value and remedy."""
    declared = noise(base=50)
    break_it(declared)
    with pytest.raises(PackError) as refused:
        parse(declared, FOLDER / "noise")
    assert str(refused.value).startswith(f"noise/pack.yaml: simulate.{says}")
