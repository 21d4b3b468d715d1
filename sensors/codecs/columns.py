"""Readings as a codec hands them over: columns of what was sent, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensors.problems import Scalar


class Undecodable(ValueError):
    """The bytes as a whole cannot be read. ``position`` is the first byte that is wrong, counted from 0."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} at byte {position}")
        self.reason = reason
        self.position = position


class Misshapen(ValueError):
    """The bytes can be read, but hold something else than readings."""

    def __init__(self, field: str, value: Scalar, limit: Scalar, reason: str) -> None:
        super().__init__(reason)
        self.field, self.value, self.limit = field, value, limit


class TooMany(ValueError):
    """There are more rows than one request may carry."""

    def __init__(self, rows: int, limit: int) -> None:
        super().__init__(f"{rows} readings in one request; at most {limit} are taken")
        self.rows = rows
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one row is refused. ``index`` is its place in the request, from 0; ``code`` is the reason in one word."""

    index: int
    code: str
    field: str
    value: Scalar
    limit: Scalar
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The readable rows of one request; every column has the shape (rows,).

    ``time`` is in milliseconds since 1970-01-01 UTC, ``value`` as sent; an infinite value stands for a number too
    large to hold. ``unit`` is ``None`` where none was sent; ``lon`` and ``lat`` (degrees, WGS-84) are NaN there.
    ``index`` tells each row's place in the request; ``faults`` are the rows that are missing here, ``count`` is the
    number of both. ``text(index)`` gives a row of the request as bytes, for the dead letters.
    """

    datastream: Sequence[str]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    unit: Sequence[str | None] | None
    lon: NDArray[np.float64] | None
    lat: NDArray[np.float64] | None
    index: NDArray[np.int64]
    count: int
    text: Callable[[int], bytes]
    faults: list[Fault] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.datastream)
