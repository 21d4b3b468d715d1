"""How a recording is replayed."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from config import city as cities
from sensors.simulate.auckland import expected
from sensors.simulate.chapters import Chapter, after, chapters
from sensors.simulate.declared import FeedError
from sensors.simulate.pace import Clock, Pace
from sensors.simulate.position import Position

DECLARED = cities.load("auckland").folder / "feed.yaml"


def _seconds_until(whole: list[Chapter], time_ms: int) -> float:
    """Real seconds from the start to a simulated time, when the door takes everything at once."""
    left = [(one, min(one.to_ms or time_ms, time_ms) - one.from_ms) for one in whole if one.from_ms < time_ms]
    return sum(lasts / 1000 / one.speed for one, lasts in left)


def test_the_events_come_soon() -> None:
    """New Year's Eve has been played after 30 seconds of pacing, the first lockdown's morning after 65."""
    whole = chapters(DECLARED, "Pacific/Auckland")
    times = {event.name: event.time_ms for event in expected()}
    assert _seconds_until(whole, times["new-year-2020"]) < 30
    assert _seconds_until(whole, times["lockdown-2020"]) < 65


def test_chapters_follow_each_other() -> None:
    """Each chapter begins where the one before ended; the warm-up is as fast as can be and the last has no end."""
    whole = chapters(DECLARED, "Pacific/Auckland")
    assert [one.from_ms for one in whole[1:]] == [one.to_ms for one in whole[:-1]]
    assert (whole[0].speed, whole[-1].to_ms, whole[-1].speed) == (math.inf, None, 3600)
    assert whole[1].title is not None and whole[1].title.zh == "2019年跨年夜"


def test_a_speed_takes_the_place_of_all() -> None:
    """A chosen speed replaces every declared one but the stretches without events, which stay as fast as can be."""
    declared, chosen = chapters(DECLARED, "Pacific/Auckland"), chapters(DECLARED, "Pacific/Auckland", 90_000)
    assert [one.speed for one in chosen] == [math.inf if one.speed == math.inf else 90_000 for one in declared]


def test_going_on_in_the_middle() -> None:
    """What is left begins at the position, in its chapter."""
    whole = [Chapter(0, 10, math.inf), Chapter(10, 20, 5.0), Chapter(20, None, 2.0)]
    assert after(14, whole) == [Chapter(14, 20, 5.0), Chapter(20, None, 2.0)]
    assert after(10, whole) == whole[1:]
    assert after(99, whole) == [Chapter(99, None, 2.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("warm_up: {from: '2019-01-01', to: '2018-01-01'}\nspeed: 1", "warm_up.to: 2018-01-01 is not after"),
        ("warm_up: {from: 'spring', to: '2018-01-01'}\nspeed: 1", "'spring' is no local time"),
        ("warm_up: {from: '2019-01-01', to: '2020-01-01'}\nspeed: 0", "speed 0 is not above zero"),
        ("warm_up: {from: '2019-01-01', to: '2020-01-01'}\nspeed: 1\nchapter: []", "chapter"),
        ("warm_up: [", "while parsing"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    """A wrong feed.yaml is refused with the key and the remedy."""
    path = tmp_path / "feed.yaml"
    path.write_text(text)
    with pytest.raises(FeedError, match=says):
        chapters(path, "Pacific/Auckland")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A city without feed.yaml says so."""
    with pytest.raises(FeedError, match=r"feed\.yaml: the file is missing"):
        chapters(tmp_path / "feed.yaml", "Pacific/Auckland")


def test_pace() -> None:
    """A recording reaches its times at its speed, and goes on where it is after a long wait instead of hurrying."""

    async def played() -> list[float]:
        stop = asyncio.Event()
        pace = Pace(1_000_000, 10.0)
        await pace.until(1_001_000, stop)
        told = [pace.reached_ms()]
        await asyncio.sleep(0.3)
        told.append(pace.reached_ms())
        pace.slip(1_001_000, 0.2)
        told.append(pace.reached_ms())
        return told

    reached, waited, slipped = asyncio.run(played())
    assert reached >= 1_001_000
    assert reached + 3_000 * 0.99 <= waited  # 0.3 s at ten times real time
    assert 1_001_000 <= slipped < waited


def test_pace_stops() -> None:
    """Whoever waits for a time is woken when the feed is told to stop."""

    async def stopped() -> bool:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, stop.set)
        return await Pace(0, 1.0).until(3_600_000, stop)

    assert asyncio.run(asyncio.wait_for(stopped(), 30))


def test_the_clock_never_passes_the_present(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated time runs faster until it reaches the present, and then goes with it."""
    now = [1_790_000_000.0]
    monkeypatch.setattr("sensors.simulate.pace.time.time", lambda: now[0])
    clock = Clock(1_790_000_000_000 - 90_000, 10.0)
    seen = []
    for second in (0, 5, 10, 11, 30):
        now[0] = 1_790_000_000.0 + second
        seen.append((clock.now_ms() - 1_790_000_000_000) / 1000)
    assert seen == [-90, -40, 10, 11, 30]


def test_the_clock_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """At half the speed simulated time falls behind by half a second in each."""
    now = [1_790_000_000.0]
    monkeypatch.setattr("sensors.simulate.pace.time.time", lambda: now[0])
    clock = Clock(1_790_000_000_000, 0.5)
    now[0] += 10
    assert clock.now_ms() == 1_790_000_005_000


def test_position(tmp_path: Path) -> None:
    """The position is there after a restart; a spoilt file says what to do."""
    path = tmp_path / "home" / "feed.json"
    assert Position(path).time_ms is None
    Position(path).save(1_577_840_400_000)
    assert Position(path).time_ms == 1_577_840_400_000
    path.write_text("{")
    with pytest.raises(FeedError, match="remove the file to replay from the beginning"):
        Position(path)
