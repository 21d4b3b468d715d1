"""The hour ahead in the picture: the profile's forecasts of each tick, corrected by the newest trees.

Trees are taken up and left beside the stream, in a thread. No rule looks at them: alerts depend on what the engines
know, which is saved with them and the same in every replay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from config.site import Site
from models.forecast.corrected import Corrected, uncorrected
from models.forecast.values import HORIZONS_MIN, PROFILE, Forecast
from models.forecast.zones import Outlook
from streams.trained import Versions

log = logging.getLogger(__name__)
LOOK_S = 20.0  # so often it is looked whether there is a new version


class Outlooks:
    """What the picture tells of the hour ahead."""

    def __init__(self, site: Site) -> None:
        self._series = site.layouts.series
        self._calendar = site.city.calendar
        self._folder = site.settings.trained
        self._versions = {name: Versions(self._folder / name) for name in site.layouts.zone_detectors}
        self._stamps = dict.fromkeys(self._versions, -1)
        self._names = dict.fromkeys(self._versions, PROFILE)
        self._corrected: dict[str, Corrected] = {}
        self._last: Mapping[str, Outlook] = {}

    async def follow(self) -> None:
        """Look for new versions, for ever."""
        while True:
            for name in self._versions:
                if name in self._last:
                    await self._look(name, self._last[name])
            await asyncio.sleep(LOOK_S)

    async def _look(self, property: str, outlook: Outlook) -> None:
        versions = self._versions[property]
        stamp = versions.stamp()
        if stamp == self._stamps[property]:
            return
        self._stamps[property] = stamp
        name = versions.book().current
        if name == self._names[property]:
            return
        corrected = None if name == PROFILE else await asyncio.to_thread(self._taken_up, versions, name, outlook)
        self._names[property] = PROFILE if corrected is None else name
        if corrected is None:
            self._corrected.pop(property, None)
        else:
            self._corrected[property] = corrected
        log.info("forecasts of %s are those of version %s", property, self._names[property])

    def _taken_up(self, versions: Versions, name: str, outlook: Outlook) -> Corrected | None:
        learned = versions.load(name)
        if learned is None:
            return None
        corrected = Corrected(learned, [self._series[row].place.id for row in outlook.series], self._calendar)
        corrected.show(outlook.steps)
        return corrected

    def told(self, tick: int, ahead: Mapping[str, Outlook]) -> dict[str, Any]:
        """The body of the key ``forecasts`` after a tick that ended at ``tick``, ms."""
        self._last = {**self._last, **ahead}
        rows: list[dict[str, Any]] = []
        for name, outlook in ahead.items():
            rows += self._rows(name, outlook, self._forecast(name, outlook))
        versions = {name: self._names[name] for name in ahead}
        return {"tick": tick, "minutes": list(HORIZONS_MIN), "versions": versions, "rows": rows}

    def _forecast(self, property: str, outlook: Outlook) -> Forecast:
        corrected = self._corrected.get(property)
        if corrected is None:
            return uncorrected(outlook)
        corrected.show(outlook.steps)  # does nothing but at the end of a step
        return corrected.forecast(outlook) or uncorrected(outlook)

    def _rows(self, property: str, outlook: Outlook, forecast: Forecast) -> list[dict[str, Any]]:
        return [
            {
                "zone": self._series[row].place.id,
                "property": property,
                "middle": _numbers(forecast.middle[n]),
                "low": _numbers(forecast.low[n]),
                "high": _numbers(forecast.high[n]),
            }
            for n, row in enumerate(outlook.series.tolist())
            if np.isfinite(forecast.middle[n]).any()
        ]


def _numbers(values: Any) -> Any:
    """An array as nested lists with four significant digits; None for NaN."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]
