"""Rules: what an expression may say, and delays as timetables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.expressions import FUNCTIONS
from models.rules import (
    AHEAD_COLUMNS,
    DATASTREAM_COLUMNS,
    ZONE_COLUMNS,
    Change,
    Conditions,
    Reads,
    Rule,
    RuleError,
)
from models.values import Text

MIN = 60


def rule(expr: str, clear: str = "score < 1", reads: Reads = "datastreams", **more: Any) -> Rule:
    """A rule with this expression."""
    return Rule("test", "Rule", reads, "people", expr, clear, "Minor", Text("x", "x"), **more)


@dataclass
class Timetable:
    """One place under one rule: ``push`` readings of the score at seconds, ``expect`` what changed between them."""

    rule: Rule
    conditions: Conditions = field(init=False)
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conditions = Conditions([self.rule])

    def push(self, at: int, score: float | None) -> None:
        """A reading at ``at`` seconds."""
        frame = pl.DataFrame({"score": [score]}, schema={"score": pl.Float64})
        self.changes += self.conditions.step(0, [7], [at * 1_000], frame)

    def expect(self, *changes: tuple[int, str, int]) -> None:
        """So far these happened: (at seconds, state, onset seconds)."""
        assert [(c.time // 1_000, c.state, c.onset // 1_000) for c in self.changes] == list(changes)


def test_without_delays_it_fires_and_ends_at_once() -> None:
    """The first reading over the line fires, the first under the clear line ends, between them nothing moves."""
    table = Timetable(rule("score >= 5", "score < 2"))
    for at, score in enumerate([1, 5, 9, 3, 4, 1, 0, 6]):
        table.push(at, score)
    table.expect((1, "firing", 1), (5, "cleared", 1), (7, "firing", 7))


def test_for_waits_until_the_condition_has_held_so_long() -> None:
    """With a delay of one minute it fires at the first reading a minute after the condition began, with that onset."""
    table = Timetable(rule("score >= 5", for_ms=60_000))
    table.push(0, 6)
    table.push(59, 6)
    table.expect()
    table.push(60, 6)
    table.expect((60, "firing", 0))


def test_for_starts_anew_when_the_condition_breaks() -> None:
    """One reading under the line forgets what was pending, also when it is not under the clear line."""
    table = Timetable(rule("score >= 5", for_ms=60_000))
    for at, score in [(0, 6), (50, 4), (55, 6), (100, 6)]:
        table.push(at, score)
    table.expect()
    table.push(115, 6)
    table.expect((115, "firing", 55))


def test_clear_for_waits_until_it_has_been_calm_so_long() -> None:
    """The alert ends when the clear condition has held for its delay; a reading that is not calm starts that anew."""
    table = Timetable(rule("score >= 5", "score < 2", clear_for_ms=60_000))
    for at, score in [(0, 6), (10, 1), (40, 3), (50, 1), (100, 1)]:
        table.push(at, score)
    table.expect((0, "firing", 0))
    table.push(110, 1)
    table.expect((0, "firing", 0), (110, "cleared", 0))


def test_a_gap_counts_as_neither() -> None:
    """A null score breaks what is pending, and does not end what fires; it breaks the calm."""
    table = Timetable(rule("score >= 5", "score < 2", for_ms=10_000, clear_for_ms=20_000))
    for at, score in [(0, 6), (5, None), (10, 6), (20, 6), (30, None), (40, 1), (50, None), (60, 1), (79, 1)]:
        table.push(at, score)
    table.expect((20, "firing", 10))
    table.push(80, 1)
    table.expect((20, "firing", 10), (80, "cleared", 10))


def test_what_holds_is_not_over() -> None:
    """Where the lines overlap the firing condition wins: no flicker while both hold."""
    table = Timetable(rule("score >= 5", "score < 8"))
    for at, score in [(0, 6), (1, 7), (2, 9), (3, 6), (4, 4)]:
        table.push(at, score)
    table.expect((0, "firing", 0), (4, "cleared", 0))


def test_watch_is_a_least_score() -> None:
    """A rule that watches from a score on does not fire below it, whatever its expression says."""
    table = Timetable(rule("score >= 1", watch=3.0))
    for at, score in [(0, 2.9), (1, 3.0), (2, 0.5)]:
        table.push(at, score)
    table.expect((1, "firing", 1), (2, "cleared", 1))


def test_places_have_delays_of_their_own() -> None:
    """Rows of several places in one step move each its own condition, in the order of the rows."""
    conditions = Conditions([rule("score >= 5", for_ms=10_000)])
    frame = pl.DataFrame({"score": [6.0, 6.0, 6.0, 0.0]})
    changes = conditions.step(0, [1, 2, 1, 2], [0, 0, 10_000, 10_000], frame)
    assert changes == [Change(rule=0, row=2, place=1, state="firing", onset=0, time=10_000)]
    assert conditions.active(0) == {1}
    assert (conditions.holds(0, 1), conditions.holds(0, 2)) == (True, False)


def test_only_what_is_pending_or_firing_is_held() -> None:
    """A place at rest costs no memory."""
    table = Timetable(rule("score >= 5", "score < 2"))
    for at, score in [(0, 1), (1, 9), (2, 0), (3, 0)]:
        table.push(at, score)
    assert table.conditions.snapshot() == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40), st.integers(0, 40))
def test_conditions_can_be_saved_at_any_moment(readings: list[tuple[int, int]], at: int) -> None:
    """Saved as JSON and restored into another, all further changes are the same."""
    rules = [rule("score >= 5", "score < 2", for_ms=3_000, clear_for_ms=2_000)]
    whole, part, rest = Conditions(rules), Conditions(rules), Conditions(rules)

    def feed(conditions: Conditions, start: int, end: int) -> list[Change]:
        some = list(enumerate(readings))[start:end]
        frame = pl.DataFrame({"score": [float(score) for _, (_, score) in some]}, schema={"score": pl.Float64})
        return conditions.step(0, [place for _, (place, _) in some], [1_000 * i for i, _ in some], frame)

    told = feed(whole, 0, at), feed(whole, at, 40)
    first = feed(part, 0, at)
    rest.restore(msgspec.json.decode(msgspec.json.encode(part.snapshot())))
    assert (first, feed(rest, at, 40)) == told
    assert rest.snapshot() == whole.snapshot()


def test_a_rule_that_is_gone_is_let_go() -> None:
    """Restoring what a pack no longer declares keeps the rest."""
    conditions = Conditions([rule("score >= 5")])
    conditions.restore([("test/Rule", 1, 0, 0, None), ("test/Gone", 2, 0, 0, None)])
    assert conditions.snapshot() == [("test/Rule", 1, 0, 0, None)]


@pytest.mark.parametrize(
    ("reads", "columns"), [("datastreams", {**DATASTREAM_COLUMNS, **AHEAD_COLUMNS}), ("zones", ZONE_COLUMNS)]
)
def test_every_column_can_be_used(reads: Reads, columns: dict[str, str]) -> None:
    """Each column of the documented ones can stand in an expression."""
    for name in columns:
        line = 5.0 if name in AHEAD_COLUMNS else None
        made = rule(f"{name} = 'venue'" if name == "zone_kind" else f"{name} > 1", reads=reads, line=line)
        frame = pl.DataFrame({name: ["venue" if name == "zone_kind" else 2.0], "score": [2.0]})
        assert made.holds(frame) == ([True], [False])


@pytest.mark.parametrize(
    "expr",
    [
        "score > 6 AND NOT (value BETWEEN 1 AND 2)",
        "day_kind IN (1, 2) OR hour >= 22.5",
        "expected IS NULL OR value > 2 * expected",
        "CASE WHEN hour < 6 THEN score > 3 ELSE score > 6 END",
        *(f"{name}(value, 2) > 1" for name in FUNCTIONS if name in ("COALESCE", "GREATEST", "LEAST", "NULLIF")),
        *(f"{name}(value) > 1" for name in FUNCTIONS if name not in ("COALESCE", "GREATEST", "LEAST", "NULLIF")),
    ],
)
def test_what_an_expression_may_say(expr: str) -> None:
    """Comparisons, logic, CASE and the functions of one row are understood."""
    assert rule(expr).expr == expr


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("scroe > 6", 'expr: unknown column "scroe"; did you mean "score"?'),
        ("Score > 6", 'expr: unknown column "Score"; did you mean "score"?'),
        ("crowd > 6", 'expr: unknown column "crowd"; use one of value, expected, score, hour, day_kind'),
        ("ratio > 2", 'expr: unknown column "ratio"'),
        ("score", "expr: 'score' gives Float64, not true or false; compare it with a line, as in 'score > 6'"),
        ("1 > 0", "expr: '1 > 0' uses no column; use one of value, expected, score, hour, day_kind"),
        ("score >", "expr: cannot read 'score >'"),
        ("", "expr: is empty; write a comparison, as in value >= 0.27"),
        ("score > 'high'", "expr: cannot use \"score > 'high'\""),
        ("value > AVG(value)", "expr: AVG cannot be called in 'value > AVG(value)'; it may call ABS, CEIL"),
        ("SUM(value) OVER () > 3", "expr: SUM cannot be called"),
        ("CAST(value AS INT) > 3", "expr: CAST cannot be called"),
        ("value::INT > 3", "expr: 'value::INT > 3' holds ':' at character 6, which no expression needs"),
        ("value > 1 OR CURRENT_TIMESTAMP > value", 'expr: unknown column "CURRENT_TIMESTAMP"'),
        ("NOW() > value", "expr: NOW cannot be called"),
        ("value IN (SELECT 1)", 'expr: unknown column "SELECT"'),
    ],
)
def test_what_an_expression_may_not_say(expr: str, says: str) -> None:
    """What cannot be used is refused with key, value and remedy."""
    with pytest.raises(RuleError, match="^" + re.escape(says)):
        rule(expr)


def test_the_clear_expression_is_named() -> None:
    """An error in the clear line says that it is there."""
    with pytest.raises(RuleError, match=r'^clear: unknown column "rato"; did you mean "ratio"'):
        rule("score > 6", clear="rato < 1", reads="zones")


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from(["value", "score", ">", "(", ")", "'", "AND", "1", ","])).map(" ".join)
)
def test_no_text_breaks_it(expr: str) -> None:
    """Whatever is written, it is a rule or a RuleError."""
    try:
        made = rule(expr)
    except RuleError:
        return
    fires, ends = made.holds(pl.DataFrame({name: [1.0] for name in DATASTREAM_COLUMNS}))
    assert (len(fires), len(ends)) == (1, 1)
