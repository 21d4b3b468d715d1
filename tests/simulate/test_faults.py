"""Sensors that fail, and the truth about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensors.simulate.chengdu import City
from sensors.simulate.faults import DAILY_SHARE, SILENT, SPIKES, STUCK, ZERO, faults
from sensors.simulate.truth import Truth, read, records
from tests.simulate.rig import DAY, HOUR, MINUTE, START_MS, S, without_incidents

TODAY = START_MS // DAY


@pytest.fixture(scope="module")
def failing(city: City) -> City:
    """A calm city in which a twentieth of the sensors fails each day."""
    return without_incidents(city, fault_share=0.05)


@pytest.mark.parametrize("kind", [STUCK, SILENT, ZERO, SPIKES])
def test_a_fault_shows_in_its_window_and_only_there(failing: City, calm: City, kind: int) -> None:
    """Within its window a failing sensor is stuck, silent, at zero or spiking; outside it is sound."""
    windows = failing.failures(TODAY)
    rows = np.flatnonzero((windows.kind == kind) & (failing.part == 1) & (windows.end_ms - windows.start_ms > HOUR))
    start = windows.start_ms[rows]
    assert len(rows) > 100
    before = start - 5 * S
    same_day = before // DAY == TODAY
    np.testing.assert_array_equal(
        failing.values(rows[same_day], before[same_day]), calm.values(rows[same_day], before[same_day])
    )
    during = np.stack([failing.values(rows, start + minute * MINUTE) for minute in range(1, 50)])
    truth = np.stack([calm.values(rows, start + minute * MINUTE) for minute in range(1, 50)])
    if kind == STUCK:
        np.testing.assert_array_equal(during, np.broadcast_to(calm.values(rows, start), during.shape))
    elif kind == SILENT:
        assert np.isnan(during).all()
    elif kind == ZERO:
        assert (during == 0).all() and truth.mean() > 1
    else:
        spikes = during != truth
        assert 0.05 < spikes.mean() < 0.15
        assert (during[spikes] >= 300).all()


def test_few_sensors_fail(city: City) -> None:
    """On a day about one sensor in seven hundred fails, each for ten minutes to four hours."""
    windows = faults(9, 96_760).windows(np.arange(96_760), np.full(96_760, TODAY))
    broken = windows.kind > 0
    assert broken.mean() == pytest.approx(DAILY_SHARE, rel=0.3)
    assert set(np.unique(windows.kind[broken])) == {STUCK, SILENT, ZERO, SPIKES}
    length = (windows.end_ms - windows.start_ms)[broken]
    assert length.max() <= 4 * HOUR
    assert np.median(length) > 20 * MINUTE


def test_every_departure_is_in_the_truth(city: City) -> None:
    """Whatever differs from the calm city within half an hour is told by a fault or an incident."""
    rng = np.random.default_rng(5)
    calm = without_incidents(city)
    told: dict[str, list[tuple[int, int]]] = {}
    around = [
        (one.start_ms, one.end_ms, city.reach(one) > 0)
        for one in city.timetable.between(START_MS, START_MS + 30 * MINUTE)
    ]
    for one in records(city, START_MS - DAY, START_MS + 30 * MINUTE):
        if one["what"] == "fault":
            told.setdefault(one["datastream"], []).append((one["start"], one["end"]))
    rows = np.flatnonzero(city.known)
    found = 0
    for time in (START_MS + rng.integers(0, 30 * MINUTE, 8)).tolist():
        differ = rows[~np.isclose(city.values(rows, time), calm.values(rows, time), equal_nan=True)]
        covered = np.zeros(len(city.register), bool)
        for start, end, felt in around:
            covered |= felt & (start <= time < end)
        for row in differ[~covered[differ]]:
            assert any(start <= time < end for start, end in told[city.register.ids[row]])
        found += len(differ)
    assert found > 100


def test_truth_is_written_as_it_begins(city: City, tmp_path: Path) -> None:
    """The file tells the run, what is under way, and then each thing once, when it begins."""
    path = tmp_path / "deep" / "truth.jsonl"
    truth = Truth(city, path)
    for second in range(0, 600, 7):
        truth.write(START_MS + second * S)
    lines = read(path)
    assert lines[0] == {"what": "run", "start": START_MS}
    incidents = [(one["kind"], one["start"]) for one in lines if one["what"] == "incident"]
    assert incidents == [(one.kind, one.start_ms) for one in city.timetable.between(START_MS, START_MS + 595 * S)]
    faulty = [one for one in lines if one["what"] == "fault"]
    assert all(one["end"] > START_MS for one in faulty)
    assert len({(one["datastream"], one["start"]) for one in faulty}) == len(faulty) >= 3
    chunxi = next(one for one in lines if one.get("kind") == "venue-surge")
    assert (chunxi["place"], chunxi["factor"], chunxi["name"]["zh"]) == ("chunxi-road", 3.5, "春熙路")


def test_a_second_run_appends(city: City, tmp_path: Path) -> None:
    """A feed that starts again adds its truth to the file; a torn last line is left out when it is read."""
    path = tmp_path / "truth.jsonl"
    for _ in range(2):
        Truth(city, path).write(START_MS)
    with path.open("ab") as file:
        file.write(b'{"what": "fau')
    assert [one["start"] for one in read(path) if one["what"] == "run"] == [START_MS] * 2
