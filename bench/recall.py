"""The simulated week through detectors, zones and boxes: false alerts, recall and delay against the truth."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bench import oracle, week
from bench.machine import tell
from models import boxes as boxing
from models import detectors
from models.boxes import Boxes
from models.calendar import UTC
from models.city import CityEngine
from models.detectors import CHANNELS, Neighbourly, Scores, State
from models.detectors.silent import Silent
from models.layout import Place, Series
from models.partials import Partial
from models.rules import Rule
from models.sums import departure
from models.values import Detection, Text

WARM_DAYS = 7  # of hourly samples before the week
SETTLE = 72  # ticks of the week that are not counted: from hours to 5 minutes
FALSE_PER_HOUR = 6.0  # of single datastreams in the whole city: the budget of one operator
ZONE_FALSE_PER_HOUR = 0.03
REFRACTORY = 6  # ticks within which a datastream is one event
LEVELS = (3, 4, 5)
HONEST = 2.0  # quiet readings may pass a score so many times as often, or as seldom, as it says
ALLOWED = ("all", *week.KINDS)  # of whom that must hold
KEPT = 3.0  # scores under this are not kept
LINES = (3.0, 3.25, 3.5, 3.75, 4.0, 4.5, 5.0, 6.0)  # tried for zones and boxes
NEAR_KM = 2.0
KM_A_DEGREE = boxing.METRES_A_DEGREE / 1_000.0
CELLS: dict[str, dict[str, Any]] = {"camera": {}, "gate": {}, "gauge": {"counts": False, "floor": 0.001}}


@dataclass
class Watched:
    """The detectors of every kind, as the engine runs them: one state a kind, its districts as neighbours."""

    town: week.City
    states: dict[str, State] = field(default_factory=dict)
    took: float = 0.0
    scored: int = 0

    def __post_init__(self) -> None:
        self.detectors = {kind: detectors.get("seasonal-baseline", CELLS[kind]) for kind in week.KINDS}
        for kind, detector in self.detectors.items():
            part = self.town.of(kind)
            assert isinstance(detector, Neighbourly)
            groups = self.town.district[part].astype(np.int32)
            self.states[kind] = detector.among(detector.start(part.stop - part.start), groups)

    def step(self, tick: int, value: NDArray[np.float64]) -> Scores:
        """What all detectors say of a tick, (n,)."""
        told = []
        for kind, detector in self.detectors.items():
            mine = columns(tick, value[self.town.of(kind)])
            before = time.process_time()
            self.states[kind], scores = detector.step(self.states[kind], *mine)
            self.took += time.process_time() - before
            told.append(scores)
        self.scored += len(value)
        return Scores(*(np.concatenate([getattr(one, name) for one in told]) for name in Scores.__slots__))


def columns(tick: int, value: NDArray[np.float64]) -> tuple[Any, ...]:
    """A batch of one tick of the week for ``Detector.step``."""
    when = np.full(len(value), week.MONDAY + tick * week.TICK, np.int64)
    return np.arange(len(value), dtype=np.int32), when, value, UTC.day_kind(when), when


# --- zones and boxes ---


@dataclass
class Zones:
    """The city's engine over districts, 200 venues and boxes, with a rule at each of LINES."""

    town: week.City
    found: list[tuple[int, Detection]] = field(default_factory=list)
    took: float = 0.0

    def __post_init__(self) -> None:
        part = self.town.of("camera")
        x, y = self.town.x[part], self.town.y[part]
        lon, lat = 104.0 + x / KM_A_DEGREE / math.cos(math.radians(30.0)), 30.0 + y / KM_A_DEGREE
        rng = np.random.default_rng(4)
        members = [np.arange(len(x))] + [np.flatnonzero(self.town.district[part] == d) for d in range(64)]
        kinds = ["city"] + ["district"] * 64
        while len(members) < 265:
            hub = rng.integers(0, len(x))
            near = np.flatnonzero(np.hypot(x - x[hub], y - y[hub]) < 0.4)
            if len(near) >= 10:
                members.append(near)
                kinds.append("venue")
        full = [row for row, who in enumerate(members) if len(who) >= 10]
        district = [f"district-{d + 1}" for d in self.town.district[part].tolist()]
        places = [
            _place(
                f"{kinds[row]}-{row}", float(lon[members[row]].mean()), float(lat[members[row]].mean()),
                district[members[row][0]],
            )
            for row in full
        ]  # fmt: skip
        series = [
            Series(at, kinds[row], "people", "1", len(members[row]), np.nan, 0.5e6)
            for at, row in zip(places, full, strict=True)
        ]
        grid = boxing.grid(lon, lat)
        cells, one, column, counts = np.unique(
            grid.cell(lon, lat), return_index=True, return_inverse=True, return_counts=True
        )
        first = len(series)
        numbers = np.arange(first, first + len(cells), dtype=np.int32)
        districts = [_place(district[row], 0.0, 0.0, district[row]) for row in one.tolist()]
        self.boxes = Boxes("people", "1", grid, numbers, cells.astype(np.int32), counts, districts)
        who = np.concatenate([*(members[row] for row in full), np.arange(len(x))])
        where = np.concatenate([np.repeat(np.arange(first), [len(members[row]) for row in full]), first + column])
        self.sums = csr_array((np.ones(len(who)), (where, who)), shape=(first + len(cells), len(x)))
        judges = {"people": detectors.get("running-level", {"memory": 100})}
        self.engine = CityEngine(series, _rules(), judges, UTC, 1, week.TICK, 3 * week.TICK, boxes=(self.boxes,))

    def step(self, tick: int, value: NDArray[np.float64], told: Scores) -> None:
        """Add up a tick and judge it."""
        part = self.town.of("camera")
        y, e = value[part], told.expected[part].astype(np.float64)
        off = np.asarray(departure(y, e, told.low[part], told.high[part]), np.float64)
        here, known = np.isfinite(y), np.isfinite(y) & np.isfinite(e)
        fields = (
            here,
            np.where(here, y, 0.0),
            known,
            np.where(known, y, 0.0),
            np.where(known, e, 0.0),
            np.where(known, off, 0.0),
        )
        sums = [self.sums @ np.asarray(column, np.float64) for column in fields]
        before = time.process_time()
        count, total, know, known_value, known_expected, unison = sums
        when = week.MONDAY + tick * week.TICK
        partial = Partial(0, when, tick, count, total, know, known_value, known_expected, unison)
        for done in self.engine.step(partial):
            self.found += [(tick, one) for one in done.detections if one.state == "firing"]
        self.took += time.process_time() - before


