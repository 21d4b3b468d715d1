"""What each zone showed over the last ticks, recorded as they come: the curve of an alert about a zone."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wall.view import Row, number

TICKS = 240  # kept; an hour and more at a tick each 15 s
AHEAD_MIN = 15  # the band of a tick is what was forecast for it so long before
BAND = 1  # of the forecast's bands the 90 % one
Columns = NDArray[np.float32]


class ZonePast:
    """A ring of ticks: (tick ms, (series, 4) float32: value, expected, low, high), NaN where nothing is known."""

    def __init__(self) -> None:
        self._column: dict[str, int] = {}
        self._ticks: deque[tuple[int, Columns]] = deque(maxlen=TICKS)
        self._bands: deque[tuple[int, dict[str, tuple[float, float]]]] = deque(maxlen=TICKS)

    def take(self, tick: int, rows: dict[str, Row], forecasts: bytes | None) -> None:
        """One more tick: ``rows`` by "<zone>/<property>" (view.zones), and what is forecast at it (JSON)."""
        if self._ticks and tick <= self._ticks[-1][0]:
            if tick == self._ticks[-1][0]:
                return
            self._ticks.clear()  # the city's clock was set back
            self._bands.clear()
        for key in rows:
            self._column.setdefault(key, len(self._column))
        found = np.full((len(self._column), 4), np.nan, np.float32)
        band = self._band(tick)
        for key, row in rows.items():
            low, high = band.get(key, (np.nan, np.nan))
            found[self._column[key]] = [_real(row["value"]), _real(row["expected"]), low, high]
        self._ticks.append((tick, found))
        if forecasts:
            self._ahead(forecasts)

    def points(self, key: str, start: int, end: int) -> list[list[Any]]:
        """[[tick ms, value, expected, low, high], …] of one series within ``start`` to ``end``; None where unknown."""
        column = self._column.get(key)
        if column is None:
            return []
        return [
            [tick, *(number(float(one)) for one in found[column])]
            for tick, found in self._ticks
            if start <= tick <= end and column < len(found)
        ]

    def _ahead(self, data: bytes) -> None:
        """Remember what is forecast for ``AHEAD_MIN`` from now."""
        body = msgspec.json.decode(data)
        at = body["minutes"].index(AHEAD_MIN) if AHEAD_MIN in body["minutes"] else None
        if at is None:
            return
        told = {
            f"{row['zone']}/{row['property']}": (_real(row["low"][at][BAND]), _real(row["high"][at][BAND]))
            for row in body["rows"]
        }
        self._bands.append((int(body["tick"]) + AHEAD_MIN * 60_000, told))

    def _band(self, tick: int) -> dict[str, tuple[float, float]]:
        """What was forecast for this tick; the newest forecast that is not for later."""
        while len(self._bands) > 1 and self._bands[1][0] <= tick:
            self._bands.popleft()
        return self._bands[0][1] if self._bands and self._bands[0][0] <= tick else {}


def _real(value: float | None) -> float:
    return np.nan if value is None else float(value)
