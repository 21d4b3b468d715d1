"""Readings as a codec hands them over: columns of what was sent, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensors.codecs.errors import Fault, Misshapen, TooMany, Undecodable, Unreadable
from sensors.codecs.values import Value

__all__ = ["Columns", "Fault", "Misshapen", "TooMany", "Undecodable", "Unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The readable rows of one request; every column has the shape (rows,).

    ``time`` is in milliseconds since 1970-01-01 UTC, ``value`` as sent; an infinite value stands for a number too
    large to hold. ``unit`` is ``None`` where none was sent; ``lon`` and ``lat`` (degrees, WGS-84) are NaN there.
    ``index`` tells each row's place in the request; ``faults`` are the rows that are missing here, ``count`` is the
    number of both and of what is in ``others``: values of the request that are no numbers (texts, positions, events),
    each with its place. ``text(index)`` gives a row of the request as bytes, for the dead letters.
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
    others: list[tuple[int, Value]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.datastream)
