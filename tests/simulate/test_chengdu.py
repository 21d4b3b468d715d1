"""What Chengdu's sensors say."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.city import City as Pack
from config.register import Register
from models.calendar import WORKDAY
from sensors.simulate import chengdu
from sensors.simulate.chengdu import City, history
from sensors.simulate.schedule import Schedule
from tests.simulate.rig import DAY, HOUR, MINUTE, START_MS, S, in_zone, joined, rows_of

MIDNIGHT = START_MS // DAY * DAY - 8 * HOUR + DAY  # 2026-09-22 00:00 in Chengdu, a Tuesday
NATIONAL_DAY = MIDNIGHT + 9 * DAY  # 2026-10-01
SATURDAY = MIDNIGHT - 10 * DAY  # 2026-09-12


@pytest.fixture(scope="module")
def sample(city: City) -> tuple[np.ndarray, np.ndarray]:
    """Readings of all kinds, under incidents and faults, in no order."""
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.integers(0, len(city.register), 6_000), rng.permutation(np.flatnonzero(city.part > 1))])
    return rows, START_MS + rng.integers(-2 * DAY, 20 * MINUTE, len(rows))


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_values_do_not_depend_on_the_batch(
    data: st.DataObject, city: City, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    """Asked in any order and cut anywhere, every reading is the same."""
    rows, times = sample
    whole = city.values(rows, times)
    order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(rows))
    cut = data.draw(st.integers(1, len(rows) - 1))
    parts = joined(city.values(rows[part], times[part]) for part in (order[:cut], order[cut:]))
    np.testing.assert_array_equal(parts, whole[order])


def test_two_cities_of_one_seed_agree(pack: Pack, register: Register, sample: tuple[np.ndarray, np.ndarray]) -> None:
    """A city built again says the same; one of another seed does not."""
    one, again, other = (chengdu.simulated(pack, register, START_MS, None, seed) for seed in (5, 5, 6))
    values = one.values(*sample)
    np.testing.assert_array_equal(values, again.values(*sample))
    assert (values == other.values(*sample)).mean() < 0.5


def test_nothing_asked_nothing_said(city: City) -> None:
    """No datastreams give no values."""
    assert city.values(np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == []


def test_values_are_in_the_registered_range(city: City, sample: tuple[np.ndarray, np.ndarray]) -> None:
    """Even failing sensors stay within what the register takes, so that no reading is refused."""
    rows, times = sample
    values = city.values(rows, times)
    said = ~np.isnan(values)
    assert said.mean() > 0.99
    assert (values[said] >= city.register.low[rows[said]]).all()
    assert (values[said] <= city.register.high[rows[said]]).all()


def test_people_are_whole_and_within_capacity(calm: City) -> None:
    """A camera counts whole people, and never more than fit into its view."""
    rows = rows_of(calm.register, "people")
    peak = calm.values(rows, NATIONAL_DAY + 19 * HOUR)
    assert (peak == np.floor(peak)).all()
    assert (peak <= calm.crowd.capacity[calm._place[rows]]).all()
    assert peak.max() > 60


def test_the_day_has_a_rhythm(calm: City, register: Register) -> None:
    """The city is emptiest before dawn and fullest in the evening of a working day."""
    rows = rows_of(register, "people")
    hours = [float(calm.values(rows, MIDNIGHT + hour * HOUR).mean()) for hour in (4, 8, 12, 18)]
    assert hours[0] < 0.2 * min(hours[1:])
    assert max(hours) == hours[3]


def test_holidays_fill_the_sights(calm: City, register: Register, pack: Pack) -> None:
    """On National Day the sights hold three times the people of a working day, and the offices half."""
    sight = in_zone(register, pack.index["kuanzhai-alley"], "people")
    office = in_zone(register, pack.index["jiaozi-park"], "people")
    at = {day: day + 11 * HOUR for day in (MIDNIGHT, SATURDAY, NATIONAL_DAY)}
    sights = {day: calm.values(sight, time).mean() for day, time in at.items()}
    assert sights[NATIONAL_DAY] > 1.5 * sights[SATURDAY] > 1.5 * 1.5 * sights[MIDNIGHT]
    assert calm.values(office, NATIONAL_DAY + 9 * HOUR).mean() < 0.5 * calm.values(office, MIDNIGHT + 9 * HOUR).mean()


def test_counts_are_over_dispersed(calm: City, register: Register) -> None:
    """Within a minute a camera's counts vary more than Poisson's would, but not without bounds."""
    rows = rows_of(register, "people")[:4_000]
    times = MIDNIGHT + 12 * HOUR + 5 * S * np.arange(24)
    counts = np.stack([calm.values(rows, time) for time in times.tolist()])
    mean, variance = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    busy = mean > 8
    ratio = (variance[busy] / mean[busy]).mean()
    assert 1.3 < ratio < 3.5


def test_places_of_a_district_share_its_mood(calm: City, register: Register) -> None:
    """Sums of one district's halves move together over hours, beyond the rhythm; those of two districts do not."""
    rows = rows_of(register, "people")
    district = register.frame["district"].to_numpy()[rows]
    noons = MIDNIGHT + 12 * HOUR + DAY * np.arange(60)
    days = noons[calm.calendar.day_kind(calm.calendar.local(noons)) == WORKDAY]
    one, other = rows[district == "510107"], rows[district == "510114"]
    groups = one[::2], one[1::2], other[::2]
    sums = np.log([[calm.values(group, int(day)).sum() for group in groups] for day in days])
    together = np.corrcoef(sums.T)
    assert together[0, 1] > 0.9
    assert abs(together[0, 2]) < 0.5


