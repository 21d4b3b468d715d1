"""Injected incidents: seen where and when they should be, and nowhere else."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from config.city import City as Pack
from config.register import Register
from sensors.simulate.chengdu import City
from sensors.simulate.declared import FeedError
from sensors.simulate.incidents import KINDS, SIZES, IncidentKind, Sites, demo
from sensors.simulate.places import Places, Scripted
from tests.simulate.rig import GATEWAYS, HOUR, MINUTE, START_MS, S, in_zone, rows_of, without_incidents


@pytest.fixture(scope="module")
def sites(found: Places) -> Sites:
    """Where incidents can be."""
    return Sites(found, GATEWAYS)


def test_the_first_surge_is_at_chunxi_road(city: City, register: Register, pack: Pack) -> None:
    """Twenty seconds after the start the people on Chunxi Road become three to four times as many, for four minutes."""
    rows = in_zone(register, pack.index["chunxi-road"], "people")

    def people(second: int) -> float:
        return float(np.nansum(city.values(rows, START_MS + second * S)))

    before = people(15)
    assert people(19) == pytest.approx(before, rel=0.15)
    assert before * 1.5 < people(25) < before * 3
    assert [2.9 < people(second) / before < 4.0 for second in (31, 60, 150, 240)] == [True] * 4
    assert people(265) == pytest.approx(before, rel=0.3)


def test_a_surge_ends_at_its_radius(city: City, sites: Sites) -> None:
    """Beyond the radius of a surge nothing changes."""
    surge = sites.incident("venue-surge", "chunxi-road", START_MS)
    with_surge, calm = without_incidents(city, surge), without_incidents(city)
    rows = rows_of(city.register, "people")
    changed = with_surge.values(rows, START_MS + MINUTE) != calm.values(rows, START_MS + MINUTE)
    felt = with_surge.reach(surge)[rows] > 0
    assert not changed[~felt].any()
    assert changed[felt].mean() > 0.6
    assert 600 < felt.sum() < 2_500


def test_a_surge_at_night_is_still_a_crowd(city: City, register: Register, pack: Pack, sites: Sites) -> None:
    """At four in the morning a surge brings people too, measured by the place's daytime."""
    night = START_MS // (24 * HOUR) * 24 * HOUR + 20 * HOUR  # 04:00 in Chengdu
    surged = without_incidents(city, sites.incident("venue-surge", "chunxi-road", night))
    rows = in_zone(register, pack.index["chunxi-road"], "people")
    before, during = (float(surged.values(rows, night + second * S).sum()) for second in (-10, 60))
    assert during > before + 5 * len(rows)


def test_gates_count_the_surge_too(city: City, register: Register, pack: Pack, sites: Sites) -> None:
    """The gates of a venue in a surge count more visitors."""
    surged = without_incidents(city, sites.incident("venue-surge", "panda-base", START_MS))
    rows = in_zone(register, pack.index["panda-base"], "visitors")
    before, during = (float(surged.values(rows, START_MS + second * S).sum()) for second in (-10, 60))
    assert during > 1.5 * before


def test_a_spike_is_one_camera(city: City, sites: Sites) -> None:
    """A camera spike changes exactly one datastream."""
    spike = sites.incident("camera-spike", "global-center", START_MS)
    spiked, calm = without_incidents(city, spike), without_incidents(city)
    rows = np.arange(len(city.register))
    changed = np.flatnonzero(spiked.values(rows, START_MS + S) != calm.values(rows, START_MS + S))
    assert changed.tolist() == np.flatnonzero(spiked.reach(spike)).tolist()
    assert len(changed) == 1
    assert spiked.values(changed, START_MS + S)[0] >= 2 * calm.values(changed, START_MS + S)[0]


def test_stuck_cameras_repeat_themselves(city: City, sites: Sites) -> None:
    """All cameras of a stuck place say what they said at its start, for as long as it lasts."""
    stuck = sites.incident("stuck-cameras", "east-station", START_MS)
    broken = without_incidents(city, stuck)
    rows = np.flatnonzero(broken.reach(stuck))
    first = broken.values(rows, START_MS)
    assert len(rows) > 100 and first.std() > 0
    for second in (7, 100, 359):
        np.testing.assert_array_equal(broken.values(rows, START_MS + second * S), first)
    assert (broken.values(rows, START_MS + 365 * S) != first).mean() > 0.5


def test_a_silent_gateway_takes_all_behind_it(city: City, sites: Sites) -> None:
    """Every datastream behind a silent gateway is silent, and no other."""
    quiet = without_incidents(city, sites.incident("silent-gateway", "11", START_MS))
    assert quiet.gateway is not None
    values = quiet.values(np.arange(len(city.register)), START_MS + S)
    np.testing.assert_array_equal(np.isnan(values), quiet.gateway == 10)


