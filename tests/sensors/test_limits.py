"""Readings a second and gateway."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sensors.limits import Rate


def test_a_second_of_readings_passes_at_once_and_the_next_has_to_wait() -> None:
    """At 1,000 a second, 1,000 pass; the next 500 wait for half a second."""
    rate = Rate(1000)
    assert [rate.take("a", 1000, 0.0), rate.take("a", 500, 0.0), rate.take("a", 500, 0.5)] == [0.0, 0.5, 0.0]


def test_each_gateway_has_its_own_rate() -> None:
    """One gateway that sends too much takes nothing from another."""
    rate = Rate(1000)
    rate.take("loud", 1000, 0.0)
    assert rate.take("quiet", 1000, 0.0) == 0.0


def test_a_batch_larger_than_a_second_passes_and_is_paid_for_afterwards() -> None:
    """A batch of three seconds passes when the bucket is full, and then three seconds have to pass."""
    rate = Rate(1000)
    assert rate.take("a", 3000, 0.0) == 0.0
    assert [rate.wait("a", 1000, 0.0), rate.wait("a", 1000, 2.0), rate.take("a", 1000, 3.0)] == [3.0, 1.0, 0.0]


@given(st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 2)), min_size=1))
def test_no_more_pass_than_the_rate_allows(asked: list[tuple[int, float]]) -> None:
    """Over any time, what passes is at most the rate times the time, a second's worth, and one large batch."""
    rate = Rate(1000)
    times = itertools.accumulate(pause for _, pause in asked)
    passed = 0
    for (readings, _), now in zip(asked, times, strict=True):
        if not rate.take("a", readings, now):
            passed += readings
        assert passed <= 1000 * now + 1000 + 3000
