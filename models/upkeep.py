"""Upkeep of a shard: which sensors are sound, which gateways they speak through, and which of their anomalies hold.

Readings are taken as they come (``learn``); everything is decided and noted when the watermark passes a tick
(``turn``), from what was known then, so that the cut of batches changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.both import compiled
from models.layout import ShardLayout
from models.nearby import Nearby
from models.notes import FaultNote, Notes, SourceNote
from models.soundness import Soundness

STRANGE = 2.0  # a score that one quiet reading in a hundred has: out of the ordinary, among neighbours and gateways
ALLOWED_CADENCES = 2  # the watermark may jump by so many of the quickest cadence before the rest counts as an outage
LAG_SHARE = 0.95  # of the readings come behind the watermark by at most what the silent are allowed
LAG_FADES = 0.98  # a tick
LAG_BINS = 24  # powers of two, ms
NOBODY = -1


class Upkeep:
    """The upkeep of one shard. ``fault`` (n,) uint8 indexes soundness.KINDS; ``strange`` (n,) int8 is the direction in
    which the last reading before the last turn was out of the ordinary, or 0."""

    def __init__(self, layout: ShardLayout) -> None:
        n = len(layout)
        self.layout = layout
        self.fault = np.zeros(n, np.uint8)
        self.strange = np.zeros(n, np.int8)
        self.source = np.full(n, NOBODY, np.int16)
        self._names: list[str] = []
        self._heard = np.zeros(0, np.int64)
        self._newest = np.zeros(0, np.int64)
        self._mark = 0
        self._lag = 0.0
        self._behind = np.zeros(LAG_BINS, np.int64)
        self._groups: dict[int, tuple[NDArray[np.intp], Soundness]] = {}
        for number, group in enumerate(layout.groups):
            rows = np.flatnonzero(layout.group == number)
            if group.checks is not None and len(rows):
                self._groups[number] = rows, Soundness(group.checks, len(rows))
        cadences = [one.checks.cadence_ms for _, one in self._groups.values()]
        self._allowed_ms = max(ALLOWED_CADENCES * min(cadences, default=0), 2 * layout.tick_ms)

    @property
    def watching(self) -> bool:
        """Is anything looked for at all?"""
        return bool(self._groups)

    # --- readings -------------------------------------------------------------------------------------------

    def hear(self, source: str, rows: NDArray[np.int32], time_ms: NDArray[np.int64]) -> None:
        """Readings (readings,) of any status came through the gateway ``source``; "" is none."""
        if source:
            if source not in self._names:
                self._names.append(source)
                self._heard, self._newest = np.append(self._heard, 0), np.append(self._newest, 0)
            number = self._names.index(source)
            self.source[rows] = number
            self._heard[number] += len(rows)
            self._newest[number] = max(int(self._newest[number]), int(time_ms.max()))
        if self._mark:
            _behind(self._behind, time_ms, self._mark + self.layout.lateness_ms + self.layout.tick_ms)

    def learn(
        self, group: int, local: NDArray[np.int32], time_ms: NDArray[np.int64], value: NDArray[np.float64]
    ) -> None:
        """Fresh readings (readings,) of one group in their order; ``local`` are the rows within the group."""
        if group in self._groups:
            self._groups[group][1].learn(local, time_ms, value)

    # --- the turn of a tick ---------------------------------------------------------------------------------

    def turn(
        self,
        mark_ms: int,
        value: NDArray[np.float32],
        score: NDArray[np.float32],
        expected: NDArray[np.float32],
        time_ms: NDArray[np.int64],
    ) -> Notes:
        """The watermark passes ``mark_ms``: decide anew from the last of each datastream (n,); what is to be noted."""
        if self._mark:
            idle = mark_ms - self._mark - self._allowed_ms
            if idle > 0:
                for _, sound in self._groups.values():
                    sound.pause(idle)
        recent = time_ms >= self._mark - self.layout.lateness_ms
        self._mark = mark_ms
        with np.errstate(invalid="ignore"):
            out = score >= STRANGE
            self.strange = np.where(out, np.sign(value - expected), 0.0).astype(np.int8)
        now = mark_ms - self._lagging()
        faults: list[FaultNote] = []
        for rows, sound in self._groups.values():
            faults += self._swept(rows, sound, now, expected[rows], value)
        sources = self._sources(recent & np.isfinite(score))
        self._heard[:] = 0
        return Notes(mark_ms, sources, tuple(faults))

    def _swept(
        self,
        rows: NDArray[np.intp],
        sound: Soundness,
        now: int,
        expected: NDArray[np.float32],
        value: NDArray[np.float32],
    ) -> list[FaultNote]:
        def empty(asked: NDArray[np.intp]) -> NDArray[np.float32]:
            return np.array([self._empty(int(row), value) for row in rows[asked]], np.float32)

        changed = sound.sweep(now, expected, empty)
        if len(changed):
            self.fault[rows] = sound.fault
        members = self.layout.members
        return [
            FaultNote(
                int(members[rows[at]]),
                int(sound.fault[at]),
                int(sound.since[at]),
                int(self.source[rows[at]]),
                float(value[rows[at]]) if np.isfinite(value[rows[at]]) else 0.0,
                int(members[rows[sound.twin[at]]]) if sound.twin[at] >= 0 else NOBODY,
            )
            for at in changed.tolist()
        ]

    def _empty(self, row: int, value: NDArray[np.float32]) -> float:
        """The share of the neighbours of ``row`` whose last value is zero; 0 without neighbours."""
        near = self._nearby.of(row)
        return float((value[near] == 0.0).mean()) if len(near) else 0.0

    def _lagging(self) -> int:
        """How far behind the watermark readings come of late, ms; 0 while that is within the lateness."""
        total = int(self._behind.sum())
        if total:
            at = int(np.searchsorted(np.cumsum(self._behind), LAG_SHARE * total))
            lag = float(2 ** (at + 1)) if 2**at > self.layout.lateness_ms + 2 * self.layout.tick_ms else 0.0
            self._lag = max(lag, self._lag * LAG_FADES)
            self._behind[:] = 0
        return int(self._lag)

    def _sources(self, scored: NDArray[np.bool_]) -> tuple[SourceNote, ...]:
        known = self.source >= 0
        size = len(self._names)

        def count(which: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
            at = which & known
            return np.bincount(self.source[at], None if weights is None else weights[at], minlength=size).astype(
                np.float64
            )

        members = count(known)
        up, down = count(scored & (self.strange > 0)), count(scored & (self.strange < 0))
        lon, lat = (count(known, where) / np.maximum(members, 1) for where in self._where)
        seen = count(scored)
        return tuple(
            SourceNote(
                name, int(members[k]), int(self._heard[k]), int(self._newest[k]), int(seen[k]), int(up[k]),
                int(down[k]), round(float(lon[k]), 6), round(float(lat[k]), 6),
            )
            for k, name in enumerate(self._names)
        )  # fmt: skip

    # --- neighbours -----------------------------------------------------------------------------------------

    def neighbours(self, row: int, up: bool) -> tuple[int, int]:
        """How many neighbours ``row`` has, and how many of them were out of the ordinary in that direction."""
        near = self._nearby.of(row)
        return len(near), int((self.strange[near] == (1 if up else -1)).sum())

    @cached_property
    def _where(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of each datastream, (n,)."""
        if self.layout.lon is not None and self.layout.lat is not None:
            return self.layout.lon, self.layout.lat
        places = list(self.layout.places)
        return np.array([place.lon for place in places]), np.array([place.lat for place in places])

    @cached_property
    def _nearby(self) -> Nearby:
        return Nearby(*self._where, self.layout.group)

    # --- saving ---------------------------------------------------------------------------------------------

    def graduate(self) -> None:
        """What was heard was history: the next reading of each datastream names its gateway, faults are told anew."""
        self.fault[:] = 0
        for _, sound in self._groups.values():
            sound.fault[:] = 0
        self.source[:] = NOBODY
        self._names, self._heard, self._newest = [], np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._behind[:], self._lag = 0, 0.0

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The whole state as copies of plain arrays."""
        arrays: dict[str, NDArray[Any]] = {
            "fault": self.fault.copy(),
            "strange": self.strange.copy(),
            "source": self.source.copy(),
            "names": np.frombuffer(msgspec.json.encode(self._names), np.uint8).copy(),
            "heard": self._heard.copy(),
            "newest": self._newest.copy(),
            "behind": self._behind.copy(),
            "marks": np.array([self._mark, self._lag], np.float64),
        }
        for number, (_, sound) in self._groups.items():
            arrays |= {f"{self._named(number)}/{name}": array for name, array in sound.snapshot().items()}
        return arrays

    def _named(self, number: int) -> str:
        """What a group is called in a saved state: its number is another one once a pack has come or gone."""
        group = self.layout.groups[number]
        return f"{group.pack}/{group.property}"

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``snapshot`` gave; raises ``ValueError`` when it is of another layout."""
        for number, (_, sound) in self._groups.items():
            prefix = f"{self._named(number)}/"
            if not any(name.startswith(prefix) for name in arrays):
                prefix = f"{number}/"  # saved by an earlier release
            sound.restore({name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)})
        self.fault, self.strange = np.array(arrays["fault"], np.uint8), np.array(arrays["strange"], np.int8)
        self.source = np.array(arrays["source"], np.int16)
        self._names = msgspec.json.decode(np.asarray(arrays["names"], np.uint8).tobytes())
        self._heard, self._newest = np.array(arrays["heard"], np.int64), np.array(arrays["newest"], np.int64)
        self._behind = np.array(arrays["behind"], np.int64)
        self._mark, self._lag = int(arrays["marks"][0]), float(arrays["marks"][1])


@compiled
def _behind(bins: NDArray[np.int64], time_ms: NDArray[np.int64], front_ms: int) -> None:
    """Count by powers of two how many ms the readings (readings,) are behind ``front_ms``."""
    for k in range(len(time_ms)):
        left, at = front_ms - time_ms[k], 0
        while left > 1 and at < len(bins) - 1:
            left >>= 1
            at += 1
        bins[at] += 1
