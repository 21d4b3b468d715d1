"""Moments as people write them on the command line, in the city's own time where they do not say another."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


class MomentError(ValueError):
    """What was written is no moment; the message has it, and an example."""


def moment(text: str, timezone: str) -> int:
    """``2026-10-01``, ``2026-10-01 18:30`` or ISO 8601 with an offset, as ms; raises ``MomentError``."""
    try:
        found = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise MomentError(
            f"{text!r} is no moment; write it as 2026-10-01, 2026-10-01T18:30 or 2026-10-01T18:30+08:00"
        ) from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(timezone))
    return int(found.timestamp() * 1000)


def moment_of(text: str | None, timezone: str) -> int | None:
    """The same of what may be left out: None then."""
    return None if text is None else moment(text, timezone)