def test_unknown_properties_have_no_value(calm: City) -> None:
    """What the simulator does not know it does not make up."""
    frame = calm.register.frame.with_columns(property=pl.lit("smell"))
    other = City(Register(frame), calm.places, calm.calendar, calm.seed)
    assert not other.known.any()
    assert np.isnan(other.values(np.arange(50), START_MS)).all()


def test_rain_and_water_belong_together(calm: City, register: Register) -> None:
    """Some hours of a month are wet, most are dry, and water stands where it has rained."""
    rain, gauges = rows_of(register, "rainfall"), rows_of(register, "water_level")
    hours = MIDNIGHT + HOUR * np.arange(30 * 24)
    wet = np.array([calm.values(rain, int(hour)).mean() for hour in hours])
    water = np.array([calm.values(gauges, int(hour)).mean() for hour in hours])
    assert 0.02 < (wet > 1).mean() < 0.3
    assert np.corrcoef(wet, water)[0, 1] > 0.8
    assert water.max() < 0.15  # floods are injected


def test_a_second_of_the_city_is_cheap(city: City) -> None:
    """The 19,000 readings of a second take well under 50 ms."""
    schedule = Schedule(np.flatnonzero(city.known), city.register.frame["cadence_s"].to_numpy()[city.known])
    rows, times = schedule.due(START_MS + 30 * S, START_MS + 31 * S)
    assert 18_900 < len(rows) < 19_200
    took = []
    for _ in range(5):
        began = time.perf_counter()
        city.values(rows, times)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05


def test_history_comes_in_time_order_per_shard(city: City, register: Register) -> None:
    """The history holds every datastream once a step, ends before the feed begins, and is in order in each shard."""
    newest = dict.fromkeys(range(register.shards), 0)
    seen = np.zeros(len(register), np.int64)
    for batch in history(city, START_MS, days=0.25, step_s=7200):
        shard = {int(number) for number in register.shard[batch.datastream]}
        assert len(shard) == 1
        assert (np.diff(batch.time) >= 0).all()
        assert batch.time[0] >= newest[min(shard)]
        newest[min(shard)] = int(batch.time[-1])
        seen[batch.datastream] += 1
        assert not np.isnan(batch.value).any()
    assert START_MS - 2 * HOUR < max(newest.values()) < START_MS
    assert (seen == 3).mean() > 0.99 and seen.max() == 3


def test_history_is_what_was_said(city: City) -> None:
    """A reading of the history is the one the city gives for that moment."""
    batch = next(iter(history(city, START_MS, days=0.25)))
    np.testing.assert_array_equal(batch.value, city.values(batch.datastream, batch.time))
