"""Words that every declaration uses: durations and names."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = r"^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$"
NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
Duration = Annotated[str, msgspec.Meta(pattern=DURATION)]
Name = Annotated[str, msgspec.Meta(pattern=NAME)]  # becomes part of ids


def milliseconds(duration: str) -> int:
    """``"5s"``, ``"1.5m"``, ``"24h"`` as milliseconds; raises ``ValueError`` when it is no duration."""
    match = re.fullmatch(DURATION, duration)
    if match is None:
        raise ValueError(f"{duration!r} is no duration; write a number and ms, s, m, h or d, as in 90s")
    return round(float(match[1]) * _UNITS_MS[match[2]])
