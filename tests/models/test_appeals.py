"""The book of appeals: what is open, late, answered, and how content people are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.appeals import Book, Department, Subject
from models.calendar import UTC
from models.values import ServiceRequest, Text

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MONDAY = 20_255 * DAY  # 2025-06-16, 00:00 UTC
WATER, HOUSING = 0, 1
SUBJECTS = (
    Subject("0101", Text(en="Standing water", zh="道路积水"), WATER, "1h"),
    Subject("0502", Text(en="Property management", zh="物业管理"), HOUSING, "20d", 1),
    Subject("0401", Text(en="Noise", zh="噪声"), HOUSING, "5d", 1),
)
DEPARTMENTS = (
    Department("department-water", Text(en="Water", zh="水务局")),
    Department("department-housing", Text(en="Housing", zh="住建局")),
)


def book() -> Book:
    """An empty book."""
    return Book(SUBJECTS, DEPARTMENTS, UTC)


def asked(name: str, code: str = "0101", at: int = MONDAY, **told: object) -> ServiceRequest:
    """A request; ``told`` are other members."""
    return ServiceRequest(id=name, code=code, category=code, requested=at, **told)  # type: ignore[arg-type]  # as named


def answered(
    name: str, code: str = "0101", after: int = HOUR // 2, satisfied: bool | None = None, solved: bool | None = None
) -> ServiceRequest:
    """The same request when it is answered."""
    return asked(name, code, status="closed", updated=MONDAY + after, satisfied=satisfied, solved=solved)


def test_an_urgent_appeal_is_late_after_an_hour() -> None:
    """It is overdue from the hour on, until it is answered."""
    it = book()
    it.take(asked("a"))
    it.advance(MONDAY + HOUR - 1)
    assert list(it.overdue) == []
    it.advance(MONDAY + HOUR)
    standing = it.standings(MONDAY + HOUR)[WATER]
    assert (standing.open, standing.overdue, standing.overdue_safety, standing.late_safety) == (1, 1, 1, "a")
    it.take(answered("a", after=2 * HOUR))
    standing = it.standings(MONDAY + 2 * HOUR)[WATER]
    assert (standing.open, standing.overdue, standing.tally.answered, standing.tally.in_time) == (0, 0, 1, 0)


def test_days_and_hours_are_late_apart() -> None:
    """An appeal of five working days is late among those with days."""
    it = book()
    it.take(asked("noise", "0401"))
    it.advance(MONDAY + 8 * DAY)
    standing = it.standings(MONDAY + 8 * DAY)[HOUSING]
    assert (standing.overdue, standing.overdue_safety, standing.late, standing.late_safety) == (1, 0, "noise", "")


def test_what_comes_twice_counts_once() -> None:
    """A request and its answer may be told again and again."""
    it = book()
    new = [it.take(one) for _ in range(3) for one in (asked("a"), answered("a", satisfied=True, solved=True))]
    assert (new, len(it.open)) == ([True, False, False, False, False, False], 0)
    tally = it.standings(MONDAY)[WATER].tally
    assert (tally.received, tally.answered, tally.in_time, tally.rated, tally.satisfied) == (1, 1, 1, 1, 1)


def test_an_answer_that_was_none_opens_the_appeal_again() -> None:
    """A reopened appeal is open, and counts as answered only by its last answer."""
    it = book()
    it.take(answered("a"))
    it.take(asked("a", status="open", updated=MONDAY + 2 * HOUR))
    assert (len(it.open), it.standings(MONDAY)[WATER].tally.answered) == (1, 0)
    it.take(answered("a", after=3 * HOUR))
    tally = it.standings(MONDAY)[WATER].tally
    assert (len(it.open), tally.received, tally.answered, tally.in_time) == (0, 1, 1, 0)


def test_an_appeal_that_is_handed_on_counts_where_it_is() -> None:
    """Another code gives it to another department, with the deadline of that one."""
    it = book()
    it.take(asked("a"))
    it.take(asked("a", "0401", updated=MONDAY + MINUTE))
    it.advance(MONDAY + 2 * HOUR)
    water, housing = it.standings(MONDAY)
    assert (water.open, water.overdue, water.tally.received) == (0, 0, 0)
    assert (housing.open, housing.overdue, housing.tally.received) == (1, 0, 1)
    assert it.top(MONDAY) == [(2, 1)]


def test_a_unit_under_85_per_cent_is_named() -> None:
    """From thirty call-backs on, a department that satisfies fewer than 85 % is named; the last word counts."""
    it = book()
    for number in range(100):
        it.take(answered(f"h{number}", "0502", satisfied=number < 84, solved=True))
        it.take(answered(f"w{number}", satisfied=number < 85))
    water, housing = it.standings(MONDAY)
    assert (housing.satisfied_rate, housing.solved_rate, housing.is_named) == (0.84, 1.0, True)
    assert (water.satisfied_rate, water.solved_rate, water.is_named) == (0.85, None, False)
    it.take(answered("h99", "0502", satisfied=True))
    assert it.standings(MONDAY)[HOUSING].is_named is False


def test_few_call_backs_name_nobody() -> None:
    """Nothing is said of a department from twenty-nine call-backs."""
    it = book()
    for number in range(29):
        it.take(answered(f"h{number}", "0502", satisfied=False))
    assert it.standings(MONDAY)[HOUSING].is_named is False


def test_the_month_has_its_top_ten() -> None:
    """Subjects are ranked by the requests of the month, and a new month begins with nothing."""
    it = book()
    for number in range(5):
        it.take(asked(f"n{number}", "0401"))
    it.take(asked("w"))
    assert it.top(MONDAY) == [(2, 5), (0, 1)]
    assert it.top(MONDAY + 20 * DAY) == []


def test_hours_are_those_of_today() -> None:
    """Requests count in their hour of the newest day."""
    it = book()
    it.take(asked("y", at=MONDAY - HOUR))
    it.take(asked("a", at=MONDAY + 9 * HOUR))
    it.take(asked("b", at=MONDAY + 9 * HOUR + MINUTE))
    it.take(asked("late", at=MONDAY - 2 * HOUR))
    assert (it.hours[9], sum(it.hours)) == (2, 2)


def test_an_unknown_subject_is_left_out() -> None:
    """What no department answers for is not booked."""
    it = book()
    assert it.take(asked("a", "7777")) is False
    assert len(it.open) == 0


REQUESTS = st.lists(
    st.builds(
        lambda name, code, closed, happy, at: asked(
            f"r{name}", code, MONDAY + at * HOUR, status="closed" if closed else "open",
            updated=MONDAY + (at + closed) * HOUR, satisfied=happy,
        ),
        st.integers(0, 6), st.sampled_from(["0101", "0502", "0401"]), st.integers(0, 3),
        st.sampled_from([None, True, False]), st.integers(0, 40),
    ),
    max_size=40,
)  # fmt: skip


@given(REQUESTS, st.integers(0, 40))
def test_a_saved_book_goes_on_as_if_nothing_had_been(requests: list[ServiceRequest], cut: int) -> None:
    """A snapshot anywhere gives the same book in the end, and its figures never fall below nothing."""
    whole, first = book(), book()
    for number, one in enumerate(requests):
        whole.take(one)
        whole.advance(MONDAY + number * HOUR)
    for number, one in enumerate(requests[:cut]):
        first.take(one)
        first.advance(MONDAY + number * HOUR)
    second = book()
    second.restore(first.snapshot())
    for number, one in enumerate(requests[cut:], start=min(cut, len(requests))):
        second.take(one)
        second.advance(MONDAY + number * HOUR)
    assert {k: v.tobytes() for k, v in second.snapshot().items()} == {
        k: v.tobytes() for k, v in whole.snapshot().items()
    }
    for standing in whole.standings(MONDAY):
        tally = standing.tally
        assert 0 <= tally.in_time <= tally.answered <= tally.received
        assert 0 <= tally.satisfied <= tally.rated
        assert 0 <= standing.overdue_safety <= standing.overdue <= standing.open


def test_a_book_of_other_departments_is_refused() -> None:
    """A saved book is not read with other subjects."""
    import pytest

    other = Book(SUBJECTS[:1], DEPARTMENTS, UTC)
    with pytest.raises(ValueError, match="other subjects or departments"):
        other.restore(book().snapshot())
    assert isinstance(book().snapshot()["book"], np.ndarray)
