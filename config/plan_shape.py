"""What a response plan's tables must look like: their settings, columns and values, and what these may name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.jdm import Column, Grid, JdmError
from config.plan_check import Box, Points, conditions, constant, reachable
from models.plan_inputs import INPUTS, Input
from models.plans import HERE, MEASURES

MINUTE_MS = 60_000
STAGES = "stages"
STANDING = "standing"  # what the table ``release`` goes through: the measures in force
_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Declared:
    """A plan as a pack or a city declares it. ``places`` empty: for every incident of the pack."""

    plan: str
    pack: str
    path: Path
    reads: tuple[str, ...]  # inputs that the table must have as columns
    places: tuple[str, ...] = ()
    calm_ms: int = 10 * MINUTE_MS
    margin: float = 0.1


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a city a table may name. None: not known here, so not checked."""

    zones: frozenset[str] | None = None
    kinds: frozenset[str] | None = None  # of units
    skills: frozenset[str] | None = None
    routes: frozenset[str] | None = None  # of notifications
    rules: frozenset[str] | None = None  # of the pack


ANYTHING = Facts()  # nothing is known of the city
Check = Callable[[Any], str]  # what is wrong with a value; empty: nothing


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a table must be set: its hit policy, where its answer goes, its outputs and which of them must be there."""

    first: bool
    output_path: str
    input_field: str
    outputs: Mapping[str, Check]
    needed: tuple[str, ...]
    inputs: Mapping[str, Input] = field(default_factory=lambda: INPUTS)


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() else "is not a text"


def _word(value: Any) -> str:
    return "" if isinstance(value, str) and _WORD.fullmatch(value) else "is not a word of small letters, digits and -"


def _whole(least: int) -> Check:
    return lambda value: (
        "" if isinstance(value, float | int) and value == int(value) >= least else f"is not a whole number from {least}"
    )


def _minutes(value: Any) -> str:
    return "" if isinstance(value, float | int) and 0 < value <= 24 * 60 else "is not a number of minutes up to 1440"


def _among(known: Iterable[str] | None, what: str) -> Check:
    """One of ``known``; any text where that is not known."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not value:
            return "is not a text"
        if known is None or value in known:
            return ""
        listed = ", ".join(sorted(known)[:20]) or "none"
        return f"is no {what}; there are: {listed}"

    return check


def _list(one: Check) -> Check:
    """A list of what ``one`` takes."""

    def check(value: Any) -> str:
        if not isinstance(value, list):
            return "is not a list; write ['a', 'b']"
        return next((f"holds {item!r}, which {wrong}" for item in value if (wrong := one(item))), "")

    return check


def _shapes(facts: Facts, stages: Sequence[str]) -> dict[str, _Shape]:
    zones = None if facts.zones is None else facts.zones | {HERE}
    stage = replace(INPUTS["stage"], words=tuple(stages))
    task: dict[str, Check] = {"what.en": _text, "what.zh": _text, "who": _text, "minutes": _minutes}
    said = ("what.en", "what.zh", "who")
    after = {**INPUTS, "stage": stage}
    return {
        STAGES: _Shape(
            first=True,
            output_path="",
            input_field="",
            outputs={
                "stage": _word,
                "level": _whole(0),
                "title.en": _text,
                "title.zh": _text,
                "measures": _list(_among(MEASURES, "measure")),
                "close": _list(_among(zones, "zone of the city")),
                "notify": _list(_among(facts.routes, "route of notifications")),
            },
            needed=("stage", "level", "title.en", "title.zh"),
            inputs={**INPUTS, "stage": replace(stage, words=(*stages, ""))},
        ),
        "tasks": _Shape(False, "tasks", "", task, said, after),
        "units": _Shape(
            first=False,
            output_path="units",
            input_field="",
            outputs={
                "kind": _among(facts.kinds, "unit kind of the city"),
                "count": _whole(1),
                "skills": _list(_among(facts.skills, "skill of the city's units")),
            },
            needed=("kind",),
            inputs=after,
        ),
        "release": _Shape(
            first=True,
            output_path="release",
            input_field=STANDING,
            outputs=task,
            needed=said,
            inputs={"measure": Input("word", "a measure to take back", "the plan in force", words=tuple(MEASURES))},
        ),
    }


