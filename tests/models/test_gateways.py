"""Gateways against each other, as timetables: silence, jumps, clocks."""

from __future__ import annotations

from models.gateways import CLOCK_LASTS_MS, Gateways
from models.notes import SourceNote
from models.values import Detection

TICK = 5_000
START = 1_790_000_000_000


class Site:
    """Gateways a, b and c with 100 datastreams each, all in shard 0, ticks of 5 s."""

    def __init__(self, *names: str) -> None:
        self.gateways = Gateways(TICK)
        self.names = names or ("a", "b", "c")
        self.now = START
        self.told: list[tuple[int, str, str, str]] = []  # seconds, rule, gateway, state
        self.last: Detection | None = None

    def push(
        self,
        minutes: float,
        silent: tuple[str, ...] = (),
        up: dict[str, int] | None = None,
        off_ms: dict[str, int] | None = None,
        shards: tuple[int, ...] = (0,),
    ) -> None:
        """Let the time go on: who says nothing, how many of whose datastreams are up, whose clock is how far off."""
        for _ in range(round(minutes * 60_000 / TICK)):
            self.now += TICK
            notes = tuple(
                SourceNote(
                    name, 100, 0 if name in silent else 100, self.now + (off_ms or {}).get(name, 0) - 1,
                    0 if name in silent else 100, (up or {}).get(name, 1), 1, 104.0, 30.6,
                )
                for name in self.names
            )  # fmt: skip
            for found in self.gateways.step(self.now, dict.fromkeys(shards, notes)):
                self.told.append(((found.time - START) // 1000, found.rule, found.place, found.state))
                self.last = found


def test_gateways_that_speak_are_not_told() -> None:
    """An hour of readings, some out of the ordinary, gives nothing."""
    site = Site()
    site.push(60, up={"a": 5, "b": 2})
    assert site.told == []


def test_a_silent_gateway_is_one_alert_that_says_how_many() -> None:
    """After half a minute without a reading it is told once, with its datastreams; its next reading clears it."""
    site = Site()
    site.push(5)
    site.push(3, silent=("b",))
    assert site.told == [(330, "GatewaySilent", "b", "firing")]
    assert site.last is not None
    assert (site.last.kind, site.last.severity, site.last.labels["datastreams"]) == ("data-quality", "Moderate", "100")
    assert site.last.headline.en == "Gateway b is silent: nothing from its 100 datastreams"
    assert site.gateways.faulty("silent") == {"b"}
    site.push(1)
    assert site.told[1:] == [(485, "GatewaySilent", "b", "cleared")]


def test_a_gateway_that_pauses_often_is_given_its_time() -> None:
    """A pause as long as before is no silence: the longest one counts twice."""
    site = Site()
    site.push(5)
    for _ in range(5):
        site.push(25 / 60, silent=("b",))
        site.push(1)
    site.push(70 / 60, silent=("b",))
    assert site.told == []
    site.push(20 / 60, silent=("b",))
    assert [told[1:] for told in site.told] == [("GatewaySilent", "b", "firing")]


def test_nobody_is_silent_while_nobody_speaks() -> None:
    """When all are quiet the city is cut off, and no gateway is blamed; one alone is never judged."""
    site = Site()
    site.push(5)
    site.push(10, silent=("a", "b", "c"))
    assert site.told == []
    alone = Site("a")
    alone.push(5)
    alone.push(10, silent=("a",), up={"a": 90})
    assert alone.told == []


def test_a_gateway_that_jumps_is_told_once() -> None:
    """Half of its datastreams up at once while the others' are not is a jump; when they are back it is over."""
    site = Site()
    site.push(5)
    site.push(1, up={"c": 80})
    assert site.told == [(305, "GatewayJump", "c", "firing")]
    assert site.last is not None
    assert site.last.headline.zh == "网关 c 跳变：其 100 路数据流中 80% 同时上升"
    site.push(1)
    assert site.told[1:] == [(365, "GatewayJump", "c", "cleared")]


def test_what_the_whole_city_does_is_no_jump() -> None:
    """All gateways up at once are a city, and a slow rise of one is a crowd."""
    site = Site()
    site.push(5)
    site.push(1, up={"a": 80, "b": 80, "c": 80})
    site.push(1)
    for share in (10, 15, 25, 35, 45, 60):
        site.push(0.5, up={"a": share})
    assert site.told == []


def test_a_clock_that_is_off_is_told_after_five_minutes() -> None:
    """Readings stamped a minute and a half behind the others' for five minutes: its clock is off; set right, over."""
    site = Site("a", "b", "c", "d")
    site.push(5)
    site.push(10, off_ms={"d": -95_000})
    assert site.told == [(300 + 5 + CLOCK_LASTS_MS // 1000, "GatewayClock", "d", "firing")]
    assert site.last is not None
    assert "95 s behind the others" in site.last.headline.en
    site.push(1)
    assert [told[1:] for told in site.told[1:]] == [("GatewayClock", "d", "cleared")]


def test_a_backlog_that_is_caught_up_is_no_clock() -> None:
    """Late readings that come nearer to the present quickly are a backlog."""
    site = Site("a", "b", "c", "d")
    site.push(5)
    for left in range(1200, 0, -20):
        site.push(10 / 60, off_ms={"d": -left * 1000})
    assert site.told == []
