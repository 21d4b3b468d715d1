"""Warnings reach places: who is inside, told, confirms, is reminded, escalated; what updates and cancellations do."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import shapely
from msgspec.structs import replace

from geo.distance import great_circle_m
from models.outcome import Outcome
from models.places import Site, Sites
from models.room import Room, Setup
from models.roster import Person, Roster, Rung, Seat, Shift
from models.values import Area, Order, Text, Warning

MINUTE = 60_000
NOW = 1_700_000_000_000
SQUARE = ((104.0, 30.0), (104.1, 30.0), (104.1, 30.1), (104.0, 30.1), (104.0, 30.0))
SHAPES = {
    "510104": shapely.box(104.0, 30.0, 104.5, 31.0),
    "510105": shapely.box(104.5, 30.0, 105.0, 31.0),
    "510681": shapely.box(105.0, 30.0, 106.0, 31.0),
    "jinli": shapely.box(104.0, 30.0, 104.01, 30.01),
}


def site(number: int, lon: float, lat: float) -> Site:
    """A construction site with a contact."""
    return Site(
        id=f"site-{number}", kind="construction-site", name=Text(f"Site {number}", f"工地{number}"), lon=lon, lat=lat,
        contact="Zhao", phone="000-1", route="sites",
    )  # fmt: skip


def row(count: int, step: float = 0.01) -> Sites:
    """Sites in a row from 104.0, 30.05 eastwards."""
    return Sites(tuple(site(number, 104.0 + step * number, 30.05) for number in range(count)), SHAPES)


def gale(number: str = "g1", **more: Any) -> Warning:
    """A gale warning over the square."""
    base = Warning(
        id=number, sender="cma", sent=NOW, event=Text("Gale", "大风"), headline=Text("Gale warning", "大风预警"),
        instruction=Text("Secure cranes", "加固塔吊"), severity="Severe", areas=(Area(polygons=(SQUARE,)),),
    )  # fmt: skip
    return replace(base, **more)


ROSTER = Roster(
    people={"wang": Person(user="wang", name=Text("Wang", "王"), routes=("duty",))},
    shifts=(
        Shift(
            shift="all", name=Text("All", "全"), start=0, end=0,
            seats=(Seat(seat="lead", role="supervisor", people=("wang",)),),
        ),
    ),
    ladder=(Rung(roles=("supervisor",)),),
)  # fmt: skip
_numbers = itertools.count()


class Play:
    """A room with sites, and a clock that the test moves."""

    def __init__(self, sites: Sites) -> None:
        self.room = Room(Setup(sites=sites, roster=ROSTER))
        self.out = Outcome()

    def hear(self, warning: Warning, minute: int = 0) -> list[str]:
        """A CAP message comes; who is told what, as ``route/place``."""
        return self._told(self.room.take(warning, NOW + minute * MINUTE))

    def tick(self, minute: float) -> list[str]:
        """The clock; who is told what."""
        return self._told(self.room.tick(NOW + round(minute * MINUTE)))

    def confirm(self, place: str, minute: int = 0, warning: str = "g1", by: str = "zhao") -> str:
        """A place confirms; what the answer is."""
        order = Order(
            id=f"c{next(_numbers)}", about="warning", subject=warning, do="confirm", by=by, at=NOW,
            args={"place": place},
        )  # fmt: skip
        out = self.room.take(order, NOW + minute * MINUTE)
        answer = out.answers[0]
        return f"{answer.status} {answer.by}".strip()

    def _told(self, out: Outcome) -> list[str]:
        self.out = out
        return [f"{one.title.rpartition(' / ')[2]} > {_place(one.body)}" for one in out.notifications.values()]

    def states(self) -> dict[str, str]:
        """The state of each warning."""
        return {name: it.state for name, it in self.room.warned.raised.items()}


def _place(body: str) -> str:
    return body.partition("(")[2].partition(")")[0] or body.replace("\n", "; ")


# --- who is inside ----------------------------------------------------------------------------------------------


def test_a_polygon_holds_its_border() -> None:
    """Places on the border and inside are told, others not."""
    rows, unknown = row(20).inside([Area(polygons=(SQUARE,))])
    assert (rows, unknown) == (list(range(11)), [])


def test_a_circle_is_in_metres() -> None:
    """Against the great circle, place by place."""
    sites = row(40, 0.002)
    metres = great_circle_m(104.02, 30.05, [one.lon for one in sites.sites], [one.lat for one in sites.sites])
    rows, _ = sites.inside([Area(circles=((104.02, 30.05, 1_500.0),))])
    assert rows == np.flatnonzero(metres <= 1_500).tolist()


@pytest.mark.parametrize(
    ("code", "expected", "unknown"),
    [
        ("510104", 50, []),
        ("GB/T 2260:510104", 50, []),
        ("510100", 100, []),  # all districts of the city
        ("510000", 200, []),  # of the province
        ("jinli", 0, []),
        ("GB/T 2260:510107", 0, ["GB/T 2260:510107"]),
        ("SAME:006109", 0, ["SAME:006109"]),
    ],
)
def test_codes_mean_zones(code: str, expected: int, unknown: list[str]) -> None:
    """A zone's id or code, a whole city's or province's code; one that names nothing here is told."""
    sites = Sites(tuple(site(n, 104.005 + 0.01 * n, 30.5) for n in range(200)), SHAPES)
    rows, missing = sites.inside([Area(codes=(code,))])
    assert (len(rows), missing) == (expected, unknown)


