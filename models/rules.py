"""Rules: when a score or a level becomes a detection, and when it is over.

A rule is shaped as a Prometheus alert: an expression that must hold, for how long, and what ends it. Expressions are
Polars SQL over a frame of datastreams or zones; they are evaluated on columns, the delays are kept per place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from models.expressions import ExpressionError, expression
from models.nearest import hint
from models.values import Kind, Severity, Text

Reads = Literal["datastreams", "zones", "events"]

# The columns an expression may use, each with what it means.
DATASTREAM_COLUMNS = {
    "value": "the reading, in the datastream's unit",
    "expected": "what the detector expected; null until it knows",
    "score": "surprise, -log10 of the tail probability; null for a gap",
    "hour": "local hour of the day, 0-23.99",
    "day_kind": "0 working day, 1 weekend, 2 holiday",
    "rise": "how fast the value rises, its unit an hour, by its last readings; null until there are three",
}
ZONE_COLUMNS = {
    "value": "sum of the readings of the zone in the tick",
    "expected": "sum of what was expected of the same datastreams; null until known",
    "score": "surprise of the zone, -log10 of the tail probability (models/departures.py)",
    "deviation": "by how many of its own deviations the zone is off, fewer is negative; null until known",
    "ratio": "value / expected; null until known",
    "reporting": "share of the zone's datastreams that reported in the tick, 0-1",
    "members": "how many datastreams the zone has",
    "capacity": "people the zone can hold; null when not declared",
    "occupancy": "value / capacity; null when no capacity is declared",
    "density": "value / area, per square metre",
    "zone_kind": "district, venue, functional …; box for squares of 1 to 3 km, shown to rules that name it",
    "hour": "local hour of the day, 0-23.99",
    "day_kind": "0 working day, 1 weekend, 2 holiday",
}
# Columns that only a rule with a line has.
AHEAD_COLUMNS = {
    "minutes_to_line": "minutes until the rule's line is likelier crossed than not; null when not within the hour",
    "line_probability": "how probable it is that the line is crossed within the hour, 0-1",
}
# Events that came to pass: one row an event, or a cluster of them, made by the agent *events*.
EVENT_COLUMNS = {
    "kind": "kind of the event: service-request, warning, cluster …",
    "code": "code of the service request or of the warning's event; '' where there is none",
    "category": "category of the request or of the warning",
    "status": "open, closed …; of a warning Actual, Exercise …",
    "severity": "Extreme, Severe, Moderate or Minor; '' where it has none",
    "colour": "of a warning: blue, yellow, orange or red",
    "message": "of a warning: Alert, Update or Cancel",
    "agency": "who has to answer the request",
    "value": "the event's number: cases of a cluster, places inside a warning, requests alike nearby",
    "expected": "what of these was expected; null until known",
    "score": "surprise, -log10 of the probability of as much by chance; null where nothing was judged",
    "ratio": "value / expected; null until known",
    "places": "how many registered places it is about",
    "radius_m": "how far it reaches, metres",
    "age_minutes": "minutes since it was made known",
    "due_minutes": "minutes until it must be answered, below 0 when that is over; null where no deadline runs",
    "hour": "local hour of the day, 0-23.99",
    "day_kind": "0 working day, 1 weekend, 2 holiday",
}
COLUMNS: Mapping[Reads, Mapping[str, str]] = {
    "datastreams": DATASTREAM_COLUMNS,
    "zones": ZONE_COLUMNS,
    "events": EVENT_COLUMNS,
}
TEXT_COLUMNS = frozenset(
    {"zone_kind", "kind", "code", "category", "status", "severity", "colour", "message", "agency"}
)  # all others are numbers
LINE_COLUMNS: Mapping[Reads, tuple[str, ...]] = {  # what a line may be of
    "datastreams": ("value",),
    "zones": ("value", "occupancy", "density"),
    "events": (),
}


class RuleError(ValueError):
    """A rule's expression cannot be used; the message names the key, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a pack. Durations in ms; ``watch`` is the least score at which readings are looked at at all.

    ``property`` is what the datastreams or zones are of; of events it is their kind. ``zone_kinds``: the only kinds of
    zones that the rule sees; empty: all.
    ``budgeted``: what it finds is a claim, which the alert budget of the city judges against all others. ``line`` is
    the level of ``line_of`` whose crossing is foretold in the columns AHEAD_COLUMNS. ``title``: what people call it.
    """

    pack: str
    name: str
    reads: Reads
    property: str
    expr: str
    clear: str
    severity: Severity
    headline: Text
    for_ms: int = 0
    clear_for_ms: int = 0
    watch: float = 0.0
    kind: Kind = "event"
    labels: Mapping[str, str] = field(default_factory=dict)
    budgeted: bool = False
    line: float | None = None
    line_of: str = "value"
    zone_kinds: tuple[str, ...] = ()
    title: Text | None = None
    fires: pl.Expr = field(init=False)
    ends: pl.Expr = field(init=False)

    def __post_init__(self) -> None:
        fires = self._expression(self.expr, "expr")
        if self.watch > 0:
            fires &= pl.col("score") >= self.watch
        if self.zone_kinds:
            fires &= pl.col("zone_kind").is_in(list(self.zone_kinds))
        object.__setattr__(self, "fires", fires)
        object.__setattr__(self, "ends", self._expression(self.clear, "clear"))
        if self.line is not None and self.line_of not in LINE_COLUMNS[self.reads]:
            known = LINE_COLUMNS[self.reads]
            raise RuleError(f'line: "{self.line_of}" of {self.reads} has no forecast{hint(self.line_of, known)}')
        if self.line is not None and not math.isfinite(self.line):
            raise RuleError(f"line: {self.line} is no level; write a number in the unit of {self.line_of}")
        ahead = self.looks_ahead()
        if ahead and self.line is None:
            raise RuleError(f"expr: {ahead[0]} of which line? Say it with line, as in 'line: {{value: 0.27}}'")
        if self.line is not None and not ahead:
            raise RuleError(
                f"line: neither expr nor clear uses {' or '.join(AHEAD_COLUMNS)}; use them or take the line out"
            )

    def _expression(self, text: str, key: str) -> pl.Expr:
        columns = {**COLUMNS[self.reads], **({} if self.reads == "events" else AHEAD_COLUMNS)}
        types = {name: pl.String() if name in TEXT_COLUMNS else pl.Float64() for name in columns}
        try:
            return expression(text, types, self.property if self.reads != "events" else "")
        except ExpressionError as error:
            raise RuleError(f"{key}: {error}") from error

    def looks_ahead(self) -> list[str]:
        """Which of the columns AHEAD_COLUMNS the rule uses."""
        used = {*self.fires.meta.root_names(), *self.ends.meta.root_names()}
        return [name for name in AHEAD_COLUMNS if name in used]

    def follows_trend(self) -> bool:
        """Does the rule look at where the last readings of a datastream lead: their rise, or a line ahead?"""
        used = {*self.fires.meta.root_names(), *self.ends.meta.root_names()}
        return self.line is not None or (self.reads == "datastreams" and "rise" in used)

    def is_scored(self) -> bool:
        """Does the rule look at the surprise, not only at the value?"""
        return self.watch > 0 or "score" in self.fires.meta.root_names()

    def holds(self, frame: pl.DataFrame) -> tuple[list[bool], list[bool]]:
        """Per row of ``frame``: does the condition hold, and is it over? Null counts as neither."""
        both = frame.select(self.fires.fill_null(False).alias("fires"), self.ends.fill_null(False).alias("ends"))
        return both["fires"].to_list(), both["ends"].to_list()


@dataclass(slots=True)
class _Condition:
    """One rule at one place: ``since`` when it began to hold, ``onset`` once it fired, ``calm`` since it is over."""

    since: int | None = None
    onset: int | None = None
    calm: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A rule at a place began to fire or ended, at row ``row`` of the frame given to ``Conditions.step``."""

    rule: int
    row: int
    place: int
    state: Literal["firing", "cleared"]
    onset: int
    time: int