def _place(name: str, lon: float, lat: float, district: str) -> Place:
    return Place(name, Text(name, name), lon, lat, district)


def _rules() -> list[Rule]:
    """At each line one rule for zones and one for boxes."""
    rules = []
    for line in LINES:
        for what, kinds in (("zone", "('venue', 'district')"), ("box", "('box')")):
            expr = f"score >= {line} AND deviation > 0 AND zone_kind IN {kinds}"
            rules.append(
                Rule(
                    "bench",
                    f"{what}/{line}",
                    "zones",
                    "people",
                    expr,
                    "score < 2 OR deviation < 0",
                    "Minor",
                    Text("{place}", "{place}"),
                )
            )
    return rules


def _surges(found: list[tuple[int, Detection]], truth: list[week.Incident], hours: float) -> dict[str, Any]:
    """By zones, by boxes and by both: the lowest line that keeps to ZONE_FALSE_PER_HOUR, and what is found at it."""
    surges = [one for one in truth if one.kind == "surge"]
    figures: dict[str, Any] = {"surges": len(surges)}
    for what in ("zone", "box"):
        for line in LINES:
            mine = [(tick, one) for tick, one in found if one.rule == f"{what}/{line}"]
            hits: dict[int, int] = {}
            false = 0
            for tick, one in mine:
                near = [number for number, surge in enumerate(surges) if _is_at(one, surge, tick)]
                false += not near
                for number in near:
                    if surges[number].lasts(tick):
                        hits.setdefault(number, tick - surges[number].start)
            if false / hours <= ZONE_FALSE_PER_HOUR or line == LINES[-1]:
                same = sum(delay == 0 for delay in hits.values())
                figures[f"{what}_line"], figures[f"{what}_false_per_hour"] = line, round(false / hours, 3)
                figures[f"{what}_recall"] = round(len(hits) / max(len(surges), 1), 2)
                figures[f"{what}_recall_same_step"] = round(same / max(len(surges), 1), 2)
                break
    return figures


def _is_at(one: Detection, surge: week.Incident, tick: int) -> bool:
    """Does a detection tell of this surge, or of its end?"""
    x, y = (one.lon - 104.0) * KM_A_DEGREE * math.cos(math.radians(30.0)), (one.lat - 30.0) * KM_A_DEGREE
    reach = 8.0 if one.place.startswith("district") else NEAR_KM
    in_time = surge.start <= tick < surge.start + surge.ticks + REFRACTORY
    return in_time and math.hypot(x - surge.x, y - surge.y) < reach


# --- the week ---


