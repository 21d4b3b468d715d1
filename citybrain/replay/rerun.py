"""The same recorded input through other rules or another alert budget, beside what these rules give as they are.

Zones are judged from the recorded ticks, the budget from the shards' recorded notes, levels of single datastreams from
the recorded readings. What cannot be judged so (scores of single readings, squares, a look ahead) stays as it was
recorded, and changing it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from citybrain.archive.files import ArchiveError
from citybrain.archive.reader import Archive, shown
from citybrain.replay import rules as judging
from citybrain.replay.changes import Changes, changed
from citybrain.replay.rules import Frame, Judged
from citybrain.replay.ticks import Ticks
from config import site as sites
from config.settings import Settings
from config.site import Site
from models.departures import WIDE
from models.detections import from_change
from models.forecast.trend import Trend, rising
from models.keeper import Keeper
from models.notes import Notes
from models.rules import Conditions, Rule
from models.values import Detection, from_json

HOUR_MS = 3_600_000
LEAD_MS = HOUR_MS  # judged before the span, so that what held at its start is known
MATCH_MS = HOUR_MS  # alerts of one rule and place that begin so near to one another are one that moved
Progress = Callable[[float, str], None]
Key = tuple[str, str, str]  # pack, rule, place


class Alerted(msgspec.Struct, frozen=True):
    """One alert as the difference tells it; ``time`` ms of phenomenon time when it was made known."""

    id: str
    pack: str
    rule: str
    place: str
    name: dict[str, str]
    severity: str
    onset: int
    time: int
    headline: dict[str, str]
    minutes_earlier: float = 0.0  # of one that moved


class Count(msgspec.Struct, frozen=True):
    """How many alerts, and how many an hour."""

    alerts: int
    per_hour: float


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What is otherwise; ``as_recorded``: with the rules as they are the re-run gave what was recorded."""

    start: int
    end: int
    hours: float
    before: Count
    after: Count
    same: int
    came: tuple[Alerted, ...]
    gone: tuple[Alerted, ...]
    moved: tuple[Alerted, ...]
    recorded: Count
    as_recorded: bool
    notices: tuple[str, ...] = ()


def rerun(
    settings: Settings,
    start: int,
    end: int,
    changes: Changes,
    progress: Progress | None = None,
    site: Site | None = None,
) -> Difference:
    """Judge ``start`` to ``end`` (ms of phenomenon time) as it is and with ``changes``; raises ``ArchiveError``."""
    tell = progress or (lambda share, what: None)
    site = site or sites.load(settings)
    archive = Archive.of(settings)
    archive.need(start, end)
    rules = site.layouts.rules
    otherwise, touched = changed(rules, changes)
    _refuse([rule for rule in otherwise if (rule.pack, rule.name) in touched])
    tell(0.02, "reading the recorded ticks")
    span = _Span(site, archive, start, end, tell)
    before = span.judged(rules, None)
    tell(0.75, "judging them otherwise")
    after = span.judged(otherwise, changes.budget, touched) if touched or changes.budget is not None else before
    tell(0.97, "comparing")
    return _difference(span, before, after, archive)