def test_water_rises_with_the_rain(city: City, register: Register, sites: Sites) -> None:
    """Where a ponding incident is, rain pours first and water rises to 0.45 m at its middle within its ramp."""
    flood = sites.incident("ponding", "510106", START_MS)
    flooded = without_incidents(city, flood)
    felt = flooded.reach(flood) >= 1
    gauges = np.intersect1d(rows_of(register, "water_level"), np.flatnonzero(felt))
    rain = np.intersect1d(rows_of(register, "rainfall"), np.flatnonzero(flooded.reach(flood)))
    levels = [float(flooded.values(gauges, START_MS + second * S).max()) for second in (0, 50, 150, 400)]
    assert levels[0] < levels[1] < levels[2]
    assert levels[0] < 0.15 and levels[3] == pytest.approx(0.46, abs=0.1)
    assert flooded.values(rain, START_MS + 400 * S).max() > 30


def test_the_show_begins_with_a_modest_pond(city: City, found: Places, register: Register) -> None:
    """The first water of the demo passes the warning line within two minutes, stays below the closing line, in rain."""
    first = min(demo(found, 1, START_MS, GATEWAYS).fixed, key=lambda one: one.start_ms)
    pond = without_incidents(city, first)
    felt = np.flatnonzero(pond.reach(first))
    gauges, rain = (np.intersect1d(rows_of(register, name), felt) for name in ("water_level", "rainfall"))
    times = [START_MS + second * S for second in range(0, 440, 15)]
    levels = [float(pond.values(gauges, at).max()) for at in times]
    assert first.kind == "ponding"
    assert next(at for at, level in zip(times, levels, strict=True) if level >= 0.15) < START_MS + 90 * S
    assert 0.18 < max(levels) < 0.26
    assert 20 < pond.values(rain, START_MS + 300 * S).max() < 40


def test_strength_ramps(sites: Sites) -> None:
    """An incident grows over its ramp, holds, and goes over the last ramp."""
    surge = sites.incident("venue-surge", "jinli", START_MS)
    at = np.array([-1, 0, 5, 10, 120, 235, 240, 300]) * S + START_MS
    assert surge.strength(at).tolist() == [0, 0, 0.5, 1, 1, 0.5, 0, 0]


def test_the_show_has_every_kind_and_goes_on(found: Places) -> None:
    """The demo shows each kind within ten minutes, and one more each four minutes for as long as it runs."""
    timetable = demo(found, 1, START_MS, GATEWAYS)
    first = timetable.between(START_MS, START_MS + 10 * MINUTE - 1)
    assert {one.kind for one in first} == set(KINDS)
    surge = next(one for one in first if one.kind == "venue-surge")
    assert (surge.place, surge.start_ms) == ("chunxi-road", START_MS + 20 * S)
    later = START_MS + 30 * 24 * HOUR
    starts = [one.start_ms for one in timetable.between(later, later + HOUR) if one.start_ms >= later]
    assert len(starts) == 15
    assert set(np.diff(starts).tolist()) == {4 * MINUTE}
    assert len({one.place for one in timetable.between(later, later + 12 * HOUR)}) > 30


def test_between_is_the_same_however_it_is_cut(found: Places) -> None:
    """What is found in two halves is what is found in the whole."""
    timetable = demo(found, 1, START_MS, GATEWAYS)
    whole = timetable.between(START_MS, START_MS + HOUR)
    parts = [timetable.between(START_MS + cut * MINUTE, START_MS + (cut + 1) * MINUTE) for cut in range(60)]
    assert {one for part in parts for one in part} == set(whole)


def test_at_most_two_crowds_at_once(found: Places) -> None:
    """The wall stays calm: at no moment of a day are there more than five incidents, or two crowds after the start."""
    timetable = demo(found, 1, START_MS, GATEWAYS)
    moments = [timetable.between(START_MS + m * MINUTE, START_MS + m * MINUTE + 1) for m in range(24 * 60)]
    assert max(len(moment) for moment in moments) <= 5
    assert max(sum(one.kind in ("venue-surge", "metro-crowd") for one in moment) for moment in moments[10:]) <= 2


def test_without_gateways_none_falls_silent(found: Places) -> None:
    """A city whose gateways are not known has no silent gateway in its show."""
    kinds = {one.kind for one in demo(found, 1, START_MS, 0).between(START_MS, START_MS + 5 * HOUR)}
    assert kinds == set(KINDS) - {"silent-gateway"}


@pytest.mark.parametrize(
    ("kind", "place", "says"),
    [("earthquake", "jinli", "'earthquake' is no kind of incident"), ("venue-surge", "mars", "can be at 'mars'")],
)
def test_a_wrong_script_is_refused(found: Places, kind: str, place: str, says: str) -> None:
    """An incident that cannot be is refused with the choices there are."""
    wrong = msgspec.structs.replace(found.incidents[0], kind=kind, place=place)
    assert isinstance(wrong, Scripted)
    with pytest.raises(FeedError, match=says):
        demo(_with(found, wrong), 1, START_MS, GATEWAYS)


def _with(found: Places, incident: Scripted) -> Places:
    return Places(found.seed, found.hubs, found.towns, found.districts, found.centre, (incident,), found.rounds)


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_can_be(sites: Sites, kind: IncidentKind) -> None:
    """Each kind has places, and an incident of its size can be at each of them."""
    assert {sites.incident(kind, place, 0).duration_s for place in sites.choices(kind)} == {SIZES[kind].duration_s}