def checked(tables: Mapping[str, Grid], file: str, reads: Sequence[str], facts: Facts) -> dict[str, int]:
    """The level of each stage of a sound plan; else ``JdmError`` names file, table, row and column.

    ``reads`` are the inputs that the table of stages must have.
    """
    if STAGES not in tables or next(iter(tables)) != STAGES:
        listed = ", ".join(tables) or "none"
        raise JdmError(f"{file}: the first table must be named {STAGES}; there are: {listed}")
    shapes = _shapes(facts, _stages(tables[STAGES]))
    for name in tables:
        if name not in shapes:
            raise JdmError(f"{file}: table {name!r} is unknown; a plan may have {', '.join(shapes)}")
    _has(tables[STAGES], reads)
    spaces = {name: _grid(grid, shapes[name], facts) for name, grid in tables.items()}
    reachable(tables[STAGES], *spaces[STAGES])
    levels = _levels(tables[STAGES])
    if "tasks" in tables:
        _tasked(tables["tasks"], *spaces["tasks"], [stage for stage, level in levels.items() if level])
    _kept(tables[STAGES], levels)
    _releases(tables, spaces)
    return levels


def _stages(grid: Grid) -> list[str]:
    """The stages that the rows answer with, as far as they can be read; the column's own check comes later."""
    at = _place(grid.outputs, "stage")
    values = [] if at is None else [constant(grid, row, at) for row in grid.rows]
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))


def _place(columns: Sequence[Column], name: str) -> int | None:
    return next((at for at, column in enumerate(columns) if column.reads == name), None)


def _has(grid: Grid, reads: Iterable[str]) -> None:
    for name in reads:
        if name not in INPUTS:
            known = ", ".join(INPUTS)
            raise JdmError(f"{grid.where}: reads: {name!r}, which is declared for it, is no input; there are: {known}")
        if _place(grid.inputs, name) is None:
            listed = ", ".join(column.reads for column in grid.inputs) or "none"
            raise JdmError(
                f"{grid.where}, head line, column {name}: the input is missing, and no row may answer without it; "
                f"there are: {listed}"
            )


def _grid(grid: Grid, shape: _Shape, facts: Facts) -> tuple[list[Points], list[Box]]:
    """One table's setting, inputs and outputs; its points and boxes."""
    _setting(grid, shape)
    vocabulary = {"zone": facts.zones, "district": facts.zones, "rule": facts.rules}
    inputs = []
    for column in grid.inputs:
        if column.reads not in shape.inputs:
            known = ", ".join(shape.inputs)
            raise JdmError(f"{grid.where}, head line, column {column.shown}: the input is unknown; there are: {known}")
        known_words = vocabulary.get(column.reads)
        inputs.append(shape.inputs[column.reads])
        if known_words is not None:
            _named(grid, column, known_words)
    for name in shape.needed:
        if _place(grid.outputs, name) is None:
            raise JdmError(f"{grid.where}, head line, column {name}: the output is missing; add it")
    for column in grid.outputs:
        if column.reads not in shape.outputs:
            known = ", ".join(shape.outputs)
            raise JdmError(f"{grid.where}, head line, column {column.shown}: the output is unknown; there are: {known}")
    _outputs(grid, shape)
    return conditions(grid, inputs)


def _setting(grid: Grid, shape: _Shape) -> None:
    wanted = {
        "hit policy": ("first" if grid.first else "collect", "first" if shape.first else "collect"),
        "output path": (grid.output_path, shape.output_path),
        "input field": (grid.input_field, shape.input_field),
        "execution mode": ("loop" if grid.loop else "single", "loop" if shape.input_field else "single"),
        "pass through": (grid.pass_through, True),
    }
    for name, (has, needs) in wanted.items():
        if has != needs:
            raise JdmError(f"{grid.where}: {name} is {has!r}; set it to {needs!r} in the table's settings")
    if not grid.rows:
        raise JdmError(f"{grid.where}: it has no rows; add one, or take the table out")


