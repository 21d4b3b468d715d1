"""The forecasts that people see: the profile's, corrected by the trees, in bands that follow their own misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calendar import Calendar
from models.forecast import conformal
from models.forecast.quantiles import Learned
from models.forecast.steps import Steps
from models.forecast.values import HORIZONS_MIN, LEVELS, Forecast, plain
from models.forecast.zones import Outlook

REPEATED: Final = 192  # steps that the bands adapt over again when trees are taken up

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class _Told:
    """What was said at the end of a step, in deviations: middle (n, horizons), edges (n, horizons, levels)."""

    middle: Floats
    low: Floats
    high: Floats


class Corrected:
    """One version of the trees at work on the zones of one property.

    A pure function of the version and of the steps that it was shown: one that starts anew with the same last steps
    says nearly the same, one that is shown the same steps says the same.
    """

    def __init__(self, learned: Learned, zones: Sequence[str], calendar: Calendar) -> None:
        self._learned = learned
        self._zones = tuple(zones)
        self._calendar = calendar
        self._adapter = conformal.start(len(zones), len(HORIZONS_MIN))
        self._said: dict[int, _Told] = {}  # by the step's number
        self._next: int | None = None  # the first step that was not shown yet

    def show(self, steps: Steps) -> None:
        """Take the steps that are new since the last time; the first time the last REPEATED."""
        end = steps.first + len(steps)
        begin = max(end - REPEATED, steps.first) if self._next is None else max(self._next, steps.first)
        self._next = end
        if begin >= end or steps.step_ms != self._learned.step_ms:
            return
        at = np.arange(begin, end, dtype=np.int64) - steps.first
        told = self._learned.ahead(steps, at, self._calendar, self._zones)
        for k, row in enumerate(at.tolist()):
            self._adapt(steps, row)
            middle, low, high = (part[k] for part in told)
            self._said[steps.first + row] = _Told(middle, *self._adapter.edges(low, middle, high))
        last = max(steps.lag(h) for h in steps.horizons)
        self._said = {number: said for number, said in self._said.items() if number >= end - last}

    def _adapt(self, steps: Steps, row: int) -> None:
        """Step ``row`` is known: what the forecasts of it missed moves the edges."""
        shape = (len(self._zones), len(HORIZONS_MIN), len(LEVELS))
        low, high, x = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[:2], np.nan)
        for h in steps.horizons:
            made = row - steps.lag(h)
            said = self._said.get(steps.first + made)
            if made < 0 or said is None:
                continue
            low[:, h], high[:, h] = said.low[:, h], said.high[:, h]
            x[:, h] = (steps.x[row] - steps.told[made, h]) / steps.deviation[made]
        self._adapter = self._adapter.after(low, high, x)

    def forecast(self, outlook: Outlook) -> Forecast | None:
        """The profile's forecast of this moment with the correction of the last whole step; None before there is one.

        Where the trees say nothing of a zone the profile's own forecast stands.
        """
        steps = outlook.steps
        said = self._said.get(steps.first + len(steps) - 1)
        if said is None:
            return None
        deviation = steps.deviation[-1].astype(np.float64)[:, None]
        known = np.isfinite(said.middle)
        middle = np.where(known, outlook.middle + said.middle * deviation, outlook.middle)
        at, known, deviation = outlook.middle[..., None], known[..., None], deviation[..., None]
        low = np.where(known, at + said.low * deviation, at - outlook.half)
        high = np.where(known, at + said.high * deviation, at + outlook.half)
        return on_the_scale(middle, low, high, outlook.counts)


def uncorrected(outlook: Outlook) -> Forecast:
    """The profile's forecast alone."""
    middle = outlook.middle[..., None]
    return on_the_scale(outlook.middle, middle - outlook.half, middle + outlook.half, outlook.counts)


def on_the_scale(middle: Floats, low: Floats, high: Floats, counts: bool) -> Forecast:
    """A forecast in the value's unit from one on the even scale."""
    parts = (plain(part, counts).astype(np.float32) for part in (middle, low, high))
    return Forecast(*parts)