class _Span:
    """The recorded input of a span."""

    def __init__(self, site: Site, archive: Archive, start: int, end: int, tell: Progress) -> None:
        self.site, self.archive, self.start, self.end = site, archive, start, end
        self.clock = archive.clock(start, end)
        first, last = self.clock.doing(start - LEAD_MS), self.clock.doing(end) + HOUR_MS
        self.ticks = list(self._ticks(Ticks(archive, first - HOUR_MS, last), tell))
        if not any(start <= tick.tick <= end for tick in self.ticks):
            raise ArchiveError(
                f"no ticks are recorded from {shown(start)} to {shown(end)}, from which zones are judged; "
                "the archive has them since this release: choose a span since then"
            )
        tell(0.45, "sorting the zones")
        self.frame: Frame = judging.frame(self.ticks, site.layouts, site.city.calendar)
        messages = archive.messages("detections", first - HOUR_MS, last)
        found = (from_json(one.value, Detection) for one in messages if one.value is not None)
        self.detections = list({(one.id, one.state): one for one in found}.values())
        tell(0.6, "judging them as it was")

    def _ticks(self, ticks: Ticks, tell: Progress) -> Iterator[Judged]:
        a, b = np.searchsorted(ticks.times, (self.start - LEAD_MS, self.end + 1))
        decoder = msgspec.json.Decoder(Judged)
        for number in range(int(a), int(b)):
            body = ticks.body(number)
            if body is not None:
                yield decoder.decode(body)
            if number % 500 == 0:
                tell(0.02 + 0.4 * (number - a) / max(1, b - a), "reading the recorded ticks")

    def judged(
        self, rules: Sequence[Rule], budget: float | None, touched: set[tuple[str, str]] | None = None
    ) -> dict[str, Detection]:
        """The alerts of the span by id, as detections that fired."""
        zones = [rule for rule in rules if judging.judged_from_ticks(rule)]
        of_zones = {(rule.pack, rule.name) for rule in zones}
        levels = [
            rule for rule in rules if touched and (rule.pack, rule.name) in touched and rule.reads == "datastreams"
        ]
        of_levels = {(rule.pack, rule.name) for rule in levels}
        found = judging.judge(zones, self.frame, self.site.layouts)
        for rule in levels:
            found += self._level(rule)
        rest = [one for one in self.detections if (one.pack, one.rule) not in of_zones | of_levels]
        kept = [one for one in rest if not self._keepers(one)]
        keeper = self._kept(found + [one for one in kept if one.place_kind == "zone"], budget)
        every = [*found, *kept, *keeper]
        return {one.id: one for one in every if one.state == "firing" and self.start <= one.time <= self.end}

    def _keepers(self, one: Detection) -> bool:
        """Whether the city's keeper told it: faults, gateways, and claims that the budget judged."""
        budgeted = {(rule.pack, rule.name) for rule in self.site.layouts.rules if rule.budgeted}
        return one.kind == "data-quality" or (one.pack, one.rule) in budgeted

    def _kept(self, zones: Sequence[Detection], budget: float | None) -> list[Detection]:
        """What the keeper makes of the notes, at the recorded budget or another."""
        layouts = self.site.layouts
        keeper = Keeper(layouts.directory, layouts.tick_ms)
        firing = _Firing(zones, self.site)
        waiting: list[tuple[int, int, Notes]] = []
        noted = dict.fromkeys(range(len(layouts.shards)), -1)
        found: list[Detection] = []
        for tick in self.ticks:
            for note in tick.notes:
                read = note.read()
                if read.at > noted.get(note.shard, -1):
                    noted[note.shard] = read.at
                    waiting.append((note.tick, note.shard, read))
            start = tick.tick - layouts.tick_ms
            due = sorted((one for one in waiting if one[0] <= start), key=lambda one: one[:2])
            waiting = [one for one in waiting if one[0] > start]
            per_hour = budget if budget is not None else tick.per_hour
            if per_hour is not None and per_hour != keeper.per_hour:
                keeper.ask(per_hour)
            found += keeper.step(tick.tick, [(shard, read) for _, shard, read in due], firing.at(start)).detections
        return found

    def _level(self, rule: Rule) -> list[Detection]:
        """A rule about the level of single datastreams, from the readings."""
        frame = self.site.register.frame.with_row_index("row")
        mine = frame.filter((pl.col("property") == rule.property) & (pl.col("pack") == rule.pack))["row"].to_list()
        table = self.archive.readings(self.start - LEAD_MS, self.end + 1, mine)
        if not table.num_rows:
            return []
        table = table.sort_by([("time", "ascending"), ("datastream", "ascending")])
        time = table["time"].cast(pa.int64())
        local = self.site.city.calendar.local(time.to_numpy())
        columns = pl.DataFrame(
            {
                "value": table["value"].to_numpy(),
                "expected": pl.Series([None] * table.num_rows, dtype=pl.Float64()),
                "score": pl.Series([None] * table.num_rows, dtype=pl.Float64()),
                "hour": (local % 86_400_000) / 3_600_000,
                "day_kind": self.site.city.calendar.day_kind(local).astype(np.float64),
                "rise": self._rise(rule, table) if rule.follows_trend() else [None] * table.num_rows,
            },
            schema_overrides={"rise": pl.Float64()},
        )
        flags = pc.bit_wise_and(table["flags"], 1).to_numpy()
        directory, places = self.site.layouts.directory, table["datastream"].to_pylist()
        found = []
        for change in Conditions([rule]).step(0, places, time.to_pylist(), columns):
            row, unit = columns.row(change.row, named=True), directory.watched(change.place)[2]
            place = directory.place(change.place)
            found.append(from_change(rule, change, place, "asset", row, unit, exercise=bool(flags[change.row])))
        return found

    def _rise(self, rule: Rule, table: pa.Table) -> pl.Series:
        """How fast each reading's datastream rises, as the engine tells it."""
        watched = next(one for pack in self.site.packs for one in pack.watched if one.property == rule.property)
        names, rows = np.unique(table["datastream"].to_numpy(), return_inverse=True)
        trend = Trend(cadence_s=watched.cadence_s)
        time, value = table["time"].cast(pa.int64()).to_numpy(), table["value"].to_numpy().astype(np.float64)
        _, middle, _ = trend.step(trend.start(len(names)), rows.astype(np.int32), time, value)
        return pl.Series(rising(middle), nan_to_null=True)


