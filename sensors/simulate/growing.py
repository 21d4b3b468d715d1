"""The simulated city as its packs and its register grow: sensors of a new pack speak without a restart of the feed.

What the city says is a pure function of time, so it can be made anew in the middle of a window: who has spoken goes on
behind the same gateway, with the same values; who is new speaks from the next window on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from config import packs_reload
from config import register as registers
from config.city import City as Declared
from config.pack import FOLDER
from config.pack_simulate import Reading
from config.packs_reload import LOOK_S, Packs
from config.register import Register, RegisterError
from config.settings import Settings
from config.stamps import Stamp, stamp
from sensors.push import paused
from sensors.simulate import chengdu
from sensors.simulate.chengdu import City
from sensors.simulate.windows import Windows

SETTLED_S = 8.0  # a register that has grown is known to every gateway after so long; each looks every 5 s
NOBODY = -1  # the gateway of datastreams that the simulator does not speak for

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, slots=True)
class Voices:
    """What the city says at one state of its packs and its register; ``names``: (datastreams,) ids."""

    city: City
    windows: Windows
    names: NDArray[Any]
    gateway: NDArray[np.int64]  # (datastreams,): who sends each, or NOBODY
    since: dict[Reading, int]  # from when on (ms) the sensors of each reading of a pack speak
    seen: Stamp | None  # the register's file that was read


class Growing:
    """The voices of ``city`` behind so many ``gateways``, in windows of ``step_ms`` from ``start_ms`` on.

    ``now`` is what it says now; ``follow`` keeps it true to the packs in force and to the register's file.
    """

    def __init__(
        self,
        settings: Settings,
        city: Declared,
        register: Register,
        gateways: int,
        start_ms: int,
        step_ms: int,
        folder: Path = FOLDER,
    ) -> None:
        self._path, self._city, self._gateways = settings.register, city, gateways
        self._start_ms, self._step_ms = start_ms, step_ms
        self._packs = Packs(folder, packs_reload.keep(settings))
        everyone = _dealt(len(register), gateways)
        self.now = self._voices(register, everyone, stamp(self._path), {}, start_ms)

    async def follow(
        self,
        now_ms: Callable[[], int],
        use: Callable[[City], None],
        stop: asyncio.Event,
        look_s: float = LOOK_S,
        settled_s: float = SETTLED_S,
    ) -> None:
        """Look at the packs and the register until told to stop; ``use`` gets the city each time it is another one.

        ``now_ms`` is the simulated time. A register's file is read when it is ``settled_s`` old, so that no gateway
        is told a datastream that it does not know yet.
        """
        while not await paused(stop, look_s):
            try:
                made = await asyncio.to_thread(self._looked, now_ms(), settled_s)
            except (RegisterError, PolarsError, OSError) as error:
                log.error("the simulated city stays as it was: %s", error)
                continue
            if made is not None:
                new = int((made.gateway != NOBODY).sum() - (self.now.gateway != NOBODY).sum())
                log.info("the packs have changed: %d more simulated datastreams speak", new)
                self.now = made
                use(made.city)

    def _looked(self, now_ms: int, settled_s: float) -> Voices | None:
        """What is to be said from now on; None where that is what is said already."""
        self._packs.refresh()
        held, seen = self.now, stamp(self._path)
        grown = seen is not None and seen != held.seen and time.time() - seen[0] / 1e9 >= settled_s
        if not grown and chengdu.readings(self._packs.packs) == held.city.declared:
            return None
        register = registers.load(self._path) if grown else held.city.register
        return self._voices(register, self._dealt_on(register), seen if grown else held.seen, held.since, now_ms)

    def _dealt_on(self, register: Register) -> NDArray[np.int64]:
        """The gateways of the grown register: those of before, and new ones for assets that the simulator has made."""
        before = self.now.gateway
        if len(register) <= len(before):
            return before
        mine = chengdu.assets(self._city, packs=self._packs.packs)["asset"].implode()
        known = register.frame["asset"][len(before) :].is_in(mine).to_numpy()
        return np.concatenate([before, np.where(known, _dealt(len(known), self._gateways), NOBODY)])

    def _voices(
        self,
        register: Register,
        gateway: NDArray[np.int64],
        seen: Stamp | None,
        before: Mapping[Reading, int],
        now_ms: int,
    ) -> Voices:
        declared = chengdu.readings(self._packs.packs)
        since = {one: before.get(one, now_ms) for one in _heard(register, declared)}
        city = chengdu.simulated(self._city, register, self._start_ms, gateway, declared=declared, since=since)
        windows = Windows(city, gateway, self._start_ms, self._step_ms)
        return Voices(city, windows, np.array(register.ids, object), gateway, since, seen)


def _heard(register: Register, declared: Sequence[Reading]) -> list[Reading]:
    """Those readings that have sensors."""
    there = set(register.frame.select("kind", "property").unique().iter_rows())
    return [one for one in declared if any((kind, one.property) in there for kind in one.kinds)]


def _dealt(datastreams: int, gateways: int) -> NDArray[np.int64]:
    """(datastreams,): gateways 0 to ``gateways`` - 1, each with a run of about equally many."""
    return np.arange(datastreams) * gateways // max(datastreams, 1)
