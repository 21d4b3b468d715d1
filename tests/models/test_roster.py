"""Who is on duty, by the day, the turn and what people changed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.city_calendar import transitions
from models.calendar import Calendar
from models.orders import Refused
from models.roster import RIGHTS, Rota, ending_watch, may, obey, on_duty, told, watch_at
from models.values import Order
from tests.models.duty import HOUR, MINUTE, roster

CHINA, AUCKLAND = ZoneInfo("Asia/Shanghai"), ZoneInfo("Pacific/Auckland")
ROSTER = roster()


def calendar(zone: ZoneInfo) -> Calendar:
    """Local time without holidays."""
    at, offset = transitions(zone)
    return Calendar(np.array(at, np.int64), np.array(offset, np.int64), 0, np.zeros(0, np.uint8))


LOCAL = calendar(CHINA)


def moment(text: str, zone: ZoneInfo = CHINA) -> int:
    """A local time as ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def order(do: str, by: str = "li", role: str = "dispatcher", number: int = 1, **args: object) -> Order:
    """An order about the roster."""
    return Order(
        id=f"order-{number}", about="roster", subject="", do=do, by=by, at=0, role=role, comment="all quiet", args=args  # type: ignore[arg-type]  # as the test says
    )  # fmt: skip


def sitting(rota: Rota, at: str) -> dict[str, str]:
    """Who sits where."""
    return {duty.seat: duty.user for duty in on_duty(ROSTER, LOCAL, rota, moment(at))}


@pytest.mark.parametrize(
    ("at", "shift", "start", "end"),
    [
        ("2026-10-01 08:00", "day", "2026-10-01 08:00", "2026-10-01 20:00"),
        ("2026-10-01 19:59", "day", "2026-10-01 08:00", "2026-10-01 20:00"),
        ("2026-10-01 20:00", "night", "2026-10-01 20:00", "2026-10-02 08:00"),
        ("2026-10-02 03:00", "night", "2026-10-01 20:00", "2026-10-02 08:00"),
    ],
)
def test_a_shift_runs_from_its_first_minute_to_the_next_ones(at: str, shift: str, start: str, end: str) -> None:
    """Also over midnight."""
    watch = watch_at(ROSTER, LOCAL, moment(at))
    assert (watch.shift.shift, watch.start, watch.end) == (shift, moment(start), moment(end))


def test_a_night_in_which_the_clock_is_changed_is_an_hour_longer_or_shorter() -> None:
    """Auckland, April and September: the shift ends at 08:00 by the clock on the wall."""
    local = calendar(AUCKLAND)
    for text, hours in (("2026-04-05 06:00", 13), ("2026-09-27 06:00", 11), ("2026-06-01 06:00", 12)):
        watch = watch_at(ROSTER, local, moment(text, AUCKLAND))
        assert (watch.shift.shift, (watch.end - watch.start) / HOUR) == ("night", hours)


def test_people_take_turns_by_the_day_of_the_shifts_start() -> None:
    """Li and Wang; the night has one of its own."""
    assert sitting(Rota(), "2026-10-01 09:00")["desk-1"] != sitting(Rota(), "2026-10-02 09:00")["desk-1"]
    assert sitting(Rota(), "2026-10-01 09:00") == sitting(Rota(), "2026-10-03 19:00")
    assert sitting(Rota(), "2026-10-02 02:00") == {"desk-1": "sun", "lead": "zhao"}


def test_a_seat_taken_out_of_turn_is_kept_to_the_end_of_the_shift() -> None:
    """And not into the next."""
    rota = obey(ROSTER, LOCAL, Rota(), order("take", by="sun", seat="desk-1"), moment("2026-10-01 09:00"))
    assert sitting(rota, "2026-10-01 19:59")["desk-1"] == "sun"
    assert sitting(rota, "2026-10-03 09:00")["desk-1"] == sitting(Rota(), "2026-10-03 09:00")["desk-1"]


