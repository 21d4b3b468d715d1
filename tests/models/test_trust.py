"""Which claims become alerts: corroboration, the budget, the watch list; and the dial."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.dial import obey
from models.notes import ClaimNote
from models.orders import Refused
from models.trust import Trust, TrustState
from models.values import Detection, Order, Text, Why

TICK = 5_000
START = 1_790_000_000_000


def claim(
    number: int,
    score: float = 5.0,
    strange: int = 0,
    lasted_s: float = 10,
    east: float = 0.0,
    rule: str = "CameraSurge",
    series: tuple[int, ...] = (3,),
) -> ClaimNote:
    """A claim of camera ``number``, ``east`` degrees east of the middle (0.01 is about a kilometre)."""
    found = Detection(
        id=f"claim-{number}",
        pack="crowd",
        rule=rule,
        place=f"cam-{number}",
        place_kind="asset",
        place_name=Text(f"Camera {number}", f"{number}号"),
        lon=104.0 + east,
        lat=30.6,
        district="jinjiang",
        state="firing",
        severity="Minor",
        onset=START,
        time=START,
        value=60.0,
        expected=12.0,
        score=score,
        unit="1",
        headline=Text("crowd", "人"),
        why=Why(neighbours=8, strange=strange, lasted_ms=round(lasted_s * 1000)),
    )
    return ClaimNote(found, number, score, 0, series)


class Judge:
    """Trust at work on one shard's claims."""

    def __init__(self) -> None:
        self.trust = Trust(TICK)
        self.now = START

    def step(
        self,
        *claims: ClaimNote,
        firing: dict[int, bool] | None = None,
        doubted: tuple[str, ...] = (),
        per_hour: float = 6.0,
    ) -> list[tuple[str, str]]:
        """One tick with these claims open; what was told."""
        self.now += TICK
        told = self.trust.step(self.now, {0: [(one, "g") for one in claims]}, firing or {}, doubted, per_hour)
        return [(found.place, found.state) for found in told]

    def wants(self) -> dict[str, str]:
        """What each claim on the watch list wants."""
        return {row.place: row.wants for row in self.trust.watch(self.now, 6.0).rows}


def test_a_single_doubtful_datastream_is_watched() -> None:
    """However strange, without anything that speaks for it a claim is no alert."""
    judge = Judge()
    assert judge.step(claim(1, 20.0)) == []
    assert judge.wants() == {"cam-1": "corroboration"}


@pytest.mark.parametrize(
    ("notes", "firing", "by"),
    [
        ((claim(1, strange=3),), {}, ("neighbours",)),
        ((claim(1, lasted_s=60),), {}, ("persistence",)),
        ((claim(1),), {3: False}, ("zone",)),
        ((claim(1), claim(2, east=0.003)), {}, ("neighbours",)),
        ((claim(1), claim(2, rule="Water", east=0.009)), {}, ("other-kind",)),
        ((claim(1, strange=2, lasted_s=90),), {3: False}, ("zone", "neighbours", "persistence")),
    ],
)
def test_what_speaks_for_a_claim_makes_it_an_alert_that_says_so(
    notes: tuple[ClaimNote, ...], firing: dict[int, bool], by: tuple[str, ...]
) -> None:
    """Neighbours, persistence, its district, a claim next to it or one of another kind; the alert names them."""
    trust = Trust(TICK)
    told = trust.step(START, {0: [(one, "g") for one in notes]}, firing, (), 6.0)
    found = next(one for one in told if one.place == "cam-1")
    assert found.why is not None
    assert (found.state, found.why.corroborated) == ("firing", by)
    assert found.certainty == ("Possible" if by == ("persistence",) else "Likely")


def test_claims_next_to_each_other_are_one_alert() -> None:
    """Of ten cameras at one corner the strangest is the alert, and the others are told by it."""
    judge = Judge()
    crowd = [claim(number, 5.0 + number, strange=4, east=0.0001 * number) for number in range(10)]
    assert judge.step(*crowd) == [("cam-9", "firing")]
    assert judge.step(*crowd) == []
    assert set(judge.wants().values()) == {"told"}


def test_a_venue_that_fires_tells_its_cameras() -> None:
    """While a venue's own alert stands, the claims inside spend nothing of the budget."""
    judge = Judge()
    assert judge.step(claim(1, strange=5), firing={3: True}) == []
    assert judge.wants() == {"cam-1": "told"}
    assert judge.step(claim(1, strange=5)) == [("cam-1", "firing")]


def test_a_gateway_in_doubt_is_not_believed() -> None:
    """While its gateway jumps or its clock is off a datastream's claim waits."""
    judge = Judge()
    assert judge.step(claim(1, strange=5), doubted=("g",)) == []
    assert judge.wants() == {"cam-1": "gateway"}


def test_the_budget_holds_back_and_the_dial_lets_through() -> None:
    """With one alert an hour the strangest of many claims is told; turned up, more of those that wait."""
    judge = Judge()
    many = [claim(number, 5.0 + number / 10, strange=4, east=0.02 * number) for number in range(12)]
    first = judge.step(*many, per_hour=1.0)
    assert first == [("cam-11", "firing")]
    assert judge.step(*many, per_hour=1.0) == []
    assert len(judge.step(*many, per_hour=60.0)) == 11


def test_an_alert_ends_with_its_claim_and_the_rest_stays_on_the_list_for_an_hour() -> None:
    """A claim that is over clears its alert; one that was none stays on the watch list as over."""
    judge = Judge()
    judge.step(claim(1, strange=5), claim(2, 8.0, east=0.05))
    assert judge.step() == [("cam-1", "cleared")]
    assert judge.wants() == {"cam-2": "over"}
    judge.now += 3_600_000
    judge.step()
    assert judge.wants() == {}


def test_claims_of_a_shard_that_says_nothing_stay() -> None:
    """A tick without a shard's notes ends none of its claims."""
    judge = Judge()
    judge.step(claim(1, strange=5))
    assert judge.trust.step(judge.now + TICK, {1: []}, {}, (), 6.0) == []


def test_the_state_is_a_value() -> None:
    """Saved as JSON and set again, trust goes on as before."""
    judge, again = Judge(), Judge()
    judge.step(claim(1, strange=5), claim(2, 8.0, east=0.05))
    again.trust.state = msgspec.json.decode(msgspec.json.encode(judge.trust.state), type=TrustState)
    again.now = judge.now
    assert again.step(claim(2, 8.0, east=0.05)) == judge.step(claim(2, 8.0, east=0.05)) == [("cam-1", "cleared")]
    assert again.trust.state == judge.trust.state


def order(**args: Any) -> Order:
    """An order to set the budget."""
    return Order(id="o-1", about="budget", subject="budget/alerts", do="set", by="li", at=7, args=args)


def test_the_dial_takes_a_number_of_alerts_an_hour() -> None:
    """From none to the dial's end; what is no such number is refused in words."""
    turn = obey(order(per_hour=12))
    assert (turn.per_hour, turn.by, turn.at, turn.order) == (12.0, "li", 7, "o-1")
    for wrong in (-1, 1e9, "six", None, True, float("nan")):
        with pytest.raises(Refused, match="alerts an hour"):
            obey(order(per_hour=wrong))
    with pytest.raises(Refused, match="it can be set"):
        obey(msgspec.structs.replace(order(per_hour=1), do="double"))