def test_areas_are_one_union() -> None:
    """A place in two of them is told once; a ring that crosses itself is repaired; one of a line is nothing."""
    bow = ((104.0, 30.0), (104.1, 30.1), (104.1, 30.0), (104.0, 30.1), (104.0, 30.0))
    line = ((104.0, 30.0), (104.1, 30.0), (104.0, 30.0))
    sites = row(20)
    rows, _ = sites.inside([Area(polygons=(SQUARE, SQUARE, line), codes=("jinli",))])
    assert rows == list(range(11))
    assert sites.inside([Area(polygons=(bow,))])[0]
    assert sites.inside([Area(polygons=(line,))]) == ([], [])


def test_four_thousand_sites_are_told_one_by_one() -> None:
    """Each place has its own message with its own key, and one confirmation writes one small part of the answers."""
    rng = np.random.default_rng(1)
    sites = Sites(tuple(site(n, *rng.uniform((104.0, 30.0), (105.0, 31.0)).tolist()) for n in range(4_000)), SHAPES)
    play = Play(sites)
    play.hear(gale(areas=(Area(codes=("510100",)),)))
    told = play.out.notifications
    assert len(told) == play.room.warned.raised["g1"].places == 4_000
    assert {one.route for one in told.values()} == {"sites"}
    order = Order(id="c", about="warning", subject="g1", do="confirm", by="zhao", at=NOW, args={"place": "site-77"})
    items = play.room.take(order, NOW).items
    assert sorted(key.partition("/")[0] for key in items) == ["asked", "warning"]
    assert sum(len(body or b"") for body in items.values()) < 8_000


# --- the way of a warning ---------------------------------------------------------------------------------------


def test_a_gale_warning_from_first_word_to_the_duty_room() -> None:
    """Told at once; who confirms is left in peace; who does not is reminded after 15 minutes, and told on after 30."""
    play = Play(row(3))
    assert play.hear(gale()) == [f"Orange: Gale warning > site-{n}" for n in range(3)]
    assert play.confirm("site-0", 3) == "done zhao"
    assert play.tick(14.9) == []
    assert play.tick(15) == [f"Orange: Reminder, please confirm: Gale warning > site-{n}" for n in (1, 2)]
    assert play.confirm("site-1", 20) == "done zhao"
    assert play.tick(30) == ["1 places have not confirmed: Gale warning > 工地2 / Site 2 Zhao 000-1"]
    assert {one.route for one in play.out.notifications.values()} == {"duty"}
    assert play.tick(60) == []
    it = play.room.warned.raised["g1"]
    assert (it.places, it.confirmed, it.escalated, it.due) == (3, 2, 1, None)
    actions = [line.action for line in it.history]
    assert actions == ["alert", "confirmed", "reminded", "confirmed", "escalated"]
    assert play.confirm("site-2", 70) == "done zhao"  # late is better than never
    assert play.room.warned.raised["g1"].confirmed == 3


def test_confirmations_that_cannot_be() -> None:
    """Twice is a conflict that names the first; a stranger and an unknown warning are unknown; no place is invalid."""
    play = Play(row(3))
    play.hear(gale())
    assert play.confirm("site-0") == "done zhao"
    assert play.confirm("site-0", by="li") == "conflict zhao"
    assert play.confirm("site-9") == "unknown"
    assert play.confirm("site-0", warning="g9") == "unknown"
    assert play.confirm("") == "invalid"


