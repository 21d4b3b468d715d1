"""The inbox: what is acknowledged is safe, and what was taken is not taken again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.inbox import Gap, Inbox
from tests.streams.events import Event, event


def take(inbox: Inbox, *offsets: int) -> tuple[list[Event], list[bool]]:
    """Give these messages to the inbox; the events and what it said."""
    events = [event(offset) for offset in offsets]
    return events, [inbox.take(one) for one in events]


def acknowledged(events: list[Event]) -> list[int]:
    """The offsets of those that are acknowledged."""
    assert all(one.acknowledged <= 1 for one in events)
    return [one.message.offset for one in events if one.acknowledged]


def test_nothing_is_acknowledged_before_it_is_safe() -> None:
    """Messages are acknowledged, once each, when everything up to them is saved."""
    inbox = Inbox()
    events, new = take(inbox, 0, 1, 2, 3)
    assert new == [True] * 4
    assert acknowledged(events) == []
    inbox.saved(2)
    assert acknowledged(events) == [0, 1]
    inbox.saved(1)  # an older snapshot that was written later
    assert inbox.safe == 2
    inbox.saved(4)
    assert acknowledged(events) == [0, 1, 2, 3]
    assert not inbox.held


def test_what_is_safe_is_acknowledged_and_skipped() -> None:
    """After a restart from a snapshot, messages that it includes are let through at once."""
    inbox = Inbox(next=3, safe=3)
    events, new = take(inbox, 1, 2, 3)
    assert new == [False, False, True]
    assert acknowledged(events) == [1, 2]


def test_what_was_taken_is_skipped_and_held() -> None:
    """A message that comes again before it is safe is not taken again, and acknowledged with the rest."""
    inbox = Inbox()
    first, _ = take(inbox, 0, 1, 2)
    inbox.saved(1)
    inbox.forget()  # a rebalance: the partition is read from its committed offset again
    again, new = take(inbox, 1, 2, 3)
    assert new == [False, False, True]
    inbox.saved(4)
    assert acknowledged(first) == [0]
    assert acknowledged(again) == [1, 2, 3]


def test_a_gap_is_an_error() -> None:
    """A message that is not the next one means that some were lost on the way here."""
    inbox = Inbox(next=5, safe=5)
    with pytest.raises(Gap, match="message 7 of t-0 came, 5 was due"):
        inbox.take(event(7))


def test_a_compacted_log_has_gaps() -> None:
    """Where the log drops messages by itself a gap is none."""
    inbox = Inbox(whole=False)
    _, new = take(inbox, 0, 4, 9)
    assert new == [True] * 3
    assert inbox.next == 10


def test_a_log_that_begins_later_is_followed() -> None:
    """What retention dropped before it was taken is counted, and the inbox goes on from where the log begins."""
    inbox = Inbox(next=5, safe=3)
    assert inbox.begin(4) == 0
    assert (inbox.next, inbox.safe) == (5, 4)
    assert inbox.begin(8) == 3
    assert (inbox.next, inbox.safe) == (8, 8)
    assert inbox.take(event(8))


def test_bytes_are_let_go() -> None:
    """Of what is held only the acknowledgement is kept."""
    inbox = Inbox()
    events, _ = take(inbox, 0, 1)
    inbox.lighten()
    more, _ = take(inbox, 2)
    inbox.lighten()
    assert [one.message.value for one in (*events, *more)] == [None] * 3
    assert [one.value for one in (*events, *more)] == [None] * 3


@given(st.lists(st.sampled_from(["take", "save", "rebalance", "restart"]), max_size=60))
def test_whatever_happens_each_message_is_taken_once_and_in_order(acts: list[str]) -> None:
    """Through saves, rebalances and restarts, what survives was taken exactly once, and no commit runs ahead of it."""
    inbox, state, saved = Inbox(), [], []
    position = committed = 0
    for act in acts:
        if act == "take":
            one = event(position)
            if inbox.take(one):
                state.append(position)
            position += 1
        elif act == "save":
            saved = list(state)
            inbox.saved(inbox.next)
            committed = inbox.safe  # at most: Faust commits what is acknowledged
        elif act == "rebalance":
            inbox.forget()
            position = committed
        else:
            state = list(saved)
            inbox = Inbox(next=len(saved), safe=len(saved))
            position = committed
        assert state == list(range(len(state)))
        assert committed <= len(saved)
