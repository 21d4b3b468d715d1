"""The engine of the city: partials of all shards in; zone sums, scores and detections out.

A tick is closed when every shard has sent its partial, or when ``grace_ms`` of later ticks have come: a silent shard
must not hold up the others for long. What comes after that is counted and left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.batch import Malformed
from models.calendar import Calendar
from models.detections import from_change
from models.detectors import Detector
from models.layout import Series
from models.partials import FIELDS, Partial
from models.rules import Conditions, Rule
from models.values import Detection

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Tick:
    """One closed tick: ``start`` ms, the ``frame`` with a row a series (columns of rules.ZONE_COLUMNS and ``series``,
    in series order, only series with readings), when its readings were accepted, and what fired or ended in it."""

    start: int
    accepted: int
    frame: pl.DataFrame
    detections: tuple[Detection, ...]


class CityEngine:
    """Adds up the shards' partials and judges the zones. Its state can be saved and restored bit for bit."""

    def __init__(
        self,
        series: Sequence[Series],
        rules: Sequence[Rule],
        detectors: Mapping[str, Detector],
        calendar: Calendar,
        shards: int,
        tick_ms: int,
        grace_ms: int,
    ) -> None:
        """``detectors`` judges the zones of each property."""
        self.series = tuple(series)
        self.calendar = calendar
        self.shards = shards
        self.tick_ms = tick_ms
        self.grace_ms = grace_ms
        self.conditions = Conditions([rule for rule in rules if rule.reads == "zones"])
        self._detectors = dict(detectors)
        self._rows = {
            name: np.array([i for i, s in enumerate(self.series) if s.property == name], np.int32) for name in detectors
        }
        self._states = {name: detector.start(len(self._rows[name])) for name, detector in self._detectors.items()}
        self._members = np.array([s.members for s in self.series], np.float64)
        self._capacity = np.array([s.capacity for s in self.series], np.float64)
        self._area = np.array([s.area_m2 for s in self.series], np.float64)
        self._open: dict[int, tuple[set[int], NDArray[np.float64]]] = {}
        self._closed = _NEVER  # the newest closed tick
        self._newest = _NEVER
        self.late = 0

    def step(self, partial: Partial) -> list[Tick]:
        """Take one partial; the ticks that it closes, in order. Raises ``Malformed`` when it is of another city."""
        if len(partial.count) != len(self.series) or not partial.shard < self.shards:
            raise Malformed(
                f"a partial of shard {partial.shard} with {len(partial.count)} series; the city has {self.shards} "
                f"shards and {len(self.series)} series"
            )
        if partial.tick <= self._closed:
            self.late += 1
            return []
        shards, sums = self._open.setdefault(partial.tick, (set(), np.zeros((len(FIELDS), len(self.series)))))
        if partial.shard in shards:  # sent again after a restart
            return []
        shards.add(partial.shard)
        for row, name in enumerate(FIELDS):
            sums[row] += getattr(partial, name)
        self._newest = max(self._newest, partial.tick)
        ticks = []
        while self._open:
            oldest = min(self._open)
            complete = len(self._open[oldest][0]) == self.shards
            if not complete and self._newest - oldest < self.grace_ms:
                break
            ticks.append(self._close(oldest, self._open.pop(oldest)[1], partial.accepted))
        return ticks

    def _close(self, start: int, sums: NDArray[np.float64], accepted: int) -> Tick:
        self._closed = start
        count, value, known, known_value, known_expected = sums
        score = self._score(start, known, known_value, known_expected)
        local = self.calendar.local(np.array([start + self.tick_ms], np.int64))
        with np.errstate(divide="ignore", invalid="ignore"):
            frame = pl.DataFrame(
                {
                    "series": np.arange(len(self.series), dtype=np.int32),
                    "value": value,
                    "expected": np.where(known > 0, known_expected, np.nan),
                    "score": score.astype(np.float64),
                    "ratio": np.where((known > 0) & (known_expected > 0), known_value / known_expected, np.nan),
                    "reporting": count / self._members,
                    "members": self._members,
                    "capacity": self._capacity,
                    "occupancy": value / self._capacity,
                    "density": value / self._area,
                    "zone_kind": [s.zone_kind for s in self.series],
                    "hour": np.full(len(value), float(local[0] % 86_400_000) / 3_600_000),
                    "day_kind": np.full(len(value), float(self.calendar.day_kind(local)[0])),
                },
                nan_to_null=True,
            ).filter(pl.Series(count > 0))
        return Tick(start, accepted, frame, tuple(self._judge(start, frame)))

    def _score(
        self, start: int, known: NDArray[np.float64], value: NDArray[np.float64], expected: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Surprise of each series: the logarithm of its sum over what its datastreams expected, less that of the whole
        city, judged by the property's zone detector on the zone's own past."""
        score = np.full(len(self.series), np.nan, np.float32)
        departure = np.log((value + 1.0) / (expected + 1.0))
        for rows in self._rows.values():
            whole = [row for row in rows.tolist() if self.series[row].zone_kind == "city"]
            if whole and known[whole[0]] > 0:  # what the whole city does is told once, by the city's own series
                departure[np.setdiff1d(rows, whole)] -= departure[whole[0]]
        for name, detector in self._detectors.items():
            rows = np.flatnonzero(known[self._rows[name]] > 0).astype(np.int32)
            if not len(rows):
                continue
            at = self._rows[name][rows]
            time = np.full(len(rows), start, np.int64)
            local = self.calendar.local(time)
            self._states[name], scores = detector.step(
                self._states[name], rows, time, departure[at], self.calendar.day_kind(local), local
            )
            score[at] = scores.score
        return score

    def _judge(self, start: int, frame: pl.DataFrame) -> list[Detection]:
        detections = []
        property_of = np.array([s.property for s in self.series])
        for number, rule in enumerate(self.conditions.rules):
            mine = frame.filter(pl.Series(property_of[frame["series"].to_numpy()] == rule.property))
            if mine.is_empty():
                continue
            places = mine["series"].to_list()
            for change in self.conditions.step(number, places, [start] * len(places), mine):
                at = self.series[change.place]
                columns = mine.row(change.row, named=True)
                detections.append(from_change(rule, change, at.place, "zone", columns, at.unit, exercise=False))
        return detections

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The whole state as copies of plain arrays."""
        ticks = sorted(self._open)
        sums = np.zeros((len(ticks), len(FIELDS), len(self.series)))
        shards = np.zeros((len(ticks), self.shards), np.bool_)
        for row, tick in enumerate(ticks):
            present, sums[row] = self._open[tick]
            shards[row, sorted(present)] = True
        arrays: dict[str, NDArray[np.generic]] = {
            "ticks": np.array(ticks, np.int64),
            "sums": sums,
            "shards": shards,
            "marks": np.array([self._closed, self._newest, self.late], np.int64),
            "conditions": np.frombuffer(msgspec.json.encode(self.conditions.snapshot()), np.uint8).copy(),
        }
        for name, detector in self._detectors.items():
            for key, array in detector.snapshot(self._states[name]).items():
                arrays[f"{name}/{key}"] = array.copy()
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what ``snapshot`` gave. Raises ``ValueError`` when it is of another layout."""
        if arrays["sums"].shape[2] != len(self.series) or arrays["shards"].shape[1] != self.shards:
            raise ValueError(
                f"the saved city state has {arrays['sums'].shape[2]} series and {arrays['shards'].shape[1]} shards, "
                f"the city has {len(self.series)} and {self.shards}; the register has changed"
            )
        self._open = {
            int(tick): ({s for s in range(self.shards) if present[s]}, np.array(sums, np.float64))
            for tick, present, sums in zip(arrays["ticks"], arrays["shards"], arrays["sums"], strict=True)
        }
        self._closed, self._newest, self.late = (int(mark) for mark in arrays["marks"])
        self.conditions.restore(msgspec.json.decode(np.asarray(arrays["conditions"], np.uint8).tobytes()))
        for name, detector in self._detectors.items():
            prefix = f"{name}/"
            mine = {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
            self._states[name] = detector.restore(mine)
