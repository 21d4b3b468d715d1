"""How a codec refuses: the whole, or one record of it. Every message names field, value, limit or remedy, and place."""

from __future__ import annotations

from dataclasses import dataclass

from sensors.problems import Scalar, shown

LONGEST = 1_000  # characters of a reason


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST else reason[:LONGEST] + "…"


class Unreadable(ValueError):
    """What was sent cannot be read as a whole. The one error codecs raise; the others here are its kinds.

    ``position`` is the first wrong byte and ``record`` the first wrong record, both from 0, where they are known.
    """

    def __init__(
        self,
        reason: str,
        *,
        field: str = "body",
        value: object = None,
        limit: object = None,
        position: int | None = None,
        record: int | None = None,
    ) -> None:
        super().__init__(_short(reason))
        self.reason = _short(reason)
        self.field = field
        self.value = shown(value)
        self.limit = shown(limit)
        self.position = position
        self.record = record


class Undecodable(Unreadable):
    """The bytes are not in the format at all. ``position`` is the first byte that is wrong, counted from 0."""

    position: int

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} at byte {position}", position=position)
        self.reason = reason


class Misshapen(Unreadable):
    """The bytes can be read, but hold something else than they should."""

    def __init__(self, field: str, value: Scalar, limit: Scalar, reason: str) -> None:
        super().__init__(reason, field=field, value=value, limit=limit)


class TooMany(Unreadable):
    """There are more records than one message may carry."""

    limit: int

    def __init__(self, rows: int, limit: int, what: str = "readings") -> None:
        reason = f"{rows} {what} in one request; at most {limit} are taken"
        super().__init__(reason, field=what, value=rows, limit=limit)
        self.rows = rows
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one record is refused. ``index`` is its place in what was sent, from 0; ``code`` the reason in one word."""

    index: int
    code: str
    field: str
    value: Scalar
    limit: Scalar
    reason: str


class Amiss(Exception):
    """One record cannot be read; codecs catch it and give the ``Fault``, so that it spoils no other record."""

    def __init__(self, field: str, value: object, limit: object, reason: str, code: str = "malformed") -> None:
        super().__init__(reason)
        self.code, self.field, self.value, self.limit, self.reason = code, field, value, limit, reason

    def at(self, index: int, where: str = "") -> Fault:
        """The fault of the record ``index``; ``where`` says it for people, such as "line 7"."""
        reason = f"{where}: {self.reason}" if where else self.reason
        return Fault(index, self.code, self.field, shown(self.value), shown(self.limit), _short(reason))