@dataclass
class Kept:
    """High scores of quiet datastreams, and everything at those with incidents."""

    over: dict[str, NDArray[np.float64]] = field(default_factory=lambda: defaultdict(lambda: np.zeros(len(LEVELS))))
    seen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    channels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(CHANNELS), np.int64))
    covered: int = 0
    high: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    hits: dict[tuple[str, int], list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))

    def quiet(self, kind: str, score: NDArray[np.float32]) -> None:
        """Count how many quiet readings of a kind pass each of LEVELS."""
        self.over[kind] += [int((score >= level).sum()) for level in LEVELS]
        self.seen[kind] += int(np.isfinite(score).sum())

    def keep(self, who: str, tick: int, rows: NDArray[np.int64], score: NDArray[np.float32]) -> None:
        """Keep high scores of quiet datastreams."""
        self.high[who].append((np.full(len(rows), tick), rows, score))

    def line(self, who: str, allowed: int) -> float:
        """The line over which ``allowed`` events lie."""
        tick, row, score = (np.concatenate(column) for column in zip(*self.high[who], strict=True))
        order = np.lexsort((tick, row))
        tick, row, score = tick[order], row[order], score[order]
        low, high = float(score.min()), float(score.max())
        for _ in range(40):
            line = 0.5 * (low + high)
            over = score >= line
            t, r = tick[over], row[over]
            events = int(over.any()) + int(((np.diff(t) > REFRACTORY) | (np.diff(r) != 0)).sum())
            low, high = (line, high) if events > allowed else (low, line)
        return high