def test_an_update_takes_the_place_of_what_it_refers_to() -> None:
    """Who has confirmed need not again; new places are told; who is outside now is told so; the first is superseded."""
    play = Play(row(6))
    first = Area(circles=((104.0, 30.05, 1_100.0),))  # sites 0 and 1
    wider = Area(circles=((104.02, 30.05, 1_100.0),))  # sites 1, 2 and 3
    play.hear(gale(areas=(first,)))
    play.confirm("site-1")
    told = play.hear(gale("g2", message="Update", references=("g1",), areas=(wider,)), 5)
    assert told == [
        "Orange: Gale warning > site-2",
        "Orange: Gale warning > site-3",
        "Orange: No longer in the area: Gale warning > site-0",
    ]
    assert play.states() == {"g1": "superseded", "g2": "active"}
    assert (play.room.warned.raised["g1"].followed_by, play.room.warned.raised["g2"].confirmed) == ("g2", 1)
    assert play.confirm("site-0", 6) == "conflict"
    assert play.tick(16) == []  # the first one's deadline is over with it
    assert len(play.tick(20)) == 2


def test_a_graver_update_is_confirmed_anew() -> None:
    """From orange to red everybody is told again."""
    play = Play(row(2))
    play.hear(gale())
    play.confirm("site-0")
    told = play.hear(gale("g2", message="Update", references=("g1",), severity="Extreme"), 5)
    assert told == ["Red: Gale warning > site-0", "Red: Gale warning > site-1"]


def test_a_cancellation_ends_it_for_all() -> None:
    """Every place that was told hears of it; nothing is reminded any more."""
    play = Play(row(2))
    play.hear(gale())
    told = play.hear(gale("g3", message="Cancel", references=("g1",), areas=()), 5)
    assert told == [f"Orange: Cancelled: Gale warning > site-{n}" for n in range(2)]
    assert play.states() == {"g1": "cancelled", "g3": "noted"}
    assert play.tick(30) == []


def test_a_warning_expires() -> None:
    """After its end nobody is reminded; one that was over when it came tells nobody."""
    play = Play(row(2))
    play.hear(gale(expires=NOW + 10 * MINUTE))
    assert play.tick(11) == []
    assert play.hear(gale("g2", expires=NOW - 1), 12) == []
    assert play.states() == {"g1": "expired", "g2": "expired"}
    assert play.confirm("site-0") == "conflict"


@pytest.mark.parametrize("status", ["Test", "System", "Draft"])
def test_what_is_no_warning_tells_nobody(status: Any) -> None:
    """Tests, system messages and drafts are noted."""
    play = Play(row(2))
    assert play.hear(gale(status=status)) == []
    assert play.states() == {"g1": "noted"}


def test_an_exercise_is_marked() -> None:
    """Its messages are written down, never sent."""
    play = Play(row(1))
    play.hear(gale(status="Exercise"))
    assert [one.exercise for one in play.out.notifications.values()] == [True]


def test_the_same_message_again_changes_nothing() -> None:
    """CAP messages come more than once."""
    play = Play(row(2))
    play.hear(gale())
    assert play.hear(gale(), 3) == []
    assert not play.out


def test_a_restart_forgets_nothing() -> None:
    """The room's items hold warnings and answers; reminders go on where they were."""
    play = Play(row(120, 0.0005))
    play.hear(gale())
    play.confirm("site-77")
    again = Play(row(120, 0.0005))
    again.room.restore({}, {}, {}, play.room.items, NOW)
    assert again.room.warned.told == play.room.warned.told
    assert again.room.warned.raised == play.room.warned.raised
    assert len(again.tick(15)) == 119
    assert again.confirm("site-77") == "conflict zhao"


def test_what_is_long_over_leaves_the_room() -> None:
    """Two days after its end a warning and its answers are taken out of the topic."""
    play = Play(row(2))
    play.hear(gale(expires=NOW + MINUTE))
    play.tick(2)
    play.tick(2 + 48 * 60 + 1)
    assert {key: body for key, body in play.out.items.items() if body is None} == {
        "warning/g1": None,
        "asked/g1/0": None,
    }
    assert play.room.warned.raised == {}