class Conditions:
    """The delays of all rules at all places; a value that can be saved (``snapshot``) and restored.

    Places are integers (datastream rows of a shard, or series of the city). Only places with something pending or
    firing are held.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._held: list[dict[int, _Condition]] = [{} for _ in self.rules]

    def active(self, rule: int) -> set[int]:
        """The places at which ``rule`` is pending, firing or ending."""
        return set(self._held[rule])

    def firing(self, rule: int) -> list[int]:
        """The places at which ``rule`` fires."""
        return [place for place, at in self._held[rule].items() if at.onset is not None]

    def holds(self, rule: int, place: int) -> bool:
        """Is ``rule`` pending, firing or ending at ``place``?"""
        return place in self._held[rule]

    def step(self, rule: int, place: Sequence[int], time: Sequence[int], frame: pl.DataFrame) -> list[Change]:
        """Apply rows in order: ``place`` and ``time`` (ms) of each row of ``frame``; what changed, in order."""
        fires, ends = self.rules[rule].holds(frame)
        return self.follow(rule, place, time, fires, ends)

    def holding(self, rules: Sequence[int], frame: pl.DataFrame) -> dict[int, tuple[list[bool], list[bool]]]:
        """What ``Rule.holds`` says of each of ``rules``, asked for all of them at once."""
        if not rules:
            return {}
        asked = [
            one.fill_null(False).alias(f"{number}/{name}")
            for number in rules
            for name, one in (("fires", self.rules[number].fires), ("ends", self.rules[number].ends))
        ]
        told = frame.select(asked)
        return {n: (told[f"{n}/fires"].to_list(), told[f"{n}/ends"].to_list()) for n in rules}

    def follow(
        self, rule: int, place: Sequence[int], time: Sequence[int], fires: Sequence[bool], ends: Sequence[bool]
    ) -> list[Change]:
        """Apply rows of which it is known whether the condition holds and whether it is over; what changed."""
        changes = []
        for row, (where, when, hot, over) in enumerate(zip(place, time, fires, ends, strict=True)):
            change = self._apply(rule, row, where, when, hot, over)
            if change is not None:
                changes.append(change)
        return changes

    def _apply(self, rule: int, row: int, place: int, time: int, hot: bool, over: bool) -> Change | None:
        held = self._held[rule]
        condition = held.get(place)
        if condition is None:
            if not hot:
                return None
            condition = held[place] = _Condition()
        if condition.onset is None:
            return self._toward_firing(rule, row, place, time, hot, condition)
        return self._toward_clear(rule, row, place, time, over and not hot, condition)

    def _toward_firing(self, rule: int, row: int, place: int, time: int, hot: bool, at: _Condition) -> Change | None:
        if not hot:
            del self._held[rule][place]
            return None
        at.since = time if at.since is None else at.since
        if time - at.since < self.rules[rule].for_ms:
            return None
        at.onset = at.since
        return Change(rule, row, place, "firing", at.onset, time)

    def _toward_clear(self, rule: int, row: int, place: int, time: int, over: bool, at: _Condition) -> Change | None:
        if not over:
            at.calm = None
            return None
        at.calm = time if at.calm is None else at.calm
        if time - at.calm < self.rules[rule].clear_for_ms:
            return None
        onset = at.onset
        assert onset is not None
        del self._held[rule][place]
        return Change(rule, row, place, "cleared", onset, time)

    def drop(self, rule: int, place: int) -> None:
        """Let go of what is pending or firing at ``place``, as when its sensor turned out to be broken."""
        self._held[rule].pop(place, None)

    def snapshot(self) -> list[tuple[str, int, int | None, int | None, int | None]]:
        """All held conditions as plain rows (rule key, place, since, onset, calm), sorted."""
        rows = []
        for rule, held in zip(self.rules, self._held, strict=True):
            rows += [(f"{rule.pack}/{rule.name}", place, c.since, c.onset, c.calm) for place, c in held.items()]
        return sorted(rows, key=lambda row: (row[0], row[1]))

    def restore(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take over what ``snapshot`` gave; rows of rules that exist no more are let go."""
        number = {f"{rule.pack}/{rule.name}": i for i, rule in enumerate(self.rules)}
        self._held = [{} for _ in self.rules]
        for key, place, since, onset, calm in rows:
            if key in number:
                self._held[number[key]][int(place)] = _Condition(since, onset, calm)
