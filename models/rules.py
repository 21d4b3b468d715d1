"""Rules: when a score or a level becomes a detection, and when it is over.

A rule is shaped as a Prometheus alert: an expression that must hold, for how long, and what ends it. Expressions are
Polars SQL over a frame of datastreams or zones; they are evaluated on columns, the delays are kept per place.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from models.values import Kind, Severity, Text

Reads = Literal["datastreams", "zones"]

# The columns an expression may use, each with what it means.
DATASTREAM_COLUMNS = {
    "value": "the reading, in the datastream's unit",
    "expected": "what the detector expected; null until it knows",
    "score": "surprise, -log10 of the tail probability; null for a gap",
    "hour": "local hour of the day, 0-23.99",
    "day_kind": "0 working day, 1 weekend, 2 holiday",
}
ZONE_COLUMNS = {
    "value": "sum of the readings of the zone in the tick",
    "expected": "sum of what was expected of the same datastreams; null until known",
    "score": "surprise of the zone's sum, -log10 of the tail probability",
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
LINE_COLUMNS = {"datastreams": ("value",), "zones": ("value", "occupancy", "density")}  # what a line may be of

# An expression sees one row at a time: what looks at other rows, at the clock or at chance would make results depend
# on how readings are cut into batches, and a cast can fail on what no test has seen.
FUNCTIONS = (
    "ABS", "CEIL", "COALESCE", "FLOOR", "GREATEST", "LEAST", "LN", "LOG10", "NULLIF", "ROUND", "SIGN", "SQRT",
)  # fmt: skip
_WORDS = frozenset(
    ["AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "TRUE", "FALSE", "LIKE", "CASE", "WHEN", "THEN", "ELSE", "END"]
)
_WORD = re.compile(r"([A-Za-z_]\w*)\s*(\(?)")
_LITERAL = re.compile(r"'(?:[^']|'')*'")


class RuleError(ValueError):
    """A rule's expression cannot be used; the message names the key, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a pack. Durations in ms; ``watch`` is the least score at which readings are looked at at all.

    ``budgeted``: what it finds is a claim, which the alert budget of the city judges against all others. ``line`` is
    the level of ``line_of`` whose crossing is foretold in the columns AHEAD_COLUMNS.
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
    fires: pl.Expr = field(init=False)
    ends: pl.Expr = field(init=False)

    def __post_init__(self) -> None:
        fires = _expression(self.expr, self.reads, "expr")
        object.__setattr__(self, "fires", fires & (pl.col("score") >= self.watch) if self.watch > 0 else fires)
        object.__setattr__(self, "ends", _expression(self.clear, self.reads, "clear"))
        if self.line_of not in LINE_COLUMNS[self.reads]:
            known = ", ".join(LINE_COLUMNS[self.reads])
            raise RuleError(f"line: {self.line_of!r} of {self.reads} has no forecast; use {known}")
        if self.line is not None and not math.isfinite(self.line):
            raise RuleError(f"line: {self.line} is no level; write a number in the unit of {self.line_of}")
        ahead = self.looks_ahead()
        if ahead and self.line is None:
            raise RuleError(f"expr: {ahead[0]} of which line? Say it with line, as in 'line: {{value: 0.27}}'")
        if self.line is not None and not ahead:
            raise RuleError(
                f"line: neither expr nor clear uses {' or '.join(AHEAD_COLUMNS)}; use them or take the line out"
            )

    def looks_ahead(self) -> list[str]:
        """Which of the columns AHEAD_COLUMNS the rule uses."""
        used = {*self.fires.meta.root_names(), *self.ends.meta.root_names()}
        return [name for name in AHEAD_COLUMNS if name in used]

    def is_scored(self) -> bool:
        """Does the rule look at the surprise, not only at the value?"""
        return self.watch > 0 or "score" in self.fires.meta.root_names()

    def holds(self, frame: pl.DataFrame) -> tuple[list[bool], list[bool]]:
        """Per row of ``frame``: does the condition hold, and is it over? Null counts as neither."""
        both = frame.select(self.fires.fill_null(False).alias("fires"), self.ends.fill_null(False).alias("ends"))
        return both["fires"].to_list(), both["ends"].to_list()


def _expression(text: str, reads: Reads, key: str) -> pl.Expr:
    known = (DATASTREAM_COLUMNS if reads == "datastreams" else ZONE_COLUMNS) | AHEAD_COLUMNS
    try:
        expression = pl.sql_expr(text)
        used = expression.meta.root_names()
    except pl.exceptions.PolarsError as error:
        raise RuleError(f"{key}: cannot read {text!r}: {error}") from error
    _words(text, known, key)
    if not used:
        raise RuleError(f"{key}: {text!r} uses no column; use one of {', '.join(known)}")
    schema = {name: pl.String() if name == "zone_kind" else pl.Float64() for name in known}
    try:
        kind = pl.DataFrame(schema=schema).select(expression.alias("it")).schema["it"]
    except pl.exceptions.PolarsError as error:
        raise RuleError(f"{key}: cannot use {text!r}: {error}") from error
    if kind != pl.Boolean():
        raise RuleError(f"{key}: {text!r} gives {kind}, not true or false; compare it with a line, as in 'score > 6'")
    return expression


def _words(text: str, known: Mapping[str, str], key: str) -> None:
    """Refuse every word that is no column, no keyword and no function of one row."""
    for name, bracket in _WORD.findall(_LITERAL.sub("''", text)):
        if name in known or name.upper() in _WORDS or (bracket and name.upper() in FUNCTIONS):
            continue
        if bracket:
            raise RuleError(f"{key}: {name} cannot be called in {text!r}; it may call {', '.join(FUNCTIONS)}")
        raise RuleError(f"{key}: unknown column {name!r}{_near(name, known)}")


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; use one of {', '.join(known)}"


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
