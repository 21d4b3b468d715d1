"""The checks of ``citybrain doctor``: each a function that looks at one thing and tells what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "FAULT"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: ``value`` as found, ``limit`` it is held to, ``remedy`` when it is not ok."""

    name: str
    status: Status
    value: str
    limit: str = ""
    remedy: str = ""

    def line(self) -> str:
        """The check as one line."""
        limit = f" ({self.limit})" if self.limit else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.status:<8} {self.name:<20} {self.value}{limit}{remedy}"


def ok(name: str, value: str, limit: str = "") -> Check:
    """It is as it should be."""
    return Check(name, "ok", value, limit)


def warning(name: str, value: str, limit: str, remedy: str) -> Check:
    """It works, but somebody should look at it."""
    return Check(name, "warning", value, limit, remedy)


def fault(name: str, value: str, limit: str, remedy: str) -> Check:
    """It does not work, or will lose something."""
    return Check(name, "FAULT", value, limit, remedy)
