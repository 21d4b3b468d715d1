"""The simulated 12345 hotline of Chengdu."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from config import city as cities
from config import services
from config.city import City
from models.values import ServiceRequest
from sensors.codecs.base import Envelope
from sensors.codecs.open311 import CODEC
from sensors.simulate import appeals
from sensors.simulate.appeals import Hotline, georeport
from sensors.simulate.declared import FeedError

DAY = 86_400_000
TUESDAY = 1_781_539_200_000  # 2026-06-16, 00:00 in Chengdu


@pytest.fixture(scope="module")
def city() -> City:
    """Chengdu."""
    return cities.load("chengdu")


@pytest.fixture(scope="module")
def line(city: City) -> Hotline:
    """Its hotline, without incidents."""
    return appeals.hotline(city)


@pytest.fixture(scope="module")
def day(line: Hotline) -> list[ServiceRequest]:
    """What comes on a working day: appeals, and answers to those of the last three days."""
    return line.between(TUESDAY, TUESDAY + DAY, 3)


def test_a_working_day_has_fifteen_thousand_appeals(day: list[ServiceRequest]) -> None:
    """As many as the city reports, of every kind, most by day, each with an id of its own."""
    new = [one for one in day if one.status == "open"]
    hours = Counter((one.requested - TUESDAY) // 3_600_000 for one in new)
    assert (len(new), len({one.id for one in new})) == (15_000, 15_000)
    assert {one.code for one in new} == {one.code for one in services.load(cities.load("chengdu").folder)}
    assert hours[19] > 5 * hours[4]


def test_the_same_is_said_whatever_was_asked_before(city: City, line: Hotline, day: list[ServiceRequest]) -> None:
    """Minutes one by one give what the day gives, and so does a hotline that starts then."""
    start = TUESDAY + 9 * 3_600_000
    hour = [one for one in day if start <= max(one.requested, one.updated or 0) < start + 3_600_000]
    minutes = [one for k in range(60) for one in line.between(start + k * 60_000, start + (k + 1) * 60_000, 3)]
    assert minutes == hour
    assert appeals.hotline(city).between(start, start + 3_600_000, 3) == hour


def test_answers_come_once_and_after_the_appeal(day: list[ServiceRequest]) -> None:
    """An answer is later than its appeal; half of those who are answered are called back."""
    answers = [one for one in day if one.status == "closed"]
    asked = sum(one.satisfied is not None for one in answers)
    assert all(one.updated is not None and one.updated >= one.requested for one in answers)
    assert len({one.id for one in answers}) == len(answers)
    assert 0.45 < asked / len(answers) < 0.55


def test_a_flood_makes_people_call(city: City) -> None:
    """An injected incident brings appeals around it, and none without it."""
    start = TUESDAY + 9 * 3_600_000
    flooded = appeals.hotline(city, start, 22)
    quiet = appeals.hotline(city)
    span = start + 360_000, start + 24 * 60_000  # the flood that closes roads begins 6 min after the feed
    more = Counter(one.code for one in flooded.between(*span, 1)) - Counter(one.code for one in quiet.between(*span, 1))
    assert more["0101"] >= 50
    assert more["0701"] >= 10


def test_the_door_understands_what_it_says(day: list[ServiceRequest]) -> None:
    """Every appeal goes through the codec of the Open311 door and comes out as it was."""
    import msgspec

    some = day[:300]
    body = msgspec.json.encode({"service_requests": [georeport(one) for one in some]})
    decoded = CODEC.decode(body, Envelope(now=0, source="hotline"))
    assert (decoded.faults, decoded.values) == ([], some)


@pytest.mark.parametrize(("code", "rhythm", "message"), [("7777", "home", "7777"), ("0101", "moon", "moon")])
def test_what_the_city_has_not_is_refused(tmp_path: Path, city: City, code: str, rhythm: str, message: str) -> None:
    """A kind that is no service, or a rhythm that nobody knows, is told by file, key and value."""
    import shutil

    folder = tmp_path / "chengdu"
    shutil.copytree(city.folder, folder)
    line = f'{{code: "{code}", share: 1, rhythm: {rhythm}, answered_after: 1h, spread: 0.5, solved: 1, satisfied: 1'
    line += ", says: [x]}"
    (folder / appeals.FILE).write_text(f"a_day: 10\nkinds:\n  - {line}\n", "utf-8")
    with pytest.raises(FeedError, match=rf"appeals.yaml: kinds\[0\].*{message}"):
        appeals.hotline(cities.read(folder))
