"""What every subject of an order shares: how a refusal is told."""

from __future__ import annotations

from typing import Literal


class Refused(ValueError):
    """An order that cannot be obeyed; the message is shown to the person who gave it and names value and remedy.

    ``status`` is the answer's: ``conflict`` (409, the ``state`` forbids it, ``by`` is who holds the subject),
    ``unknown`` (404) or ``invalid`` (422, the order itself is off).
    """

    def __init__(
        self,
        message: str,
        status: Literal["conflict", "unknown", "invalid"] = "conflict",
        state: str = "",
        by: str = "",
    ) -> None:
        """``state`` and ``by`` are empty where there is no subject."""
        super().__init__(message)
        self.status = status
        self.state = state
        self.by = by