def test_only_a_supervisor_seats_somebody_else() -> None:
    """A dispatcher may take a seat only for themselves."""
    now = moment("2026-10-01 09:00")
    with pytest.raises(Refused, match="only a supervisor seats somebody else"):
        obey(ROSTER, LOCAL, Rota(), order("take", seat="desk-1", user="wang"), now)
    rota = obey(ROSTER, LOCAL, Rota(), order("take", by="zhao", role="supervisor", seat="desk-1", user="sun"), now)
    assert sitting(rota, "2026-10-01 10:00")["desk-1"] == "sun"


def test_leaving_gives_the_seat_back_to_the_turn() -> None:
    """To be done by who holds it, or a supervisor."""
    now = moment("2026-10-01 09:00")
    rota = obey(ROSTER, LOCAL, Rota(), order("take", by="sun", seat="desk-1"), now)
    with pytest.raises(Refused, match="held by sun") as refused:
        obey(ROSTER, LOCAL, rota, order("leave", by="wang", seat="desk-1"), now + 1)
    assert (refused.value.status, refused.value.by) == ("conflict", "sun")
    assert sitting(obey(ROSTER, LOCAL, rota, order("leave", by="sun", seat="desk-1"), now + 1), "2026-10-01 10:00") == (
        sitting(Rota(), "2026-10-01 10:00")
    )


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (order("take", seat="desk-9"), "unknown", "seat desk-9 is not in the shift day; use one of desk-1, lead"),
        (order("take", by="nobody", seat="desk-1"), "unknown", "nobody is not in the roster"),
        (order("take", seat="desk-1", until=5), "invalid", "sit for at most 24 hours"),
        (order("take", seat="desk-1", role="viewer"), "conflict", "the role viewer may not change the rota"),
        (order("leave", seat="desk-1"), "conflict", "nobody sits at desk-1 out of turn"),
        (order("handover", to="ghost"), "invalid", "to ghost is not in the roster"),
        (order("dance"), "invalid", "use take, leave or handover"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_its_remedy(given: Order, status: str, said: str) -> None:
    """Nothing changes."""
    with pytest.raises(Refused, match=said) as refused:
        obey(ROSTER, LOCAL, Rota(), given, moment("2026-10-01 09:00"))
    assert refused.value.status == status


def test_a_handover_is_recorded_once_with_what_was_open() -> None:
    """For the shift that ends, also a few minutes after the next began."""
    late = moment("2026-10-01 20:07")
    rota = obey(ROSTER, LOCAL, Rota(), order("handover", to="sun"), late, open_incidents=3)
    (done,) = rota.handovers
    assert (done.shift, done.start, done.by, done.to, done.open_incidents, done.comment) == (
        "day", moment("2026-10-01 08:00"), "li", "sun", 3, "all quiet",
    )  # fmt: skip
    assert obey(ROSTER, LOCAL, rota, order("handover", to="sun"), late + MINUTE) == rota


def test_the_shift_that_ends_is_the_present_one_in_its_second_half() -> None:
    """Handing over a little early is handing over this shift."""
    assert ending_watch(ROSTER, LOCAL, moment("2026-10-01 19:50")).shift.shift == "day"
    assert ending_watch(ROSTER, LOCAL, moment("2026-10-01 20:10")).start == moment("2026-10-01 08:00")


def test_a_rung_reaches_each_route_of_its_people_once() -> None:
    """Zhao by both of hers, and the rung's own."""
    duties = on_duty(ROSTER, LOCAL, Rota(), moment("2026-10-01 09:00"))
    assert told(ROSTER, duties, ROSTER.ladder[1]) == (("lead-wecom", "zhao"), ("lead-mail", "zhao"), ("group", ""))


def test_each_role_may_look_and_only_some_may_do_more() -> None:
    """What the desk, the gateway and the roster go by."""
    assert {role for role in RIGHTS if not may(role, "look")} == {"unit"}
    assert {role for role in RIGHTS if may(role, "serve")} == {"unit"}
    assert {role for role in RIGHTS if may(role, "act")} == {"dispatcher", "supervisor", "admin", "system"}
    assert {role for role in RIGHTS if may(role, "audit")} == {"supervisor", "auditor", "admin"}
    assert {role for role in RIGHTS if may(role, "administer")} == {"admin"}
    assert not may("stranger", "look")