def measure(n: int, days: int) -> dict[str, Any]:
    """Null exceedance by kind, recall and delay by incident kind, false alerts an hour; zones and boxes."""
    town = week.city(2, n)
    watched, zones, last = Watched(town), Zones(town), days * week.TICKS_A_DAY
    each = max(10, 200 * n // 100_000)
    truth = week.incidents(town, 3, SETTLE, last, each, max(10, 60 * days // 7))
    clean = np.ones(n, bool)
    for incident in truth:
        clean[incident.rows] = False
    quality = Quality(town)
    for tick, value in week.ticks(town, [], -WARM_DAYS * week.TICKS_A_DAY, 0, stride=12):
        watched.step(tick, value)
        quality.step(tick, value, None)
    kept, single = Kept(), [one for one in truth if one.kind != "surge"]
    peer, limit = np.zeros((n, 2), np.float32), oracle.Oracle(town)
    rows, every = np.flatnonzero(clean), np.arange(n, dtype=np.int32)
    from bench.detectors import ewma  # both files measure one thing

    watched.took, watched.scored = 0.0, 0
    for tick, value in week.ticks(town, truth, 0, last):
        told = watched.step(tick, value)
        zones.step(tick, value, told)
        z = np.abs(ewma(peer, every, value))
        evidence = limit.step(tick, value)
        quality.step(tick, value, clean if tick >= SETTLE else None)
        if tick < SETTLE:
            zones.found.clear()
            continue
        for kind in week.KINDS:
            part = town.of(kind)
            kept.quiet(kind, told.score[part][clean[part]])
        if week.rise(tick) > 1.0:
            kept.quiet("while the whole city is fuller", told.score[clean])
        hot = rows[told.score[rows] >= KEPT]
        kept.channels += np.bincount(told.channel[hot], minlength=len(CHANNELS))
        kept.keep("score", tick, hot, told.score[hot])
        top = rows[np.argpartition(np.nan_to_num(z[rows]), -200)[-200:]]
        kept.keep("z", tick, top, z[top])
        people = rows[rows < limit.n]
        for kind, told_by_law in zip(oracle.KINDS, evidence, strict=True):
            top = people[np.argpartition(told_by_law[people], -200)[-200:]]
            kept.keep(kind, tick, top, told_by_law[top].astype(np.float32))
        kept.covered += int(((value >= told.low) & (value <= told.high))[clean].sum())
        for number, one in enumerate(single):
            if one.lasts(tick):
                row = int(one.rows[0])
                kept.hits["score", number].append((tick - one.start, float(told.score[row])))
                kept.hits["z", number].append((tick - one.start, float(z[row])))
                kept.hits["quality", number].append((tick - one.start, quality.score(one.kind, row)))
                if one.kind in oracle.KINDS:
                    law = float(evidence[oracle.KINDS.index(one.kind), row])
                    kept.hits[one.kind, number].append((tick - one.start, law))
    hours = (last - SETTLE) / 12
    figures = _null(kept) | _found(kept, single, int(FALSE_PER_HOUR * hours)) | quality.false(hours)
    figures |= _surges(zones.found, truth, hours)
    figures["boxes"] = len(zones.boxes)
    figures["zones_ms_a_tick"] = round(zones.took / last * 1e3, 2)
    figures["ns_a_reading"] = round(watched.took / watched.scored * 1e9, 1)
    return {"datastreams": n, "days": days, "cadence_s": week.TICK // 1000} | figures


def _null(kept: Kept) -> dict[str, Any]:
    """How often quiet readings pass a score, as a multiple of what it promises."""
    figures: dict[str, Any] = {}
    whole = sum(kept.over[kind] for kind in week.KINDS), sum(kept.seen[kind] for kind in week.KINDS)
    for kind, (over, seen) in {"all": whole, **{k: (kept.over[k], kept.seen[k]) for k in kept.over}}.items():
        times = np.asarray(over) / max(seen, 1) * 10.0 ** np.array(LEVELS)
        figures[f"null_over_nominal, {kind}"] = {
            f"1e-{k}": round(float(t), 2) for k, t in zip(LEVELS, times, strict=True)
        }
    parts = [figures[f"null_over_nominal, {kind}"] for kind in ALLOWED]
    figures["null_within_a_factor_2"] = {
        kind: all(1.0 / HONEST <= times <= HONEST for times in part.values())
        for kind, part in zip(ALLOWED, parts, strict=True)
    }
    figures["quiet_readings"] = int(whole[1])
    figures["inside_the_90_%_band"] = round(kept.covered / max(int(whole[1]), 1), 3)
    share = kept.channels / max(kept.channels.sum(), 1)
    figures["channels_of_scores_over_3"] = {c: round(float(s), 2) for c, s in zip(CHANNELS, share, strict=True) if s}
    return figures


def _found(kept: Kept, single: list[week.Incident], allowed: int) -> dict[str, Any]:
    """Recall and mean delay of each kind at the line of FALSE_PER_HOUR; peer and oracle each at a line of its own."""
    lines = {who: kept.line(who, allowed) for who in ("score", "z", *oracle.KINDS)} | {"quality": 4.0}
    figures: dict[str, Any] = {"line_at_6_false_per_hour": round(lines["score"], 2)}
    for kind, who in (
        *((known, who) for known in oracle.KINDS for who in ("score", "z", known)),
        ("stuck", "quality"),
        ("silent", "quality"),
    ):
        mine = [number for number, one in enumerate(single) if one.kind == kind]
        first = [next((t for t, s in kept.hits[who, number] if s >= lines[who]), None) for number in mine]
        delays = [t for t in first if t is not None]
        name = f"{kind} by the bare peer" if who == "z" else f"{kind} by the oracle" if who == kind else kind
        figures[name] = {
            "recall": round(len(delays) / len(mine), 2),
            "delay_min": round(float(np.mean(delays)) * week.TICK / 60_000, 1) if delays else None,
        }
        if who == "score":
            at_4 = [any(s >= 4.0 for _, s in kept.hits[who, number]) for number in mine]
            figures[name]["recall_at_score_4"] = round(float(np.mean(at_4)), 2)
    return figures


class Quality:
    """Stuck and silent sensors, people's counts alone."""

    def __init__(self, town: week.City) -> None:
        self.town, self.n = town, town.of("gate").stop
        self.detectors = {"stuck": detectors.get("stuck"), "silent": detectors.get("silent")}
        self.states = {name: detector.start(self.n) for name, detector in self.detectors.items()}
        self.scores = {name: np.zeros(self.n, np.float32) for name in self.detectors}
        self.events = {name: 0 for name in self.detectors}

    def step(self, tick: int, value: NDArray[np.float64], clean: NDArray[np.bool_] | None) -> None:
        """Take a tick; ``clean`` (n,) says at which datastreams an alert would be false, None: do not count."""
        rows, when, y, kind, local = columns(tick, value[: self.n])
        here = np.isfinite(y)
        for name, detector in self.detectors.items():
            before = self.scores[name]
            self.states[name], told = detector.step(
                self.states[name], rows[here], when[here], y[here], kind[here], local[here]
            )
            now = np.zeros(self.n, np.float32)
            now[here] = told.score
            if isinstance(detector, Silent):
                now[~here] = detector.overdue(self.states[name], int(when[0]))[~here]
            self.scores[name] = now
            if clean is not None:
                self.events[name] += int(((now >= 4.0) & (before < 4.0) & clean[: self.n]).sum())

    def score(self, kind: str, row: int) -> float:
        """The score of the kind's own detector, 0 for others."""
        return float(self.scores[kind][row]) if kind in self.scores and row < self.n else 0.0

    def false(self, hours: float) -> dict[str, Any]:
        """False alerts an hour in the whole city."""
        return {f"{name}_false_per_hour": round(count / hours, 2) for name, count in self.events.items()}


def main(as_json: bool = False) -> int:
    """The whole week of 100,000 datastreams; prints one JSON object."""
    del as_json  # there is no other form
    return tell(measure(100_000, 7))


if __name__ == "__main__":
    main()
