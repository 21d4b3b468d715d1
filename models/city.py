"""The engine of the city: partials of all shards in; zone sums, scores and detections out.

A tick is closed when every shard has sent its partial, or when ``grace_ms`` of later ticks have come: a silent shard
must not hold up the others for long. What comes after that is counted and left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.batch import Malformed
from models.boxes import Boxes
from models.calendar import Calendar
from models.departures import NOWHERE, WIDE, Departures, Int32, alone, surroundings, whole_city
from models.detections import from_change
from models.detectors import SEASONS, Detector
from models.forecast.profile import ProfileForecaster
from models.forecast.zones import Outlook, ZoneForecasts, named
from models.keeper import Keeper
from models.layout import Series
from models.notes import Notes
from models.partials import FIELDS, Partial, Turn
from models.rules import Conditions, Rule
from models.trust import Watch
from models.values import Detection, Why

BOX = "box"  # the kind of zone of a box
BOX_LEAST = 3.0  # a box that scores less is not shown to the rules
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Tick:
    """One closed tick: ``start`` ms, the ``frame`` with a row a series (columns of rules.ZONE_COLUMNS and ``series``,
    in series order, only series with readings), when its readings were accepted, what fired or ended in it, the
    ``watch`` list after it and the hour ``ahead`` by property."""

    start: int
    accepted: int
    frame: pl.DataFrame
    detections: tuple[Detection, ...]
    watch: Watch | None = None
    ahead: Mapping[str, Outlook] = field(default_factory=dict)


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
        keeper: Keeper | None = None,
        forecasters: Mapping[str, ProfileForecaster] | None = None,
        boxes: Sequence[Boxes] = (),
    ) -> None:
        """``detectors`` judges the zones of each property, ``keeper`` what the shards note; None: nobody does.
        ``forecasters`` of each property tell the hour ahead of its zones; ``boxes`` are judged beside the zones."""
        self.series = tuple(series)
        self.calendar = calendar
        self.shards = shards
        self.tick_ms = tick_ms
        self.grace_ms = grace_ms
        self.conditions = Conditions([rule for rule in rules if rule.reads == "zones"])
        self._rows = {
            name: np.array([i for i, s in enumerate(self.series) if s.property == name], np.int32) for name in detectors
        }
        self._property = np.array([s.property for s in self.series])
        self._members = np.array([s.members for s in self.series], np.float64)
        self._judges = {
            name: Departures(detector, self._members[self._rows[name]]) for name, detector in detectors.items()
        }
        self._city = {name: whole_city(self.series, name) for name in detectors}
        self._around = {name: self._surroundings(name) for name in detectors}
        self.boxes = tuple(box for box in boxes if box.property in detectors)
        self._width = len(self.series) + sum(len(box.columns) for box in boxes)
        self._first_box = np.cumsum([len(self.series), *(len(box) for box in self.boxes)]).tolist()  # as places
        self._box_judges = [Departures(detectors[box.property], box.members, many=1) for box in self.boxes]
        self._box_around = [
            surroundings(self.series, box.property, box.districts, box.cell_members) for box in self.boxes
        ]
        self._capacity = np.array([s.capacity for s in self.series], np.float64)
        self._area = np.array([s.area_m2 for s in self.series], np.float64)
        self.forecasts = ZoneForecasts(
            {name: (named(self.series, name), made) for name, made in (forecasters or {}).items()},
            calendar,
            self._members,
            {"value": np.ones(len(self.series)), "occupancy": self._capacity, "density": self._area},
        )
        self._open: dict[int, tuple[set[int], NDArray[np.float64]]] = {}
        self._closed = _NEVER  # the newest closed tick
        self._newest = _NEVER
        self.late = 0
        self.keeper = keeper
        self._notes: list[tuple[int, int, Notes]] = []  # tick, shard and note of those that no tick has told yet
        self._noted = np.full(shards, _NEVER, np.int64)  # the newest note of each shard: what comes again is the same

    def _surroundings(self, property: str) -> Int32:
        """Whose mood each series of a property shares."""
        mine = [self.series[row] for row in self._rows[property].tolist()]
        districts = ["" if one.zone_kind in WIDE else one.place.district for one in mine]
        around = surroundings(self.series, property, districts, np.array([one.members for one in mine], np.float64))
        return np.where(self._rows[property] == self._city[property], NOWHERE, around).astype(np.int32)

    def turn(self, turn: Turn) -> None:
        """Somebody turned the dial of the alert budget."""
        if self.keeper is not None:
            self.keeper.turn(turn)

    def graduate(self) -> None:
        """What was learned so far is history: gateways, faults and claims are those of the readings to come."""
        self._notes = []
        if self.keeper is not None:
            self.keeper.forget()

    def step(self, partial: Partial) -> list[Tick]:
        """Take one partial; the ticks that it closes, in order. Raises ``Malformed`` when it is of another city."""
        if len(partial.count) != self._width or not partial.shard < self.shards:
            raise Malformed(
                f"a partial of shard {partial.shard} with {len(partial.count)} series; the city has {self.shards} "
                f"shards and {self._width} series"
            )
        if partial.notes is not None and partial.notes.at > self._noted[partial.shard]:
            self._noted[partial.shard] = partial.notes.at
            self._notes.append((partial.tick, partial.shard, partial.notes))
        if partial.tick <= self._closed:
            self.late += 1
            return []
        shards, sums = self._open.setdefault(partial.tick, (set(), np.zeros((len(FIELDS), self._width))))
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
        count, value, known, known_value, known_expected, _ = sums[:, : len(self.series)]
        score, deviation = self._score(start, sums)
        local = self.calendar.local(np.array([start + self.tick_ms], np.int64))
        with np.errstate(divide="ignore", invalid="ignore"):
            frame = pl.DataFrame(
                {
                    "series": np.arange(len(self.series), dtype=np.int32),
                    "value": value,
                    "expected": np.where(known > 0, known_expected, np.nan),
                    "score": score.astype(np.float64),
                    "deviation": deviation.astype(np.float64),
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
        ahead = self.forecasts.step(start + self.tick_ms, count, value)
        detections = self._judge(start, frame, ahead) + self._judge_boxes(start, sums)
        if self.keeper is None:
            return Tick(start, accepted, frame, tuple(detections), ahead=ahead)
        kept = self.keeper.step(start + self.tick_ms, self._told(start), self._firing())
        return Tick(start, accepted, frame, (*detections, *kept.detections), kept.watch, ahead)

    def _told(self, start: int) -> list[tuple[int, Notes]]:
        """The notes up to this tick with their shards, in order; they are let go."""
        due = sorted((note for note in self._notes if note[0] <= start), key=lambda note: note[:2])
        self._notes = [note for note in self._notes if note[0] > start]
        return [(shard, notes) for _, shard, notes in due]

    def _firing(self) -> dict[int, bool]:
        """The series at which a rule fires; True where the place is small enough to tell what its datastreams claim."""
        firing = {place for number in range(len(self.conditions.rules)) for place in self.conditions.firing(number)}
        zones = sorted(place for place in firing if place < len(self.series))
        return {place: self.series[place].zone_kind not in WIDE for place in zones}

    def _score(self, start: int, sums: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Surprise and deviation of each series (models/departures.py)."""
        score, deviation = (np.full(len(self.series), np.nan, np.float32) for _ in range(2))
        _, _, known, value, expected, off = sums[:, : len(self.series)]
        for name, judge in self._judges.items():
            rows = self._rows[name]
            by_itself = alone(off[rows], known[rows], self._around[name], (off, known))
            whole = np.where(rows == self._city[name], 0.0, self._whole_city(name, sums))
            own = (known[rows], value[rows], expected[rows], by_itself)
            score[rows], deviation[rows] = judge.step(self._clock(start), own, whole)
        return score, deviation

    def _clock(self, start: int) -> tuple[int, int, int]:
        """The tick's start in ms, the same in local time, and the kind of day."""
        local = self.calendar.local(np.array([start], np.int64))
        return start, int(local[0]), int(self.calendar.day_kind(local)[0])

    def _judge(self, start: int, frame: pl.DataFrame, ahead: Mapping[str, Outlook]) -> list[Detection]:
        detections = []
        frames, held = self._by_property(frame)
        for number, rule in enumerate(self.conditions.rules):
            if rule.property not in frames:
                continue
            mine = frames[rule.property]
            if rule.line is not None:
                mine = self.forecasts.foretold(mine, rule, ahead.get(rule.property))
            places = mine["series"].to_list()
            holds = held[number] if number in held else rule.holds(mine)
            for change in self.conditions.follow(number, places, [start] * len(places), *holds):
                at = self.series[change.place]
                columns = mine.row(change.row, named=True)
                why = self._why(rule, change.time - change.onset, columns)
                detections.append(
                    from_change(rule, change, at.place, "zone", columns, at.unit, exercise=False, why=why)
                )
        return detections

    def _by_property(
        self, frame: pl.DataFrame
    ) -> tuple[dict[str, pl.DataFrame], dict[int, tuple[list[bool], list[bool]]]]:
        """The rows of each property that a rule is about, and what the rules without a line say of them."""
        frames: dict[str, pl.DataFrame] = {}
        held: dict[int, tuple[list[bool], list[bool]]] = {}
        here = self._property[frame["series"].to_numpy()]
        for name in sorted({rule.property for rule in self.conditions.rules} & set(here.tolist())):
            rules = [n for n, rule in enumerate(self.conditions.rules) if rule.property == name and rule.line is None]
            frames[name] = frame.filter(pl.Series(here == name))
            held |= self.conditions.holding(rules, frames[name])
        return frames, held

    def _judge_boxes(self, start: int, sums: NDArray[np.float64]) -> list[Detection]:
        """What the rules say of the strangest boxes, and of those at which one holds already."""
        detections: list[Detection] = []
        for number, boxes in enumerate(self.boxes):
            rules = [n for n, rule in enumerate(self.conditions.rules) if of_boxes(rule, boxes.property)]
            told = self._box_frame(start, number, sums)
            first = self._first_box[number]
            for rule in rules:
                held = {place - first for place in self.conditions.active(rule)}
                shown = self._shown(boxes, held & set(range(len(boxes))), told["score"].to_numpy())
                mine = told[shown]
                places = [first + box for box in shown]
                for change in self.conditions.step(rule, places, [start] * len(places), mine):
                    columns, declared = mine.row(change.row, named=True), self.conditions.rules[rule]
                    why, place = (
                        self._why(declared, change.time - change.onset, columns),
                        boxes.place(change.place - first),
                    )
                    detections.append(
                        from_change(declared, change, place, "zone", columns, boxes.unit, exercise=False, why=why)
                    )
        return detections

    def _box_frame(self, start: int, number: int, sums: NDArray[np.float64]) -> pl.DataFrame:
        """The boxes of one property as rows for the rules, with their scores."""
        boxes = self.boxes[number]
        cells = sums[:, boxes.columns]
        wide = sums[5, : len(self.series)], sums[2, : len(self.series)]
        cells[5] = alone(cells[5], cells[2], self._box_around[number], wide)
        count, value, known, known_value, known_expected, off = (boxes.sums(field) for field in cells)
        whole = np.full(len(boxes), self._whole_city(boxes.property, sums))
        own = (known, known_value, known_expected, off)
        score, deviation = self._box_judges[number].step(self._clock(start), own, whole)
        expected = np.where(known > 0.5, known_expected, np.nan)
        now = self.calendar.local(np.array([start + self.tick_ms], np.int64))
        side = boxes.size * boxes.side_m(0) / boxes.size[0] if len(boxes) else boxes.size
        with np.errstate(divide="ignore", invalid="ignore"):
            return pl.DataFrame(
                {
                    "value": value,
                    "expected": expected,
                    "score": score.astype(np.float64),
                    "deviation": deviation.astype(np.float64),
                    "ratio": np.where(expected > 0, known_value / expected, np.nan),
                    "reporting": count / boxes.members,
                    "members": boxes.members,
                    "capacity": np.full(len(boxes), np.nan),
                    "occupancy": np.full(len(boxes), np.nan),
                    "density": value / (side * side),
                    "zone_kind": [BOX] * len(boxes),
                    "hour": np.full(len(boxes), float(now[0] % 86_400_000) / 3_600_000),
                    "day_kind": np.full(len(boxes), float(self.calendar.day_kind(now)[0])),
                },
                schema_overrides={"zone_kind": pl.String()},
                nan_to_null=True,
            )

    def _whole_city(self, property: str, sums: NDArray[np.float64]) -> float:
        """The departure of the whole city by size, which is told once; 0 where it is not known."""
        row = self._city[property]
        return float(np.log((sums[3, row] + 1.0) / (sums[4, row] + 1.0))) if row >= 0 and sums[2, row] > 0 else 0.0

    def _shown(self, boxes: Boxes, held: set[int], score: NDArray[np.float64]) -> list[int]:
        """Which boxes the rules see: those that hold, and the strangest apart from them and from zones that fire."""
        free = np.ones(len(boxes), np.bool_)
        for box in held:
            free &= boxes.apart(box)
        for place, small in self._firing().items():
            zone = self.series[place]
            if small and zone.property == boxes.property:
                free &= ~boxes.near(zone.place.lon, zone.place.lat, math.sqrt(max(zone.area_m2, 0.0) / math.pi))
        return [*sorted(held), *boxes.strongest(np.nan_to_num(score, nan=-1.0).astype(np.float32), free, BOX_LEAST)]

    @staticmethod
    def _why(rule: Rule, lasted_ms: int, columns: Mapping[str, Any]) -> Why:
        """A zone's sum is many datastreams' word; that of one alone is a single witness."""
        members = round(columns["members"] * columns["reporting"])
        return Why(
            channel="spike" if rule.is_scored() else "",
            season=SEASONS[1 + int(columns["day_kind"])],
            hour=int(columns["hour"]),
            members=members,
            lasted_ms=lasted_ms,
            corroborated=("members",) if members > 1 else (),
        )

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """The whole state as copies of plain arrays."""
        ticks = sorted(self._open)
        sums = np.zeros((len(ticks), len(FIELDS), self._width))
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
        arrays["noted"] = self._noted.copy()
        arrays["notes"] = np.frombuffer(msgspec.json.encode(self._notes), np.uint8).copy()
        if self.keeper is not None:
            arrays["keeper"] = np.frombuffer(self.keeper.snapshot(), np.uint8).copy()
        arrays |= {f"forecasts/{name}": array for name, array in self.forecasts.snapshot().items()}
        for prefix, judges in self._all_judges():
            arrays |= {f"{prefix}/{key}": array for key, array in judges.snapshot().items()}
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what ``snapshot`` gave. Raises ``ValueError`` when it is of another layout."""
        if arrays["sums"].shape[1:] != (len(FIELDS), self._width) or arrays["shards"].shape[1] != self.shards:
            raise ValueError(
                f"the saved city state has {arrays['sums'].shape[1]} sums of {arrays['sums'].shape[2]} series and "
                f"{arrays['shards'].shape[1]} shards, the city has {len(FIELDS)} of {self._width} and {self.shards}; "
                "the register or the release has changed"
            )
        self._open = {
            int(tick): ({s for s in range(self.shards) if present[s]}, np.array(sums, np.float64))
            for tick, present, sums in zip(arrays["ticks"], arrays["shards"], arrays["sums"], strict=True)
        }
        self._closed, self._newest, self.late = (int(mark) for mark in arrays["marks"])
        self.conditions.restore(msgspec.json.decode(np.asarray(arrays["conditions"], np.uint8).tobytes()))
        if "noted" not in arrays:
            raise ValueError("the saved city state knows nothing of data quality; it was saved by an earlier release")
        notes = np.asarray(arrays["notes"], np.uint8).tobytes()
        self._noted = np.array(arrays["noted"], np.int64)
        self._notes = msgspec.json.decode(notes, type=list[tuple[int, int, Notes]])
        if self.keeper is not None and "keeper" in arrays:
            self.keeper.restore(np.asarray(arrays["keeper"], np.uint8).tobytes())
        for prefix, judges in self._all_judges():
            start = f"{prefix}/"
            judges.restore({key.removeprefix(start): one for key, one in arrays.items() if key.startswith(start)})
        mine = {key.removeprefix("forecasts/"): array for key, array in arrays.items() if key.startswith("forecasts/")}
        self.forecasts.restore(mine)

    def _all_judges(self) -> list[tuple[str, Departures]]:
        """The judges of zones and boxes with the names under which their state is saved."""
        zones = [(f"zones/{name}", judges) for name, judges in self._judges.items()]
        return zones + [
            (f"boxes/{boxes.property}", judges) for boxes, judges in zip(self.boxes, self._box_judges, strict=True)
        ]


def of_boxes(rule: Rule, property: str) -> bool:
    """Does the rule ask for boxes of the property?"""
    return rule.property == property and rule.line is None and f"'{BOX}'" in rule.expr
