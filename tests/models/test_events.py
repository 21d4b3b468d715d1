"""The messages of the topic events."""

from __future__ import annotations

import msgspec
import pytest

from models import events
from models.values import Position


def test_an_event_comes_back_as_it_went() -> None:
    """A known kind is decoded to its value."""
    position = Position(unit="pump-3", time=1, lon=104.0, lat=30.6)
    assert events.decode(events.encode(position)) == position


def test_an_unknown_kind_is_told_and_kept() -> None:
    """What no agent acts on keeps its body."""
    assert events.decode(b'{"kind": "passage", "event": {"id": 1}}') == events.Other("passage", b'{"id": 1}')


@pytest.mark.parametrize("message", [b"", b"\xff", b"[]", b'{"kind": "position", "event": {"unit": 3}}', b"[" * 9999])
def test_what_is_no_event_is_refused(message: bytes) -> None:
    """The error is one that dead letters know."""
    with pytest.raises(msgspec.DecodeError):
        events.decode(message)
