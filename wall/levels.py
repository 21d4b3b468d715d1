"""Heat levels: how busy each datastream is, in 16 steps, and the few bytes that tell a browser what moved.

The scale of a property runs from ``floor`` to ``busy``, the 99th percentile of its readings in the city since the
wall started; it grows, it never shrinks. A level is the square root of the share of that range, times 15 (a little
straightened near zero): a count's noise grows with its square root, so one step means about the same everywhere.
Level 15 therefore says "among the busiest one per cent of its kind today"; it says nothing of danger, which is what
alerts are for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 15
NONE = 255  # no reading, or one too old to show: drawn grey
HYSTERESIS = 1.5  # levels, a tenth of the scale: smaller moves are not told

BEND = 0.01  # below this share the root is nearly straight, else one person more would be two levels on an empty street

Uint8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Scale:
    """The range of each property: ``floor`` and ``busy`` (properties,) float64 in the property's unit, NaN unknown."""

    floor: NDArray[np.float64]
    busy: NDArray[np.float64]

    def grown(self, value: Float32, kind: NDArray[np.uint8]) -> Scale:
        """The scale that also fits ``value`` (datastreams,) of properties ``kind`` (datastreams,).

        An end moves only when the city's percentile is more than a tenth of the range beyond it.
        """
        floor, busy = self.floor.copy(), self.busy.copy()
        for row in range(len(floor)):
            seen = value[(kind == row) & np.isfinite(value)]
            if not len(seen):
                continue
            low, high = np.percentile(seen, (1, 99))
            low = (
                low if low > high / 2 else min(low, 0.0)
            )  # zero is the floor, save of kinds far from it (metres above sea)
            slack = 0.1 * (busy[row] - floor[row])
            if not low >= floor[row] - slack:
                floor[row] = low
            if not high <= busy[row] + slack:
                busy[row] = max(high, floor[row] + 1e-6)
        return Scale(floor, busy)

    def places(self, value: Float32, kind: NDArray[np.uint8]) -> Float32:
        """(datastreams,) where each value lies between 0 and 15; NaN stays NaN."""
        floor, span = self.floor[kind], (self.busy - self.floor)[kind]
        share = np.clip((value - floor) / span, 0.0, 1.0)
        root = (np.sqrt(share + BEND) - BEND**0.5) / ((1 + BEND) ** 0.5 - BEND**0.5)
        return np.asarray(TOP * root, np.float32)


def unknown(properties: int) -> Scale:
    """A scale that has seen nothing."""
    return Scale(np.full(properties, np.nan), np.full(properties, np.nan))


def moved(shown: Uint8, place: Float32, limit: int) -> tuple[Int64, Uint8, int]:
    """What to tell the viewers: rows ascending, their new levels, and how many more are held for the next tick.

    ``shown`` (datastreams,) is what they have, ``place`` (datastreams,) what ``Scale.places`` gave. When more than
    ``limit`` moved, the largest moves go first, so that a flood of small ones cannot fill the line.
    """
    known, had = np.isfinite(place), shown != NONE
    step = np.where(known & had, np.abs(place - shown), 0.0)
    step = np.where(known != had, TOP + 1.0, step)  # came or went: before any other
    rows = np.flatnonzero(step > HYSTERESIS)
    held = max(len(rows) - limit, 0)
    if held:
        rows = np.sort(rows[np.argpartition(step[rows], held)[held:]])
    level = np.where(known[rows], np.rint(np.where(known[rows], place[rows], 0)), NONE).astype(np.uint8)
    return rows, level, held


def pack_rows(rows: Int64) -> bytes:
    """Ascending rows as gaps in LEB128: one byte for a gap under 128, at most three (2,097,151)."""
    gap = np.diff(rows, prepend=-1) - 1
    size = 1 + (gap > 0x7F) + (gap > 0x3FFF)
    out = np.zeros((len(rows), 3), np.uint8)
    out[:, 0] = (gap & 0x7F) | np.where(size > 1, 0x80, 0)
    out[:, 1] = ((gap >> 7) & 0x7F) | np.where(size > 2, 0x80, 0)
    out[:, 2] = (gap >> 14) & 0x7F
    return out[np.arange(3) < size[:, None]].tobytes()


def unpack_rows(data: bytes) -> Int64:
    """The rows that ``pack_rows`` packed."""
    octets = np.frombuffer(data, np.uint8).astype(np.int64)
    if not len(octets):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate(([True], octets[:-1] < 0x80)))
    size = np.diff(starts, append=len(octets))
    gap = octets[starts] & 0x7F
    for place in (1, 2):
        more = size > place
        gap[more] |= (octets[starts[more] + place] & 0x7F) << (7 * place)
    return np.cumsum(gap + 1) - 1


def pack_levels(level: Uint8) -> bytes:
    """Levels 0 to 15 as two a byte, the earlier in the high half."""
    padded = np.append(level, np.uint8(0)) if len(level) % 2 else level
    return ((padded[0::2] << 4) | padded[1::2]).astype(np.uint8).tobytes()


def unpack_levels(data: bytes, count: int) -> Uint8:
    """The ``count`` levels that ``pack_levels`` packed."""
    octets = np.frombuffer(data, np.uint8)
    return np.column_stack((octets >> 4, octets & 15)).ravel()[:count].astype(np.uint8)