def _named(grid: Grid, column: Column, known: frozenset[str]) -> None:
    """Every word that the column's cells name is known to the city or the pack."""
    at = grid.inputs.index(column)
    for row in grid.rows:
        for word in _QUOTED.findall(row.inputs[at]):
            name = word[0] or word[1]
            if name not in known:
                listed = ", ".join(sorted(known)[:20]) or "none"
                where = grid.at(row.number, column.shown)
                raise JdmError(f"{where}: {name!r} is no {column.reads} that there is; there are: {listed}")


def _outputs(grid: Grid, shape: _Shape) -> None:
    for row in grid.rows:
        for at, column in enumerate(grid.outputs):
            value = constant(grid, row, at)
            where = grid.at(row.number, column.shown)
            if value is None and column.reads in shape.needed:
                raise JdmError(f"{where}: the cell is empty; every row must say it")
            wrong = "" if value is None else shape.outputs[column.reads](value)
            if wrong:
                raise JdmError(f"{where}: {row.outputs[at]} {wrong}")


def _levels(grid: Grid) -> dict[str, int]:
    stage, level = _place(grid.outputs, "stage"), _place(grid.outputs, "level")
    assert stage is not None and level is not None  # needed, and checked
    levels: dict[str, int] = {}
    for row in grid.rows:
        name, value = constant(grid, row, stage), int(constant(grid, row, level))
        if levels.setdefault(name, value) != value:
            where = grid.at(row.number, "level")
            raise JdmError(f"{where}: stage {name!r} has level {value} here and {levels[name]} above; make them one")
    return levels


def _tasked(grid: Grid, points: Sequence[Points], boxes: Sequence[Box], stages: Iterable[str]) -> None:
    """Every stage above level 0 has something to do."""
    at = _place(grid.inputs, "stage")
    for stage in stages:
        if at is not None and not any(box[at] >> points[at].values.index(stage) & 1 for box in boxes):
            raise JdmError(f"{grid.where}, column stage: no row holds for stage {stage!r}; add what is to be done")


def _kept(grid: Grid, levels: Mapping[str, int]) -> None:
    """A graver stage keeps the measures of every lesser one: the way up never tells anybody to take one back."""
    stage, measures = _place(grid.outputs, "stage"), _place(grid.outputs, "measures")
    if stage is None or measures is None:
        return
    rows = [(levels[constant(grid, row, stage)], constant(grid, row, measures) or [], row) for row in grid.rows]
    for level, ordered, row in rows:
        for lesser, kept, other in rows:
            lost = [name for name in kept if name not in ordered]
            if lost and 0 < lesser < level:
                where = grid.at(row.number, "measures")
                raise JdmError(
                    f"{where}: {lost[0]!r} is ordered in row {other.number} at level {lesser}, and a graver stage "
                    "would take it back; add it here"
                )


def _releases(tables: Mapping[str, Grid], spaces: Mapping[str, tuple[list[Points], list[Box]]]) -> None:
    """Every measure that a stage orders can be taken back."""
    stages = tables[STAGES]
    at = _place(stages.outputs, "measures")
    ordered = {} if at is None else {m: row.number for row in stages.rows for m in constant(stages, row, at) or ()}
    held = 0
    if "release" in tables:
        points, boxes = spaces["release"]
        held = sum(1 << place for place in range(len(points[0].values)) if any(box[0] >> place & 1 for box in boxes))
    words = list(MEASURES)
    for measure, row in ordered.items():
        if not held >> words.index(measure) & 1:
            where = stages.at(row, "measures")
            raise JdmError(f"{where}: no row of table release takes {measure!r} back; add one")