class _Firing:
    """At which series a rule fires, tick by tick in order, as the keeper asks."""

    def __init__(self, zones: Sequence[Detection], site: Site) -> None:
        series = site.layouts.series
        number = {(one.place.id, one.property): row for row, one in enumerate(series)}
        of = {(rule.pack, rule.name): rule.property for rule in site.layouts.rules}
        self._told = {row: one.zone_kind not in WIDE for row, one in enumerate(series)}
        self._moves = sorted(
            (one.time, one.state == "firing", row, one.id)
            for one in zones
            if (row := number.get((one.place, of.get((one.pack, one.rule), "")))) is not None
        )
        self._next = 0
        self._held: dict[str, int] = {}

    def at(self, start: int) -> dict[int, bool]:
        """The series at which something fires after the tick that started at ``start``."""
        while self._next < len(self._moves) and self._moves[self._next][0] <= start:
            _, begins, row, name = self._moves[self._next]
            if begins:
                self._held[name] = row
            else:
                self._held.pop(name, None)
            self._next += 1
        return {row: self._told[row] for row in self._held.values()}


def _refuse(rules: Sequence[Rule]) -> None:
    """Raise ``ArchiveError`` for rules that the archive does not hold enough to judge anew."""
    for rule in rules:
        if judging.judged_from_ticks(rule):
            continue
        why = ""
        if rule.reads == "events":
            why = "reads events"
        elif rule.line is not None:
            why = "looks ahead, and forecasts for another line are not recorded"
        elif rule.reads == "zones":
            why = "reads squares, of which only those that were alerted are recorded"
        elif rule.is_scored() or "expected" in rule.expr + rule.clear:
            why = "reads the score of single readings, which is not recorded"
        if why:
            raise ArchiveError(
                f"{rule.pack}.{rule.name} {why}, so it cannot be re-run; change the budget with --budget, "
                "a rule of zones, or one about a plain value"
            )


def _difference(
    span: _Span, before: Mapping[str, Detection], after: Mapping[str, Detection], archive: Archive
) -> Difference:
    hours = (span.end - span.start) / HOUR_MS
    recorded = {one.id: one for one in span.detections if one.state == "firing" and span.start <= one.time <= span.end}
    gone = [one for key, one in before.items() if key not in after]
    came = [one for key, one in after.items() if key not in before]
    moved: list[Alerted] = []
    for key, one in list(after.items()):
        if key in before and before[key].time != one.time:
            moved.append(_told(one, before[key]))
    for one in list(came):
        near = [two for two in gone if _key(two) == _key(one) and abs(two.time - one.time) <= MATCH_MS]
        if near:
            was = min(near, key=lambda two: abs(two.time - one.time))
            gone.remove(was)
            came.remove(one)
            moved.append(_told(one, was))
    same = sum(key in after and after[key].time == one.time for key, one in before.items())
    return Difference(
        start=span.start,
        end=span.end,
        hours=round(hours, 3),
        before=_count(before, hours),
        after=_count(after, hours),
        same=same,
        came=_sorted(_told(one) for one in came),
        gone=_sorted(_told(one) for one in gone),
        moved=_sorted(moved),
        recorded=_count(recorded, hours),
        as_recorded=_moments(recorded) == _moments(before),
        notices=tuple(archive.notices.lines),
    )


def _moments(alerts: Mapping[str, Detection]) -> list[tuple[int, str]]:
    return sorted((one.time, key) for key, one in alerts.items())


def _count(alerts: Mapping[str, Detection], hours: float) -> Count:
    return Count(len(alerts), round(len(alerts) / hours, 3))


def _key(one: Detection) -> Key:
    return one.pack, one.rule, one.place


def _sorted(rows: Iterator[Alerted] | list[Alerted]) -> tuple[Alerted, ...]:
    return tuple(sorted(rows, key=lambda one: (one.time, one.id)))


def _told(one: Detection, was: Detection | None = None) -> Alerted:
    names, headline = ({"en": text.en, "zh": text.zh} for text in (one.place_name, one.headline))
    earlier = 0.0 if was is None else round((was.time - one.time) / 60_000, 2)
    return Alerted(one.id, one.pack, one.rule, one.place, names, one.severity, one.onset, one.time, headline, earlier)
